"""Tables of the pages."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def html_table(
    heads: Sequence[str], lines: Sequence[Sequence[str]], *, numbers: Collection[int], grey: Collection[int] = ()
) -> str:
    """An HTML table of cells that are HTML already; columns ``numbers`` stand to the right, lines ``grey`` back."""

    def row(cells: Sequence[str], tag: str) -> str:
        right = [' class="number"' if place in numbers else "" for place in range(len(cells))]
        return "".join(f"<{tag}{style}>{cell}</{tag}>" for style, cell in zip(right, cells, strict=True))

    styles = [' class="grey"' if place in grey else "" for place in range(len(lines))]
    body = "\n".join(f"<tr{style}>{row(cells, 'td')}</tr>" for style, cells in zip(styles, lines, strict=True))
    head = f"<thead><tr>{row(heads, 'th')}</tr></thead>"
    return f'<div class="scroll"><table>\n{head}\n<tbody>\n{body}\n</tbody></table></div>\n'
