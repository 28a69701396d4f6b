"""Rows wherever a workspace has them on its disk: recorded datasets, cached ones, and what a killed command left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunewheel.data import Dataset
from tunewheel.data.erased import Erased
from tunewheel.data.infer import TARGETS
from tunewheel.data.problems import nearest
from tunewheel.lineage.find import TraceError
from tunewheel.lineage.nearest import duplicate_of
from tunewheel.lineage.rows import Held, Places, any_of, containing, held, part_of, where, with_ids, with_text
from tunewheel.registry import Registry, Version
from tunewheel.registry.parents import what_was_left
from tunewheel.registry.purge import dataset_folders
from tunewheel.store import DatasetRecord, Workspace, get_run, list_datasets

NEAR = 20
"""Near copies that are listed."""


@dataclass(frozen=True)
class Holding:
    """A stored dataset and those of its rows that are meant."""

    folder: Path
    dataset: Dataset
    rows: tuple[Held, ...]


class Families:
    """Datasets that are revisions of each other, by the records of their parents."""

    def __init__(self, records: Collection[DatasetRecord]) -> None:
        self.records = {record.fingerprint: record for record in records}
        self._parents = {record.fingerprint: record.parent for record in records}

    def root(self, fingerprint: str) -> str:
        """The oldest known ancestor of a dataset: its family's name."""
        seen = {fingerprint}
        while (parent := self._parents.get(fingerprint)) is not None and parent not in seen:
            seen.add(parent)
            fingerprint = parent
        return fingerprint

    def newest(self, fingerprint: str) -> bool:
        """Whether nothing was made from a dataset yet."""
        return fingerprint in self.records and fingerprint not in self._parents.values()


def find_holdings(
    workspace: Workspace,
    rows: Sequence[str],
    *,
    contains: str | None = None,
    column: tuple[str, str] | None = None,
    model: str | None = None,
) -> list[Holding]:
    """Every stored dataset that holds the rows meant, or others of the same text, white space aside.

    Args:
        workspace: where.
        rows: ids, or whole texts.
        contains: a part of the text, case aside.
        column: a column and its value.
        model: look only at data that this model learned from, and its revisions.

    Raises:
        TraceError: an id names rows of different texts in data that has nothing to do with each other.
    """
    families = Families(list_datasets(workspace))
    stored = [(folder, Dataset.load(folder)) for folder in dataset_folders(workspace)]
    if model is not None:
        roots = {families.root(v.dataset) for v in Registry(workspace).versions(model) if v.dataset}
        stored = [(folder, dataset) for folder, dataset in stored if _root(families, dataset) in roots]
    _check_column(stored, column)

    def kinds(dataset: Dataset, *texts: str) -> Places:
        found = [with_ids(*rows), with_text(*rows, *texts)]
        found += [containing(contains)] if contains is not None else []
        found += [where(_kept_as(dataset, column[0]), column[1])] if column is not None else []
        return any_of(*found)

    meant = _held(stored, kinds)
    _one_row_an_id(families, meant, rows)
    texts = {row.row["text"] for holding in meant for row in holding.rows}
    return _held(stored, lambda dataset: kinds(dataset, *texts)) if texts else []


def near_copies(holdings: Sequence[Holding], gone: Erased) -> list[dict[str, Any]]:
    """Rows beside them whose text is nearly one of theirs, the first `NEAR`: they stay, but somebody should look."""
    found: dict[str, dict[str, Any]] = {}
    for holding in holdings:
        for split in holding.dataset.splits:
            for batch in holding.dataset.batches(split):
                for row_id, text in zip(batch["id"].to_pylist(), batch["text"].to_pylist(), strict=True):
                    if len(found) == NEAR:
                        return list(found.values())
                    if text not in found and not gone.is_text(text) and _near(text, gone):
                        about = {"split": split, "dataset": holding.dataset.fingerprint}
                        found[text] = {"id": row_id, "text": text, **about}
    return list(found.values())


