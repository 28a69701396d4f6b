"""The pretraining run: the field's Trainer over batches that follow from their number alone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler
from transformers import PrinterCallback, Trainer, TrainingArguments

from tunewheel.models.acceleration import fuse_projections, plain_products, set_dropout
from tunewheel.models.checkpoints import Saver, last_checkpoint, remove_cut_off
from tunewheel.models.engine import Progress, Watch
from tunewheel.models.machine import keep_memory
from tunewheel.models.pretraining.compiling import compiled, is_worth, uncompiled
from tunewheel.models.pretraining.masking import chosen, generator, masked, order
from tunewheel.models.pretraining.optimizer import make_optimizer
from tunewheel.models.pretraining.recipe import PretrainRecipe
from tunewheel.models.pretraining.shards import Flags, Shards, Tokens

_HELD = 64
"""Held-out sequences that are looked at."""


@dataclass(frozen=True)
class Pretrained:
    """What came of a run: real seconds and tokens of this process, the last held-out losses, and their course."""

    seconds: float
    tokens: int
    updates: int
    resumed_from: int
    held: dict[str, float]
    course: list[dict[str, float]]

    @property
    def tokens_per_second(self) -> float:
        """Tokens a second of this process's training."""
        return self.tokens / self.seconds if self.seconds else 0.0


class Batches(Dataset[dict[str, Tensor]]):
    """Batch ``step`` of a run: sequences packed without gaps, in an order and under masks of their own each epoch."""

    def __init__(self, shards: Shards, tokenizer: Any, recipe: PretrainRecipe) -> None:
        self.shards, self.recipe = shards, recipe
        self.first, self.mask = tokenizer.cls_token_id, tokenizer.mask_token_id
        self.separator, self.vocabulary = tokenizer.sep_token_id, len(tokenizer)
        self.specials = len(tokenizer.all_special_ids)
        self._order: tuple[int, Any] = (-1, None)

    def __len__(self) -> int:
        return self.recipe.steps

    def __getitem__(self, step: int) -> dict[str, Tensor]:
        rng = generator(self.recipe.seed, step)
        count, batch = self.shards.sequences(self.recipe.length), self.recipe.batch
        epoch, at = divmod(step, count // batch)
        if self._order[0] != epoch:
            self._order = (epoch, order(count, epoch, self.recipe.seed))
        places = self._order[1][at * batch : (at + 1) * batch]
        # Sequences begin elsewhere in every epoch, so that no token always stands beside a cut.
        shift = (epoch * 9973) % self.recipe.length
        return self.inputs(*self.shards.rows(places, self.recipe.length, shift), rng)

    def inputs(self, ids: Tokens, begins: Flags, rng: Any) -> dict[str, Tensor]:
        """Inputs and labels of the sequences ``ids`` [batch, length], masked as the objective has it."""
        if self.recipe.objective == "clm":
            return {"input_ids": torch.from_numpy(ids.astype("int64"))}
        ids = ids.copy()
        ids[:, 0] = self.first
        free = (ids != self.separator) & (ids != self.first)
        picked = chosen(begins, free, self.recipe.masked, rng)
        keep = self.recipe.objective == "mlm"
        inputs, labels = masked(ids, picked, self.mask, self.vocabulary, self.specials, rng, keep=keep)
        drawn = torch.tensor(int(rng.integers(1 << 62)))
        return {"input_ids": torch.from_numpy(inputs), "labels": torch.from_numpy(labels), "seed": drawn}

    def held(self) -> Iterator[dict[str, Tensor]]:
        """Held-out batches, under the same masks every time."""
        ids, begins = self.shards.held_rows(self.recipe.length, _HELD)
        for start in range(0, len(ids), self.recipe.batch):
            part = slice(start, start + self.recipe.batch)
            yield self.inputs(ids[part], begins[part], generator(self.recipe.seed, -1 - start + (1 << 40)))


def check_enough(shards: Shards, recipe: PretrainRecipe) -> None:
    """Raise ValueError where the text does not fill one batch."""
    if shards.sequences(recipe.length) < recipe.batch:
        raise ValueError(
            f"{len(shards.train):,} tokens of text: fewer than one batch of {recipe.batch} sequences of "
            f"{recipe.length} tokens; give more text or set a smaller batch_tokens"
        )


class _From(Sampler[int]):
    """The batches from one on; it has the length of all, or the Trainer would count epochs."""

    def __init__(self, steps: int, begun: int) -> None:
        self.steps, self.begun = steps, begun

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.begun, self.steps))

    def __len__(self) -> int:
        return self.steps


