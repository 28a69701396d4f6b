"""The network that is pretrained: made from nothing, or an existing base that goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from tunewheel.models.pretraining.objectives import Clm, Mlm, Rtd
from tunewheel.models.pretraining.recipe import PretrainRecipe


def new_network(recipe: PretrainRecipe, vocabulary: int) -> nn.Module:
    """A model of the recipe's sizes from random weights."""
    if recipe.objective == "clm":
        return Clm(_causal(recipe, vocabulary))
    backbone = encoder(recipe.layers, recipe.width, recipe.heads, vocabulary, recipe.length)
    if recipe.objective == "mlm":
        return Mlm(backbone)
    # A generator a quarter to a half as large is the best teacher (Clark et al. 2020, figure 3); it shares the word
    # table, so it is as wide and has fewer layers.
    fewer = max(1, recipe.layers // 3)
    return Rtd(backbone, encoder(fewer, recipe.width, recipe.heads, vocabulary, recipe.length))


def encoder(layers: int, width: int, heads: int, vocabulary: int, length: int) -> Any:
    """A transformer encoder as ModernBERT arranges it: norms before each block, rotary positions (Warner et al. 2024).

    At these sizes it learns far faster than BERT's arrangement, which has its norms behind the blocks: with the same
    text, batches and peak rate (6 layers, 256 wide), masked words had a perplexity of 271 after 500 updates where that
    one had 377, and 351 after 1,000. Taken once each from the command's own log; the other arrangement is not kept.
    """
    from transformers import ModernBertConfig, ModernBertModel

    positions = {"rope_type": "default", "rope_theta": 10_000.0}
    config = ModernBertConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=8 * width // 3,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=length,
        global_attn_every_n_layers=1,
        rope_parameters={"full_attention": positions, "sliding_attention": positions},
        pad_token_id=0,
        cls_token_id=2,
        bos_token_id=2,
        sep_token_id=3,
        eos_token_id=3,
        attn_implementation="sdpa",
    )
    return ModernBertModel(config)


def _causal(recipe: PretrainRecipe, vocabulary: int) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=recipe.width,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        intermediate_size=8 * recipe.width // 3,
        max_position_embeddings=recipe.length,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=1,
        attn_implementation="sdpa",
    )
    return LlamaForCausalLM(config)


def continued(base: str, recipe: PretrainRecipe) -> tuple[nn.Module, Any, PretrainRecipe]:
    """The base ``base``, its tokenizer, and the recipe with the sizes that the base has.

    An encoder's own head for masked words is not part of a base: a fresh one stands on its word table. Raises
    `BackboneError` where there is no such base and ValueError where it cannot do what the objective asks.
    """
    from tunewheel.models.backbones import load_backbone

    if recipe.objective == "rtd":
        raise ValueError("objective rtd is for an encoder made from scratch; a base goes on with mlm (or clm)")
    if recipe.objective == "clm":
        return _continued_causal(base, recipe)
    found = load_backbone(base, ())
    if not found.pretrained or found.tokenizer.mask_token_id is None:
        raise ValueError(f"base {base!r} has no mask token to learn with; objective mlm needs an encoder that has one")
    pooler = getattr(found.model, "pooler", None)
    if pooler is not None:
        found.model.pooler = None
    length = min(recipe.length, found.longest)
    return Mlm(found.model), found.tokenizer, replace(recipe, length=length)


def _continued_causal(base: str, recipe: PretrainRecipe) -> tuple[nn.Module, Any, PretrainRecipe]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from tunewheel.models.backbones import BackboneError

    try:
        tokenizer = AutoTokenizer.from_pretrained(base, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            base, dtype=torch.float32, trust_remote_code=False, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise BackboneError(f"base model {base!r} cannot be loaded: {str(error).splitlines()[0]}") from error
    if looks_ahead(model):
        raise ValueError(f"base {base!r} sees what follows a token, so it would copy it: objective mlm is for encoders")
    longest = int(getattr(model.config, "max_position_embeddings", recipe.length))
    return Clm(model), tokenizer, replace(recipe, length=min(recipe.length, longest))


def looks_ahead(model: Any) -> bool:
    """Whether what is predicted after a token depends on the tokens behind it; no field of a config tells."""
    import torch

    with torch.no_grad():
        one, other = model(input_ids=torch.tensor([[1, 1], [1, 2]])).logits[:, 0]
    return not torch.allclose(one, other, atol=1e-5)


def save_backbone(network: Any, tokenizer: Any, folder: Path, *, half: bool) -> None:
    """Write the backbone alone, as `train --base` takes it; ``half``: its weights in 16 bits."""
    model = network.backbone
    if half:
        import copy

        import torch

        model = copy.deepcopy(model).to(torch.float16)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
