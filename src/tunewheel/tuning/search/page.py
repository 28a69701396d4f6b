"""A search as one HTML page that opens offline."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewheel.pages import Lang, html_table, section, shell
from tunewheel.store.files import write_whole
from tunewheel.tuning.search.charts import (
    finished,
    history_chart,
    importance_chart,
    parallel_chart,
    slice_chart,
    varied,
)
from tunewheel.tuning.search.drawing import shown
from tunewheel.tuning.search.messages import message, metric, verdict_line

if TYPE_CHECKING:
    from tunewheel.tuning.search.result import Tuned

COORDINATES = 8
"""Settings that the parallel chart shows; of more the first."""


def write_page(tuned: Tuned, path: str | Path, lang: Lang = "en") -> Path:
    """Write the page and return its path."""
    return write_whole(Path(path), render_page(tuned, lang))


def render_page(tuned: Tuned, lang: Lang = "en") -> str:
    """The page as text."""
    return "".join(_Page(tuned, lang).html())


class _Page:
    def __init__(self, tuned: Tuned, lang: Lang) -> None:
        self.tuned, self.lang = tuned, lang
        self.charts: list[dict[str, Any]] = []

    def say(self, key: str, **values: object) -> str:
        return escape(message(key, self.lang, **values))

    def html(self) -> Iterator[str]:
        title = message("title", self.lang, name=self.tuned.name)
        yield from shell(title, self.body(), self.charts, self.lang)

    def body(self) -> Iterator[str]:
        yield from self.header()
        parts = (self.finals, self.history, self.importances, self.parallel, self.slices, self.table)
        yield from (section(part()) for part in parts)

    def header(self) -> Iterator[str]:
        tuned = self.tuned
        counts = {key: sum(trial.state == key for trial in tuned.trials) for key in ("pruned", "failed")}
        name = metric(tuned, self.lang)
        facts = self.say("facts", trials=len(tuned.trials), rows=f"{tuned.rows:,}", metric=name, **counts)
        style = "undecided" if tuned.verdict == "defaults" else tuned.verdict
        yield f'<header>\n<h1>{self.say("title", name=tuned.name)}</h1>\n<p class="soft">{facts}</p>\n'
        yield f'<p><span class="verdict {style}">{escape(verdict_line(tuned, self.lang))}</span></p>\n'
        yield f'<p class="warn">{self.say("caution")}</p>\n</header>\n'

    def finals(self) -> Iterator[str]:
        tuned = self.tuned
        yield f'<h2>{self.say("finals")}</h2>\n<p class="soft">{self.say("finals note")}</p>\n'
        seeds = list(tuned.best.scores)
        heads = [
            self.say("trial"),
            *(self.say("seed", seed=seed) for seed in seeds),
            self.say("mean"),
            self.say("values"),
        ]
        lines = []
        for one in sorted(tuned.finalists, key=lambda finalist: -finalist.mean):
            marks = [self.say("is best")] if one is tuned.best else []
            marks += [self.say("is defaults")] if one.trial.defaults else []
            called = f"{one.trial.number}" + "".join(f' <span class="verdict note">{mark}</span>' for mark in marks)
            scores = [f"{100 * one.scores[seed]:.2f}" for seed in seeds]
            lines.append([called, *scores, f"{100 * one.mean:.2f}", escape(shown(one.trial.values))])
        yield html_table(heads, lines, numbers=range(1, 2 + len(seeds)))

    def history(self) -> Iterator[str]:
        yield f'<h2>{self.say("history")}</h2>\n<p class="soft">{self.say("history note")}</p>\n'
        yield self.drawn(history_chart(self.tuned.trials, self.lang))

    def importances(self) -> Iterator[str]:
        if self.tuned.importances:
            yield f'<h2>{self.say("importances")}</h2>\n<p class="soft">{self.say("importances note")}</p>\n'
            yield self.drawn(importance_chart(self.tuned.importances))

    def parallel(self) -> Iterator[str]:
        made = finished(self.tuned.trials)
        keys = [key for key in varied(self.tuned.trials) if all(key in trial.values for trial in made)]
        if keys and len(made) > 1:
            yield f'<h2>{self.say("parallel")}</h2>\n<p class="soft">{self.say("parallel note")}</p>\n'
            yield self.drawn(parallel_chart(self.tuned.trials, self.first(keys)[:COORDINATES], self.lang))

    def slices(self) -> Iterator[str]:
        keys = self.first(varied(self.tuned.trials))
        if keys:
            yield f"<h2>{self.say('slices')}</h2>\n"
            charts = [slice_chart(self.tuned.trials, key, at, self.lang) for at, key in enumerate(keys)]
            yield f'<div class="cards">\n{"".join(self.drawn(chart) for chart in charts)}</div>\n'

    def table(self) -> Iterator[str]:
        heads = [self.say(key) for key in ("trial", "state", "score", "time", "values")]
        lines, grey = [], []
        for at, trial in enumerate(self.tuned.trials):
            score = "–" if trial.value is None else f"{100 * trial.value:.2f}"
            told = escape(shown(trial.values)) + (f"<br>{escape(trial.reason)}" if trial.reason else "")
            time = self.say("seconds", n=f"{trial.seconds:,.0f}")
            lines.append([f"{trial.number}", self.say(trial.state), score, time, told])
            grey += [at] if trial.value is None else []
        yield f"<h2>{self.say('all trials')}</h2>\n"
        yield html_table(heads, lines, numbers=(2, 3), grey=grey)

    def first(self, keys: list[str]) -> list[str]:
        """The settings that matter most first."""
        weight = self.tuned.importances
        return sorted(keys, key=lambda key: -weight.get(key, 0.0))

    def drawn(self, chart: dict[str, Any]) -> str:
        self.charts.append(chart)
        return f'<div class="chart" id="{chart["id"]}"></div>\n'
