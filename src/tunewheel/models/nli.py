"""A classifier of entailment as the body of a model: does the text entail the sentence about a label?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from tunewheel.models.backbones import Backbone, BackboneError
from tunewheel.models.batching import budgeted
from tunewheel.models.body import Precision
from tunewheel.models.methods.base import MethodError
from tunewheel.models.quiet import quiet
from tunewheel.tasks import Prediction, Row, Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tunewheel.models.encoding import TextEncoder

CHUNK = 256
BATCH_TOKENS = 2048


class Entailment:
    """A network that judges premise and hypothesis, with the hypotheses about each label (Yin et al. 2019).

    ``hypotheses`` are in the order of the task's outputs; ``window`` is the most tokens of a pair.
    """

    kind: ClassVar[str] = "nli"

    def __init__(self, network: Any, tokenizer: Any, hypotheses: Mapping[str, Sequence[str]], window: int) -> None:
        self.network = network
        self.tokenizer = tokenizer
        self.hypotheses = {label: list(told) for label, told in hypotheses.items()}
        self.window = window
        self.form = _Form.of(tokenizer)
        told = [text for each in self.hypotheses.values() for text in each]
        self.pieces = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in told]
        # The encoder counts the special tokens around one text itself.
        self.room = window - len(self.form.between) - max(map(len, self.pieces))
        if self.room - len(self.form.before) - len(self.form.after) < 8:
            raise MethodError(f"the longest sentence about a label leaves no room for a text in {window} tokens")

    @classmethod
    def on(cls, base: str, hypotheses: Mapping[str, Sequence[str]], window: int) -> Self:
        """Load the base, a folder or a hub id, which ``window`` may ask less of than it can read.

        Raises `BackboneError` where there is none, `MethodError` where it judges no entailment.
        """
        network, tokenizer = _loaded(base)
        entailed_at(network, base)
        longest = Backbone(base, network, tokenizer, pretrained=True, source=base).longest
        return cls(network, tokenizer, hypotheses, min(window, longest))

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(p.numel() for p in self.network.parameters())

    def answers(self, task: Task, precision: Precision) -> Judge:
        """The judge of every label's sentences."""
        return Judge(self, task, precision)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write weights, configuration and tokenizer."""
        with quiet():
            self.network.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        return {"nli": {"hypotheses": self.hypotheses, "window": self.window}}

    @classmethod
    def load(cls, folder: Path, declared: Mapping[str, Any]) -> Self:
        """Read them again."""
        return cls(*_loaded(str(folder)), **declared["nli"])


class Judge:
    """Rows in, predictions out, in order; a text's answer does not depend on its neighbours."""

    def __init__(self, body: Entailment, task: Task, precision: Precision) -> None:
        from tunewheel.models.encoding import TextEncoder

        self.body = body
        self.task = task
        self.precision = precision
        self.encoder: TextEncoder = TextEncoder(body.tokenizer, window=body.room, shapes=False)

    def __call__(self, rows: Sequence[Row]) -> list[Prediction]:
        """Predict all rows."""
        return list(self.stream(rows))

    def stream(self, rows: Iterable[Row]) -> Iterator[Prediction]:
        """Predict rows as they come, `CHUNK` at a time."""
        coming = iter(rows)
        while chunk := list(islice(coming, CHUNK)):
            windows = self.task.encode(chunk, self.encoder)
            outputs = list(self._judged([window.ids for window in windows]))
            yield from self.task.decode(chunk, self.encoder, windows, outputs)

    def _judged(self, premises: Sequence[list[int]]) -> Iterator[npt.NDArray[np.float32]]:
        """The logit of entailment [labels] for each premise, the mean over a label's sentences."""
        import numpy as np

        pairs = [(a, b) for a in premises for b in self.body.pieces]
        sizes = [len(a) + len(b) + self.body.form.size for a, b in pairs]
        order = sorted(range(len(pairs)), key=sizes.__getitem__)
        logits, at = np.zeros(len(pairs), dtype=np.float32), 0
        for size in budgeted([sizes[i] for i in order], BATCH_TOKENS):
            members = order[at : at + size]
            at += size
            logits[members] = self._logits([pairs[i] for i in members])
        edges = np.cumsum([0, *map(len, self.body.hypotheses.values())])
        for judged in logits.reshape(len(premises), len(self.body.pieces)):
            yield np.array([judged[a:b].mean() for a, b in pairwise(edges)], dtype=np.float32)

    def _logits(self, pairs: Sequence[tuple[list[int], list[int]]]) -> npt.NDArray[np.float32]:
        """Log-odds of entailment against all else."""
        import torch

        network = self.body.network
        batch = self.body.form.collate(pairs, self.encoder.pad)
        at = entailed_at(network, self.task.name)
        with (
            torch.inference_mode(),
            torch.autocast(network.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"),
        ):
            scores = network(**{name: tensor.to(network.device) for name, tensor in batch.items()}).logits.float()
        others = [i for i in range(scores.shape[1]) if i != at]
        odds: npt.NDArray[np.float32] = (scores[:, at] - scores[:, others].logsumexp(1)).cpu().numpy()
        return odds


class _Form(NamedTuple):
    """How a tokenizer writes a pair: the special tokens before, between and after, and the types of both texts."""

    before: list[int]
    between: list[int]
    after: list[int]
    types: tuple[int, int] | None

    @classmethod
    def of(cls, tokenizer: Any) -> _Form:
        plain = tokenizer("a", add_special_tokens=False)["input_ids"]
        pair = tokenizer("a", "a")
        ids = pair["input_ids"]
        starts = [i for i in range(len(ids)) if ids[i : i + len(plain)] == plain]
        first, second = starts[0], starts[-1]
        types = pair.get("token_type_ids")
        told = None if types is None else (types[first], types[second])
        return cls(ids[:first], ids[first + len(plain) : second], ids[second + len(plain) :], told)

    @property
    def size(self) -> int:
        return len(self.before) + len(self.between) + len(self.after)

    def collate(self, pairs: Sequence[tuple[list[int], list[int]]], pad: int) -> dict[str, Any]:
        """``input_ids``, ``attention_mask`` and, where the network knows them, ``token_type_ids`` [pairs, length]."""
        import torch

        ids = [self.before + a + self.between + b + self.after for a, b in pairs]
        width = max(map(len, ids))
        batch = {
            "input_ids": torch.tensor([one + [pad] * (width - len(one)) for one in ids]),
            "attention_mask": torch.tensor([[1] * len(one) + [0] * (width - len(one)) for one in ids]),
        }
        if self.types:
            first, second = self.types
            starts = [len(self.before) + len(a) + len(self.between) for a, _ in pairs]
            batch["token_type_ids"] = torch.tensor([[first] * at + [second] * (width - at) for at in starts])
        return batch


def entailed_at(network: Any, base: str) -> int:
    """Which output says that the premise entails the hypothesis; raises `MethodError` where none is called so."""
    names = {int(at): str(name) for at, name in network.config.id2label.items()}
    for at, name in names.items():
        if name.lower().startswith("entail") or name == "蕴含":
            return at
    raise MethodError(
        f"base {base!r} judges {', '.join(names.values())}; options.nli needs a base with a label called 'entailment'"
    )


def _loaded(source: str) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    safe: dict[str, Any] = {"trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **safe)
        with quiet():
            network, told = AutoModelForSequenceClassification.from_pretrained(
                source, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **safe
            )
    except (OSError, ValueError) as error:
        raise BackboneError(
            f"base {source!r} cannot be loaded as a classifier of pairs: {str(error).splitlines()[0]}\n"
            "options.nli takes a folder or a hub id of a sequence classification model, while the hub can be reached."
        ) from error
    if told["missing_keys"]:
        raise MethodError(f"base {source!r} brings no classifier of pairs; name one that was trained on entailment")
    return network.eval().to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer
