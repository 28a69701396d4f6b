"""Generation: a text is answered with a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NoReturn, Self

import numpy as np
import numpy.typing as npt

from tunewheel.data.conversation import Message, messages_of
from tunewheel.data.gather import hash64
from tunewheel.tasks.base import Head, Prediction, Row, Scores, Task, TaskError, ratio
from tunewheel.tasks.overlap import bleu, bleu_statistics, check_packages, chrf, chrf_statistics, rouge


class Generation(Task):
    """A language model writes the answer to a text, or to the messages that stand behind it.

    It is not read in windows and has no labels: `messages` says what is asked, the body's own tokenizer how that looks
    to it, and a prediction's ``text`` is what was written. At most ``max_new_tokens`` are; ``temperature`` 0 takes the
    likeliest at each step, above it they are drawn from the likeliest that make up ``top_p`` of the probability
    (Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration"), the same ones for a ``seed`` and a text.

    Where rows bring their answer, a prediction also says how probable that was to the model (``gold``: ``tokens``, and
    ``loss``, minus their summed log-probability), and so for ``rejected``. ``perplexity`` is that of the dev answers,
    ``reward_accuracy`` the share of dev pairs that preference tuning put into their order.

    >>> task = Generation()
    >>> rows = [{"text": "卡丢了怎么办", "answer": "请先冻结卡片"}]
    >>> task.metrics(task.score(rows, [{"text": "请先冻结卡片"}]))["exact_match"]
    1.0
    """

    name: ClassVar[str] = "generation"
    columns: ClassVar[tuple[str, ...]] = ("text", "answer", "messages", "rejected")
    headline: ClassVar[tuple[str, ...]] = ("rouge_l", "chrf")
    selection: ClassVar[str] = "gold_probability"
    proportions: ClassVar[frozenset[str]] = frozenset({"exact_match", "preferred"})
    metric_names: ClassVar[Mapping[str, tuple[str, str]]] = {
        "rouge_1": ("ROUGE-1", "ROUGE-1"),
        "rouge_2": ("ROUGE-2", "ROUGE-2"),
        "rouge_l": ("ROUGE-L", "ROUGE-L"),
        "bleu": ("BLEU", "BLEU"),
        "chrf": ("chrF", "chrF"),
        "gold_probability": (
            "probability of the gold answer, a token (1 / perplexity)",
            "标准答案的逐词元概率（1 / 困惑度）",
        ),
        "preferred": ("gold answer likelier than the rejected one", "标准答案比被拒答案更可能"),
    }
    answers: ClassVar[str] = "a text that it writes"
    pipeline: ClassVar[str | None] = "text-generation"
    writes: ClassVar[bool] = True

    labels: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        max_new_tokens: int = 128,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 13,
        perplexity: float | None = None,
        reward_accuracy: float | None = None,
    ) -> None:
        if max_new_tokens < 1:
            raise TaskError(f"max_new_tokens must be at least 1, got {max_new_tokens}")
        if temperature < 0 or not 0 < top_p <= 1:
            raise TaskError(f"temperature is 0 or more and top_p in (0, 1], got {temperature:g} and {top_p:g}")
        self.max_new_tokens, self.temperature, self.top_p, self.seed = max_new_tokens, temperature, top_p, seed
        self.perplexity, self.reward_accuracy = perplexity, reward_accuracy

    @classmethod
    def from_dataset(
        cls,
        dataset: Any,
        *,
        split: str = "train",
        max_new_tokens: int = 128,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 13,
        **_options: Any,
    ) -> Self:
        """Learn nothing from the rows; raises `TaskError` where a package is missing that scores answers."""
        check_packages()
        return cls(max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p, seed=seed)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the task again from `config`."""
        return cls(**config)

    def config(self) -> dict[str, Any]:
        """How answers are written, and the dev perplexity."""
        names = ("max_new_tokens", "temperature", "top_p", "seed", "perplexity", "reward_accuracy")
        return {name: getattr(self, name) for name in names}

    def messages(self, row: Row) -> list[Message]:
        """What a row asks: dicts of ``role`` and ``content``."""
        return messages_of(row)

    def head(self) -> Head:
        """The language model's own: every next token of the vocabulary."""
        return Head("generate", 0, "clm")

    def encode(self, *_: Any, **__: Any) -> NoReturn:
        """Raise: prompts and answers are read by a generator's own tokenizer, not in windows."""
        raise TaskError(f"task {self.name!r} is not read in windows: a generator reads its rows")

    decode = encode

    def answer(self, prediction: Prediction) -> str:
        """The text that was written."""
        return str(prediction["text"])

    def score(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Scores:
        """What the overlap figures are summed from, and how probable the answers were where predictions say so."""
        check_packages()
        gold, written = [row["answer"] for row in rows], [self.answer(p) for p in predictions]
        scores: Scores = {
            "gold": np.array([hash64(g) for g in gold], dtype=np.uint64),  # two models' reports must be on the same
            "exact": np.array([self._same(g, w) for g, w in zip(gold, written, strict=True)], dtype=bool),
            "rouge": rouge(gold, written),
            "bleu": bleu_statistics(gold, written),
            "chrf": chrf_statistics(gold, written),
        }
        known = [p.get("gold", {"loss": 0.0, "tokens": 0}) for p in predictions]
        scores["likelihood"] = np.array([[k["loss"], k["tokens"]] for k in known], dtype=np.float64).reshape(-1, 2)
        scores["preferred"] = np.array([_preferred(p) for p in predictions], dtype=np.int8)
        return scores

    @staticmethod
    def _same(gold: str, written: str) -> bool:
        return gold.split() == written.split()

    def metrics(self, scores: Scores, weights: npt.NDArray[Any] | None = None) -> dict[str, float]:
        """ROUGE (mean F1), corpus BLEU, chrF, exact match but for white space, and the gold answers' probability.

        ``gold_probability`` is the geometric mean of their tokens' probabilities, 1 / perplexity; ``preferred`` the
        share of rejected answers that were less probable a token than the gold one.
        """
        w = np.ones(len(scores["exact"])) if weights is None else np.asarray(weights, dtype=np.float64)
        means = ratio(w @ scores["rouge"], w.sum())
        found = {
            **dict(zip(("rouge_1", "rouge_2", "rouge_l"), map(float, means), strict=True)),
            "bleu": bleu(w @ scores["bleu"]),
            "chrf": chrf(np.tensordot(w, scores["chrf"], 1)),
            "exact_match": float(ratio(w @ scores["exact"], w.sum())),
        }
        if scores["likelihood"].any():
            loss, tokens = w @ scores["likelihood"]
            found["gold_probability"] = float(np.exp(-ratio(loss, tokens)))
        if (scores["preferred"] >= 0).any():
            known = w * (scores["preferred"] >= 0)
            found["preferred"] = float(ratio(known @ (scores["preferred"] > 0), known.sum()))
        return found

    def counted(self, metric: str, scores: Scores) -> npt.NDArray[Any]:
        """Rows with a rejected answer, for the metric that counts only these."""
        return np.asarray(scores["preferred"] >= 0) if metric == "preferred" else super().counted(metric, scores)

    def table(self, scores: Scores) -> list[dict[str, Any]]:
        """Nothing: there are no labels."""
        return []

    def mistake(self, row: Row, prediction: Prediction) -> tuple[Any, Any, float | None] | None:
        """Gold and written text where they differ in more than white space."""
        gold, written = row["answer"], self.answer(prediction)
        return None if self._same(gold, written) else (gold, written, None)

    def facts(self) -> dict[str, str]:
        """How answers are written, and the dev perplexity."""
        how = "the likeliest token at each step"
        if self.temperature:
            how = f"tokens drawn at temperature {self.temperature:g}, top-p {self.top_p:g}, seed {self.seed}"
        told = {"answers": f"at most {self.max_new_tokens} tokens, {how}"}
        if self.perplexity is not None:
            told["perplexity"] = f"{self.perplexity:.4g} a token of the gold answers, on dev"
        if self.reward_accuracy is not None:
            told["rewards"] = f"the implicit reward of the chosen answer is higher in {self.reward_accuracy:.1%} of dev"
        return told

    def fit(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Self:
        """Take down the perplexity of the dev answers."""
        known = [p["gold"] for p in predictions if "gold" in p]
        tokens = sum(each["tokens"] for each in known)
        if not tokens:
            return self
        loss = sum(each["loss"] for each in known)
        return type(self)(**{**self.config(), "perplexity": float(np.exp(loss / tokens))})


def _preferred(prediction: Prediction) -> int:
    """1 where the gold answer was likelier a token than the rejected one, 0 where not, -1 where there is none."""
    if "rejected" not in prediction or "gold" not in prediction:
        return -1
    gold, rejected = (prediction[key]["loss"] / prediction[key]["tokens"] for key in ("gold", "rejected"))
    return int(gold < rejected)
