"""A report as one HTML page that opens offline: style, script, charts and data all stand inside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewheel.data.chinese import task_name
from tunewheel.evaluation.charts import (
    BARS,
    CELLS,
    confusion_chart,
    label_chart,
    most_confused,
    reliability_chart,
    weakest,
)
from tunewheel.evaluation.facts import fact, label_name, named
from tunewheel.evaluation.intervals import SMALL, Interval
from tunewheel.evaluation.messages import message, metric_name
from tunewheel.evaluation.protection import protection_section
from tunewheel.evaluation.sections import robustness_section, slices_section
from tunewheel.evaluation.tables import percent as _percent
from tunewheel.pages import Lang, section, shell
from tunewheel.pages import html_table as _table
from tunewheel.store.files import write_whole

if TYPE_CHECKING:
    from tunewheel.evaluation.comparison import Comparison
    from tunewheel.evaluation.report import Mistake, Report


def write_html(
    report: Report,
    path: str | Path,
    *,
    comparison: Comparison | None = None,
    facts: Mapping[str, str] | None = None,
    lang: Lang = "en",
) -> Path:
    """Write the page and return its path; ``facts`` are added to the report's own."""
    return write_whole(Path(path), render_html(report, comparison=comparison, facts=facts, lang=lang))


def render_html(
    report: Report,
    *,
    comparison: Comparison | None = None,
    facts: Mapping[str, str] | None = None,
    lang: Lang = "en",
) -> str:
    """The page as text.

    With ``comparison`` the page also shows what changed from its ``before``; ``lang`` is the language of
    headings and explanations, the report's own texts stay as they are.
    """
    page = _Page(report, comparison, {**report.facts, **(facts or {})}, lang)
    return "".join(page.html())


