"""Load: the highest rate at which 99 of 100 requests are answered within 100 ms, beside two servers of the field.

The same MiniLM, a classifier (BANKING77) and an entity recogniser (CoNLL-2003), trained for a moment since speed does
not depend on the score, is served by Tunewheel, by FastAPI calling the pipeline of transformers one request at a time,
and by LitServe with batches; texts of mixed length, one a request, arrive as a Poisson process whether earlier ones
have been answered or not. The servers take turns on cores of their own; the generator has another. A rate holds if p99
stays within the limit, a refusal counting as an answer that never comes; a probe that fails is repeated once, as other
work on the machine fails any server now and then. Then ours is driven from 10 % to 150 % of what it held.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from common import ROOT, arguments, finish
from loadgen import Job, generate
from services import NAMES, Running, asked, ours, texts_of, theirs, trained

LIMIT = 0.1
SHARES = (0.1, 0.25, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5)
PICTURE = ROOT / "docs" / "load.svg"
Probe = Callable[[float], bool]


def highest(
    probe: Probe, start: float, *, precision: float = 0.05, floor: float = 0.01, ceiling: float = 20_000.0
) -> float:
    """The highest rate that ``probe`` holds, to ``precision``; 0 where not even the share ``floor`` of ``start`` does.

    >>> round(highest(lambda rate: rate <= 130, 20, precision=0.01))
    130
    """
    low, high = 0.0, math.inf
    rate = start
    while high == math.inf and low < ceiling:
        if probe(rate):
            low, rate = rate, 2 * rate
        else:
            high = rate
    while low == 0 and high > floor * start:
        rate = high / 2
        if probe(rate):
            low = rate
        else:
            high = rate
    while low and high / low > 1 + precision:
        rate = math.sqrt(low * high)
        if probe(rate):
            low = rate
        else:
            high = rate
    return low


class Driver:
    """Drives one server with one task's texts."""

    def __init__(self, running: Running, path: str, bodies: Sequence[str], seconds: float, core: int) -> None:
        self.running, self.path, self.bodies, self.seconds, self.core = running, path, bodies, seconds, core
        self.probes: list[dict[str, Any]] = []
        self.tries = 2

    def measure(self, rate: float, seconds: float | None = None) -> dict[str, Any]:
        """One run at one rate, once nothing of the last one is left."""
        self.settle()
        # Of fewer than a hundred requests none can be the hundredth.
        seconds = seconds or max(self.seconds, min(6 * self.seconds, 200 / rate))
        job = Job("127.0.0.1", self.running.port, self.path, self.bodies, rate, seconds, LIMIT)
        job = Job(**{**vars(job), "core": self.core, "seed": len(self.probes) + 1})
        found = generate(job)
        self.probes.append(found)
        print(
            f"  {rate:8.1f}/s  p50 {1000 * found['p50']:6.1f}  p99 {1000 * found['p99']:7.1f} ms  {found['statuses']}",
            file=sys.stderr,
            flush=True,
        )
        return found

    def holds(self, rate: float) -> bool:
        """Whether a rate holds, at the second try if not at the first."""
        return any(self.measure(rate)["p99"] <= LIMIT for _ in range(self.tries))

    def settle(self) -> None:
        """Wait until the server has worked off what nobody waits for any more."""
        for _ in range(120):
            start = time.perf_counter()
            try:
                status, _ = asked(self.running.port, "POST", self.path, json.loads(self.bodies[0]), timeout=60)
            except OSError:
                status = 0
            if status == 200 and time.perf_counter() - start < LIMIT:
                return
            time.sleep(0.25)
        raise RuntimeError("the server does not come to rest")


def field_model(model: Path, task: str, folder: Path) -> Path:
    """The same weights in transformers' own classes; the classifier's pooling is theirs, and its head fresh."""
    from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

    from tunewheel.models import Model, load_backbone

    loaded: Any = Model.load(model)
    base = folder / "base"
    load_backbone("minilm", []).model.save_pretrained(base)
    kind = AutoModelForTokenClassification if task == "ner" else AutoModelForSequenceClassification
    network = kind.from_pretrained(base, num_labels=loaded.network.config.outputs, dtype="float32")
    weights = {k: v for k, v in loaded.network.backbone.state_dict().items() if not k.startswith("pooler.")}
    network.bert.load_state_dict(weights, strict=False)
    if task == "ner":
        network.classifier.load_state_dict(loaded.network.head.state_dict())
    network.save_pretrained(folder / "field")
    loaded.encoder.tokenizer.save_pretrained(folder / "field")
    return folder / "field"


def python_with(package: str, python: str) -> str | None:
    """The interpreter if it has the package; None, said aloud, if not."""
    if subprocess.run([python, "-c", f"import {package}"], capture_output=True, check=False).returncode == 0:
        return python
    print(f"{package} is left out: pip install {package}, or name an interpreter that has it", file=sys.stderr)
    return None


