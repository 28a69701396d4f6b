"""`tunewheel pretrain`: a base of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tunewheel.cli.options import Json, print_json, stderr, stdout


def pretrain(
    text: Annotated[Path, typer.Argument(help="A file or folder of plain text or JSON Lines, also compressed.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder of the new base.")],
    base: Annotated[str | None, typer.Option(help="Go on from this base instead of from scratch.")] = None,
    column: Annotated[str, typer.Option(help="The column of JSON Lines that holds the text.")] = "text",
    keep_out: Annotated[
        list[Path] | None,
        typer.Option(help="Texts to be measured on later; what shares a passage with them is left out."),
    ] = None,
    dedupe: Annotated[bool, typer.Option(help="Leave out paragraphs that nearly repeat another.")] = True,
    old: Annotated[Path | None, typer.Option(help="Text of the base's old domain: tells what it forgot.")] = None,
    half: Annotated[bool, typer.Option(help="Store the weights in 16 bits.")] = False,
    licence: Annotated[str, typer.Option(help="The licence of the text, for the model card.")] = "not stated",
    objective: Annotated[
        str | None, typer.Option(help="mlm (masked words), rtd (replaced tokens) or clm (next token).")
    ] = None,
    tokens: Annotated[int | None, typer.Option(help="Tokens to learn from; more takes a run further.")] = None,
    settings: Annotated[Path | None, typer.Option(help="A YAML file of settings.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any other setting of the recipe; may be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Pretrain a language model on plain text, from scratch or from a base; a killed run goes on."""
    from tunewheel import loop
    from tunewheel.display import Bar, headed
    from tunewheel.settings import pretrain_recipe

    recipe = pretrain_recipe({"objective": objective, "tokens": tokens}, file=settings, changes=changes or ())
    outcome = loop.pretrain(
        text,
        out,
        base=base,
        column=column,
        keep_out=keep_out or (),
        dedupe=dedupe,
        old=old,
        half=half,
        licence=licence,
        recipe=recipe,
        progress=lambda flops, peak: Bar(stderr, "perplexity", flops=flops, peak=peak),
        say=lambda heading, line: headed(stderr, heading, line),
    )
    run = outcome.run
    if as_json:
        print_json(_facts(outcome))
        return
    headed(stdout, "pretrained", f"{outcome.parameters:,} parameters on {run.updates:,} updates")
    if run.tokens:
        speed = f"{run.tokens_per_second:,.0f} tok/s, {outcome.share_of_peak:.0%} of this machine's measured peak"
        headed(stdout, "speed", speed)
    was = f" (before {outcome.before['perplexity']:.2f})" if outcome.before else ""
    if run.held:
        headed(stdout, "held out", f"perplexity {run.held['perplexity']:.2f}{was}")
    if outcome.old:
        before, after = (losses["perplexity"] for losses in outcome.old)
        headed(stdout, "old domain", f"perplexity {before:.2f} before, {after:.2f} after")
    elif base:
        headed(stdout, "old domain", "not measured: --old FILE tells what the base forgot")
    headed(stdout, "next", f"tunewheel train DATA --base {outcome.folder}")


def _facts(outcome: Any) -> dict[str, Any]:
    run = outcome.run
    return {
        "folder": str(outcome.folder),
        "parameters": outcome.parameters,
        "updates": run.updates,
        "resumed_from": run.resumed_from,
        "tokens_per_second": run.tokens_per_second,
        "share_of_peak": outcome.share_of_peak,
        "held": run.held,
        "before": outcome.before,
        "old": outcome.old,
        "counts": outcome.counts,
        "left_out": {"repeated": outcome.kept.duplicates, "kept_out": outcome.kept.kept_out},
    }
