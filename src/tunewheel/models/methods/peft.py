"""Parameter-efficient methods: the base stays as it is, and a small part that the peft library lays into it learns.

Options are the library's own configuration keys. What can be merged into the base's weights is merged after training,
so that the model is an ordinary network; virtual tokens stay beside it as one table. Sources: Hu et al. (2021), "LoRA";
Liu et al. (2024), "DoRA"; Kalajdzievski (2023), "A Rank Stabilization Scaling Factor" (rsLoRA); Dettmers et al. (2023),
"QLoRA"; Liu et al. (2022), "Few-Shot Parameter-Efficient Fine-Tuning" (IA³); Li & Liang (2021), "Prefix-Tuning"; Lester
et al. (2021), "The Power of Scale" (prompt tuning); Liu et al. (2021), "GPT Understands, Too" (p-tuning).
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar, Self

from tunewheel.models.backbones import Backbone
from tunewheel.models.methods.base import Adaptation, Job, MethodError
from tunewheel.models.methods.engine import Frozen

if TYPE_CHECKING:
    from tunewheel.models.network import Network
    from tunewheel.models.virtual import Place

_BOOKKEEPING = {
    *("peft_type", "task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision"),
    *("inference_mode", "runtime_config"),
}
"""Keys that say nothing of what is learned."""

_OF_THE_BASE = {"token_dim", "num_layers", "num_attention_heads", "num_transformer_submodules"}
"""Keys that the base answers."""

_NOT_HERE = {
    "layer_replication": "a base with more layers than its configuration says could not be loaded again",
    **dict.fromkeys(
        ("eva_config", "corda_config", "lora_ga_config", "loftq_config"),
        "adapters that begin from passes over data are not made here; init_lora_weights knows 'pissa' and 'olora'",
    ),
    **dict.fromkeys(
        ("megatron_config", "megatron_core", "arrow_config", "alora_invocation_tokens", "modules_to_save"),
        "it belongs to other kinds of models; the head learns in any case",
    ),
}
"""Keys that make no sense for one network that is merged and saved, and why."""

_FROM_DATA = ("eva", "corda", "loftq", "lora_ga")


@dataclass(frozen=True)
class Peft(Frozen):
    """A method of the peft library, by its configuration class."""

    config: Mapping[str, Any] = field(default_factory=dict)
    """The configuration keys that were given."""

    configuration: ClassVar[str]
    """Name of the configuration class in `peft`."""
    usual: ClassVar[Mapping[str, Any]] = {}
    """What stands where nothing is given."""
    meant: ClassVar[Mapping[str, Any]] = {}
    """What makes it this method and cannot be given."""

    @classmethod
    def keys(cls) -> dict[str, Any]:
        """The library's configuration keys that can be given, with their types."""
        from typing import get_type_hints

        import peft

        kind = getattr(peft, cls.configuration)
        hints = get_type_hints(kind)
        closed = {*_BOOKKEEPING, *_OF_THE_BASE, *_NOT_HERE, *cls.meant}
        return {f.name: hints[f.name] for f in fields(kind) if f.init and f.name not in closed}

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Check options against the configuration class; raises `MethodError` with the nearest key it has."""
        from pydantic import TypeAdapter, ValidationError

        known = cls.keys()
        wrong = [cls._strange(key, known) for key in options if key not in known]
        given: dict[str, Any] = {}
        for key in options.keys() & known.keys():
            try:
                given[key] = TypeAdapter(known[key]).validate_python(options[key])
            except ValidationError as error:
                told = list(dict.fromkeys(e["msg"] for e in error.errors()))
                wrong.append(f"options.{key}: {'; '.join(told)}, got {options[key]!r}")
        if given.get("init_lora_weights") in _FROM_DATA:
            wrong.append(f"options.init_lora_weights: {_NOT_HERE['eva_config']}")
        if wrong:
            raise MethodError(f"method {cls.name!r}: {'; '.join(sorted(wrong))}")
        made = cls(config={key: given[key] for key in options})
        made.configured()
        return made

    @classmethod
    def _strange(cls, key: str, known: Mapping[str, Any]) -> str:
        if key in cls.meant:
            return f"options.{key} is what makes it {cls.name!r} and cannot be set"
        if key in _NOT_HERE:
            return f"options.{key} cannot be set: {_NOT_HERE[key]}"
        close = get_close_matches(key, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f" (it has {', '.join(sorted(known))})"
        return f"no option {key!r}{hint}"

    def options(self) -> dict[str, Any]:
        """The keys that were given, as JSON values."""
        return {key: getattr(value, "value", value) for key, value in self.config.items()}

    def configured(self, **of_the_base: Any) -> Any:
        """The library's configuration; raises `MethodError` where keys contradict each other."""
        import peft

        try:
            return getattr(peft, self.configuration)(**{**self.usual, **of_the_base, **self.config, **self.meant})
        except (TypeError, ValueError) as error:
            raise MethodError(f"method {self.name!r}: {error}") from None


