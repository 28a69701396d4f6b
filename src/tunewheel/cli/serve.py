"""The command that answers over HTTP: `tunewheel serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tunewheel.cli.options import HOME, Database, Home, Json, print_json, stderr


def serve(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL…", help="name, name@alias, name:3 or a folder; several too.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on; 127.0.0.1 by default.")] = None,
    port: Annotated[int | None, typer.Option(help="8000 by default; 0 takes any that is free.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that answer; one a core by default.")] = None,
    variant: Annotated[
        str | None, typer.Option(help="torch-fp32, torch-bf16, onnx-fp32, onnx-int8; by measurement by default.")
    ] = None,
    record: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Share of the exchanges that is recorded; all by default.")
    ] = None,
    no_record: Annotated[bool, typer.Option("--no-record", help="Record no exchange.")] = False,
    no_keys: Annotated[bool, typer.Option("--no-keys", help="Ask nobody for a key, whoever can reach HOST.")] = False,
    rate: Annotated[
        int | None, typer.Option(help="Requests a minute of a key without a rate; no limit by default.")
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(dir_okay=False, help="A YAML file of settings; flags stand over it.")
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any setting: see docs/settings.md.")
    ] = None,
    home: Home = HOME,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Answer over HTTP: batches, versions that swap under load, keys, metrics, records, and a page to try it on."""
    from tunewheel import loop
    from tunewheel.display import headed
    from tunewheel.settings import serve_settings
    from tunewheel.store import Workspace

    if no_record and record is not None:
        raise typer.BadParameter("--record and --no-record are opposites: give one", param_hint="--no-record")
    flags: dict[str, Any] = {"models": models or None, "host": host, "port": port, "workers": workers}
    flags |= {
        "variant": variant,
        "rate": rate,
        "record": 0.0 if no_record else record,
        "keys": False if no_keys else None,
    }
    chosen = serve_settings(flags, file=settings, changes=changes or ())

    def say(heading: str, line: str) -> None:
        headed(stderr, heading, line)

    def started(url: str) -> None:
        if as_json:
            print_json({"url": url, "models": list(chosen.models)})
            return
        say("serving", f"{', '.join(chosen.models)} at {url}")
        say("next", f"open {url} · review answers at {url}/review · curl -s {url}/v1/models · Ctrl-C ends it")

    say("loading", ", ".join(chosen.models))
    loop.serve(**chosen.arguments(), workspace=Workspace.open(home, database), say=say, started=started)
