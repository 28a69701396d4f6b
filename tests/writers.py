"""Tiny language models that write, and rows that they can learn by heart."""

from pathlib import Path

ROWS = [
    {"id": "1", "text": "Where is my card?", "answer": "It is in the post."},
    {"id": "2", "text": "How do I pay?", "answer": "Pay online or in any branch, whichever you like."},
    {"id": "3", "text": "卡丢了怎么办？", "answer": "请先冻结卡片。"},
    {"id": "4", "text": "怎么查余额？", "answer": "打开应用，首页就能看到余额。"},
    {"id": "5", "text": "Close my account", "answer": "Done."},
    {"id": "6", "text": "你好", "answer": "你好！ How can I help? 🙂"},
]
PAIRS = [{**row, "rejected": other["answer"]} for row, other in zip(ROWS, ROWS[1:] + ROWS[:1], strict=True)]
CONVERSATION = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Where is my card?"},
    {"role": "assistant", "content": "It is in the post."},
    {"role": "user", "content": "谢谢"},
]


def byte_tokenizer(**special):
    """Bytes and a few merges: every Chinese character is several tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<pad>", "<s>", "</s>", "<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([row["text"] + row["answer"] for row in ROWS[:2]], trainer)
    names = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", **special}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, additional_special_tokens=["<end>"], **names)


def tiny_llama(folder: Path, **options) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    tokenizer = byte_tokenizer()
    sizes = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "vocab_size": len(tokenizer)}
    config = LlamaConfig(**sizes, **ids, max_position_embeddings=256, **options)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_gpt2(folder: Path) -> Path:
    """Absolute positions: where a text begins in its row makes a difference."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    tokenizer = byte_tokenizer()
    sizes = {"n_embd": 48, "n_layer": 2, "n_head": 4, "n_positions": 256, "initializer_range": 0.2}
    config = GPT2Config(**sizes, vocab_size=len(tokenizer), pad_token_id=0, bos_token_id=1, eos_token_id=2)
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_t5(folder: Path) -> Path:
    import torch
    from tokenizers.processors import TemplateProcessing
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    tokenizer = byte_tokenizer(bos_token=None)
    end = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    tokenizer.backend_tokenizer.post_processor = end
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=48,
        d_kv=12,
        d_ff=96,
        num_layers=2,
        num_heads=4,
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=2,
    )
    T5ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
