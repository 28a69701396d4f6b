"""A causal language model on this machine, through transformers."""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tunewheel.models.language.base import Completion, LanguageModelError, Messages
from tunewheel.models.quiet import quiet

_TOGETHER = 16
"""Choices that go through the model at once: each holds a copy of what was read of the prompt."""


class _Read(NamedTuple):
    """A prompt that went through the model: tokens, their keys and values, and log-probabilities of what follows."""

    ids: list[int]
    cache: Any
    following: Any


class Local:
    """A folder with a causal model, or a hub id; weights are read from safetensors only, and no code comes with them.

    A tokenizer with a chat template is asked in turns, any other by plain text with a line an answer. What a text
    holds is never taken for the model's own control tokens.

    Raises:
        LanguageModelError: it cannot be loaded, or is no causal model.
    """

    scores = True

    def __init__(self, source: str) -> None:
        self.source = source
        self._model, self._tokenizer = _loaded(source)
        self._chats = self._tokenizer.chat_template is not None
        self._before: _Read | None = None
        self._turn = threading.Lock()  # what was read before is one thread's at a time

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(p.numel() for p in self._model.parameters())

    @property
    def longest(self) -> int:
        """Most tokens of prompt and answer together."""
        return int(getattr(self._model.config, "max_position_embeddings", None) or 1 << 20)

    def tokens(self, prompt: Messages) -> int:
        """How many tokens a prompt is."""
        return len(self._ids(prompt))

    def complete(
        self, prompts: Sequence[Messages], *, most: int, schema: Mapping[str, Any] | None = None
    ) -> list[Completion]:
        """The likeliest token each time, one prompt after the other; the schema is left to what the prompt says."""
        return [self._written(self._ids(prompt), most) for prompt in prompts]

    def score(self, prompts: Sequence[Messages], choices: Sequence[str]) -> npt.NDArray[np.float64]:
        """Log-probability of each choice, and that the answer ends with it; a prompt is read once for all choices."""
        continuations = [self._continuation(choice, prompts) for choice in choices]
        scores = np.zeros((len(prompts), len(choices)))
        for i, prompt in enumerate(prompts):
            ids = self._ids(prompt)
            self._check_room(len(ids) + max(map(len, continuations)))
            with self._turn:
                read = self._read(ids)
                for at in range(0, len(choices), _TOGETHER):
                    scores[i, at : at + _TOGETHER] = self._continued(read, continuations[at : at + _TOGETHER])
        return scores

    def _ids(self, prompt: Messages) -> list[int]:
        """A prompt's tokens, up to where the answer begins."""
        if not self._chats:
            ids: list[int] = self._tokenizer(_as_text(prompt), split_special_tokens=True)["input_ids"]
            return ids
        turns = [message._asdict() for message in prompt]
        try:
            return self._templated(turns)
        except Exception as error:  # templates raise what they like where a turn of the system is not foreseen
            if turns[0]["role"] != "system" or len(turns) < 2:
                raise LanguageModelError(f"{self.source}: its chat template fails ({error})") from None
            first = {"role": "user", "content": f"{turns[0]['content']}\n\n{turns[1]['content']}"}
            return self._templated([first, *turns[2:]])

    def _templated(self, turns: Sequence[Mapping[str, str]]) -> list[int]:
        ids: list[int] = self._tokenizer.apply_chat_template(
            list(turns),
            add_generation_prompt=True,
            sanitize_control_tokens=True,
            return_dict=False,
            enable_thinking=False,  # read by templates of reasoning models, whose thoughts no score could wait for
        )
        return ids

    def _continuation(self, choice: str, prompts: Sequence[Messages]) -> list[int]:
        """A choice's tokens as the whole of an answer."""
        plain = {"add_special_tokens": False, "split_special_tokens": True}
        if self._chats:
            return [*self._tokenizer(choice, **plain)["input_ids"], *self._ends[:1]]
        gap = " " if prompts and prompts[0][-1].content.endswith(":") else ""
        return [*self._tokenizer(gap + choice, **plain)["input_ids"], *self._tokenizer("\n", **plain)["input_ids"]]

    @property
    def _ends(self) -> list[int]:
        """Tokens that end an answer, the tokenizer's own first."""
        told = self._model.generation_config.eos_token_id
        listed = told if isinstance(told, list) else [told]
        return [end for end in dict.fromkeys([self._tokenizer.eos_token_id, *listed]) if end is not None]

    def _check_room(self, wanted: int) -> None:
        if wanted > self.longest:
            raise LanguageModelError(
                f"{self.source} reads {self.longest:,} tokens, a prompt with its answer takes {wanted:,}: leave out "
                "long texts (`tunewheel check` lists them), give fewer examples or take a model that reads more"
            )

    def _read(self, ids: list[int]) -> _Read:
        """Run a prompt through the model, but for what it begins with as the prompt before did."""
        import torch

        cache, done = self._shared(ids)
        self._before = None  # its cache is ours now, and nobody's if the model fails
        with torch.inference_mode():
            out = self._model(self._tensor([ids[done:]]), past_key_values=cache, use_cache=True, logits_to_keep=1)
        self._before = _Read(ids, out.past_key_values, out.logits[0, -1].float().log_softmax(-1))
        return self._before

    def _shared(self, ids: list[int]) -> tuple[Any, int]:
        """Keys and values of the tokens that this prompt shares with the one before, and how many these are."""
        before = self._before
        if before is None or not all(_cuts(layer) for layer in before.cache.layers):
            return None, 0
        same = next(
            (i for i, (a, b) in enumerate(zip(ids, before.ids, strict=False)) if a != b), min(len(ids), len(before.ids))
        )
        same = min(same, len(ids) - 1)  # the last token is always read: its output is what follows
        if same == 0:
            return None, 0
        for layer in before.cache.layers:
            layer.crop(same - len(before.ids))
        return before.cache, same

    def _continued(self, read: _Read, continuations: Sequence[Sequence[int]]) -> npt.NDArray[np.float64]:
        """Log-probability of each continuation of a prompt."""
        import torch

        total = read.following[[tokens[0] for tokens in continuations]].double().cpu()
        longest = max(map(len, continuations)) - 1
        if longest == 0:
            return np.asarray(total.numpy())
        # Padding stands behind what is read, where a causal model does not look.
        rows = [[*tokens[:-1], *[0] * (longest + 1 - len(tokens))] for tokens in continuations]
        cache = copy.deepcopy(read.cache)
        cache.batch_repeat_interleave(len(rows))
        with torch.inference_mode():
            logits = self._model(self._tensor(rows), past_key_values=cache, use_cache=True).logits
        logp = logits.float().log_softmax(-1)
        for i, tokens in enumerate(continuations):
            total[i] += sum(float(logp[i, at, token]) for at, token in enumerate(tokens[1:]))
        return np.asarray(total.numpy())

    def _written(self, ids: list[int], most: int) -> Completion:
        import torch
        from transformers import GenerationConfig, StoppingCriteriaList

        self._check_room(len(ids) + most)
        ends = self._ends
        config = GenerationConfig(
            do_sample=False, max_new_tokens=most, eos_token_id=ends or None, pad_token_id=ends[0] if ends else 0
        )
        stop = StoppingCriteriaList([] if self._chats else [_LineEnds(self._tokenizer, len(ids))])
        tensor = self._tensor([ids])
        with torch.inference_mode(), quiet():
            out = self._model.generate(
                tensor, attention_mask=torch.ones_like(tensor), generation_config=config, stopping_criteria=stop
            )
        new = out[0, len(ids) :].tolist()
        text = self._tokenizer.decode(new, skip_special_tokens=True)
        return Completion(text if self._chats else text.strip().partition("\n")[0], len(ids), len(new))

    def _tensor(self, ids: Sequence[Sequence[int]]) -> Any:
        import torch

        return torch.tensor(ids, dtype=torch.long, device=self._model.device)


