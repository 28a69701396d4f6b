"""The command that gathers raw text: `tunewheel collect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tunewheel.cli.options import HOME, Database, Home, Json, print_json, stderr, stdout

if TYPE_CHECKING:
    from tunewheel.data.collect import Collection

_SHOWN = 20


def collect(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Folders, files, logs, addresses of pages and feeds, DATABASE-URL::QUERY.", metavar="SOURCE"
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The JSON Lines file, or a folder for it; it grows.")],
    licence: Annotated[
        str | None, typer.Option(help="The sources' licence; what a page or feed says of itself by default.")
    ] = None,
    split_paragraphs: Annotated[bool, typer.Option("--split-paragraphs", help="Each paragraph is a row.")] = False,
    max_chars: Annotated[
        int | None, typer.Option(min=1, help="Longest row in characters; cut at paragraphs and sentences.")
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="The query's column, or the JSON log's field (log.message), with the text.")
    ] = None,
    entry: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="What a log's entries begin with; a time, or each line.")
    ] = None,
    redact: Annotated[bool, typer.Option("--redact", help="Mask personal data before anything is kept.")] = False,
    delay: Annotated[float, typer.Option(min=0, help="Seconds between two requests of one host.")] = 1.0,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Fetch from this machine and its own network too.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, metavar="MIB", help="Largest document, also unpacked.")] = 64,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to fetch a page, and as many to read a file.")] = 60.0,
    home: Home = HOME,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Collect raw text into one file that grows: only what is new, what fails is told, and killed it goes on."""
    from tunewheel import loop
    from tunewheel.data.collect import Limits
    from tunewheel.display import headed

    with stderr.status("") as status:
        found = loop.collect(
            sources,
            output,
            licence=licence,
            split_paragraphs=split_paragraphs,
            max_chars=max_chars,
            text=text,
            entry=entry,
            redact=redact,
            delay=delay,
            allow_private=allow_private,
            limits=Limits(bytes=limit << 20, seconds=timeout),
            home=home,
            database=database,
            progress=lambda source, rows: status.update(_line(source, rows)),
            say=lambda heading, line: headed(stderr, heading, line),
        )
    _show_failures(found)
    if as_json:
        print_json(found.as_dict())
    else:
        headed(stdout, "collected", f"{found.added:,} new rows in {found.path}")
        if found.added:
            headed(stdout, "next", f"tunewheel check {found.path}")
    if found.failed:
        raise typer.Exit(1)


def _line(source: str, rows: int) -> str:
    from rich.markup import escape

    return escape(f"{rows:,} new rows  {source}")


def _show_failures(found: Collection) -> None:
    from tunewheel.display import headed

    for problem in found.failures[:_SHOWN]:
        headed(stderr, "failed", str(problem))
    if found.failed > _SHOWN:
        headed(stderr, "", f"… and {found.failed - _SHOWN:,} more (--json tells the first thousand)")
