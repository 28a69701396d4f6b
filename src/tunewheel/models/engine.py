"""The one training engine: the field's Trainer, with our batches, optimizer groups and checkpoints."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from tunewheel.models.acceleration import fuse_projections, plain_products, set_dropout
from tunewheel.models.batching import TokenBudget
from tunewheel.models.checkpoints import Keeper, last_checkpoint, remove_cut_off
from tunewheel.models.encoding import TextEncoder
from tunewheel.models.machine import keep_memory
from tunewheel.models.network import Network
from tunewheel.models.neural import Neural
from tunewheel.models.probe import Probe
from tunewheel.models.quiet import quiet
from tunewheel.models.recipe import Recipe
from tunewheel.tasks import IGNORED, Row, Task, TaskError, Window

if TYPE_CHECKING:
    from tunewheel.models.private.accounting import Plan


class Progress(Protocol):
    """What a caller may watch of a training run."""

    def start(self, total: int, done: int) -> None:
        """``total`` updates lie ahead, ``done`` of them made in an earlier try."""

    def step(self, done: int, loss: float | None, tokens: int, seconds: float) -> None:
        """``done`` updates are made; ``tokens`` (padding left out) went through in ``seconds``."""

    def evaluated(self, epoch: float, metrics: dict[str, float]) -> None:
        """The dev split was scored."""

    def stop(self) -> None:
        """The run is over."""


@dataclass(frozen=True)
class Trained:
    """What came of a run: seconds and real tokens of this process, the dev metrics of the weights kept."""

    seconds: float
    tokens: int
    updates: int
    dev: dict[str, float]
    resumed_from: int

    @property
    def tokens_per_second(self) -> float:
        """Real tokens, padding left out."""
        return self.tokens / self.seconds if self.seconds else 0.0


def train_network(
    network: Network,
    task: Task,
    encoder: TextEncoder,
    train: Sequence[Row],
    dev: Sequence[Row],
    recipe: Recipe,
    folder: Path,
    *,
    unlabelled: Sequence[Row] = (),
    windows: Sequence[Window] | None = None,
    progress: Progress | None = None,
    report_to: Sequence[str] = (),
    body: Neural | None = None,
    private: tuple[Plan, Sequence[int]] | None = None,
) -> Trained:
    """Train ``network`` in place on ``train`` and leave it with the weights that scored best on ``dev``.

    ``windows`` are what is learned from where that is more than the labelled rows of ``train``.

    ``recipe`` must be resolved. Checkpoints go to ``folder``; a run found there is taken up from its last whole
    checkpoint and ends, on a processor, with the very weights of a run that was never stopped. Without dev rows the
    last weights are kept. ``unlabelled`` texts stand among the others with `IGNORED` as their label, for networks whose
    loss has a use for them. ``body`` says how the network reads and answers where that is not the task's own way.
    ``private`` is what is promised of the rows' units, and the unit of each row (`tunewheel.models.private`).
    """
    keep_memory()
    body = body or Neural(network, encoder)
    beside = [replace(window, labels=IGNORED) for window in task.encode(unlabelled, encoder)]
    learned = body.windows(task, train) if windows is None else windows
    windows = [window for window in [*learned, *beside] if encoder.size(window)]
    if not windows:
        raise TaskError("the train split holds no text to learn from")
    network.label_smoothing = recipe.label_smoothing
    set_dropout(network, recipe.dropout, recipe.attention_dropout)
    on_processor = not torch.cuda.is_available()
    # A joined product passes the layers by whose gradients are gathered unit by unit.
    fused = private is None and fuse_projections(network)
    plain = on_processor and not fused and recipe.precision == "bf16"
    if recipe.freeze_embeddings:
        network.get_input_embeddings().requires_grad_(False)
    remove_cut_off(folder)
    checkpoint = last_checkpoint(folder)
    if recipe.head_first and checkpoint is None:
        if network.config.level != "sequence":
            raise TaskError(f"head_first is for a head on whole texts, and for {task.name} there is none; leave it off")
        Probe(network, encoder, windows).fit()
    trainer = _engine(private, folder)(body, task, windows, list(dev), recipe, folder, progress, report_to)
    begun = int(checkpoint.name.split("-")[1]) if checkpoint else 0
    if checkpoint:
        trainer.keeper.resume(checkpoint)
    started = time.perf_counter()
    with quiet(), plain_products(network) if plain else nullcontext():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    seconds = time.perf_counter() - started - trainer.evaluating
    # Under bf16 the field's Trainer leaves a 16-bit forward on the network; what is evaluated must be what is saved.
    trainer.accelerator.unwrap_model(network, keep_fp32_wrapper=False)
    trainer.keeper.restore()
    if progress:
        progress.stop()
    network.eval()
    dev_scores = {name.removeprefix("eval_"): value for name, value in trainer.keeper.best.items()}
    return Trained(seconds, trainer.tokens, trainer.state.global_step, dev_scores, begun)


def _engine(private: tuple[Plan, Sequence[int]] | None, folder: Path) -> Callable[..., Engine]:
    """What makes the engine: the plain one, or the private one with what its run began with."""
    if private is None:
        return Engine
    from tunewheel.models.private.accounting import kept
    from tunewheel.models.private.engine import PrivateEngine

    plan, units = private
    return partial(PrivateEngine, *kept(plan, folder), units)


class Engine(Trainer):
    """The field's Trainer with our batches, groups of weights and evaluation."""

    def __init__(
        self,
        body: Neural,
        task: Task,
        windows: list[Window],
        dev: list[Row],
        recipe: Recipe,
        folder: Path,
        progress: Progress | None,
        report_to: Sequence[str],
    ) -> None:
        network, encoder = body.network, body.encoder
        self.recipe = recipe
        self.encoder = encoder
        self.windows = windows
        self.dev_rows = dev
        self.task = task
        self.predictor = body.answers(task, "bf16" if recipe.precision == "bf16" else "fp32")
        self.optimizer: Any = None
        self.control: Any
        self.tokens = 0
        self.evaluating = 0.0
        self.keeper = Keeper(network, task.selection, seconds=recipe.checkpoint_seconds, patience=recipe.patience)
        callbacks: list[TrainerCallback] = [Watch(self, progress), self.keeper]
        super().__init__(
            model=network,
            args=training_arguments(recipe, folder, report_to, has_dev=bool(dev)),
            train_dataset=windows,
            eval_dataset=dev or None,
            data_collator=encoder.collate,
            callbacks=callbacks,
        )
        self.remove_callback(PrinterCallback)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Batches of like length, filled to the token budget."""
        lengths = [self.encoder.size(window) for window in self.windows]
        sampler = TokenBudget(lengths, self.recipe.batch_tokens or 1024, self.recipe.seed)
        loader: DataLoader[Any] = self.accelerator.prepare(
            DataLoader(self.train_dataset, batch_sampler=sampler, collate_fn=self.data_collator)
        )
        return loader

    def create_optimizer(self, model: nn.Module | None = None) -> Any:
        """The recipe's, over `parameter_groups`."""
        if self.optimizer is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            options.pop("lr", None)
            self.optimizer = kind(parameter_groups(self.model, self.recipe), lr=self.recipe.learning_rate, **options)
        return self.optimizer

    def training_step(self, model: nn.Module, inputs: dict[str, Any], *rest: Any, **named: Any) -> torch.Tensor:
        """Leave a batch's gradient on the weights, and count its tokens."""
        self.tokens += int(inputs["attention_mask"].sum())
        loss: torch.Tensor = super().training_step(model, inputs, *rest, **named)
        return loss

    def evaluate(self, *_rest: Any, metric_key_prefix: str = "eval", **_named: Any) -> dict[str, float]:
        """Score the dev split as `predict` would answer it."""
        started = time.perf_counter()
        predictions = self.predictor(self.dev_rows)
        metrics = self.task.metrics(self.task.score(self.dev_rows, predictions))
        named = {f"{metric_key_prefix}_{name}": value for name, value in metrics.items()}
        self.log(named)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, named)
        self.evaluating += time.perf_counter() - started
        return named

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        assert output_dir is not None
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        self.model.save_pretrained(output_dir)


