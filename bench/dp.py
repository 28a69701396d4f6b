"""Differential privacy: what ε costs on BANKING77 with MiniLM, and what a membership attack finds with and without it.

Each method without privacy, at ε = 8 and at ε = 1 (δ = 1 / rows^1.1, each row a unit), on the same rows with the same
settings but for those that privacy fixes (`tunewheel.models.private.privacy.settled`); dev, a tenth of train, chooses
the checkpoint. Finished cells stand in a JSON Lines file; the same call goes on where it ended.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

from common import FIGURES, RECORD, Cell, Cells, arguments, finish, need

METHODS = ("head", "lora", "full")
PROMISES = (None, 8.0, 1.0)
SEEDS = (13, 14, 15)
QUICK_ROWS = 100
FILES = {"train": "banking77/train.csv", "test": "banking77/test.csv"}


def measured(options: Namespace, method: str, promise: float | None, seed: int) -> Cell:
    """Train once, score the test rows, and try to tell the train rows from them."""
    from tunewheel.data import Dataset
    from tunewheel.evaluation import evaluate
    from tunewheel.evaluation.membership import attack
    from tunewheel.models import Recipe, prepare
    from tunewheel.models.private import Privacy
    from tunewheel.models.private.losses import row_losses
    from tunewheel.tasks import task_class

    dataset = Dataset.read({split: options.data / file for split, file in FILES.items()})
    task = task_class(dataset.task).from_dataset(dataset)
    train, dev, test = (list(dataset[split]) for split in ("train", "dev", "test"))
    if options.quick:  # of all labels: the files are sorted by them
        train, dev, test = (rows[:: max(1, len(rows) // QUICK_ROWS)] for rows in (train, dev, test))
    epochs = 1 if options.quick else options.epochs
    recipe = Recipe(epochs=epochs, learning_rate=options.rate, seed=seed, precision="fp32")
    privacy = None if promise is None else Privacy(promise, clip=options.clip, batch=options.batch)
    ready = prepare(task, options.base, train, recipe, method=method, privacy=privacy)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        model, _ = ready.train(train, dev, Path(folder))
    seconds = time.perf_counter() - start
    told = evaluate(model, test, resamples=200 if options.quick else 1000).metrics["accuracy"]
    found = attack(row_losses(model, train), row_losses(model, test))
    spent: dict[str, Any] = dict(model.origin.privacy)
    return {
        **{"accuracy": told.value, "low": told.low, "high": told.high, "seconds": seconds},
        **{"auc": found.auc.value, "auc_low": found.auc.low, "auc_high": found.auc.high},
        **{"tpr": found.tpr.value if found.tpr else None, "rows": len(train)},
        **{"epsilon": spent.get("epsilon"), "noise": spent.get("noise_multiplier"), "updates": spent.get("updates")},
    }


def row_of(method: str, promise: float | None, cells: list[Cell]) -> str:
    """A line of the table: means over the seeds, the first seed's intervals."""
    first = cells[0]
    accuracy = 100 * statistics.fmean(cell["accuracy"] for cell in cells)
    auc = 100 * statistics.fmean(cell["auc"] for cell in cells)
    seconds = statistics.fmean(cell["seconds"] for cell in cells)
    found = [cell["tpr"] for cell in cells if cell["tpr"] is not None]
    rates = f"{100 * statistics.fmean(found):.1f}" if found else "–"
    noise = "none" if promise is None else f"{first['noise']:.2f}"
    interval = f"[{100 * first['low']:.1f}, {100 * first['high']:.1f}]"
    area = f"[{100 * first['auc_low']:.1f}, {100 * first['auc_high']:.1f}]"
    return (
        f"{method} | {'∞' if promise is None else f'{promise:g}'} | {noise} | {first['rows']:,} | {accuracy:.1f} "
        f"{interval} | {len(cells)} | {auc:.1f} {area} | {rates} | {seconds:.0f} s"
    )


def main() -> None:
    """Every method under every promise."""
    parser = arguments(__doc__ or "", FIGURES / "dp.jsonl")
    parser.add_argument("--base", default="minilm")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rate", type=float, help="learning rate; each method's own by default")
    parser.add_argument("--clip", type=float, default=1.0)
    parser.add_argument("--batch", type=int, help="units an update draws on average")
    options = parser.parse_args()
    need(options.data, *FILES.values())
    seeds = SEEDS[:1] if options.quick else SEEDS
    methods = options.methods[:1] if options.quick else options.methods
    known, result = Cells.of(options), {}
    settings = [options.base, options.epochs, options.rate, options.clip, options.batch, options.quick]
    for method in methods:
        for promise in PROMISES:
            cells = [
                known.get([method, promise, seed, *settings], partial(measured, options, method, promise, seed))
                for seed in seeds
            ]
            row = row_of(method, promise, cells)
            told = {key: statistics.fmean(cell[key] for cell in cells) for key in ("accuracy", "auc")}
            result[f"{method}, {promise or 'without'}"] = told
            new = f"| {row} |" not in RECORD.read_text(encoding="utf-8")
            finish("dp", row, told, record=new and not (options.quick or options.no_record))
    finish("dp", "", {**result, "quick": options.quick}, record=False)


if __name__ == "__main__":
    main()
