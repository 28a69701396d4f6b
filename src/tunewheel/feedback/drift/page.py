"""Drift as one HTML page that opens offline: the verdict, every statistic over time, what moved, and rows to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from tunewheel.data.check.messages import percent
from tunewheel.feedback.drift.charts import timelines
from tunewheel.feedback.drift.found import Drifted
from tunewheel.feedback.drift.levels import RATE, cautious
from tunewheel.feedback.drift.messages import message, said_reference, said_window
from tunewheel.feedback.drift.moved import Example, Moved
from tunewheel.feedback.drift.statistics import LEAST, Statistic
from tunewheel.feedback.drift.watch import Check
from tunewheel.pages import Lang, html_table, section, shell

_BADGE = {"calm": "better", "drift": "worse", "undecided": "undecided", "empty": "note"}


def render_html(found: Drifted, lang: Lang = "en") -> str:
    """The page as text; ``lang`` is the language of headings and explanations."""
    return "".join(_Page(found, lang).html())


def shown(statistic: Statistic, value: float | None) -> str:
    """A value of a statistic before or now as people read it; a dash where there is no one number.

    >>> shown(Statistic("novelty", 0.5, 0.0, 500, 500), 0.051), shown(Statistic("length", 0.5, 0.0, 500, 500), 33.0)
    ('5.1%', '33')
    """
    if value is None:
        return "–"
    return f"{value:,.0f}" if statistic.name == "length" else percent(value)


class _Page:
    def __init__(self, found: Drifted, lang: Lang) -> None:
        self.found, self.lang = found, lang

    def say(self, key: str, **values: object) -> str:
        return escape(message(key, self.lang, **values))

    def html(self) -> Iterator[str]:
        title = message("title", self.lang, ref=self.found.ref)
        yield from shell(title, self.body(), timelines(self.found, self.lang), self.lang)

    def body(self) -> Iterator[str]:
        yield from self.header()
        for part in (self.timeline, self.newest, self.alarm, self.moved, self.examples, self.colophon):
            yield section(part())

    def header(self) -> Iterator[str]:
        found = self.found
        reference = said_reference(found.reference, self.lang)
        facts = [
            self.say("compared", reference=reference),
            self.say("cut", window=said_window(found.window, self.lang)),
        ]
        yield f"<header>\n<h1>{self.say('title', ref=found.ref)}</h1>\n"
        yield f'<p class="soft">{" · ".join(facts)}</p>\n'
        if found.looks > 1:
            yield f'<p class="warn">{self.say("looks", n=found.looks)}</p>\n'
        yield '</header>\n<div class="cards">\n'
        verdict, latest = found.verdict, found.windows[-1] if found.windows else None
        note = {"needed": latest.needed if latest else "–", "waiting": f"{found.waiting:,}"}
        badge = f'<span class="verdict {_BADGE[verdict]}">{self.say(verdict)}</span>'
        yield from self.card("verdict", badge, self.say(f"{verdict} note", **note))
        rows = f"{sum(check.rows for check in found.windows):,}"
        yield from self.card("judged", f"{len(found.windows):,}", self.say("judged note", rows=rows, **note))
        fired = sum(check.verdict == "drift" for check in found.checks)
        told = self.say("alarms note", n=f"{len(found.checks):,}", rate=percent(RATE))
        yield from self.card("alarms", f"{fired:,}", told)
        if latest is not None and latest.expected is not None:
            low, high = percent(latest.expected.low), percent(latest.expected.high)
            told = self.say("expected note", low=low, high=high)
            yield from self.card("expected", percent(latest.expected.value), told)
        yield "</div>\n"

    def card(self, key: str, value: str, note: str) -> Iterator[str]:
        yield f'<div class="card"><div class="name">{self.say(key)}</div><div class="value">{value}</div>'
        yield f'<p class="soft">{note}</p></div>\n'

    def timeline(self) -> Iterator[str]:
        charts = timelines(self.found, self.lang)
        if not charts:
            return
        yield f"<h2>{self.say('timeline')}</h2>\n"
        yield f'<p class="soft">{self.say("timeline note")}</p>\n'
        for chart in charts:
            name = chart["id"].removeprefix("drift-")
            yield f'<p class="gap name">{self.say(name)}</p>\n<div class="chart" id="{chart["id"]}"></div>\n'

    def newest(self) -> Iterator[str]:
        if self.found.windows:
            yield from self.check("newest", self.found.windows[-1])

    def alarm(self) -> Iterator[str]:
        if self.found.alarm is not None:
            yield from self.check("alarm", self.found.alarm)

    def check(self, heading: str, check: Check) -> Iterator[str]:
        span = {"start": f"{check.start:%Y-%m-%d %H:%M}", "end": f"{check.end:%Y-%m-%d %H:%M}"}
        told = self.say("alarm span", windows=check.windows, rows=f"{check.rows:,}", **span)
        yield f'<h2>{self.say(heading)}</h2>\n<p class="soft">{told}</p>\n'
        heads = [self.say(key) for key in ("test", "before", "now", "effect", "least", "p", "fired")]
        if check.statistics:
            yield html_table(heads, [self.line(check, each) for each in check.statistics], numbers=(1, 2, 3, 4, 5))

    def line(self, check: Check, each: Statistic) -> list[str]:
        p = cautious(each.p, each.rows, each.reference)
        fired = f'<span class="verdict worse">{self.say("drift")}</span>' if each.name in check.fired else ""
        values = [shown(each, each.before), shown(each, each.now)]
        return [self.say(each.name), *values, f"{each.effect:.3g}", f"{LEAST[each.name]:g}", f"{p:.2g}", fired]

    def moved(self) -> Iterator[str]:
        found = self.found
        if found.alarm is None:
            return
        yield f"<h2>{self.say('moved')}</h2>\n"
        if found.moved is None:
            yield f'<p class="soft">{self.say("gone")}</p>\n'
            return
        words = {shift.word: (shift.first, shift.second) for shift in found.moved.words}
        yield from self.shares("moved words", "word", words)
        yield from self.shares("moved labels", "label", found.moved.labels)
        yield from self.shares("moved languages", "language", self.languages(found.moved))

    def languages(self, moved: Moved) -> Mapping[str, tuple[float, float]]:
        return {message(name, self.lang): shares for name, shares in moved.languages.items()}

    def shares(self, heading: str, head: str, found: Mapping[str, tuple[float, float]]) -> Iterator[str]:
        if found:
            lines = [[escape(name), percent(before), percent(now)] for name, (before, now) in found.items()]
            yield f'<p class="gap name">{self.say(heading)}</p>\n'
            yield html_table([self.say(key) for key in (head, "before", "now")], lines, numbers=(1, 2))

    def examples(self) -> Iterator[str]:
        if self.found.moved is None:
            return
        yield f"<h2>{self.say('examples')}</h2>\n"
        yield f'<p class="soft">{self.say("examples note")}</p>\n'
        heads = [self.say(key) for key in ("text", "answered", "confidence")]
        yield html_table(heads, [self.example(each) for each in self.found.moved.examples], numbers=(2,))

    def example(self, each: Example) -> list[str]:
        far = f' <span class="verdict undecided">{self.say("far")}</span>' if each.far else ""
        sure = "–" if each.confidence is None else percent(each.confidence)
        return [f'<div class="text">{escape(each.text)}{far}</div>', escape(each.label or "–"), sure]

    def colophon(self) -> Iterator[str]:
        facts = {
            "fact tests": self.say("fact tests value"),
            "fact rate": self.say("fact rate value", rate=percent(RATE)),
            "fact looks": f"{self.found.looks}",
            "created": f"{self.found.created:%Y-%m-%d %H:%M} UTC",
        }
        listed = "".join(f"<dt>{self.say(key)}</dt><dd>{value}</dd>\n" for key, value in facts.items())
        yield f"<h2>{self.say('facts')}</h2>\n<dl>\n{listed}</dl>\n"
