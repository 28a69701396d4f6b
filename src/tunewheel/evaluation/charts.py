"""The report's charts as plotly figures in JSON; colours are names of the page's style (``css:--accent``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tunewheel.evaluation.facts import label_name
from tunewheel.evaluation.messages import message, slice_name
from tunewheel.pages import Lang

if TYPE_CHECKING:
    from tunewheel.evaluation.figures import Calibration
    from tunewheel.evaluation.intervals import Array, Interval
    from tunewheel.evaluation.slices import Slice

BARS = 40
"""Labels that the bar chart shows; of more only the weakest."""

CELLS = 30
"""Labels that the confusion heat map shows; of more only the most confused."""

_AXIS = {
    "type": "linear",
    "automargin": True,
    "fixedrange": True,
    "zeroline": False,
    "ticks": "",
    "ticklabelstandoff": 5,
    "tickmode": "array",
}
_HOVER = {"bgcolor": "css:--card", "bordercolor": "css:--line", "font": {"color": "css:--ink"}}
_LONGEST = 34


def weakest(table: Sequence[Mapping[str, Any]], limit: int = BARS) -> list[Mapping[str, Any]]:
    """The labels with the lowest F1, best first; labels that stand nowhere are left out."""
    present = [row for row in table if row["support"] or row["predicted"]]
    return sorted(present, key=lambda row: (-row["f1"], row["label"]))[-limit:]


def label_chart(
    table: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]] | None, lang: Lang
) -> dict[str, Any]:
    """Horizontal bars of F1 by label, best on top, with the bars of ``before`` behind when given."""
    rows = weakest(table)
    earlier = {row["label"]: row["f1"] for row in before or ()}
    names = [label_name(str(row["label"]), lang) for row in rows]
    extra = [
        [name, row["precision"], row["recall"], row["support"], row["predicted"]]
        for name, row in zip(names, rows, strict=True)
    ]
    words = [message(key, lang) for key in ("support", "predicted")]
    hover = (
        "<b>%{customdata[0]}</b><br>F1 %{x:.3f} · P %{customdata[1]:.3f} · R %{customdata[2]:.3f}"
        f"<br>{words[0]} %{{customdata[3]:,}} · {words[1]} %{{customdata[4]:,}}<extra></extra>"
    )
    after = _bars("after", message("after", lang), [row["f1"] for row in rows], names) | {
        "customdata": _escaped(extra),
        "hovertemplate": hover,
        "texttemplate": "%{x:.3f}",
        "textposition": "outside",
        "cliponaxis": False,
    }
    data, paint = [after], {"after": {"marker": {"color": "css:--accent"}}}
    if before is not None:
        shown = [earlier.get(row["label"]) for row in rows]
        data.insert(0, _bars("before", message("before", lang), shown, names) | {"hovertemplate": "%{x:.3f}"})
        paint["before"] = {"marker": {"color": "css:--grey"}}
    per_label = 24 if before is None else 36
    places = {"tickvals": list(range(len(names))), "ticktext": _ticks(names)}
    layout = {
        "height": 70 + per_label * len(rows),
        "margin": {"l": 8, "r": 52, "t": 8 if before is None else 34, "b": 28},
        "bargap": 0.3,
        "bargroupgap": 0.08,
        "hoverlabel": _HOVER,
        "showlegend": before is not None,
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "traceorder": "normal"},
        "xaxis": {
            "range": [0, 1],
            "fixedrange": True,
            "gridcolor": "css:--line",
            "zerolinecolor": "css:--line",
        },
        "yaxis": _AXIS | places | {"autorange": "reversed"},
    }
    return {"id": "labels", "data": data, "paint": paint, "layout": layout}


def _bars(uid: str, name: str, values: Sequence[float | None], names: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "uid": uid,
        "name": name,
        "x": values,
        "y": list(range(len(names))),
    }


def most_confused(confusion: Array, limit: int = CELLS) -> list[int]:
    """Indices, in order, of the labels with most errors, as gold and as prediction together."""
    errors = confusion - np.diag(np.diag(confusion))
    involved = errors.sum(axis=0) + errors.sum(axis=1)
    present = np.flatnonzero(confusion.sum(axis=0) + confusion.sum(axis=1))
    ranked = present[np.argsort(-involved[present], kind="stable")]
    return sorted(int(label) for label in ranked[:limit])


def confusion_chart(confusion: Array, labels: Sequence[str], lang: Lang) -> dict[str, Any]:
    """Heat map of gold (down) against predicted (across); shade: share of the gold label, figure: count."""
    shown = most_confused(confusion)
    counts = confusion[np.ix_(shown, shown)]
    gold = confusion[shown].sum(axis=1, keepdims=True)
    share = np.divide(counts, gold, out=np.zeros(counts.shape), where=gold > 0)
    names = [labels[i] for i in shown]
    words = {key: message(key, lang) for key in ("gold", "answer", "share")}
    trace = {
        "type": "heatmap",
        "uid": "confusion",
        "z": share.round(4).tolist(),
        "zmin": 0,
        "zmax": 1,
        "text": [[f"{count:,}" if count else "" for count in line] for line in counts.tolist()],
        "texttemplate": "%{text}",
        "customdata": [
            [_escaped([g, p, f"{counts[i, j]:,}"]) for j, p in enumerate(names)] for i, g in enumerate(names)
        ],
        "hovertemplate": (
            f"{words['gold']} <b>%{{customdata[0]}}</b><br>{words['answer']} <b>%{{customdata[1]}}</b>"
            f"<br>%{{customdata[2]}} · {words['share']} %{{z:.1%}}<extra></extra>"
        ),
        "xgap": 1,
        "ygap": 1,
        "showscale": False,
    }
    ticks = _ticks(names)
    axis = _AXIS | {"showgrid": False, "tickvals": list(range(len(names))), "ticktext": ticks}
    slanted = len(names) > 8
    size = max(26, min(64, 640 // max(1, len(names))))
    layout = {
        "height": 150 + size * len(names),
        # Slanted names lean out to the right; plotly would drop those that do not fit.
        "margin": {
            "l": 8,
            "r": 20 + (max(map(_width, ticks), default=0) // 2 if slanted else 0),
            "t": 8,
            "b": 8,
        },
        "hoverlabel": _HOVER,
        "xaxis": axis | {"side": "top", "tickangle": -60 if slanted else 0, "ticklabeloverflow": "allow"},
        "yaxis": axis | {"autorange": "reversed"},
    }
    paint = {"confusion": {"colorscale": [[0, "css:--page"], [1, "css:--heat"]]}}
    return {"id": "confusion", "data": [trace], "paint": paint, "layout": layout}


def slice_chart(slices: Sequence[Slice], whole: Interval, metric: str, named: str, lang: Lang) -> dict[str, Any]:
    """Points with intervals of ``metric``, which people call ``named``, one a slice, beside a line for all rows."""
    shown = [slice_name(part.name, part.value, lang) for part in slices]
    figures = [part.metrics[metric] for part in slices]
    colours = {"worse": "css:--bad", "better": "css:--good", "undecided": "css:--accent", None: "css:--grey"}
    trace = {
        "type": "scatter",
        "mode": "markers",
        "uid": "slices",
        "x": [figure.value for figure in figures],
        "y": list(range(len(slices))),
        "customdata": [
            [*_escaped([f"{name}: {value}"]), f"{part.rows:,}", figure.low, figure.high]
            for (name, value), part, figure in zip(shown, slices, figures, strict=True)
        ],
        "hovertemplate": (
            f"<b>%{{customdata[0]}}</b><br>{named} %{{x:.3f}} "
            f"[%{{customdata[2]:.3f}}, %{{customdata[3]:.3f}}]"
            f"<br>{message('slice rows', lang)} %{{customdata[1]}}<extra></extra>"
        ),
    }
    spread = {
        "type": "data",
        "symmetric": False,
        "array": [figure.high - figure.value for figure in figures],
        "arrayminus": [figure.value - figure.low for figure in figures],
        "thickness": 1.5,
        "width": 3,
        "color": "css:--soft",
    }
    marker = {"size": 9, "color": [colours[part.verdict] for part in slices]}
    ticks = _ticks([f"{name}: {value}" for name, value in shown])
    line = {"color": "css:--accent", "width": 1, "dash": "dot"}
    layout = {
        "height": 60 + 26 * len(slices),
        "margin": {"l": 8, "r": 20, "t": 24, "b": 28},
        "hoverlabel": _HOVER,
        "showlegend": False,
        "xaxis": {"range": [0, 1.01], "fixedrange": True, "gridcolor": "css:--line", "zerolinecolor": "css:--line"},
        "yaxis": _AXIS | {"tickvals": trace["y"], "ticktext": ticks, "range": [len(slices) - 0.4, -0.6]},
        "shapes": [
            {"type": "line", "x0": whole.value, "x1": whole.value, "y0": 0, "y1": 1, "yref": "paper", "line": line}
        ],
        "annotations": [
            {"x": whole.value, "y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False}
            | {"text": message("whole", lang)}
        ],
    }
    paint = {"slices": {"marker": marker, "error_x": spread}}
    return {"id": "slices", "data": [trace], "paint": paint, "layout": layout}


def reliability_chart(calibration: Calibration, lang: Lang) -> dict[str, Any]:
    """Share right against mean confidence of each bin (DeGroot & Fienberg 1983); a dot's area is its claims."""
    words = {key: message(key, lang) for key in ("claimed", "came true", "claims")}
    bins = calibration.bins
    most = max(one.claims for one in bins)
    dots = {
        "type": "scatter",
        "mode": "markers",
        "uid": "bins",
        "x": [round(one.confidence, 4) for one in bins],
        "y": [round(one.right, 4) for one in bins],
        "customdata": [f"{one.claims:,}" for one in bins],
        "hovertemplate": (
            f"{words['claimed']} %{{x:.3f}}<br>{words['came true']} %{{y:.3f}}"
            f"<br>{words['claims']} %{{customdata}}<extra></extra>"
        ),
        "cliponaxis": False,
    }
    line = {"type": "scatter", "mode": "lines", "uid": "line", "x": [0, 1], "y": [0, 1], "hoverinfo": "skip"}
    sizes = [round(7 + 21 * (one.claims / most) ** 0.5, 1) for one in bins]
    axis = {"range": [0, 1], "fixedrange": True, "gridcolor": "css:--line", "zerolinecolor": "css:--line"}
    layout = {
        "height": 420,
        "margin": {"l": 56, "r": 24, "t": 16, "b": 48},
        "hoverlabel": _HOVER,
        "showlegend": False,
        "xaxis": axis | {"title": {"text": words["claimed"]}},
        "yaxis": axis | {"title": {"text": words["came true"]}},
    }
    paint = {
        "line": {"line": {"color": "css:--grey", "dash": "dot", "width": 1.5}},
        "bins": {"marker": {"color": "css:--accent", "size": sizes, "opacity": 0.85}},
    }
    return {"id": "calibration", "data": [line, dots], "paint": paint, "layout": layout}


def _ticks(names: Sequence[str]) -> list[str]:
    """Axis labels: long ones shortened (the whole name is in the hover text), markup made harmless."""
    ticks: list[str] = _escaped([n if len(n) <= _LONGEST else n[: _LONGEST - 1] + "…" for n in names])
    return ticks


def _width(name: str) -> int:
    """Rough width in pixels: a Chinese character is twice as wide as a letter."""
    return sum(13 if character >= "\u2e80" else 7 for character in name)


def _escaped(value: Any) -> Any:
    """Plotly reads some markup in texts: escape it wherever a label goes."""
    if isinstance(value, str):
        return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if isinstance(value, list):
        return [_escaped(inner) for inner in value]
    return value
