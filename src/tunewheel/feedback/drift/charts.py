"""The timelines of a drift page as plotly figures in JSON."""

from __future__ import annotations

from math import log10
from typing import Any

from tunewheel.feedback.drift.found import Drifted
from tunewheel.feedback.drift.levels import cautious
from tunewheel.feedback.drift.messages import message
from tunewheel.feedback.drift.statistics import LEAST, Name, Statistic
from tunewheel.feedback.drift.watch import Check
from tunewheel.pages.shell import Lang

_TOP = 12.0
"""Where the height ends: p-values below 10⁻¹² are all alike to a reader."""

_SIZES = {1: 7, 2: 9, 4: 11, 8: 13}
_LINE = {"gridcolor": "css:--line", "zerolinecolor": "css:--line", "linecolor": "css:--line"}


def timelines(found: Drifted, lang: Lang) -> list[dict[str, Any]]:
    """One chart a statistic that was ever told, in their fixed order."""
    told = {each.name for check in found.checks for each in check.statistics}
    return [_timeline(found, name, lang) for name in LEAST if name in told]


def height(statistic: Statistic, check: Check) -> float:
    """How far beyond chance: -log₁₀ of the corrected p-value, of a block on the scale of single windows.

    >>> from datetime import UTC, datetime
    >>> moment = datetime(2026, 1, 1, tzinfo=UTC)
    >>> two = Check(1, 2, moment, moment, 500, "calm", 0.005)
    >>> round(height(Statistic("length", 0.02, 0.1, 500, 10**9), two), 2)
    2.0
    """
    p = cautious(statistic.p, statistic.rows, statistic.reference) / check.windows
    return min(-log10(p), _TOP) if p > 0 else _TOP


def _timeline(found: Drifted, name: Name, lang: Lang) -> dict[str, Any]:
    dots = [(check, each) for check in found.checks for each in check.statistics if each.name == name]
    fired = [name in check.fired for check, _ in dots]
    border = max(-log10(check.level / check.windows / len(check.statistics)) for check, _ in dots)
    moments = [check.end.strftime("%Y-%m-%d %H:%M:%S") for check, _ in dots]
    data = [
        {
            **{"type": "scatter", "mode": "markers", "uid": "dots", "x": moments},
            "y": [round(height(each, check), 3) for check, each in dots],
            "text": [_told(check, each, lang) for check, each in dots],
            "hovertemplate": "%{text}<extra></extra>",
        }
    ]
    colours = ["css:--bad" if hot else "css:--accent" for hot in fired]
    sizes = [_SIZES[check.windows] for check, _ in dots]
    paint = {"dots": {"marker": {"size": sizes, "color": colours, "opacity": 0.75}}}
    line = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": border, "y1": border}
    layout = {
        **{"height": 165, "margin": {"l": 34, "r": 8, "t": 6, "b": 40}, "showlegend": False},
        "yaxis": {"rangemode": "tozero", "nticks": 4, "fixedrange": True, **_LINE},
        # Few dots would have plotly show parts of a second.
        "xaxis": {"type": "date", "fixedrange": True, "nticks": 8, **_LINE},
        "shapes": [{**line, "line": {"dash": "dash", "width": 1, "color": "css:--soft"}}],
        "hoverlabel": {"bgcolor": "css:--card", "bordercolor": "css:--line", "font": {"color": "css:--ink"}},
    }
    return {"id": f"drift-{name}", "data": data, "paint": paint, "layout": layout}


def _told(check: Check, each: Statistic, lang: Lang) -> str:
    span = f"{check.start:%Y-%m-%d %H:%M} – {check.end:%Y-%m-%d %H:%M}"
    return f"{span}<br>n = {check.rows:,}<br>p = {each.p:.2g}<br>{message('effect', lang)} {each.effect:.3g}"