def users(workspace: Workspace, holdings: Sequence[Holding]) -> list[dict[str, Any]]:
    """Every version whose dataset holds the rows, and how many of them it ``learned`` from or was ``tested`` on.

    Where an earlier erasure was purged, what it left stands for the dataset. A student has learned from its unlabelled
    text too. Parts are those of `part_of`; ready for JSON.
    """
    splits = {h.dataset.fingerprint: Counter(row.split for row in h.rows) for h in holdings}
    found = []
    for version in Registry(workspace).versions():
        parts = Counter[str]()
        for split, count in _first(workspace, version.dataset, splits).items():
            for part in part_of(split, version.report).split(" and "):
                parts[part] += count
        parts["learned"] += _first(workspace, _unlabelled(workspace, version), splits).total()
        if not parts.total():
            continue
        ref = {"ref": version.ref, "aliases": list(version.aliases), "dataset": version.dataset}
        found.append({**ref, "parts": dict(+parts)})
    return found


def _first(workspace: Workspace, fingerprint: str | None, counts: Mapping[str, Counter[str]]) -> Counter[str]:
    """The counts of a dataset, or of what purges have left of it."""
    left = (record.fingerprint for record in what_was_left(workspace, fingerprint or ""))
    return next((counts[each] for each in left if each in counts), Counter())


def _unlabelled(workspace: Workspace, version: Version) -> str | None:
    """The dataset of raw text that a version learned from beside its own."""
    run = get_run(workspace, version.run) if version.run else None
    return run.settings.get("unlabelled") if run else None


def _check_column(stored: Sequence[tuple[Path, Dataset]], column: tuple[str, str] | None) -> None:
    """Refuse a column that no dataset has, rather than find nothing in it."""
    known = {name for _, dataset in stored for name in (*_names(dataset), *dataset.columns.values())}
    if column is not None and stored and column[0] not in known:
        close = nearest(column[0], known)
        hint = f"did you mean {close!r}?" if close else f"they have {', '.join(sorted(known))}"
        raise TraceError(f"no dataset here has a column {column[0]!r}; {hint}")


def _names(dataset: Dataset) -> list[str]:
    names: list[str] = dataset[dataset.splits[0]].column_names
    return names


def _kept_as(dataset: Dataset, column: str) -> str:
    """What a column of the user's file is called in the dataset that was made of it."""
    names = _names(dataset)
    target = next((target for target in TARGETS if target in names), column)
    own = {original: {"text": "text", "label": target}[kind] for kind, original in dataset.columns.items()}
    return column if column in names else own.get(column, column)


def _held(stored: Sequence[tuple[Path, Dataset]], places: Callable[[Dataset], Places]) -> list[Holding]:
    found = [Holding(folder, dataset, tuple(held(dataset, places(dataset)))) for folder, dataset in stored]
    return [holding for holding in found if holding.rows]


def _root(families: Families, dataset: Dataset) -> str:
    """The family of a stored dataset; one that no record names yet is of its parent's."""
    known = dataset.fingerprint in families.records
    return families.root(dataset.fingerprint if known else dataset.parent or dataset.fingerprint)


def _one_row_an_id(families: Families, holdings: Sequence[Holding], rows: Sequence[str]) -> None:
    for identifier in rows:
        texts: dict[str, set[str]] = {}
        for holding in holdings:
            told = {" ".join(r.row["text"].split()) for r in holding.rows if r.row["id"] == identifier}
            if told:
                texts.setdefault(_root(families, holding.dataset), set()).update(told)
        if len(texts) > 1 and len({frozenset(told) for told in texts.values()}) > 1:
            names = ", ".join(families.records[root].name if root in families.records else root[:12] for root in texts)
            raise TraceError(
                f"{identifier!r} names different rows in {names}: say which by --model NAME, or by its text"
            )


def _near(text: str, gone: Erased) -> bool:
    return any(
        2 * min(len(text), len(other)) > max(len(text), len(other)) and duplicate_of(text, other) is not None
        for other in gone.texts
    )
