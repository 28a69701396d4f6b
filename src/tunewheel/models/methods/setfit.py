"""Few rows a label: first what belongs together, then a head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

from pydantic import Field

from tunewheel.models.backbones import Backbone
from tunewheel.models.methods.base import Job, MethodError, Refusal, whole_texts
from tunewheel.models.methods.engine import Full, Ready
from tunewheel.models.methods.fitting import fitted
from tunewheel.models.methods.naming import name_rows
from tunewheel.models.model import Model
from tunewheel.models.neural import Neural
from tunewheel.models.recipe import Recipe
from tunewheel.tasks import Level, Row, Task

if TYPE_CHECKING:
    from tunewheel.models.engine import Progress, Trained
    from tunewheel.models.network import Network

PER_ROW = 20
"""Pairs that a row begins at most, as many as its authors draw."""


@dataclass(frozen=True)
class SetFit(Full):
    """SetFit (Tunstall et al. 2022): the base learns from pairs of like texts, then logistic regression on its vectors.

    ``pairs`` are drawn at most, by the seed and with every row in turn; the recipe's epochs go over them. The loss sets
    each pair against all other texts of its batch (Khosla et al. 2020), so that the unlike pairs, which SetFit's own
    cosine loss needs one by one, come with the batch. ``names``: whether the labels' names learn along as one more row
    each, by default where rows are few (`name_rows`).
    """

    pairs: Annotated[int, Field(ge=1)] = 2000
    names: bool | None = None

    name: ClassVar[str] = "setfit"
    summary: ClassVar[str] = "for few rows a label: the base learns which texts belong together, then the head"
    # No checkpoint is chosen on dev, and the head is fitted last.
    settings: ClassVar[frozenset[str] | None] = frozenset(Recipe.__dataclass_fields__) - {
        "head_first",
        "eval_steps",
        "patience",
    }

    @classmethod
    def refuses(cls, task: type[Task]) -> Refusal | None:
        """Places in a text have no vectors to pair."""
        return None if whole_texts(task) else Refusal("it pairs whole texts by their labels", "full")

    def ready(self, job: Job) -> Pairs:
        """Put a head for vectors of length one on the base; word shapes have too few rows to be learned from."""
        recipe = replace(job.recipe, word_shapes=job.recipe.word_shapes or False, head_first=False)
        ready = super().ready(replace(job, recipe=recipe))
        return Pairs(self, ready.model, ready.recipe)

    def check_base(self, backbone: Backbone) -> None:
        """Random weights would have to learn the language from the pairs too."""
        if not backbone.pretrained:
            raise MethodError(
                f"method {self.name!r}: base {backbone.name!r} starts from random weights; use 'full' or 'tfidf'"
            )

    def resolved(self, recipe: Recipe, backbone: Backbone, tokens: int, level: Level) -> Recipe:
        """One pass over the pairs, in batches with many texts to tell apart, at a quarter of the rate for tokens.

        The usual one bends what the base knows: with five rows a label of BANKING77 and MiniLM, 78.4 % of dev for
        logistic regression on the base's own vectors, 77.9 after pairs at 2e-4, 80.3 after half as many at 5e-5. A
        batch says much of many texts, as one of tokens does: with zh-mini on tnews (dev, three folds) 32.2 at 2.5e-4,
        30.7 at a quarter of the rate for whole texts.
        """
        usual = replace(recipe, epochs=recipe.epochs or 1, batch_tokens=recipe.batch_tokens or 2048)
        resolved = super().resolved(usual, backbone, tokens, "token")
        if recipe.learning_rate is not None or resolved.learning_rate is None:
            return resolved
        return replace(resolved, learning_rate=resolved.learning_rate / 4)

    def changed(self, network: Network) -> Network:
        """The network with the loss of its vectors."""
        from tunewheel.models.likeness import Contrastive

        network.config.normalize = True
        return Contrastive.like(network)

    def finished(self, network: Network) -> Network:
        """A network as any other."""
        from tunewheel.models.network import Network as Plain

        made: Network = Plain.like(network).eval()
        return made


@dataclass(frozen=True)
class Pairs(Ready):
    """A base that will learn from pairs."""

    method: SetFit

    def train(
        self,
        train: Sequence[Row],
        dev: Sequence[Row],
        folder: Path,
        *,
        progress: Progress | None = None,
        report_to: Sequence[str] = (),
    ) -> tuple[Model, Trained]:
        """Learn pairs by the engine, then fit the head; dev serves to calibrate alone."""
        from tunewheel.models.engine import train_network
        from tunewheel.models.likeness import Pairing
        from tunewheel.models.probe import Probe

        task, encoder, recipe = self.model.task, self.model.encoder, self.recipe
        names = name_rows(task, train, self.method.names)
        rows = [*train, *names]
        count = min(self.method.pairs, PER_ROW * len(rows))
        pairing = cast(Any, Pairing(task, count, recipe.seed))
        watched: dict[str, Any] = {"progress": progress, "report_to": report_to}
        trained = train_network(self.model.network, pairing, encoder, rows, [], recipe, folder, **watched)
        network = self.method.finished(self.model.network)
        Probe(network, encoder, [w for w in task.encode(rows, encoder, labelled=True) if encoder.size(w)]).fit()
        settings = {**self.model.origin.settings, **asdict(recipe), "names": bool(names)}
        model = Model(Neural(network, encoder), task, replace(self.model.origin, settings=settings))
        if dev:
            scores = task.metrics(task.score(dev, model.predictor()(dev)))
            model = Model(model.body, task, replace(model.origin, dev=scores))
        return fitted(model, dev), replace(trained, dev=dict(model.origin.dev))
