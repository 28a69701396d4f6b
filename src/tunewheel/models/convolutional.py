"""A character TextCNN that learns from nothing: which phrases stand anywhere in a text."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel
from transformers.modeling_outputs import BaseModelOutput

from tunewheel.models.characters import CharacterBackbone, CharacterConfig, fill


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
        self.filters = nn.ModuleList(nn.Conv1d(2 * config.embedding_size, each, width) for width in config.widths)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, nn.Conv1d):
            for parameter in module.parameters():
                fill(parameter)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **_others: Any) -> BaseModelOutput:
        """Hidden states [batch, length, hidden_size] of ``input_ids`` [batch, length]."""
        x = (self.embedded(input_ids) * attention_mask[..., None]).transpose(1, 2)
        pairs = zip(self.config.widths, self.filters, strict=True)
        found = [convolution(_widened(x, width)) for width, convolution in pairs]
        return BaseModelOutput(last_hidden_state=torch.cat(found, 1).relu().transpose(1, 2))


def _widened(x: Tensor, width: int) -> Tensor:
    """Zeros on both sides of ``x`` [batch, channels, length], so that a filter ``width`` wide answers everywhere."""
    return nn.functional.pad(x, ((width - 1) // 2, width // 2))


AutoConfig.register(TextCnnConfig.model_type, TextCnnConfig)
AutoModel.register(TextCnnConfig, TextCnn)
