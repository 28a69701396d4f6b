"""A decision as one HTML page that opens offline: the verdict, why, every check, and what it was decided by."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

from tunewheel.pages import Lang, html_table, section, shell
from tunewheel.registry.gate.messages import figures, message, reason, remark, subject, use
from tunewheel.registry.gate.nouns import Check, Decision
from tunewheel.store.files import write_whole

BADGE = {
    **{"promote": "better", "refuse": "worse", "undecided": "undecided"},
    **{"passed": "better", "worse": "worse", "open": "undecided", "small": "note", "absent": "note"},
}
_ORDER = ("worse", "open", "passed", "small", "absent")


def write_html(decision: Decision, path: str | Path, lang: Lang = "en") -> Path:
    """Write the page and return its path."""
    return write_whole(path, render_html(decision, lang))


def render_html(decision: Decision, lang: Lang = "en") -> str:
    """The page as text; ``lang`` is the language of headings and explanations."""
    return "".join(_Page(decision, lang).html())


class _Page:
    def __init__(self, decision: Decision, lang: Lang) -> None:
        self.decision, self.lang = decision, lang

    def say(self, key: str, **values: object) -> str:
        return escape(message(key, self.lang, **values))

    def html(self) -> Iterator[str]:
        names = {"challenger": self.decision.challenger, "champion": self.decision.champion}
        yield from shell(message("title", self.lang, **names), self.body(), [], self.lang)

    def body(self) -> Iterator[str]:
        decision = self.decision
        yield f"<header>\n<h1>{self.say('title', challenger=decision.challenger, champion=decision.champion)}</h1>\n"
        yield f"<p>{self.badge(decision.verdict)} {escape(reason(decision, self.lang))}</p>\n"
        yield f'<p class="soft">{self.say("promoted" if decision.promoted else "kept")}</p>\n</header>\n'
        for part in (self.checks, self.uses, self.colophon):
            yield section(part())

    def badge(self, key: str) -> str:
        return f'<span class="verdict {BADGE[key]}">{self.say(key)}</span>'

    def checks(self) -> Iterator[str]:
        decision = self.decision
        yield f"<h2>{self.say('checks')}</h2>\n"
        note = self.say("checks note", challenger=decision.challenger, alpha=f"{decision.margins.alpha:.1%}")
        yield f'<p class="soft">{note}</p>\n'
        heads = ("check", "state", "against", "rows", "figures", "difference", "margin", "note")
        ordered = sorted(decision.checks, key=lambda check: (check.kind == "slice", _ORDER.index(check.state)))
        lines = [self.line(check) for check in ordered]
        grey = [place for place, check in enumerate(ordered) if check.state in ("small", "absent")]
        yield html_table([self.say(head) for head in heads], lines, numbers=(3, 4, 5, 6), grey=grey)

    def line(self, check: Check) -> list[str]:
        before, change, margin = figures(check)
        return [
            escape(subject(check, self.lang)),
            self.badge(check.state),
            escape(check.against or ""),
            f"{check.rows:,}" if check.rows else "",
            *(escape(each) for each in (before, change, margin)),
            escape(remark(check, self.lang)),
        ]

    def uses(self) -> Iterator[str]:
        yield f"<h2>{self.say('uses')}</h2>\n<p>{escape(use(self.decision, self.lang))}</p>\n"

    def colophon(self) -> Iterator[str]:
        decision = self.decision
        facts = {"metric": decision.metric, "seed": f"{decision.seed}, {decision.resamples:,}"}
        facts |= {"data": decision.facts.get("data", "")[:12], "test": decision.test[:12]}
        if decision.id is not None:
            facts |= {
                "by": f"{decision.by}, {(decision.at or '')[:19]}",
                "again": f"tunewheel gate --again {decision.id}",
            }
        listed = "".join(f"<dt>{self.say(key)}</dt><dd>{escape(value)}</dd>\n" for key, value in facts.items())
        yield f"<h2>{self.say('facts')}</h2>\n<dl>\n{listed}</dl>\n"
