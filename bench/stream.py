"""Learning on: ten batches of fifteen new intents each (CLINC150, without its texts out of scope), one after another.

After each batch every method has learned all intents so far, and is scored on the test rows of each batch, any known
intent being a possible answer. `naive`: the new rows alone. `replay 1 %`, `replay 5 %`: with that share of the rows
before, drawn by chance. `covering 5 %`: with rows chosen for coverage. `ours 5 %`: with the same ones, counting for
those they stand for, as `tunewheel update --replay 0.05` does it. `ours, ranpac`: what that does with a champion by
method ranpac, which needs no row again. `ewc`: weights that mattered are held (Kirkpatrick et al. 2017, online: Schwarz
et al. 2018). `distillation`: the model before is asked about the new rows, and not contradicted (Li & Hoiem 2016).
`lora`: a fresh LoRA a batch, on the new rows. `joint`: all rows so far, from the base, for the last batch alone; the
ceiling. MiniLM, --epochs passes, 1e-4, 512 tokens a batch, no dev rows. Finished cells stand in a JSON Lines file; the
same call goes on where it ended.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from types import MethodType
from typing import TYPE_CHECKING, Any

from common import FIGURES, ROOT, Cell, Cells, arguments, finish, need

if TYPE_CHECKING:
    from tunewheel.models import Model
    from tunewheel.models.methods.base import Adaptation
    from tunewheel.models.network import Network

FILE = "clinc150/data_full.json"
BATCHES = 10
PICTURE = ROOT / "docs" / "stream.svg"
EWC, FISHER = 2000.0, 200
"""Weight of the penalty, and rows that the Fisher is taken on."""
KEPT = 0.05


@dataclass(frozen=True)
class Way:
    """How a method learns a batch: what it rehearses, by which method, and what it adds to the loss."""

    replay: float = 0.0
    chosen: bool = False
    method: str = "full"
    beside: str = ""
    joint: bool = False
    standing: bool = False
    """Whether what is rehearsed counts for the rows it was chosen from."""


WAYS = {
    "naive": Way(),
    "replay 1 %": Way(replay=0.01),
    "replay 5 %": Way(replay=0.05),
    "covering 5 %": Way(replay=KEPT, chosen=True),
    "ours 5 %": Way(replay=KEPT, chosen=True, standing=True),
    "ours, ranpac": Way(method="ranpac"),
    "ewc": Way(beside="ewc"),
    "distillation": Way(beside="distillation"),
    "lora": Way(method="lora"),
    "joint": Way(joint=True),
}


@dataclass(frozen=True)
class Stream:
    """Batches of labels in the order of a seed, with their rows."""

    labels: list[list[str]]
    train: dict[str, list[Any]]
    test: dict[str, list[Any]]

    @classmethod
    def read(cls, data: Path, seed: int, each: int | None, batches: int, on: str) -> Stream:
        found = json.loads((data / FILE).read_text(encoding="utf-8"))
        rows: dict[str, dict[str, list[Any]]] = {"train": {}, on: {}}
        for split, by_label in rows.items():
            for text, label in found[split]:
                by_label.setdefault(label, []).append(
                    {"id": f"{split}-{len(by_label)}-{text}", "text": text, "label": label}
                )
        names = sorted(rows["train"])
        Random(seed).shuffle(names)
        size = len(names) // BATCHES
        cut = [names[i : i + size] for i in range(0, len(names), size)][:batches]
        train = {name: some[:each] for name, some in rows["train"].items()}
        return cls(cut, train, rows[on])

    def rows(self, batch: int) -> list[Any]:
        """What is learned with a batch."""
        return [row for label in self.labels[batch] for row in self.train[label]]


def measured(stream: Stream, way: Way, seed: int, options: Namespace) -> Cell:
    """Learn all batches in turn; the accuracy on each batch after each, and the processor's time."""
    from tunewheel.models import Recipe, prepare
    from tunewheel.tasks.classification import Classification

    recipe = Recipe(epochs=options.epochs, learning_rate=1e-4, batch_tokens=512, seed=seed)
    recipe_of = {"lora": Recipe(epochs=options.epochs, batch_tokens=512, seed=seed), "ranpac": Recipe(seed=seed)}
    model: Model | None = None
    guard: Guard | None = None
    spent, scores = 0.0, list[list[float]]()
    last = len(stream.labels) - 1
    for batch in range(len(stream.labels)):
        if way.joint and batch < last:
            continue
        known = sorted(label for some in stream.labels[: batch + 1] for label in some)
        before = [row for i in range(batch) for row in stream.rows(i)]
        begun = time.process_time()
        rows = stream.rows(batch) + (before if way.joint else rehearsed(before, way, model, seed + batch))
        start = None if way.joint else model
        task, used = Classification(known), recipe_of.get(way.method, recipe)
        if way.standing:
            task = task.standing_for(rows, [*before, *stream.rows(batch)])
        method = "full" if way.method == "lora" and not batch else way.method
        with tempfile.TemporaryDirectory() as folder:
            ready = prepare(task, options.base, rows, used, method=method, start=start)
            if way.beside == "distillation" and model is not None:
                agree(learner(ready), model, known)
            if guard is not None:
                guard.hold(learner(ready))
            model, _ = ready.train(rows, [], Path(folder))
        if way.beside == "ewc":
            guard = (guard or Guard()).learned(model, rows)
        spent += time.process_time() - begun
        scores.append([accuracy(model, stream, i) for i in range(batch + 1)])
        print(f"  batch {batch + 1}: {statistics.fmean(scores[-1]):.4f}", flush=True)
    final, lost, moved = summary(scores) if not way.joint else (statistics.fmean(scores[-1]), None, None)
    return {"final": final, "forgetting": lost, "transfer": moved, "cpu": spent, "scores": scores}


