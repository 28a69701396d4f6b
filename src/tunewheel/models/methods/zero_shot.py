"""Zero-shot: labels by what they are called, nothing learned from labelled rows.

A text belongs to the label whose words lie nearest to it in the base's own space (Yin et al. 2019, "Benchmarking
Zero-shot Text Classification"; label words as class vectors: Radford et al. 2021, with several templates each). The
label vectors are the rows of a linear head, so the model is a network like any other. With ``nli`` the base judges
whether the text entails a sentence about each label (`tunewheel.models.nli`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from tunewheel.models.backbones import FROM_NOTHING, load_backbone
from tunewheel.models.methods.base import Adaptation, Job, Method, MethodError, Refusal
from tunewheel.models.methods.fitting import fitted
from tunewheel.models.methods.naming import humanised, says_nothing
from tunewheel.models.model import Model
from tunewheel.models.recipe import Recipe
from tunewheel.tasks import Row, Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tunewheel.models.engine import Progress

    Array = npt.NDArray[np.float32]

_CHINESE = re.compile(r"[\u3400-\u9fff]")

TEMPLATES = {
    "en": ("{}", "I want to know about {}.", "a question about {}", "Can you help me with {}?"),
    "zh": ("{}", "我想了解{}。", "关于{}的问题", "这段话说的是{}。"),
}
"""What label words are put into, by their language, where vectors are compared; the mean vector stands."""

HYPOTHESES = {"en": ("This text is about {}.",), "zh": ("这段文字说的是{}。",)}
"""The same where a base judges entailment."""

ROUNDS = 5
"""How often label vectors move; chosen with `WORTH` on BANKING77's training split, as the templates were."""

WORTH = 10
"""How many texts a label's own words weigh as much as."""

MOST = 20_000
"""Texts that label vectors are adapted to at most."""


