"""The command that looks at data: `tunewheel check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tunewheel.cli.options import Json, Lang, print_json, stderr, stdout

Names = list[str] | None


def check(
    data: Annotated[str, typer.Argument(help="A file, a folder of splits, a hub id or DATABASE-URL::QUERY.")],
    output: Annotated[Path, typer.Option("-o", "--output", dir_okay=False, help="The report page.")] = Path(
        "data-report.html"
    ),
    task: Annotated[str | None, typer.Option(help="A task's name, else inferred; text: there are no labels.")] = None,
    text: Annotated[str | None, typer.Option(help="The column that holds the text.")] = None,
    label: Annotated[str | None, typer.Option(help="The column that holds the label.")] = None,
    only: Annotated[Names, typer.Option(metavar="NAME", help="Look for this alone; may be repeated.")] = None,
    skip: Annotated[Names, typer.Option(metavar="NAME", help="Leave this out; may be repeated.")] = None,
    near: Annotated[
        float, typer.Option(min=0.5, max=1.0, help="The least similarity of texts that nearly repeat each other.")
    ] = 0.8,
    unlabelled: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Texts without labels: which of them no labelled row reaches?")
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="A base whose sentence vectors stand in place of TF-IDF: minilm, a folder …")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=2, help="Rows that costly findings look at, at most; 20000 by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 13,
    suspects: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", dir_okay=False, help="Write the labels that are probably wrong, for clean --relabel."
        ),
    ] = None,
    fail_on: Annotated[
        Literal["error", "warning"] | None, typer.Option(help="Exit with 1 where something as grave is found.")
    ] = None,
    lang: Lang = "en",
    as_json: Json = False,
) -> None:
    """Say what is wrong with data, how often, what it costs and which command mends it."""
    from tunewheel import loop
    from tunewheel.data.check.terminal import commands, inspection_view
    from tunewheel.display import Steps, headed

    options: dict[str, Any] = {
        **{"only": only or (), "skip": skip or (), "near": near, "sample": sample, "seed": seed},
        **{"task": task, "text": text, "label": label, "unlabelled": unlabelled, "base": base},
    }
    with Steps(stderr) as steps:
        inspection = loop.check(data, **options, progress=steps)
    page = inspection.write_html(output, lang)
    if suspects is not None:
        inspection.write_suspects(suspects)
        headed(stderr, "suspects", f"{len(inspection.suspects):,} written to {suspects}")
    if as_json:
        print_json(inspection.as_dict())
    else:
        stdout.print(inspection_view(inspection))
        for heading, command in commands(inspection):
            headed(stdout, heading, command)
        headed(stdout, "report", str(page))
    if fail_on and inspection.fails(fail_on):
        raise typer.Exit(1)
