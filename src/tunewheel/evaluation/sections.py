"""Sections of the report page that take the rows apart or change them."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

from tunewheel.evaluation.charts import slice_chart
from tunewheel.evaluation.messages import metric_name, slice_name
from tunewheel.evaluation.slices import MINIMUM
from tunewheel.evaluation.tables import percent
from tunewheel.pages import Lang, html_table

if TYPE_CHECKING:
    from tunewheel.evaluation.comparison import Verdict
    from tunewheel.evaluation.report import Report


class Page(Protocol):
    """What a section needs of the page it stands in."""

    report: Report
    lang: Lang
    charts: list[dict[str, Any]]

    def say(self, key: str, **values: object) -> str:
        """A message as HTML."""


def slices_section(page: Page) -> Iterator[str]:
    """Every slice with its figures and its distance from the other rows, drawn and as a table."""
    slices, first = page.report.slices, page.report.task.headline[0]
    if not slices:
        return
    metric = metric_name(first, page.lang, page.report.task.metric_names)
    yield f"<h2>{page.say('slices')}</h2>\n"
    yield f'<p class="soft">{page.say("slices note", metric=metric, least=MINIMUM)}</p>\n'
    page.charts.append(slice_chart(slices, page.report.metrics[first], first, metric, page.lang))
    yield '<div class="chart" id="slices"></div>\n'
    headline = page.report.task.headline
    heads = [
        page.say("slice"),
        page.say("slice rows"),
        *(escape(metric_name(name, page.lang, page.report.task.metric_names)) for name in headline),
    ]
    heads += [page.say("difference"), "p", page.say("verdict")]
    lines = []
    for part in slices:
        name, value = slice_name(part.name, part.value, page.lang)
        gap = "–" if part.difference is None else f"{100 * part.difference:+z.1f}"
        p = "–" if part.p is None else f"{part.p:.3f}"
        figures = [percent(part.metrics[name]) for name in headline]
        lines.append([escape(f"{name}: {value}"), f"{part.rows:,}", *figures, gap, p, _badge(page, part.verdict)])
    grey = [place for place, part in enumerate(slices) if part.verdict is None]
    yield html_table(heads, lines, numbers=range(1, len(heads) - 1), grey=grey)


def robustness_section(page: Page) -> Iterator[str]:
    """What each perturbation cost, with an example of it."""
    found = page.report.robustness
    if not found:
        return
    yield f"<h2>{page.say('robustness')}</h2>\n"
    yield f'<p class="soft">{page.say("robustness note")}</p>\n'
    headline, own = page.report.task.headline, page.report.task.metric_names
    figures = [
        f"{escape(metric_name(name, page.lang, own))}: {page.say('before')} → {page.say('after')}" for name in headline
    ]
    heads = [page.say("change"), page.say("changed rows"), *figures, page.say("difference"), "p", page.say("verdict")]
    lines = []
    for each in found:
        name = page.say(f"{each.name} {each.variant}".strip())
        example = f'<div class="id">{escape(each.example[1])}</div>' if each.example else ""
        cells = [name + example, f"{each.rows:,}"]
        if each.differences:
            cells += [f"{100 * d.before:.1f} → {100 * d.after:.1f}" for d in each.differences.values()]
            first = each.differences[headline[0]]
            cells.append(f"{100 * first.value:+z.1f} [{100 * first.low:+z.1f}, {100 * first.high:+z.1f}]")
            lines.append([*cells, f"{first.p:.3f}", _badge(page, first.verdict)])
        else:
            lines.append([*cells, *["–"] * (len(headline) + 2), page.say("untouched")])
    grey = [place for place, each in enumerate(found) if not each.rows]
    yield html_table(heads, lines, numbers=range(1, len(heads) - 1), grey=grey)


def _badge(page: Page, verdict: Verdict | None) -> str:
    return page.say("too few") if verdict is None else f'<span class="verdict {verdict}">{page.say(verdict)}</span>'
