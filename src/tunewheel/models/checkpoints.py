"""What a training run keeps: the best weights so far, and checkpoints to take it up from."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import TrainerCallback

from tunewheel.store.files import sync

COMPLETE = "complete"
"""A checkpoint folder without this file was cut off and is not resumed from."""

_BEST, _BEST_SCORE = "best.safetensors", "best.json"


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint in ``folder``."""
    whole = [path.parent for path in folder.glob(f"checkpoint-*/{COMPLETE}")]
    return max(whole, key=lambda path: int(path.name.split("-")[1]), default=None)


def remove_cut_off(folder: Path) -> None:
    """Remove checkpoints that a killed run did not finish: the Trainer, which keeps two, would count them."""
    for path in folder.glob("checkpoint-*"):
        if not (path / COMPLETE).exists():
            shutil.rmtree(path)


class Saver(TrainerCallback):
    """Asks for a checkpoint every ``seconds``, and marks each one whole once all of it is on the disk."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.saved = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask for a checkpoint when it is time; at an epoch's end once that is scored, or the score is lost."""
        if not float(state.epoch or 0.5).is_integer():
            self.ask(state, control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask for the checkpoint that `on_step_end` left."""
        self.ask(state, control)

    def ask(self, state: Any, control: Any) -> None:
        """Ask for a checkpoint if one is due, but not after the last update."""
        if time.monotonic() - self.saved >= self.seconds and state.global_step < state.max_steps:
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Add what belongs to the checkpoint, see all of it onto the disk, and mark it whole."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        self.add(folder)
        for path in [*folder.iterdir(), folder]:
            sync(path)
        (folder / COMPLETE).touch()
        self.saved = time.monotonic()

    def add(self, folder: Path) -> None:
        """Write into the checkpoint what the Trainer does not."""


class Keeper(Saver):
    """Keeps the best weights in memory, stops a run that no longer improves, and asks for checkpoints.

    ``patience`` evaluations without a better score end the run (0: never); a checkpoint is due every ``seconds``.

    A checkpoint of MiniLM takes 270 MB and about a second to reach the disk safely; saving one an epoch, as the
    Trainer does, took most of the time of a run with many short epochs.
    """

    def __init__(self, network: nn.Module, metric: str, *, seconds: float, patience: int) -> None:
        super().__init__(seconds)
        self.network = network
        self.metric = f"eval_{metric}"
        self.patience = patience
        self.stale = 0
        self.best: dict[str, float] = {}
        self.weights: dict[str, Tensor] | None = None

    def resume(self, checkpoint: Path) -> None:
        """Take the best weights so far from ``checkpoint``."""
        if (checkpoint / _BEST_SCORE).exists():
            stored = json.loads((checkpoint / _BEST_SCORE).read_text(encoding="utf-8"))
            self.best, self.stale = stored["best"], stored["stale"]
            self.weights = load_file(checkpoint / _BEST)

    def restore(self) -> None:
        """Put the best weights back into the network."""
        if self.weights is not None:
            self.network.load_state_dict(self.weights)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
        """Keep these weights when no earlier ones scored as high; end the run when none has for long enough."""
        self.stale += 1
        if metrics[self.metric] > self.best.get(self.metric, float("-inf")):
            self.best = dict(metrics)
            self.stale = 0
            self.weights = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        if self.patience and self.stale >= self.patience:
            control.should_training_stop = True

    def add(self, folder: Path) -> None:
        """Write the best weights so far beside the newest."""
        if self.weights is not None:
            save_file(self.weights, folder / _BEST)
            (folder / _BEST_SCORE).write_text(json.dumps({"best": self.best, "stale": self.stale}), encoding="utf-8")
