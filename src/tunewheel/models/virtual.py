"""Virtual tokens: learned vectors before a text, which a frozen backbone reads as if they were words.

They stand before the text's word vectors (``input``; Lester et al. 2021, "The Power of Scale for Parameter-Efficient
Prompt Tuning") or as keys and values that every layer attends to (``attention``; Li & Liang 2021, "Prefix-Tuning").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

Place = Literal["input", "attention"]


def table_width(place: Place, backbone: Any) -> int:
    """Numbers a virtual token has: a word vector, or a key and a value for every layer."""
    if place == "input":
        return int(backbone.get_input_embeddings().embedding_dim)
    return int(2 * backbone.config.num_hidden_layers * backbone.config.hidden_size)


def read_after(
    table: nn.Module, virtual: Mapping[str, Any], backbone: Any, embedded: Tensor, mask: Tensor | None
) -> Tensor:
    """Last hidden states [batch, length, width] of a text's own tokens, read after the virtual ones.

    ``table`` gives the virtual tokens [1, tokens, numbers] for their places [1, tokens]; ``embedded`` is
    [batch, length, width], ``mask`` [batch, length] or None where nothing is padded. Positions of the text begin
    behind the virtual tokens in both places, as BERT counts them.
    """
    tokens = virtual["tokens"]
    learned = table(torch.arange(tokens, device=embedded.device)[None])
    seen = None if mask is None else torch.cat([mask.new_ones(mask.shape[0], tokens), mask], dim=1)
    if virtual["place"] == "input":
        before = learned.to(embedded.dtype).expand(embedded.shape[0], -1, -1)
        whole: Tensor = backbone(
            inputs_embeds=torch.cat([before, embedded], dim=1), attention_mask=seen
        ).last_hidden_state
        return whole[:, tokens:]
    if seen is not None:
        # The library would make a mask as wide as the text alone.
        seen = seen.bool()[:, None, None].expand(-1, 1, embedded.shape[1], -1)
    cache = _keys_and_values(learned, backbone.config, embedded.shape[0])
    hidden: Tensor = backbone(inputs_embeds=embedded, attention_mask=seen, past_key_values=cache).last_hidden_state
    return hidden


def _keys_and_values(learned: Tensor, config: Any, batch: int) -> Any:
    """A cache with a key and a value [batch, heads, tokens, width of a head] for every layer."""
    from transformers import DynamicCache

    device = learned.device.type
    if torch.is_autocast_enabled(device):
        learned = learned.to(torch.get_autocast_dtype(device))
    heads = config.num_attention_heads
    shape = (learned.shape[1], 2 * config.num_hidden_layers, heads, config.hidden_size // heads)
    parts = learned.view(shape).permute(1, 2, 0, 3)[:, None].expand(-1, batch, -1, -1, -1)
    cache = DynamicCache()
    for layer in range(config.num_hidden_layers):
        cache.update(parts[2 * layer], parts[2 * layer + 1], layer)
    return cache
