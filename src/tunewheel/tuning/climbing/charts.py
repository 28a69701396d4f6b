"""The page's charts as plotly figures in JSON; colours are names of the page's style (``css:--accent``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tunewheel.evaluation import Interval
from tunewheel.pages import Lang
from tunewheel.tuning.climbing.curve import Curve
from tunewheel.tuning.climbing.ladder import Climb
from tunewheel.tuning.climbing.messages import message, metric

_AXIS = {"gridcolor": "css:--line", "zerolinecolor": "css:--line", "fixedrange": True, "automargin": True}
_HOVER = {"bgcolor": "css:--card", "bordercolor": "css:--line", "font": {"color": "css:--ink"}}
_COLOURS = ("css:--accent", "css:--good", "css:--unsure", "css:--bad", "css:--grey", "css:--soft", "css:--heat")


def cost_chart(climb: Climb, lang: Lang) -> dict[str, Any]:
    """A dot a method: its score with the interval against its cost."""
    data: list[dict[str, Any]] = []
    paint: dict[str, Any] = {}
    for rung in climb.rungs:
        data.append(
            {
                "type": "scatter",
                "mode": "markers+text",
                "uid": rung.method,
                "x": [rung.cost],
                "y": [rung.score.value],
                "text": [rung.method],
                "textposition": "top right",
                "cliponaxis": False,
                "hovertemplate": (
                    f"<b>{rung.method}</b><br>{metric(climb.task, lang)} {rung.score}"
                    f"<br>{message('cost', lang)} {rung.cost:,.1f} s<extra></extra>"
                ),
            }
        )
        colour = "css:--good" if rung.method == climb.advice.method else "css:--accent"
        paint[rung.method] = {"marker": {"size": 11, "color": colour}, "error_y": _spread([rung.score])}
    layout = _layout(climb, lang, message("cost axis", lang)) | {"showlegend": False}
    layout["margin"] |= {"r": 90}  # the dearest method's name stands right of its dot
    layout["xaxis"] |= {"dtick": "D2" if _decades(climb) < 2 else 1}
    return {"id": "costs", "data": data, "paint": paint, "layout": layout}


def curve_chart(climb: Climb, lang: Lang) -> dict[str, Any]:
    """Scores by number of labelled rows, a colour a method; fit and band of `Climb.curve`."""
    data: list[dict[str, Any]] = []
    paint: dict[str, Any] = {}
    told = climb.curve
    colours = {each.method: _COLOURS[i % len(_COLOURS)] for i, each in enumerate(climb.curves)}
    if told and told.law:
        data, paint = _law(told, colours[told.method], lang)
    for each in climb.curves:
        data.append(
            {
                "type": "scatter",
                "mode": "markers" if each is told else "lines+markers",
                "uid": each.method,
                "name": each.method,
                "x": list(each.rows),
                "y": [score.value for score in each.scores],
                "hovertemplate": f"<b>{each.method}</b><br>%{{x:,}} · %{{y:.3f}}<extra></extra>",
            }
        )
        colour = colours[each.method]
        line = {"color": colour, "width": 1, "dash": "dot"}
        paint[each.method] = {
            **{"marker": {"size": 8, "color": colour}, "line": line},
            "error_y": _spread(each.scores) | {"color": colour},
        }
    layout = _layout(climb, lang, message("rows", lang)) | {"legend": {"orientation": "h", "y": 1.12}}
    sizes = sorted({n for each in climb.curves for n in each.rows})
    ticks = [*sizes, *([2 * sizes[-1]] if told else [])]
    layout["xaxis"] |= {"tickvals": ticks, "ticktext": [f"{n:,}" for n in ticks]}
    return {"id": "curve", "data": data, "paint": paint, "layout": layout}


def _law(curve: Curve, colour: str, lang: Lang) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Band and line of the fit, as far as twice the rows."""
    at = [reach.rows for reach in curve.band]
    edges = [reach.low for reach in curve.band] + [reach.high for reach in reversed(curve.band)]
    band = {
        **{"type": "scatter", "mode": "lines", "uid": "band", "name": f"{curve.method}: {message('band', lang)}"},
        **{"x": at + at[::-1], "y": edges, "fill": "toself", "hoverinfo": "skip"},
    }
    assert curve.law is not None
    line = {
        **{"type": "scatter", "mode": "lines", "uid": "law", "name": f"{curve.method}: {message('fit', lang)}"},
        **{"x": at, "y": [curve.law.at(n) for n in at], "hovertemplate": "%{x:,.0f} · %{y:.3f}<extra></extra>"},
    }
    paint = {
        "band": {"fillcolor": "css:--band", "opacity": 0.35, "line": {"width": 0}},
        "law": {"line": {"color": colour, "width": 2}},
    }
    return [band, line], paint


def _spread(scores: Sequence[Interval]) -> dict[str, Any]:
    return {
        **{"type": "data", "symmetric": False, "thickness": 1.5, "width": 3, "color": "css:--soft"},
        "array": [score.high - score.value for score in scores],
        "arrayminus": [score.value - score.low for score in scores],
    }


def _layout(climb: Climb, lang: Lang, along: str) -> dict[str, Any]:
    """A logarithmic axis of costs or rows, and one of scores."""
    return {
        "height": 420,
        "margin": {"l": 56, "r": 24, "t": 24, "b": 48},
        "hoverlabel": _HOVER,
        "xaxis": _AXIS | {"type": "log", "title": {"text": along}},
        "yaxis": _AXIS | {"title": {"text": metric(climb.task, lang)}, "tickformat": ".2f"},
    }


def _decades(climb: Climb) -> float:
    costs = [rung.cost for rung in climb.rungs]
    return float(np.log10(max(costs) / min(costs))) if costs else 0.0
