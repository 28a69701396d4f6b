"""What a language model learns from: prompts with their answers, in batches, and the loss on the answers alone."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from tunewheel.data.conversation import Message
from tunewheel.models.batching import budgeted
from tunewheel.models.writing.chat import Chat
from tunewheel.tasks import IGNORED

Batch = dict[str, Tensor]
_BATCH_TOKENS = 4096


class Likelihood(NamedTuple):
    """Minus the summed log-probability of an answer's tokens, and their number."""

    loss: float
    tokens: int


class Lesson(NamedTuple):
    """The token ids of a prompt and of its answer."""

    prompt: list[int]
    answer: list[int]

    @classmethod
    def of(cls, chat: Chat, messages: Sequence[Message], answer: str) -> Lesson:
        """Show messages and an answer as the model sees them."""
        return cls(chat.prompt(messages), chat.answer(answer))

    @property
    def size(self) -> int:
        """All its tokens."""
        return len(self.prompt) + len(self.answer)


def padded(lessons: Sequence[Lesson], chat: Chat) -> Batch:
    """A lesson a row, right-padded. An encoder-decoder's labels are the answers, else those of ids [rows, length]."""
    if chat.pairs:
        ids, mask = _filled([lesson.prompt for lesson in lessons], chat.pad)
        labels, _ = _filled([lesson.answer for lesson in lessons], IGNORED)
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}
    ids, mask = _filled([[*lesson.prompt, *lesson.answer] for lesson in lessons], chat.pad)
    labels, _ = _filled([_labels(lesson) for lesson in lessons], IGNORED)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def packed(lessons: Sequence[Lesson], *, additive: bool) -> Batch:
    """All lessons in one row [1, length], each seeing itself alone.

    The library's own collator for this leaves the mask out, and with it attention (eager and SDPA) mixes the lessons;
    here the mask [1, 1, length, length] lets a token see what stands before it in its own lesson, and positions start
    anew with each. ``additive``: 0 and the least number in place of True and False, as eager attention wants them.
    """
    ids = [one for lesson in lessons for one in (*lesson.prompt, *lesson.answer)]
    owner = torch.repeat_interleave(torch.arange(len(lessons)), torch.tensor([lesson.size for lesson in lessons]))
    sees = (owner[:, None] == owner[None, :]).tril()
    mask = torch.zeros(sees.shape).masked_fill(~sees, torch.finfo(torch.float32).min) if additive else sees
    return {
        "input_ids": torch.tensor([ids]),
        "attention_mask": mask[None, None],
        "position_ids": torch.cat([torch.arange(lesson.size) for lesson in lessons])[None],
        "labels": torch.tensor([[one for lesson in lessons for one in _labels(lesson)]]),
    }


def can_pack(model: Any) -> bool:
    """Whether lessons in one row change nothing for this model: tried on two short ones, not assumed."""
    if model.config.is_encoder_decoder or "position_ids" not in inspect.signature(model.forward).parameters:
        return False
    size = model.config.vocab_size
    lessons = [Lesson([1 % size, 2 % size, 3 % size], [4 % size, 5 % size]), Lesson([6 % size, 2 % size], [7 % size])]
    was_training = model.training
    model.eval()
    with torch.no_grad():
        together = model(**placed(_inputs(packed(lessons, additive=is_eager(model))), model)).logits[0]
        apart = [model(torch.tensor([[*one.prompt, *one.answer]], device=model.device)).logits[0] for one in lessons]
    model.train(was_training)
    return bool(torch.allclose(together.float(), torch.cat(apart).float(), atol=1e-3))


def is_eager(model: Any) -> bool:
    """Whether attention adds its mask instead of asking it."""
    return str(model.config._attn_implementation) == "eager"


def answer_losses(model: Any, batch: Batch, *, smoothing: float = 0.0) -> tuple[Tensor, Tensor]:
    """Minus the log-probability of every answer token [rows, length], 0 for all others; and which are one [same].

    The prompt's tokens are read and not learned, whatever stands in their place among the ids.
    """
    labels = batch["labels"]
    inputs = _inputs(batch)
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = model.prepare_decoder_input_ids_from_labels(labels=labels)
        logits = model(**inputs).logits
    else:
        logits, labels = model(**inputs).logits[:, :-1], labels[:, 1:]
    losses = F.cross_entropy(
        logits.float().flatten(0, 1),
        labels.flatten(),
        ignore_index=IGNORED,
        reduction="none",
        label_smoothing=smoothing,
    )
    return losses.view(labels.shape), labels != IGNORED


def _inputs(batch: Batch) -> Batch:
    return {name: tensor for name, tensor in batch.items() if name != "labels"}


def placed(batch: Batch, model: Any) -> Batch:
    """The batch on the model's device."""
    return {name: tensor.to(model.device) for name, tensor in batch.items()}


def likelihoods(model: Any, chat: Chat, lessons: Sequence[Lesson], *, bf16: bool = False) -> list[Likelihood]:
    """How probable each answer is to the model as it stands, in order; nothing is learned."""
    found: list[Likelihood] = [Likelihood(0.0, 0)] * len(lessons)
    order, at, was_training = sorted(range(len(lessons)), key=lambda i: lessons[i].size), 0, model.training
    model.eval()
    for count in budgeted([lessons[i].size for i in order], _BATCH_TOKENS):
        members, at = order[at : at + count], at + count
        batch = placed(padded([lessons[i] for i in members], chat), model)
        with torch.inference_mode(), torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=bf16):
            losses, counted = answer_losses(model, batch)
        for i, loss, tokens in zip(members, losses.double().sum(1).tolist(), counted.sum(1).tolist(), strict=True):
            found[i] = Likelihood(loss, tokens)
    model.train(was_training)
    return found


def _labels(lesson: Lesson) -> list[int]:
    return [*[IGNORED] * len(lesson.prompt), *lesson.answer]


def _filled(rows: Sequence[Sequence[int]], fill: int) -> tuple[Tensor, Tensor]:
    """Rows padded on the right [rows, longest], and a mask of what is theirs."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return ids, mask
