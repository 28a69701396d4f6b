"""Going on from a model: its body under a new head, which keeps what the old one knew of the labels both have."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from tunewheel.models.backbones import FROM_NOTHING, Backbone
from tunewheel.models.model import Model, ModelError

if TYPE_CHECKING:
    from tunewheel.models.network import Network
    from tunewheel.tasks import Task


def backbone_of(start: Model) -> Backbone:
    """A copy of a model's body with its tokenizer.

    Raises `tunewheel.models.ModelError` for a model that is no network, or that has learned tokens before the text.
    """
    if start.network.config.virtual:
        raise ModelError(f"a model by method {start.origin.method!r} is more than its body; begin from its base")
    base, body = start.origin.base, deepcopy(start.network.backbone).to("cpu")
    return Backbone(base, body, start.encoder.tokenizer, base not in FROM_NOTHING, base)


def take_over(network: Network, task: Task, start: Model) -> int:
    """Give a network on `backbone_of` what ``start`` knew beside its body; returns how many outputs of the head it had.

    Outputs go by what they stand for (`Task.outputs`): a label that is new begins as any label does, one that is no
    more is left behind, and a CRF keeps its transitions between labels that both have. The table of word shapes goes
    along where both networks have one. A head that saw something else (`Network.expand`) is left behind.
    """
    import torch

    before, now = start.network.state_dict(), network.state_dict()
    old = {name: place for place, name in enumerate(_outputs(start.task))}
    pairs = [(place, old[name]) for place, name in enumerate(_outputs(task)) if name in old]
    here, there = (torch.tensor([pair[side] for pair in pairs], dtype=torch.long) for side in (0, 1))
    with torch.no_grad():
        if "shapes.weight" in before and "shapes.weight" in now:
            now["shapes.weight"].copy_(before["shapes.weight"])
        for name in ("head.weight", "head.bias", "crf.start", "crf.end"):
            if pairs and name in before and name in now and before[name].shape[1:] == now[name].shape[1:]:
                now[name][here] = before[name].to(now[name].device)[there]
        name = "crf.transitions"
        if pairs and name in before and name in now:
            now[name][here[:, None], here[None, :]] = before[name].to(now[name].device)[there[:, None], there[None, :]]
    return len(pairs)


def _outputs(task: Task) -> tuple[str, ...]:
    """What the head's numbers stand for; their places where the task does not say."""
    count = task.head().outputs
    return task.outputs if len(task.outputs) == count else tuple(map(str, range(count)))
