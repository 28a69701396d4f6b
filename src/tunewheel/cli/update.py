"""The command that turns the wheel: `tunewheel update`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tunewheel.cli.options import HOME, Database, Home, Json, Lang, print_json, stderr, stdout

if TYPE_CHECKING:
    from tunewheel.loop.turn import Updated

EXIT = {"promoted": 0, "idle": 0, "rolling": 0, "refused": 1, "rolled back": 1, "undecided": 3}


def update(
    name: Annotated[str, typer.Argument(help="The model whose champion learns on.")],
    every: Annotated[str | None, typer.Option(metavar="TIME", help="Turn so often, such as 12h or 7d.")] = None,
    min_feedback: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Turn when there are so many new rows.")
    ] = None,
    on_drift: Annotated[
        bool, typer.Option("--on-drift", help="Turn when what it is asked or answers has moved (`tunewheel drift`).")
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="Look for a reason once and end, for a scheduler of your own.")
    ] = False,
    disagree: Annotated[
        Literal["review", "latest", "majority", "trust"], typer.Option(help="What is taken where people disagree.")
    ] = "review",
    automatic: Annotated[bool, typer.Option("--automatic", help="Learn from what nobody has looked at, too.")] = False,
    trust: Annotated[
        list[str] | None, typer.Option(metavar="SOURCE=WEIGHT", help="How much a source counts; 1 by default.")
    ] = None,
    margin: Annotated[
        list[str] | None, typer.Option(metavar="NAME=SHARE", help="What may be lost; as for `tunewheel gate`.")
    ] = None,
    replay: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="SHARE",
            help="Learn on from the champion itself: the new rows and this share of the old, chosen for coverage. "
            "Without it all rows are learned anew.",
        ),
    ] = None,
    rollout: Annotated[
        str | None,
        typer.Option(
            metavar="PLAN", help="on, or such as shadow=12h,share=0.2,for=2d: roll out what the gate lets pass."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the gate's resampling.")] = 13,
    home: Home = HOME,
    database: Database = None,
    lang: Lang = "en",
    as_json: Json = False,
) -> None:
    """Learn on from feedback; the new version comes in front only if it is provably not worse.

    Alone, one turn: ends with 0 (promoted, or nothing to learn), 1 (refused) or 3 (undecided). With --every,
    --min-feedback or --on-drift it goes on turning whenever there is a reason, until it is stopped. Killed, the same
    command goes on.
    """
    from tunewheel import loop
    from tunewheel.cli.gate import margins_of
    from tunewheel.cli.rollout import plan_of
    from tunewheel.display import Bar, headed
    from tunewheel.feedback.settling import Policy
    from tunewheel.loop.turn import When
    from tunewheel.loop.update import drifted, keep_turning

    policy = Policy(disagree=disagree, automatic=automatic, trust=_weights(trust or []))
    drift = drifted if on_drift else None
    when = When(min_feedback=min_feedback, every=None if every is None else _span(every), drift=drift)
    options: dict[str, Any] = {"policy": policy, "margins": margins_of(margin or []), "seed": seed, "lang": lang}
    options["replay"] = replay
    if rollout is not None:
        options["rollout"] = plan_of([] if rollout == "on" else rollout.split(","))
    options |= {"home": home, "database": database, "progress": Bar(stderr)}
    options["say"] = lambda heading, line: headed(stderr, heading, line)
    if when and not once:
        for updated in keep_turning(name, when, **options):
            _show(updated, name, home, as_json)
        return
    updated = loop.update(name, when=when, **options)
    _show(updated, name, home, as_json)
    raise typer.Exit(EXIT[updated.status])


def _span(told: str) -> timedelta:
    """A time as windows of drift are named by."""
    from tunewheel.feedback.drift import Cut, DriftError

    try:
        seconds = Cut.parse(told).seconds
    except DriftError:
        seconds = 0.0
    if not seconds:
        raise typer.BadParameter(f"{told}: expected a time such as 30m, 12h, 7d or 2w", param_hint="--every")
    return timedelta(seconds=seconds)


def _weights(given: list[str]) -> dict[str, float]:
    weights = {}
    for each in given:
        source, sign, weight = each.rpartition("=")
        try:
            weights[source] = float(weight)
        except ValueError:
            sign = ""
        if not sign or not source or weights.get(source, -1) < 0:
            raise typer.BadParameter(f"{each}: expected SOURCE=WEIGHT, a weight of at least 0", param_hint="--trust")
    return weights


def _show(updated: Updated, name: str, home: Path, as_json: bool) -> None:
    from tunewheel.display import headed
    from tunewheel.registry.gate.terminal import decision_view

    if as_json:
        decision = updated.decision.as_dict() if updated.decision else None
        version = updated.version.ref if updated.version else None
        told: dict[str, object] = {"status": updated.status, "why": dict(updated.why), "turn": updated.turn}
        told |= {"rollout": updated.rolled and updated.rolled.as_dict()}
        print_json({**told, "version": version, "decision": decision, "page": updated.page and str(updated.page)})
        return
    if updated.decision is not None:
        stdout.print(decision_view(updated.decision))
        headed(stdout, "page", str(updated.page))
    if updated.status == "idle":
        headed(stdout, "idle", str(updated.why.get("idle", "no reason to turn yet")))
    elif updated.status in ("rolling", "rolled back"):
        told = updated.why.get("rollout", "begins")
        headed(stdout, "rollout", f"{updated.version}: {told}")
        headed(stdout, "next", f"tunewheel rollout {name} --status")
    elif updated.status == "promoted":
        headed(stdout, "champion", f"{updated.version}; a service that follows it swaps within seconds")
        headed(stdout, "next", f"tunewheel rollback {name}   should it disappoint")
    else:
        headed(stdout, "champion", f"stays; the feedback is kept for the next turn ({updated.status})")
        headed(stdout, "next", f"tunewheel suggest {name}   names what is worth labelling")
