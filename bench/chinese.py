"""Chinese bases: entity F1 and accuracy on Chinese tasks, each base with the defaults, on the same rows.

Beside the base that --base names stand its architecture with random weights under the same settings (what pretraining
brought), the bases that learn from nothing (with a CRF for entities), and for texts a linear model over the TF-IDF of
character n-grams, its strength chosen on dev. CLUENER's test rows carry no labels: its dev split is the test here, and
dev is taken from train. FewCLUE trains on one fold of its few rows and is scored on test_public; a seed's fold is the
seed less 13. Every finished cell (data, base, seed) stands in a JSON Lines file; the same call goes on where it ended.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from common import FIGURES, RECORD, Cell, Cells, arguments, finish, folder_label, need

BASES = ("pretrained", "random", "bilstm", "textcnn", "linear")
FIRST_SEED = 13
FOLDS = 5


@dataclass(frozen=True)
class Data:
    """Files by split, ``{fold}`` standing for the seed's; a dev split that is not named is taken from train."""

    name: str
    metric: str
    files: dict[str, str]

    @property
    def folded(self) -> bool:
        return "{fold}" in self.files["train"]

    def paths(self, seed: int) -> dict[str, str]:
        return {split: file.format(fold=seed - FIRST_SEED) for split, file in self.files.items()}


SPLITS = ("train", "dev", "test")
FEWCLUE = {"train": "train_{fold}.json", "dev": "dev_{fold}.json", "test": "test_public.json"}
SETS = (
    Data("Resume", "f1", {split: f"resume_ner/{split}.char.bmes" for split in SPLITS}),
    Data("Weibo", "f1", {split: f"weibo_ner/weiboNER_2nd_conll.{split}" for split in SPLITS}),
    Data("CLUENER", "f1", {"train": "cluener/train.json", "test": "cluener/dev.json"}),
    Data("ChnSentiCorp", "accuracy", {split: f"chnsenticorp/{split}.tsv" for split in SPLITS}),
    *(
        Data(task, "accuracy", {split: f"fewclue/{task}/{file}" for split, file in FEWCLUE.items()})
        for task in ("tnews", "eprstmt", "bustm")
    ),
)


@cache
def dataset_of(folder: Path, *files: tuple[str, str]) -> Any:
    """The data set of these splits' files; the same for every base."""
    from tunewheel.data import Dataset

    return Dataset.read({split: folder / file for split, file in files})


def measured(data: Data, base: str, seed: int, options: Namespace) -> Cell:
    """Train ``base`` on ``data`` and score the test split, all of it and its clean part."""
    from tunewheel.evaluation import evaluate
    from tunewheel.models.backbones import FROM_NOTHING
    from tunewheel.tasks import task_class

    limit = 150 if options.quick else None
    dataset = dataset_of(options.data, *data.paths(seed).items())
    task = task_class(dataset.task).from_dataset(dataset, crf=base in FROM_NOTHING)
    train, dev, test = (list(dataset[split])[:limit] for split in SPLITS)
    start = time.perf_counter()
    model, on_dev = (linear if base == "linear" else network)(task, base, train, dev, seed, options)
    seconds = time.perf_counter() - start
    seen = dataset.overlap("train", "test")[:limit]
    report = evaluate(model, test, seen=seen, resamples=200 if options.quick else 1000)
    scored = report.metrics[data.metric]
    clean = report.clean and report.clean[data.metric].value
    cell = {"value": scored.value, "low": scored.low, "high": scored.high, "clean": clean}
    cell |= {"dev": on_dev[data.metric], "rows": report.rows, "seen": report.seen_rows, "seconds": seconds}
    return cell | {"parameters": getattr(model, "parameters", None)}


