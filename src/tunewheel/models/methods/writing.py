"""The methods that teach a language model to write: by answers, or by which of two answers was liked better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from tunewheel.models.generator import Generator
from tunewheel.models.machine import fastest_precision
from tunewheel.models.methods.base import Adaptation, Job, Method, MethodError, Refusal
from tunewheel.models.model import Model
from tunewheel.models.recipe import Recipe
from tunewheel.models.writing.writer import Writer, fits
from tunewheel.tasks import Row, Task
from tunewheel.tasks.generation import Generation

if TYPE_CHECKING:
    from tunewheel.models.engine import Progress, Trained
    from tunewheel.models.writing.courses import Choice, Course
    from tunewheel.models.writing.lessons import Lesson

Merge = Callable[[], Any]
"""Gives the language model as it is kept, once it has learned."""


@dataclass(frozen=True)
class Dpo(Method):
    """Direct preference optimisation (Rafailov et al. 2023) on rows with a rejected answer.

    ``beta`` holds the model to what it was; with ``r`` only low-rank matrices learn, as in `lora`.
    """

    name: ClassVar[str] = "dpo"
    summary: ClassVar[str] = "a language model learns which of two answers is liked better"
    writes: ClassVar[bool] = True

    beta: float = 0.1
    r: int = 0
    alpha: int = 32

    @classmethod
    def refuses(cls, task: type[Task]) -> Refusal | None:
        """Only written answers are preferred to each other."""
        return None if task.writes else Refusal("it learns from answers that were liked less", "full")

    def prepare(self, job: Job) -> Adaptation:
        """Load the base; raises `MethodError` where no row has a rejected answer."""
        if not any(row.get("rejected") for row in job.train):
            raise MethodError(
                f"method {self.name!r}: no training row has a rejected answer; write rows of "
                '{"prompt": "…", "chosen": "…", "rejected": "…"}, or use \'full\''
            )
        if self.beta <= 0:
            raise MethodError(f"method {self.name!r}: options.beta must be above 0, got {self.beta:g}")
        import peft

        adapter = peft.LoraConfig(r=self.r, lora_alpha=self.alpha, target_modules="all-linear") if self.r else None
        return prepare_writing(self, job, adapter=adapter, beta=self.beta)


def prepare_writing(method: Method, job: Job, *, adapter: Any = None, beta: float | None = None) -> Writing:
    """Make a job of a task that writes ready; ``adapter`` is a configuration of peft's LoRA, or all learns.

    ``beta`` teaches preferences in place of answers. Raises `BackboneError` where the base cannot be loaded or is no
    language model, `MethodError` for a row that it cannot read whole, or a recipe for something else.
    """
    from transformers import set_seed

    _check_recipe(method, job.recipe)
    set_seed(job.recipe.seed)
    body = Generator.of_base(job.base)
    model = Model(body, job.task, job.origin)
    ready = Writing(method, model, job.recipe, beta)
    tokens = sum(lesson.size for lesson in ready.lessons(job.train, "answer"))
    recipe = _resolved(job.recipe, body, tokens, adapters=adapter is not None, preferences=beta is not None)
    if recipe.packing:
        _check_packing(method, body)
    if recipe.freeze_embeddings:
        body.model.get_input_embeddings().requires_grad_(False)
    set_seed(recipe.seed)
    return replace(ready, recipe=recipe, merge=_adapted(body.model, adapter) if adapter else None)


@dataclass(frozen=True)
class Writing(Adaptation):
    """A language model ready to learn in place; ``merge`` gives it without its adapters, None where it has none."""

    method: Method
    model: Model
    recipe: Recipe
    beta: float | None = None
    merge: Merge | None = field(default=None, compare=False)

    @property
    def body(self) -> Generator:
        """The language model."""
        return cast(Generator, self.model.body)

    @property
    def task(self) -> Generation:
        """What it is to do."""
        return cast(Generation, self.model.task)

    @property
    def untrained(self) -> Model:
        """The base as it is: fresh adapters change nothing."""
        return self.model

    def described(self) -> str:
        """Base, method and what was resolved for them."""
        r, weights = self.recipe, list(self.body.model.parameters())
        part = sum(p.numel() for p in weights if p.requires_grad) / self.model.parameters
        share = "" if part == 1 else f" ({part:.2%} of the weights learn)"
        return (
            f"{self.model.origin.base} ({self.model.parameters / 1e6:.1f} M parameters), method {self.method.name}"
            f"{share}, {r.precision}, {r.epochs} epochs, learning rate {r.learning_rate:g}, "
            f"{r.batch_tokens} tokens a batch{', packed' if r.packing else ''}"
        )

    def train(
        self,
        train: Sequence[Row],
        dev: Sequence[Row],
        folder: Path,
        *,
        progress: Progress | None = None,
        report_to: Sequence[str] = (),
    ) -> tuple[Model, Trained]:
        """Train by the engine, choosing the checkpoint by how probable the dev answers, or preferences, become."""
        from tunewheel.models.acceleration import set_dropout
        from tunewheel.models.writing.engine import train_writer

        recipe, model = self.recipe, self.body.model
        # Preferences compare with the model as it was, which has no dropout either.
        learns_answers = self.beta is None
        set_dropout(model, recipe.dropout * learns_answers, recipe.attention_dropout * learns_answers)
        course = self._course(train, dev)
        trained = train_writer(model, course, recipe, folder, progress=progress, report_to=report_to)
        body = Generator(self.merge() if self.merge else model, self.body.chat.tokenizer)
        settings = {**self.model.origin.settings, **asdict(recipe)}
        origin = replace(self.model.origin, settings=settings, dev=trained.dev)
        return Model(body, self._fitted(body, dev, trained), origin), trained

    def _course(self, train: Sequence[Row], dev: Sequence[Row]) -> Course:
        from tunewheel.models.writing.courses import Answers, Preferences
        from tunewheel.models.writing.lessons import is_eager

        bf16, chat = self.recipe.precision == "bf16", self.body.chat
        if self.beta is not None:
            pairs = self._choices(train), self._choices(dev)
            return Preferences(chat, self.body.model, *pairs, beta=self.beta, bf16=bf16)
        return Answers(
            chat,
            self.lessons(train, "answer"),
            self.lessons(dev, "answer"),
            pack=self.recipe.packing,
            additive=is_eager(self.body.model),
            smoothing=self.recipe.label_smoothing,
            bf16=bf16,
        )

    def lessons(self, rows: Sequence[Row], column: str) -> list[Lesson]:
        """Rows as the model sees them. Raises `MethodError` naming the first that it cannot read whole."""
        from tunewheel.models.writing.lessons import Lesson

        made = [Lesson.of(self.body.chat, self.task.messages(row), row[column]) for row in rows]
        longest = self.body.longest
        for row, lesson in zip(rows, made, strict=True):
            if not fits(lesson, self.body.chat, longest):
                raise MethodError(
                    f"row {row.get('id')!r} has {len(lesson.prompt)} tokens of prompt and {len(lesson.answer)} of "
                    f"{column}; base {self.model.origin.base!r} reads {longest}. Shorten the row, or take another base"
                )
        return made

    def _choices(self, rows: Sequence[Row]) -> list[Choice]:
        from tunewheel.models.writing.courses import Choice

        both = [row for row in rows if row.get("rejected")]
        return [
            Choice(*pair) for pair in zip(self.lessons(both, "answer"), self.lessons(both, "rejected"), strict=True)
        ]

    def _fitted(self, body: Generator, dev: Sequence[Row], trained: Trained) -> Generation:
        """The task with what dev tells of the model. No answer is written for it, as `fitted` would have it."""
        if not dev:
            return self.task
        task = self.task.fit(dev, Writer(body.model, body.chat, body.longest, self.task).judged(dev))
        accuracy = trained.dev.get("reward_accuracy")
        return task if accuracy is None else Generation(**{**task.config(), "reward_accuracy": accuracy})


def _check_recipe(method: Method, recipe: Recipe) -> None:
    """Refuse settings that are for networks that read."""
    for name, usual in (("head_first", False), ("word_shapes", None), ("layer_decay", 1.0)):
        if getattr(recipe, name) not in (usual, False):
            raise MethodError(f"method {method.name!r}: {name} is for encoders that label text; leave it at {usual}")


def _check_packing(method: Method, body: Generator) -> None:
    from tunewheel.models.writing.lessons import can_pack

    if not can_pack(body.model):
        raise MethodError(
            f"method {method.name!r}: a trial shows that packed rows see each other in this base; leave packing off"
        )


def _resolved(recipe: Recipe, body: Generator, tokens: int, *, adapters: bool, preferences: bool) -> Recipe:
    """The recipe for ``tokens`` an epoch.

    Adapters learn ten times faster (Schulman et al. 2025, "LoRA Without Regret"); preferences ten times slower and in
    three epochs, for they move a model that can write already.
    """
    config = body.model.config
    width = int(getattr(config, "hidden_size", None) or config.d_model)
    epochs = 3 if preferences and recipe.epochs is None else recipe.epochs
    made = replace(recipe, epochs=epochs).resolve(
        tokens=tokens, width=width, pretrained=True, precision=fastest_precision()
    )
    if recipe.learning_rate is not None:
        return made
    assert made.learning_rate is not None
    factor = (10.0 if adapters else 1.0) * (0.1 if preferences else 1.0)
    return replace(made, learning_rate=made.learning_rate * factor)


def _adapted(model: Any, adapter: Any) -> Merge:
    """Lay the adapter into the model, in place; it alone learns."""
    from peft import LoraModel

    merge: Merge = LoraModel(model, adapter, "default").merge_and_unload
    return merge
