"""What is learned from plain text: masked words, replaced tokens, or the next token."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tunewheel.models.pretraining.masking import IGNORED

Objective = Literal["mlm", "rtd", "clm"]

RTD_WEIGHT = 50.0
"""Weight of the discriminator's loss beside the generator's (Clark et al. 2020)."""


class Words(nn.Module):
    """Scores of every vocabulary entry from hidden states [n, width], by the word table itself."""

    def __init__(self, width: int, table: nn.Embedding) -> None:
        super().__init__()
        self.dense = nn.Linear(width, table.embedding_dim)
        self.norm = nn.LayerNorm(table.embedding_dim)
        self.bias = nn.Parameter(torch.zeros(table.num_embeddings))
        self._table = [table]  # in a list, so that the table stays the backbone's alone

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits [n, vocabulary]."""
        return F.linear(self.norm(F.gelu(self.dense(hidden))), self._table[0].weight, self.bias)


class Mlm(nn.Module):
    """Masked language modelling (Devlin et al. 2019) on any encoder."""

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self.backbone = backbone
        self.words = Words(backbone.config.hidden_size, backbone.get_input_embeddings())

    def forward(self, input_ids: Tensor, labels: Tensor, **_: Any) -> dict[str, Tensor]:
        """Mean cross entropy of the masked tokens; ids and labels [batch, length]."""
        hidden = self.backbone(input_ids=input_ids).last_hidden_state
        at = labels != IGNORED
        loss = F.cross_entropy(self.words(hidden[at]).float(), labels[at])
        return {"loss": loss, "words": loss.detach()}

    def flops(self, length: int, share: float) -> float:
        """Multiplications and additions a token, forward and backward, when ``share`` of the tokens is masked."""
        return _encoder(self.backbone, length) + share * _table(self.backbone)


class Rtd(nn.Module):
    """Replaced-token detection: a small generator fills the gaps, the backbone finds what it put in (ELECTRA).

    Every token teaches, not only the masked ones (Clark et al. 2020). Both share the word table, which learns from the
    generator's loss too.
    """

    def __init__(self, backbone: Any, generator: Any) -> None:
        super().__init__()
        self.backbone, self.generator = backbone, generator
        generator.set_input_embeddings(backbone.get_input_embeddings())
        self.words = Words(generator.config.hidden_size, backbone.get_input_embeddings())
        width = backbone.config.hidden_size
        self.judge = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))

    def forward(self, input_ids: Tensor, labels: Tensor, seed: Tensor) -> dict[str, Tensor]:
        """The two losses, weighted; ids and labels [batch, length]; ``seed`` (a number) settles what is drawn."""
        at = labels != IGNORED
        logits = self.words(self.generator(input_ids=input_ids).last_hidden_state[at]).float()
        words = F.cross_entropy(logits, labels[at])
        with torch.no_grad():
            # Gumbel noise makes the highest score a draw from the softmax.
            coins = torch.Generator(logits.device).manual_seed(int(seed))
            noise = -torch.empty_like(logits).exponential_(generator=coins).log_()
            drawn = (logits + noise).argmax(-1)
        seen = input_ids.clone()
        seen[at] = drawn
        replaced = torch.zeros_like(input_ids, dtype=torch.float32)
        replaced[at] = (drawn != labels[at]).float()
        judged = self.judge(self.backbone(input_ids=seen).last_hidden_state).squeeze(-1).float()
        found = F.binary_cross_entropy_with_logits(judged, replaced)
        return {"loss": words + RTD_WEIGHT * found, "words": words.detach(), "replaced": found.detach()}

    def flops(self, length: int, share: float) -> float:
        """Multiplications and additions a token, forward and backward."""
        return _encoder(self.backbone, length) + _encoder(self.generator, length) + share * _table(self.backbone)


class Clm(nn.Module):
    """Next-token prediction with a causal model of the library's own."""

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, input_ids: Tensor, **_: Any) -> dict[str, Tensor]:
        """Mean cross entropy of every next token; ids [batch, length]."""
        logits = self.backbone(input_ids=input_ids).logits[:, :-1].float()
        loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), input_ids[:, 1:].reshape(-1))
        return {"loss": loss, "words": loss.detach()}

    def flops(self, length: int, share: float) -> float:
        """Multiplications and additions a token, forward and backward; a causal mask halves the attention."""
        return _encoder(self.backbone, length / 2) + _table(self.backbone)


def _encoder(backbone: Any, length: float) -> float:
    table = set(map(id, (p for m in backbone.modules() if isinstance(m, nn.Embedding) for p in m.parameters())))
    weights = sum(p.numel() for p in backbone.parameters() if p.ndim == 2 and id(p) not in table)
    config = backbone.config
    return float(6 * weights + 12 * config.num_hidden_layers * config.hidden_size * length)


def _table(backbone: Any) -> float:
    return 6.0 * float(backbone.get_input_embeddings().weight.numel())
