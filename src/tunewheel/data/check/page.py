"""An inspection as one HTML page that opens offline."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from tunewheel.data.check.charts import BARS, charts
from tunewheel.data.check.examples import shortened
from tunewheel.data.check.findings import SEVERITIES, Example, Finding, Severity
from tunewheel.data.check.inspection import Inspection, merged, summary
from tunewheel.data.check.messages import families, message, sentence, title
from tunewheel.data.chinese import in_language, problem_said, task_name
from tunewheel.pages import Lang, html_table, section, shell
from tunewheel.store.files import write_whole

_BADGE: dict[Severity, str] = {"error": "worse", "warning": "undecided", "info": "note"}


def write_html(inspection: Inspection, path: str | Path, lang: Lang = "en") -> Path:
    """Write the page and return its path."""
    return write_whole(path, render_html(inspection, lang))


def render_html(inspection: Inspection, lang: Lang = "en") -> str:
    """The page as text; ``lang`` is the language of headings and explanations."""
    return "".join(_Page(inspection, lang).html())


class _Page:
    def __init__(self, inspection: Inspection, lang: Lang) -> None:
        self.inspection, self.lang = inspection, lang
        self.charts = charts(inspection, lang)

    def say(self, key: str, **values: object) -> str:
        return escape(message(key, self.lang, **values))

    def html(self) -> Iterator[str]:
        title = message("title", self.lang, data=self.inspection.data)
        yield from shell(title, self.body(), list(self.charts.values()), self.lang)

    def body(self) -> Iterator[str]:
        yield from self.header()
        yield section(self.contents())
        for number, finding in enumerate(self.inspection.findings):
            yield section(self.finding(number, finding))
        for name in self.charts:
            yield section(self.chart(name))
        yield section(self.colophon())

    def header(self) -> Iterator[str]:
        found = self.inspection
        facts = [escape(task_name(found.task, self.lang)), self.say("rows", n=f"{sum(found.rows.values()):,}")]
        facts.append(self.say("dataset", name=found.fingerprint[:12]))
        yield f"<header>\n<h1>{self.say('title', data=found.data)}</h1>\n"
        yield f'<p class="soft">{" · ".join(facts)}</p>\n</header>\n<div class="cards">\n'
        for severity in SEVERITIES:
            count = len(found.of(severity))
            yield f'<div class="card lesser"><div class="name">{self.say(severity + "s")}</div>'
            yield f'<div class="value">{count}</div></div>\n'
        yield "</div>\n"

    def contents(self) -> Iterator[str]:
        """The findings by severity, each leading to its section."""
        found = self.inspection
        looked = self.say("looked", names=families(found.families, self.lang))
        if found.is_plain:
            looked = f"{looked} {self.say('plain')}"
        yield f'<h2>{self.say("findings")}</h2>\n<p class="soft">{looked} {self.say("masked")}</p>\n'
        if not found.findings:
            yield f"<p>{self.say('clean')}</p>\n"
            return
        lines = [
            [self.badge(finding), f'<a href="#finding-{number}">{self.title(finding)}</a>', f"{finding.count:,}"]
            for number, finding in enumerate(found.findings)
        ]
        yield html_table([self.say(key) for key in ("severity", "finding", "count")], lines, numbers=(2,))
        if found.repair_all:
            yield f'<p class="soft gap">{self.say("repair all")}</p>\n<pre>{escape(found.repair_all)}</pre>\n'

    def finding(self, number: int, finding: Finding) -> Iterator[str]:
        yield f'<h2 id="finding-{number}">{self.badge(finding)} {self.title(finding)}</h2>\n'
        yield f"<p>{escape(sentence(finding, self.lang))}</p>\n"
        if finding.sampled:
            sampled = self.say("sampled", n=f"{finding.sampled:,}", seed=self.inspection.seed)
            yield f'<p class="soft">{sampled}</p>\n'
        if command := self.inspection.repair(finding):
            yield f'<p class="soft gap">{self.say("repair")}</p>\n<pre>{escape(command)}</pre>\n'
        if finding.examples:
            shown = self.say("examples", shown=len(finding.examples), all=f"{finding.count:,}")
            yield f'<p class="soft gap">{shown}</p>\n{self.examples(finding)}'

    def title(self, finding: Finding) -> str:
        return escape(title(finding, self.lang))

    def badge(self, finding: Finding) -> str:
        return f'<span class="verdict {_BADGE[finding.severity]}">{self.say(finding.severity)}</span>'

    def examples(self, finding: Finding) -> str:
        """A table of examples; columns that would be empty throughout are left out."""
        rows = [[self.place(example), *self.cells(example)] for example in finding.examples]
        heads = [self.say(key) for key in ("place", "text", "label", "note")]
        kept = [place for place in range(len(heads)) if any(row[place] for row in rows)]
        lines = [[row[place] for place in kept] for row in rows]
        return html_table([heads[place] for place in kept], lines, numbers=())

    def place(self, example: Example) -> str:
        if example.row is not None:
            return f'<div class="id">{escape(example.file)}:{example.row}</div>'
        name = f"{Path(example.file).name} · {example.split}" if example.file else example.split
        return f'<div class="id">{escape(name)}<br>{escape(example.id)}</div>'

    def cells(self, example: Example) -> list[str]:
        text = f'<div class="text"><div>{escape(example.text)}</div></div>'
        label, note = escape(example.label), escape(self.note(example))
        if example.other:
            text += f'{self.place(example.other)}<div class="text"><div>{escape(example.other.text)}</div></div>'
            if example.label != example.other.label:
                label += f" ≠ {escape(example.other.label)}"
        return [text, *(f'<div class="label">{cell}</div>' if cell else "" for cell in (label, note))]

    def note(self, example: Example) -> str:
        """What was found in a row; of one that could not be read, what is wrong with it."""
        if example.problem is None or self.lang == "en":
            return example.note
        return shortened(problem_said(example.problem))

    def chart(self, name: str) -> Iterator[str]:
        yield f"<h2>{self.say(name)}</h2>\n"
        if name == "labels":
            every = len(merged(self.inspection.labels.values()))
            yield f'<p class="soft">{self.say("labels note", shown=min(BARS, every), all=every)}</p>\n'
        if name == "lengths":
            figures = {key: f"{n:,}" for key, n in summary(merged(self.inspection.lengths.values())).items()}
            yield f'<p class="soft">{self.say("lengths note", **figures)}</p>\n'
        yield f'<div class="chart" id="{name}"></div>\n'

    def colophon(self) -> Iterator[str]:
        found = self.inspection
        facts: dict[str, Any] = {
            "task": task_name(found.task, self.lang),
            "splits": ", ".join(f"{split} {count:,}" for split, count in found.rows.items()),
            "fingerprint": found.fingerprint,
            "sampling": f"{found.sample:,}, {found.seed}",
            "created": found.created,
            "notes": "\n".join(in_language(note, self.lang) for note in found.notes),
        }
        listed = "".join(
            f'<dt>{self.say(key)}</dt><dd class="notes">{escape(value)}</dd>\n' for key, value in facts.items()
        )
        yield f"<h2>{self.say('facts')}</h2>\n<dl>\n{listed}</dl>\n"
