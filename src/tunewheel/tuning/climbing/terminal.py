"""A climb in the terminal, with rich."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tunewheel.evaluation import Report
from tunewheel.tuning.climbing.advice import Rung
from tunewheel.tuning.climbing.ladder import Climb
from tunewheel.tuning.climbing.messages import (
    bytes_of,
    duration,
    left_out,
    message,
    metric,
    milliseconds,
    points,
    reasons,
)

_COLOUR = {"better": "green", "worse": "red", "undecided": "yellow"}


def climb_view(climb: Climb, report: Report | None) -> Group:
    """The table of methods, what is not in it, the advice, and the advised model's ``report`` on test."""
    how = message("judged crossed" if climb.crossed else "judged dev", "en", n=f"{climb.rows:,}")
    spent = message("spent", "en", spent=f"{climb.spent / 60:.1f}", minutes=f"{climb.minutes:g}")
    head = Text.assemble((climb.task.name, "bold"), f"  {how}  ", (spent, "dim"))
    parts: list[RenderableType] = [head]
    if climb.rungs:
        parts.append(_indent(_table(climb)))
    for left in climb.left:
        parts.append(_indent(Text.assemble((f"{left.method}  ", "bold"), (left_out(left, climb.minutes), "dim"))))
    parts += [_indent(Text(line)) for line in reasons(climb)]
    if climb.advice.method:
        parts.append(_indent(Text(tested(climb, report))))
    return Group(*parts)


def tested(climb: Climb, report: Report | None) -> str:
    """What the one look at test showed."""
    if report is None:
        return message("no test", "en")
    score = report.metrics[climb.metric]
    return message("test", "en", method=climb.advice.method, metric=metric(climb.task, "en"), score=str(score))


def _table(climb: Climb) -> Table:
    """Two lines a method: how good, and what it costs."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("method", no_wrap=True)
    table.add_column(metric(climb.task, "en"), no_wrap=True)
    table.add_column("difference from the best, in points")
    for rung in climb.rungs:
        style = "bold" if rung.method == climb.advice.method else ""
        table.add_row(Text(rung.method, style), Text(str(rung.score), style), _difference(rung))
        table.add_row("", Text(f"trained in {duration(rung.seconds)}", "dim"), Text(_burden(rung), "dim"))
    return table


def _burden(rung: Rung) -> str:
    """What a method takes beside the time to train it."""
    learn = f"{rung.trainable:,} weights learn, {bytes_of(rung.size)}"
    return f"{learn}, {milliseconds(rung)} a text, {rung.latency.per_second:,.0f} texts/s"


def _difference(rung: Rung) -> Text:
    if rung.difference is None:
        return Text("best", "green")
    verdict = rung.difference.verdict
    return Text.assemble(f"{points(rung)}  ", (verdict, _COLOUR[verdict]))


def _indent(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, 2))
