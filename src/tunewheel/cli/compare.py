"""The command that measures methods side by side: `tunewheel compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tunewheel.cli.options import HOME, Database, Home, Json, Lang, print_json, stderr, stdout


def compare(
    data: Annotated[str, typer.Argument(help="A file, a folder of splits, a hub id or DATABASE-URL::QUERY.")],
    methods: Annotated[
        str | None, typer.Option(metavar="NAME,…", help="The methods to try, in this order; by default the ladder.")
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.01, help="What the comparison may take.")] = 10.0,
    unlabelled: Annotated[
        str | None, typer.Option(metavar="FILE", help="Texts without labels, for methods that use them.")
    ] = None,
    register: Annotated[str | None, typer.Option(metavar="NAME", help="Register the advised model as NAME.")] = None,
    task: Annotated[str | None, typer.Option(help="A task's name; classification or ner is inferred.")] = None,
    text: Annotated[str | None, typer.Option(help="The column that holds the text.")] = None,
    label: Annotated[str | None, typer.Option(help="The column that holds the label.")] = None,
    group: Annotated[str | None, typer.Option(help="The column whose values no two splits share.")] = None,
    time: Annotated[str | None, typer.Option(help="The column of dates: the newest rows become test.")] = None,
    parent: Annotated[
        str | None, typer.Option(help="A model or fingerprint whose data's splits are inherited, or none.")
    ] = None,
    on_error: Annotated[
        Literal["raise", "skip"] | None,
        typer.Option("--on-error", help="skip: leave bad rows out, and write down which and why."),
    ] = None,
    base: Annotated[str | None, typer.Option(help="The base of all methods, as for train.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of splits, parts, heads, batches and dropout.")] = None,
    settings: Annotated[Path | None, typer.Option(help="A YAML file of settings, as for train.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other setting; may be repeated.")
    ] = None,
    home: Home = HOME,
    database: Database = None,
    lang: Lang = "en",
    as_json: Json = False,
) -> None:
    """Measure the roads from a base to the task side by side, and say which one is best for this data."""
    from tunewheel import loop
    from tunewheel.display import Bar, headed
    from tunewheel.settings import train_settings
    from tunewheel.tuning.climbing.messages import message
    from tunewheel.tuning.climbing.terminal import climb_view

    given: dict[str, Any] = {
        **{"data": data, "task": task, "text": text, "label": label, "base": base, "seed": seed},
        **{"group": group, "time": time, "parent": parent, "on_error": on_error},
        "unlabelled": unlabelled,
    }
    resolved = train_settings(given, file=settings, changes=changes or ())
    found = loop.climb(
        **resolved.arguments(),
        methods=methods.split(",") if methods is not None else None,
        minutes=minutes,
        register=register,
        home=home,
        database=database,
        lang=lang,
        progress=Bar(stderr),
        say=lambda heading, line: headed(stderr, heading, line),
    )
    if as_json:
        print_json(found.as_dict())
        return
    stdout.print(climb_view(found.climb, found.report))
    if found.earlier:
        headed(stdout, "", message("earlier", "en", methods=", ".join(found.earlier)))
    headed(stdout, "report", str(found.page))
    if found.version:
        standing = f" → {', '.join(found.version.aliases)}" if found.version.aliases else ""
        headed(stdout, "registered", f"{found.version}{standing}")
    elif register:
        headed(stdout, "registered", "nothing: nothing can be told")
    if found.command and not found.version:
        headed(stdout, "next", found.command)
