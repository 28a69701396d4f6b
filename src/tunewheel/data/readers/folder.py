"""Which files of a path are data, and which split each holds."""

from __future__ import annotations

import glob
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tunewheel.data.problems import DataError, Problem, nearest
from tunewheel.data.readers.formats import BY_SUFFIX, Format, Found, open_file, sniff_format
from tunewheel.data.readers.lines import may_be_lines
from tunewheel.data.readers.names import CLASS_LISTS, split_of, split_order
from tunewheel.data.readers.parallel import Role, find_sets
from tunewheel.data.readers.text import TextFile, inspect

_NEVER = frozenset((".md", ".rst", ".py", ".ipynb", ".html", ".pdf", ".yaml", ".yml", ".toml", ".lock", ".sh"))


def find(path: Path, format: Format | None = None) -> tuple[list[Found], list[str]]:
    """List the data files of a path and what is to be said of them: a file, a folder of splits or a pattern.

    Raises `DataError` where there is nothing to read, no train split, or several files for one split.
    """
    if path.is_dir():
        return _find_in(path, format)
    if not path.is_file():
        if paths := matches(path):
            return [found for each in paths for found in open_file(each, format, None)], [
                f"{path.name}: {len(paths)} files one after another ({paths[0].name} … {paths[-1].name})"
            ]
        names = [sibling.name for sibling in path.parent.iterdir()] if path.parent.is_dir() else []
        close = nearest(path.name, names)
        fix = f"did you mean '{path.parent / close}'?" if close else "check the path"
        raise DataError([Problem(str(path), None, "", "a file or a folder", "nothing there", fix)])
    return open_file(path, format, None), []


def find_named(paths: Mapping[str, str | Path], format: Format | None = None) -> list[Found]:
    """Open files whose splits the caller named; a pattern may stand for several."""
    return [
        found
        for split, given in sorted(paths.items(), key=split_order)
        for path in matches(Path(given)) or [Path(given)]
        for found in open_file(path, format, split)
    ]


def matches(path: Path) -> list[Path]:
    """The files that a pattern such as ``news_*.json`` names, sorted; none where the path is no pattern or is there."""
    if path.exists() or not glob.has_magic(str(path)):
        return []
    found = Path(path.anchor).glob(str(path.relative_to(path.anchor)))
    return sorted(file for file in found if file.is_file())


@dataclass
class _Listing:
    """The files of one folder: data of a known form (a parallel set under its file of texts), and the rest."""

    data: list[Path] = field(default_factory=list)
    formless: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    sets: dict[Path, dict[Role, TextFile]] = field(default_factory=dict)
    names: dict[Path, str] = field(default_factory=dict)

    def open(self, path: Path, format: Format | None, split: str | None) -> list[Found]:
        """Open one of the files; a file of no form holds the texts of one label."""
        if path in self.sets:
            return [Found(self.sets[path]["tokens"], "parallel", split, beside=self.sets[path])]
        return open_file(path, "lines" if path in self.formless else format, split)


def _list(folder: Path, format: Format | None) -> _Listing:
    paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    listing = _Listing(folders=[path for path in paths if path.is_dir()])
    files = [path for path in paths if not path.is_dir()]
    sets = find_sets(files) if format in (None, "parallel") else {}
    listing.sets = {files["tokens"].path: files for files in sets.values()}
    listing.names = {files["tokens"].path: name for name, files in sets.items()}
    in_sets = {file.path for files in sets.values() for file in files.values()}
    for path in files:
        if path in listing.sets or (path not in in_sets and _may_be_data(path, format)):
            listing.data.append(path)
        elif path not in in_sets:
            listing.formless.append(path)
    return listing


def _find_in(folder: Path, format: Format | None) -> tuple[list[Found], list[str]]:
    listing, notes = _list(folder, format), list[str]()
    splits: dict[str, list[Found]] = {}
    other: list[Path] = []
    named: dict[str, list[Path]] = {}
    for path in listing.data:
        split = split_of(listing.names.get(path, path.name))
        named.setdefault(split, []).append(path) if split else other.append(path)
    for split, paths in named.items():
        splits[split] = _one_split(folder, split, paths, listing, format, notes)
    for inner in listing.folders:
        split = split_of(inner.name)
        within = _within(inner, split, format, notes) if split and split not in splits else []
        if split and within:
            splits[split] = within
        else:
            notes.append(f"ignored {inner.name}: a folder")
    lines = [path for path in listing.formless if may_be_lines(path) and path.name not in CLASS_LISTS]
    if not splits and not other and len(lines) > 1:
        return [found for path in lines for found in listing.open(path, format, None)], notes
    notes += [f"ignored {path.name}: no data format" for path in listing.formless if path.name not in CLASS_LISTS]
    if not splits and len(other) == 1:
        return listing.open(other[0], format, None), notes
    notes += [f"ignored {path.name}: its name tells no split" for path in other]
    if "train" not in splits:
        raise _no_train(folder, splits, other)
    return [found for _, several in sorted(splits.items(), key=split_order) for found in several], notes


def _one_split(
    folder: Path, split: str, paths: list[Path], listing: _Listing, format: Format | None, notes: list[str]
) -> list[Found]:
    """Open the files whose names tell one split: one, or parts that are numbered."""
    _drop_copies(paths, notes)
    if len({re.sub(r"\d+", "", path.name) for path in paths}) > 1:
        raise _ambiguous(folder, split, paths)
    if len(paths) > 1:
        notes.append(f"{split}: {len(paths)} files one after another ({paths[0].name} … {paths[-1].name})")
    return [found for path in paths for found in listing.open(path, format, split)]


def _within(folder: Path, split: str | None, format: Format | None, notes: list[str]) -> list[Found]:
    """Open the files of a folder that is one split: its data files, or files of plain lines, one a label."""
    listing = _list(folder, format)
    if split and listing.data:
        return _one_split(folder, split, listing.data, listing, format, notes)
    lines = [path for path in listing.formless if may_be_lines(path)]
    return [found for path in lines for found in listing.open(path, format, split)] if len(lines) > 1 else []


def _drop_copies(paths: list[Path], notes: list[str]) -> None:
    seen: dict[bytes, Path] = {}
    for path in list(paths) if len(paths) > 1 else []:
        content = hashlib.sha256(path.read_bytes()).digest()
        if content in seen:
            notes.append(f"ignored {path.name}: the same content as {seen[content].name}")
            paths.remove(path)
        seen.setdefault(content, path)


def _may_be_data(path: Path, format: Format | None) -> bool:
    suffix = path.suffix.lower()
    if suffix in _NEVER or path.name in CLASS_LISTS:
        return False
    if suffix in BY_SUFFIX or format not in (None, "parallel", "lines"):
        return True
    if format == "lines":
        return False
    try:
        return sniff_format(inspect(path)) is not None
    except DataError:
        # A file whose name tells a split is meant to be data: its own error is worth more than silence.
        return split_of(path.name) is not None and suffix == ""


def _no_train(folder: Path, splits: Mapping[str, list[Found]], other: list[Path]) -> DataError:
    found = (
        ", ".join(found.file.path.name for several in splits.values() for found in several)
        or ", ".join(path.name for path in other)
        or "no data file"
    )
    fix = "name the file of the train split 'train.…'"
    return DataError([Problem(str(folder), None, "", "a train split", found, fix)])


def _ambiguous(folder: Path, split: str, paths: list[Path]) -> DataError:
    names = ", ".join(path.name for path in paths)
    fix = f"keep one of them in the folder, or name the files: Dataset.read({{'{split}': …}})"
    return DataError([Problem(str(folder), None, "", f"one file for {split}", names, fix)])
