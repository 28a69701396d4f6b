"""Commands on what people say of answers: `tunewheel feedback …` and `tunewheel suggest`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from tunewheel.cli.options import HOME, Database, Home, Json, print_json, stderr, stdout

feedback = typer.Typer(
    help="What people say of answers: take it in, look at it, decide on it, turn it into rows.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="The model that answered.")]
Form = Annotated[
    Literal["jsonl", "doccano", "label-studio"], typer.Option("--format", help="What the file is read or written as.")
]


@feedback.command("import")
def take_in(
    name: Name,
    file: Annotated[Path, typer.Argument(help="JSON Lines, or an export of doccano or Label Studio.")],
    form: Form = "jsonl",
    source: Annotated[str | None, typer.Option(help="Who says it; the file's name by default.")] = None,
    review: Annotated[bool, typer.Option("--review", help="Let it wait until it is accepted.")] = False,
    home: Home = HOME,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Take in corrections, ratings, outcomes and labelled rows; the same file twice changes nothing."""
    from dataclasses import asdict

    from tunewheel.display import headed
    from tunewheel.loop import feedback as loop

    place: dict[str, Any] = {"home": home, "database": database}
    received = loop.import_feedback(name, file, form=form, source=source, trusted=not review, **place)
    if as_json:
        print_json(asdict(received))
    else:
        told = {key: value for key, value in asdict(received).items() if key != "refused" and value}
        headed(stdout, "feedback", ", ".join(f"{value:,} {key}" for key, value in told.items()) or "nothing new")
        for at, why in received.refused[:10]:
            headed(stdout, "refused", f"{file}, item {at}: {why}")
        if len(received.refused) > 10:
            headed(stdout, "", f"and {len(received.refused) - 10:,} more")
        ahead = f"feedback list {name}" if review else f"update {name}"
        headed(stdout, "next", f"tunewheel {ahead}")
    if received.refused:
        raise typer.Exit(1)


@feedback.command("list")
def show(
    name: Name,
    status: Annotated[
        Literal["new", "accepted", "rejected", "quarantined", "superseded", "consumed"] | None,
        typer.Option(help="Only what stands there."),
    ] = None,
    limit: Annotated[int, typer.Option("-n", min=1, help="How many, the first in the order they came.")] = 50,
    after: Annotated[int, typer.Option(help="Begin behind this id.")] = 0,
    home: Home = HOME,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """List feedback and where it stands."""
    from dataclasses import asdict

    from rich.table import Table
    from rich.text import Text

    from tunewheel.feedback.given import count_feedback, list_feedback
    from tunewheel.registry import Registry
    from tunewheel.store import Workspace

    workspace = Workspace.open(home, database)
    Registry(workspace).versions(name)
    with workspace.read() as connection:
        found = list_feedback(connection, name, statuses=(status,) if status else (), after=after, limit=limit)
        counts = count_feedback(connection, name)
    if as_json:
        stamps = [{**asdict(one), "at": one.at.isoformat(), "received": one.received.isoformat()} for one in found]
        print_json({"counts": counts, "feedback": stamps})
        return
    table = Table(box=None, header_style="cyan")
    for column in ("id", "status", "kind", "said", "of", "by", "why"):
        table.add_column(column, overflow="fold")
    for one in found:
        of = one.exchange or (one.row or {}).get("text", "")
        said = ", ".join(f"{key} {value}" for key, value in one.value.items())
        cells = (str(one.id), one.status, one.kind, said, of, one.source, one.reason or "")
        table.add_row(*(Text(cell) for cell in cells))
    stdout.print(table if found else f"no feedback on {name}" + (f" is {status}" if status else " yet"))
    if counts:
        stdout.print(Text(", ".join(f"{count:,} {each}" for each, count in sorted(counts.items())), style="dim"))


@feedback.command()
def export(
    name: Name,
    output: Annotated[Path, typer.Option("-o", "--output", dir_okay=False, help="The file of rows to write.")],
    disagree: Annotated[
        Literal["review", "latest", "majority", "trust"], typer.Option(help="What is taken where people disagree.")
    ] = "review",
    automatic: Annotated[bool, typer.Option("--automatic", help="Take what nobody has looked at, too.")] = False,
    home: Home = HOME,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Write the rows that feedback amounts to, as `tunewheel train` reads them."""
    from tunewheel.display import headed
    from tunewheel.feedback.settling import Policy
    from tunewheel.loop import feedback as loop

    policy = Policy(disagree=disagree, automatic=automatic)
    settled = loop.export_feedback(name, output, policy=policy, home=home, database=database)
    if as_json:
        print_json({"rows": len(settled.rows), "waiting": dict(settled.waiting), "file": str(output)})
        return
    headed(stdout, "rows", f"{len(settled.rows):,} written to {output}")
    for reason, count in sorted(settled.waiting.items()):
        headed(stdout, "waiting", f"{count:,} {reason}")


Ids = Annotated[list[int], typer.Argument(help="Ids, as `feedback list` shows them.")]


@feedback.command()
def accept(name: Name, ids: Ids, home: Home = HOME, database: Database = None) -> None:
    """Let a model learn from feedback."""
    _decide(name, ids, "accepted", home, database)


@feedback.command()
def reject(name: Name, ids: Ids, home: Home = HOME, database: Database = None) -> None:
    """Keep feedback from being learned from."""
    _decide(name, ids, "rejected", home, database)


def _decide(name: str, ids: list[int], status: str, home: Path, database: str | None) -> None:
    from tunewheel.loop import feedback as loop

    told = cast(Literal["accepted", "rejected"], status)
    changed = loop.decide_feedback(name, ids, told, home=home, database=database)
    stdout.print(f"{changed:,} {status}" + (f"; {len(ids) - changed:,} stay as they are" if changed < len(ids) else ""))


def suggest(
    name: Name,
    count: Annotated[int, typer.Option("-n", min=1, help="How many answers.")] = 100,
    output: Annotated[Path | None, typer.Option("-o", "--output", dir_okay=False, help="The file to write.")] = None,
    form: Form = "jsonl",
    home: Home = HOME,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Name the answers that are most worth labelling: unsure ones, unlike each other."""
    from rich.table import Table
    from rich.text import Text

    from tunewheel.display import headed
    from tunewheel.loop import feedback as loop

    found = loop.suggest(name, count, output, form=form, home=home, database=database)
    if as_json:
        print_json(found)
    elif output is None:
        table = Table(box=None, header_style="cyan")
        for column in ("exchange", "confidence", "answer", "text"):
            table.add_column(column, overflow="fold")
        for row in found:
            sure = row["prediction"].get("confidence")
            answer = {key: value for key, value in row["prediction"].items() if key != "confidence"}
            shown = answer.get("label", answer.get("labels", answer.get("entities", answer)))
            cells = (row["exchange"], "" if sure is None else f"{sure:.2f}", str(shown), str(row.get("text", "")))
            table.add_row(*(Text(cell) for cell in cells))
        stdout.print(table if found else f"no answer of {name} is recorded that nobody has spoken of")
    if output is not None:
        headed(stderr, "written", f"{len(found):,} to {output}")
        headed(stderr, "next", f"label them, then: tunewheel feedback import {name} LABELLED --format {form}")
