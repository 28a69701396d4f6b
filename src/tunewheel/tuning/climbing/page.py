"""A climb as one HTML page that opens offline: advice, table, score against cost, learning curve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from tunewheel.data.chinese import task_name
from tunewheel.evaluation import Report
from tunewheel.evaluation.tables import percent
from tunewheel.pages import Lang, html_table, section, shell
from tunewheel.store.files import write_whole
from tunewheel.tuning.climbing.advice import ANSWERED, Rung
from tunewheel.tuning.climbing.charts import cost_chart, curve_chart
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


def write_html(
    climb: Climb,
    report: Report | None,
    path: str | Path,
    *,
    data: str,
    command: str | None = None,
    earlier: Sequence[str] = (),
    lang: Lang = "en",
) -> Path:
    """Write the page and return its path; see `render_html`."""
    page = render_html(climb, report, data=data, command=command, earlier=earlier, lang=lang)
    return write_whole(path, page)


def render_html(
    climb: Climb,
    report: Report | None,
    *,
    data: str,
    command: str | None = None,
    earlier: Sequence[str] = (),
    lang: Lang = "en",
) -> str:
    """The page as text.

    ``data`` names what was compared on, ``report`` is the advised model's on test, ``command`` what trains it, and
    ``earlier`` are methods that test was looked at for before.
    """
    return "".join(_Page(climb, report, data, command, earlier, lang).html())


class _Page:
    def __init__(
        self,
        climb: Climb,
        report: Report | None,
        data: str,
        command: str | None,
        earlier: Sequence[str],
        lang: Lang,
    ) -> None:
        self.climb, self.report, self.data, self.lang = climb, report, data, lang
        self.command, self.earlier = command, earlier
        self.charts: list[dict[str, Any]] = []

    def say(self, key: str, **values: object) -> str:
        return escape(message(key, self.lang, **values))

    def html(self) -> Iterator[str]:
        yield from shell(message("title", self.lang, data=self.data), self.body(), self.charts, self.lang)

    def body(self) -> Iterator[str]:
        yield from self.header()
        yield from (section(part()) for part in (self.advice, self.methods, self.left, self.picture, self.curve))

    def header(self) -> Iterator[str]:
        climb = self.climb
        facts = [
            escape(task_name(climb.task.name, self.lang, climb.task.chinese)),
            self.say(self.judged, n=f"{climb.rows:,}"),
        ]
        facts.append(self.say("spent", spent=f"{climb.spent / 60:.1f}", minutes=f"{climb.minutes:g}"))
        yield f"<header>\n<h1>{self.say('title', data=self.data)}</h1>\n"
        yield f'<p class="soft">{" · ".join(facts)}</p>\n</header>\n'

    @property
    def judged(self) -> str:
        return "judged crossed" if self.climb.crossed else "judged dev"

    def advice(self) -> Iterator[str]:
        yield f"<h2>{self.say('advice')}</h2>\n"
        for line in reasons(self.climb, self.lang):
            yield f"<p>{escape(line)}</p>\n"
        if self.climb.advice.method is None:
            return
        yield f'<p class="soft gap">{self.tested()}</p>\n'
        if self.earlier:
            yield f'<p class="warn">{self.say("earlier", methods=", ".join(self.earlier))}</p>\n'
        if self.command:
            yield f'<p class="soft gap">{self.say("next")}</p>\n<pre>{escape(self.command)}</pre>\n'

    def tested(self) -> str:
        if self.report is None:
            return self.say("no test")
        score = percent(self.report.metrics[self.climb.metric])
        named = metric(self.climb.task, self.lang)
        return self.say("test", method=self.climb.advice.method, metric=named, score=score)

    def methods(self) -> Iterator[str]:
        if not self.climb.rungs:
            return
        note = "methods note crossed" if self.climb.crossed else "methods note"
        yield f"<h2>{self.say('methods')}</h2>\n"
        yield f'<p class="soft">{self.say(note, answered=f"{ANSWERED:,}")}</p>\n'
        heads = [self.say("method"), escape(metric(self.climb.task, self.lang))]
        heads += [self.say(key) for key in ("difference", "verdict", "seconds", "cost", "trainable", "size")]
        heads += [self.say(key) for key in ("latency", "per second")]
        yield html_table(heads, [self.line(rung) for rung in self.climb.rungs], numbers=(1, 2, 4, 5, 6, 7, 8, 9))

    def line(self, rung: Rung) -> list[str]:
        advised = rung.method == self.climb.advice.method
        badge = f' <span class="verdict better">{self.say("advised")}</span>' if advised else ""
        verdict = rung.difference.verdict if rung.difference else "highest"
        style = "note" if verdict == "highest" else verdict
        return [
            f"{escape(rung.method)}{badge}",
            percent(rung.score),
            points(rung) or "–",
            f'<span class="verdict {style}">{self.say(verdict)}</span>',
            duration(rung.seconds, self.lang),
            duration(rung.cost, self.lang),
            f"{rung.trainable:,}",
            bytes_of(rung.size),
            milliseconds(rung),
            f"{rung.latency.per_second:,.0f}",
        ]

    def left(self) -> Iterator[str]:
        if not self.climb.left:
            return
        yield f"<h2>{self.say('left')}</h2>\n<dl>\n"
        for each in self.climb.left:
            yield f"<dt>{escape(each.method)}</dt><dd>{escape(left_out(each, self.climb.minutes, self.lang))}</dd>\n"
        yield "</dl>\n"

    def picture(self) -> Iterator[str]:
        if not self.climb.rungs:
            return
        self.charts.append(cost_chart(self.climb, self.lang))
        yield f'<h2>{self.say("picture")}</h2>\n<div class="chart" id="costs"></div>\n'

    def curve(self) -> Iterator[str]:
        if not self.climb.curves:
            return
        yield f"<h2>{self.say('curve')}</h2>\n"
        if self.climb.curve:
            yield f'<p class="soft">{self.say("curve note", method=self.climb.curve.method)}</p>\n'
        self.charts.append(curve_chart(self.climb, self.lang))
        yield '<div class="chart" id="curve"></div>\n'
