"""Few rows a label: every method that copes with them on BANKING77, on the same rows.

``--on dev`` scores the rows held out of train, to choose settings by (``--set KEY=VALUE``, as `tunewheel train` takes
them); only ``--on test``, the default, is recorded.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

from common import arguments, finish, need

METHODS = ("tfidf", "head", "full", "setfit", "self-training", "gan-bert")
SHOTS = (5, 10)
SEEDS = (13, 14, 15)
MOST_BESIDE = 2000


def drawn(rows: list[Any], shots: int, seed: int) -> tuple[list[Any], list[Any]]:
    """``shots`` rows of each label, and the texts of others."""
    draw = random.Random(seed)
    by_label: dict[str, list[Any]] = {}
    for row in draw.sample(rows, len(rows)):
        by_label.setdefault(row["label"], []).append(row)
    few = [row for label in sorted(by_label) for row in by_label[label][:shots]]
    rest = [{"text": row["text"]} for label in sorted(by_label) for row in by_label[label][shots:]]
    return few, draw.sample(rest, min(MOST_BESIDE, len(rest)))


def one_run(dataset: Any, method: str, shots: int, seed: int, options: Namespace) -> dict[str, float]:
    """Train on the few rows, and score."""
    from tunewheel.evaluation import evaluate
    from tunewheel.models import prepare
    from tunewheel.models.methods import method_class
    from tunewheel.settings import train_settings
    from tunewheel.tasks import task_class

    told = ["epochs=1", "options.pairs=64"] if options.quick and method == "setfit" else ["epochs=1"] * options.quick
    settings = train_settings({"data": "banking77", "seed": seed}, changes=[*told, *options.changes])
    few, beside = drawn(list(dataset["train"]), 1 if options.quick else shots, seed)
    road = method_class(method)
    chosen: dict[str, Any] = {"method": method, "options": settings.options}
    chosen["unlabelled"] = () if road.unlabelled == "unused" else beside[:50] if options.quick else beside
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        task = task_class(dataset.task).from_dataset(dataset)
        ready = prepare(task, options.base if road.based else "none", few, settings.recipe, **chosen)
        model, _ = ready.train(few, [], Path(folder))
    seconds = time.perf_counter() - start
    scored = list(dataset[options.on])[: 150 if options.quick else None]
    texts = {row["text"] for row in few}
    report = evaluate(
        model, scored, seen=[row["text"] in texts for row in scored], resamples=200 if options.quick else 1000
    )
    accuracy = report.metrics["accuracy"]
    clean = report.clean["accuracy"].value if report.clean else accuracy.value
    found = {"value": accuracy.value, "low": accuracy.low, "high": accuracy.high, "clean": clean, "seconds": seconds}
    print({"method": method, "shots": shots, "seed": seed, **found}, file=sys.stderr, flush=True)
    return {"seed": seed, **found}


def main() -> None:
    """Every method with every number of rows, over the seeds."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--shots", type=int, nargs="+", default=list(SHOTS), help="rows a label")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--base", default="minilm", help="for the methods that start from one")
    parser.add_argument("--on", choices=["dev", "test"], default="test", help="the rows that are scored")
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    need(options.data, "banking77/train.csv", "banking77/test.csv")
    from tunewheel.data import Dataset

    dataset = Dataset.read(options.data / "banking77")
    shots, seeds = (options.shots[:1], options.seeds[:1]) if options.quick else (options.shots, options.seeds)
    result: dict[str, Any] = {}
    for count in shots:
        for method in options.methods:
            runs = [one_run(dataset, method, count, seed, options) for seed in seeds]
            mean = {key: statistics.fmean(run[key] for run in runs) for key in ("value", "clean", "seconds")}
            each = ", ".join(
                f"{run['seed']}: {100 * run['value']:.2f} [{100 * run['low']:.2f}, {100 * run['high']:.2f}]"
                for run in runs
            )
            how = " ".join([method, *options.changes])
            cost = f"{100 * mean['clean']:.2f} | {mean['seconds']:.0f} s"
            row = f"{count} | {how} | {100 * mean['value']:.2f} | {each} | {cost}"
            result[f"{how}, {count}"] = mean["value"]
            kept = options.on == "test" and not (options.quick or options.no_record)
            finish("fewshot", row, {"mean": mean}, record=kept)
    finish("fewshot", "", {**result, "quick": options.quick, "on": options.on}, record=False)


if __name__ == "__main__":
    main()
