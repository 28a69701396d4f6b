"""The service under what happens to services; every answer is checked against the version it names.

``parity``: 1,000 texts through `tunewheel predict`, `tunewheel.evaluate` and HTTP, there one a request, by seventeens
and shuffled by sixty-fours, all at once: the same labels and spans, probabilities within 1e-5. ``swaps``: the champion
moves 100 times between two versions while clients ask without trying again: nothing fails, no answer is another
version's. ``kills``: ``kill -9`` of one of two workers every 15 s for two minutes: no wrong answer, and with one try
again no error. ``hostile``: 10,000 broken bodies: no 5xx, no traceback, memory flat. ``shadow``: what the champion's
answers take with and without a candidate in the shadow. ``soak``: steady load, the slopes of memory, each process's own
too, and of latency.
"""

from __future__ import annotations

import json
import math
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common import arguments, finish
from hostile import thrown
from services import NAMES, Memory, Running, ours, texts_of, trained
from shadowed import shadow

BOUND = 1e-5
MIB = 2**20
Predictions = list[dict[str, Any]]


def gap(told: dict[str, Any], expected: dict[str, Any]) -> float:
    """The largest difference of a number in two predictions; infinite where anything else differs."""
    return _gap({k: v for k, v in told.items() if k != "exchange"}, expected)


def _gap(a: Any, b: Any) -> float:
    if isinstance(a, float) and isinstance(b, int | float):
        return abs(a - b)
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return max((_gap(a[key], b[key]) for key in a), default=0.0)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        return max((_gap(x, y) for x, y in zip(a, b, strict=True)), default=0.0)
    return 0.0 if a == b else math.inf


@dataclass
class Crowd:
    """Clients that ask as fast as they are answered, and check every answer."""

    url: str
    texts: Sequence[str]
    expected: dict[str, Predictions]  # by version
    retries: int = 0
    pause: float = 0.0
    answers: int = 0
    wrong: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    took: list[tuple[float, float]] = field(default_factory=list)  # when, and how long
    versions: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def asking(self, clients: int) -> Iterator[Crowd]:
        """They ask while the block runs."""
        from tunewheel import Client

        ended, lock = threading.Event(), threading.Lock()

        def ask(number: int) -> None:
            draw = random.Random(number)
            with Client(self.url, retries=self.retries, timeout=30) as client:
                while not ended.wait(self.pause):
                    some = [draw.randrange(len(self.texts)) for _ in range(draw.choice([1, 1, 1, 2, 5, 16]))]
                    start = time.perf_counter()
                    try:
                        told = client.predict(NAMES["classification"], [self.texts[at] for at in some])
                    except Exception as error:
                        with lock:
                            self.errors.append(f"{type(error).__name__}: {error}")
                        continue
                    with lock:
                        self._heard(some, told, time.perf_counter() - start)

        with ThreadPoolExecutor(clients) as pool:
            running = [pool.submit(ask, number) for number in range(clients)]
            try:
                yield self
            finally:
                ended.set()
                for one in running:
                    one.result(60)

    def _heard(self, some: Sequence[int], told: Any, seconds: float) -> None:
        expected = self.expected.get(told.version)
        for at, prediction in zip(some, told, strict=True):
            if expected is None or gap(prediction, expected[at]) > BOUND:
                self.wrong.append(f"{told.version}: {self.texts[at]!r}: {prediction}"[:300])
        self.answers += len(some)
        self.versions[told.version] = self.versions.get(told.version, 0) + len(some)
        self.took.append((time.monotonic(), seconds))

    def told(self) -> dict[str, Any]:
        for kind, found in (("wrong", self.wrong), ("error", self.errors)):
            for one in found[:3]:
                print(f"  {kind}: {one}", file=sys.stderr)
        return {"answers": self.answers, "wrong": len(self.wrong), "errors": len(self.errors)}