def pretrain_network(
    network: nn.Module,
    batches: Batches,
    recipe: PretrainRecipe,
    folder: Path,
    *,
    progress: Progress | None = None,
    tell: Callable[[str, str], None] = lambda heading, line: None,
) -> Pretrained:
    """Train ``network`` in place; checkpoints in ``folder`` take a killed run up at the very batch it stood at."""
    keep_memory()
    set_dropout(network, 0.0, 0.0)  # less than a few passes over a text leave nothing to forget
    plain = not torch.cuda.is_available() and not fuse_projections(network)
    remove_cut_off(folder)
    checkpoint = last_checkpoint(folder)
    begun = int(checkpoint.name.split("-")[1]) if checkpoint else 0
    engine = _Engine(network, batches, recipe, folder, begun, progress)
    with ExitStack() as stack:
        if plain:
            stack.enter_context(plain_products(network))
        if is_worth(network, recipe):
            stack.enter_context(compiled(network, batches[begun], recipe.precision, tell))
        started = time.perf_counter()
        engine.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        seconds = time.perf_counter() - started - engine.evaluating
    engine.accelerator.unwrap_model(network, keep_fp32_wrapper=False)
    if progress:
        progress.stop()
    network.eval()
    held = look(network, batches, recipe)
    tokens = (recipe.steps - begun) * recipe.batch * recipe.length
    course = [entry for entry in engine.state.log_history if "held_words" in entry]
    return Pretrained(seconds, tokens, recipe.steps, begun, held, course)


def look(network: nn.Module, batches: Batches, recipe: PretrainRecipe) -> dict[str, float]:
    """Losses on held-out text and their perplexity (of the masked words, for an encoder); empty where there is none."""
    network.eval()
    sums: dict[str, list[float]] = {}
    device = next(network.parameters()).device
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16")
    with torch.no_grad(), autocast, uncompiled():
        for batch in batches.held():
            losses = network(**{name: value.to(device) for name, value in batch.items()})
            for name, value in losses.items():
                sums.setdefault(name, []).append(float(value))
    held = {name: sum(values) / len(values) for name, values in sums.items()}
    return {**held, "perplexity": math.exp(min(held["words"], 50.0))} if held else {}


class _Engine(Trainer):
    def __init__(
        self,
        network: nn.Module,
        batches: Batches,
        recipe: PretrainRecipe,
        folder: Path,
        begun: int,
        progress: Progress | None,
    ) -> None:
        self.batches, self.recipe, self.begun = batches, recipe, begun
        self.evaluating = 0.0
        self.optimizer: Any = None
        self.control: Any
        self.lr_scheduler: Any = None
        super().__init__(
            model=network,
            args=_arguments(recipe, folder),
            train_dataset=batches,
            eval_dataset=batches,
            callbacks=[_Watch(self, progress), Saver(recipe.checkpoint_seconds)],
        )
        self.remove_callback(PrinterCallback)

    @property
    def tokens(self) -> int:
        """Tokens of this process."""
        return int((self.state.global_step - self.begun) * self.recipe.batch * self.recipe.length)

    def get_train_dataloader(self) -> DataLoader[Any]:
        # Accelerate would put a sampler of its own in the place of one that begins further on.
        sampler = _From(self.recipe.steps, self.begun)
        return DataLoader(self.batches, batch_size=None, sampler=sampler, collate_fn=_same)

    def create_optimizer(self, model: nn.Module | None = None) -> Any:
        if self.optimizer is None:
            recipe = self.recipe
            self.optimizer = make_optimizer(self.model, recipe.learning_rate, recipe.weight_decay, muon=recipe.muon)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        if self.lr_scheduler is None:
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, self.recipe.rate)
        return self.lr_scheduler

    def evaluate(self, *_rest: Any, metric_key_prefix: str = "eval", **_named: Any) -> dict[str, float]:
        """Look at the held-out text."""
        started = time.perf_counter()
        found = look(self.model, self.batches, self.recipe)
        self.model.train()
        self.log({f"held_{name}": value for name, value in found.items()})
        named = {f"{metric_key_prefix}_{name}": value for name, value in found.items()}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, named)
        self.evaluating += time.perf_counter() - started
        return named

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        from safetensors.torch import save_model

        assert output_dir is not None
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        save_model(self.model, str(Path(output_dir) / "model.safetensors"))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        from safetensors.torch import load_model

        load_model(self.model, str(Path(resume_from_checkpoint) / "model.safetensors"))


def _same(batch: Any) -> Any:
    return batch


def _arguments(recipe: PretrainRecipe, folder: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=recipe.steps,
        learning_rate=recipe.learning_rate,
        max_grad_norm=recipe.max_grad_norm,
        bf16=recipe.precision == "bf16",
        seed=recipe.seed,
        eval_strategy="steps",
        eval_steps=recipe.eval_steps,
        save_strategy="no",  # `Saver` asks for them
        save_total_limit=2,
        logging_steps=50,
        disable_tqdm=True,
        report_to="none",
        ignore_data_skip=True,
        remove_unused_columns=False,
        use_cpu=not torch.cuda.is_available(),
    )


class _Watch(Watch):
    def moment(self, state: Any) -> float:
        """When held-out text was looked at: after how many updates."""
        return float(state.global_step)
