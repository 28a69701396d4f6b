"""Commands that let models answer: `tunewheel evaluate` and `tunewheel predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunewheel.cli.options import HOME, Database, Home, Json, Lang, OnError, Variant, print_json, stderr, stdout

if TYPE_CHECKING:
    from tunewheel.evaluation import Report


def evaluate(
    data: Annotated[str, typer.Argument(help="A file, or a folder of splits (its test split is scored).")],
    model: Annotated[
        list[str] | None, typer.Option(help="A folder, name, name:3 or name@champion; two compare.")
    ] = None,
    predictions: Annotated[Path | None, typer.Option(help="Score this file instead: rows by id, else by text.")] = None,
    split: Annotated[str | None, typer.Option(help="The split to score.")] = None,
    task: Annotated[
        str | None, typer.Option(help="A task's name; classification, ner or generation is inferred.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="The column that holds the text.")] = None,
    label: Annotated[str | None, typer.Option(help="The column that holds the label.")] = None,
    slices: Annotated[
        list[str] | None,
        typer.Option("--slice", metavar="COLUMN", help="Score each value of it apart; may be repeated."),
    ] = None,
    robustness: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Score changed rows too: typos, case … or all; may be repeated."),
    ] = None,
    variant: Variant = "torch-fp32",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for report.json and report.html.")
    ] = None,
    on_error: OnError = "raise",
    home: Home = HOME,
    database: Database = None,
    lang: Lang = "en",
    as_json: Json = False,
) -> None:
    """Score a model, two models or anyone's predictions, with intervals."""
    from tunewheel import loop
    from tunewheel.display import headed
    from tunewheel.evaluation.terminal import comparison_view, report_view

    options: dict[str, Any] = {
        **{"split": split, "task": task, "text": text, "label": label},
        **{"home": home, "database": database, "slices": slices or None, "on_error": on_error},
        "say": lambda heading, line: headed(stderr, heading, line),
    }
    if predictions is not None:
        if robustness:
            raise typer.BadParameter("changed rows need a --model to answer them", param_hint="--robustness")
        reports = [loop.score_file(data, predictions, **options)]
    elif model:
        reports = loop.evaluate(data, model, **options, robustness=robustness or (), variant=variant)
    else:
        raise typer.BadParameter("give --model, or --predictions FILE", param_hint="--model")
    from tunewheel.evaluation import compare

    comparison = compare(reports[0], reports[1]) if len(reports) == 2 else None
    if output:
        page = reports[-1].save(output, comparison=comparison, lang=lang)
        stderr.print(f"report {page}")
    if as_json:
        found: dict[str, Any] = {"reports": [report.as_dict() for report in reports]}
        print_json({**found, "comparison": comparison.as_dict() if comparison else None})
        return
    for report in reports:
        stdout.print(report_view(report))
        _print_conlleval(report)
    if comparison:
        stdout.print(comparison_view(comparison))


def predict(
    model: Annotated[str, typer.Argument(help="A folder, name, name:3 or name@champion.")],
    file: Annotated[
        Path | None,
        typer.Argument(help="A file as train reads it; standard input by default."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file to write; standard output by default.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="The text's column; by default the one learned from.")] = None,
    format: Annotated[
        str | None,
        typer.Option(help="jsonl, csv, tsv, lines, conll …; by the content, jsonl of standard input."),
    ] = None,
    variant: Variant = "torch-fp32",
    on_error: OnError = "raise",
    home: Home = HOME,
    database: Database = None,
) -> None:
    """Predict a stream of rows of any size, in order; every column is kept, `prediction` is added."""
    from tunewheel import loop
    from tunewheel.display import headed
    from tunewheel.pages import several

    options: dict[str, Any] = {"text": text, "format": format, "variant": variant, "on_error": on_error}
    options |= {"home": home, "database": database, "say": lambda heading, line: headed(stderr, heading, line)}
    count = loop.predict(model, file, output, **options)
    stderr.print(f"{several(count, 'row')} predicted" + (f", written to {output}" if output else ""))


def _print_conlleval(report: Report) -> None:
    from tunewheel.evaluation import conlleval_text, counts_entities

    if counts_entities(report):
        stdout.print(conlleval_text(report), markup=False)
