"""The methods that learn by gradients on a network: one engine, they differ in what learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tunewheel.models.backbones import Backbone, BackboneError, load_backbone
from tunewheel.models.continuing import backbone_of, take_over
from tunewheel.models.encoding import SHAPES, TextEncoder, lower_cases
from tunewheel.models.machine import fastest_precision
from tunewheel.models.methods.base import Adaptation, Job, Method, MethodError
from tunewheel.models.methods.fitting import fitted
from tunewheel.models.model import Model
from tunewheel.models.neural import Neural
from tunewheel.models.private.privacy import settled, units_of
from tunewheel.models.recipe import Recipe
from tunewheel.tasks import Head, Level, Row, Task, Window

if TYPE_CHECKING:
    from tunewheel.models.engine import Progress, Trained
    from tunewheel.models.network import Network
    from tunewheel.models.private.accounting import Plan


@dataclass(frozen=True)
class Full(Method):
    """Every weight learns."""

    name: ClassVar[str] = "full"
    summary: ClassVar[str] = "every weight of the base learns"
    writes: ClassVar[bool] = True
    private: ClassVar[bool] = True
    continues: ClassVar[bool] = True

    def prepare(self, job: Job) -> Adaptation:
        """Put a fresh head for the task on the base; a language model that is to write keeps its own."""
        if job.task.writes:
            from tunewheel.models.methods.writing import prepare_writing

            return prepare_writing(self, job)
        return self.ready(job)

    def ready(self, job: Job) -> Ready:
        """The network with its fresh head."""
        import torch
        from transformers import set_seed

        from tunewheel.models.network import Network

        asked = settled(job.recipe) if job.privacy else job.recipe
        set_seed(asked.seed)
        backbone = backbone_of(job.start) if job.start else self.backbone(job)
        self.check_base(backbone)
        shapes = _shapes(backbone, asked.word_shapes)
        encoder = TextEncoder(backbone.tokenizer, window=min(asked.window, self.longest(backbone)), shapes=shapes)
        tokens = 0 if job.privacy else sum(len(p.ids) for p in encoder([row["text"] for row in job.train]))
        head = self.head(job.task)
        recipe = self.resolved(asked, backbone, tokens, head.level)
        set_seed(recipe.seed)
        network = Network.on(backbone.model, head, word_shapes=SHAPES if shapes else 0)
        if job.start:
            take_over(network, job.task, job.start)
        network = self.changed(network)
        if torch.cuda.is_available():
            network = network.to("cuda")
        model = Model(self.body(network, encoder), job.task, job.origin)
        if job.privacy is None:
            return Ready(self, model, recipe)
        from tunewheel.models.private.accounting import planned
        from tunewheel.models.private.clipping import check_layers

        check_layers(network)
        return Ready(self, model, recipe, plan=planned(job.privacy, job.train, recipe.epochs or 1))

    def backbone(self, job: Job) -> Backbone:
        """What is adapted; raises `tunewheel.models.BackboneError` where it cannot be loaded."""
        return load_backbone(job.base, (row["text"] for row in job.train))

    def windows(self, model: Model, train: Sequence[Row]) -> list[Window]:
        """What is learned from."""
        return self.body(model.network, model.encoder).windows(model.task, train)

    def check_base(self, backbone: Backbone) -> None:
        """Raise `MethodError` where the base is nothing that this method can adapt."""

    def longest(self, backbone: Backbone) -> int:
        """Most tokens of a text that the base reads at once under this method, special tokens included."""
        return backbone.longest

    def resolved(self, recipe: Recipe, backbone: Backbone, tokens: int, level: Level) -> Recipe:
        """The recipe for ``tokens`` training tokens an epoch and a head of ``level``."""
        precision = fastest_precision() if backbone.pretrained else "fp32"
        width = backbone.model.config.hidden_size
        pretrained = backbone.pretrained
        return recipe.resolve(tokens=tokens, width=width, pretrained=pretrained, precision=precision, level=level)

    def changed(self, network: Network) -> Network:
        """The network with what this method adds, and only that learning which it lets learn."""
        return network

    def finished(self, network: Network) -> Network:
        """The trained network as the model keeps it."""
        return network

    def head(self, task: Task) -> Head:
        """What stands on the base."""
        return task.head()

    def body(self, network: Network, encoder: TextEncoder) -> Neural:
        """How the network reads and answers."""
        return Neural(network, encoder)

    def examples(self, model: Model, train: Sequence[Row]) -> Sequence[Row]:
        """The rows to learn from, ``model`` being the one before it learns."""
        return train


@dataclass(frozen=True)
class Frozen(Full):
    """What methods share that leave the base as it is: the base must say something, and what is new learns fast."""

    rate: ClassVar[float]
    """The learning rate where none is given."""

    def check_base(self, backbone: Backbone) -> None:
        """A base of random weights says nothing that could be built on."""
        if not backbone.pretrained:
            raise MethodError(f"method {self.name!r}: base {backbone.name!r} starts from random weights; use 'full'")

    def resolved(self, recipe: Recipe, backbone: Backbone, tokens: int, level: Level) -> Recipe:
        """A part alone learns with a far higher rate."""
        usual = self.rate if recipe.learning_rate is None else recipe.learning_rate
        return super().resolved(replace(recipe, learning_rate=usual), backbone, tokens, level)

    def changed(self, network: Network) -> Network:
        """Let nothing of the backbone learn."""
        network.backbone.requires_grad_(False)
        return network

    def finished(self, network: Network) -> Network:
        """All of it may learn again, if anyone goes on from it."""
        network.requires_grad_(True)
        return network


@dataclass(frozen=True)
class Ready(Adaptation):
    """A network with a fresh head; `train` adapts it in place."""

    method: Full
    model: Model
    recipe: Recipe
    unlabelled: Sequence[Row] = ()
    plan: Plan | None = None
    """What is promised, where the training is private."""

    @property
    def untrained(self) -> Model:
        """The base with its fresh head."""
        return self.model

    def described(self) -> str:
        """Base, method and what was resolved for them."""
        r, weights = self.recipe, list(self.model.network.parameters())
        learn = sum(p.numel() for p in weights if p.requires_grad)
        part = learn / self.model.parameters
        share = "" if part == 1 else f" ({part:.2%} of the weights learn)"
        size = f"{self.model.parameters / 1e6:.1f} M parameters"
        return (
            f"{self.model.origin.base} ({size}), method {self.method.name}{share}, "
            f"{r.precision}, {r.epochs} epochs, learning rate {r.learning_rate:g}, {r.batch_tokens} tokens a batch"
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
        """Train by the engine, choosing the checkpoint on ``dev``."""
        from tunewheel.models.engine import train_network
        from tunewheel.models.private.accounting import kept

        model, recipe = self.model, self.recipe
        trained = train_network(
            model.network,
            model.task,
            model.encoder,
            self.method.examples(model, train),
            dev,
            recipe,
            folder,
            unlabelled=self.unlabelled,
            windows=self.method.windows(model, train),
            progress=progress,
            report_to=report_to,
            body=self.method.body(model.network, model.encoder),
            private=(self.plan, units_of(train, self.plan.unit)) if self.plan else None,
        )
        body = self.method.body(self.method.finished(model.network), model.encoder)
        origin = replace(model.origin, settings={**model.origin.settings, **asdict(recipe)}, dev=trained.dev)
        if self.plan:
            origin = replace(origin, privacy=kept(self.plan, folder)[0].told(trained.updates))
        return fitted(Model(body, model.task, origin), dev), trained


def _shapes(backbone: Backbone, wanted: bool | None) -> bool:
    """Whether the network gets a table of word shapes."""
    if wanted is None:
        return backbone.pretrained and lower_cases(backbone.tokenizer)
    if wanted and not backbone.pretrained:
        raise BackboneError(f"base {backbone.name!r} reads characters as they are, capitals too; leave word_shapes off")
    return wanted
