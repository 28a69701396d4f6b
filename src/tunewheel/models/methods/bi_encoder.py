"""A bi-encoder: each text becomes one vector, and texts that belong together lie near each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, cast

from pydantic import Field

from tunewheel.models.backbones import Backbone
from tunewheel.models.methods.base import Job, Refusal
from tunewheel.models.methods.engine import Full, Ready
from tunewheel.models.model import Model
from tunewheel.models.recipe import Recipe
from tunewheel.models.retrieval import Index, hard_negatives
from tunewheel.models.twin import PAIR_QUESTIONS, PairTask, Twin, meanings
from tunewheel.tasks import Head, Level, Row, Task

if TYPE_CHECKING:
    from tunewheel.models.encoding import TextEncoder
    from tunewheel.models.network import Network


@dataclass(frozen=True)
class BiEncoder(Full):
    """Every weight learns to bring texts together and apart; the model answers by the cosine of two vectors.

    loss: ``contrastive`` tells a text's partner from all other texts of its batch, ``cosent`` puts pairs that belong
    together above those that do not, ``both`` is their sum. negatives: how many hard negatives are mined for each text
    among the training texts before it learns, those that its base takes for the nearest. margin: which of these are
    left out because they may mean the same (`tunewheel.models.retrieval.hard_negatives`).
    """

    name: ClassVar[str] = "bi-encoder"
    summary: ClassVar[str] = "every text becomes a vector; texts that belong together come to lie near each other"

    loss: Literal["contrastive", "cosent", "both"] = "both"
    negatives: Annotated[int, Field(ge=0, le=100)] = 1
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.05

    @classmethod
    def refuses(cls, task: type[Task]) -> Refusal | None:
        """Tasks about one text."""
        if all(hasattr(task, question) for question in PAIR_QUESTIONS):
            return None
        return Refusal("it compares two texts, and a row of this task holds one", "full")

    def ready(self, job: Job) -> Ready:
        """The base as it is: before it learns it answers by its own cosines."""
        shapes = bool(job.recipe.word_shapes)
        return super().ready(replace(job, recipe=replace(job.recipe, word_shapes=shapes)))

    def resolved(self, recipe: Recipe, backbone: Backbone, tokens: int, level: Level) -> Recipe:
        """Large batches hold more texts to tell apart, and vectors that say something already want a lower rate."""
        rate = recipe.learning_rate or (5e-5 if backbone.pretrained else None)
        usual = replace(recipe, learning_rate=rate, batch_tokens=recipe.batch_tokens or 2048)
        return super().resolved(usual, backbone, tokens, level)

    def head(self, task: Task) -> Head:
        """None: the pooled vectors themselves learn."""
        return Head("vector", 0, self.loss)

    def body(self, network: Network, encoder: TextEncoder) -> Twin:
        """Texts are read apart."""
        return Twin(network, encoder)

    def examples(self, model: Model, train: Sequence[Row]) -> Sequence[Row]:
        """The rows, and pairs of texts that only look as if they belonged together."""
        pairs = cast(PairTask, model.task)
        told = [(*pairs.sides(row), pairs.together(row)) for row in train if model.task.learns(row)]
        pool = {second: second for _, second, _ in told}
        queries = list(dict.fromkeys(first for first, _, together in told if together))
        if not self.negatives or not queries:
            return train
        number = meanings(told)
        alike: dict[int, list[str]] = {}
        for text in pool:
            alike.setdefault(number[text], []).append(text)
        gold = [alike[number[query]] for query in queries]
        found = hard_negatives(queries, gold, Index(pool, model), count=self.negatives, margin=self.margin)
        known = {(first, second) for first, second, _ in told}
        mined = [
            pairs.pair(query, other, together=False)
            for query, others in zip(queries, found, strict=True)
            for other in others
            if (query, other) not in known
        ]
        return [*train, *mined]
