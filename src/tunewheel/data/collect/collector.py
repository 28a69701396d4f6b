"""Sources in, new rows out: each source on its own, so that one that fails keeps no other from being read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tunewheel.data.collect import addresses
from tunewheel.data.collect.cutting import pieces
from tunewheel.data.collect.documents import Document, Mark, PassedOver, Unchanged, failure, tidy
from tunewheel.data.collect.limits import Limits
from tunewheel.data.collect.output import Output
from tunewheel.data.collect.sandbox import Sandbox
from tunewheel.data.collect.sources import Reading
from tunewheel.data.collect.web import Web
from tunewheel.data.problems import DataError, Problem
from tunewheel.data.rows import encodable
from tunewheel.data.sources import shown

_KEPT = 1000


@dataclass
class Tally:
    """What one source gave: rows that are new, rows whose text was there, documents unchanged, files passed over."""

    source: str
    added: int = 0
    known: int = 0
    unchanged: int = 0
    failed: int = 0
    passed_over: dict[str, int] = field(default_factory=dict)


@dataclass
class Collection:
    """What a run has collected into ``path``; ``failures`` holds the first thousand of ``failed``."""

    path: Path
    sources: list[Tally] = field(default_factory=list)
    failures: list[Problem] = field(default_factory=list)

    @property
    def added(self) -> int:
        """New rows of all sources."""
        return sum(tally.added for tally in self.sources)

    @property
    def failed(self) -> int:
        """How many documents, or whole sources, could not be collected."""
        return sum(tally.failed for tally in self.sources)

    def as_dict(self) -> dict[str, Any]:
        """The whole as plain values."""
        told = {"path": str(self.path), "added": self.added, "failed": self.failed}
        tallies = [asdict(tally) for tally in self.sources]
        return {**told, "sources": tallies, "failures": [asdict(one) for one in self.failures]}


def collect(
    sources: Iterable[str | Path],
    output: str | Path,
    *,
    licence: str | None = None,
    split_paragraphs: bool = False,
    max_chars: int | None = None,
    text: str | None = None,
    entry: str | None = None,
    mask: Callable[[str], str] | None = None,
    erased: Callable[[str], bool] = lambda text: False,
    delay: float = 1.0,
    allow_private: bool = False,
    limits: Limits | None = None,
    progress: Callable[[str, int], None] = lambda source, rows: None,
    done: Callable[[Tally], None] = lambda tally: None,
) -> Collection:
    """Collect the texts of ``sources`` into the JSON Lines file (or folder) ``output``, only what is new.

    Rows have ``id`` (from the text), ``text``, ``source``, ``title``, ``time``, ``licence`` and ``collected``.
    ``mask`` changes every text and title before it is kept; a text that was ``erased`` is not kept. A source that fails
    is told in the result; what cannot be written raises `tunewheel.store.errors.StoreError`, an output that is none of
    this raises `DataError`.
    """
    limits = limits or Limits()
    cut = {"split_paragraphs": split_paragraphs, "max_chars": max_chars, "masked": mask is not None}
    with Output(Path(output), cut, erased) as kept, Sandbox(limits) as sandbox:
        web = Web(kept.marks, delay, allow_private, limits)
        reading = Reading(web, sandbox, limits, kept.marks, text, _pattern(entry), kept.own)
        run = _Run(kept, Collection(kept.path), licence, split_paragraphs, max_chars, mask)
        for source in dict.fromkeys(map(str, sources)):
            done(run.take(source, reading, progress))
        return run.found


@dataclass
class _Run:
    kept: Output
    found: Collection
    licence: str | None
    split_paragraphs: bool
    max_chars: int | None
    mask: Callable[[str], str] | None

    def __post_init__(self) -> None:
        self.now = datetime.now(UTC).isoformat(timespec="seconds")

    def take(self, source: str, reading: Reading, progress: Callable[[str, int], None]) -> Tally:
        tally, passed = Tally(_shown(source)), Counter[str]()
        self.found.sources.append(tally)
        for event in reading.events(source):
            match event:
                case Document():
                    self._add(event, tally)
                    progress(event.source, tally.added)
                case Mark():
                    self.kept.mark(event)
                case Unchanged():
                    tally.unchanged += 1
                case PassedOver(path):
                    passed[encodable(Path(path).suffix.lower() or Path(path).name)] += 1
                case DataError():
                    tally.failed += event.total
                    self.found.failures += map(self._told, event.problems[: _KEPT - len(self.found.failures)])
        tally.passed_over = dict(passed.most_common())
        self.kept.commit()
        return tally

    def _told(self, problem: Problem) -> Problem:
        # A line of a log that cannot be read stands in what is told of it.
        return replace(problem, found=self.mask(problem.found)) if self.mask else problem

    def _add(self, document: Document, tally: Tally) -> None:
        # A name that two pieces share must be found before they are cut apart.
        text = tidy(self.mask(document.text) if self.mask else document.text)
        title = self.mask(document.title) if self.mask and document.title else document.title
        for piece in pieces(text, split_paragraphs=self.split_paragraphs, max_chars=self.max_chars):
            added = self.kept.add(
                piece,
                source=encodable(document.source),
                title=encodable(title) if title else None,
                time=document.time,
                licence=self.licence or document.licence,
                collected=self.now,
            )
            tally.added += added
            tally.known += not added


def _pattern(entry: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(entry) if entry else None
    except re.error as error:
        raise failure("--entry", "a regular expression", f"{entry!r} ({error})", r"such as '\d{4}-\d\d-\d\d'") from None


def _shown(source: str) -> str:
    """What a source is called, without a password."""
    if source.lower().startswith(("http://", "https://")):
        return addresses.shown(source)
    try:
        return encodable(shown(source))
    except DataError as error:
        return error.problems[0].file
