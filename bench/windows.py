"""Long documents: entities that vanish or double in reading, with a network that is never wrong.

CoNLL-2003 testb by whole documents and joined to 4,000 pieces (MiniLM's tokenizer), a Chinese corpus of résumés joined
to 4,000 characters; three readings of 512 pieces each, see bench/readings.py.
"""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from typing import Any

from common import arguments, finish, need
from readings import READINGS, Kept, join, joined_to

LENGTH = 512
PIECES = 4000


def corpora(options: Any) -> dict[str, tuple[list[dict[str, Any]], Any]]:
    """Each set of documents with the tokenizer that reads it."""
    from tunewheel.data import Dataset
    from tunewheel.models.backbones import load_backbone

    count = 300 if options.quick else None
    english = list(Dataset.read(options.data / "conll2003")["test"])[:count]
    chinese = list(Dataset.read(options.data / "resume_ner")["test"])[:count]
    minilm = load_backbone("minilm", []).tokenizer
    characters = load_backbone("bilstm", (row["text"] for row in chinese)).tokenizer
    whole = [join(list(group), " ") for _, group in groupby(english, key=lambda row: row["document"])]
    return {
        "testb, whole documents": (whole, minilm),
        f"testb, {PIECES:,} pieces": (joined_to(english, PIECES, minilm, " "), minilm),
        f"résumés (zh), {PIECES:,} pieces": (joined_to(chinese, PIECES, characters, ""), characters),
    }


def main() -> None:
    """Read every corpus in three ways, and record what was kept."""
    options = arguments(__doc__ or "").parse_args()
    need(options.data, "conll2003/eng.testb", "resume_ner/test.char.bmes")
    result: dict[str, Any] = {"quick": options.quick, "length": LENGTH}
    for name, (rows, tokenizer) in corpora(options).items():
        kept = {reading: Kept.of(rows, read(rows, tokenizer, LENGTH)) for reading, read in READINGS.items()}
        result[name] = {"documents": len(rows), **{reading: asdict(found) for reading, found in kept.items()}}
        cells = [f"{k.vanished:,} / {k.doubled:,} / {k.cut:,}" for k in kept.values()]
        row = f"{name} | {len(rows):,} | {kept['ours'].gold:,} | {' | '.join(cells)}"
        finish("windows", row, result[name], record=not (options.quick or options.no_record))
    finish("windows", "", result, record=False)


if __name__ == "__main__":
    main()
