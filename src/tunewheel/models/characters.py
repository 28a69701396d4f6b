"""What the backbones that learn from nothing share: characters, hashed pairs of them, and the tokenizer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast


class CharacterConfig(PreTrainedConfig):
    """Sizes of the tables: ``bigrams`` rows are shared by all pairs of neighbouring characters; 0: no such table.

    While a network learns, a recipe's dropout stands in place of ``hidden_dropout_prob`` (a BiLSTM's dev F1 on Resume:
    86.3 at 0.1, 86.6 at 0.4).
    """

    vocab_size: int = 4096
    embedding_size: int = 128
    hidden_dropout_prob: float = 0.1
    bigrams: int = 32768
    pad_token_id: int | None = 0

    @property
    def seen_size(self) -> int:
        """Of what is seen of a character."""
        return self.embedding_size * (2 if self.bigrams else 1)


class CharacterBackbone(PreTrainedModel):
    """A body over characters and hashed character bigrams.

    A bigram says more about a Chinese character than the character alone; hashing keeps the table bounded. The two
    class attributes are what `tunewheel.models.network.Network` asks any backbone that states them.
    """

    main_input_name = "input_ids"
    needs_mask: ClassVar[bool] = True
    """Whether the attention mask is needed even where nothing is padded."""
    pooling: ClassVar[Literal["mean", "max"]] = "mean"
    """What of the tokens stands for a whole text."""

    def __init__(self, config: CharacterConfig) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=config.pad_token_id)
        if config.bigrams:
            self.bigrams = nn.Embedding(config.bigrams, config.embedding_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def get_input_embeddings(self) -> nn.Embedding:
        """The character table."""
        return self.embeddings

    def embedded(self, input_ids: Tensor) -> Tensor:
        """Each character beside the bigram it begins [batch, length, seen_size], some values dropped."""
        dropped: Tensor = self.dropout(self.beside(input_ids, followers(input_ids)))
        return dropped

    def beside(self, input_ids: Tensor, following: Tensor) -> Tensor:
        """The vectors [..., seen_size] of characters that ``following`` [...] come behind."""
        if not self.config.bigrams:
            alone: Tensor = self.embeddings(input_ids)
            return alone
        bigram = (input_ids * 31337 + following) % self.config.bigrams
        return torch.cat([self.embeddings(input_ids), self.bigrams(bigram)], -1)

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.1)


def followers(input_ids: Tensor) -> Tensor:
    """The character behind each of ``input_ids`` [batch, length], padding behind the last."""
    return nn.functional.pad(input_ids[:, 1:], (0, 1))


def fill(parameter: Tensor) -> None:
    """Draw a matrix by Glorot & Bengio (2010) and set a bias to zero."""
    if parameter.ndim > 1:
        nn.init.xavier_uniform_(parameter)
    else:
        nn.init.zeros_(parameter)


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
