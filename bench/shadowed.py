"""What a candidate in the shadow costs the champion's answers: the same load with and without one, in turn."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from loadgen import Job, generate
from services import NAMES, Running, asked

if TYPE_CHECKING:
    from service import Ground

SHARES = (0.2, 0.5)
"""Of the rate at which one request after the other is answered."""

ALLOWED = {"p50": 1.1, "p99": 1.25}
"""How many times the latency without a shadow; set before it was measured."""


def shadow(ground: Ground, options: Any) -> dict[str, Any]:
    """Requests of one text arrive as a Poisson process; the quantiles are medians over the rounds."""
    rounds, seconds = (1, 4.0) if options.quick else (5, 20.0)
    bodies = [json.dumps({"text": text}) for text in ground.texts]
    path = f"/v1/models/{NAMES['classification']}/predict"
    with ground.served(workers=1, cores=options.server_cores) as running:
        alone = one_by_one(running, path, bodies, 2.0 if options.quick else 10.0)
        found: dict[tuple[float, bool], list[dict[str, Any]]] = {(s, w): [] for s in SHARES for w in (False, True)}
        copies = []
        for turn in range(rounds):
            for share in SHARES:
                job = Job("127.0.0.1", running.port, path, bodies, share / alone, seconds, core=options.load_core)
                job = Job(**{**vars(job), "seed": turn + 1})
                for with_shadow in (turn % 2 == 1, turn % 2 == 0):  # neither always comes first
                    if with_shadow:
                        with shadowed(ground, running, path, bodies):
                            before = outcomes(running)
                            told = generate(job)
                            copies.append({key: count - before[key] for key, count in outcomes(running).items()})
                    else:
                        told = generate(job)
                    found[share, with_shadow].append(told)
                    figures = f"p50 {1000 * told['p50']:.1f} p99 {1000 * told['p99']:.1f} ms {told['statuses']}"
                    print(
                        f"  {share:.0%} {'with' if with_shadow else 'without'}: {figures}", file=sys.stderr, flush=True
                    )
    result: dict[str, Any] = {"alone_ms": round(1000 * alone, 1), "rounds": rounds}
    met = True
    for share in SHARES:
        for key, most in ALLOWED.items():
            without, beside = (statistics.median(one[key] for one in found[share, w]) for w in (False, True))
            result[f"{key} at {share:.0%}, ms"] = [round(1000 * without, 1), round(1000 * beside, 1)]
            met &= beside <= most * without
    failed = sum(one["sent"] - one["answered"] for runs in found.values() for one in runs)
    counted = {key.removeprefix("shadow_"): sum(one[key] for one in copies) for key in copies[0]}
    return {**result, "copies": counted, "failed": failed, "met": met and not failed and counted["answered"] > 0}


def one_by_one(running: Running, path: str, bodies: list[str], seconds: float) -> float:
    """Median seconds of an answer where nobody else asks."""
    took: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.perf_counter()
        status, _ = asked(running.port, "POST", path, json.loads(bodies[len(took) % len(bodies)]))
        assert status == 200
        took.append(time.perf_counter() - start)
    return statistics.median(took)


@contextmanager
def shadowed(ground: Ground, running: Running, path: str, bodies: list[str]) -> Iterator[None]:
    """A candidate answers copies while the block runs."""
    from tunewheel import Workspace
    from tunewheel.feedback.rollout.plan import Plan
    from tunewheel.feedback.rollout.record import begin, get, move

    name = NAMES["classification"]
    with Workspace.open(ground.home) as workspace:
        with workspace.begin() as connection:
            rollout = begin(connection, name, 2, Plan(), by="bench", reason="bench").id
        try:
            before = outcomes(running)["shadow_answered"]
            until(
                lambda: (
                    asked(running.port, "POST", path, json.loads(bodies[0]))
                    and outcomes(running)["shadow_answered"] > before
                )
            )
            yield
        finally:
            with workspace.begin() as connection:
                move(connection, get(connection, rollout), "rolled back", "bench")
            until(lambda: len(running.workers()) == 1)


def until(condition: Any, patience: float = 120.0) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.2)


def outcomes(running: Running) -> dict[str, int]:
    """Copies by what became of them."""
    metrics = asked(running.port, "GET", "/metrics")[1].decode().splitlines()
    found = dict.fromkeys(("shadow_answered", "shadow_failed", "shadow_dropped"), 0)
    for line in metrics:
        for outcome in found:
            if line.startswith("tunewheel_version_requests_total{") and f'"{outcome}"' in line:
                found[outcome] += int(float(line.rpartition(" ")[2]))
    return found
