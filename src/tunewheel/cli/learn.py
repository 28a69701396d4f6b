"""Commands that make models: `tunewheel demo` and `tunewheel train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tunewheel.cli.options import HOME, Database, Home, Json, Lang, print_json, stderr, stdout
from tunewheel.cli.registry import version_dict

if TYPE_CHECKING:
    from tunewheel.training import Turn


def demo(
    data_only: Annotated[bool, typer.Option("--data-only", help="Only write the sample's files.")] = False,
    home: Home = HOME,
    database: Database = None,
    lang: Lang = "en",
) -> None:
    """Turn the wheel once on the bundled sample: offline, in minutes."""
    from tunewheel.demo import run, unpack

    if data_only:
        stdout.print(f"the sample stands in {unpack(home / 'demo')}")
    else:
        run(home, lang, stdout, database)


def train(
    data: Annotated[
        str | None, typer.Argument(help="A file, a folder of splits, a hub id or DATABASE-URL::QUERY.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The model's name; the file's by default.")] = None,
    task: Annotated[
        str | None, typer.Option(help="A task's name; classification, ner or generation is inferred.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="The column that holds the text.")] = None,
    label: Annotated[str | None, typer.Option(help="The column that holds the label.")] = None,
    group: Annotated[str | None, typer.Option(help="The column whose values no two splits share.")] = None,
    time: Annotated[str | None, typer.Option(help="The column of dates: the newest rows become test.")] = None,
    parent: Annotated[
        str | None,
        typer.Option(
            help="A model or fingerprint whose data's splits are inherited; the champion's by default, or none."
        ),
    ] = None,
    on_error: Annotated[
        Literal["raise", "skip"] | None,
        typer.Option("--on-error", help="skip: leave bad rows out, and write down which and why."),
    ] = None,
    base: Annotated[str | None, typer.Option(help="minilm, zh-mini, bilstm, textcnn, a folder or a hub id.")] = None,
    method: Annotated[str | None, typer.Option(help="The road from the base to the task; full by default.")] = None,
    unlabelled: Annotated[
        str | None, typer.Option(metavar="FILE", help="Texts without labels, for the methods that learn from such too.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training rows.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    class_weights: Annotated[str | None, typer.Option(help="balanced: rare labels weigh more.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of splits, heads, batches and dropout.")] = None,
    dp_epsilon: Annotated[
        float | None,
        typer.Option(metavar="ε", help="Differential privacy of the weights: spend so much, such as 8."),
    ] = None,
    dp_delta: Annotated[
        float | None, typer.Option(metavar="δ", help="Chance of a worse leak; 1 / units^1.1 by default.")
    ] = None,
    dp_unit: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Whose rows are protected together, such as a customer's; each alone."),
    ] = None,
    dp_compare: Annotated[
        bool | None,
        typer.Option("--dp-compare/--no-dp-compare", help="Train without privacy too, to tell what it costs."),
    ] = None,
    settings: Annotated[Path | None, typer.Option(help="A YAML file of settings.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any other setting; may be repeated."),
    ] = None,
    report_to: Annotated[list[str] | None, typer.Option(help="tensorboard, mlflow or wandb.")] = None,
    again: Annotated[bool, typer.Option(help="Train anew although the same work is done.")] = False,
    home: Home = HOME,
    database: Database = None,
    lang: Lang = "en",
    as_json: Json = False,
) -> None:
    """Adapt a pretrained model to labelled text, evaluate it and register a version."""
    from tunewheel import loop
    from tunewheel.display import Bar, headed
    from tunewheel.settings import train_settings

    given: dict[str, Any] = {
        **{"data": data, "name": name, "task": task, "text": text, "label": label, "base": base},
        **{"epochs": epochs, "learning_rate": learning_rate, "class_weights": class_weights, "seed": seed},
        **{"group": group, "time": time, "parent": parent, "on_error": on_error, "method": method},
        "unlabelled": unlabelled,
        **{"dp_epsilon": dp_epsilon, "dp_delta": dp_delta, "dp_unit": dp_unit, "dp_compare": dp_compare},
    }
    resolved = train_settings(given, file=settings, changes=changes or ())
    turn = loop.train(
        **resolved.arguments(),
        home=home,
        database=database,
        report_to=report_to or (),
        again=again,
        lang=lang,
        progress=Bar(stderr),
        say=lambda heading, line: headed(stderr, heading, line),
    )
    if as_json:
        print_json(turn_dict(turn))
    else:
        show_turn(turn)


def show_turn(turn: Turn) -> None:
    """Print what a turn made, its report and what it is compared with, and what to do next."""
    from tunewheel.display import headed
    from tunewheel.evaluation.protection import promise
    from tunewheel.evaluation.terminal import comparison_view, report_view

    if turn.report:
        stdout.print(report_view(turn.report))
    elif turn.model.origin.privacy:
        headed(stdout, "privacy", promise(turn.model.origin.privacy))
    if turn.comparison:
        stdout.print(comparison_view(turn.comparison))
    if turn.champion:
        stdout.print(comparison_view(turn.champion))
    version = turn.version
    standing = f" → {', '.join(version.aliases)}" if version.aliases else ""
    page = turn.folder / "report.html"
    headed(stdout, "registered", f"{version}{standing}" + (f"   report {page}" if page.is_file() else ""))
    if not version.aliases:
        headed(stdout, "", f"the champion stays: {_standing(turn)}")
        headed(stdout, "next", f"tunewheel promote {version} --why '…'   to put it in front all the same")
    headed(stdout, "next", f"tunewheel predict {version.name} new.jsonl · tunewheel models")


def _standing(turn: Turn) -> str:
    """Why a new version did not become champion."""
    from tunewheel.evaluation.terminal import resolution

    if turn.champion is None or turn.report is None:
        return "the two were not scored on the same test rows and labels, so nothing says which is better"
    if next(iter(turn.champion.verdicts.values())) == "undecided":
        return f"undecided, the same test rows show no difference ({resolution(turn.report)})"
    return "the new version is measurably worse on the same test rows"


def turn_dict(turn: Turn) -> dict[str, Any]:
    """A turn as JSON values."""
    trained = turn.trained
    return {
        "version": version_dict(turn.version),
        "report": turn.report.as_dict() if turn.report else None,
        "comparison": turn.comparison.as_dict() if turn.comparison else None,
        "champion": turn.champion.as_dict() if turn.champion else None,
        "seconds": trained.seconds if trained else None,
        "tokens_per_second": trained.tokens_per_second if trained else None,
        "privacy": dict(turn.model.origin.privacy) or None,
        "folder": str(turn.folder),
    }
