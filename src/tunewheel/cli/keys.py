"""The commands on keys to the service: `tunewheel keys add`, `list` and `revoke`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tunewheel.cli.options import HOME, Database, Home, Json, print_json, stderr, stdout

keys = typer.Typer(help="Make, list and revoke the keys that the service asks for.", no_args_is_help=True)


@keys.command()
def add(
    owner: Annotated[str, typer.Argument(help="Who or what the key is for; it is shown in the list.")],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="predict, feedback or admin; several times for several.")
    ] = None,
    rate: Annotated[int | None, typer.Option(help="Requests a minute; as many as the service lets by default.")] = None,
    home: Home = HOME,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Make a key and show it, once: only its hash is kept."""
    from tunewheel.display import headed
    from tunewheel.serving.keys import add_key
    from tunewheel.store import Workspace

    key, shown = add_key(Workspace.open(home, database), owner, scope or ("predict",), rate=rate)
    if as_json:
        print_json({**key_dict(key), "key": shown})
        return
    headed(stdout, "key", shown)
    headed(stderr, "", "shown this once: keep it where passwords are kept")
    headed(stderr, "next", f"export TUNEWHEEL_KEY=…, or send Authorization: Bearer … · tunewheel keys revoke {key.id}")


@keys.command("list")
def list_(home: Home = HOME, database: Database = None, as_json: Json = False) -> None:
    """List the keys that were ever made here, without their secrets."""
    from rich.table import Table
    from rich.text import Text

    from tunewheel.serving.keys import list_keys
    from tunewheel.store import Workspace

    found = list_keys(Workspace.open(home, database))
    if as_json:
        print_json([key_dict(key) for key in found])
        return
    if not found:
        stdout.print(f"there is no key in {home} yet; next: tunewheel keys add NAME")
        return
    table = Table(box=None, header_style="cyan")
    for column in ("key", "owner", "scopes", "rate", "created", "revoked"):
        table.add_column(column)
    for key in found:
        rate = f"{key.rate:,} a minute" if key.rate else ""
        revoked = f"{key.revoked:%Y-%m-%d %H:%M}" if key.revoked else ""
        table.add_row(*(key.id, Text(key.owner), ", ".join(key.scopes), rate, f"{key.created:%Y-%m-%d %H:%M}", revoked))
    stdout.print(table)


@keys.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="As `tunewheel keys list` shows it.")],
    home: Home = HOME,
    database: Database = None,
) -> None:
    """Let a key open nothing any more; services that run refuse it within two seconds."""
    from tunewheel.serving.keys import revoke_key
    from tunewheel.store import Workspace

    revoked = revoke_key(Workspace.open(home, database), key)
    stdout.print(f"{revoked.id} opens nothing any more ({revoked.owner})", markup=False)


def key_dict(key: Any) -> dict[str, Any]:
    """A key as JSON values, without the hash of its secret."""
    return {
        "id": key.id,
        "owner": key.owner,
        "scopes": list(key.scopes),
        "rate": key.rate,
        "created": key.created.isoformat(),
        "revoked": key.revoked and key.revoked.isoformat(),
    }
