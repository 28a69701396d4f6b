"""The command that decides about a challenger: `tunewheel gate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunewheel.cli.options import HOME, Database, Home, Json, Lang, print_json, stderr, stdout

if TYPE_CHECKING:
    from tunewheel.loop.gate import SelfTest
    from tunewheel.registry.gate import Decision, Margins

EXIT = {"promote": 0, "refuse": 1, "undecided": 3}


def gate(
    challenger: Annotated[str | None, typer.Argument(help="name:3 or name@challenger.")] = None,
    against: Annotated[str | None, typer.Option(help="A version of the same name; its champion by default.")] = None,
    data: Annotated[
        str | None, typer.Option(help="Labelled rows that came since; the challenger must not have learned from them.")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="The figure that counts; the task's first by default.")] = None,
    slices: Annotated[
        list[str] | None, typer.Option("--slice", metavar="COLUMN", help="Look at each value of it; may be repeated.")
    ] = None,
    margin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SHARE",
            help="What may be lost: test=0.005, new, earlier, slices, calibration, latency; alpha, power.",
        ),
    ] = None,
    parity: Annotated[
        bool | None,
        typer.Option(
            "--parity/--no-parity", help="Whether its export answers as it does; what the export was told by default."
        ),
    ] = None,
    promote: Annotated[
        bool, typer.Option("--promote", help="On that verdict make it the champion, in the same transaction.")
    ] = False,
    self_test: Annotated[
        str | None,
        typer.Option("--self-test", metavar="NAME", help="How often the gate errs on this champion's own test rows."),
    ] = None,
    runs: Annotated[int, typer.Option(help="Challengers of each kind in a self-test.")] = 500,
    rows: Annotated[int | None, typer.Option(help="Test rows in a self-test, were there so many.")] = None,
    again: Annotated[
        int | None, typer.Option(metavar="ID", help="Decide by the recorded evidence again, and say whether it agrees.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="The column of --data that holds the text.")] = None,
    label: Annotated[str | None, typer.Option(help="The column of --data that holds the label.")] = None,
    seed: Annotated[int, typer.Option(help="Of the resampling.")] = 13,
    home: Home = HOME,
    database: Database = None,
    lang: Lang = "en",
    as_json: Json = False,
) -> None:
    """Decide whether a challenger may replace the champion; ends with 0 (promote), 1 (refuse) or 3 (undecided)."""
    from tunewheel import loop
    from tunewheel.display import headed

    asked = [name for name in (challenger, self_test, again) if name is not None]
    if len(asked) != 1:
        raise typer.BadParameter("give a CHALLENGER, --self-test NAME or --again ID", param_hint="CHALLENGER")
    margins = margins_of(margin or [])
    place: dict[str, Any] = {"home": home, "database": database}
    common: dict[str, Any] = {"metric": metric, "margins": margins, "seed": seed, **place}
    say: dict[str, Any] = {"say": lambda heading, line: headed(stderr, heading, line)}
    if again is not None:
        _again(again, as_json, place)
    elif self_test is not None:
        _show_test(loop.self_test(self_test, runs=runs, rows=rows, **common, **say), as_json)
    elif challenger is not None:
        options: dict[str, Any] = {
            "against": against,
            "data": data,
            "slices": slices or None,
            "parity": parity,
            "promote": promote,
        }
        found = loop.gate(challenger, **options, text=text, label=label, lang=lang, **common, **say)
        headed(stderr, "page", str(found.page))
        _show(found.decision, as_json)
        raise typer.Exit(EXIT[found.decision.verdict])


def margins_of(given: list[str]) -> Margins:
    """Margins as a command line names them."""
    from tunewheel.registry.gate import Margins

    values: dict[str, float] = {}
    for each in given:
        name, sign, value = each.partition("=")
        if name not in Margins.__dataclass_fields__ or not sign:
            known = ", ".join(Margins.__dataclass_fields__)
            raise typer.BadParameter(f"{each}: expected NAME=SHARE, NAME one of {known}", param_hint="--margin")
        try:
            values[name] = float(value)
        except ValueError:
            raise typer.BadParameter(f"{each}: {value!r} is no number", param_hint="--margin") from None
    return Margins(**values)


def _show(decision: Decision, as_json: bool) -> None:
    from tunewheel.display import headed
    from tunewheel.registry.gate.terminal import decision_view

    if as_json:
        print_json(decision.as_dict())
        return
    stdout.print(decision_view(decision))
    if decision.verdict == "promote" and not decision.promoted:
        headed(stdout, "next", f"tunewheel promote {decision.challenger} --why 'gate decision {decision.id}'")
    elif decision.verdict == "undecided":
        headed(stdout, "next", f"tunewheel gate {decision.challenger} --data MORE   with newer labelled rows")
    elif decision.verdict == "refuse":
        headed(stdout, "next", f"tunewheel trace {decision.challenger} --errors 10   what it learned its errors from")


def _again(number: int, as_json: bool, place: dict[str, Any]) -> None:
    from tunewheel.display import headed
    from tunewheel.registry.gate.record import decide_again
    from tunewheel.store import Workspace

    recorded, made = decide_again(Workspace.open(place["home"], place["database"]), number)
    same = recorded == made
    if as_json:
        print_json({"same": same, "recorded": recorded.as_dict(), "again": made.as_dict()})
    else:
        _show(made, as_json=False)
        headed(stdout, "again", "the recorded decision to the last digit" if same else "NOT what was recorded")
    raise typer.Exit(0 if same else 1)


def _show_test(found: SelfTest, as_json: bool) -> None:
    from tunewheel.display import headed
    from tunewheel.registry.gate.messages import message
    from tunewheel.registry.gate.terminal import rates_view

    if as_json:
        print_json(found.as_dict())
        return
    rows = found.rates[0].rows
    stdout.print(message("self title", "en", champion=found.champion, rows=f"{rows:,}"), style="bold")
    if found.discordance is not None:
        how = f"as {found.measured} and the champion do" if found.measured else "taken so: there is no second version"
        headed(stdout, "apart", f"challengers and champion differ in {found.discordance:.1%} of the rows, {how}")
    else:
        headed(stdout, "apart", f"answers of {found.measured} and the champion change places on the toss of a coin")
    stdout.print(rates_view(found.rates))
    headed(stdout, "margins", f"{found.metric}: {', '.join(f'{k} {v:g}' for k, v in vars(found.margins).items())}")
