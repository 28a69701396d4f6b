"""Topics as one HTML page that opens offline: a map, the topics with their words and texts, how far to trust them."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

from tunewheel.data.check.messages import percent
from tunewheel.data.chinese import in_language
from tunewheel.data.topics.charts import colour, map_chart
from tunewheel.data.topics.messages import message, standing, verdict
from tunewheel.data.topics.topics import DOUBTFUL, Topic, Topics
from tunewheel.pages import Lang, html_table, section, shell
from tunewheel.store.files import write_whole

_BADGE = {"stable": "better", "doubtful": "undecided", "loose topic": "worse"}


def write_html(topics: Topics, path: str | Path, lang: Lang = "en") -> Path:
    """Write the page and return its path."""
    return write_whole(path, render_html(topics, lang))


def render_html(topics: Topics, lang: Lang = "en") -> str:
    """The page as text; ``lang`` is the language of headings and explanations."""
    return "".join(_Page(topics, lang).html())


class _Page:
    def __init__(self, topics: Topics, lang: Lang) -> None:
        self.found, self.lang = topics, lang

    def say(self, key: str, **values: object) -> str:
        return escape(message(key, self.lang, **values))

    def html(self) -> Iterator[str]:
        title = message("title", self.lang, data=self.found.data)
        yield from shell(title, self.body(), [map_chart(self.found, self.lang)], self.lang)

    def body(self) -> Iterator[str]:
        yield from self.header()
        for part in (self.map, self.topics, self.colophon):
            yield section(part())

    def header(self) -> Iterator[str]:
        found = self.found
        facts = [self.say("rows", n=f"{found.rows:,}"), self.say("texts", n=f"{found.texts:,}")]
        facts.append(self.say("by", by=found.by))
        low, high = (f"{edge:.2f}" for edge in (min(found.agreement), max(found.agreement)))
        note = self.say("agreement note", n=len(found.agreement), low=low, high=high)
        yield f"<header>\n<h1>{self.say('title', data=found.data)}</h1>\n"
        yield f'<p class="soft">{" · ".join(facts)}</p>\n'
        yield from (f'<p class="warn">{escape(in_language(line, self.lang))}</p>\n' for line in found.notes)
        yield '</header>\n<div class="cards">\n'
        yield from self.card("topics", f"{len(found.topics):,}")
        yield from self.card("other", percent(found.other / found.rows))
        yield from self.card("agreement", f"{found.agreed:.2f}", note)
        yield f'</div>\n<p class="soft gap">{self.say(verdict(found.agreed))}</p>\n'

    def card(self, key: str, value: str, note: str = "") -> Iterator[str]:
        yield f'<div class="card"><div class="name">{self.say(key)}</div><div class="value">{value}</div>'
        yield f'<p class="soft">{note}</p></div>\n'

    def map(self) -> Iterator[str]:
        yield f"<h2>{self.say('map')}</h2>\n"
        yield f'<p class="soft">{self.say("map note", n=f"{len(self.found.dots):,}")}</p>\n'
        yield '<div class="chart" id="map"></div>\n'

    def topics(self) -> Iterator[str]:
        yield f"<h2>{self.say('list')}</h2>\n"
        yield f'<p class="soft">{self.say("list note", doubtful=DOUBTFUL)}</p>\n'
        heads = [self.say(key) for key in ("topic", "words", "size", "share", "stability")]
        yield html_table(heads, [self.line(topic) for topic in self.found.topics], numbers=(2, 3))

    def line(self, topic: Topic) -> list[str]:
        """A topic in the table, its most central texts to be unfolded."""
        texts = "".join(f"<li>{escape(text)}</li>" for text in topic.examples)
        said = f"<details><summary>{self.say('examples')}</summary><ul>{texts}</ul></details>"
        between = "、" if self.lang == "zh" else ", "
        name = standing(topic.stability)
        dot = f'<b style="color: {colour(topic.number)}">●</b>'
        return [
            f'<div class="label">{dot} <b>{escape(topic.name)}</b></div>',
            f'<div class="text">{escape(between.join(topic.words))}{said}</div>',
            f"{topic.rows:,}",
            percent(topic.share),
            f'<span class="verdict {_BADGE[name]}">{topic.stability:.2f} {self.say(name)}</span>',
        ]

    def colophon(self) -> Iterator[str]:
        found = self.found
        facts = {"fingerprint": found.fingerprint, "sampling": f"{found.sampled:,}, {found.seed}"}
        facts["created"] = found.created
        listed = "".join(f"<dt>{self.say(key)}</dt><dd>{escape(value)}</dd>\n" for key, value in facts.items())
        yield f"<h2>{self.say('facts')}</h2>\n<dl>\n{listed}</dl>\n"
