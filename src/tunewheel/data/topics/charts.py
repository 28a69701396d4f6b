"""The map of topics as a plotly figure in JSON."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from tunewheel.data.topics.messages import message
from tunewheel.data.topics.topics import OTHER, Dot, Topics
from tunewheel.pages.shell import Lang

NAMED = 16
"""Topics whose names stand on the map, the largest."""

_GOLDEN = 137.508
"""Degrees from one topic's hue to the next: no two neighbours in the list are alike (the golden angle)."""

_LINE = 60
_AXIS = {"visible": False, "fixedrange": False}
_HOVER = {"bgcolor": "css:--card", "bordercolor": "css:--line", "font": {"color": "css:--ink"}, "align": "left"}


def map_chart(topics: Topics, lang: Lang) -> dict[str, Any]:
    """Every sampled text as a dot in the colour of its topic; its text shows under the pointer."""
    data, paint = [], {}
    for number in range(OTHER, len(topics.topics)):
        dots = [dot for dot in topics.dots if dot.topic == number]
        if not dots:
            continue
        name = message("other", lang) if number == OTHER else topics.topics[number].name
        uid = f"topic-{number}"
        data.append(
            {
                **{"type": "scatter", "mode": "markers", "uid": uid},
                **{"x": [dot.x for dot in dots], "y": [dot.y for dot in dots]},
                "text": [wrapped(dot.text) for dot in dots],
                "hovertemplate": f"<b>{marked(name)}</b><br>%{{text}}<extra></extra>",
            }
        )
        paint[uid] = {"marker": {"size": 6, "opacity": 0.45 if number == OTHER else 0.8, "color": colour(number)}}
    data.append(_names(topics))
    paint["names"] = {"textfont": {"color": "css:--ink", "size": 12.5}}
    layout = {
        **{"height": 620, "margin": {"l": 4, "r": 4, "t": 8, "b": 4}, "hoverlabel": _HOVER, "showlegend": False},
        **{"xaxis": dict(_AXIS), "yaxis": dict(_AXIS), "dragmode": "pan", "hovermode": "closest"},
    }
    return {"id": "map", "data": data, "paint": paint, "layout": layout}


def colour(topic: int) -> str:
    """A topic's colour, to be read on light and on dark ground."""
    return "css:--grey" if topic == OTHER else f"hsl({topic * _GOLDEN % 360:.0f}, 58%, 52%)"


def wrapped(text: str) -> str:
    """A text in lines for plotly, which reads some markup.

    >>> wrapped("<b> " + "word " * 13)
    '&lt;b&gt; word word word word word word word word word word word<br>word word'
    """
    lines = [""]
    for word in text.split():
        # Text without spaces is cut where the line is full.
        for piece in (word[at : at + _LINE] for at in range(0, len(word), _LINE)):
            if len(lines[-1]) + len(piece) >= _LINE:
                lines.append("")
            lines[-1] += f" {piece}" if lines[-1] else piece
    return "<br>".join(marked(line) for line in lines if line)


def marked(text: str) -> str:
    """A text that plotly shows as it is; ``%`` would begin one of its own fields."""
    return escape(text, quote=False).replace("%", "&#37;")


def _names(topics: Topics) -> dict[str, Any]:
    """The names of the largest topics, each over the middle of its dots, where no larger one's stands already."""
    placed: list[tuple[float, float]] = []
    names: list[str] = []
    every = np.array([[dot.x, dot.y] for dot in topics.dots])
    wide, high = np.maximum(np.ptp(every, axis=0), 1e-6)
    for topic in topics.topics:
        dots = [dot for dot in topics.dots if dot.topic == topic.number]
        if not dots or len(names) == NAMED:
            continue
        x, y = _middle(dots)
        if all(abs(x - other) / wide > 0.16 or abs(y - level) / high > 0.045 for other, level in placed):
            placed.append((x, y))
            names.append(f"<b>{marked(topic.name)}</b>")
    return {
        **{"type": "scatter", "mode": "text", "uid": "names", "hoverinfo": "skip"},
        **{"x": [x for x, _ in placed], "y": [y for _, y in placed], "text": names},
    }


def _middle(dots: Sequence[Dot]) -> tuple[float, float]:
    x, y = np.median([(dot.x, dot.y) for dot in dots], axis=0).tolist()
    return x, y
