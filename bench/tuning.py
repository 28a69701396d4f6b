"""Tuning: what a search over settings brings, beside the defaults and a random search with the same budget.

Every search gets the same number of trials and the same end (its best three and the defaults under fresh seeds), sees
train and dev, and leaves settings; these train a model, and so do the defaults. Test is scored once, at the end. The
random search draws with Optuna's RandomSampler and, like the other, ends trials that are behind. Of a large train split
2,000 rows are drawn (of Weibo 400), so that a trial takes a minute or two on one core. Every finished cell (data, way,
seed) stands in a JSON Lines file; the same call goes on where it ended, within a search too.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from common import BULK, FIGURES, RECORD, Cell, Cells, arguments, finish, need

Way = Literal["defaults", "random", "tpe"]
WAYS: tuple[Way, ...] = ("defaults", "random", "tpe")
SPLITS = ("train", "dev", "test")
FIRST_SEED = 13


@dataclass(frozen=True)
class Data:
    """Files by split; a dev split that is not named is taken from train. At most ``rows`` of train are learned from."""

    name: str
    metric: str
    files: dict[str, str]
    base: str
    method: str = "full"
    rows: int = 2000


def fold(name: str) -> dict[str, str]:
    """The first fold of a set of FewCLUE."""
    files = ("train_0.json", "dev_0.json", "test_public.json")
    return {split: f"fewclue/{name}/{file}" for split, file in zip(SPLITS, files, strict=True)}


BANKING77 = {"train": "banking77/train.csv", "test": "banking77/test.csv"}
SETS = (
    Data("BANKING77", "accuracy", BANKING77, "minilm", "head"),
    Data("BANKING77", "accuracy", BANKING77, "textcnn"),
    Data("Weibo", "f1", {split: f"weibo_ner/weiboNER_2nd_conll.{split}" for split in SPLITS}, "textcnn", rows=400),
    Data("tnews", "accuracy", fold("tnews"), "zh-mini"),
    Data("eprstmt", "accuracy", fold("eprstmt"), "zh-mini"),
)


def dataset_of(data: Data, options: Namespace) -> Any:
    """The data set, its train cut to its rows; dev and test as they are."""
    from tunewheel.data import Dataset

    whole = Dataset.read({split: options.data / file for split, file in data.files.items()})
    limits = dict.fromkeys(SPLITS, 60) if options.quick else {"train": data.rows}
    rows = {}
    for split in SPLITS:
        rows[split] = list(whole[split])
        random.Random(FIRST_SEED).shuffle(rows[split])
        rows[split] = rows[split][: limits.get(split)]
    return Dataset.from_rows(rows, task=whole.task)


def searched(data: Data, way: Way, seed: int, options: Namespace) -> dict[str, Any]:
    """Keyword arguments of a training by what a search found; a search's study is kept, so it is taken up again."""
    from tunewheel import loop
    from tunewheel.models import Recipe

    recipe = Recipe(epochs=1, window=64, seed=seed) if options.quick else Recipe(seed=seed)
    if way == "defaults":
        return {"base": data.base, "method": data.method, "recipe": recipe, "trials": 0}
    tuned = loop.tune(
        dataset_of(data, options),
        name="bench",
        base=data.base,
        method=data.method,
        trials=options.trials,
        repeats=options.repeats,
        sampler=way,
        recipe=recipe,
        home=options.home,
    )
    return {**tuned.arguments(), "trials": len(tuned.trials), "verdict": tuned.verdict, "dev": tuned.chosen.mean}


