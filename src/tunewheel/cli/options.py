"""Options that several commands take, and where commands print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

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
Variant = Annotated[
    str, typer.Option(help="How the network computes: torch-fp32, torch-bf16, or exported: onnx-fp32, onnx-int8.")
]
Why = Annotated[str, typer.Option(help="The reason, kept in the history.")]

HOME = Path(".tunewheel")
stderr = Console(stderr=True, highlight=False)
stdout = Console(highlight=False)


def print_json(value: Any) -> None:
    """Print one JSON object, for programs."""
    typer.echo(json.dumps(value, ensure_ascii=False))
