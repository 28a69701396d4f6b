"""A tiny model made in the session; the rows it can learn stand in tiny.py."""

import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# A tiny model gains nothing from threads, and on a busy machine they wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest

ASSETS = Path(__file__).parent / "assets"


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory) -> Path:
    """A BERT of 2 layers, 32 wide, with the committed tokenizer: a base like any other folder."""
    import torch
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny-base")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(ASSETS / "tokenizer.json"),
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        unk_token="[UNK]",
        mask_token="[MASK]",
    )
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder
