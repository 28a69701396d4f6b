"""Training speed: MiniLM on CoNLL-2003 train, three loops in turn in one run, in real (unpadded) tokens a second.

padded:  the tutorials' loop: every sentence padded (and cut) to 128 pieces, batches of 16
dynamic: the common default: the field's Trainer, padding to the longest of 16 random sentences
ours:    Tunewheel's engine as `tunewheel train` runs it

Each loop runs for the same number of seconds, in its own process, three times in turn; medians count.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import arguments, finish, need

LOOPS = ("padded", "dynamic", "ours")


def examples(data: Path, count: int) -> tuple[list[dict[str, Any]], Any]:
    """CoNLL-2003 sentences as canonical rows, and their task."""
    from tunewheel.data import Dataset
    from tunewheel.tasks import task_class

    dataset = Dataset.read({"train": data / "conll2003" / "eng.train"}, format="conll", dev=0, test=0)
    rows = [row for _, row in zip(range(count), dataset["train"], strict=False)]
    return rows, task_class("ner").from_dataset(dataset)


class Clock:
    """Stops a Trainer after some seconds and counts the real tokens that went through, warm-up left out."""

    def __init__(self, seconds: float, warm: int = 5) -> None:
        self.seconds, self.warm, self.steps, self.tokens, self.start = seconds, warm, 0, 0, 0.0

    def tick(self, tokens: int) -> bool:
        """Count a step; True when time is up."""
        self.steps += 1
        if self.steps == self.warm:
            self.start = time.perf_counter()
        elif self.steps > self.warm:
            self.tokens += tokens
        return self.steps > self.warm and time.perf_counter() - self.start >= self.seconds

    def rate(self) -> float:
        """Real tokens a second."""
        return self.tokens / (time.perf_counter() - self.start)


def usual(rows: list[dict[str, Any]], task: Any, seconds: float, padded: bool) -> float:
    """A token-classification script as the field writes it, on the same sentences and labels."""
    import torch
    from transformers import (
        AutoModelForTokenClassification,
        DataCollatorForTokenClassification,
        Trainer,
        TrainerCallback,
        TrainingArguments,
        set_seed,
    )
    from transformers.utils import logging

    from tunewheel.models import load_backbone
    from tunewheel.models.encoding import TextEncoder

    logging.set_verbosity_error()
    set_seed(13)
    backbone = load_backbone("minilm", [])
    encoder = TextEncoder(backbone.tokenizer, window=512, shapes=False)
    features = []
    for window in task.encode(rows, encoder, labelled=True):
        ids = encoder.prefix + window.ids + encoder.suffix
        labels = [-100, *window.labels, -100]
        features.append({"input_ids": ids[:128], "attention_mask": [1] * len(ids[:128]), "labels": labels[:128]})
    collate = DataCollatorForTokenClassification(
        backbone.tokenizer, padding="max_length" if padded else True, max_length=128 if padded else None
    )
    model = AutoModelForTokenClassification.from_pretrained(
        backbone.source, num_labels=task.head().outputs, dtype=torch.float32
    )
    clock = Clock(seconds)

    class Stop(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop = clock.tick(Counting.last)

    class Counting(Trainer):
        last = 0

        def training_step(self, model: Any, inputs: Any, *rest: Any) -> Any:
            Counting.last = int(inputs["attention_mask"].sum())
            return super().training_step(model, inputs, *rest)

    with tempfile.TemporaryDirectory() as folder:
        options = TrainingArguments(
            folder,
            per_device_train_batch_size=16,
            num_train_epochs=50,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            logging_strategy="no",
            dataloader_pin_memory=False,
        )
        Counting(model, options, train_dataset=features, data_collator=collate, callbacks=[Stop()]).train()
    return clock.rate()


def ours(rows: list[dict[str, Any]], task: Any, seconds: float) -> float:
    """The engine, stopped after the same time."""
    from tunewheel.models import Recipe, prepare

    clock = Clock(seconds)

    class TimeIsUp(Exception):
        pass

    class Watch:
        seen = 0

        def start(self, total: int, done: int) -> None: ...

        def step(self, done: int, loss: float | None, tokens: int, seconds: float) -> None:
            if clock.tick(tokens - self.seen):
                raise TimeIsUp
            self.seen = tokens

        def evaluated(self, epoch: float, metrics: dict[str, float]) -> None: ...

        def stop(self) -> None: ...

    ready = prepare(task, "minilm", rows, Recipe(epochs=50))
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(TimeIsUp):
        ready.train(rows, [], Path(folder), progress=Watch())
    return clock.rate()


def measure(loop: str, data: Path, count: int, seconds: float) -> float:
    """One loop in a process of its own."""
    command = [sys.executable, __file__, "--data", str(data), "--loop", loop, str(count), str(seconds)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(json.loads(out.strip().splitlines()[-1]))


def main() -> None:
    """Run the loops in turn and record the ratios."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--loop", nargs=3, metavar=("LOOP", "ROWS", "SECONDS"), help="run one loop only")
    options = parser.parse_args()
    need(options.data, "conll2003/eng.train")
    if options.loop:
        loop, count, seconds = options.loop[0], int(options.loop[1]), float(options.loop[2])
        rows, task = examples(options.data, count)
        print(ours(rows, task, seconds) if loop == "ours" else usual(rows, task, seconds, loop == "padded"))
        return
    rounds, count, seconds = (1, 1500, 5.0) if options.quick else (3, 14041, 40.0)
    rates: dict[str, list[float]] = {loop: [] for loop in LOOPS}
    for _ in range(rounds):
        for loop in LOOPS:
            rates[loop].append(measure(loop, options.data, count, seconds))
            print(f"{loop:8} {rates[loop][-1]:8.0f} tok/s", file=sys.stderr)
    middle = {loop: statistics.median(found) for loop, found in rates.items()}
    result = {
        **{loop: round(value, 1) for loop, value in middle.items()},
        "ratio_padded": round(middle["ours"] / middle["padded"], 2),
        "ratio_dynamic": round(middle["ours"] / middle["dynamic"], 2),
        "runs": {loop: [round(value, 1) for value in found] for loop, found in rates.items()},
        "quick": options.quick,
    }
    row = " | ".join(f"{result[key]:,}" for key in ("padded", "dynamic", "ours", "ratio_padded", "ratio_dynamic"))
    finish("train_speed", row, result, record=not (options.quick or options.no_record))


if __name__ == "__main__":
    main()
