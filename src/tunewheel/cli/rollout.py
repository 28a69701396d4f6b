"""The command that lets a candidate in front step by step: `tunewheel rollout`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunewheel.cli.options import HOME, Database, Home, Json, print_json, stderr, stdout

if TYPE_CHECKING:
    from tunewheel.feedback.rollout.plan import Check, Decided, Plan
    from tunewheel.feedback.rollout.record import Rollout
    from tunewheel.loop import Rolled

_TIMES = {"shadow": "shadow", "for": "share_for", "watch": "watch"}
_COLOUR = {"passed": "green", "worse": "red", "open": "yellow", "absent": "dim"}


def rollout(
    name: Annotated[str | None, typer.Argument(help="The model.")] = None,
    to: Annotated[str | None, typer.Option(metavar="VERSION", help="Who shall become champion, such as 4.")] = None,
    shadow: Annotated[str, typer.Option(metavar="TIME", help="How long it answers copies only; 0 for not.")] = "24h",
    share: Annotated[float, typer.Option(help="Of the requests that it answers after that.")] = 0.1,
    share_for: Annotated[str, typer.Option("--for", metavar="TIME", help="How long it does; 0 for not.")] = "24h",
    watch: Annotated[
        str, typer.Option(metavar="TIME", help="How long after its promotion it is rolled back by itself.")
    ] = "24h",
    margin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="What may be lost: errors=0.01, latency=1.5, tail, feedback, agreement; least, alpha.",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Look once and end, for a scheduler of your own.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Show how far it has come; change nothing.")] = False,
    abort: Annotated[bool, typer.Option("--abort", help="Take it back now, whatever its stage.")] = False,
    again: Annotated[
        int | None, typer.Option(metavar="ID", help="Decide by a recorded look again, and say whether it agrees.")
    ] = None,
    home: Home = HOME,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Let a version in front step by step: shadow, a share, champion; and back by itself where something turns.

    Looks every half minute until the rollout has ended, with 0 (champion and watched) or 1 (rolled back); --once looks
    once, and ends with 3 where it is under way. Killed, the same command goes on.
    """
    from tunewheel import loop
    from tunewheel.display import headed

    place: dict[str, Any] = {"home": home, "database": database}
    if again is not None:
        _again(again, as_json, place)
    if name is None:
        raise typer.BadParameter("give the NAME of a model, or --again ID", param_hint="NAME")
    if status:
        _status(name, as_json, place)
        return
    if abort:
        version, ended = loop.rollback(name, why="aborted by hand", **place) if _active(name, place) else (None, None)
        if ended is None:
            raise typer.BadParameter(f"no rollout of {name} is under way", param_hint="--abort")
        print_json(ended.as_dict()) if as_json else stdout.print(f"{version} is champion; rollout {ended.id} has ended")
        return
    times = {"shadow": shadow, "for": share_for, "watch": watch}
    plan = plan_of([f"share={share}", *(f"{key}={value}" for key, value in times.items()), *(margin or [])])
    options: dict[str, Any] = {"plan": plan, **place, "say": lambda heading, line: headed(stderr, heading, line)}
    if once:
        rolled = loop.rollout(name, to, **options)
        _show(rolled, as_json)
    else:
        for rolled in loop.keep_rolling(name, to, **options):
            _show(rolled, as_json)
    raise typer.Exit({"rolled back": 1, "ended": 1, "done": 0}.get(rolled.rollout.stage, 3))


def plan_of(given: Sequence[str]) -> Plan:
    """A plan as command lines name it: ``shadow=24h``, ``share=0.1``, ``for=24h``, ``watch=0``, ``errors=0.01`` …"""
    from tunewheel.feedback.rollout.plan import Plan

    known = [*_TIMES, *(name for name in Plan.__dataclass_fields__ if name not in _TIMES.values())]
    values: dict[str, Any] = {}
    for each in given:
        key, sign, value = each.partition("=")
        if key not in known or not sign:
            raise typer.BadParameter(f"{each}: expected NAME=VALUE, NAME one of {', '.join(known)}")
        try:
            number = _seconds(value) if key in _TIMES else float(value)
        except ValueError:
            wanted = "a time such as 30m, 24h or 0" if key in _TIMES else "a number"
            raise typer.BadParameter(f"{each}: {value!r} is not {wanted}") from None
        values[_TIMES.get(key, key)] = int(number) if key == "least" else number
    return Plan(**values)


