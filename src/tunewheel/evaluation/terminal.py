"""Reports and comparisons in the terminal, with rich."""

from __future__ import annotations

from io import StringIO

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tunewheel.evaluation.comparison import Comparison, Verdict
from tunewheel.evaluation.figures import Calibration
from tunewheel.evaluation.intervals import SMALL, Interval
from tunewheel.evaluation.messages import message, metric_name
from tunewheel.evaluation.protection import promise
from tunewheel.evaluation.report import Report

WEAKEST = 10
WORSE = 5
_COLOUR: dict[Verdict, str] = {"better": "green", "worse": "red", "undecided": "yellow"}


def report_view(report: Report) -> Group:
    """A report in a few lines: figures with intervals, clean rows, resolution, weakest labels."""
    title = Text.assemble((report.model, "bold"), f"  {report.task.name}  {report.rows:,} rows")
    if report.dataset:
        title.append(f"  dataset {report.dataset[:12]}", "dim")
    parts: list[RenderableType] = [title, _indent(_metrics(report))]
    if report.calibration:
        parts.append(_indent(Text(believed(report.calibration), "dim")))
    if report.seen_rows:
        parts.append(_indent(_clean(report)))
    if report.protection:
        parts.append(_indent(_privacy(report)))
    parts.append(_indent(Text(resolution(report), "dim")))
    few = small_sample(report)
    if few:
        parts.append(_indent(Text(few, "yellow")))
    if report.table:
        parts.append(_indent(_labels(report)))
    if report.slices:
        parts.append(_indent(_slices(report)))
    if report.robustness:
        parts.append(_indent(_robustness(report)))
    return Group(*parts)


def comparison_view(comparison: Comparison) -> Group:
    """Each headline figure before and after, the difference with its interval, and the verdict."""
    title = Text.assemble(
        (comparison.before.model, "bold"),
        " → ",
        (comparison.after.model, "bold"),
        f"  {comparison.after.rows:,} rows",
    )
    table = _grid(4)
    for name, d in comparison.differences.items():
        change = Text.assemble(
            (f"{d.value:+z.3f}", "bold"), f" [{d.low:+z.3f}, {d.high:+z.3f}]", (f"  p {d.p:.3f}", "dim")
        )
        verdict = Text(d.verdict, _COLOUR[d.verdict])
        table.add_row(Text(_named(comparison.after, name)), Text(f"{d.before:.3f} → {d.after:.3f}"), change, verdict)
    parts: list[RenderableType] = [title, _indent(table)]
    few = small_sample(comparison.after)
    if few:
        parts.append(_indent(Text(few, "yellow")))
    return Group(*parts)


def resolution(report: Report) -> str:
    """What difference between two models so many rows can show.

    A result like ``941 rows resolve 2.4 points; 5,400 would resolve 1.0``.
    """
    needed = float(f"{report.rows_to_resolve():.2g}")
    return f"{report.rows:,} rows resolve {100 * report.resolution:.1f} points; {needed:,.0f} would resolve 1.0"


def believed(calibration: Calibration) -> str:
    """How far confidences may be believed, like ``calibration error 0.021 [0.012, 0.030] over 941 claims``."""
    brier = f"; Brier score {calibration.brier}" if calibration.brier else ""
    return f"calibration error {calibration.ece} over {calibration.claims:,} claims{brier}"


def small_sample(report: Report) -> str | None:
    """A warning when there are too few rows, or documents, for the bootstrap."""
    units, name = independent(report)
    if units >= SMALL:
        return None
    return f"only {units} independent {name}: intervals other than Wilson's may be too narrow"


def independent(report: Report) -> tuple[int, str]:
    """How many independent things were scored, and what they are (``rows`` or ``documents``)."""
    if report.documents is None:
        return report.rows, "rows"
    return len(set(report.documents.tolist())), "documents"


def plain(view: RenderableType, width: int = 110) -> str:
    """Render without colours, for ``str`` and logs."""
    out = StringIO()
    Console(file=out, width=width, no_color=True, highlight=False, legacy_windows=False).print(view)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _metrics(report: Report) -> Table:
    table = _grid(3)
    for name, interval in {**report.metrics, **report.figures}.items():
        style = "bold" if name in report.headline else ""
        method = "" if interval.method == "bootstrap" else interval.method
        table.add_row(Text(_named(report, name), style), _figure(interval, style), Text(method, "dim"))
    return table