def exported(home: Path, name: str) -> None:
    """Write the version for other engines, as somebody who wants speed would."""
    command = [sys.executable, "-m", "tunewheel", "export", name, "--home", str(home)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout or done.stderr[-500:], file=sys.stderr)


class Bench:
    """One task: its model, its texts and the servers."""

    def __init__(self, task: str, options: Any, home: Path) -> None:
        self.task, self.options, self.home = task, options, home
        folder = trained(options.data, task, home, rows=100 if options.quick else 1500)
        (home / task).mkdir()
        self.field = field_model(folder, task, home / task)
        if options.export:
            exported(home, NAMES[task])
        self.texts = texts_of(options.data, task, 500)
        self.seconds = options.seconds
        self.variant = ""

    def started(self, kind: str) -> AbstractContextManager[Running]:
        options = self.options
        if kind == "tunewheel":
            more = ["--no-record", "--variant", options.variant]
            return ours(self.home, NAMES[self.task], workers=options.workers, cores=options.server_cores, more=more)
        python = options.python if kind == "litserve" else sys.executable
        way: dict[str, Any] = {"python": python, "workers": options.workers, "cores": options.server_cores}
        return theirs(kind, self.field, self.task, **way)

    def driver(self, kind: str, running: Running) -> Driver:
        if kind == "tunewheel":
            # A client that wants its answer in time says so, and is refused at once where that cannot be.
            path, more = f"/v1/models/{NAMES[self.task]}/predict", {"timeout": LIMIT}
            told = json.loads(asked(running.port, "GET", "/v1/models")[1])
            self.variant = told["models"][0]["variant"]
        else:
            path, more = "/predict", {}
        bodies = [json.dumps({"text": text, **more}) for text in self.texts]
        driver = Driver(running, path, bodies, self.seconds, self.options.load_core)
        driver.tries = 1 if self.options.quick else 2
        return driver

    def capacity(self, kind: str, guess: float) -> tuple[float, list[dict[str, Any]]]:
        """The highest rate one server holds, and all probes."""
        with self.started(kind) as running:
            driver = self.driver(kind, running)
            driver.measure(guess / 2, 3.0)  # whatever happens at first, happens here
            quick = {"precision": 0.4, "floor": 0.2} if self.options.quick else {}
            found = highest(driver.holds, guess, **quick)
        return found, driver.probes[1:]

    def curve(self, capacity: float) -> list[dict[str, Any]]:
        """Ours from 10 % to 150 % of its capacity."""
        with self.started("tunewheel") as running:
            driver = self.driver("tunewheel", running)
            shares = SHARES[::3] if self.options.quick else SHARES
            return [{"share": share, **driver.measure(share * capacity)} for share in shares]


def measured(bench: Bench, kinds: Sequence[str]) -> dict[str, Any]:
    """All servers in turn, ``rounds`` times; medians, and the curve of ours."""
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    generators: list[float] = []
    guesses = dict.fromkeys(kinds, 20.0)
    for _ in range(bench.options.rounds):
        for kind in kinds:
            print(f"{bench.task}, {kind}", file=sys.stderr, flush=True)
            capacity, probes = bench.capacity(kind, guesses[kind])
            found[kind].append(capacity)
            guesses[kind] = max(5.0, 0.9 * capacity)
            generators += [probe["generator"] for probe in probes]
    middle = {kind: statistics.median(rates) for kind, rates in found.items()}
    if not middle["tunewheel"]:
        raise SystemExit(f"{bench.task}: the service held no rate at all, so there is no curve; leave its cores to it")
    curve = bench.curve(middle["tunewheel"])
    over = next(point for point in curve if point["share"] == max(p["share"] for p in curve))
    answered = over["answered"] / over["seconds"]
    return {
        "task": bench.task,
        "variant": bench.variant,
        "capacity": {kind: round(rate, 1) for kind, rate in middle.items()},
        "rounds": {kind: [round(rate, 1) for rate in rates] for kind, rates in found.items()},
        "over": {kind: round(middle["tunewheel"] / rate, 2) if rate else None for kind, rate in middle.items()},
        "goodput": round(over["goodput"] / middle["tunewheel"], 3),
        "answered": round(answered / middle["tunewheel"], 3),
        "generator": round(max([*generators, *(point["generator"] for point in curve)]), 3),
        "curve": curve,
    }


