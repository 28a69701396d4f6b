"""Roads: what each method makes of the same base and rows, what of it learns, how long it takes and what memory.

BANKING77 with MiniLM, and with --base the FewCLUE tasks tnews, eprstmt and bustm (a seed's fold is the seed less 13,
scored on test_public). NAME@N takes N rows a class of train, drawn under the seed. dev chooses checkpoints and fits
thresholds; it is BANKING77's tenth of train, FewCLUE's own. Every gradient method has 512 tokens a batch, --epochs
passes and its default rate; `head`, `ranpac` and `setfit` go by their defaults. With all of BANKING77 `full` and `lora`
begin from a fitted head. A method that refuses the base is left out. A cell is a process of its own, whose largest
resident memory is told. Finished cells stand in a JSON Lines file; the same call goes on where it ended.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from common import FIGURES, RECORD, Cell, Cells, arguments, finish, folder_label, need

FIRST_SEED = 13
FOLDS = 5
FEWCLUE = ("tnews", "eprstmt", "bustm")
ON_BANKING = (
    *("zero-shot", "full", "head", "ranpac", "lora", "tfidf"),
    *("setfit@5", "setfit@10", "setfit@50", "head@5", "head@10", "ranpac@5", "ranpac@10"),
)
OWN = ("head", "ranpac", "setfit")
"""Methods that learn in passes of another kind, or in none: by their defaults."""
WITHOUT_SEED = ("tfidf", "zero-shot")
QUICK_ROWS = 150


def files_of(name: str, seed: int) -> dict[str, str]:
    """The splits' files below the data folder; a dev split that is not named is taken from train."""
    if name == "BANKING77":
        return {"train": "banking77/train.csv", "test": "banking77/test.csv"}
    fold = seed - FIRST_SEED
    named = {"train": f"train_{fold}.json", "dev": f"dev_{fold}.json", "test": "test_public.json"}
    return {split: f"fewclue/{name}/{file}" for split, file in named.items()}


def few(rows: list[Any], each: int, seed: int) -> list[Any]:
    """``each`` rows of every label, in the order of the file."""
    by_label: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        by_label.setdefault(row["label"], []).append(i)
    draw = Random(seed)
    kept = {i for members in by_label.values() for i in draw.sample(members, min(each, len(members)))}
    return [row for i, row in enumerate(rows) if i in kept]


def measured(asked: dict[str, Any]) -> Cell:
    """Train by one method on one set under one seed, and score the test split; in this process."""
    from tunewheel.data import Dataset
    from tunewheel.evaluation import evaluate
    from tunewheel.models import Recipe, prepare
    from tunewheel.tasks import task_class

    dataset = Dataset.read({split: Path(asked["data"]) / file for split, file in asked["files"].items()})
    task = task_class(dataset.task).from_dataset(dataset)
    limit = QUICK_ROWS if asked["quick"] else None
    train, dev, test = (list(dataset[split])[:limit] for split in ("train", "dev", "test"))
    method, _, each = asked["method"].partition("@")
    if each:
        train = few(train, int(each), asked["seed"])
    fitted_first = asked["set"] == "BANKING77" and method in ("full", "lora") and not each
    recipe = Recipe(epochs=asked["epochs"], batch_tokens=512, head_first=fitted_first, seed=asked["seed"])
    if method in OWN:
        recipe = Recipe(seed=asked["seed"])
    start = time.perf_counter()
    ready = prepare(task, asked["base"], train, recipe, method=method)
    share = None
    if ready.untrained is not None:
        weights = list(ready.untrained.network.parameters())
        share = sum(p.numel() for p in weights if p.requires_grad) / sum(p.numel() for p in weights)
    with tempfile.TemporaryDirectory() as folder:
        model, _ = ready.train(train, dev, Path(folder))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    report = evaluate(model, test, seen=dataset.overlap("train", "test")[:limit], resamples=200 if limit else 1000)
    scored, clean = report.metrics["accuracy"], report.clean and report.clean["accuracy"].value
    on_dev = task.metrics(task.score(dev, model.predict(dev)))["accuracy"]
    cell = {"value": scored.value, "low": scored.low, "high": scored.high, "clean": clean, "dev": on_dev}
    return cell | {"share": share, "seconds": seconds, "peak": peak, "learned": len(train)}


def measured_or_refused(asked: dict[str, Any]) -> Cell:
    """What `measured` finds, or why the method is nothing for that base."""
    from tunewheel.models.language.base import LanguageModelError
    from tunewheel.models.methods import MethodError

    try:
        return measured(asked)
    except (MethodError, LanguageModelError) as error:
        base = Path(asked["base"])  # a folder is nobody else's
        return {"refused": str(error).splitlines()[0].replace(str(base.resolve()), base.name)}


def apart(asked: dict[str, Any]) -> Cell:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--cell", json.dumps(asked)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    cell: Cell = json.loads(done.stdout.splitlines()[-1])
    return cell


def groups(options: Namespace) -> Iterator[tuple[str, str, str, list[int]]]:
    """Every set, base and method that is asked for and to be had, and the seeds that make a difference."""
    from tunewheel.models.methods import method_class, method_names
    from tunewheel.tasks import task_class

    there = [name for name in method_names() if not method_class(name).refuses(task_class("classification"))]
    for name in ("BANKING77", *FEWCLUE):
        if options.only and not name.lower().startswith(tuple(only.lower() for only in options.only)):
            continue
        banking = name == "BANKING77"
        if not banking and not options.base:
            continue
        for method in options.methods or (ON_BANKING if banking else there):
            plain = method.partition("@")[0]
            if plain in there and (options.methods or plain not in options.without):
                alike = options.quick or (banking and method in WITHOUT_SEED)
                base = "minilm" if banking else str(options.base)
                yield name, base, method, options.seeds[:1] if alike else options.seeds


def row_of(name: str, base: str, method: str, cells: list[tuple[int, Cell]]) -> str:
    """One line of the table: the mean over the seeds, each seed with its interval, and what it took."""
    mean = {key: statistics.fmean(cell[key] for _, cell in cells) for key in ("value", "dev", "seconds", "peak")}
    each = ", ".join(
        f"{seed}: {100 * cell['value']:.2f} [{100 * cell['low']:.2f}, {100 * cell['high']:.2f}]" for seed, cell in cells
    )
    clean = [cell["clean"] for _, cell in cells if cell["clean"] is not None]
    share = cells[0][1]["share"]
    told = f"{100 * statistics.fmean(clean):.2f}" if len(clean) == len(cells) else "–"
    learn = "–" if share is None else f"{100 * share:.2f} %"
    scores = f"{100 * mean['value']:.2f} | {each} | {told} | {100 * mean['dev']:.2f}"
    cost = f"{mean['seconds']:.0f} s | {mean['peak']:.0f} MiB"
    return f"{name} | {base} | {method} | {cells[0][1]['learned']:,} | {scores} | {learn} | {cost}"


def settings() -> Namespace:
    """What the command line asks for, checked before anything runs."""
    parser = arguments(__doc__ or "", FIGURES / "roads.jsonl")
    parser.add_argument("--base", help="a base for the Chinese sets, which are left out without one")
    parser.add_argument("--only", nargs="+", help="names of sets, or beginnings of them")
    parser.add_argument("--methods", nargs="+", help="names of methods, or NAME@N; the usual ones by default")
    parser.add_argument("--without", nargs="+", default=["qlora"], help="left out where none are named")
    parser.add_argument("--seeds", type=int, nargs="+", default=[FIRST_SEED + i for i in range(3)])
    parser.add_argument("--epochs", type=int, help="of the gradient methods; 10 on BANKING77, else the default")
    parser.add_argument("--cell", help="measure one cell and print it; used by this script itself")
    options = parser.parse_args()
    if not all(FIRST_SEED <= seed < FIRST_SEED + FOLDS for seed in options.seeds):
        parser.error(f"FewCLUE has {FOLDS} folds: seeds go from {FIRST_SEED} to {FIRST_SEED + FOLDS - 1}")
    return options


def main() -> None:
    """Measure what is not known yet, and record a row a set and method."""
    options = settings()
    if options.cell:
        print(json.dumps(measured_or_refused(json.loads(options.cell))))
        return
    planned = list(groups(options))
    if not planned:
        raise SystemExit("nothing to measure: the sets are BANKING77 and, with --base, " + ", ".join(FEWCLUE))
    need(options.data, *(file for name, _, _, seeds in planned for s in seeds for file in files_of(name, s).values()))
    known, result = Cells.of(options), {}
    for name, base, method, seeds in planned:
        epochs = 1 if options.quick else options.epochs or (10 if name == "BANKING77" else None)
        called, cells = (folder_label(Path(base)) if Path(base).is_dir() else base), []
        for seed in seeds:
            asked: dict[str, Any] = {"data": str(options.data), "files": files_of(name, seed), "set": name}
            asked |= {"base": base, "method": method, "seed": seed, "epochs": epochs, "quick": options.quick}
            key = [name, called, method, seed, epochs, options.quick]
            cells.append((seed, known.get(key, partial(apart, asked))))
        if refused := [cell["refused"] for _, cell in cells if "refused" in cell]:
            print(f"without {method} on {name}: {refused[0]}", file=sys.stderr)
            continue
        row = row_of(name, called, method, cells)
        told = {"mean": statistics.fmean(cell["value"] for _, cell in cells)}
        result[f"{name}, {method}"] = told
        new = f"| {row} |" not in RECORD.read_text(encoding="utf-8")
        finish("roads", row, told, record=new and not (options.quick or options.no_record))
    finish("roads", "", {**result, "quick": options.quick}, record=False)


if __name__ == "__main__":
    main()