def parameter_groups(network: Network, recipe: Recipe) -> list[dict[str, Any]]:
    """Group trainable weights by learning rate and decay.

    Biases, norms, an adapter's scales (they start at one) and the shape table do not decay (Loshchilov & Hutter 2019
    leave the choice; BERT's does so); with ``layer_decay`` a layer learns by that factor slower than the one above it,
    the embeddings slowest.
    """
    rate = recipe.learning_rate or 0.0
    numbered = [int(m.group(1)) for name, _ in network.named_parameters() if (m := _LAYER.search(name))]
    depth = max(numbered, default=-1) + 1
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        factor, decay = 1.0, recipe.weight_decay
        if parameter.ndim < 2 or ".ia3_" in name:
            decay = 0.0
        if name.startswith("shapes."):
            factor, decay = recipe.shape_rate, 0.0
        elif name.startswith("crf."):
            decay = 0.0
        elif layer := _LAYER.search(name):
            factor = recipe.layer_decay ** (depth - int(layer.group(1)))
        elif name.startswith("backbone."):
            factor = recipe.layer_decay ** (depth + 1)
        groups.setdefault((rate * factor, decay), []).append(parameter)
    return [{"params": members, "lr": lr, "weight_decay": decay} for (lr, decay), members in groups.items()]