@dataclass
class Ground:
    """The workspace with two versions of each model, texts, and what each version answers to them."""

    home: Path
    data: Path
    quick: bool
    count: int

    def __post_init__(self) -> None:
        from tunewheel import Registry, Workspace
        from tunewheel.models import Model

        rows = 60 if self.quick else 600
        trained(self.data, "classification", self.home, rows=rows, versions=2)
        self.texts = texts_of(self.data, "classification", 60, longest=4)
        self.expected: dict[str, Predictions] = {}
        with Workspace.open(self.home) as workspace:
            for number in (1, 2):
                version = Registry(workspace).resolve(f"banking:{number}")
                self.expected[version.ref] = Model.load(version.path).predict(self.texts)
        pairs = zip(*self.expected.values(), strict=True)
        assert min(gap(a, b) for a, b in pairs) > 10 * BOUND, "the versions cannot be told apart"

    @contextmanager
    def served(self, *models: str, workers: int = 2, cores: Sequence[int] | None = None) -> Iterator[Running]:
        more = ("--no-record", "--variant", "torch-fp32", "--set", "poll=0.1")
        with ours(self.home, *(models or ("banking",)), workers=workers, cores=cores, more=more) as running:
            yield running

    def crowd(self, running: Running, **more: Any) -> Crowd:
        return Crowd(running.url, self.texts, self.expected, **more)


def parity(ground: Ground, options: Any) -> dict[str, Any]:
    """The same texts on every way there is."""
    trained(ground.data, "ner", ground.home, rows=800 if options.quick else 3000)
    result: dict[str, Any] = {"texts": ground.count, "entities": 0}
    with ground.served("banking", "people") as running:
        for task, name in NAMES.items():
            texts = texts_of(ground.data, task, ground.count)
            predicted = by_command(ground, name, texts)
            result["entities"] += sum(len(one.get("entities", ())) for one in predicted)
            ways = {"evaluate": evaluated(ground, name, task, texts), **over_http(running, name, texts)}
            for way, found in ways.items():
                gaps = [gap(a, b) for a, b in zip(found, predicted, strict=True)]
                result[f"{task}, {way}"] = max(gaps)
                result["differ"] = result.get("differ", 0) + sum(each > BOUND for each in gaps)
    # Where nothing is found, nothing can differ.
    return {**result, "met": result["differ"] == 0 and result["entities"] >= len(texts) / 2}


def by_command(ground: Ground, name: str, texts: Sequence[str]) -> Predictions:
    """What `tunewheel predict` writes."""
    file = ground.home / "texts.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    command = [sys.executable, "-m", "tunewheel", "predict", name, str(file), "--home", str(ground.home)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [json.loads(line)["prediction"] for line in done.stdout.splitlines()]


def evaluated(ground: Ground, name: str, task: str, texts: Sequence[str]) -> Predictions:
    """What a model says while it is evaluated."""
    import tunewheel as tw

    class Heard:
        def __init__(self, model: Any) -> None:
            self.model, self.task = model, model.task
            self.said: Predictions = []

        def predict(self, rows: Any) -> Predictions:
            self.said = self.model.predict(rows)
            return list(self.said)

    with tw.Workspace.open(ground.home) as workspace:
        model = Heard(tw.Model.load(tw.Registry(workspace).resolve(name).path))
    gold: dict[str, Any] = {"entities": []} if task == "ner" else {"label": model.task.labels[0]}
    tw.evaluate(model, [{"id": str(at), "text": text, **gold} for at, text in enumerate(texts)], resamples=20)
    return list(model.said)


def over_http(running: Running, name: str, texts: Sequence[str]) -> dict[str, Predictions]:
    """One a request, by seventeens, and shuffled by sixty-fours; all three at once, so that they share batches."""
    from tunewheel import Client

    shuffled = random.Random(3).sample(range(len(texts)), len(texts))
    cuts = {"http, 1": (range(len(texts)), 1), "http, 17": (range(len(texts)), 17), "http, 64": (shuffled, 64)}
    found: dict[str, Predictions] = {way: [{}] * len(texts) for way in cuts}
    with Client(running.url, timeout=120, retries=5) as client, ThreadPoolExecutor(12) as pool:

        def ask(way: str, some: Sequence[int]) -> None:
            for at, prediction in zip(some, client.predict(name, [texts[at] for at in some]), strict=True):
                found[way][at] = {key: value for key, value in prediction.items() if key != "exchange"}

        jobs = [
            (way, list(order[at : at + size]))
            for way, (order, size) in cuts.items()
            for at in range(0, len(order), size)
        ]
        random.Random(5).shuffle(jobs)
        list(pool.map(lambda job: ask(*job), jobs))
    return found


