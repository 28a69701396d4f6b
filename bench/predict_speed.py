"""Prediction speed: one process, mixed lengths, against the field's pipeline at its default.

The same NER network answers the same texts: CoNLL-2003 testb's sentences, alone and joined by two to eight, one round
of each in turn. ``ours`` is `Model.predict` in fp32, ``bf16`` the same in 16 bits with its change in F1 beside it.
That both give the same probabilities is checked first, to 1e-5.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common import arguments, finish, need
from tunewheel.tasks import Encoder, Prediction, Row, Window
from tunewheel.tasks.ner import Ner

TEXTS = 600


def texts_of(rows: list[dict[str, Any]], count: int) -> list[str]:
    """Mixed lengths: single sentences and neighbours joined."""
    draw, at = random.Random(7), 0
    texts: list[str] = []
    while len(texts) < count and at < len(rows):
        n = draw.choice([1, 1, 1, 2, 4, 8])
        texts.append(" ".join(row["text"] for row in rows[at : at + n]))
        at += n
    return texts


def field_pipeline(model: Any, folder: Path) -> Any:
    """The same weights as the field's own class in its own pipeline; word shapes, which it does not know, left out."""
    from transformers import AutoModelForTokenClassification, pipeline

    theirs = AutoModelForTokenClassification.from_pretrained(
        folder / "base", num_labels=model.network.config.outputs, dtype="float32"
    )
    backbone = {k: v for k, v in model.network.backbone.state_dict().items() if not k.startswith("pooler.")}
    theirs.bert.load_state_dict(backbone)
    theirs.classifier.load_state_dict(model.network.head.state_dict())
    return pipeline("token-classification", model=theirs.eval(), tokenizer=model.encoder.tokenizer, ignore_labels=[])


class Recording(Ner):
    """A task that keeps the network's outputs on their way to `decode`."""

    def __init__(self, types: Sequence[str], **settings: Any) -> None:
        super().__init__(types, **settings)
        self.said: list[tuple[int, npt.NDArray[Any]]] = []

    def decode(
        self, rows: Sequence[Row], encoder: Encoder, windows: Sequence[Window], outputs: Sequence[npt.NDArray[Any]]
    ) -> list[Prediction]:
        """Keep the outputs of one-window rows by row."""
        for window, output in zip(windows, outputs, strict=True):
            self.said.append((window.parts[0].row, output))
        return super().decode(rows, encoder, windows, outputs)


def largest_gap(model: Any, pipe: Any, texts: list[str]) -> float:
    """Largest difference in a piece's best probability between the two, ours answering all texts at once."""
    from tunewheel.models.predictor import Predictor

    recording = Recording.from_config(model.task.config())
    Predictor(model.network, recording, model.encoder)([{"text": text} for text in texts])
    gap = 0.0
    for row, output in recording.said:
        theirs = pipe(texts[row])
        if len(theirs) != len(output):
            continue  # the pipeline cut it, or ours read it in two windows
        x = np.exp(output - output.max(1, keepdims=True))
        best = (x / x.sum(1, keepdims=True)).max(1)
        gap = max(gap, *(abs(float(a["score"]) - float(b)) for a, b in zip(theirs, best, strict=True)))
    return gap


def main() -> None:
    """Train a model for a moment, then time both predictors in turn."""
    parser = arguments(__doc__ or "")
    options = parser.parse_args()
    need(options.data, "conll2003/eng.train", "conll2003/eng.testb")
    from transformers.utils import logging

    from tunewheel.data import Dataset
    from tunewheel.models import Recipe, load_backbone, prepare
    from tunewheel.tasks import task_class

    logging.set_verbosity_error()
    files = {"train": options.data / "conll2003/eng.train", "test": options.data / "conll2003/eng.testb"}
    dataset = Dataset.read(files, format="conll", dev=0, test=0)
    train, test = list(dataset["train"]), list(dataset["test"])
    recipe = Recipe(epochs=1, word_shapes=False, window=512)
    rows = train[: 200 if options.quick else 4000]
    ready = prepare(task_class("ner").from_dataset(dataset), "minilm", rows, recipe)
    texts = texts_of(test, 60 if options.quick else TEXTS)
    with tempfile.TemporaryDirectory() as folder:
        model, _ = ready.train(rows, [], Path(folder) / "run")
        backbone = load_backbone("minilm", [])
        backbone.model.save_pretrained(Path(folder) / "base")
        pipe = field_pipeline(model, Path(folder))
    gap = largest_gap(model, pipe, texts[:60])
    rates: dict[str, list[float]] = {"pipeline": [], "ours": [], "bf16": []}
    calls: dict[str, Callable[[], list[Any]]] = {
        "pipeline": lambda: [pipe(text) for text in texts],
        "ours": lambda: model.predictor("fp32")([{"text": text} for text in texts]),
        "bf16": lambda: model.predictor("bf16")([{"text": text} for text in texts]),
    }
    for _ in range(1 if options.quick else 3):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            rates[name].append(len(texts) / (time.perf_counter() - start))
            print(f"{name:8} {rates[name][-1]:8.1f} texts/s", file=sys.stderr)
    scored = test[:100] if options.quick else test
    scores = {
        p: model.task.metrics(model.task.score(scored, model.predictor(p)(scored)))["f1"] for p in ("fp32", "bf16")
    }
    middle = {name: statistics.median(found) for name, found in rates.items()}
    result = {
        **{name: round(value, 1) for name, value in middle.items()},
        "ratio": round(middle["ours"] / middle["pipeline"], 2),
        "ratio_bf16": round(middle["bf16"] / middle["pipeline"], 2),
        "largest_gap": gap,
        "f1_fp32": round(100 * scores["fp32"], 2),
        "f1_bf16": round(100 * scores["bf16"], 2),
        "quick": options.quick,
    }
    keys = ("pipeline", "ours", "ratio", "ratio_bf16", "largest_gap", "f1_fp32", "f1_bf16")
    row = " | ".join(f"{result[key]:.1e}" if key == "largest_gap" else f"{result[key]:,}" for key in keys)
    finish("predict_speed", row, result, record=not (options.quick or options.no_record))


if __name__ == "__main__":
    main()