class _LineEnds:
    """Stops where the first line that says anything is over."""

    def __init__(self, tokenizer: Any, start: int) -> None:
        self.tokenizer, self.start = tokenizer, start

    def __call__(self, ids: Any, scores: Any, **_: Any) -> Any:
        import torch

        over = "\n" in self.tokenizer.decode(ids[0, self.start :]).lstrip()
        return torch.full((ids.shape[0],), over, dtype=torch.bool, device=ids.device)


def _as_text(prompt: Messages) -> str:
    """A prompt for a model that knows no turns: an answer ends its line, an empty line parts the questions."""
    pieces: list[str] = []
    for message in prompt:
        if message.role == "assistant":
            gap = " " if pieces and pieces[-1].endswith(":") else ""
            pieces.append(f"{gap}{message.content}\n\n")
        elif message.role == "system":
            pieces.append(f"{message.content}\n\n")
        else:
            pieces.append(message.content)
    return "".join(pieces)


def _cuts(layer: Any) -> bool:
    """Whether the end of what a layer has kept can be cut off: all of it is still there, and nothing folded into it."""
    return type(layer).__name__ == "DynamicLayer"


def _loaded(source: str) -> tuple[Any, Any]:
    """The model and its tokenizer, ready to answer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    cuda = torch.cuda.is_available()
    if source.startswith((".", "/", "~")) and not Path(source).is_dir():
        raise LanguageModelError(f"{source}: no such folder; it should hold the language model that answers")
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
            model, told = AutoModelForCausalLM.from_pretrained(
                source,
                dtype="auto" if cuda else torch.float32,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
            )
    except (OSError, ValueError) as error:
        raise LanguageModelError(
            f"language model {source!r} cannot be loaded: {str(error).splitlines()[0]}\n"
            "It is a folder with config.json, model.safetensors and tokenizer.json of a causal model, or a hub id while"
            " the hub can be reached; behind a server it is named with --set options.endpoint=URL."
        ) from None
    if told["missing_keys"]:  # an encoder gets a head of random weights, and would answer by chance
        missing = ", ".join(sorted(told["missing_keys"])[:3])
        raise LanguageModelError(f"{source} is no causal language model: it has no weights for {missing}")
    return (model.to("cuda") if cuda else model).eval(), tokenizer
