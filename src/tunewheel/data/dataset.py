"""Named splits of checked rows, with a content fingerprint and a parent."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt

from tunewheel.data import arrow, sources
from tunewheel.data.annotations import Ends
from tunewheel.data.build import Input, Plan, build
from tunewheel.data.edit import Change, Edit
from tunewheel.data.erased import without_erased
from tunewheel.data.gather import near_key, text_key
from tunewheel.data.infer import Target
from tunewheel.data.inherit import HELD, Heritage
from tunewheel.data.manifest import NAME, Manifest, Source, Split
from tunewheel.data.problems import DataError, Problem, nearest
from tunewheel.data.readers.formats import Format
from tunewheel.data.readers.memory import RowsReader
from tunewheel.data.readers.names import split_order
from tunewheel.store.files import sync, temporary_folder

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa


class Dataset:
    """Named splits of rows. Made by `read`, `from_rows` or `load`; never changed afterwards.

    >>> data = Dataset.from_rows({"train": [{"text": "my card is gone", "label": "lost"}]})
    >>> data.task, data.labels, data["train"]["text"][0]
    ('classification', ('lost',), 'my card is gone')
    """

    def __init__(self, manifest: Manifest, folder: Path, temporary: bool = False) -> None:
        self._manifest, self._folder = manifest, folder
        self._shown: dict[str, Any] = {}
        if temporary:
            self._finalizer = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    @classmethod
    def read(
        cls,
        path: str | Path | Mapping[str, str | Path],
        task: str | None = None,
        text: str | None = None,
        label: str | None = None,
        *,
        format: Format | None = None,
        ends: Ends | None = None,
        dev: float = 0.1,
        test: float = 0.1,
        seed: int = 13,
        group: str | None = None,
        time: str | None = None,
        parent: Self | None = None,
        on_error: Literal["raise", "skip"] = "raise",
        rejected: str | Path = "rejected.jsonl",
        cache: str | Path | None = None,
        targets: Sequence[Target] | None = None,
        erased: Collection[int] = (),
    ) -> Self:
        """Read a file, a folder of splits, or a mapping of split names to files; a saved dataset is loaded.

        A pattern (``news_*.json``) is all files it names; ``owner/name`` or ``owner/name:config`` is a data set of
        the Hugging Face hub where no such path is; ``sqlite:///shop.db::SELECT text, label FROM tickets`` is a query
        (`read_sql`). ``ends`` says how the ends of entities are counted where the rows leave it open.

        What is not named is inferred and said in `notes`. A dev or test split that is not given is taken from
        train (``dev`` and ``test`` are shares of train's rows; 0 takes none), stratified by label, identical
        texts and rows with one value of the column ``group`` kept together; NER by document where there are
        documents; with the column ``time``, the newest rows are test and the next dev. ``cache`` is a folder that
        keeps the Arrow files; without it they live as long as the dataset. A task that is neither
        ``classification`` nor ``ner`` says by ``targets`` which of ``label``, ``labels`` and ``entities`` may hold
        its labels (`tunewheel.tasks.Task.targets`); with the task ``text`` no column is looked for: the rows are plain
        text, `labels` is empty, and all other columns are kept.

        With a ``parent`` the dataset is its revision: rows that stood there (by id, else by text) keep their split
        whatever the files say now, new rows follow their group or an identical text, else they go by the hash of
        these, in the parent's shares; ``dev``, ``test``, ``seed`` and ``time`` then settle nothing.
        Rows are left out whose text has a key among ``erased`` (`tunewheel.data.gather.text_key`).

        Raises `DataError` for rows that cannot be used, the first 20 with place and remedy; with
        ``on_error="skip"`` they are left out and written to ``rejected``, as JSON Lines, and only a file of which
        nothing is left is an error.
        """
        heritage = parent.heritage() if parent is not None else None
        skipped = Path(rejected) if _skips(on_error) else None
        held = _tupled(targets)
        gone = frozenset(erased)
        plan = Plan(task, text, label, dev, test, seed, None, held, ends, group, time, heritage, skipped, gone)
        if (stored := sources.stored(path)) is not None:
            whole = without_erased(cls.load(stored), gone, cache)
            return whole if parent is None else parent._revised(whole, plan, cache)
        wanted = tuple(name for name in (text, label) if name)
        inputs, notes = sources.open_inputs(path, format, wanted)
        return cls._build(inputs, plan, cache, notes)

    @classmethod
    def read_sql(
        cls,
        url: str,
        query: str,
        task: str | None = None,
        text: str | None = None,
        label: str | None = None,
        *,
        ends: Ends | None = None,
        dev: float = 0.1,
        test: float = 0.1,
        seed: int = 13,
        group: str | None = None,
        time: str | None = None,
        cache: str | Path | None = None,
        targets: Sequence[Target] | None = None,
    ) -> Self:
        """Read the rows of a query from SQLite or PostgreSQL, in a transaction that cannot write.

        Rows are streamed; the source's hash is that of the rows. The password stands in no note, manifest or error;
        PostgreSQL also takes it from ``PGPASSWORD`` or ``~/.pgpass``. Raises `DataError`.
        """
        plan = Plan(task, text, label, dev, test, seed, None, _tupled(targets), ends, group, time)
        return cls._build([sources.query_input(url, query)], plan, cache, [])

    @classmethod
    def from_rows(
        cls,
        splits: Mapping[str, Iterable[Mapping[str, Any]]],
        task: str | None = None,
        *,
        text: str | None = None,
        label: str | None = None,
        dev: float = 0.0,
        test: float = 0.0,
        seed: int = 13,
        ends: Ends = "exclusive",
        group: str | None = None,
        time: str | None = None,
        cache: str | Path | None = None,
        parent: str | None = None,
        targets: Sequence[Target] | None = None,
    ) -> Self:
        """Build from rows in memory, checked as files are; ``row`` of a problem counts from 1 in its split.

        Rows that can be iterated again (a list, a split of another dataset) are never held at once. Missing
        splits are left missing unless ``dev`` or ``test`` ask for them. ``parent`` is the fingerprint of the
        dataset these rows are a revision of; to inherit its splits, see `revise`. ``targets`` are as for `read`.
        """
        inputs = [
            Input(name, RowsReader(rows), "rows", None, name) for name, rows in sorted(splits.items(), key=split_order)
        ]
        if not inputs:
            raise DataError(
                [
                    Problem(
                        "rows",
                        None,
                        "",
                        "at least one split",
                        "none",
                        'pass {"train": [{"text": …, "label": …}]}',
                    )
                ]
            )
        plan = Plan(task, text, label, dev, test, seed, parent, _tupled(targets), ends, group, time)
        return cls._build(inputs, plan, cache, [])

    def revise(
        self,
        rows: Dataset | Iterable[Mapping[str, Any]],
        *,
        cache: str | Path | None = None,
    ) -> Dataset:
        """Make the next revision out of all its ``rows``, old and new; splits are inherited as `read` has it.

        Rows of another dataset leave their splits behind unless its files gave them.

        >>> data = Dataset.from_rows({"train": [{"text": "my card is gone", "label": "lost"}]})
        >>> data.revise([*data["train"], {"text": "how much is left", "label": "balance"}]).parent == data.fingerprint
        True
        """
        plan = Plan(self.task, heritage=self.heritage())
        if isinstance(rows, Dataset):
            return self._revised(rows, plan, cache)
        return type(self)._build([Input("rows", RowsReader(rows), "rows", None, None)], plan, cache, [])

    def _revised(self, other: Dataset, plan: Plan, cache: str | Path | None) -> Self:
        given = other.split.kind == "given"
        inputs = [
            Input(name, RowsReader(other[name]), "rows", None, name if given or name not in HELD else None)
            for name in other.splits
        ]
        return type(self)._build(inputs, plan, cache, [])

    def heritage(self) -> Heritage:
        """Everything that a revision inherits: which rows, texts and groups stand in which split."""
        return Heritage.of(self._manifest, self._folder)

    def edited(self, change: Change, *, note: str, cache: str | Path | None = None) -> Self:
        """Make the revision that ``change`` leaves of the rows; splits, ids, sources and columns stay as they are.

        ``change`` takes split, number in the split (from 0) and row, and gives the row as it shall be or None to leave
        it out; it is asked more than once of a row. ``note`` says what was done. Raises `DataError` if no row is left.

        >>> data = Dataset.from_rows({"train": [{"text": t, "label": "a"} for t in ("one", "two")]})
        >>> data.edited(lambda split, at, row: row if at else None, note="the first is gone")["train"]["text"][:]
        ['two']
        """
        edit = Edit.of(self._manifest, self.batches, change)
        return type(self)._build(edit.inputs(), edit.plan(), cache, [note], edit.settle)

    @classmethod
    def _build(
        cls,
        inputs: list[Input],
        plan: Plan,
        cache: str | Path | None,
        notes: list[str],
        settle: Callable[[Manifest], Manifest] = lambda manifest: manifest,
    ) -> Self:
        work = Path(tempfile.mkdtemp(prefix=".tunewheel-")) if cache is None else _beside(Path(cache), "tunewheel")
        try:
            manifest = settle(build(inputs, plan, work, notes))
            if cache is None:
                return cls(manifest, work, temporary=True)
            home = cls(manifest, work).save(Path(cache) / manifest.fingerprint[:16])
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
        shutil.rmtree(work)
        # The files may be those of an earlier reading: same rows, not always the same bytes or sources.
        stored = Manifest.read(home).splits
        splits = {name: replace(stored[name], sources=split.sources) for name, split in manifest.splits.items()}
        return cls(replace(manifest, splits=splits), home)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Open a folder written by `save`. Raises `DataError` if a file of it is missing or was altered."""
        return cls(Manifest.read(Path(folder)), Path(folder))

    def save(self, folder: str | Path) -> Path:
        """Write the dataset into a new folder: all of it, or (on failure) nothing; again is harmless.

        Raises ``FileExistsError`` where the folder holds something else.
        """
        target = Path(folder)
        if target.is_dir() and any(target.iterdir()):
            return self._same(target)
        beside = _beside(target.parent, target.name)
        try:
            for split in self._manifest.splits.values():
                shutil.copyfile(self._folder / split.file, beside / split.file)
            self._manifest.write(beside)
            for file in beside.iterdir():
                sync(file)
            beside.chmod(0o755)
            try:
                beside.replace(target)
            except OSError:
                if not target.exists():
                    raise
                self._same(target)  # another process was first
                shutil.rmtree(beside)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        sync(target.parent)
        return target

    def _same(self, folder: Path) -> Path:
        if (folder / NAME).is_file() and Manifest.read(folder).fingerprint == self.fingerprint:
            return folder
        raise FileExistsError(f"{folder} exists and holds something else; choose another folder")

    @property
    def task(self) -> str:
        """What the labels are for."""
        return self._manifest.task

    @property
    def multi_label(self) -> bool:
        """Whether a row may have several labels (column ``labels``) rather than one (``label``)."""
        return self._manifest.multi_label

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names or entity types of all splits, sorted."""
        return self._manifest.labels

    @property
    def columns(self) -> dict[str, str]:
        """The original names of the columns taken as ``text`` and, but for plain text, ``label``."""
        return dict(self._manifest.columns)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that have rows: train, dev, test, then others."""
        return tuple(self._manifest.splits)

    @property
    def rows(self) -> dict[str, int]:
        """The number of rows of each split."""
        return {name: split.rows for name, split in self._manifest.splits.items()}

    @property
    def fingerprint(self) -> str:
        """sha256 over task, splits, ids and content: the same on every machine and for every path."""
        return self._manifest.fingerprint

    @property
    def parent(self) -> str | None:
        """Fingerprint of the dataset this one is a revision of."""
        return self._manifest.parent

    @property
    def split(self) -> Split:
        """How the rows came to their splits."""
        return self._manifest.split

    @property
    def sources(self) -> tuple[Source, ...]:
        """The files the rows came from."""
        return self._manifest.sources

    def source_of(self, split: str, row: int) -> Source | None:
        """The file that row number ``row`` of a split (from 0) came from, None where that was not recorded."""
        ends = np.cumsum(self._manifest.splits[split].sources)
        at = int(np.searchsorted(ends, row, side="right"))
        return self.sources[at] if at < len(ends) else None

    @property
    def notes(self) -> tuple[str, ...]:
        """Everything that was inferred or assumed."""
        return self._manifest.notes

    def __len__(self) -> int:
        return sum(self.rows.values())

    def __contains__(self, split: object) -> bool:
        return split in self._manifest.splits

    def __iter__(self) -> Iterator[str]:
        return iter(self.splits)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {rows}" for name, rows in self.rows.items())
        return f"Dataset({self.task}, {len(self.labels)} labels, {sizes}, {self.fingerprint[:12]})"

    def __getitem__(self, split: str) -> datasets.Dataset:
        """Return a split as a Hugging Face dataset over the memory-mapped Arrow file."""
        import datasets

        if split not in self._shown:
            path = str(self._path(split))
            self._shown[split] = datasets.Dataset.from_file(path, split=datasets.NamedSplit(split))
        return self._shown[split]

    def batches(self, split: str) -> Iterator[pa.RecordBatch]:
        """Iterate over a split's Arrow batches, one in memory at a time, without loading `datasets`."""
        yield from arrow.batches(self._path(split))

    def overlap(self, train: str, test: str, *, of: Dataset | None = None, near: bool = False) -> npt.NDArray[np.bool_]:
        """Say of each row of ``test`` whether its text (white space aside) stands in ``train``: a leak.

        ``of`` is the dataset whose ``train`` is meant, by default this one. ``near`` leaves case, punctuation and width
        aside too.
        """
        key = near_key if near else text_key
        return np.isin(self._keys(test, key), (of or self)._keys(train, key))

    def _keys(self, split: str, key: Callable[[str], int]) -> npt.NDArray[np.uint64]:
        keys = (key(text) for batch in self.batches(split) for text in batch["text"].to_pylist())
        return np.fromiter(keys, dtype=np.uint64)

    def _path(self, split: str) -> Path:
        if split not in self._manifest.splits:
            close = nearest(split, self.splits)
            hint = f"; did you mean '{close}'?" if close else ""
            raise KeyError(f"no split '{split}' among {', '.join(self.splits)}{hint}")
        return self._folder / self._manifest.splits[split].file


def _skips(on_error: str) -> bool:
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error must be 'raise' or 'skip', not {on_error!r}")
    return on_error == "skip"


def _tupled(targets: Sequence[Target] | None) -> tuple[Target, ...] | None:
    return None if targets is None else tuple(targets)


def _beside(folder: Path, name: str) -> Path:
    return temporary_folder(folder, f".{name}.tmp-")
