"""The model card of a base: what it read, for how long, and what it is not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewheel.models.pretraining.recipe import PretrainRecipe

if TYPE_CHECKING:
    from tunewheel.models.pretraining.run import Outcome

_NAMES = {"mlm": "masked language modelling", "rtd": "replaced-token detection", "clm": "next-token prediction"}


def write_card(outcome: Outcome, folder: Path, *, base: str | None, sources: Sequence[str], licence: str) -> None:
    """Write ``README.md`` and ``pretrain.json`` into the base's folder."""
    recipe, run, kept = outcome.recipe, outcome.run, outcome.kept
    begun = f"continued from {base}" if base else "from random weights"
    earlier = _earlier(base)
    lines = [
        f"# {outcome.folder.name}",
        "",
        f"A language model pretrained by `tunewheel pretrain`: {_NAMES[recipe.objective]}, {begun}. "
        f"{outcome.parameters:,} parameters; reads at most {recipe.length} tokens at once.",
        "",
        "| | |",
        "|---|---|",
        f"| text | {', '.join(sources)}: {kept.paragraphs:,} paragraphs, {kept.characters:,} characters |",
        f"| left out | {kept.duplicates:,} repeated paragraphs, {kept.kept_out:,} kept out of test sets' way |",
        f"| licence of the text | {licence} |",
        f"| tokens in the text | {outcome.counts['train']:,} (and {outcome.counts['held']:,} held out) |",
        f"| tokens learned from | {recipe.steps * recipe.batch * recipe.length:,} in {recipe.steps:,} updates |",
    ]
    lines += [
        f"| {'before that' if i == 0 else 'and before'} | {each['tokens']:,} tokens in {each['updates']:,} updates"
        + (f", to a perplexity of {each['perplexity']:.2f} |" if each["perplexity"] else " |")
        for i, each in enumerate(reversed(earlier))
    ]
    if run.held:
        lines.append(f"| held-out perplexity | {run.held['perplexity']:.2f} |")
    if outcome.before:
        lines.append(f"| with the base and a fresh head | {outcome.before['perplexity']:.2f} |")
    if outcome.old:
        was, now = (losses["perplexity"] for losses in outcome.old)
        lines.append(f"| old domain's text, before and after | {was:.2f}, {now:.2f} |")
    if recipe.objective != "clm":
        lines += ["", f"Perplexity is that of masked words ({recipe.masked:.0%} of the tokens, whole words)."]
    if run.course:
        lines += ["", "## Loss on held-out text", "", "| update | loss |", "|---|---|"]
    lines += [f"| {entry['step']:,.0f} | {entry['held_words']:.3f} |" for entry in _thinned(run.course)]
    lines += [
        "",
        "## Limits",
        "",
        "It knows what its text says, mistakes and prejudices with it, and nothing after it. It is made to be adapted "
        "to a task and measured there; by itself it answers nothing.",
        "",
    ]
    (folder / "README.md").write_text("\n".join(lines), encoding="utf-8")
    facts = {
        "recipe": asdict(recipe),
        "base": base,
        "earlier": earlier,
        "kept": asdict(kept),
        "counts": outcome.counts,
        "held": run.held,
        "course": run.course,
    }
    (folder / "pretrain.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _earlier(base: str | None) -> list[dict[str, Any]]:
    """What the base had learned from already, the first run first, where its folder says so in our own form."""
    told = Path(base) / "pretrain.json" if base else None
    if told is None or not told.is_file():
        return []
    try:
        facts = json.loads(told.read_text(encoding="utf-8"))
        recipe = PretrainRecipe(**facts["recipe"])
        run: dict[str, Any] = {"tokens": recipe.steps * recipe.batch * recipe.length, "updates": recipe.steps}
        run["perplexity"] = (facts["held"] or {}).get("perplexity")
        return [{key: each[key] for key in run} for each in (*facts.get("earlier", []), run)]
    except (KeyError, TypeError, ValueError):  # another program's file: no reason to lose a run at its end
        return []


def _thinned(course: list[dict[str, float]], most: int = 20) -> list[dict[str, float]]:
    if len(course) <= most:
        return course
    return [course[round(i * (len(course) - 1) / (most - 1))] for i in range(most)]
