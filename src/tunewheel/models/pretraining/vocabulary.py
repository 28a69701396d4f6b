"""Tokenizers made from the text itself: WordPiece for encoders, byte-level BPE for causal models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

Kind = Literal["wordpiece", "bpe"]
_SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def common_characters() -> list[str]:
    """The 3,755 Chinese characters of everyday use: the first level of GB 2312.

    >>> len(common_characters()), common_characters()[0]
    (3755, '啊')
    """
    rows = (bytes([high, low]) for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF))
    return [pair.decode("gb2312") for pair in rows if pair <= b"\xd7\xf9"]


def train_tokenizer(texts: Iterable[str], kind: Kind, size: int, longest: int) -> Any:
    """A tokenizer of at most ``size`` entries over ``texts``; raises ValueError where ``size`` has no room for them.

    WordPiece (Schuster & Nakajima 2012) folds case and width; each Chinese character is a token of its own, and every
    common one has its place whether or not it stands in ``texts``. BPE (Sennrich et al. 2016) works on bytes, loses
    nothing, and keeps all of them.
    """
    from transformers import PreTrainedTokenizerFast

    if kind == "bpe":
        model = _bpe(texts, size)
        return PreTrainedTokenizerFast(
            tokenizer_object=model, eos_token="<|end|>", pad_token="<|pad|>", model_max_length=longest
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=_wordpiece(texts, size),
        **{
            name: f"[{name[:-6].upper()}]"
            for name in ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
        },
        model_max_length=longest,
    )


def _wordpiece(texts: Iterable[str], size: int) -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.BertNormalizer(lowercase=True, handle_chinese_chars=True)]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    always = common_characters()
    if size < len(always) + 500:
        raise ValueError(
            f"a WordPiece vocabulary of {size}: at least {len(always) + 500}, {len(always)} of them Chinese"
        )
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        special_tokens=_SPECIALS,
        initial_alphabet=always,
        # Rare characters would fill the vocabulary; what is left of it goes to pieces of words.
        limit_alphabet=int(0.9 * size),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    separator, first = _SPECIALS.index("[SEP]"), _SPECIALS.index("[CLS]")
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", separator), ("[CLS]", first))
    return tokenizer


def _bpe(texts: Iterable[str], size: int) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    if size < 300:
        raise ValueError(f"a BPE vocabulary of {size}: at least 300, 256 of them bytes")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<|pad|>", "<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
