"""The second half of `tunewheel demo`: what came later is answered, corrected, learned from, and compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console

from tunewheel import loop
from tunewheel.display import headed
from tunewheel.feedback.drift.terminal import drift_view
from tunewheel.registry.gate.terminal import decision_view

if TYPE_CHECKING:
    from tunewheel.registry import Version
    from tunewheel.store import Workspace
    from tunewheel.training import Turn

_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "done": "learned on from these texts already; tunewheel rollback {name} takes that back",
        "later": "{n} texts that came later, answered and recorded as a service does; {right:.0%} right",
        "said": "people label what they see: {n} corrections, {new} of them a new intent, {label}",
        "asked": "asked about the new intent",
        "margins": "what may be lost, wide for so few rows: {told}",
        "after": "{ref} is champion; a service that follows it swaps within seconds",
        "stays": "{ref} stays champion ({status}); the corrections are kept for the next turn",
        "next": "tunewheel serve {name} · tunewheel rollback {name} · tunewheel suggest {name}",
    },
    "zh": {
        "done": "已从这些文本学过；tunewheel rollback {name} 可以撤回",
        "later": "后来的 {n} 条文本，像服务那样作答并记录；答对 {right:.0%}",
        "said": "人们标注所见：{n} 条更正，其中 {new} 条是新意图 {label}",
        "asked": "问一个新意图的问题",
        "margins": "允许的损失；样本少，所以放宽：{told}",
        "after": "{ref} 成为 champion；跟随它的服务几秒内切换",
        "stays": "{ref} 仍是 champion（{status}）；更正留待下一轮",
        "next": "tunewheel serve {name} · tunewheel rollback {name} · tunewheel suggest {name}",
    },
}
NEW = "digital_wallet"
_ASKED = {"en": "how do I put my card on my watch to pay with it", "zh": "怎么把卡加到手表上刷"}
MARGINS = {"test": 0.05, "slices": 0.3, "earlier": 0.1}


def learn_on(
    turn: Turn,
    later: Path,
    lang: Literal["en", "zh"],
    console: Console,
    *,
    home: Path,
    database: str | None,
    progress: Any,
) -> None:
    """Answer the texts of ``later``, hear what people say, look for drift, and turn the wheel once."""
    from tunewheel.registry import CHAMPION, Registry
    from tunewheel.registry.gate import Margins
    from tunewheel.store import Workspace

    words, name = _WORDS[lang], turn.version.name
    place: dict[str, Any] = {"home": home, "database": database}
    with Workspace.open(home, database) as workspace:
        registry = Registry(workspace)
        before = registry.resolve(f"{name}@{CHAMPION}")
        if before.ref != turn.version.ref:
            headed(console, "later", words["done"].format(name=name))
            return
        rows = [json.loads(line) for line in later.read_text(encoding="utf-8").splitlines()]
        right = _answered(workspace, turn, before, rows)
        headed(console, "later", words["later"].format(n=len(rows), right=right))
        console.print(drift_view(loop.drift(name, window=f"{len(rows)} rows", **place)))
        new = sum(row["label"] == NEW for row in rows)
        headed(console, "said", words["said"].format(n=len(rows), new=new, label=NEW))
        headed(console, "margins", words["margins"].format(told=", ".join(f"{k} {v:g}" for k, v in MARGINS.items())))
        shown: dict[str, Any] = {"progress": progress, "say": lambda heading, line: headed(console, heading, line)}
        updated = loop.update(name, margins=Margins(**MARGINS), lang=lang, **shown, **place)
        if updated.decision is not None:
            console.print(decision_view(updated.decision))
        champion = registry.resolve(f"{name}@{CHAMPION}")
        told = "after" if updated.status == "promoted" else "stays"
        headed(console, "champion", words[told].format(ref=champion.ref, status=updated.status))
        if updated.version is not None:
            _asked(console, words["asked"], _ASKED[lang], [before, updated.version])
        if updated.page is not None:
            headed(console, "page", str(updated.page))
        headed(console, "next", words["next"].format(name=name))


def _answered(workspace: Workspace, turn: Turn, version: Version, rows: Sequence[Mapping[str, Any]]) -> float:
    """Answer and record as a service does, give what people say of it as feedback; the share that was right."""
    from tunewheel.feedback.exchanges import Exchange, exchange_id
    from tunewheel.feedback.given import give
    from tunewheel.feedback.projection import project
    from tunewheel.feedback.recorder import Recorder
    from tunewheel.models.exporting.variants import described

    predictions, vectors = described(turn.model.predictor(), rows)
    small = [None] * len(rows) if vectors is None else list(project(vectors))
    made = [
        Exchange(
            exchange_id(),
            version.name,
            version.number,
            {"text": row["text"]},
            prediction,
            variant="torch-fp32",
            seconds=0.01,
            vector=vector,
        )
        for row, prediction, vector in zip(rows, predictions, small, strict=True)
    ]
    with Recorder(workspace) as recorder:
        recorder.record(made)
    said = [{"exchange": one.id, "label": row["label"]} for one, row in zip(made, rows, strict=True)]
    give(workspace, version.name, said, source="demo", vouched=True)
    hits: list[bool] = [one.label == row["label"] for one, row in zip(made, rows, strict=True)]
    return sum(hits) / len(hits)


def _asked(console: Console, heading: str, text: str, versions: Sequence[Version]) -> None:
    """What each version answers to a text that is in no file."""
    from tunewheel.models import Model

    answers = []
    for version in versions:
        (told,) = Model.load(version.path).predict([text])
        answers.append(f"{version.ref}: {told['label']}  {told['confidence']:.2f}")
    headed(console, "asked", f"{heading}: {text}")
    headed(console, "", " → ".join(answers))
