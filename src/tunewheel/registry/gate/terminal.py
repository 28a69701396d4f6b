"""Decisions and trials of the gate in the terminal, with rich."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tunewheel.registry.gate.messages import figures, message, points, reason, remark, subject, use
from tunewheel.registry.gate.nouns import Check, Decision
from tunewheel.registry.gate.trial import Rates

COLOUR = {"promote": "green", "refuse": "red", "undecided": "yellow"} | {
    **{"passed": "green", "worse": "red", "open": "yellow", "small": "dim", "absent": "dim"}
}


def decision_view(decision: Decision) -> Group:
    """The verdict, why, the checks but for slices that passed, and how often the test set was used."""
    names = message("title", "en", challenger=decision.challenger, champion=decision.champion)
    head = Text.assemble((names, "bold"), "  ", (decision.verdict, f"bold {COLOUR[decision.verdict]}"))
    parts: list[RenderableType] = [head, Text(f"  {reason(decision, 'en')}")]
    shown = [c for c in decision.checks if c.state != "absent" and (c.kind != "slice" or c.state in ("worse", "open"))]
    parts.append(Padding(_table(shown), (0, 0, 0, 2)))
    slices = [check for check in decision.checks if check.kind == "slice"]
    passed, small = (sum(check.state == state for check in slices) for state in ("passed", "small"))
    if passed or small:
        parts.append(Text(f"  slices: {passed} passed; {message('small slices', 'en', n=small)}", "dim"))
    if absent := [remark(check, "en") for check in decision.checks if check.state == "absent"]:
        parts.append(Text(f"  {message('not looked at', 'en', what='; '.join(absent))}", "dim"))
    parts.append(Text(f"  {use(decision, 'en')}", "yellow" if decision.uses else "dim"))
    parts.append(Text(f"  {message('promoted' if decision.promoted else 'kept', 'en')}"))
    return Group(*parts)


def _table(checks: Sequence[Check]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    for name in ("check", "result", "rows", "before → after", "difference", "margin"):
        table.add_column(name, overflow="fold", justify="right" if name == "rows" else "left")
    for check in checks:
        against = f" ({check.against})" if check.kind in ("former", "earlier") and check.against else ""
        result = Text(message(check.state, "en"), COLOUR[check.state])
        rows = f"{check.rows:,}" if check.rows else ""
        table.add_row(subject(check, "en") + against, result, rows, *figures(check, 3))
    return table


def rates_view(rates: Sequence[Rates]) -> Table:
    """A line a true difference in points: how often such a challenger was promoted, refused and left open."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("points", "promoted", "refused", "undecided"):
        table.add_column(name, justify="right")
    for each in rates:
        cells = [_share(each, name) for name in ("promoted", "refused", "undecided")]
        table.add_row(f"{'+' if each.effect > 0 else ''}{points(each.effect)}", *cells)
    return table


def _share(rates: Rates, verdict: str) -> str:
    low, high = rates.interval(verdict)
    return f"{getattr(rates, verdict) / rates.runs:.1%} [{100 * low:.1f}, {100 * high:.1f}]"