def learner(ready: Adaptation) -> Network:
    """The network that is about to learn."""
    if ready.untrained is None:
        raise ValueError(f"no network learns here: {ready.described()}")
    return ready.untrained.network


def rehearsed(before: Sequence[Any], way: Way, model: Any, seed: int) -> list[Any]:
    """The rows of earlier batches that are learned from again."""
    from tunewheel.data.coverage import covering

    if not before or not way.replay:
        return []
    count = round(way.replay * len(before))
    if not way.chosen:
        return Random(seed).sample(list(before), count)
    return [before[i] for i in covering([row["label"] for row in before], model.vectors(before), count)]


def accuracy(model: Any, stream: Stream, batch: int) -> float:
    """On a batch's test rows, any known intent being a possible answer."""
    rows = [row for label in stream.labels[batch] for row in stream.test[label]]
    said = model.predict(rows)
    return statistics.fmean(one["label"] == row["label"] for one, row in zip(said, rows, strict=True))


def summary(scores: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Final accuracy, forgetting (Chaudhry et al. 2018) and backward transfer (Lopez-Paz & Ranzato 2017).

    >>> summary([[0.9], [0.5, 0.9]])
    (0.7, 0.4, -0.4)
    """
    last = scores[-1]
    early = range(len(last) - 1)
    lost = statistics.fmean(max(row[i] for row in scores[i:-1]) - last[i] for i in early) if early else 0.0
    moved = statistics.fmean(last[i] - scores[i][i] for i in early) if early else 0.0
    return round(statistics.fmean(last), 6), round(lost, 6), round(moved, 6)


def agree(network: Any, teacher: Any, known: Sequence[str], temperature: float = 2.0) -> None:
    """Have a network's loss count where it contradicts a model about the labels that this knows."""
    import torch

    from tunewheel.models.distillation.loss import disagreement

    places = torch.tensor([known.index(label) for label in teacher.task.labels])
    plain, former = network.forward, teacher.network.eval()

    def forward(
        _: Any,
        input_ids: Any,
        attention_mask: Any,
        shape_ids: Any = None,
        labels: Any = None,
        inside: Any = None,
        soft: Any = None,
    ) -> Any:
        told = plain(input_ids, attention_mask, shape_ids, labels, inside, soft)
        if labels is not None:
            with torch.no_grad():
                said = former(input_ids, attention_mask, shape_ids).logits
            told["loss"] = told.loss + disagreement(told.logits[:, places], said, temperature, independent=False).mean()
        return told

    # Bound, since mixed precision wraps what a method calls and binds it anew.
    network.forward = MethodType(forward, network)


class Guard:
    """What held each weight of the body so far: its Fisher information, summed, and where it stood last."""

    def __init__(self) -> None:
        self.fisher: dict[str, Any] = {}
        self.stood: dict[str, Any] = {}

    def learned(self, model: Any, rows: Sequence[Any]) -> Guard:
        """Add the diagonal of the empirical Fisher on some of the rows just learned."""
        import torch

        network, encoder = model.network.eval(), model.encoder
        some = Random(13).sample(list(rows), min(FISHER, len(rows)))
        weights = dict(network.backbone.named_parameters())
        for window in model.task.encode(some, encoder, labelled=True):
            network.zero_grad()
            network(**encoder.collate([window])).loss.backward()
            for name, weight in weights.items():
                if weight.grad is not None:
                    self.fisher[name] = self.fisher.get(name, 0.0) + weight.grad.detach() ** 2 / len(some)
        network.zero_grad()
        self.stood = {name: weight.detach().clone() for name, weight in weights.items()}
        assert all(torch.isfinite(each).all() for each in self.fisher.values())
        return self

    def hold(self, network: Any) -> None:
        """Have a network's loss count how far weights that mattered have moved."""
        plain, weights = network.loss, dict(network.backbone.named_parameters())

        def loss(logits: Any, labels: Any, mask: Any) -> Any:
            moved = sum((held * (weights[name] - self.stood[name]) ** 2).sum() for name, held in self.fisher.items())
            return plain(logits, labels, mask) + EWC / 2 * moved

        network.loss = loss


def picture(curves: dict[str, list[float]]) -> str:
    """The mean accuracy on all batches so far, after each, as SVG."""
    colours = ("#888", "#c9a227", "#c8452e", "#b07aa1", "#2e8b57", "#005f73", "#3b7dd8", "#8a5cc2", "#0a9396", "#222")
    parts, left, top, width, height = [], 50, 20, 420, 260
    for share in range(0, 101, 20):
        y = top + height - height * share / 100
        parts.append(f'<line x1="{left}" y1="{y}" x2="{left + width}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end" fill="#444">{share}</text>')
    for n in range(BATCHES):
        x = left + width * n / (BATCHES - 1)
        parts.append(
            f'<text x="{x:.0f}" y="{top + height + 18}" text-anchor="middle" fill="#444">{15 * (n + 1)}</text>'
        )
    under = f'x="{left + width / 2}" y="{top + height + 36}"'
    parts.append(f'<text {under} text-anchor="middle" fill="#444">intents learned</text>')
    for place, (name, curve) in enumerate(curves.items()):
        first = BATCHES - len(curve)
        at = [(left + width * (first + n) / (BATCHES - 1), top + height * (1 - value)) for n, value in enumerate(curve)]
        colour, y = colours[place % len(colours)], top + 20 + 22 * place
        if len(at) == 1:
            parts.append(f'<circle cx="{at[0][0]:.1f}" cy="{at[0][1]:.1f}" r="4" fill="{colour}"/>')
        else:
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<rect x="{left + width + 24}" y="{y - 9}" width="12" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{left + width + 42}" y="{y}" fill="#222">{name}</text>')
    told = "Accuracy on all intents so far, in percent, by method"
    size = 'viewBox="0 0 620 330" width="620" height="330" font-family="sans-serif" font-size="12"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{told}">'
    ground = '<rect width="100%" height="100%" fill="#fff"/>'
    return "\n".join([head, ground, *parts, "</svg>"]) + "\n"


def row_of(name: str, cells: Sequence[Cell], joint: float | None) -> str:
    """One line of the table: means over the seeds, each seed's final accuracy."""

    def mean(key: str, scale: float = 100.0) -> str:
        values = [cell[key] for cell in cells]
        return "–" if None in values else f"{scale * statistics.fmean(values):.2f}"

    final = statistics.fmean(cell["final"] for cell in cells)
    minutes = statistics.fmean(cell["cpu"] for cell in cells) / 60
    share = f"{final / joint:.1%}" if joint else "–"
    each = ", ".join(f"{100 * cell['final']:.2f}" for cell in cells)
    return f"{name} | {mean('final')} | {each} | {share} | {mean('forgetting')} | {mean('transfer')} | {minutes:.1f}"


def settings() -> Namespace:
    parser = arguments(__doc__ or "", FIGURES / "stream.jsonl")
    parser.add_argument("--base", default="minilm")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[13, 14, 15])
    parser.add_argument("--rows", type=int, help="of each intent's training rows, at most; all by default")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument(
        "--on", choices=("test", "val"), default="test", help="what is scored; val to choose settings by"
    )
    return parser.parse_args()


