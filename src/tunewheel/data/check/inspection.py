"""What a check hands back: the findings, and what was counted on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunewheel.data.check.findings import Finding, Severity, graver
from tunewheel.data.check.messages import sentence, title
from tunewheel.data.check.repairs import Source, repair, repair_all
from tunewheel.data.infer import PLAIN
from tunewheel.pages.shell import Lang

Counts = Mapping[str, Mapping[Any, int]]


@dataclass(frozen=True)
class Inspection:
    """The findings of a check, the gravest first, with counts of labels, lengths and languages by split.

    ``clusters`` counts the clusters of repeated texts by their size. ``suspects`` are all labels that are probably
    wrong, ranked, as `tunewheel clean --relabel` takes them. ``families`` were looked for, ``sample`` and ``seed``
    are those of findings that look at some rows only, ``options`` what a command is told to read the data as it was
    read here.
    """

    data: str
    out: str
    task: str
    fingerprint: str
    rows: Mapping[str, int]
    notes: Sequence[str]
    findings: Sequence[Finding]
    families: Sequence[str]
    sample: int
    seed: int
    created: str
    labels: Counts = field(default_factory=dict)
    lengths: Counts = field(default_factory=dict)
    languages: Counts = field(default_factory=dict)
    clusters: Mapping[int, int] = field(default_factory=dict)
    suspects: Sequence[Mapping[str, Any]] = field(default_factory=tuple, repr=False)
    options: Sequence[str] = ()

    def of(self, severity: Severity) -> list[Finding]:
        """The findings of one severity."""
        return [finding for finding in self.findings if finding.severity == severity]

    def fails(self, least: Severity) -> bool:
        """Say whether anything found is at least so grave."""
        return any(graver(finding.severity, least) for finding in self.findings)

    @property
    def is_plain(self) -> bool:
        """Whether the rows have no labels."""
        return self.task == PLAIN

    def repair(self, finding: Finding) -> str | None:
        """The command that repairs a finding, to be copied; None where only people can."""
        return repair(finding, self._source)

    @property
    def repair_all(self) -> str | None:
        """One command for all that `tunewheel clean` repairs."""
        return repair_all(self.findings, self._source)

    @property
    def _source(self) -> Source:
        plain = ("--task", PLAIN) if self.is_plain and "--task" not in self.options else ()
        skip = any(finding.kind == "rejected" for finding in self.findings)
        return Source(self.data, self.out, (*self.options, *plain), skip)

    def as_dict(self) -> dict[str, Any]:
        """The inspection as JSON values, each finding with its English sentences and its repair."""
        told = [
            {**finding.as_dict(), "title": title(finding), "says": sentence(finding), "repair": self.repair(finding)}
            for finding in self.findings
        ]
        return {
            **{"data": self.data, "task": self.task, "fingerprint": self.fingerprint, "rows": dict(self.rows)},
            **{"notes": list(self.notes), "findings": told, "families": list(self.families)},
            **{"sample": self.sample, "seed": self.seed, "created": self.created},
            "labels": {split: dict(counts) for split, counts in self.labels.items()},
            "lengths": {split: summary(counts) for split, counts in self.lengths.items()},
            "languages": {split: dict(counts) for split, counts in self.languages.items()},
            "clusters": {str(size): count for size, count in self.clusters.items()},
            **{"suspects": len(self.suspects), "repair": self.repair_all},
        }

    def write_html(self, path: str | Path, lang: Lang = "en") -> Path:
        """Write the report page, whole or not at all, and return its path."""
        from tunewheel.data.check.page import write_html

        return write_html(self, path, lang)

    def write_suspects(self, path: str | Path) -> Path:
        """Write the suspects as JSON Lines, whole or not at all, and return the file's path."""
        from tunewheel.data.rejected import json_line
        from tunewheel.store.files import write_whole

        return write_whole(Path(path), "".join(json_line(dict(suspect)) for suspect in self.suspects))


def summary(lengths: Mapping[int, int]) -> dict[str, int]:
    """Median, 95th percentile and maximum of counted lengths.

    >>> summary({3: 8, 9: 1, 40: 1})
    {'median': 3, 'p95': 40, 'longest': 40}
    """
    return {"median": quantile(lengths, 0.5), "p95": quantile(lengths, 0.95), "longest": max(lengths, default=0)}


def quantile(lengths: Mapping[int, int], share: float) -> int:
    """The least length that ``share`` of all have at most."""
    seen, wanted = 0, share * sum(lengths.values())
    for length, count in sorted(lengths.items()):
        seen += count
        if seen >= wanted:
            return length
    return 0


def merged(counts: Iterable[Mapping[Any, int]]) -> dict[Any, int]:
    """The sum of several counts."""
    total: dict[Any, int] = {}
    for each in counts:
        for key, count in each.items():
            total[key] = total.get(key, 0) + count
    return total
