"""`tunewheel tune`: the settings that train the best model of some data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tunewheel.cli.options import HOME, Database, Home, Json, Lang, print_json, stderr, stdout

if TYPE_CHECKING:
    from tunewheel.tuning.search.result import Tuned

Names = list[str] | None


def tune(
    data: Annotated[
        str | None, typer.Argument(help="A file, a folder of splits, a hub id or DATABASE-URL::QUERY.")
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Settings to try in all; 20 where no minutes are given either.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Minutes of training in all, over all workers.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes of this machine that try settings.")] = 1,
    search: Annotated[
        Names,
        typer.Option(metavar="KEY=LOW..HIGH|a,b,c", help="Search a setting there instead; one value: it stays."),
    ] = None,
    space: Annotated[Path | None, typer.Option(metavar="FILE", help="A YAML file of what --search takes.")] = None,
    method: Annotated[Names, typer.Option(help="A road from the base to the task; several are searched over.")] = None,
    base: Annotated[
        Names, typer.Option(help="minilm, bilstm, a folder or a hub id; several are searched over.")
    ] = None,
    unlabelled: Annotated[
        str | None, typer.Option(metavar="FILE", help="Texts without labels, for the methods that learn from such too.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Fresh seeds for the best three and the defaults.")] = 2,
    prune: Annotated[bool, typer.Option(help="End trials that are behind the median of the others.")] = True,
    sampler: Annotated[Literal["tpe", "random"], typer.Option(help="How settings are drawn.")] = "tpe",
    name: Annotated[str | None, typer.Option(help="The model's name; the file's by default.")] = None,
    task: Annotated[str | None, typer.Option(help="A task's name; classification or ner is inferred.")] = None,
    text: Annotated[str | None, typer.Option(help="The column that holds the text.")] = None,
    label: Annotated[str | None, typer.Option(help="The column that holds the label.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of splits, of the search and of its trials.")] = None,
    settings: Annotated[Path | None, typer.Option(help="A YAML file of settings that stay.")] = None,
    changes: Annotated[
        Names, typer.Option("--set", metavar="KEY=VALUE", help="Any other setting that stays; may be repeated.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", dir_okay=False, help="The settings to take, for train --settings.")
    ] = None,
    home: Home = HOME,
    database: Database = None,
    lang: Lang = "en",
    as_json: Json = False,
) -> None:
    """Search the settings of train, scored on dev alone; say whether the best beat the defaults measurably."""
    from tunewheel import loop
    from tunewheel.display import Bar, headed
    from tunewheel.settings import search_space, train_settings

    given: dict[str, Any] = {"data": data, "name": name, "task": task, "text": text, "label": label, "seed": seed}
    given |= {"unlabelled": unlabelled}
    resolved = train_settings(given, file=settings, changes=changes or ())
    arguments = resolved.arguments()
    arguments |= {"method": method or resolved.method, "base": base or resolved.base}
    tuned = loop.tune(
        **arguments,
        search=search_space(space, search or ()),
        trials=trials,
        minutes=minutes,
        jobs=jobs,
        repeats=repeats,
        prune=prune,
        sampler=sampler,
        output=output,
        home=home,
        database=database,
        lang=lang,
        progress=Bar(stderr),
        say=lambda heading, line: headed(stderr, heading, line),
    )
    if as_json:
        print_json(tuned.as_dict())
    else:
        _show(tuned)


def _show(tuned: Tuned) -> None:
    from tunewheel.display import headed
    from tunewheel.pages import several
    from tunewheel.tuning.search.drawing import shown
    from tunewheel.tuning.search.messages import verdict_line

    counts = {state: sum(trial.state == state for trial in tuned.trials) for state in ("pruned", "failed")}
    aside = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    headed(stdout, "searched", several(len(tuned.trials), "trial") + (f" ({aside})" if aside else ""))
    headed(stdout, "best", shown(tuned.best.trial.values))
    headed(stdout, "verdict", verdict_line(tuned, "en"))
    if tuned.importances:
        most = list(tuned.importances.items())[:5]
        headed(stdout, "matters", ", ".join(f"{key} {share:.0%}" for key, share in most))
    headed(stdout, "settings", f"{tuned.file}   report {tuned.page}")
    headed(stdout, "next", f"tunewheel train --settings {tuned.file}")
