"""The command that erases rows: `tunewheel forget`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tunewheel.cli.options import HOME, Database, Home, Json, Lang, print_json, stderr, stdout

if TYPE_CHECKING:
    from tunewheel.loop.forget import Forgotten


def forget(
    rows: Annotated[
        list[str] | None, typer.Argument(metavar="ROW…", help="Ids of rows or exchanges, or whole texts.")
    ] = None,
    contains: Annotated[str | None, typer.Option(metavar="TEXT", help="Rows whose text has this part.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUE", help="Rows by the value of one column, beside those named otherwise."),
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Only in this model's data and exchanges.")] = None,
    why: Annotated[str, typer.Option(help="The reason, kept with the erasure.")] = "",
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Train the champions that learned from them anew.")
    ] = False,
    purge: Annotated[
        bool, typer.Option("--purge", help="Remove old datasets, cached files and reports' lines that hold the text.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is there.")] = False,
    home: Home = HOME,
    database: Database = None,
    lang: Lang = "en",
    as_json: Json = False,
) -> None:
    """Erase rows from the workspace's data, and say which versions learned from them."""
    from tunewheel import loop
    from tunewheel.display import Bar, headed

    if where and len(where) > 1:
        raise typer.BadParameter("name one column: several are not looked for together", param_hint="--where")
    column, sign, value = (where[0] if where else "").partition("=")
    if where and not (column and sign):
        raise typer.BadParameter(f"{where[0]}: expected COLUMN=VALUE", param_hint="--where")
    found = loop.forget(
        *(rows or ()),
        contains=contains,
        where=(column, value) if where else None,
        model=model,
        why=why or ("a dry run" if dry_run else ""),
        retrain=retrain,
        purge=purge,
        dry_run=dry_run,
        home=home,
        database=database,
        lang=lang,
        progress=Bar(stderr),
        say=lambda heading, line: headed(stderr, heading, line),
    )
    if as_json:
        print_json(found.as_dict())
    else:
        _show(found, purge)
    if found.untrained:
        raise typer.Exit(1)


def _show(found: Forgotten, purge: bool) -> None:
    from tunewheel.display import headed

    if not found.rows and not found.exchanges:
        headed(stdout, "rows", f"went with erasure {found.erasure} already: no data here holds them")
        headed(stdout, "", "a version that learned from them and was not trained again may still know them")
        return
    if found.rows:
        texts = len({(row["id"], row["split"]) for row in found.rows})
        datasets = len({row["dataset"] for row in found.rows})
        headed(stdout, "rows", f"{texts:,} in {datasets} datasets, with every row of the same text")
    for missing in found.missing:
        headed(stdout, "not found", f"{missing}: no row has this id or text")
    if found.exchanges:
        headed(stdout, "exchanges", f"{found.exchanges:,} exchanges and pieces of feedback show the text")
    for near in found.near:
        headed(stdout, "near", f"{near['id']} in {near['split']} stays: {near['text']}")
    for old, new in found.datasets.items():
        headed(stdout, "data", f"{old[:12]} → {new[:12]}" if new else f"{old[:12]}, which nothing goes on from")
    for version in found.versions:
        parts = ", ".join(f"{part} {count}" for part, count in version["parts"].items())
        standing = f" → {', '.join(version['aliases'])}" if version["aliases"] else ""
        headed(stdout, "version", f"{version['ref']}{standing}   {parts}")
    for file in found.files:
        headed(
            stdout,
            "file",
            f"{file} is yours: take the rows out of it or remove it (what is read from it here leaves them out)",
        )
    outcomes = [("not retrained", f"{ref}: it still knows the rows") for ref in found.untrained]
    for heading, line in [*outcomes, *(("retrained", ref) for ref in found.retrained)]:
        headed(stdout, heading, line)
    if found.purged:
        headed(stdout, "purged", f"{len(found.purged)} files and folders of the workspace")
    if found.erasure is not None:
        headed(stdout, "recorded", f"erasure {found.erasure}: ids as hashes, no text")
        if not purge:
            headed(stdout, "next", "the same command with --purge   to remove the text from the workspace's files")