def network(
    task: Any, base: str, train: list[Any], dev: list[Any], seed: int, options: Namespace
) -> tuple[Any, dict[str, float]]:
    """A base adapted by the engine, with its scores on dev."""
    from tunewheel.models import Recipe, prepare

    recipe = Recipe(epochs=1, window=64, seed=seed) if options.quick else Recipe(epochs=options.epochs, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        if base == "random":
            base = random_weights(options.base, Path(folder) / "base", seed)
        elif base == "pretrained":
            base = str(options.base)
        model, told = prepare(task, base, train, recipe).train(train, dev, Path(folder) / "run")
    assert told is not None, "the engine says how its updates went"
    return model, told.dev


def linear(
    task: Any, _base: str, train: list[Any], dev: list[Any], _seed: int, _options: Namespace
) -> tuple[Any, dict[str, float]]:
    """The linear model, which draws nothing where there is a dev split, with its scores on it."""
    from tunewheel.models import Recipe, prepare

    model, _ = prepare(task, "none", train, Recipe(), method="tfidf").train(train, dev, Path())
    return model, dict(model.origin.dev)


def random_weights(base: Path, folder: Path, seed: int) -> str:
    """A folder with the base's architecture and tokenizer and weights drawn under ``seed``."""
    from transformers import AutoModel, set_seed

    from tunewheel.models import load_backbone

    found = load_backbone(str(base), ())
    set_seed(seed)
    AutoModel.from_config(found.model.config).save_pretrained(folder)
    found.tokenizer.save_pretrained(folder)
    return str(folder)


def label_of(base: str, folder: Path | None) -> str:
    """What a base is called in rows and cells: a folder by its name and the beginning of its weights' sha256.

    Random weights have the architecture alone of it, which goes by its configuration's.
    """
    if folder is None or base not in ("pretrained", "random"):
        return "TF-IDF, linear" if base == "linear" else base
    if base == "pretrained":
        return folder_label(folder)
    return f"{folder_label(folder, 'config.json')}, random weights"


def groups(options: Namespace) -> Iterator[tuple[Data, str, list[int]]]:
    """Every data set with every base that is asked for and fits, and the seeds that make a difference."""
    wanted = tuple(name.lower() for name in options.only or ())
    for data in SETS:
        if options.quick and data.name not in ("Weibo", "eprstmt"):
            continue
        if wanted and not data.name.lower().startswith(wanted):
            continue
        for base in options.bases:
            if base == "linear" and data.metric == "f1":
                continue
            alike = options.quick or (base == "linear" and not data.folded)
            yield data, base, options.seeds[:1] if alike else options.seeds


def row_of(data: Data, label: str, epochs: int | None, cells: list[tuple[int, Cell]]) -> str:
    """One line of the table: the mean over the seeds, each seed with its interval, clean part, dev, training."""

    def mean(name: str) -> float:
        return statistics.fmean(cell[name] for _, cell in cells)

    first = cells[0][1]
    shown = f" ({first['parameters'] / 1e6:.1f} M)" if first["parameters"] else ""
    shown += f", {epochs} epochs" if epochs else ""
    each = ", ".join(
        f"{seed}: {100 * cell['value']:.2f} [{100 * cell['low']:.2f}, {100 * cell['high']:.2f}]" for seed, cell in cells
    )
    clean = "–"
    if all(cell["clean"] is not None for _, cell in cells):
        clean = f"{100 * mean('clean'):.2f} ({first['rows'] - first['seen']:,})"
    scores = f"{100 * mean('value'):.2f} | {each} | {clean} | {100 * mean('dev'):.2f}"
    return f"{data.name} {data.metric} | {label}{shown} | {scores} | {mean('seconds'):.0f} s"


def settings() -> Namespace:
    """What the command line asks for, checked before anything runs."""
    parser = arguments(__doc__ or "", FIGURES / "chinese.jsonl")
    parser.add_argument("--base", type=Path, help="folder of a pretrained base, with model.safetensors")
    parser.add_argument("--bases", nargs="+", choices=BASES, help="all that can be had by default")
    parser.add_argument("--only", nargs="+", help="names of data sets, or beginnings of them")
    parser.add_argument("--seeds", type=int, nargs="+", default=[FIRST_SEED + i for i in range(3)])
    parser.add_argument("--epochs", type=int, help="for every network; the defaults otherwise")
    options = parser.parse_args()
    need_base = {"pretrained", "random"}
    options.bases = options.bases or [base for base in BASES if options.base or base not in need_base]
    if not options.base and need_base.intersection(options.bases):
        parser.error("the bases 'pretrained' and 'random' need a folder: --base FOLDER")
    if options.base:
        need(options.base, "config.json", "model.safetensors")
    if not all(FIRST_SEED <= seed < FIRST_SEED + FOLDS for seed in options.seeds):
        parser.error(f"FewCLUE has {FOLDS} folds: seeds go from {FIRST_SEED} to {FIRST_SEED + FOLDS - 1}")
    return options


def main() -> None:
    """Measure what is not known yet, and record a row a data set and base."""
    options = settings()
    planned = list(groups(options))
    if not planned:
        raise SystemExit(f"--only {' '.join(options.only)}: the data sets are {', '.join(data.name for data in SETS)}")
    need(options.data, *(file for data, _, seeds in planned for seed in seeds for file in data.paths(seed).values()))
    known, result = Cells.of(options), {}
    for data, base, seeds in planned:
        label = label_of(base, options.base)
        epochs = None if base == "linear" else options.epochs
        cells = []
        for seed in seeds:
            key = [data.name, label, seed, epochs, options.quick]
            cells.append((seed, known.get(key, partial(measured, data, base, seed, options))))
        row = row_of(data, label, epochs, cells)
        told = {"mean": statistics.fmean(cell["value"] for _, cell in cells)}
        result[f"{data.name}, {label}"] = told
        new = f"| {row} |" not in RECORD.read_text(encoding="utf-8")
        finish("chinese", row, told, record=new and not (options.quick or options.no_record))
    finish("chinese", "", {**result, "quick": options.quick}, record=False)


if __name__ == "__main__":
    main()