_LAYER = re.compile(r"^backbone\..*?\blayers?\.(\d+)\.")


def training_arguments(recipe: Recipe, folder: Path, report_to: Sequence[str], *, has_dev: bool) -> TrainingArguments:
    """A resolved recipe as the field's Trainer takes it; batches, weights and checkpoints are the engine's own."""
    when = "no" if not has_dev else "steps" if recipe.eval_steps else "epoch"
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=recipe.epochs or 1,
        learning_rate=recipe.learning_rate or 0.0,
        optim={"adamw": "adamw_torch_fused", "sgd": "sgd", "adafactor": "adafactor"}[recipe.optimizer],
        lr_scheduler_type=recipe.schedule,
        warmup_steps=recipe.warmup,
        max_grad_norm=recipe.max_grad_norm,
        gradient_accumulation_steps=recipe.accumulation,
        bf16=recipe.precision == "bf16",
        seed=recipe.seed,
        eval_strategy=when,
        eval_steps=recipe.eval_steps,
        save_strategy="no",  # `Keeper` asks for them
        save_total_limit=2,
        logging_steps=10,
        disable_tqdm=True,
        report_to=list(report_to) or "none",
        dataloader_pin_memory=torch.cuda.is_available(),
        remove_unused_columns=False,
        use_cpu=not torch.cuda.is_available(),
    )


class Watched(Protocol):
    """A run that can be watched: the ``tokens`` of this process, and the seconds that went into ``evaluating``."""

    evaluating: float

    @property
    def tokens(self) -> int: ...  # noqa: D102


class Watch(TrainerCallback):
    """Tells the caller's progress display."""

    def __init__(self, engine: Watched, progress: Progress | None) -> None:
        self.engine = engine
        self.progress = progress
        self.loss: float | None = None
        self.started = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Show how much lies ahead."""
        self.started = time.perf_counter()
        if self.progress:
            self.progress.start(state.max_steps, state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Keep the newest loss."""
        self.loss = (logs or {}).get("loss", self.loss)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Show an update."""
        if self.progress:
            seconds = time.perf_counter() - self.started - self.engine.evaluating
            self.progress.step(state.global_step, self.loss, self.engine.tokens, seconds)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
        """Show a score."""
        if self.progress and metrics:
            named = {k.removeprefix("eval_"): v for k, v in metrics.items() if k.startswith("eval_")}
            self.progress.evaluated(self.moment(state), named)

    def moment(self, state: Any) -> float:
        """When an evaluation was made: its epoch."""
        return float(state.epoch or 0)
