"""Drift in the terminal, with rich."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tunewheel.data.check.messages import percent
from tunewheel.feedback.drift.found import Drifted
from tunewheel.feedback.drift.levels import cautious
from tunewheel.feedback.drift.messages import message, said_reference
from tunewheel.feedback.drift.page import shown
from tunewheel.feedback.drift.watch import Check

SHOWN = 8
"""Windows that the terminal shows, the newest."""

_COLOUR = {"calm": "green", "drift": "red", "undecided": "yellow", "empty": "dim"}


def drift_view(found: Drifted) -> Group:
    """The verdict, the newest windows, and what the newest alarm is about."""
    verdict = found.verdict
    reference = message("compared", "en", reference=said_reference(found.reference, "en"))
    head = Text.assemble((found.ref, "bold"), f"  {message('cut', 'en', window=found.window)}, {reference}")
    parts: list[RenderableType] = [head]
    if found.windows:
        parts.append(Padding(_windows(found), (0, 0, 0, 2)))
    if found.looks > 1:
        parts.append(Text(f"  {message('looks', 'en', n=found.looks)}", "yellow"))
    latest = found.windows[-1] if found.windows else None
    note = {"needed": latest.needed if latest else "50", "waiting": f"{found.waiting:,}"}
    said = message(f"{verdict} note", "en", **note)
    parts.append(Text.assemble("  ", (message(verdict, "en"), _COLOUR[verdict]), f"  {said}"))
    if found.alarm is not None:
        parts.append(Padding(_alarm(found.alarm), (0, 0, 0, 2)))
    if found.moved is not None:
        words = " ".join(shift.word for shift in found.moved.words[:10])
        parts.append(Text(f"  {message('moved words', 'en')}: {words}", "dim"))
    return Group(*parts)


def _windows(found: Drifted) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name, right in (("until (UTC)", False), ("rows", True), ("expected accuracy", True), ("verdict", False)):
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for window in found.windows[-SHOWN:]:
        ending = [check for check in found.checks if check.place == window.place and check.verdict == "drift"]
        fired = sorted({name for check in ending for name in check.fired})
        verdict = "drift" if ending else window.verdict
        sure = window.expected
        expected = "" if sure is None else f"{percent(sure.value)} [{percent(sure.low)}, {percent(sure.high)}]"
        said = message(verdict, "en") + (f": {', '.join(fired)}" if fired else "")
        table.add_row(f"{window.end:%Y-%m-%d %H:%M}", f"{window.rows:,}", expected, Text(said, _COLOUR[verdict]))
    return table


def _alarm(check: Check) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name, right in (("alarm", False), ("reference", True), ("now", True), ("effect", True), ("p", True)):
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for each in check.statistics:
        if each.name in check.fired:
            p = cautious(each.p, each.rows, each.reference)
            values = (shown(each, each.before), shown(each, each.now), f"{each.effect:.3g}", f"{p:.1g}")
            table.add_row(message(each.name, "en"), *values)
    return table
