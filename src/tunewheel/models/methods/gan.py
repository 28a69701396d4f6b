"""Texts without labels beside few with: a generator to tell them from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log2
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from tunewheel.models.methods.base import Job, MethodError, Refusal, one_text
from tunewheel.models.methods.engine import Full, Ready
from tunewheel.models.model import Model
from tunewheel.tasks import Row, Task

if TYPE_CHECKING:
    from tunewheel.models.engine import Progress, Trained
    from tunewheel.models.network import Network


@dataclass(frozen=True)
class GanBert(Full):
    """GAN-BERT (Croce et al. 2020): every weight learns labels, and to tell texts from vectors that are made up.

    Labelled rows are repeated log2(all rows / labelled rows) times, as its authors do. What remains is an ordinary
    network: the generator and the output for what is made up are let go.
    """

    name: ClassVar[str] = "gan-bert"
    summary: ClassVar[str] = "labels and real texts are told apart, so texts without labels teach too"
    unlabelled: ClassVar[Literal["unused", "used", "needed"]] = "needed"

    @classmethod
    def refuses(cls, task: type[Task]) -> Refusal | None:
        """A made-up vector stands for a whole text."""
        return None if one_text(task) else Refusal("its generator makes up whole single texts", "full")

    def ready(self, job: Job) -> Mixed:
        """Put the head and its opponent on the base; a tokenizer made of the texts is made of all of them."""
        if job.task.head().loss != "cross_entropy":
            raise MethodError(
                f"method {self.name!r} tells one label a text from what is made up; "
                "where a text may have several, use 'self-training'"
            )
        rows = [*balanced(job.train, len(job.unlabelled)), *job.unlabelled]
        ready = super().ready(replace(job, train=rows))
        return Mixed(self, ready.model, ready.recipe, job.unlabelled)

    def changed(self, network: Network) -> Network:
        """The network and its opponent."""
        from tunewheel.models.adversarial import Adversarial

        return Adversarial.like(network)

    def finished(self, network: Network) -> Network:
        """A network as any other."""
        from tunewheel.models.network import Network as Plain

        made: Network = Plain.like(network).eval()
        return made


@dataclass(frozen=True)
class Mixed(Ready):
    """A network and its opponent, and texts without labels for both."""

    def train(
        self,
        train: Sequence[Row],
        dev: Sequence[Row],
        folder: Path,
        *,
        progress: Progress | None = None,
        report_to: Sequence[str] = (),
    ) -> tuple[Model, Trained]:
        """Train by the engine on both kinds of rows, choosing the checkpoint on ``dev``."""
        rows = balanced(train, len(self.unlabelled))
        return super().train(rows, dev, folder, progress=progress, report_to=report_to)


def balanced(rows: Sequence[Row], unlabelled: int) -> list[Row]:
    """Labelled rows often enough not to be lost among ``unlabelled`` others."""
    times = int(log2((len(rows) + unlabelled) / len(rows))) if rows else 1
    return list(rows) * max(1, times)
