"""The training engine for language models that write: the other engine's parts around a course's batches and loss."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer

from tunewheel.models.batching import TokenBudget
from tunewheel.models.checkpoints import Keeper, last_checkpoint, remove_cut_off
from tunewheel.models.engine import Progress, Trained, Watch, training_arguments
from tunewheel.models.machine import keep_memory
from tunewheel.models.quiet import quiet
from tunewheel.models.recipe import Recipe
from tunewheel.models.writing.courses import Course

_LEARNED = "learned.safetensors"


def train_writer(
    model: Any,
    course: Course,
    recipe: Recipe,
    folder: Path,
    *,
    progress: Progress | None = None,
    report_to: Sequence[str] = (),
) -> Trained:
    """Train ``model`` in place by a course and leave it with the weights that scored best on dev.

    Resumption and the choice of weights are those of `tunewheel.models.engine.train_network`.
    """
    keep_memory()
    remove_cut_off(folder)
    checkpoint = last_checkpoint(folder)
    trainer = _Engine(model, course, recipe, folder, progress, report_to)
    begun = int(checkpoint.name.split("-")[1]) if checkpoint else 0
    if checkpoint:
        trainer.keeper.resume(checkpoint)
    started = time.perf_counter()
    with quiet():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    seconds = time.perf_counter() - started - trainer.evaluating
    # Under bf16 the field's Trainer leaves a 16-bit forward on the model; what is evaluated must be what is saved.
    trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)
    trainer.keeper.restore()
    if progress:
        progress.stop()
    model.eval()
    dev = {name.removeprefix("eval_"): value for name, value in trainer.keeper.best.items()}
    return Trained(seconds, trainer.tokens, trainer.state.global_step, dev, begun)


class Learned(nn.Module):
    """The weights of a model that learn: all that a checkpoint holds, which beside adapters is little."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._model = [model]  # in a list, so that it is no part of this one

    def state_dict(self, *_: Any, **__: Any) -> dict[str, Tensor]:  # type: ignore[override]
        """Weights by name; those that are tied stand there once."""
        return {name: p.detach() for name, p in self._model[0].named_parameters() if p.requires_grad}

    def load_state_dict(self, state_dict: Mapping[str, Tensor], *_: Any, **__: Any) -> None:
        """Put weights back in place."""
        own = self.state_dict()
        with torch.no_grad():
            for name, value in state_dict.items():
                own[name].copy_(value)


class _Engine(Trainer):
    def __init__(
        self,
        model: Any,
        course: Course,
        recipe: Recipe,
        folder: Path,
        progress: Progress | None,
        report_to: Sequence[str],
    ) -> None:
        self.course, self.recipe = course, recipe
        self.learned = Learned(model)
        self.optimizer: Any = None
        self.control: Any
        self.tokens = 0
        self.evaluating = 0.0
        self.keeper = Keeper(
            self.learned, course.selection, seconds=recipe.checkpoint_seconds, patience=recipe.patience
        )
        super().__init__(
            model=model,
            args=training_arguments(recipe, folder, report_to, has_dev=course.has_dev),
            train_dataset=course.items,
            eval_dataset=[None] if course.has_dev else None,
            data_collator=course.batch,
            callbacks=[Watch(self, progress), self.keeper],
        )
        self.model_accepts_loss_kwargs = False  # the loss is a batch's mean, which accumulation then averages
        self.remove_callback(PrinterCallback)

    def get_train_dataloader(self) -> DataLoader[Any]:
        sampler = TokenBudget(self.course.sizes, self.recipe.batch_tokens or 1024, self.recipe.seed)
        loader: DataLoader[Any] = self.accelerator.prepare(
            DataLoader(self.train_dataset, batch_sampler=sampler, collate_fn=self.data_collator)
        )
        return loader

    def create_optimizer(self, model: nn.Module | None = None) -> Any:
        if self.optimizer is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            options.pop("lr", None)
            learning = [p for p in self.model.parameters() if p.requires_grad]
            groups = [
                {"params": [p for p in learning if p.ndim >= 2], "weight_decay": self.recipe.weight_decay},
                {"params": [p for p in learning if p.ndim < 2], "weight_decay": 0.0},
            ]
            filled = [group for group in groups if group["params"]]
            self.optimizer = kind(filled, lr=self.recipe.learning_rate, **options)
        return self.optimizer

    def training_step(self, model: nn.Module, inputs: dict[str, Any], *rest: Any, **named: Any) -> Tensor:
        self.tokens += int(inputs.pop("tokens"))
        loss: Tensor = super().training_step(model, inputs, *rest, **named)
        return loss

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *_rest: Any, **_named: Any) -> Tensor:
        return self.course.loss(model, inputs)

    def evaluate(self, *_rest: Any, metric_key_prefix: str = "eval", **_named: Any) -> dict[str, float]:
        """Score dev as the course does."""
        started = time.perf_counter()
        named = {f"{metric_key_prefix}_{name}": value for name, value in self.course.scores(self.model).items()}
        self.log(named)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, named)
        self.evaluating += time.perf_counter() - started
        return named

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        assert output_dir is not None
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        save_file({name: p.contiguous() for name, p in self.learned.state_dict().items()}, Path(output_dir) / _LEARNED)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        self.learned.load_state_dict(load_file(Path(resume_from_checkpoint) / _LEARNED))