@dataclass(frozen=True)
class Adapter(Peft):
    """Small matrices or scales inside the base's own layers, merged into its weights after training."""

    def changed(self, network: Network) -> Network:
        """Lay the adapter into the backbone, which itself learns nothing."""
        import peft

        config = self.placed(network.backbone)
        try:
            with warnings.catch_warnings():
                # The library asks transformers by a name that is about to go.
                warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
                network.backbone = peft.get_peft_model(network.backbone, config)
        except ValueError as error:
            raise MethodError(f"method {self.name!r}: {str(error).splitlines()[0]}") from None
        return network

    def placed(self, backbone: Any) -> Any:
        """The configuration with the layers of this backbone."""
        return self.configured()

    def finished(self, network: Network) -> Network:
        """Merge the adapter: an ordinary network with the same outputs."""
        network.backbone = network.backbone.merge_and_unload(safe_merge=True)
        return super().finished(network)


@dataclass(frozen=True)
class Lora(Adapter):
    """Matrices of low rank beside every linear layer."""

    name: ClassVar[str] = "lora"
    private: ClassVar[bool] = True
    continues: ClassVar[bool] = True
    summary: ClassVar[str] = "matrices of low rank beside every linear layer of the base learn, and are merged into it"
    writes: ClassVar[bool] = True
    rate: ClassVar[float] = 2e-3
    configuration: ClassVar[str] = "LoraConfig"
    usual: ClassVar[Mapping[str, Any]] = {"r": 8, "lora_alpha": 16, "target_modules": "all-linear"}

    def prepare(self, job: Job) -> Adaptation:
        """A network with the matrices laid into it, or a language model where the task is to write."""
        if job.task.writes:
            from tunewheel.models.methods.writing import prepare_writing

            return prepare_writing(self, job, adapter=self.configured())
        return super().prepare(job)


@dataclass(frozen=True)
class Dora(Lora):
    """LoRA with the weights' lengths learned apart from their directions."""

    name: ClassVar[str] = "dora"
    continues: ClassVar[bool] = True
    writes: ClassVar[bool] = True
    summary: ClassVar[str] = "LoRA that learns the length of each row of weights apart from its direction; slower"
    meant: ClassVar[Mapping[str, Any]] = {"use_dora": True}


@dataclass(frozen=True)
class RsLora(Lora):
    """LoRA scaled by the square root of its rank, for high ranks."""

    name: ClassVar[str] = "rslora"
    private: ClassVar[bool] = True
    continues: ClassVar[bool] = True
    writes: ClassVar[bool] = True
    summary: ClassVar[str] = "LoRA whose scale falls with the root of its rank: for high ranks"
    usual: ClassVar[Mapping[str, Any]] = {"r": 8, "lora_alpha": 8, "target_modules": "all-linear"}
    meant: ClassVar[Mapping[str, Any]] = {"use_rslora": True}


@dataclass(frozen=True)
class Ia3(Adapter):
    """A scale for every key, value and inner activation."""

    name: ClassVar[str] = "ia3"
    continues: ClassVar[bool] = True
    summary: ClassVar[str] = "a scale for every key, value and inner activation learns: the fewest weights, merged too"
    rate: ClassVar[float] = 1e-2
    configuration: ClassVar[str] = "IA3Config"

    def placed(self, backbone: Any) -> Any:
        """The library's own choice of layers; for a base it does not know a scale after every linear layer."""
        from peft.utils.constants import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING as KNOWN

        if "target_modules" in self.config or backbone.config.model_type in KNOWN:
            return self.configured()
        return self.configured(target_modules="all-linear", feedforward_modules=[])


