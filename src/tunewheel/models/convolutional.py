"""A character TextCNN that learns from nothing: which phrases stand anywhere in a text."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel
from transformers.modeling_outputs import BaseModelOutput

from tunewheel.models.characters import CharacterBackbone, CharacterConfig, fill, followers

SHARED_FROM = 128
"""Places of a batch from which it is faster to compute once what recurs (132 characters of English: 1.2 times)."""


class TextCnnConfig(CharacterConfig):
    """Sizes of a `TextCnn`; ``hidden_size`` counts the filters of all ``widths`` (characters) together."""

    model_type = "tunewheel-textcnn"

    hidden_size: int = 400
    widths: list[int] | tuple[int, ...] = (2, 3, 4, 5)


class TextCnn(CharacterBackbone):
    """Filters of several widths over characters and their bigrams, each one's maximum for a text (Kim 2014).

    A filter answers at every character, zeros standing in for what lies beyond the text, so that its answers are
    hidden states like any other's: a tagger reads them as they are and sees as far as the widest filter reaches.
    Kim's dropout on the maxima is the network's own before its head.
    """

    config_class = TextCnnConfig
    base_model_prefix = "textcnn"
    pooling: ClassVar[Literal["mean", "max"]] = "max"

    def __init__(self, config: TextCnnConfig) -> None:
        super().__init__(config)
        each, left = divmod(config.hidden_size, len(config.widths))
        if left:
            raise ValueError(f"hidden_size {config.hidden_size} cannot be shared by {len(config.widths)} widths")
        self.filters = nn.ModuleList(nn.Conv1d(config.seen_size, each, width) for width in config.widths)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, nn.Conv1d):
            for parameter in module.parameters():
                fill(parameter)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **_others: Any) -> BaseModelOutput:
        """Hidden states [batch, length, hidden_size] of ``input_ids`` [batch, length]."""
        if not (self.training or torch.compiler.is_exporting()) and input_ids.numel() >= SHARED_FROM:
            return BaseModelOutput(last_hidden_state=self._shared(input_ids, attention_mask))
        x = (self.embedded(input_ids) * attention_mask[..., None]).transpose(1, 2)
        pairs = zip(self.config.widths, self.filters, strict=True)
        found = [convolution(nn.functional.pad(x, _reach(width))) for width, convolution in pairs]
        return BaseModelOutput(last_hidden_state=torch.cat(found, 1).relu().transpose(1, 2))

    def _shared(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The same, with what recurs computed once: a filter's answer is a sum over places of what stands there.

        A character and its follower meet the filters once a batch, not wherever they stand, and places add up what they
        gave: a third of the time for 2,000 characters of English, where a sixth of the places are distinct.
        """
        size = self.config.vocab_size
        known, at = (input_ids * size + followers(input_ids)).unique(return_inverse=True)
        nothing = len(known)
        x = nn.functional.pad(self.beside(known // size, known % size), (0, 0, 0, 1))
        at = at.masked_fill(attention_mask == 0, nothing)
        found, pairs = [], cast(Any, zip(self.config.widths, self.filters, strict=True))
        for width, convolution in pairs:
            given = (x @ convolution.weight.permute(1, 2, 0).flatten(1)).view(-1, convolution.out_channels)
            places = nn.functional.pad(at, _reach(width), value=nothing).unfold(1, width, 1).flatten(0, 1) * width
            places = places + torch.arange(width, device=at.device)
            found.append(nn.functional.embedding_bag(places, given, mode="sum") + convolution.bias)
        return torch.cat(found, 1).relu().view(*input_ids.shape, -1)


def _reach(width: int) -> tuple[int, int]:
    """How far a filter ``width`` wide sees before and behind the place where it answers."""
    return (width - 1) // 2, width // 2


AutoConfig.register(TextCnnConfig.model_type, TextCnnConfig)
AutoModel.register(TextCnnConfig, TextCnn)
