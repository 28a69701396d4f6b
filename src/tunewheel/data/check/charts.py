"""The page's charts as plotly figures in JSON; colours are names of the page's style (``css:--accent``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunewheel.data.check.inspection import Counts, Inspection, merged, quantile
from tunewheel.data.check.messages import message
from tunewheel.pages.shell import Lang

BARS = 40
"""Labels that the chart shows; of more only the most frequent."""

BINS = 30

_COLOURS = ("css:--accent", "css:--good", "css:--unsure", "css:--bad", "css:--grey")
_GRID = {"gridcolor": "css:--line", "zerolinecolor": "css:--line", "fixedrange": True}
_HOVER = {"bgcolor": "css:--card", "bordercolor": "css:--line", "font": {"color": "css:--ink"}}
_LONGEST = 34


def label_chart(labels: Counts) -> dict[str, Any]:
    """Bars of the rows of each label, the most frequent on top, stacked by split."""
    names = most_frequent(labels)
    rows = {split: [counts.get(name, 0) for name in names] for split, counts in labels.items()}
    ticks = {"tickmode": "array", "tickvals": list(range(len(names))), "ticktext": [_tick(name) for name in names]}
    yaxis = {**ticks, "automargin": True, "fixedrange": True, "autorange": "reversed", "ticklabelstandoff": 5}
    places = list(range(len(names)))
    data = [_bars(split, places, counts, horizontal=True) for split, counts in rows.items()]
    layout = {"barmode": "stack", "height": 80 + 22 * len(names), "yaxis": yaxis, "xaxis": dict(_GRID)}
    return _figure("labels", data, layout)


def most_frequent(labels: Counts) -> list[str]:
    """The names of the most frequent labels, at most `BARS`."""
    total = merged(labels.values())
    return sorted(total, key=lambda name: (-total[name], name))[:BARS]


def length_chart(lengths: Counts, lang: Lang) -> dict[str, Any]:
    """Bars of the rows by length in characters, by split; the longest hundredth stands in the last bar."""
    step = max(1, -(-quantile(merged(lengths.values()), 0.99) // BINS))
    last = quantile(merged(lengths.values()), 0.99) // step
    names = [f"{at * step}–{at * step + step - 1}" if step > 1 else str(at) for at in range(last)]
    names.append(f"≥ {last * step}")
    data = []
    for split, counts in lengths.items():
        bins = [0] * (last + 1)
        for length, count in counts.items():
            bins[min(length // step, last)] += count
        data.append(_bars(split, names, bins))
    xaxis = {"fixedrange": True, "type": "category", "title": {"text": message("characters", lang)}}
    return _figure("lengths", data, {"barmode": "stack", "height": 300, "bargap": 0.08, "xaxis": xaxis})


def language_chart(languages: Counts, lang: Lang) -> dict[str, Any]:
    """One bar for each split, divided by language."""
    splits = list(languages)
    known = [name for name in ("zh", "en", "mixed", "other") if any(counts.get(name) for counts in languages.values())]
    data = []
    for name in known:
        shares = [100 * languages[split].get(name, 0) / max(1, sum(languages[split].values())) for split in splits]
        shares = [round(share, 2) for share in shares]
        data.append(_bars(message(name, lang), [_tick(split) for split in splits], shares, horizontal=True))
    yaxis = {"automargin": True, "fixedrange": True, "autorange": "reversed", "ticklabelstandoff": 5}
    xaxis = {**_GRID, "range": [0, 100], "ticksuffix": "%"}
    layout = {"barmode": "stack", "height": 80 + 34 * len(splits), "yaxis": yaxis, "xaxis": xaxis}
    return _figure("languages", data, layout)


def cluster_chart(clusters: Mapping[int, int], lang: Lang) -> dict[str, Any]:
    """Bars of how many clusters of repeated texts there are of each size."""
    sizes = sorted(clusters)
    title = {"text": message("cluster size", lang)}
    bars = _bars(message("cluster count", lang), [str(size) for size in sizes], [clusters[size] for size in sizes])
    layout = {"height": 260, "bargap": 0.3, "xaxis": {"type": "category", "fixedrange": True, "title": title}}
    return _figure("clusters", [bars], {**layout, "showlegend": False})


def charts(inspection: Inspection, lang: Lang) -> dict[str, dict[str, Any]]:
    """Every chart that has something to show, by the message that heads it."""
    found: dict[str, dict[str, Any]] = {}
    if inspection.labels:
        found["labels"] = label_chart(inspection.labels)
    if inspection.lengths:
        found["lengths"] = length_chart(inspection.lengths, lang)
        found["languages"] = language_chart(inspection.languages, lang)
    if inspection.clusters:
        found["clusters"] = cluster_chart(inspection.clusters, lang)
    return found


def _bars(name: str, places: Sequence[Any], counts: Sequence[float], *, horizontal: bool = False) -> dict[str, Any]:
    x, y = (counts, places) if horizontal else (places, counts)
    shown = {"orientation": "h"} if horizontal else {}
    return {"type": "bar", "name": _escaped(name), "uid": name, "x": list(x), "y": list(y), **shown}


def _figure(identity: str, data: list[dict[str, Any]], layout: dict[str, Any]) -> dict[str, Any]:
    paint = {trace["uid"]: {"marker": {"color": _COLOURS[place % len(_COLOURS)]}} for place, trace in enumerate(data)}
    legend = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "traceorder": "normal"}
    whole = {
        **{"margin": {"l": 8, "r": 20, "t": 34, "b": 44}, "hoverlabel": _HOVER, "legend": legend},
        **{"showlegend": len(data) > 1, "yaxis": dict(_GRID), **layout},
    }
    return {"id": identity, "data": data, "paint": paint, "layout": whole}


def _tick(name: str) -> str:
    return _escaped(name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…")


def _escaped(name: str) -> str:
    """Plotly reads some markup in texts."""
    return name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
