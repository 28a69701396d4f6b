"""What is meant by a word, and the way from there back to files and forward to aliases."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewheel.lineage.files import readings, stated
from tunewheel.lineage.rows import Places, held, of_exchange, open_dataset, part_of, with_ids, with_text
from tunewheel.registry import Registry, RegistryError
from tunewheel.registry.parents import what_was_left
from tunewheel.store import Workspace, list_datasets

if TYPE_CHECKING:
    from tunewheel.feedback.exchanges import Exchange
    from tunewheel.store import DatasetRecord

SHOWN = 20
"""Rows that a trace lists; of more it gives the number."""

_PREFIX = re.compile(r"[0-9a-f]{6,64}")
_EXCHANGE = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


class TraceError(ValueError):
    """Nothing, or more than one thing, is called that; the message says what was looked at."""


def trace(
    what: str | None = None,
    *,
    row: str | None = None,
    text: str | None = None,
    home: str | Path | None = None,
    database: str | None = None,
) -> dict[str, Any]:
    """Walk the lineage from one thing both ways; ready for JSON, its ``kind`` says what it is of.

    Args:
        what: a version (``tickets:3``, ``tickets@champion``), a file, the beginning of a dataset's fingerprint (six
            characters or more), an exchange's id, or a row's id.
        row: a row's id, where ``what`` would be taken for something else.
        text: the whole text of a row, white space aside.
        home, database: the workspace.

    Raises:
        TraceError: nothing is found, or several things are; the message has what was searched or the candidates.
    """
    with Workspace.open(home, database) as workspace:
        finder = _Finder(workspace)
        if text is not None:
            return finder.text(text)
        if row is not None:
            return finder.rows(f"the row {row!r}", with_ids(row))
        if what is None:
            raise TraceError(
                "say what to trace: a version, a file, a fingerprint, an exchange, a row's id, or --text '…'"
            )
        return finder.word(what)


class _Finder:
    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.registry = Registry(workspace)
        self.records = list_datasets(workspace)

    def word(self, what: str) -> dict[str, Any]:
        """Trace what a word means, if it means one thing."""
        meanings = dict(self._meanings(what))
        if len(meanings) > 1:
            raise TraceError(f"{what!r} may be {' or '.join(meanings)}; say which")
        if meanings:
            return next(iter(meanings.values()))()
        if Path(what).is_dir():
            files = [f"{path}" for path in sorted(Path(what).iterdir()) if path.is_file()]
            raise TraceError(f"{what} is a folder; name one of its files: {', '.join(files) or '(it has none)'}")
        return self.rows(f"{what!r}", with_ids(what))

    def _meanings(self, what: str) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
        """Each thing a word may mean, told so that it means that alone, and how to trace it."""
        path = Path(what)
        if path.is_file() or any(readings(self.records, path)):
            yield f"the file {path if path.is_absolute() else f'./{path}'}", lambda: self.file(path)
            if len(path.parts) > 1 or what.startswith("."):
                return
        try:
            ref = self.registry.lineage(what)["version"]["ref"]
            yield f"the version {ref}", lambda: self.version(ref)
        except RegistryError as error:
            # A known name with a number or an alias that it has not: nothing else can have been meant.
            if re.split("[:@：＠]", what)[0] in self._names():
                raise TraceError(str(error)) from None
        if _EXCHANGE.fullmatch(what) and (exchange := self._recorded(what)):
            yield f"the exchange {what}", lambda: self.exchange(exchange)
        if _PREFIX.fullmatch(what):
            for record in self.records:
                if record.fingerprint.startswith(what):
                    name = f"the dataset {record.fingerprint[: len(what) + 6]}"
                    yield name, lambda found=record: self.dataset(found)  # type: ignore[misc]

    def version(self, reference: str) -> dict[str, Any]:
        found = self.registry.lineage(reference)
        described, report = _described(found["dataset"]), _headline(found["version"]["report"])
        return {"kind": "version", **found, "dataset": described, "report": report}

    def dataset(self, record: DatasetRecord) -> dict[str, Any]:
        found = self.registry.dataset_lineage(record.fingerprint)
        return {"kind": "dataset", **found, "dataset": _described(found["dataset"])}

    def file(self, path: Path) -> dict[str, Any]:
        found = [
            {"source": source, **self.registry.dataset_lineage(record.fingerprint)}
            for record, source in readings(self.records, path)
        ]
        if not found:
            raise TraceError(f"no dataset was read from {path}, nor from a file of its content; {self._searched()}")
        return {"kind": "file", "path": str(path), "exists": path.is_file(), "datasets": found}

    def exchange(self, exchange: Exchange) -> dict[str, Any]:
        """What was asked and answered, what people said of it, and the rows that came of that."""
        from tunewheel.feedback.given import list_feedback
        from tunewheel.store.kinds import plain

        with self.workspace.read() as connection:
            said = list_feedback(connection, exchange.name, exchanges=[exchange.id], limit=None)
        kept = ("id", "name", "number", "row", "prediction", "variant", "role", "key", "seconds", "at")
        told = ("id", "kind", "value", "source", "at", "status", "reason", "turn")
        shown, total = self._standing(of_exchange(exchange.id))
        return {
            "kind": "exchange",
            "exchange": plain({name: getattr(exchange, name) for name in kept}),
            "version": None if exchange.number is None else f"{exchange.name}:{exchange.number}",
            "feedback": [plain({name: getattr(one, name) for name in told}) for one in said],
            "total": total,
            "rows": shown,
        }

    def text(self, text: str) -> dict[str, Any]:
        """The rows and the exchanges that a text stands in."""
        from tunewheel.feedback.erase import find_recorded

        recorded = find_recorded(self.workspace, [text]).exchanges
        return self.rows(f"the text {text[:40]!r}", with_text(text), recorded)

    def rows(self, named: str, places: Places, exchanges: Sequence[str] = ()) -> dict[str, Any]:
        shown, total = self._standing(places)
        if not total and not exchanges:
            raise TraceError(f"nothing is known of {named}; {self._searched()}")
        asked = {"total": len(exchanges), "ids": list(exchanges[:SHOWN])}
        return {"kind": "rows", "of": named, "total": total, "rows": shown, "exchanges": asked}

    def _standing(self, places: Places) -> tuple[list[dict[str, Any]], int]:
        """The first rows that are meant, with the versions that learned from them, and how many there are."""
        shown, total = list[dict[str, Any]](), 0
        origins: dict[str, list[str]] = defaultdict(list)  # a dataset, and those of which purges left it
        for record in self.records:
            for left in what_was_left(self.workspace, record.fingerprint):
                origins[left.fingerprint].append(record.fingerprint)
        for record in self.records:
            dataset = open_dataset(self.workspace, record)
            if dataset is None:
                continue
            versions = [
                v for each in origins[record.fingerprint] for v in self.registry.dataset_lineage(each)["versions"]
            ]
            for found in held(dataset, places):
                total += 1
                if len(shown) < SHOWN:
                    about = {"fingerprint": record.fingerprint, "name": record.name}
                    shown.append({**found.as_dict(), "dataset": about, "versions": self._parts(versions, found.split)})
        return shown, total

    def _recorded(self, identifier: str) -> Exchange | None:
        from tunewheel.feedback.exchanges import find_exchanges

        with self.workspace.read() as connection:
            return find_exchanges(connection, [identifier]).get(identifier)

    def _parts(self, versions: list[dict[str, Any]], split: str) -> list[dict[str, Any]]:
        """The versions that learned from a dataset, and what one of its splits was to each."""
        artifacts = self.workspace.artifacts
        return [
            {**version, "part": part_of(split, version["report"] and artifacts.path(version["report"]))}
            for version in versions
        ]

    def _names(self) -> list[str]:
        return sorted({version.name for version in self.registry.versions()})

    def _searched(self) -> str:
        names = self._names()
        files = sum(len(record.summary.get("sources", ())) for record in self.records)
        rows = sum(sum(record.summary.get("splits", {}).values()) for record in self.records)
        return (
            f"searched in {self.workspace.home}: {len(self.records)} datasets with {rows:,} rows, read from {files} "
            f"files, and the models {', '.join(names[:10]) or '(none)'}" + (" …" if len(names) > 10 else "")
        )


def _described(dataset: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A dataset as recorded, its sources with what their files are today."""
    if dataset is None or not dataset["recorded"]:
        return None if dataset is None else dict(dataset)
    summary = dataset["summary"]
    return {**dataset, "summary": {**summary, "sources": stated(summary.get("sources", ()))}}


def _headline(report: str | None) -> dict[str, Any] | None:
    """What a report says in front: its figures with intervals, rows and mistakes."""
    from tunewheel.evaluation import read_report

    if report is None:
        return None
    stored = read_report(report)
    return {
        "metrics": {name: stored["metrics"][name] for name in stored["headline"]},
        "split": stored["facts"].get("split"),
        "rows": stored["rows"],
        "mistakes": stored["mistakes"],
    }
