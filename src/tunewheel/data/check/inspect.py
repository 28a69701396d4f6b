"""`check`: one pass over all rows for what a row tells by itself, then what rows tell only together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tunewheel.data.check import duplicates
from tunewheel.data.check.corpus import Corpus, Progress, Row
from tunewheel.data.check.encoding import Encoding
from tunewheel.data.check.examples import finished
from tunewheel.data.check.findings import SEVERITIES, Draft
from tunewheel.data.check.inspection import Inspection
from tunewheel.data.check.labels import Labels
from tunewheel.data.check.lengths import Lengths
from tunewheel.data.check.numbers import Numbers
from tunewheel.data.check.rejected import rejected_rows
from tunewheel.data.check.space import Space
from tunewheel.data.check.spans import Spans
from tunewheel.data.check.suspects import Doubts
from tunewheel.data.check.texts import Texts
from tunewheel.data.features import Vectors
from tunewheel.data.infer import PLAIN
from tunewheel.data.problems import listed, nearest

if TYPE_CHECKING:
    from tunewheel.data.dataset import Dataset

FAMILIES = (
    *("schema", "encoding", "texts", "labels", "lengths", "spans", "duplicates", "privacy"),
    *("suspects", "outliers", "drift", "coverage"),
)
"""What is looked for; the last four on a sample of a large set."""

OF_LABELS = ("labels", "spans", "suspects", "coverage")
"""What is looked for only where rows have labels."""

Embed = Callable[[Sequence[str]], Vectors]
"""Takes texts and gives their vectors [texts, width]."""

SAMPLE = 20_000
"""Rows that a costly family looks at, at most."""


class CheckError(ValueError):
    """A check cannot be made as asked."""


class Scanner(Protocol):
    """Looks at one row after the other, and says in the end what it found."""

    def add(self, row: Row) -> None:
        """Look at a row."""

    def drafts(self) -> Iterable[Draft]:
        """What was found."""


def check(
    dataset: Dataset,
    data: str = "DATA",
    *,
    out: str = "cleaned",
    options: Sequence[str] = (),
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    near: float = 0.8,
    sample: int = SAMPLE,
    seed: int = 13,
    rejected: Path | None = None,
    vectors: Embed | None = None,
    unlabelled: Iterable[str] = (),
    progress: Progress | None = None,
) -> Inspection:
    """Look for what is wrong with the rows of all splits, as the files divided them.

    Args:
        dataset: never held in memory as a whole; a few numbers a row are.
        data: what commands call it; `out` is what they write, `options` what they need to read it.
        only: families to look for, all by default; see `FAMILIES`.
        skip: families to leave out.
        near: the least similarity of two texts (Jaccard over shingles) at which they nearly repeat each other.
        sample: rows that a costly family looks at, at most; a finding says so.
        seed: of the sample.
        rejected: the rows that the reader left out, as JSON Lines (`Dataset.read`).
        vectors: what suspects, outliers, drift and coverage are found by; TF-IDF by default.
        unlabelled: further texts; what no labelled row reaches among them is told.
        progress: is told the step, the rows seen and the rows there are.

    Raises:
        CheckError: no such family, a sample that is too small, or labels asked after where there are none.
    """
    families = chosen(only, skip)
    if dataset.task == PLAIN:
        families = _of_plain(families, only, compared=bool(unlabelled))
    if sample < 2:
        raise CheckError(f"sample is a number of rows, at least 2, not {sample}")
    corpus = Corpus(dataset, near=near, progress=progress)
    if corpus.target == "answer":
        families = tuple(name for name in families if name not in OF_LABELS or name == "coverage")
    scanners, numbers = _scanners(families, corpus), Numbers()
    for row in corpus.rows("reading"):
        numbers.add(row)
        for scanner in scanners.values():
            scanner.add(row)
    drafts: list[Draft] = []
    notes = dataset.notes
    if rejected and "schema" in families:
        drafts += rejected_rows(rejected, len(corpus))
        # They are among the findings; where they were written meanwhile is nobody's business, and may be gone.
        notes = tuple(note for note in notes if str(rejected) not in note)
    for scanner in scanners.values():
        drafts += scanner.drafts()
    if "duplicates" in families:
        drafts += duplicates.repeats(corpus, numbers.array("texts"), numbers.array("answers"))
        # A prompt may well have several good answers; a text has one label.
        drafts += duplicates.conflicts(corpus, numbers.array("answers")) if corpus.target != "answer" else ()
    counts = labels.counts if isinstance(labels := scanners.get("labels"), Labels) else {}
    doubts = Doubts(corpus, sample, seed) if set(families) & set(FAMILIES[8:]) else None
    if doubts:
        drafts += _compared(doubts, families, sample, vectors, unlabelled, counts)
    drafts.sort(key=lambda draft: (SEVERITIES.index(draft.severity), FAMILIES.index(draft.family)))
    lengths = scanners.get("lengths")
    return Inspection(
        data=data,
        out=out,
        options=options,
        task=dataset.task,
        fingerprint=dataset.fingerprint,
        rows=dataset.rows,
        notes=notes,
        findings=finished(drafts, corpus),
        families=families,
        sample=sample,
        seed=seed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        labels=counts,
        lengths=lengths.lengths if isinstance(lengths, Lengths) else {},
        languages=lengths.languages if isinstance(lengths, Lengths) else {},
        clusters=duplicates.cluster_sizes(corpus) if "duplicates" in families else {},
        suspects=doubts.ranked if doubts else (),
    )


def _compared(
    doubts: Doubts,
    families: Sequence[str],
    sample: int,
    embed: Embed | None,
    unlabelled: Iterable[str],
    counts: Mapping[str, Mapping[str, int]],
) -> Iterator[Draft]:
    """What the sampled rows tell of each other; their vectors are made once."""
    space = None
    if embed or set(families) & {"outliers", "drift", "coverage"}:
        space = Space(doubts.corpus, doubts.rows, sample, doubts.seed, embed, unlabelled)
    if "suspects" in families:
        yield from doubts.drafts(space.vectors if embed and space else None)
    if space is None:
        return
    if "outliers" in families:
        yield from space.outliers()
    if "drift" in families:
        yield from space.drift(counts)
    if "coverage" in families:
        yield from space.unreached()


def chosen(only: Sequence[str], skip: Sequence[str]) -> tuple[str, ...]:
    """The families to look for. Raises `CheckError` for a name that is none.

    >>> chosen(["labels", "schema"], ["labels"])
    ('schema',)
    """
    for name in (*only, *skip):
        if name not in FAMILIES:
            close = nearest(name, FAMILIES)
            hint = f"did you mean '{close}'?" if close else f"there are {listed(FAMILIES)}"
            raise CheckError(f"nothing to look for is called '{name}'; {hint}")
    return tuple(name for name in FAMILIES if (not only or name in only) and name not in skip)


def _of_plain(families: Sequence[str], only: Sequence[str], *, compared: bool) -> tuple[str, ...]:
    """The families that are looked for in plain text. Raises `CheckError` where labels were asked after."""
    asked = [name for name in only if name in OF_LABELS] + ["--unlabelled"] * compared
    if asked:
        raise CheckError(f"{listed(asked)}: nothing to see in plain text; name the column of labels with --label")
    return tuple(name for name in families if name not in OF_LABELS)


def _scanners(families: Sequence[str], corpus: Corpus) -> dict[str, Scanner]:
    made: dict[str, Scanner] = {}
    for name, scanner in (("encoding", Encoding), ("texts", Texts), ("labels", Labels), ("lengths", Lengths)):
        if name in families:
            made[name] = scanner()
    if "spans" in families and corpus.target == "entities":
        made["spans"] = Spans()
    if "privacy" in families:
        from tunewheel.data.check.personal import Personal

        made["privacy"] = Personal()
    return made
