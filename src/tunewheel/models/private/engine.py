"""The one engine, with private updates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from tunewheel.models.batching import budgeted
from tunewheel.models.engine import Engine
from tunewheel.models.methods.base import MethodError
from tunewheel.models.neural import Neural
from tunewheel.models.private.accounting import Plan, draw, noise_seed
from tunewheel.models.private.clipping import UnitGradients
from tunewheel.tasks import Window


class PrivateEngine(Engine):
    """Each update is one answer of the subsampled Gaussian mechanism; between updates nothing looks at the rows.

    Units and noise follow from the run's secret and the number of the update, whatever the loader does: a run that was
    killed goes on exactly, and no order of batches can take the place of Poisson sampling.
    """

    def __init__(self, plan: Plan, secret: int, units: Sequence[int], body: Neural, *rest: Any) -> None:
        """``units`` has the unit of each row that the windows are of; the rest is `Engine`'s."""
        super().__init__(body, *rest)
        self.plan, self.secret = plan, secret
        self.members = members_of(self.windows, units, plan.units)
        self.gradients = UnitGradients(body.network, plan.clip)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """As many batches as an epoch has updates; what stands in them is drawn in the update."""
        loader: DataLoader[Any] = DataLoader(range(self.plan.batches), collate_fn=_counted)  # type: ignore[arg-type]
        return loader

    def training_step(self, model: nn.Module, inputs: dict[str, Any], *rest: Any, **named: Any) -> Tensor:
        """Leave the noisy mean of the drawn units' clipped gradients on the weights."""
        model.train()
        update, lost, windows = self.state.global_step, 0.0, 0
        drawn = [self.members[unit] for unit in draw(self.plan, self.secret, update)]
        for group in self._groups([unit for unit in drawn if unit]):
            lost += self.gradients.add(list(self._parts(group)), len(group))
            windows += sum(map(len, group))
        device = self.gradients.network.device
        generator = torch.Generator(device).manual_seed(noise_seed(self.secret, update))
        self.gradients.noisy(generator, self.plan.noise, self.plan.expected)
        return torch.tensor(lost / max(1, windows), device=device)

    def _groups(self, units: list[list[Window]]) -> Iterator[list[list[Window]]]:
        """Units whose gradients are held at once, those of like length together."""
        units.sort(key=lambda unit: max(map(self.encoder.size, unit)))
        for start in range(0, len(units), self.gradients.at_once):
            yield units[start : start + self.gradients.at_once]

    def _parts(self, group: list[list[Window]]) -> Iterator[tuple[dict[str, Tensor], list[int]]]:
        """A group's windows in batches of like length that fit into memory, each with its unit."""
        told = [(self.encoder.size(window), unit, window) for unit, windows in enumerate(group) for window in windows]
        told.sort(key=lambda one: one[0])
        at = 0
        for size in budgeted([size for size, _, _ in told], self.recipe.batch_tokens or 1024):
            part = told[at : at + size]
            at += size
            batch = self.encoder.collate([window for _, _, window in part])
            self.tokens += int(batch["attention_mask"].sum())
            device = self.gradients.network.device
            yield {name: value.to(device) for name, value in batch.items()}, [unit for _, unit, _ in part]


def members_of(windows: Sequence[Window], units: Sequence[int], count: int) -> list[list[Window]]:
    """Every unit's windows; raises `MethodError` where rows of several stand in one."""
    members: list[list[Window]] = [[] for _ in range(count)]
    for window in windows:
        owners = {units[part.row] for part in window.parts}
        if len(owners) != 1:
            raise MethodError(
                "dp_epsilon: a window holds rows of several units, whose gradients would be one; set context=0, or let "
                "dp_unit name the column of their documents"
            )
        members[owners.pop()].append(window)
    return members


def _counted(places: list[int]) -> dict[str, Tensor]:
    return {"update": torch.tensor(places)}
