"""A character BiLSTM that learns from nothing: the backbone where no pretrained one is at hand."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers import AutoConfig, AutoModel
from transformers.modeling_outputs import BaseModelOutput

from tunewheel.models.characters import CharacterBackbone, CharacterConfig, fill


class BiLstmConfig(CharacterConfig):
    """Sizes of a `BiLstm`; ``hidden_size`` counts both directions together."""

    model_type = "tunewheel-bilstm"

    hidden_size: int = 256
    num_hidden_layers: int = 1


class BiLstm(CharacterBackbone):
    """Characters and their bigrams through a bidirectional LSTM (Huang, Xu & Yu 2015; Lample et al. 2016)."""

    config_class = BiLstmConfig
    base_model_prefix = "bilstm"

    def __init__(self, config: BiLstmConfig) -> None:
        super().__init__(config)
        self.lstm = nn.LSTM(
            config.seen_size,
            config.hidden_size // 2,
            config.num_hidden_layers,
            batch_first=True,
            bidirectional=True,
        )
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, nn.LSTM):
            for name, parameter in module.named_parameters():
                (nn.init.orthogonal_ if "weight_hh" in name else fill)(parameter)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **_others: Any) -> BaseModelOutput:
        """Hidden states [batch, length, hidden_size] of ``input_ids`` [batch, length]."""
        x = self.embedded(input_ids)
        lengths = attention_mask.sum(1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        hidden, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], True, total_length=x.shape[1])
        return BaseModelOutput(last_hidden_state=self.dropout(hidden))


AutoConfig.register(BiLstmConfig.model_type, BiLstmConfig)
AutoModel.register(BiLstmConfig, BiLstm)