def _seconds(told: str) -> float:
    from tunewheel.feedback.drift import Cut, DriftError

    if told.strip() == "0":
        return 0.0
    try:
        seconds = Cut.parse(told).seconds
    except DriftError as error:
        raise ValueError(told) from error
    if not seconds:
        raise ValueError(told)
    return seconds


def _active(name: str, place: dict[str, Any]) -> bool:
    from tunewheel import loop
    from tunewheel.feedback.rollout.record import STAGES

    return loop.rollout_status(name, **place)[0].stage in STAGES


def _show(rolled: Rolled, as_json: bool) -> None:
    from tunewheel.display import headed

    if as_json:
        print_json(rolled.as_dict())
        return
    _head(rolled.rollout, rolled.decided)
    _table(rolled.decided.checks)
    name, stage = rolled.rollout.name, rolled.rollout.stage
    if stage in ("shadow", "share"):
        headed(stdout, "next", f"tunewheel rollout {name}   goes on; --abort takes it back")
    elif stage == "watch":
        headed(stdout, "next", f"tunewheel rollout {name}   watches on; tunewheel rollback {name} takes it back now")
    elif stage == "rolled back":
        headed(stdout, "next", f"tunewheel rollout {name} --status   shows every look and its figures")


def _head(found: Rollout, decided: Decided | None) -> None:
    from tunewheel.display import headed

    names = f"{found.name}:{found.candidate} beside {found.name}:{found.champion}"
    headed(stdout, "rollout", f"{found.id}: {names}, {found.stage} since {found.since:%Y-%m-%d %H:%M} UTC")
    headed(stdout, "why", decided.reason if decided else found.reason)


def _table(checks: Sequence[Check]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 1, 0, 1), header_style="dim")
    for column in ("check", "result", "champion → candidate", "bounds", "margin"):
        table.add_column(column, overflow="fold")
    for check in checks:
        timed = check.kind in ("p50", "p99")
        both = [_figure(value, timed) for value in (check.before, check.after)]
        unit = "×" if timed else ""
        bounds = "" if check.low is None else f"[{_bound(check.low, timed)}, {_bound(check.high, timed)}]"
        margin = "" if check.margin is None else f"{check.margin:g}{unit}"
        table.add_row(
            check.kind, Text(check.state, _COLOUR[check.state]), " → ".join(filter(None, both)), bounds, margin
        )
    stdout.print(table)


def _figure(value: float | None, timed: bool) -> str:
    if value is None:
        return ""
    return f"{1000 * value:.1f} ms" if timed else f"{value:.2%}"


def _bound(value: float | None, timed: bool) -> str:
    if value is None:
        return "?"
    return f"{value:.2f}×" if timed else f"{value:+.2%}"


def _status(name: str, as_json: bool, place: dict[str, Any]) -> None:
    from tunewheel import loop
    from tunewheel.display import headed

    found, looks = loop.rollout_status(name, **place)
    if as_json:
        print_json({"rollout": found.as_dict(), "looks": [look.as_dict() for look in looks]})
        return
    _head(found, None)
    for look in looks:
        counts = look.figures.candidate.counts
        seen = f"{counts.asked:,} requests, {counts.errors:,} failed"
        line = f"{look.at:%m-%d %H:%M} {look.figures.stage}: {look.decided.verdict} ({seen}): {look.decided.reason}"
        headed(stdout, f"look {look.id}", line)
    if looks:
        _table(looks[-1].decided.checks)


def _again(number: int, as_json: bool, place: dict[str, Any]) -> None:
    from tunewheel import loop
    from tunewheel.display import headed

    look, made = loop.decide_again(number, **place)
    same = look.decided == made
    if as_json:
        print_json({"same": same, "recorded": look.decided.as_dict(), "again": made.as_dict()})
    else:
        headed(stdout, made.verdict, made.reason)
        _table(made.checks)
        headed(stdout, "again", "the recorded decision to the last digit" if same else "NOT what was recorded")
    raise typer.Exit(0 if same else 1)
