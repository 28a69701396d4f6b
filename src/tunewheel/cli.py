"""The commands: verbs on the nouns, each a thin layer over `tunewheel.loop`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

if TYPE_CHECKING:
    from tunewheel.evaluation import Report
    from tunewheel.training import Turn

app = typer.Typer(
    help="Turns labelled text into a language model that does its job, and keeps it doing that job.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Home = Annotated[Path, typer.Option("--home", envvar="TUNEWHEEL_HOME", help="The workspace folder.")]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="TUNEWHEEL_DATABASE",
        metavar="URL",
        help="The workspace's database, such as postgresql://user@host/base; SQLite in its folder by default.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")]
Lang = Annotated[Literal["en", "zh"], typer.Option(help="Language of the report page.")]
OnError = Annotated[
    Literal["raise", "skip"], typer.Option("--on-error", help="skip: leave bad rows out, and write down which and why.")
]
Why = Annotated[str, typer.Option(help="The reason, kept in the history.")]

HOME = Path(".tunewheel")
stderr = Console(stderr=True, highlight=False)
stdout = Console(highlight=False)


def main() -> None:
    """Run a command; an error a user can mend is told in a few lines and ends with exit code 2."""
    try:
        app()
    except _expected() as error:
        for line in str(error).splitlines():
            stderr.print(f"[red]error[/red] {_escaped(line)}", soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        stderr.print("[yellow]stopped[/yellow] the same command again goes on where it stood")
        sys.exit(130)
    except BrokenPipeError:  # whoever read the output has seen enough
        sys.stderr.close()
        sys.exit(0)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from tunewheel import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.command()
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


@app.command()
def train(
    data: Annotated[
        str | None, typer.Argument(help="A file, a folder of splits, a hub id or DATABASE-URL::QUERY.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The model's name; the file's by default.")] = None,
    task: Annotated[str | None, typer.Option(help="A task's name; classification or ner is inferred.")] = None,
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
    base: Annotated[str | None, typer.Option(help="minilm, bilstm, a folder or a hub id.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training rows.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    class_weights: Annotated[str | None, typer.Option(help="balanced: rare labels weigh more.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of splits, heads, batches and dropout.")] = None,
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
        **{"group": group, "time": time, "parent": parent, "on_error": on_error},
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
        _print_json(_turn(turn))
    else:
        _show_turn(turn)


@app.command()
def evaluate(
    data: Annotated[str, typer.Argument(help="A file, or a folder of splits (its test split is scored).")],
    model: Annotated[
        list[str] | None, typer.Option(help="A folder, name, name:3 or name@champion; two compare.")
    ] = None,
    predictions: Annotated[Path | None, typer.Option(help="Score this file of predictions instead.")] = None,
    split: Annotated[str | None, typer.Option(help="The split to score.")] = None,
    task: Annotated[str | None, typer.Option(help="A task's name; classification or ner is inferred.")] = None,
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
        reports = loop.evaluate(data, model, **options, robustness=robustness or ())
    else:
        raise typer.BadParameter("give --model, or --predictions FILE", param_hint="--model")
    from tunewheel.evaluation import compare

    comparison = compare(reports[0], reports[1]) if len(reports) == 2 else None
    if output:
        page = reports[-1].save(output, comparison=comparison, lang=lang)
        stderr.print(f"report {page}")
    if as_json:
        found: dict[str, Any] = {"reports": [report.as_dict() for report in reports]}
        _print_json({**found, "comparison": comparison.as_dict() if comparison else None})
        return
    for report in reports:
        stdout.print(report_view(report))
        _print_conlleval(report)
    if comparison:
        stdout.print(comparison_view(comparison))


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="A folder, name, name:3 or name@champion.")],
    file: Annotated[Path | None, typer.Argument(help="JSON Lines, CSV or TSV; standard input by default.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file to write; standard output by default.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="The column that holds the text; `text` by default.")] = None,
    format: Annotated[str | None, typer.Option(help="jsonl, csv or tsv; by the file's ending.")] = None,
    precision: Annotated[Literal["fp32", "bf16"], typer.Option(help="Arithmetic of the network.")] = "fp32",
    on_error: OnError = "raise",
    home: Home = HOME,
    database: Database = None,
) -> None:
    """Predict a stream of rows of any size, in order; every column is kept, `prediction` is added."""
    from tunewheel import loop
    from tunewheel.display import headed

    options: dict[str, Any] = {"text": text, "format": format, "precision": precision, "on_error": on_error}
    options |= {"home": home, "database": database, "say": lambda heading, line: headed(stderr, heading, line)}
    count = loop.predict(model, file, output, **options)
    stderr.print(f"{count:,} rows predicted" + (f", written to {output}" if output else ""))


@app.command()
def models(
    name: Annotated[str | None, typer.Argument(help="Versions of one model only.")] = None,
    home: Home = HOME,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """List the registered versions, their scores and aliases."""
    from rich.table import Table

    from tunewheel.registry import Registry
    from tunewheel.store import Workspace

    found = Registry(Workspace.open(home, database)).versions(name)
    if as_json:
        _print_json([_version(version) for version in found])
        return
    if not found:
        stdout.print(f"no version is registered in {home} yet; next: tunewheel train DATA")
        return
    table = Table(box=None, header_style="cyan")
    for column in ("version", "aliases", "task", "base", "score", "dataset", "created"):
        table.add_column(column)
    for version in found:
        score = next(iter(version.metrics.items()), None)
        table.add_row(
            str(version),
            ", ".join(version.aliases),
            version.task,
            version.base or "",
            f"{score[0]} {score[1]:.3f}" if score else "",
            (version.dataset or "")[:12],
            f"{version.created:%Y-%m-%d %H:%M}",
        )
    stdout.print(table)


@app.command()
def trace(
    what: Annotated[
        str | None, typer.Argument(help="name:3, name@champion, a file, a dataset's fingerprint or a row's id.")
    ] = None,
    row: Annotated[str | None, typer.Option(help="A row's id; with a version: its nearest training rows.")] = None,
    text: Annotated[str | None, typer.Option(help="The whole text of a row.")] = None,
    errors: Annotated[
        int | None, typer.Option(metavar="N", help="A version's N surest errors and their nearest training rows.")
    ] = None,
    nearest: Annotated[int, typer.Option(help="Training rows shown for each.")] = 5,
    home: Home = HOME,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Walk the lineage both ways: versions, data, files, rows, and training rows behind an error."""
    from tunewheel import lineage
    from tunewheel.lineage.view import trace_view

    place: dict[str, Any] = {"home": home, "database": database}
    if what is not None and (errors is not None or row is not None):
        found = lineage.trace_errors(what, errors=errors, row=row, nearest=nearest, **place)
    elif errors is not None:
        raise typer.BadParameter("say whose: tunewheel trace VERSION --errors N", param_hint="--errors")
    elif what is not None and text is not None:
        raise typer.BadParameter("a text is looked for in all datasets: leave WHAT out", param_hint="--text")
    else:
        found = lineage.trace(what, row=row, text=text, **place)
    if as_json:
        _print_json(found)
    else:
        stdout.print(trace_view(found))


