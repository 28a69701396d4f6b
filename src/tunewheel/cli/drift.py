"""The command that watches what a model is asked: `tunewheel drift`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tunewheel.cli.options import HOME, Database, Home, Json, Lang, print_json, stderr, stdout


def drift(
    name: Annotated[str, typer.Argument(help="The model: a name (its champion), name:3 or name@alias.")],
    window: Annotated[str, typer.Option(help="What is judged at once: '500 rows', 12h, 7d, 2w.")] = "500 rows",
    since: Annotated[datetime | None, typer.Option(help="Leave out what was asked before this moment (UTC).")] = None,
    first: Annotated[
        int | None,
        typer.Option(min=100, help="Compare with its first so many exchanges, not with the data it was tested on."),
    ] = None,
    feedback: Annotated[
        bool, typer.Option("--feedback", help="Judge what people said of answers too: right ones must be confirmed.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", dir_okay=False, help="The page; drift-NAME.html by default.")
    ] = None,
    home: Home = HOME,
    database: Database = None,
    lang: Lang = "en",
    as_json: Json = False,
) -> None:
    """Say whether what a model is asked and answers is still what it was measured on; exit with 1 where it is not."""
    from tunewheel import loop
    from tunewheel.display import headed
    from tunewheel.feedback.drift.terminal import drift_view

    found = loop.drift(
        name,
        window=window,
        since=since and since.replace(tzinfo=UTC),
        first=first,
        feedback=feedback,
        home=home,
        database=database,
        say=lambda heading, line: headed(stderr, heading, line),
    )
    page = found.write_html(output or Path(f"drift-{found.name}.html"), lang)
    if as_json:
        print_json(found.as_dict())
    else:
        stdout.print(drift_view(found))
        headed(stdout, "report", str(page))
        if found.verdict == "drift":
            headed(stdout, "next", f"read the rows on the page; then label some of them and train {found.name} again")
    if found.verdict == "drift":
        raise typer.Exit(1)
