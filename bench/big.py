"""Size: five million rows are read, divided, fingerprinted, revised and predicted on, each in a process of its own.

The file is written from a seed: about forty characters a row, English and Chinese in turn, labelled. Peak memory
is ru_maxrss of each process. The model is tiny and untrained: what is measured is the way of the rows, not a network.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import ROOT, arguments, finish

ROWS, QUICK = 5_000_000, 50_000
LIMIT = 2048  # MiB
ENGLISH = (
    *("please", "tell", "me", "why", "the", "courier", "did", "not", "ring", "twice", "although", "somebody"),
    *("was", "at", "home", "all", "morning", "to", "sign", "for", "a", "heavy", "box", "of", "garden", "tools"),
)
CHINESE = "请问我的包裹今天为什么没有按时送到车站快递员说已经签收但是家里一直有人等候可不可以帮忙查询一下物流信息谢谢"


def write(folder: Path, rows: int) -> dict[str, Any]:
    """Write the file."""
    draw = random.Random(11)
    with (folder / "big.jsonl").open("w", encoding="utf-8") as file:
        for i in range(rows):
            english = f"{' '.join(draw.choices(ENGLISH, k=7))} {i}"
            text = english if i % 2 else f"{''.join(draw.choices(CHINESE, k=34))}{i}"
            row = {"text": text, "label": f"reason {draw.randrange(30)}"}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return {"bytes": (folder / "big.jsonl").stat().st_size}


def read(folder: Path, rows: int) -> dict[str, Any]:
    """Read, divide and fingerprint the file."""
    from tunewheel.data import Dataset

    dataset = Dataset.read(folder / "big.jsonl", cache=folder / "cache")
    assert len(dataset) == rows
    dataset.save(folder / "dataset")
    return {"splits": dataset.rows, "fingerprint": dataset.fingerprint[:12]}


def revise(folder: Path, rows: int) -> dict[str, Any]:
    """Read the file again as a revision of itself: every row must keep its split."""
    from tunewheel.data import Dataset

    parent = Dataset.load(folder / "dataset")
    child = Dataset.read(folder / "big.jsonl", parent=parent, cache=folder / "cache")
    assert child.split.kept == rows
    assert child.fingerprint == parent.fingerprint
    return {}


def predict(folder: Path, rows: int) -> dict[str, Any]:
    """Predict the file's rows, as `tunewheel predict` does."""
    from tunewheel.loop import predict as stream

    assert stream(tiny_model(folder), folder / "big.jsonl", folder / "out.jsonl") == rows
    with (folder / "out.jsonl").open("rb") as file:
        assert sum(1 for _ in file) == rows
    return {}


def tiny_model(folder: Path) -> Path:
    """A model folder: a BERT of one layer, 16 wide, with a fresh head."""
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    from tunewheel.models import Recipe, prepare
    from tunewheel.tasks import task_class

    special = {f"{name.lower()}_token": f"[{name}]" for name in ("CLS", "SEP", "PAD", "UNK", "MASK")}
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(ROOT / "tests" / "assets" / "tokenizer.json"), **special)
    tokenizer.save_pretrained(folder / "base")
    width = {"hidden_size": 16, "num_attention_heads": 1, "intermediate_size": 32, "max_position_embeddings": 128}
    BertModel(BertConfig(vocab_size=len(tokenizer), num_hidden_layers=1, **width)).save_pretrained(folder / "base")
    labels = tuple(f"reason {i}" for i in range(30))
    task = task_class("classification").from_config({"labels": labels})
    ready = prepare(task, str(folder / "base"), [{"text": "a", "label": labels[0]}], Recipe(window=128))
    assert ready.untrained is not None
    return ready.untrained.save(folder / "model")


STAGES: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "write": write,
    "read": read,
    "revise": revise,
    "predict": predict,
}


def child(stage: str, folder: Path, rows: int) -> None:
    """Carry out one stage and print its seconds and its peak memory."""
    start = time.perf_counter()
    found = STAGES[stage](folder, rows)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": round(seconds, 1), "peak_mib": round(peak), **found}))


def main() -> None:
    """Carry out each stage in a process of its own, and record what they took."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--rows", type=int, help=f"{ROWS:,} by default")
    parser.add_argument("--stage", choices=STAGES, help="carry out one stage in this process, in --folder")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    rows = options.rows or (QUICK if options.quick else ROWS)
    if options.stage:
        return child(options.stage, options.folder, rows)
    result: dict[str, Any] = {"rows": rows, "quick": options.quick}
    # A tiny model gains nothing from threads, and on a busy machine they wait for each other.
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    # This process stays small: a child's peak counts from its parent's size on.
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for stage in STAGES:
            command = [sys.executable, __file__, "--stage", stage, "--folder", folder, "--rows", str(rows)]
            ran = subprocess.run(command, env=alone, stdout=subprocess.PIPE, text=True, check=True)
            result[stage] = json.loads(ran.stdout.splitlines()[-1])
            print(stage, result[stage], file=sys.stderr, flush=True)
    result["met"] = max(result[stage]["peak_mib"] for stage in STAGES) < LIMIT
    cells = [
        f"{result[stage]['seconds']:,} s, {result[stage]['peak_mib']:,} MiB" for stage in ("read", "revise", "predict")
    ]
    finish("big", " | ".join([f"{rows:,}", *cells]), result, record=not (options.quick or options.no_record))


if __name__ == "__main__":
    main()
