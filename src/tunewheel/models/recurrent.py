"""A character BiLSTM that learns from nothing: the backbone where no pretrained one is at hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.modeling_outputs import BaseModelOutput


class BiLstmConfig(PreTrainedConfig):
    """Sizes of a `BiLstm`; ``hidden_size`` counts both directions together."""

    model_type = "tunewheel-bilstm"

    vocab_size: int = 4096
    embedding_size: int = 128
    hidden_size: int = 256
    num_hidden_layers: int = 1
    hidden_dropout_prob: float = 0.4
    bigrams: int = 32768
    pad_token_id: int | None = 0


class BiLstm(PreTrainedModel):
    """Characters and hashed character bigrams through a bidirectional LSTM (Huang, Xu & Yu 2015; Lample et al. 2016).

    A bigram says more about a Chinese character than the character alone; hashing keeps the table bounded.
    """

    config_class = BiLstmConfig
    base_model_prefix = "bilstm"
    main_input_name = "input_ids"

    def __init__(self, config: BiLstmConfig) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=config.pad_token_id)
        self.bigrams = nn.Embedding(config.bigrams, config.embedding_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.lstm = nn.LSTM(
            2 * config.embedding_size,
            config.hidden_size // 2,
            config.num_hidden_layers,
            batch_first=True,
            bidirectional=True,
        )
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        """The character table."""
        return self.embeddings

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.1)
        elif isinstance(module, nn.LSTM):
            for name, parameter in module.named_parameters():
                (nn.init.orthogonal_ if "weight_hh" in name else _fill)(parameter)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **_others: Any) -> BaseModelOutput:
        """Hidden states [batch, length, hidden_size] of ``input_ids`` [batch, length]."""
        following = torch.nn.functional.pad(input_ids[:, 1:], (0, 1))
        bigram = (input_ids * 31337 + following) % self.config.bigrams
        x = self.dropout(torch.cat([self.embeddings(input_ids), self.bigrams(bigram)], -1))
        lengths = attention_mask.sum(1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        hidden, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], True, total_length=x.shape[1])
        return BaseModelOutput(last_hidden_state=self.dropout(hidden))


def _fill(parameter: Tensor) -> None:
    if parameter.ndim > 1:
        nn.init.xavier_uniform_(parameter)
    else:
        nn.init.zeros_(parameter)


AutoConfig.register(BiLstmConfig.model_type, BiLstmConfig)
AutoModel.register(BiLstmConfig, BiLstm)


def character_tokenizer(texts: Iterable[str], minimum: int = 2) -> PreTrainedTokenizerFast:
    """A tokenizer of single characters over those that stand ``minimum`` times in ``texts``; space is left out."""
    from tokenizers import Regex, Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Sequence, Split, WhitespaceSplit

    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    kept = sorted(c for c, n in counts.items() if n >= minimum and not c.isspace())
    vocabulary = {token: i for i, token in enumerate(["[PAD]", "[UNK]", *kept])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Sequence([WhitespaceSplit(), Split(Regex("."), "isolated")])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]")
