"""Commands that carry a version from one workspace to another: `tunewheel pack` and `unpack`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tunewheel.cli.options import HOME, Database, Home, Json, print_json, stdout
from tunewheel.cli.registry import version_dict


def pack(
    version: Annotated[str, typer.Argument(help="name:3, name@champion, or a name.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The file; NAME-NUMBER.zip by default.")] = None,
    home: Home = HOME,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Write a version and its export to one file, every byte checked."""
    from tunewheel import loop
    from tunewheel.display import headed

    packed = loop.pack(version, output=output, home=home, database=database)
    size = packed.path.stat().st_size
    if as_json:
        print_json({"path": str(packed.path), "sha256": packed.sha256, "bytes": size, "files": list(packed.files)})
        return
    headed(stdout, "file", f"{packed.path}, {size / 1e6:,.1f} MB, {len(packed.files)} files; reports stay here")
    headed(stdout, "sha256", packed.sha256)
    headed(stdout, "next", f"there: tunewheel unpack {packed.path.name} --sha256 {packed.sha256}")


def unpack(
    file: Annotated[Path, typer.Argument(help="What `tunewheel pack` wrote.")],
    name: Annotated[str | None, typer.Option(help="What to call it here; as it was called by default.")] = None,
    alias: Annotated[str | None, typer.Option(help="An alias to point at it, such as champion.")] = None,
    sha256: Annotated[str | None, typer.Option(help="Take this file only, by its sha256 as `pack` printed it.")] = None,
    home: Home = HOME,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Register the version in an archive; nothing of it is taken before all of it was checked."""
    from tunewheel import loop
    from tunewheel.display import headed

    version = loop.unpack(file, name=name, alias=alias, sha256=sha256, home=home, database=database)
    if as_json:
        print_json(version_dict(version))
        return
    headed(stdout, "version", f"{version}" + (f" ({', '.join(version.aliases)})" if version.aliases else ""))
    headed(stdout, "next", f"tunewheel predict {version} new.jsonl · tunewheel serve {version}")