class _Page:
    def __init__(self, report: Report, comparison: Comparison | None, facts: Mapping[str, str], lang: Lang) -> None:
        self.report, self.comparison, self.facts, self.lang = report, comparison, facts, lang
        self.charts: list[dict[str, Any]] = []

    def say(self, key: str, **values: object) -> str:
        return escape(message(key, self.lang, **values))

    def metric(self, name: str) -> str:
        return escape(metric_name(name, self.lang, self.report.task.metric_names))

    @property
    def task(self) -> str:
        return task_name(self.report.task.name, self.lang, self.report.task.chinese)

    def html(self) -> Iterator[str]:
        title = message("title", self.lang, model=self.report.model)
        yield from shell(title, self.body(), self.charts, self.lang)

    def body(self) -> Iterator[str]:
        yield from self.header(self.say("title", model=self.report.model))
        yield from self.cards()
        parts = (self.changes, self.privacy, self.clean, self.labels, self.slices, self.robustness, self.confusion)
        yield from (section(part()) for part in (*parts, self.calibration, self.errors, self.colophon))

    def header(self, title: str) -> Iterator[str]:
        report = self.report
        facts = [escape(self.task), self.say("rows", n=f"{report.rows:,}")]
        if report.dataset:
            facts.append(self.say("dataset", name=report.dataset))
        yield f'<header>\n<h1>{title}</h1>\n<p class="soft">{" · ".join(facts)}</p>\n'
        resolved = self.say(
            "resolves",
            rows=f"{report.rows:,}",
            points=f"{100 * report.resolution:.1f}",
            needed=f"{float(f'{report.rows_to_resolve():.2g}'):,.0f}",
        )
        yield f'<p class="soft">{resolved}</p>\n'
        units = report.rows if report.documents is None else len(set(report.documents.tolist()))
        if units < SMALL:
            kind = message("unit rows" if report.documents is None else "unit documents", self.lang)
            yield f'<p class="warn">{self.say("few", n=units, unit=kind)}</p>\n'
        yield "</header>\n"

    def cards(self) -> Iterator[str]:
        headline = self.report.headline
        others = {name: interval for name, interval in self.report.metrics.items() if name not in headline}
        others |= self.report.figures
        for group, style in ((headline, "card"), (others, "card lesser")):
            if group:
                cards = "".join(self.card(name, interval, style) for name, interval in group.items())
                yield f'<div class="cards{"" if style == "card" else " gap"}">\n{cards}</div>\n'

    def card(self, name: str, interval: Interval, style: str) -> str:
        low, high, value = (100 * figure for figure in (interval.low, interval.high, interval.value))
        band = f'<i style="left:{low:.2f}%;width:{high - low:.2f}%"></i><b style="left:{value:.2f}%"></b>'
        said = self.say("interval", low=f"{low:.1f}", high=f"{high:.1f}")
        method = "" if interval.method == "bootstrap" else f" · {self.say(interval.method)}"
        return (
            f'<div class="{style}"><div class="name">{self.metric(name)}</div>'
            f'<div class="value">{value:.1f}<small>%</small></div><div class="track">{band}</div>'
            f'<div class="soft">{said}{method}</div></div>\n'
        )

    def changes(self) -> Iterator[str]:
        if self.comparison is None:
            return
        before, after = (named(each.model, self.lang) for each in (self.comparison.before, self.comparison.after))
        yield f"<h2>{self.say('comparison', before=before, after=after)}</h2>\n"
        yield f'<p class="soft">{self.say("comparison note")}</p>\n'
        lines = []
        for name, d in self.comparison.differences.items():
            change = f"{100 * d.value:+z.1f} [{100 * d.low:+z.1f}, {100 * d.high:+z.1f}]"
            verdict = f'<span class="verdict {d.verdict}">{self.say(d.verdict)}</span>'
            shares = [f"{100 * d.before:.1f}", f"{100 * d.after:.1f}", change, f"{d.p:.3f}"]
            lines.append([self.metric(name), *shares, verdict])
        heads = [self.say(key) for key in ("metric", "before", "after", "difference")]
        yield _table([*heads, "p", self.say("verdict")], lines, numbers=range(1, 5))

    def privacy(self) -> Iterator[str]:
        return protection_section(self)

    def clean(self) -> Iterator[str]:
        report = self.report
        if report.clean is None:
            return
        yield f"<h2>{self.say('clean')}</h2>\n"
        note = self.say("clean note", seen=f"{report.seen_rows:,}", rows=f"{report.rows:,}")
        near = f" {self.say('near note', near=f'{report.near_rows:,}')}" if report.near_rows else ""
        yield f'<p class="soft">{note}{near}</p>\n'
        heads = [self.say("metric"), self.say("all rows", n=f"{report.rows:,}")]
        heads.append(self.say("clean rows", n=f"{report.clean_rows:,}"))
        lines = [
            [self.metric(n), _percent(i), _percent(report.clean[n])]
            for n, i in report.metrics.items()
            if n in report.clean
        ]
        yield _table(heads, lines, numbers=(1, 2))

    def labels(self) -> Iterator[str]:
        rows = weakest(self.report.table, len(self.report.table))
        if not rows:
            return
        yield f"<h2>{self.say('types' if 'entities' in self.report.task.columns else 'labels')}</h2>\n"
        if len(rows) > BARS:
            yield f'<p class="soft">{self.say("weakest", shown=BARS, all=len(rows))}</p>\n'
        before = self.comparison.before.table if self.comparison else None
        self.charts.append(label_chart(self.report.table, before, self.lang))
        yield '<div class="chart" id="labels"></div>\n'
        heads = [self.say("label"), *(self.metric(key) for key in ("precision", "recall", "f1"))]
        heads += [self.say("support"), self.say("predicted")]
        lines = []
        for row in rows:
            shares = [f"{100 * row[key]:.1f}" for key in ("precision", "recall", "f1")]
            lines.append(
                [
                    escape(label_name(str(row["label"]), self.lang)),
                    *shares,
                    f"{row['support']:,}",
                    f"{row['predicted']:,}",
                ]
            )
        yield f"<details><summary>{self.say('full table', n=len(rows))}</summary>"
        yield _table(heads, lines, numbers=range(1, 6)) + "</details>\n"

    def slices(self) -> Iterator[str]:
        return slices_section(self)

    def robustness(self) -> Iterator[str]:
        return robustness_section(self)

    def confusion(self) -> Iterator[str]:
        counts = self.report.confusion
        if counts is None or not counts.any():
            return
        yield f'<h2>{self.say("confusion")}</h2>\n<p class="soft">{self.say("confusion note")}'
        if len(most_confused(counts, len(counts))) > CELLS:
            yield " " + self.say("confused", shown=CELLS, all=len(counts))
        chart = confusion_chart(counts, self.report.task.labels, self.lang)
        self.charts.append(chart)
        cells = len(chart["data"][0]["z"])
        width = f"min-width: min(900px, {chart['layout']['height']}px); max-width: {280 + 120 * cells}px"
        yield f'</p>\n<div class="scroll"><div class="chart" id="confusion" style="{width}"></div></div>\n'

    def calibration(self) -> Iterator[str]:
        found = self.report.calibration
        if found is None:
            return
        yield f"<h2>{self.say('calibration')}</h2>\n"
        note = self.say("calibration note", ece=_percent(found.ece), claims=f"{found.claims:,}")
        if found.brier:
            note += " " + self.say("brier", brier=str(found.brier))
        self.charts.append(reliability_chart(found, self.lang))
        yield f'<p class="soft">{note}</p>\n<div class="chart" id="calibration" style="max-width: 560px"></div>\n'

    def errors(self) -> Iterator[str]:
        report = self.report
        # Written texts come without a confidence.
        sure = not report.task.writes
        yield f"<h2>{self.say('worst' if sure else 'other answers')}</h2>\n"
        if not report.mistakes:
            yield f'<p class="soft">{self.say("no errors")}</p>\n'
            return
        kind = "worst note" if sure else "other answers note"
        note = self.say(kind, shown=len(report.worst), all=f"{report.mistakes:,}")
        yield f'<p class="soft">{note}</p>\n'
        spans = bool(report.worst) and _is_entities(report.worst[0])
        heads = ["text", "confidence"] if spans else ["text", "gold", "answer", "confidence"]
        lines = [self.mistake(m, spans) for m in report.worst]
        if not sure:
            heads, lines = heads[:-1], [line[:-1] for line in lines]
        yield _table([self.say(h) for h in heads], lines, numbers=(len(heads) - 1,) if sure else ())

    def mistake(self, mistake: Mistake, spans: bool) -> list[str]:
        sure = "–" if mistake.confidence is None else f"{mistake.confidence:.3f}"
        identity = f'<div class="id">{escape(mistake.id)}</div>'
        if not spans:
            answers = [f'<div class="label">{self.answer(a)}</div>' for a in (mistake.gold, mistake.predicted)]
            return [f'<div class="text"><div>{escape(mistake.text)}</div></div>{identity}', *answers, sure]
        lines = "".join(
            f'<div class="line"><span>{self.say(key)}</span><div class="text"><div>{marked}</div></div></div>'
            for key, marked in (
                ("gold", highlight(mistake.text, mistake.gold, mistake.predicted)),
                ("answer", highlight(mistake.text, mistake.predicted, mistake.gold)),
            )
        )
        return [lines + identity, sure]

    def answer(self, answer: Any) -> str:
        labels = answer if isinstance(answer, list) else [answer]
        return escape(", ".join(map(str, labels))) if labels else f'<span class="soft">{self.say("none")}</span>'

    def colophon(self) -> Iterator[str]:
        report = self.report
        facts = {self.say("model"): report.model, self.say("task"): self.task}
        if report.dataset:
            facts[self.say("fingerprint")] = report.dataset
        facts[self.say("created")] = report.created
        if report.seconds is not None:
            rate = f"{report.rows / max(report.seconds, 1e-9):,.0f}"
            facts[self.say("speed")] = message("speed value", self.lang, seconds=f"{report.seconds:.2f}", rate=rate)
        facts[self.say("sampling")] = f"{report.resamples:,}, {report.seed}"
        told = (fact(str(key), str(value), self.lang) for key, value in self.facts.items())
        facts.update({escape(name): value for name, value in told})
        listed = "".join(f"<dt>{key}</dt><dd>{escape(str(value))}</dd>\n" for key, value in facts.items())
        yield f"<h2>{self.say('facts')}</h2>\n<dl>\n{listed}</dl>\n"


def highlight(text: str, entities: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> str:
    """Escaped text with its entities marked, those that ``other`` lacks as wrong; inner ones follow the text.

    >>> highlight("a<b", [{"start": 0, "end": 1, "label": "X"}], [])
    '<mark class="wrong">a<small>X</small></mark>&lt;b'
    """
    shared = {(e["start"], e["end"], e["label"]) for e in other}
    pieces, inner, at = [], [], 0
    for entity in sorted(entities, key=lambda e: (e["start"], -e["end"])):
        start, end, label = entity["start"], entity["end"], entity["label"]
        style = "" if (start, end, label) in shared else ' class="wrong"'
        mark = f"<mark{style}>{escape(text[start:end])}<small>{escape(str(label))}</small></mark>"
        if start < at:
            inner.append(mark)
            continue
        pieces += [escape(text[at:start]), mark]
        at = end
    return "".join([*pieces, escape(text[at:]), *(" " + mark for mark in inner)])


def _is_entities(mistake: Mistake) -> bool:
    answers = [*mistake.gold, *mistake.predicted] if isinstance(mistake.gold, list) else []
    return any(isinstance(answer, dict) for answer in answers)