def main() -> None:
    """Measure what is not known yet, record a row a method, and draw the curves."""
    options = settings()
    need(options.data, FILE)
    if options.quick:
        options.seeds, options.rows, options.epochs = options.seeds[:1], 6, 1
    cells, batches = Cells.of(options), 2 if options.quick else BATCHES
    found: dict[str, list[Cell]] = {name: [] for name in options.ways}
    for seed in options.seeds:
        stream = Stream.read(options.data, seed, options.rows, batches, options.on)
        for name in options.ways:
            key = [name, seed, options.rows, options.epochs, options.base, options.on]
            measure: Callable[[], Cell] = partial(measured, stream, WAYS[name], seed, options)
            found[name].append(cells.get(key, measure))
    joint = statistics.fmean(cell["final"] for cell in found["joint"]) if found.get("joint") else None
    record = not (options.quick or options.no_record) and options.on == "test"
    curves = {}
    for name, some in found.items():
        steps = [[statistics.fmean(step) for step in cell["scores"]] for cell in some]
        curves[name] = [statistics.fmean(values) for values in zip(*steps, strict=True)]
        rows = f"{options.rows or 'all'}, {options.epochs} epochs"
        told = {"way": name, "joint": joint, "cells": [{k: v for k, v in c.items() if k != "scores"} for c in some]}
        finish("stream", f"{rows} | {row_of(name, some, joint)}", told | {"quick": options.quick}, record=record)
    if record:
        PICTURE.write_text(picture(curves), encoding="utf-8")


if __name__ == "__main__":
    main()
