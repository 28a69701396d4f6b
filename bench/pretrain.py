"""Pretraining speed: what share of the machine's measured matrix-product rate `tunewheel pretrain` reaches.

zh-mini's sizes (6 layers, 256 wide, sequences of 256 tokens, 4,096 tokens an update) on the first paragraphs of the
pretraining text, each objective with the backbone compiled and without, in processes of their own, in turn, three
rounds; medians. The rate is that of a product of the feed-forward layer's shape in the run's own precision, measured at
the run's start; operations counted are those of the matrix products alone, so masks, norms, optimizer and data all
count as lost. Compiling, which a run does once, is left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from common import arguments, finish, need

UPDATES = 30
OBJECTIVES = ("mlm", "rtd", "clm")


def one_run(objective: str, compiled: bool, text: Path, updates: int) -> dict[str, Any]:
    """Pretrain by the command in a process of its own; what it says of itself."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tunewheel", "pretrain", str(text), "-o", f"{folder}/base", "--json"]
        command += ["--objective", objective, "--tokens", str(updates * 4096), "--no-dedupe"]
        command += ["--set", "eval_steps=100000", "--set", "checkpoint_seconds=1e6", "--set", f"compile={compiled}"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Run every objective in turn, and record speed and share."""
    from tunewheel.models.pretraining.text import paragraphs

    parser = arguments(__doc__ or "")
    parser.add_argument("--only", nargs="+", choices=OBJECTIVES, default=OBJECTIVES, help="objectives; all by default")
    options = parser.parse_args()
    ways = [(objective, compiled) for objective in options.only for compiled in (True, False)]
    need(options.data, "pretrain_zh.txt.xz")
    rounds, updates = (1, 3) if options.quick else (3, UPDATES)
    result: dict[str, Any] = {"quick": options.quick}
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        some = islice(paragraphs(options.data / "pretrain_zh.txt.xz"), 10_000)
        text.write_text("\n".join(some), encoding="utf-8")
        runs = [{way: one_run(*way, text, updates) for way in ways} for _ in range(rounds)]
    for way in ways:
        name = f"{way[0]}, compiled" if way[1] else way[0]
        speed = median(run[way]["tokens_per_second"] for run in runs)
        share = median(run[way]["share_of_peak"] for run in runs)
        result[name] = {"tokens_per_second": speed, "share_of_peak": share}
        row = f"{name} | {speed:,.0f} | {share:.0%}"
        finish("pretrain", row, result[name], record=not (options.quick or options.no_record))
    finish("pretrain", "", result, record=False)


if __name__ == "__main__":
    main()
