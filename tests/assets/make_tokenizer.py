"""Writes tokenizer.json: a lower-casing WordPiece of 1,600 entries, trained on the bundled sample."""

import json
from pathlib import Path

from tokenizers import BertWordPieceTokenizer
from tokenizers.processors import BertProcessing


def main() -> None:
    """Train and write it beside this file."""
    here = Path(__file__).parent
    sample = here.parents[1] / "src/tunewheel/data/sample/train.jsonl"
    texts = [json.loads(line)["text"] for line in sample.read_text(encoding="utf-8").splitlines()]
    tokenizer = BertWordPieceTokenizer(lowercase=True)
    tokenizer.train_from_iterator(texts, vocab_size=1600, min_frequency=2, limit_alphabet=900, show_progress=False)
    ends = ((token, tokenizer.token_to_id(token)) for token in ("[SEP]", "[CLS]"))
    tokenizer.post_processor = BertProcessing(*ends)
    tokenizer.save(str(here / "tokenizer.json"), pretty=False)


if __name__ == "__main__":
    main()