@dataclass(frozen=True)
class Virtual(Peft):
    """Tokens that are no words: vectors before the text, all that learns of the backbone's side."""

    maker: ClassVar[str]
    """Name of the class in `peft` that makes the virtual tokens while they are learned."""
    place: ClassVar[Place] = "input"
    usual: ClassVar[Mapping[str, Any]] = {"num_virtual_tokens": 20}

    def check_base(self, backbone: Backbone) -> None:
        """Virtual tokens take some of the room that the base has for a text."""
        super().check_base(backbone)
        if self.longest(backbone) < 8:
            raise MethodError(
                f"method {self.name!r}: {self.tokens} virtual tokens leave no room for a text in base "
                f"{backbone.name!r}, which reads {backbone.longest} at once; set options.num_virtual_tokens lower"
            )

    @property
    def tokens(self) -> int:
        """How many virtual tokens there are."""
        return int(self.configured().num_virtual_tokens)

    def longest(self, backbone: Backbone) -> int:
        """What the virtual tokens leave."""
        return backbone.longest - self.tokens

    def changed(self, network: Network) -> Network:
        """Put the library's encoder of virtual tokens before the backbone, which itself learns nothing."""
        shape = network.backbone.config
        words = network.get_input_embeddings()
        width = words.embedding_dim if self.place == "input" else shape.hidden_size
        config = self.configured(
            token_dim=width,
            num_layers=shape.num_hidden_layers,
            num_attention_heads=shape.num_attention_heads,
            num_transformer_submodules=1,
        )
        network = super().changed(network)
        network.config.virtual = {"place": self.place, "tokens": config.num_virtual_tokens}
        network.virtual = self.encoder(config, words)
        return network

    def encoder(self, config: Any, words: Any) -> Any:
        """What makes the virtual tokens while they are learned; a network in it is as wide as a word unless set."""
        import peft

        config.encoder_hidden_size = config.encoder_hidden_size or config.token_dim
        return getattr(peft, self.maker)(config)

    def finished(self, network: Network) -> Network:
        """Keep the virtual tokens as a plain table: what made them has done its work."""
        import torch

        with torch.no_grad():
            places = torch.arange(network.config.virtual["tokens"], device=network.device)
            learned = network.virtual(places[None])[0]
            network.virtual = torch.nn.Embedding(len(learned), learned.shape[1], device=learned.device)
            network.virtual.weight.copy_(learned)
        return super().finished(network)


@dataclass(frozen=True)
class PromptTuning(Virtual):
    """Virtual words before the text."""

    name: ClassVar[str] = "prompt-tuning"
    summary: ClassVar[str] = "virtual words before every text learn, and stay beside the base"
    rate: ClassVar[float] = 1e-2
    configuration: ClassVar[str] = "PromptTuningConfig"
    usual: ClassVar[Mapping[str, Any]] = {"num_virtual_tokens": 20, "prompt_tuning_init": "SAMPLE_VOCAB"}
    maker: ClassVar[str] = "PromptEmbedding"

    def encoder(self, config: Any, words: Any) -> Any:
        """A table that begins as vectors of real words."""
        import peft

        return getattr(peft, self.maker)(config, words)


@dataclass(frozen=True)
class PTuning(Virtual):
    """Virtual words before the text, made by a small network."""

    name: ClassVar[str] = "p-tuning"
    summary: ClassVar[str] = "virtual words as a small network makes them, which learns; only the words are kept"
    rate: ClassVar[float] = 2e-3
    configuration: ClassVar[str] = "PromptEncoderConfig"
    maker: ClassVar[str] = "PromptEncoder"


@dataclass(frozen=True)
class Prefix(Virtual):
    """Virtual keys and values in every layer."""

    name: ClassVar[str] = "prefix"
    summary: ClassVar[str] = "keys and values that every layer attends to learn, and stay beside the base"
    rate: ClassVar[float] = 1e-2
    configuration: ClassVar[str] = "PrefixTuningConfig"
    maker: ClassVar[str] = "PrefixEncoder"
    place: ClassVar[Place] = "attention"

    def check_base(self, backbone: Backbone) -> None:
        """Not every base attends to keys and values from outside."""
        super().check_base(backbone)
        if "past_key_values" not in inspect.signature(backbone.model.forward).parameters:
            raise MethodError(
                f"method {self.name!r}: base {backbone.name!r} ({backbone.model.config.model_type}) attends to no keys "
                "and values from outside; use 'prompt-tuning'"
            )
