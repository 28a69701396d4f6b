"""Topics in the terminal, with rich."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tunewheel.data.check.messages import percent
from tunewheel.data.topics.messages import message, standing, verdict
from tunewheel.data.topics.topics import Topics
from tunewheel.pages import several

SHOWN = 40
"""Topics that the terminal shows; of more only the largest."""

_COLOUR = {"stable": "green", "doubtful": "yellow", "loose topic": "red"}


def topics_view(found: Topics) -> Group:
    """A line a topic, the largest first, and how far to trust them."""
    counted = f"{message('rows', 'en', n=f'{found.rows:,}')}, {message('texts', 'en', n=f'{found.texts:,}')}"
    head = Text.assemble((found.data, "bold"), f"  {counted}; {message('by', 'en', by=found.by)}")
    spread = f"{min(found.agreement):.2f} to {max(found.agreement):.2f}"
    other = f"{several(found.other, 'row')} ({percent(found.other / found.rows)}) {message('other', 'en')}"
    agreed = f"{message('agreement', 'en')} {found.agreed:.2f} ({spread})"
    parts: list[RenderableType] = [head, Padding(_table(found), (0, 0, 0, 2))]
    if (more := len(found.topics) - SHOWN) > 0:
        parts.append(Text(f"  … and {more} smaller ones", "dim"))
    parts.append(Text(f"  {several(len(found.topics), 'topic')}; {other}; {agreed}"))
    parts += [Text(f"  {line}", "yellow") for line in found.notes]
    return Group(*parts, Text(f"  {message(verdict(found.agreed), 'en')}", "dim"))


def _table(found: Topics) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name, right in (("rows", True), ("share", True), ("stability", True), ("topic", False), ("words", False)):
        table.add_column(name, justify="right" if right else "left", overflow="fold", no_wrap=right)
    for topic in found.topics[:SHOWN]:
        firm = Text(f"{topic.stability:.2f}", _COLOUR[standing(topic.stability)])
        words = Text(" ".join(topic.words[3:]), "dim")
        table.add_row(f"{topic.rows:,}", percent(topic.share), firm, Text(topic.name, "bold"), words)
    return table
