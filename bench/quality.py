"""Quality: MiniLM fine-tuned on CoNLL-2003 (entity F1, conlleval) and BANKING77 (accuracy).

Settings were chosen on CoNLL-2003's testa and on a tenth of BANKING77's train; the test sets are scored once a seed.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from common import arguments, finish, need

SEEDS = (13, 14, 15)


def one_run(dataset: Any, recipe: Any, rows: int | None, **options: Any) -> dict[str, float]:
    """Train and score the test split; seconds are of the whole training call, dev evaluations included."""
    from tunewheel.evaluation import evaluate
    from tunewheel.models import prepare
    from tunewheel.tasks import task_class

    task = task_class(dataset.task).from_dataset(dataset, **options)
    train, dev, test = (list(dataset[split])[:rows] for split in ("train", "dev", "test"))
    ready = prepare(task, "minilm", train, recipe)
    start, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        model, told = ready.train(train, dev, Path(folder))
    assert told is not None, "the engine says how its updates went"
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    report = evaluate(model, test, seen=dataset.overlap("train", "test")[:rows], resamples=200 if rows else 1000)
    name = task.selection
    found = {"dev": told.dev[name], "test": report.metrics[name].value, "seconds": seconds, "cpu": cpu}
    found |= {"seed": recipe.seed, "low": report.metrics[name].low, "high": report.metrics[name].high}
    if report.clean:
        found["clean"] = report.clean[name].value
    print(found, file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Train each seed, and record means."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--only", choices=["conll", "banking"], help="one of the two")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    options = parser.parse_args()
    need(options.data, "conll2003/eng.train", "banking77/train.csv")
    from tunewheel.data import Dataset
    from tunewheel.models import Recipe

    rows = 150 if options.quick else None
    epochs = 1 if options.quick else None
    result: dict[str, Any] = {"quick": options.quick}
    seeds = options.seeds[:1] if options.quick else options.seeds
    if options.only != "banking":
        dataset = Dataset.read(options.data / "conll2003")
        recipe = Recipe(epochs=epochs or 5, learning_rate=2e-4, batch_tokens=512, freeze_embeddings=True)
        runs = [one_run(dataset, replace(recipe, seed=seed), rows, context=160) for seed in seeds]
        result["conll"] = {"runs": runs, "mean": statistics.fmean(run["test"] for run in runs)}
        record("conll2003 testb F1", runs, options)
    if options.only != "conll":
        dataset = Dataset.read(options.data / "banking77")
        recipe = Recipe(epochs=epochs or 5, learning_rate=1e-4, batch_tokens=512, head_first=True)
        runs = [one_run(dataset, replace(recipe, seed=seed), rows) for seed in seeds]
        result["banking"] = {"runs": runs, "mean": statistics.fmean(run["test"] for run in runs)}
        record("banking77 accuracy", runs, options)
    finish("quality", "", result, record=False)


def record(name: str, runs: list[dict[str, float]], options: Any) -> None:
    """One row for a data set: mean over the seeds, each seed, dev mean, slowest training."""
    mean = {key: statistics.fmean(run[key] for run in runs) for key in ("test", "dev", "seconds", "cpu")}
    each = ", ".join(
        f"{run['seed']}: {100 * run['test']:.2f} [{100 * run['low']:.2f}, {100 * run['high']:.2f}]" for run in runs
    )
    clean = f"{100 * statistics.fmean(run['clean'] for run in runs):.2f}" if "clean" in runs[0] else "–"
    cost = f"{mean['seconds']:.0f} s | {mean['cpu']:.0f} s"
    row = f"{name} | {100 * mean['test']:.2f} | {each} | {clean} | {100 * mean['dev']:.2f} | {cost}"
    finish("quality", row, {name: mean}, record=not (options.quick or options.no_record))


if __name__ == "__main__":
    main()
