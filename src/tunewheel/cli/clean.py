"""The command that repairs data: `tunewheel clean`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tunewheel.cli.options import HOME, Database, Home, Json, OnError, print_json, stderr, stdout

if TYPE_CHECKING:
    from tunewheel.data.clean import Cleaned


def clean(
    data: Annotated[str, typer.Argument(help="A file, a folder of splits, a hub id or DATABASE-URL::QUERY.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A new folder that train takes, or a .jsonl file of rows.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    relabel: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take the suggestions of a reviewed suspects.jsonl.")
    ] = None,
    typos: Annotated[bool, typer.Option("--typos", help="Labels that are slips become the label meant.")] = False,
    normalise: Annotated[
        bool, typer.Option("--normalise", help="NFKC, one kind of white space, no control characters.")
    ] = False,
    simplified: Annotated[
        bool, typer.Option("--simplified", help="Normalise, and write traditional Chinese in simplified characters.")
    ] = False,
    drop_empty: Annotated[bool, typer.Option("--drop-empty", help="Take out rows without a letter or digit.")] = False,
    redact: Annotated[bool, typer.Option("--redact", help="Personal data gives way to the name of its kind.")] = False,
    pseudonyms: Annotated[
        Path | None, typer.Option(metavar="KEYFILE", help="Personal data gives way to pseudonyms made by this secret.")
    ] = None,
    conflicts: Annotated[
        Literal["drop", "majority"] | None,
        typer.Option(help="Of one text with several answers in a split, take out all, or all but the most frequent."),
    ] = None,
    drop_leaks: Annotated[
        bool, typer.Option("--drop-leaks", help="Take out of train what also stands in dev or test, nearly too.")
    ] = False,
    dedupe: Annotated[
        bool, typer.Option("--dedupe", help="Keep the first of a split's rows that say the same of (nearly) one text.")
    ] = False,
    near: Annotated[float, typer.Option(help="The similarity from which texts are nearly the same; 1: exact.")] = 0.8,
    task: Annotated[str | None, typer.Option(help="A task's name, else inferred; text: there are no labels.")] = None,
    text: Annotated[str | None, typer.Option(help="The column that holds the text.")] = None,
    label: Annotated[str | None, typer.Option(help="The column that holds the label.")] = None,
    group: Annotated[str | None, typer.Option(help="The column whose values no two splits share.")] = None,
    time: Annotated[str | None, typer.Option(help="The column of dates: the newest rows become test.")] = None,
    on_error: OnError = "raise",
    home: Home = HOME,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Repair text, labelled or not, into a new revision; what goes or changes is written down with the reason."""
    from tunewheel import loop
    from tunewheel.display import headed

    if output is None and not dry_run:
        raise typer.BadParameter("say where to with -o OUT, or look first with --dry-run", param_hint="--output")
    repairs: dict[str, Any] = {
        **{"relabel": relabel, "typos": typos, "normalise": normalise, "simplified": simplified},
        **{"drop_empty": drop_empty, "redact": redact, "pseudonyms": pseudonyms, "conflicts": conflicts},
        **{"drop_leaks": drop_leaks, "dedupe": dedupe, "near": near},
    }
    options: dict[str, Any] = {
        **{"task": task, "text": text, "label": label, "group": group, "time": time, "on_error": on_error},
        **{"home": home, "database": database, "say": lambda heading, line: headed(stderr, heading, line)},
    }
    found = loop.clean(data, None if dry_run else output, **repairs, **options)
    if as_json:
        print_json({**_told(found), "output": None if dry_run else str(output)})
    else:
        _show(found, output, dry_run)


def _told(found: Cleaned) -> dict[str, Any]:
    return {
        **{"counts": found.counts, "renamed": found.renamed, "held": found.held, "rows": found.dataset.rows},
        **{"fingerprint": found.dataset.fingerprint, "parent": found.parent.fingerprint},
        "record": None if found.record is None else str(found.record),
    }


def _show(found: Cleaned, output: Path | None, dry_run: bool) -> None:
    from tunewheel.data.infer import PLAIN
    from tunewheel.display import headed

    for reason, count in found.counts.items():
        headed(stdout, reason.split()[-1] if len(reason) > 11 else reason, f"{count:,} rows  ({reason})")
    if not found.counts:
        headed(stdout, "clean", "nothing to repair")
    for old, new in found.renamed.items():
        headed(stdout, "typo", f"{old} → {new}")
    before, after = (" · ".join(f"{s} {n:,}" for s, n in d.rows.items()) for d in (found.parent, found.dataset))
    headed(stdout, "rows", f"{before}  →  {after}")
    if found.held:
        held = ", ".join(f"{count:,} of {split}" for split, count in found.held.items())
        headed(stdout, "held out", f"{held} changed or taken out: scores on them before and after do not compare")
    if dry_run:
        headed(stdout, "next", "nothing was written: the same with -o OUT in place of --dry-run")
        return
    headed(stdout, "written", f"{output}   what went and why: {found.record}")
    if output is not None and output.suffix != ".jsonl":
        headed(stdout, "next", f"tunewheel {'check' if found.dataset.task == PLAIN else 'train'} {output}")