def measured(data: Data, way: Way, seed: int, options: Namespace) -> Cell:
    """Search, train by what was found, score test once."""
    from tunewheel.evaluation import evaluate
    from tunewheel.models import prepare
    from tunewheel.models.backbones import FROM_NOTHING
    from tunewheel.tasks import task_class

    start = time.perf_counter()
    found = searched(data, way, seed, options)
    seconds = time.perf_counter() - start
    dataset = dataset_of(data, options)
    of_task = {"class_weights": found.get("class_weights", "none"), "crf": found["base"] in FROM_NOTHING}
    task = task_class(dataset.task).from_dataset(dataset, **of_task)
    train, dev, test = (list(dataset[split]) for split in SPLITS)
    # A seed that neither the search nor its end has used: what was found must hold under another.
    recipe = replace(found["recipe"], seed=seed + 100)
    with tempfile.TemporaryDirectory() as folder:
        ready = prepare(task, found["base"], train, recipe, method=found["method"], options=found.get("options"))
        model, _ = ready.train(train, dev, Path(folder))
    figure = evaluate(model, test, resamples=200 if options.quick else 1000).metrics[data.metric]
    cell = {"value": figure.value, "low": figure.low, "high": figure.high, "seconds": seconds, "rows": len(test)}
    return cell | {key: found.get(key) for key in ("trials", "verdict", "dev")} | {"recipe": str(recipe)}


def planned(options: Namespace) -> Iterator[Data]:
    """The data sets that are asked for."""
    for data in SETS:
        if options.quick and not options.only and data.name != "eprstmt":
            continue
        if not options.only or data.name.lower().startswith(tuple(name.lower() for name in options.only)):
            yield data


def row_of(data: Data, way: str, options: Namespace, cells: dict[int, Cell], plain: dict[int, Cell]) -> str:
    """One line of the table: mean over the seeds, each seed, the difference from the defaults, seconds."""

    def mean(them: dict[int, Cell]) -> float:
        return 100 * statistics.fmean(cell["value"] for cell in them.values())

    each = ", ".join(f"{seed}: {100 * cell['value']:.2f}" for seed, cell in cells.items())
    change = f"{mean(cells) - mean(plain):+.2f}" if plain and way != "defaults" else "–"
    spent = statistics.fmean(cell["seconds"] for cell in cells.values())
    called = f"{way}, {options.trials} trials" if way != "defaults" else way
    road = f"{data.name} {data.metric}, {data.method} on {data.base}"
    return f"{road} | {called} | {mean(cells):.2f} | {each} | {change} | {spent:,.0f} s"


def settings() -> Namespace:
    """What the command line asks for."""
    parser = arguments(__doc__ or "", FIGURES / "tuning.jsonl")
    parser.add_argument("--only", nargs="+", help="names of data sets, or beginnings of them")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[FIRST_SEED + i for i in range(3)])
    parser.add_argument("--trials", type=int, default=20, help="of every search")
    parser.add_argument("--repeats", type=int, default=2, help="fresh seeds at the end of every search")
    parser.add_argument("--home", type=Path, default=BULK / "tuning", help="workspace of the searches")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.trials, options.repeats = options.seeds[:1], 3, 1
    return options


def main() -> None:
    """Measure what is not known yet, and record a row a data set and way."""
    options = settings()
    wanted = list(planned(options))
    if not wanted:
        raise SystemExit(f"--only {' '.join(options.only)}: the data sets are {', '.join(data.name for data in SETS)}")
    need(options.data, *(file for data in wanted for file in data.files.values()))
    known, result = Cells.of(options), {}
    for data in wanted:
        plain: dict[int, Cell] = {}
        for way in options.ways:
            cells = {}
            for seed in options.seeds:
                budget = [] if way == "defaults" else [options.trials, options.repeats]
                key = [data.name, data.base, data.method, way, seed, *budget, options.quick]
                cells[seed] = known.get(key, partial(measured, data, way, seed, options))
            plain = cells if way == "defaults" else plain
            row = row_of(data, way, options, cells, plain)
            told = {"mean": statistics.fmean(cell["value"] for cell in cells.values())}
            result[f"{data.name}, {data.base}, {way}"] = told
            new = f"| {row} |" not in RECORD.read_text(encoding="utf-8")
            finish("tuning", row, told, record=new and not (options.quick or options.no_record))
    finish("tuning", "", {**result, "quick": options.quick}, record=False)


if __name__ == "__main__":
    main()
