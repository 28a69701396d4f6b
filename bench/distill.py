"""Distillation: a small student beside its teacher, in score and in speed on one core.

MiniLM learns CoNLL-2003 (entity F1) and BANKING77 (accuracy) with the settings of bench/quality.py; a BiLSTM with a CRF
over its pieces and a character TextCNN learn from its answers on the train texts, and on --text where a file of raw
text is given. Both are scored on the test split, and timed in turn. Target: 97 % of the teacher's score at 10 times its
speed. Teachers and students stand in a folder, finished cells (data, student, seed, recipe) in a JSON Lines file; the
same call goes on where it ended.
"""

from __future__ import annotations

import statistics
from argparse import Namespace
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from common import BULK, FIGURES, Cell, Cells, arguments, finish, need

SEEDS = (13, 14, 15)


@dataclass(frozen=True)
class Pair:
    """A data set, how the teacher learned it, and its student; ``learned`` is what of its recipe is no default."""

    name: str
    folder: str
    student: Literal["textcnn", "pieces"]
    metric: str
    recipe: dict[str, Any]
    options: dict[str, Any]
    learned: dict[str, Any] = field(default_factory=dict)


PAIRS = (
    Pair(
        *("CoNLL-2003", "conll2003", "pieces", "f1"),
        {"epochs": 5, "learning_rate": 2e-4, "batch_tokens": 512, "freeze_embeddings": True},
        {"context": 160},
        {"epochs": 16, "dropout": 0.3},
    ),
    Pair(
        *("BANKING77", "banking77", "textcnn", "accuracy"),
        {"epochs": 5, "learning_rate": 1e-4, "batch_tokens": 512, "head_first": True},
        {},
    ),
)


def learned_by(pair: Pair, options: Namespace) -> dict[str, Any]:
    """What of the student's recipe is no default."""
    epochs = 1 if options.quick else options.epochs
    return {**pair.learned, **({"epochs": epochs} if epochs else {})}


def measured(pair: Pair, seed: int, options: Namespace) -> Cell:
    """Train the teacher, distil it, time both in turn."""
    import tunewheel as tw
    from tunewheel.data import Dataset
    from tunewheel.evaluation.speed import speeds
    from tunewheel.loop import load
    from tunewheel.models import Recipe

    dataset = Dataset.read(options.data / pair.folder)
    if options.quick:
        parts = {split: list(dataset[split])[:150] for split in ("train", "dev", "test")}
        dataset = Dataset.from_rows(parts, dataset.task)
    recipe = {**pair.recipe, "seed": seed, **({"epochs": 1} if options.quick else {})}
    name = f"{pair.folder}-{seed}"
    tw.train(dataset, name=name, base="minilm", recipe=Recipe(**recipe), home=options.home, **pair.options)
    learned = Recipe(seed=seed, **learned_by(pair, options))
    how = {"temperature": options.temperature, "share": options.share, "recipe": learned, "home": options.home}
    turn = tw.distill(f"{name}@champion", options.text, student=pair.student, **how)
    teacher = load(f"{name}@champion", home=options.home)
    reports = [tw.evaluate(model, dataset["test"], resamples=200) for model in (teacher, turn.model)]
    theirs, mine = (report.metrics[pair.metric].value for report in reports)
    fast = speeds({"teacher": teacher, "student": turn.model}, list(dataset["test"])[:512])
    return {
        **{"teacher": theirs, "value": mine, "share": mine / theirs if theirs else 0.0},
        **{"low": reports[1].metrics[pair.metric].low, "high": reports[1].metrics[pair.metric].high},
        **{"rate": fast["student"].texts, "teacher_rate": fast["teacher"].texts},
        **{"latency": fast["student"].latency, "teacher_latency": fast["teacher"].latency},
        **{"weights": turn.model.parameters, "teacher_weights": teacher.parameters},
    }


def row_of(pair: Pair, cells: list[tuple[int, Cell]], text: Path | None) -> str:
    """One line of the table: medians of speeds, means of scores, each seed with its interval."""

    def mean(name: str) -> float:
        return statistics.fmean(cell[name] for _, cell in cells)

    def middle(name: str) -> float:
        return float(statistics.median(cell[name] for _, cell in cells))

    each = ", ".join(
        f"{seed}: {100 * cell['value']:.2f} [{100 * cell['low']:.2f}, {100 * cell['high']:.2f}]" for seed, cell in cells
    )
    times = statistics.median(cell["rate"] / cell["teacher_rate"] for _, cell in cells)
    size = f"{mean('weights') / 1e6:.1f} M of {mean('teacher_weights') / 1e6:.1f} M"
    raw = f" with {text.name}" if text else ""
    return (
        f"{pair.name} {pair.metric}{raw} | {pair.student} ({size}) | {100 * mean('teacher'):.2f} | "
        f"{100 * mean('value'):.2f} | {each} | {100 * mean('share'):.1f} | "
        f"{middle('rate'):,.0f}, {middle('teacher_rate'):,.0f} | {times:.1f} | "
        f"{middle('latency'):.1f} ms, {middle('teacher_latency'):.1f} ms"
    )


def main() -> None:
    """Measure what is not known yet, and record a row a pair."""
    parser = arguments(__doc__ or "", FIGURES / "distill.jsonl")
    parser.add_argument("--only", nargs="+", choices=[pair.folder for pair in PAIRS])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--text", type=Path, help="raw text that the students learn from too; no test text in it")
    parser.add_argument("--temperature", type=float, default=2.0)
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--epochs", type=int, help="of the students; the default otherwise")
    parser.add_argument("--home", type=Path, default=BULK / "distill", help="folder of teachers and students")
    options = parser.parse_args()
    pairs = [pair for pair in PAIRS if not options.only or pair.folder in options.only]
    need(options.data, *(pair.folder for pair in pairs))
    if options.quick:
        options.home = options.home / "quick"
    known, result = Cells.of(options), {}
    for pair in pairs:
        cells = []
        for seed in options.seeds[:1] if options.quick else options.seeds:
            how = [options.temperature, options.share, learned_by(pair, options), options.text and options.text.name]
            cells.append(
                (seed, known.get([pair.name, pair.student, seed, *how], partial(measured, pair, seed, options)))
            )
        told = {key: statistics.fmean(cell[key] for _, cell in cells) for key in ("teacher", "value", "share")}
        told["times"] = statistics.median(cell["rate"] / cell["teacher_rate"] for _, cell in cells)
        result[pair.name] = told
        record = not (options.quick or options.no_record)
        finish("distill", row_of(pair, cells, options.text), told, record=record)
    finish("distill", "", {**result, "quick": options.quick}, record=False)


if __name__ == "__main__":
    main()
