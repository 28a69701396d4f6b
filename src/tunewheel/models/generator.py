"""A language model with its tokenizer, as the body of a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from tunewheel.models.backbones import KNOWN, BackboneError, check_spelling
from tunewheel.models.body import Precision
from tunewheel.models.quiet import quiet
from tunewheel.models.writing.chat import Chat
from tunewheel.models.writing.writer import Writer

if TYPE_CHECKING:
    from tunewheel.tasks import Task
    from tunewheel.tasks.generation import Generation


class Generator:
    """A causal language model or an encoder-decoder of the library's own, which writes answers."""

    kind: ClassVar[str] = "generator"

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model = model
        self.chat = Chat(tokenizer, pairs=bool(model.config.is_encoder_decoder))

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(p.numel() for p in self.model.parameters())

    @property
    def longest(self) -> int:
        """Most tokens it can read, with a causal model prompt and answer together."""
        config = self.model.config
        names = ("max_position_embeddings", "n_positions", "n_ctx")
        # T5 counts relative positions: what it names is what it was trained on, no bound.
        limits = [getattr(config, name, None) for name in names] if config.model_type not in ("t5", "mt5") else []
        return min((int(limit) for limit in limits if limit), default=1 << 20)

    def answers(self, task: Task, precision: Precision) -> Writer:
        """The writer over this model."""
        return Writer(self.model, self.chat, self.longest, cast("Generation", task), precision)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write weights, configuration and tokenizer."""
        with quiet():
            self.model.save_pretrained(folder)
        self.chat.tokenizer.save_pretrained(folder)
        return {}

    @classmethod
    def load(cls, folder: Path, declared: Mapping[str, Any]) -> Self:
        """Read weights and tokenizer; safetensors only, and no code comes with them."""
        return cls(*_loaded(folder))

    @classmethod
    def of_base(cls, base: str) -> Self:
        """Load a base: a folder with ``config.json`` or a hub id. Raises `BackboneError` with what to do."""
        from tunewheel.models.pretraining.build import looks_ahead

        folder = Path(base)
        if not folder.is_dir() and (base.count("/") > 1 or base.startswith((".", "/", "~"))):
            raise BackboneError(f"{base}: no such folder")
        if not folder.is_dir():
            check_spelling(base)
            if base in KNOWN:
                raise BackboneError(f"base {base!r} reads and cannot write ({KNOWN[base]}); take a language model")
        try:
            model, tokenizer = _loaded(folder if folder.is_dir() else base)
        except (OSError, ValueError) as error:
            raise BackboneError(
                f"base model {base!r} cannot be loaded: {str(error).splitlines()[0]}\n"
                "A base that writes is a causal or an encoder-decoder language model: a folder with config.json, "
                "model.safetensors and tokenizer.json, or a hub id while the hub can be reached. "
                "`tunewheel pretrain --objective clm` makes one."
            ) from error
        if not model.config.is_encoder_decoder and looks_ahead(model):
            raise BackboneError(
                f"base {base!r} is an encoder: it sees what follows a token and cannot write; take another"
            )
        return cls(model, tokenizer)


def _loaded(source: str | Path) -> tuple[Any, Any]:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    from tunewheel.models.quiet import quiet

    with quiet():
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        model = kind.from_pretrained(source, dtype=torch.float32, trust_remote_code=False, use_safetensors=True)
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    return (model.to("cuda") if torch.cuda.is_available() else model).eval(), tokenizer
