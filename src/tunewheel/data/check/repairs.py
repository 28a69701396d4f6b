"""The commands that repair what was found."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tunewheel.data.check.findings import Finding

SUSPECTS = "suspects.jsonl"

USUAL = 0.8
"""The similarity from which `tunewheel clean` takes texts as nearly the same if it is not told."""

_SKIP = "--on-error skip"  # stands with the data where it is read, and repairs them there

REPAIRS: dict[str, tuple[str, ...]] = {
    "rejected": (_SKIP,),
    "repeats": ("--dedupe",),
    "near_repeats": ("--dedupe",),
    "leak": ("--drop-leaks",),
    "near_leak": ("--drop-leaks",),
    "conflicts": ("--conflicts majority",),
    "typos": ("--typos",),
    "wordless": ("--drop-empty",),
    "control": ("--normalise",),
    "wide": ("--normalise",),
    "personal": ("--redact",),
}
"""What `tunewheel clean` is told for each kind that it repairs."""

REVIEWED = frozenset({"label_errors", "entity_errors"})
"""What the other rows suggest: somebody reads it before `tunewheel clean` is told."""


class Source(NamedTuple):
    """The data as commands name it, what they write, and how it was read: ``options``, and rows left out by ``skip``.

    >>> Source("a b.csv", options=("--text", "body text"), skip=True).read
    "'a b.csv' --text 'body text' --on-error skip"
    """

    data: str
    out: str = "cleaned"
    options: Sequence[str] = ()
    skip: bool = False

    @property
    def checked(self) -> str:
        """What `tunewheel check` is told, which goes on where a row is bad."""
        return shlex.join([self.data, *self.options])

    @property
    def read(self) -> str:
        """What any other command is told."""
        return f"{self.checked} {_SKIP}" if self.skip else self.checked

    def cleaned(self, flags: Iterable[str]) -> str:
        """The command that makes these repairs."""
        rest = " ".join(flag for flag in flags if flag != _SKIP)
        return f"tunewheel clean {self.read} -o {shlex.quote(self.out)} {rest}".rstrip()


def repair(finding: Finding, source: Source) -> str | None:
    """The command that repairs a finding, or two, a line each, to be copied; None where only people can."""
    if finding.kind in REVIEWED:
        review = f"tunewheel check {source.checked} --suspects {SUSPECTS}"
        return f"{review}\n{source.cleaned([f'--relabel {SUSPECTS}'])}"
    if finding.kind == "imbalance":
        return f"tunewheel train {source.read} --class-weights balanced"
    return repair_all([finding], source)


def repair_all(findings: Iterable[Finding], source: Source) -> str | None:
    """One command for all findings that `tunewheel clean` repairs; None where it repairs none."""
    told = dict.fromkeys(flag for finding in findings for flag in _flags(finding))
    return source.cleaned(told) if told else None


def _flags(finding: Finding) -> Iterable[str]:
    """What `tunewheel clean` is told; nothing where rows would have to go from a split that was held out."""
    if finding.values.get("learned", "train") != "train":
        return
    yield from REPAIRS.get(finding.kind, ())
    if finding.kind == "conflicts" and finding.values.get("across"):
        yield "--drop-leaks"
    if finding.values.get("threshold", USUAL) != USUAL:
        yield f"--near {finding.values['threshold']:g}"
