"""The commands that repair what was found."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from tunewheel.data.check.findings import Finding

SUSPECTS = "suspects.jsonl"

REPAIRS: dict[str, str] = {
    "repeats": "--dedupe",
    "near_repeats": "--dedupe",
    "leak": "--drop-leaks",
    "near_leak": "--drop-leaks",
    "conflicts": "--conflicts majority",
    "typos": "--typos",
    "wordless": "--drop-empty",
    "control": "--normalise",
    "wide": "--normalise",
    "personal": "--redact",
}
"""What `tunewheel clean` is told for each kind that it repairs."""

# What the other rows suggest is read by somebody first.
_REVIEW = f"tunewheel check {{data}} --suspects {SUSPECTS}\ntunewheel clean {{data}} -o {{out}} --relabel {SUSPECTS}"

_ELSEWHERE: dict[str, str] = {
    "label_errors": _REVIEW,
    "entity_errors": _REVIEW,
    "rejected": "tunewheel train {data} --on-error skip",
    "imbalance": "tunewheel train {data} --class-weights balanced",
}


def repair(finding: Finding, data: str, out: str) -> str | None:
    """The command that repairs a finding, or two, a line each, to be copied; None where only people can."""
    if finding.kind in _ELSEWHERE:
        return _ELSEWHERE[finding.kind].format(data=shlex.quote(data), out=shlex.quote(out))
    return repair_all([finding], data, out)


def repair_all(findings: Iterable[Finding], data: str, out: str) -> str | None:
    """One command for all findings that `tunewheel clean` repairs; None where it repairs none."""
    told = dict.fromkeys(REPAIRS[finding.kind] for finding in findings if finding.kind in REPAIRS)
    return f"tunewheel clean {shlex.quote(data)} -o {shlex.quote(out)} {' '.join(told)}" if told else None