@app.command()
def promote(
    version: Annotated[str, typer.Argument(help="name:3")],
    alias: Annotated[str, typer.Option(help="The alias to move.")] = "champion",
    why: Why = "promoted by hand",
    home: Home = HOME,
    database: Database = None,
) -> None:
    """Point an alias at a version; what it replaced is kept in the history."""
    from tunewheel.registry import Registry
    from tunewheel.store import Workspace

    stdout.print(str(Registry(Workspace.open(home, database)).promote(version, alias=alias, why=why)))


@app.command()
def rollback(
    name: Annotated[str, typer.Argument(help="The model's name.")],
    alias: Annotated[str, typer.Option(help="The alias to move back.")] = "champion",
    why: Why = "rolled back by hand",
    home: Home = HOME,
    database: Database = None,
) -> None:
    """Undo the latest promotion of an alias; again, the one before it."""
    from tunewheel.registry import Registry
    from tunewheel.store import Workspace

    version = Registry(Workspace.open(home, database)).rollback(name, alias=alias, why=why)
    stdout.print(f"{version} is {alias} again")


def _show_turn(turn: Turn) -> None:
    from tunewheel.display import headed
    from tunewheel.evaluation.terminal import comparison_view, report_view

    if turn.report:
        stdout.print(report_view(turn.report))
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


def _print_conlleval(report: Report) -> None:
    from tunewheel.evaluation import conlleval_text, counts_entities

    if counts_entities(report):
        stdout.print(conlleval_text(report), markup=False)


def _turn(turn: Turn) -> dict[str, Any]:
    trained = turn.trained
    return {
        "version": _version(turn.version),
        "report": turn.report.as_dict() if turn.report else None,
        "comparison": turn.comparison.as_dict() if turn.comparison else None,
        "champion": turn.champion.as_dict() if turn.champion else None,
        "seconds": trained.seconds if trained else None,
        "tokens_per_second": trained.tokens_per_second if trained else None,
        "folder": str(turn.folder),
    }


def _version(version: Any) -> dict[str, Any]:
    return {
        **{
            "ref": version.ref,
            "name": version.name,
            "number": version.number,
            "aliases": list(version.aliases),
        },
        **{"task": version.task, "method": version.method, "base": version.base, "dataset": version.dataset},
        **{
            "metrics": dict(version.metrics),
            "path": str(version.path),
            "created": version.created.isoformat(),
        },
    }


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))


def _escaped(line: str) -> str:
    from rich.markup import escape

    return escape(line)


def _expected() -> tuple[type[Exception], ...]:
    """The errors that are a user's to mend; only what is loaded already can have been raised."""
    homes = {
        "tunewheel.data.problems": ("DataError",),
        "tunewheel.evaluation.intervals": ("EvaluationError",),
        "tunewheel.lineage.find": ("TraceError",),
        "tunewheel.loop": ("LoopError",),
        "tunewheel.models.backbones": ("BackboneError",),
        "tunewheel.models.model": ("ModelError",),
        "tunewheel.registry.names": ("RegistryError",),
        "tunewheel.settings": ("SettingsError",),
        "tunewheel.store.errors": ("StoreError", "ArtifactError", "LockedError", "SchemaError"),
        "tunewheel.tasks.base": ("TaskError",),
    }
    loaded = [(sys.modules[module], names) for module, names in homes.items() if module in sys.modules]
    return tuple(getattr(module, name) for module, names in loaded for name in names)


if __name__ == "__main__":
    main()