def picture(results: Sequence[dict[str, Any]]) -> str:
    """The curves as SVG: p50 and p99 of what was answered, and the goodput, over the share of the capacity."""
    from html import escape

    width, height, parts = 360, 300, []
    for place, result in enumerate(results):
        curve, capacity, left = result["curve"], result["capacity"]["tunewheel"], place * width
        title = f"{result['task']}, {capacity:g} requests/s = 100 %"
        parts.append(f'<text x="{left + 50}" y="20" class="t">{escape(title)}</text>')
        across = [left + 50 + 280 * point["share"] / 1.5 for point in curve]
        for share in (0, 0.5, 1.0, 1.5):
            x = left + 50 + 280 * share / 1.5
            parts.append(f'<line x1="{x}" y1="35" x2="{x}" y2="255" class="g"/>')
            parts.append(f'<text x="{x}" y="272" class="a">{share:.0%}</text>')
        for at in (0, 50, 100, 150):
            y = 255 - 1.4 * at
            parts.append(f'<line x1="{left + 50}" y1="{y}" x2="{left + 330}" y2="{y}" class="g"/>')
            parts.append(f'<text x="{left + 44}" y="{y + 4}" class="y">{at}</text>')
        lines = {
            "p50": [1000 * point["p50_answered"] for point in curve],
            "p99": [1000 * point["p99_answered"] for point in curve],
            "in": [100 * point["goodput"] / capacity for point in curve],
        }
        for name, values in lines.items():
            pairs = zip(across, values, strict=True)
            dots = " ".join(f"{x:.1f},{255 - 1.4 * min(value, 157):.1f}" for x, value in pairs if value < math.inf)
            parts.append(f'<polyline points="{dots}" class="l {name}"/>')
    total = width * len(results)
    legend = [("p50", "p50 answered, ms"), ("p99", "p99 answered, ms"), ("in", "answered within 100 ms, % of capacity")]
    for place, (name, words) in enumerate(legend):
        x = 50 + 150 * place
        parts.append(f'<line x1="{x}" y1="290" x2="{x + 20}" y2="290" class="l {name}"/>')
        parts.append(f'<text x="{x + 26}" y="294" class="k">{words}</text>')
    style = (
        "text{font:11px sans-serif;fill:#444}.t{font-weight:bold}.a{text-anchor:middle}.y{text-anchor:end}"
        ".g{stroke:#ddd}.l{fill:none;stroke-width:2}.p50{stroke:#3b7dd8}.p99{stroke:#c8452e}"
        ".in{stroke:#2e8b57;stroke-dasharray:5 3}"
    )
    size = f'viewBox="0 0 {max(total, 620)} {height}" width="{max(total, 620)}" height="{height}"'
    told = "Latency and goodput of the service from 10 % to 150 % of its capacity"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{told}">'
    body = "\n".join(parts)
    return f'{head}\n<style>{style}</style>\n<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'


def chosen() -> Any:
    parser = arguments(__doc__ or "")
    cores = sorted(os.sched_getaffinity(0))
    parser.add_argument("--tasks", nargs="+", choices=list(NAMES), default=list(NAMES))
    parser.add_argument("--seconds", type=float, help="of a probe; 10 by default")
    parser.add_argument("--rounds", type=int, help="3 by default")
    parser.add_argument("--variant", default="auto", help="as tunewheel serve takes it")
    parser.add_argument("--no-export", dest="export", action="store_false", help="serve what was trained, in torch")
    parser.add_argument("--server-cores", type=int, nargs="+", default=cores[:-1] or cores)
    parser.add_argument("--load-core", type=int, default=cores[-1])
    parser.add_argument("--workers", type=int, help="one a server's core by default")
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has litserve")
    options = parser.parse_args()
    options.seconds = options.seconds or (2.0 if options.quick else 10.0)
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.workers = options.workers or len(options.server_cores)
    if options.quick:
        options.tasks, options.export = options.tasks[:1], False
    return options


def main() -> None:
    """Measure every server on every task, draw ours, and record the figures."""
    options = chosen()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no server outlives it
    python = shutil.which(options.python) or options.python
    kinds = ["tunewheel", "fastapi", *(["litserve"] if python_with("litserve", python) else [])]
    results = []
    with tempfile.TemporaryDirectory() as home:
        for task in options.tasks:
            results.append(measured(Bench(task, options, Path(home)), kinds))
    record = not (options.quick or options.no_record)
    if record:
        PICTURE.write_text(picture(results), encoding="utf-8")
    cores = f"{len(options.server_cores)} for the server, 1 for the generator"
    for result in results:
        cells = [f"{result['capacity'].get(kind, '–'):,}" for kind in kinds]
        cells += ["–"] * (3 - len(kinds))
        cells += [f"{result['over'].get(kind) or '–'}" for kind in ("fastapi", "litserve")]
        cells += [f"{100 * (result[key] or 0):.0f} %" for key in ("goodput", "answered", "generator")]
        row = " | ".join([result["task"], result["variant"], cores, *cells])
        finish("load", row, {**result, "curve": told(result["curve"]), "quick": options.quick}, record=record)


def told(curve: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The curve as JSON can say it: what never came is null."""
    keys = ("share", "rate", "p50_answered", "p99_answered", "p99", "goodput", "statuses", "generator", "lag")
    return [{key: None if point[key] == math.inf else point[key] for key in keys} for point in curve]


if __name__ == "__main__":
    main()
