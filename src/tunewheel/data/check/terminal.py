"""An inspection in the terminal, with rich."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tunewheel.data.check.findings import SEVERITIES, Finding, Severity
from tunewheel.data.check.inspection import Inspection
from tunewheel.data.check.messages import message, sentence, title
from tunewheel.data.check.repairs import REVIEWED
from tunewheel.pages import several

_COLOUR: dict[Severity, str] = {"error": "red", "warning": "yellow", "info": "cyan"}


def inspection_view(inspection: Inspection) -> Group:
    """The findings in a few lines each, the gravest first."""
    sizes = ", ".join(f"{count:,} {split}" for split, count in inspection.rows.items())
    head = Text.assemble((inspection.data, "bold"), f"  {inspection.task}  {sizes}")
    parts: list[RenderableType] = [head, _indent(Text(tally(inspection), "dim"))]
    if inspection.findings:
        parts.append(_indent(_table(inspection)))
    return Group(*parts)


def commands(inspection: Inspection) -> Iterator[tuple[str, str]]:
    """What can be copied and run, with a heading each: all repairs, and what is to be read by somebody before."""
    if command := inspection.repair_all:
        yield "repair", command
    for finding in inspection.findings:
        if finding.kind in REVIEWED and (command := inspection.repair(finding)):
            yield "review", command


def tally(inspection: Inspection) -> str:
    """How many findings there are of each severity, and what was looked for."""
    counts = [(severity, len(inspection.of(severity))) for severity in SEVERITIES]
    found = [f"{count} {message(name if count == 1 else name + 's', 'en')}" for name, count in counts if count]
    looked = message("looked", "en", names=", ".join(inspection.families))
    if inspection.is_plain:
        looked = f"{looked} {message('plain', 'en')}"
    return (", ".join(found) + ". " if found else message("clean", "en") + " ") + looked


def _table(inspection: Inspection) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for finding in inspection.findings:
        mark = Text(message(finding.severity, "en"), _COLOUR[finding.severity])
        table.add_row(mark, f"{finding.count:,}", _said(finding, inspection))
    return table


def _said(finding: Finding, inspection: Inspection) -> Text:
    said = Text.assemble((title(finding), "bold"), "\n", sentence(finding))
    if finding.sampled:
        said.append(f" On a sample of {several(finding.sampled, 'row')}.", "dim")
    if finding.examples:
        first = finding.examples[0]
        place = f"{first.file}:{first.row}" if first.row else " ".join(filter(None, (first.split, first.id)))
        said.append(f"\n{place}  {_line(first.note or first.text)}", "dim")
    return said


def _line(text: str) -> str:
    """A text on one line, short."""
    flat = " ".join(text.split())
    return flat if len(flat) <= 90 else flat[:89] + "…"


def _indent(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, 2))