def swaps(ground: Ground, options: Any) -> dict[str, Any]:
    """The alias moves under load."""
    from tunewheel import Client, Registry, Workspace

    count, slow = (3, []) if options.quick else (100, [])
    with ground.served() as running, Workspace.open(ground.home) as workspace, Client(running.url) as client:
        registry, crowd = Registry(workspace), ground.crowd(running)
        with crowd.asking(4):
            for turn in range(count):
                ref = f"banking:{2 - turn % 2}"
                registry.promote(ref, why="bench", alias="champion")
                start = time.monotonic()
                while client.models()[0]["version"] != ref and time.monotonic() - start < 120:
                    time.sleep(0.05)
                slow.append(time.monotonic() - start)
                time.sleep(0.2)
        told = crowd.told()
        metrics = _metric(running, 'tunewheel_swaps_total{model="banking"}')
    met = not told["wrong"] and not told["errors"] and metrics == count and len(crowd.versions) == 2
    return {"swaps": int(metrics), **told, "seconds_to_swap": round(statistics.median(slow), 2), "met": met}


def kills(ground: Ground, options: Any) -> dict[str, Any]:
    """Workers die."""
    every, whole = (5.0, 16.0) if options.quick else (15.0, 120.0)
    draw, killed = random.Random(1), 0
    with ground.served(workers=2) as running:
        crowd = ground.crowd(running, retries=1)
        with crowd.asking(4):
            end = time.monotonic() + whole
            while time.monotonic() + every < end:
                time.sleep(every)
                alive = running.workers()
                if alive:
                    os.kill(draw.choice(alive), signal.SIGKILL)
                    killed += 1
            time.sleep(max(0.0, end - time.monotonic()))
        told = crowd.told()
        deaths = _metric(running, "tunewheel_worker_deaths_total")
    met = not told["wrong"] and not told["errors"] and killed > 0 and deaths == killed
    return {"kills": killed, "deaths_seen": int(deaths), **told, "met": met}