def _clean(report: Report) -> RenderableType:
    seen = f"{report.seen_rows:,} of {report.rows:,} texts also stand in train"
    if report.near_rows:
        seen += f" ({report.near_rows:,} of them but for case, punctuation or width)"
    if report.clean is None:
        return Text(f"{seen}: no clean rows to score", "yellow")
    table = _grid(2)
    for name in report.task.headline:
        table.add_row(Text(f"clean {_named(report, name)}"), _figure(report.clean[name]))
    return Group(Text(f"{seen}; the clean part ({report.clean_rows:,} rows):", "dim"), table)


def _privacy(report: Report) -> RenderableType:
    """The guarantee, what it cost, and what an attack finds."""
    found = report.protection
    assert found is not None
    costs, attacks = _grid(4), _grid(3)
    for name, d in found.cost.items():
        change = Text(f"{d.value:+.3f} [{d.low:+.3f}, {d.high:+.3f}]")
        cells = (Text(_named(report, name)), Text(f"{d.before:.3f} → {d.after:.3f}"), change)
        costs.add_row(*cells, Text(d.verdict, _COLOUR[d.verdict]))
    whose = {"with privacy": found.attack, "without": found.unprotected}
    told = {name: attack for name, attack in whose.items() if attack}
    attacks.add_row(Text("membership", "dim"), Text("AUC", "dim"), Text("found at 1 % false alarms", "dim"))
    for name, attack in told.items():
        attacks.add_row(Text(name), _figure(attack.auc), _figure(attack.tpr) if attack.tpr else Text("too few rows"))
    lines: list[RenderableType] = [Text(f"differential privacy: {promise(found.spent)}")]
    lines += [Text("what it costs:", "dim"), costs] if found.cost else []
    return Group(*lines, *([attacks] if told else []))


def _labels(report: Report) -> RenderableType:
    """The weakest labels, those that stand in the rows at all."""
    rows = sorted((r for r in report.table if r["support"] or r["predicted"]), key=lambda r: (r["f1"], r["label"]))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("label" if len(rows) <= WEAKEST else f"label ({WEAKEST} weakest of {len(rows)})")
    for column in ("precision", "recall", "F1", "gold", "predicted"):
        table.add_column(column, justify="right")
    for row in rows[:WEAKEST]:
        shares = [f"{row[key]:.3f}" for key in ("precision", "recall", "f1")]
        table.add_row(Text(str(row["label"])), *shares, f"{row['support']:,}", f"{row['predicted']:,}")
    return table


def _named(report: Report, metric: str) -> str:
    return metric_name(metric, own=report.task.metric_names)


def _slices(report: Report) -> RenderableType:
    """What the rows were sliced by, and the slices that are measurably worse, the largest gap first."""
    worse = sorted((part for part in report.slices if part.verdict == "worse"), key=lambda part: part.difference or 0)
    names = ", ".join(dict.fromkeys(part.name for part in report.slices))
    found = f"slices by {names}: {len(worse)} of {len(report.slices)} measurably worse than the other rows"
    first = report.task.headline[0]
    table = _grid(4)
    for part in worse[:WORSE]:
        gap = Text.assemble((f"{part.difference:+z.3f}", "red"), (f"  p {part.p:.3f}", "dim"))
        table.add_row(
            Text(f"{part.name}: {part.value}"), Text(f"{part.rows:,} rows"), _figure(part.metrics[first]), gap
        )
    return Group(Text(found, "dim"), table) if worse else Text(found, "dim")


def _robustness(report: Report) -> Table:
    """What each change of the rows cost in the first headline figure."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    first = report.task.headline[0]
    table.add_column("changed rows")
    table.add_column("of " + f"{report.rows:,}", justify="right")
    for column in (_named(report, first), "difference", ""):
        table.add_column(column, no_wrap=True)
    for each in report.robustness:
        name = message(f"{each.name} {each.variant}".strip(), "en")
        if not each.differences:
            table.add_row(name, "0", "", "", Text("no row changed", "dim"))
            continue
        d = each.differences[first]
        change = Text.assemble((f"{d.value:+z.3f}", "bold"), f" [{d.low:+z.3f}, {d.high:+z.3f}]")
        verdict = Text(d.verdict, _COLOUR[d.verdict])
        table.add_row(name, f"{each.rows:,}", f"{d.before:.3f} → {d.after:.3f}", change, verdict)
    return table


def _figure(interval: Interval, style: str = "") -> Text:
    return Text.assemble((f"{interval.value:.3f}", style), f" [{interval.low:.3f}, {interval.high:.3f}]")


def _grid(columns: int) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(columns):
        table.add_column(no_wrap=True)
    return table


def _indent(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, 2))