@dataclass(frozen=True)
class ZeroShot(Method):
    """Labels by their names or ``descriptions`` (one or several a label), put into ``template`` (one or several).

    ``adapt``: move the label vectors towards the texts that lie nearest to them, by the texts of the training and
    unlabelled rows alone. ``scale``: how sharply a cosine becomes a probability, before it is calibrated on dev.
    ``nli``: the base is a classifier of entailment.
    """

    name: ClassVar[str] = "zero-shot"
    summary: ClassVar[str] = "nothing learns from labels: a text gets the label whose name or description is nearest"
    learns: ClassVar[bool] = False
    unlabelled: ClassVar[Literal["unused", "used", "needed"]] = "used"
    settings: ClassVar[frozenset[str] | None] = frozenset({"seed", "window"})

    descriptions: dict[str, str | list[str]] | None = None
    template: str | list[str] | None = None
    adapt: bool = True
    scale: float = 20.0
    nli: bool = False

    def __post_init__(self) -> None:
        wrong = [told for told in _listed(self.template) if "{}" not in told]
        if wrong:
            raise MethodError(f"method {self.name!r}: options.template: {wrong[0]!r} has no {{}} for the label's words")
        if not self.scale > 0:
            raise MethodError(f"method {self.name!r}: options.scale: must be above 0, got {self.scale:g}")

    @classmethod
    def refuses(cls, task: type[Task]) -> Refusal | None:
        """Names of labels say what a whole text is about, and nothing more."""
        if task.pipeline == "text-classification":
            return None
        nearest = "full" if task.prompt is Task.prompt else "prompt"
        return Refusal(f"a label's name says what a whole text is about; {task.name} asks for more", nearest)

    def prepare(self, job: Job) -> Adaptation:
        """Put the label vectors, or the sentences about labels, on the base."""
        if job.base in FROM_NOTHING:
            raise MethodError(
                f"method {self.name!r}: base {job.base!r} starts from random weights and knows no word; "
                "name a pretrained base, or use 'full' with labelled rows"
            )
        if self.nli:
            return self._entailing(job)
        return self._comparing(job)

    def phrases(self, task: Task, templates: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """What stands for each label, by the head's outputs; raises `MethodError` where names do not fit."""
        names = task.labels[: task.head().outputs]
        if task.head().level != "sequence" or len(names) != task.head().outputs:
            raise MethodError(f"method {self.name!r}: task {task.name!r} has no output a label")
        given = self.descriptions or {}
        strange = [label for label in given if label not in names]
        if strange:
            raise MethodError(
                f"method {self.name!r}: options.descriptions: no label {', '.join(map(repr, strange))}; "
                f"there are {', '.join(names)}"
            )
        silent = [label for label in names if label not in given and says_nothing(label)]
        if silent:
            raise MethodError(
                f"method {self.name!r}: the label {silent[0]!r} is a mere number and says nothing of a text; "
                "say what each means (options.descriptions), or use 'tfidf' or 'full' with labelled rows"
            )
        return {label: self._phrases(given.get(label) or humanised(label), templates) for label in names}

    def _phrases(self, words: str | list[str], templates: Mapping[str, Sequence[str]]) -> list[str]:
        told = _listed(words)
        return [
            template.replace("{}", each)
            for each in told
            for template in _listed(self.template) or templates["zh" if _CHINESE.search(each) else "en"]
        ]

    def _comparing(self, job: Job) -> Adaptation:
        from tunewheel.models.encoding import TextEncoder
        from tunewheel.models.network import Network
        from tunewheel.models.neural import Neural

        phrases = self.phrases(job.task, TEMPLATES)
        backbone = load_backbone(job.base, ())
        network = Network.on(backbone.model, job.task.head())
        network.config.normalize = True
        encoder = TextEncoder(backbone.tokenizer, window=min(job.recipe.window, backbone.longest), shapes=False)
        model = Model(Neural(network.eval(), encoder), job.task, job.origin)
        return ByName(self, model, job.recipe, phrases, job.unlabelled)

    def _entailing(self, job: Job) -> Adaptation:
        from tunewheel.models.nli import Entailment

        body = Entailment.on(job.base, self.phrases(job.task, HYPOTHESES), job.recipe.window)
        return ByEntailment(self, Model(body, job.task, job.origin), job.recipe)


@dataclass(frozen=True)
class ByEntailment(Adaptation):
    """A base that judges entailment, with a sentence about each label; nothing of it learns."""

    method: ZeroShot
    model: Model
    recipe: Recipe

    @property
    def untrained(self) -> None:
        """None: it answers before as after."""

    def described(self) -> str:
        """Base and method."""
        size, labels = self.model.parameters / 1e6, len(self.model.task.labels)
        return f"{self.model.origin.base} ({size:.1f} M parameters), method {self.method.name}, {labels} labels"

    def train(
        self,
        train: Sequence[Row],
        dev: Sequence[Row],
        folder: Path,
        *,
        progress: Progress | None = None,
        report_to: Sequence[str] = (),
    ) -> tuple[Model, None]:
        """Fit temperature and thresholds on ``dev``; nothing else is there to do."""
        return fitted(self.model, dev), None


@dataclass(frozen=True)
class ByName(ByEntailment):
    """A network whose head becomes the label vectors."""

    phrases: Mapping[str, Sequence[str]]
    unlabelled: Sequence[Row]

    def train(
        self,
        train: Sequence[Row],
        dev: Sequence[Row],
        folder: Path,
        *,
        progress: Progress | None = None,
        report_to: Sequence[str] = (),
    ) -> tuple[Model, None]:
        """Set the head by the labels' words and the texts of ``train``, whose labels are not looked at."""
        import torch

        phrases = [phrase for told in self.phrases.values() for phrase in told]
        # There is a vector a window, and a long description has several.
        windows = [len(self.model.task.encode([{"text": phrase}], self.model.encoder)) for phrase in phrases]
        labels = _means(_means(self._vectors(phrases), windows), [len(told) for told in self.phrases.values()])
        texts = [row["text"] for row in (*train, *self.unlabelled)] if self.method.adapt else []
        texts = texts[:: -(-len(texts) // MOST) or 1]  # spread over all: a file is often sorted by label
        seen = self._vectors(texts) if texts else labels
        several = self.model.task.head().loss == "binary"
        weight, bias = label_head(labels, seen, self.method.scale, several=several, rounds=ROUNDS if texts else 0)
        head = self.model.network.head
        with torch.no_grad():
            head.weight.copy_(torch.from_numpy(weight))
            head.bias.copy_(torch.from_numpy(bias))
        settings = {
            **self.model.origin.settings,
            "phrases": {label: list(told) for label, told in self.phrases.items()},
        }
        origin = replace(self.model.origin, settings=settings)
        return fitted(Model(self.model.body, self.model.task, origin), dev), None

    def _vectors(self, texts: Sequence[str]) -> Array:
        from tunewheel.models.predictor import Predictor

        predictor = Predictor(self.model.network, self.model.task, self.model.encoder)
        return predictor.features({"text": text} for text in texts)


def label_head(labels: Array, texts: Array, scale: float, *, several: bool, rounds: int) -> tuple[Array, Array]:
    """Weights [labels, width] and biases [labels] of a head that answers with scaled cosines about the texts' centre.

    ``labels`` [labels, width] and ``texts`` [n, width] are of length one. What all texts share says nothing of their
    labels, and what all label phrases share nothing of texts, so both are seen from their mean. ``rounds`` times each
    label vector moves towards the mean of the texts that it claims, softly, and the further the more it claims
    (`WORTH`). Where several labels may stand, the bias lets each be claimed for one of as many texts as there are
    labels.
    """
    import numpy as np

    centre = texts.mean(0)
    spread = max(float(np.sqrt(((texts - centre) ** 2).sum(1).mean())), 1e-3)
    seen = (texts - centre) / spread
    moved = told = _unit(labels - labels.mean(0))
    for _ in range(rounds):
        logits = scale * seen @ moved.T
        claimed = np.exp(logits - logits.max(1, keepdims=True))
        claimed /= claimed.sum(1, keepdims=True)
        counts = claimed.sum(0)[:, None]
        moved = _unit(WORTH * told + counts * _unit(claimed.T @ seen))
    weight = scale / spread * moved
    usual = np.quantile(texts @ weight.T, 1 - 1 / max(2, len(labels)), axis=0) if several else weight @ centre
    return weight.astype(np.float32), -usual.astype(np.float32)


def _means(vectors: Array, counts: Sequence[int]) -> Array:
    """The mean direction of each group of vectors in a row, ``counts`` of them a group."""
    import numpy as np

    edges = np.cumsum([0, *counts])
    return _unit(np.stack([vectors[a:b].mean(0) for a, b in itertools.pairwise(edges)]))


def _unit(vectors: Array) -> Array:
    import numpy as np

    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))


def _listed(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])
