"""Adaptation: a task, a base and labelled rows become a Model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewheel.models.backbones import BackboneError, load_backbone
from tunewheel.models.encoding import SHAPES, TextEncoder, lower_cases
from tunewheel.models.machine import fastest_precision
from tunewheel.models.model import Model, Origin
from tunewheel.models.recipe import Recipe
from tunewheel.tasks import Row, Task
from tunewheel.tasks.calibration import calibration_error

if TYPE_CHECKING:
    from tunewheel.models.engine import Progress, Trained


@dataclass(frozen=True)
class Adaptation:
    """A model ready to be trained: `untrained` answers with a fresh head, `train` adapts it in place."""

    model: Model
    recipe: Recipe
    pretrained: bool

    def train(
        self,
        train: Sequence[Row],
        dev: Sequence[Row],
        folder: Path,
        *,
        progress: Progress | None = None,
        report_to: Sequence[str] = (),
    ) -> tuple[Model, Trained]:
        """Adapt the model to ``train``, choosing the checkpoint on ``dev``; ``folder`` keeps the checkpoints."""
        from tunewheel.models.engine import train_network

        model, recipe = self.model, self.recipe
        trained = train_network(
            model.network,
            model.task,
            model.encoder,
            train,
            dev,
            recipe,
            folder,
            progress=progress,
            report_to=report_to,
        )
        task, told = self._fitted(dev) if dev else (model.task, {})
        origin = Origin(
            method=model.origin.method,
            base=model.origin.base,
            dataset=model.origin.dataset,
            parents=model.origin.parents,
            split=model.origin.split,
            settings={**model.origin.settings, **asdict(recipe)},
            dev={**trained.dev, **told},
        )
        return Model(model.network, task, model.encoder, origin), trained

    def _fitted(self, dev: Sequence[Row]) -> tuple[Task, dict[str, float]]:
        """The task fitted on dev and, where that calibrated it, the calibration error on dev before and after."""
        model = self.model
        predictions = model.predictor()(dev)
        task = model.task.fit(dev, predictions)
        if all(task.config()[key] is None for key in task.calibrated_by):
            return task, {}
        after = Model(model.network, task, model.encoder, model.origin).predictor()(dev)
        claims = {"ece_uncalibrated": model.task.claims(dev, predictions), "ece": task.claims(dev, after)}
        return task, {name: float(calibration_error(made)) for name, made in claims.items() if made}


def prepare(
    task: Task,
    base: str,
    train: Sequence[Row],
    recipe: Recipe,
    *,
    dataset: str = "",
    parents: Sequence[str] = (),
    split: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Adaptation:
    """Put a fresh head for ``task`` on ``base`` and resolve ``recipe`` for the rows and this machine.

    The same seed gives the same head. Raises `tunewheel.models.BackboneError` when the base cannot be loaded
    or has no use for the word shapes that the recipe asks for.
    """
    import torch
    from transformers import set_seed

    from tunewheel.models.network import Network

    set_seed(recipe.seed)
    backbone = load_backbone(base, (row["text"] for row in train))
    shapes = recipe.word_shapes
    if shapes is None:
        shapes = backbone.pretrained and lower_cases(backbone.tokenizer)
    elif shapes and not backbone.pretrained:
        raise BackboneError(f"base {base!r} reads characters as they are, capitals too; leave word_shapes off")
    encoder = TextEncoder(backbone.tokenizer, window=min(recipe.window, backbone.longest), shapes=shapes)
    tokens = sum(len(pieces.ids) for pieces in encoder([row["text"] for row in train]))
    width = backbone.model.config.hidden_size
    precision = fastest_precision() if backbone.pretrained else "fp32"
    recipe = recipe.resolve(tokens=tokens, width=width, pretrained=backbone.pretrained, precision=precision)
    set_seed(recipe.seed)
    network = Network.on(backbone.model, task.head(), word_shapes=SHAPES if shapes else 0)
    if torch.cuda.is_available():
        network = network.to("cuda")
    origin = Origin("full", base, dataset, tuple(parents), dict(split or {}), dict(settings or {}))
    return Adaptation(Model(network, task, encoder, origin), recipe, backbone.pretrained)
