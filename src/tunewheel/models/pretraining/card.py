"""The model card of a base: what it read, for how long, and what it is not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tunewheel.models.pretraining.run import Outcome

_NAMES = {"mlm": "masked language modelling", "rtd": "replaced-token detection", "clm": "next-token prediction"}


def write_card(outcome: Outcome, folder: Path, *, base: str | None, sources: Sequence[str], licence: str) -> None:
    """Write ``README.md`` and ``pretrain.json`` into the base's folder."""
    recipe, run, kept = outcome.recipe, outcome.run, outcome.kept
    begun = f"continued from {base}" if base else "from random weights"
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
    if run.held:
        lines.append(f"| held-out perplexity | {run.held['perplexity']:.2f} |")
    if outcome.before:
        lines.append(f"| before | {outcome.before['perplexity']:.2f} |")
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
        "kept": asdict(kept),
        "counts": outcome.counts,
        "held": run.held,
        "course": run.course,
    }
    (folder / "pretrain.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _thinned(course: list[dict[str, float]], most: int = 20) -> list[dict[str, float]]:
    if len(course) <= most:
        return course
    return [course[round(i * (len(course) - 1) / (most - 1))] for i in range(most)]
