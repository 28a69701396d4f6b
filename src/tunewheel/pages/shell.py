"""What every page is wrapped in: one file that opens offline and may load nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any, Literal

from tunewheel.pages.style import CSS, SCRIPT

Lang = Literal["en", "zh"]

# A page that may not load anything cannot leak what it holds, whatever stands in its texts.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:"


def shell(title: str, body: Iterable[str], charts: Sequence[Mapping[str, Any]], lang: Lang) -> Iterator[str]:
    """The whole page around ``body``, which is HTML already and may add to ``charts`` while it is drawn.

    A chart is a plotly figure with the ``id`` of the element it is drawn into; its colours are names of the page's
    style (``css:--accent``).
    """
    yield f'<!DOCTYPE html>\n<html lang="{"zh-CN" if lang == "zh" else "en"}">\n<head>\n'
    yield '<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>\n"
    yield from body
    yield "</main>\n"
    if charts:
        yield f'<script type="application/json" id="charts">{_embedded(charts)}</script>\n'
        yield f"<script>{_plotly()}</script>\n<script>{SCRIPT}</script>\n"
    yield "</body>\n</html>\n"


def section(parts: Iterable[str]) -> str:
    """A section of a page; nothing where its parts say nothing."""
    body = "".join(parts)
    return f"<section>\n{body}</section>\n" if body else ""


def _embedded(value: Any) -> str:
    """JSON that cannot end the script element it stands in.

    >>> _embedded("</script>") == '"' + chr(92) + "u003c/script" + chr(92) + 'u003e"'
    True
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _plotly() -> str:
    """Plotly's own packaged script; it holds no closing script tag, or the page would break."""
    return files("plotly").joinpath("package_data/plotly.min.js").read_text(encoding="utf-8")
