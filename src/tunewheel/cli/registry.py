"""Commands on what is registered: `tunewheel models`, `trace`, `promote` and `rollback`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tunewheel.cli.options import HOME, Database, Home, Json, Why, print_json, stdout


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
        print_json([version_dict(version) for version in found])
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


def trace(
    what: Annotated[
        str | None, typer.Argument(help="name:3, name@champion, a file, a dataset's fingerprint, an exchange or a row.")
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
        print_json(found)
    else:
        stdout.print(trace_view(found))


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


def rollback(
    name: Annotated[str, typer.Argument(help="The model's name.")],
    alias: Annotated[str, typer.Option(help="The alias to move back.")] = "champion",
    why: Why = "rolled back by hand",
    home: Home = HOME,
    database: Database = None,
) -> None:
    """Undo the latest promotion of an alias; again, the one before it. A rollout under way is what is undone first."""
    from tunewheel import loop

    version, ended = loop.rollback(name, alias=alias, why=why, home=home, database=database)
    told = "" if ended is None else f"; the rollout of {name}:{ended.candidate} has ended"
    stdout.print(f"{version} is {alias} again{told}")


def version_dict(version: Any) -> dict[str, Any]:
    """A version as JSON values."""
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
