"""The command that writes a model for another engine: `tunewheel export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tunewheel.cli.options import HOME, Database, Home, Json, print_json, stderr, stdout

if TYPE_CHECKING:
    from tunewheel.models.exporting.export import Exported


def export(
    model: Annotated[str, typer.Argument(help="A folder, name, name:3 or name@champion.")],
    data: Annotated[
        str | None, typer.Option(help="Labelled rows to judge it by; the dev rows it was fitted on by default.")
    ] = None,
    variants: Annotated[
        list[str] | None, typer.Option("--variants", help="onnx-fp32, onnx-int8; may be repeated; both by default.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for the files; beside a model folder by default.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Keep a variant that is refused, and record that.")] = False,
    home: Home = HOME,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Write a model as ONNX, fp32 and int8, each checked against the original, and time every variant here."""
    from tunewheel import loop
    from tunewheel.display import headed

    found = loop.export(
        model,
        data=data,
        output=output,
        variants=variants,
        force=force,
        home=home,
        database=database,
        say=lambda heading, line: headed(stderr, heading, line),
    )
    if as_json:
        print_json({"folder": str(found.folder), **found.summary})
    else:
        _print(found, model)
    if any(check["refused"] and variant not in found.forced for variant, check in found.checks.items()):
        raise typer.Exit(1)


def _print(found: Exported, model: str) -> None:
    from tunewheel.display import headed

    for variant, check in found.checks.items():
        headed(stdout, variant, f"outputs within {check['difference']:.2g} of torch's")
        for name, each in check.get("differences", {}).items():
            change = f"{each['value']:+.4f} [{each['low']:+.4f}, {each['high']:+.4f}]"
            headed(stdout, "", f"{name} {each['before']:.4f} → {each['after']:.4f}, {change}")
        if check["refused"]:
            kept = "kept all the same" if variant in found.forced else "refused; --force keeps it"
            headed(stdout, "", f"{check['refused']}: {kept}")
    for variant, why in found.skipped.items():
        headed(stdout, variant, f"not made: {why}")
    base = found.seconds["torch-fp32"]
    times = (f"{variant} {base / seconds:.2f}×" for variant, seconds in found.seconds.items())
    headed(stdout, "speed", f"{', '.join(times)} of torch-fp32's ({found.machine})")
    headed(stdout, "fastest", found.fastest)
    headed(stdout, "files", str(found.folder))
    headed(stdout, "next", f"tunewheel evaluate DATA --model {model} --variant {found.fastest}")
