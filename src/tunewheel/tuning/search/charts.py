"""The charts of a search as plotly figures in JSON; colours are names of the page's style (``css:--accent``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import log10
from typing import TYPE_CHECKING, Any

from tunewheel.pages import Lang
from tunewheel.tuning.search.drawing import shown
from tunewheel.tuning.search.messages import message
from tunewheel.tuning.search.space import WIDE

if TYPE_CHECKING:
    from tunewheel.tuning.search.result import Trial

Chart = dict[str, Any]

_HOVER = {"bgcolor": "css:--card", "bordercolor": "css:--line", "font": {"color": "css:--ink"}}
_AXIS = {"fixedrange": True, "gridcolor": "css:--line", "zerolinecolor": "css:--line", "automargin": True}


def history_chart(trials: Sequence[Trial], lang: Lang) -> Chart:
    """Every finished trial's dev score by its number, with the best so far as a line of steps."""
    made = finished(trials)
    numbers, values = [trial.number for trial in made], [trial.value for trial in made]
    dots = _dots("trials", numbers, values, made)
    best = list(accumulate((trial.value or 0.0 for trial in made), max))
    line = {"type": "scatter", "mode": "lines", "uid": "best", "x": numbers, "y": best, "hoverinfo": "skip"}
    paint = {
        "trials": {"marker": {"color": "css:--accent", "size": 8}},
        "best": {"line": {"color": "css:--grey", "width": 1.5, "shape": "hv"}},
    }
    axis = _AXIS | {"title": {"text": message("trial", lang)}}
    layout = _layout(340) | {"xaxis": axis, "yaxis": _AXIS | {"title": {"text": message("score", lang)}}}
    return {"id": "history", "data": [line, dots], "paint": paint, "layout": layout}


def importance_chart(importances: Mapping[str, float]) -> Chart:
    """Horizontal bars, the greatest on top."""
    names = [_escaped(name) for name in importances]
    bars = {
        **{"type": "bar", "orientation": "h", "uid": "shares", "x": list(importances.values()), "y": names},
        **{"texttemplate": "%{x:.0%}", "textposition": "outside", "cliponaxis": False, "hoverinfo": "skip"},
    }
    layout = _layout(60 + 28 * len(names)) | {
        "margin": {"l": 8, "r": 52, "t": 8, "b": 28},
        "xaxis": _AXIS | {"range": [0, 1], "tickformat": ".0%"},
        "yaxis": _AXIS | {"autorange": "reversed", "type": "category"},
    }
    paint = {"shares": {"marker": {"color": "css:--accent"}}}
    return {"id": "importances", "data": [bars], "paint": paint, "layout": layout}


def parallel_chart(trials: Sequence[Trial], keys: Sequence[str], lang: Lang) -> Chart:
    """A line a finished trial through its settings to its dev score, each from its least to its greatest value.

    Drawn as plain lines: plotly's own parallel coordinates need WebGL, which not every browser that opens a file has.
    """
    made = sorted(finished(trials), key=lambda trial: trial.value or 0.0)
    columns = [_placed([trial.values[key] for trial in made]) for key in keys]
    columns.append(_placed([trial.value for trial in made]))
    names = [*map(_escaped, keys), message("score", lang)]
    lines: list[dict[str, Any]] = []
    paint = {}
    for at, trial in enumerate(made):
        told = {key: trial.values[key] for key in keys}
        dots = _dots(f"line-{at}", names, [column[at] for column in columns], [trial] * len(names))
        lines.append(dots | {"mode": "lines", "opacity": round(0.15 + 0.85 * (at + 1) / len(made), 2)})
        lines[-1]["hovertemplate"] = (
            f"<b>{trial.number}</b> {trial.value:.4f}<br>{_escaped(shown(told))}<extra></extra>"
        )
        paint[f"line-{at}"] = {"line": {"color": "css:--accent" if at + 1 < len(made) else "css:--good", "width": 2}}
    hidden = {"showticklabels": False, "showgrid": False, "range": [-0.03, 1.03], "zeroline": False}
    layout = _layout(360) | {"xaxis": _AXIS | {"type": "category"}, "yaxis": _AXIS | hidden, "hovermode": "closest"}
    return {"id": "parallel", "data": lines, "paint": paint, "layout": layout}


def slice_chart(trials: Sequence[Trial], key: str, place: int, lang: Lang) -> Chart:
    """Dev score of every finished trial against its value of one setting."""
    made = [trial for trial in finished(trials) if key in trial.values]
    values = [trial.values[key] for trial in made]
    number = all(_is_number(value) for value in values)
    kind = "log" if number and wide(values) else "linear" if number else "category"
    across = values if number else [str(value) for value in values]
    dots = _dots(f"slice-{place}", across, [trial.value for trial in made], made)
    axis = _AXIS | {"title": {"text": _escaped(key)}, "type": kind}
    if kind == "log":  # left alone, 2 and 5 of every decade are written over each other in so narrow a chart
        axis |= {"dtick": 1, "exponentformat": "none"}
    layout = _layout(280) | {"xaxis": axis, "yaxis": _AXIS | {"title": {"text": message("score", lang)}}}
    paint = {f"slice-{place}": {"marker": {"color": "css:--accent", "size": 8}}}
    return {"id": f"slice-{place}", "data": [dots], "paint": paint, "layout": layout}


def finished(trials: Sequence[Trial]) -> list[Trial]:
    """Trials with a score, in their order."""
    return [trial for trial in trials if trial.value is not None]


def varied(trials: Sequence[Trial]) -> list[str]:
    """The settings that differ among the finished trials that have them, in order."""
    made = finished(trials)
    keys = dict.fromkeys(key for trial in made for key in trial.values)
    return [key for key in keys if len({str(trial.values[key]) for trial in made if key in trial.values}) > 1]


def wide(values: Sequence[float]) -> bool:
    """Whether positive values are best seen by orders of magnitude."""
    return bool(values) and min(values) > 0 and max(values) / min(values) >= WIDE


def _placed(values: Sequence[Any]) -> list[float]:
    """Values as shares of the way from their least to their greatest, names in their order."""
    if all(_is_number(value) for value in values):
        numbers = [log10(value) for value in values] if wide(values) else [float(value) for value in values]
    else:
        names = sorted({str(value) for value in values})
        numbers = [float(names.index(str(value))) for value in values]
    low, high = min(numbers), max(numbers)
    return [(number - low) / (high - low) if high > low else 0.5 for number in numbers]


def _dots(uid: str, x: Sequence[Any], y: Sequence[Any], trials: Sequence[Trial]) -> dict[str, Any]:
    return {
        **{"type": "scatter", "mode": "markers", "uid": uid, "x": list(x), "y": list(y)},
        "customdata": [[trial.number, _escaped(shown(trial.values))] for trial in trials],
        "hovertemplate": "<b>%{customdata[0]}</b> %{y:.4f}<br>%{customdata[1]}<extra></extra>",
    }


def _layout(height: int) -> dict[str, Any]:
    margin = {"l": 60, "r": 20, "t": 12, "b": 48}
    return {"height": height, "margin": margin, "hoverlabel": _HOVER, "showlegend": False}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _escaped(text: str) -> str:
    """Plotly reads some markup in texts."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