def _metric(running: Running, name: str) -> float:
    from urllib.request import urlopen

    with urlopen(f"{running.url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)


def hostile(ground: Ground, options: Any) -> dict[str, Any]:
    """Bodies that no client should send, some on a connection that is closed before the answer."""
    count = 500 if options.quick else 10_000
    statuses: dict[int, int] = {}
    with ground.served() as running:
        before = running.log.stat().st_size
        memory = [running.memory()]
        for start in range(0, count, 500):
            with ThreadPoolExecutor(4) as pool:
                for status in pool.map(lambda at: thrown(running.port, at), range(start, min(count, start + 500))):
                    statuses[status] = statuses.get(status, 0) + 1
            memory.append(running.memory())
        with running.log.open("rb") as log:
            log.seek(before)
            tracebacks = log.read().count(b"Traceback")
        with ground.crowd(running).asking(2) as crowd:
            time.sleep(1)
        alive = crowd.told()
    fives = sum(n for status, n in statuses.items() if status >= 500)
    grown = (memory[-1] - memory[min(4, len(memory) - 2)]) / 2**20
    met = not fives and not tracebacks and grown < allowed(options) and alive["answers"] > 0 and not alive["wrong"]
    counted = {str(status): n for status, n in sorted(statuses.items())}
    return {
        "bodies": count,
        "statuses": counted,
        "5xx": fives,
        "tracebacks": tracebacks,
        "grown_mib": round(grown, 1),
        "met": met,
    }


def soak(ground: Ground, options: Any) -> dict[str, Any]:
    """Steady load: what memory grows by in the last four fifths, and the latency of the last fifth over the second."""
    minutes = 0.5 if options.quick else options.minutes
    with ground.served(cores=options.server_cores) as running:
        crowd = ground.crowd(running, pause=0.05)
        memory: list[tuple[float, dict[str, Memory]]] = []
        kept: list[float] = []
        with crowd.asking(2):
            start = time.monotonic()
            while time.monotonic() - start < 60 * minutes:
                time.sleep(5)
                memory.append((time.monotonic() - start, running.memories()))
                kept.append(_metric(running, "tunewheel_repeats_bytes") / MIB)
                if len(memory) % 12 == 0:
                    held = {name: f"{one.own / MIB:.1f}" for name, one in memory[-1][1].items()}
                    print(f"  {memory[-1][0] / 60:4.1f} min {held}", file=sys.stderr, flush=True)
        told = crowd.told()
    settled = memory[len(memory) // 5 :]
    grown = growth(settled, lambda held: sum(one.proportional for one in held.values()))
    own = {name: growth(settled, lambda held, name=name: held[name].own) for name in settled[-1][1]}
    fifths = [[took for at, took in crowd.took if n <= 5 * (at - start) / (60 * minutes) < n + 1] for n in range(5)]
    early, late = statistics.median(fifths[1]), statistics.median(fifths[4])
    met = not told["wrong"] and not told["errors"] and grown < allowed(options) and late < 1.5 * early
    return {
        "minutes": minutes,
        **told,
        "memory_mib": round(sum(one.proportional for one in settled[-1][1].values()) / MIB),
        "grown_mib": round(grown, 1),
        "kept_for_repeats_mib": [round(kept[len(kept) // 5], 1), round(kept[-1], 1)],
        "own_mib": {name: round(one.own / MIB) for name, one in settled[-1][1].items()},
        "own_grown_mib": {name: round(each, 1) for name, each in own.items()},
        "p50_ms": [round(1000 * early, 1), round(1000 * late, 1)],
        "met": met,
    }


def growth(samples: Sequence[tuple[float, dict[str, Memory]]], held: Callable[..., float]) -> float:
    """MiB by which memory grew, along the line through all samples: one peak is no growth."""
    points = [(at, held(memory) / MIB) for at, memory in samples]
    return slope(points) * (points[-1][0] - points[0][0])


def allowed(options: Any) -> float:
    """MiB by which memory may grow; a short run sees caches fill."""
    return 100.0 if options.quick else 20.0


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the line through the points, by least squares.

    >>> slope([(0.0, 5.0), (1.0, 7.0), (2.0, 9.0)])
    2.0
    """
    return statistics.linear_regression(*zip(*points, strict=True)).slope


PARTS = {"parity": parity, "swaps": swaps, "kills": kills, "hostile": hostile, "shadow": shadow, "soak": soak}


def main() -> None:
    """Run the parts in turn, and record each."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--minutes", type=float, default=30.0, help="of the soak")
    parser.add_argument("--server-cores", type=int, nargs="+", help="of the service in soak and shadow; all by default")
    parser.add_argument("--load-core", type=int, help="of the generator in shadow; any by default")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no server outlives it
    failed = False
    with tempfile.TemporaryDirectory() as home:
        ground = Ground(Path(home), options.data, options.quick, 100 if options.quick else 1000)
        for part in options.parts:
            result = PARTS[part](ground, options)
            failed |= not result["met"]
            figures = ", ".join(f"{key} {_short(value)}" for key, value in result.items() if key != "met")
            row = f"{part} | {figures} | {'yes' if result['met'] else 'no'}"
            record = not (options.quick or options.no_record)
            finish("serving", row, {"part": part, **result, "quick": options.quick}, record=record)
    sys.exit(failed)


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}: {n:,}" for key, n in value.items())
    if isinstance(value, list):
        return " → ".join(map(str, value))
    return f"{value:.1e}" if isinstance(value, float) and value < 0.01 else f"{value:,}"


if __name__ == "__main__":
    main()
