"""`tunewheel check`: a large file in little memory, and what it finds in two published sets.

A generated file in both languages is checked by the command in a process of its own; its peak memory is that of the
process. BANKING77 and ChnSentiCorp have texts of test and dev in train; the counts must be those that are known.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from big import write
from common import ROOT, arguments, finish, need

ROWS, QUICK = 1_000_000, 20_000
LIMIT = 4096  # MiB
KNOWN = {
    "banking77": {"train–test": 6},
    "chnsenticorp": {"train–dev": 338, "train–test": 331},
}
"""Texts of the second split that stand in the first letter for letter, blanks at the edges aside."""


def large(folder: Path, rows: int) -> dict[str, Any]:
    """Check a generated file; seconds and the peak memory of the command."""
    size = write(folder, rows)["bytes"]
    command = [sys.executable, "-m", "tunewheel", "check", str(folder / "big.jsonl"), "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}
    start = time.perf_counter()
    ran = subprocess.run(
        [*command, "-o", str(folder / "report.html")], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    seconds = time.perf_counter() - start
    # The largest child so far: this is the only one.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    found = json.loads(ran.stdout)
    assert sum(found["rows"].values()) == rows
    kinds = {finding["kind"]: finding["count"] for finding in found["findings"]}
    return {"rows": rows, "bytes": size, "seconds": round(seconds, 1), "peak_mib": round(peak), "found": kinds}


def published(data: Path, name: str) -> dict[str, Any]:
    """What is found in a published set: leaks by pair of splits, and held-out texts under another label in train."""
    import tunewheel as tw

    inspection = tw.check(data / name, only=["duplicates"])
    leaks = {f"{f.values['learned']}–{f.values['held']}": f for f in inspection.findings if f.kind == "leak"}
    conflicts = next((f for f in inspection.findings if f.kind == "conflicts"), None)
    return {
        "identical": {pair: finding.values["identical"] for pair, finding in leaks.items()},
        "same": {pair: finding.count for pair, finding in leaks.items()},
        "texts_with_several_labels": conflicts.values["texts"] if conflicts else 0,
        "relabelled": relabelled(data / name),
    }


def relabelled(path: Path) -> dict[str, int]:
    """Rows of dev and test whose text stands in train letter for letter, under other labels only."""
    from tunewheel.data import Dataset

    dataset = Dataset.read(path, dev=0, test=0)
    known: dict[str, set[str]] = {}
    for row in dataset["train"]:
        known.setdefault(row["text"].strip(), set()).add(row["label"])
    return {
        split: sum(row["label"] not in known.get(row["text"].strip(), {row["label"]}) for row in dataset[split])
        for split in dataset.splits
        if split != "train"
    }


def main() -> None:
    """Check the large file and the published sets, and record both."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--rows", type=int, help=f"{ROWS:,} by default")
    options = parser.parse_args()
    need(options.data, *(f"{name}/{file}" for name, file in (("banking77", "train.csv"), ("chnsenticorp", "test.tsv"))))
    rows = options.rows or (QUICK if options.quick else ROWS)
    with tempfile.TemporaryDirectory() as folder:
        big = large(Path(folder), rows)
    print(big, file=sys.stderr, flush=True)
    sets = {name: published(options.data, name) for name in KNOWN}
    exact = all(
        sets[name]["identical"].get(pair) == count for name, known in KNOWN.items() for pair, count in known.items()
    )
    told = "; ".join(
        f"{name}: {', '.join(f'{pair} {count}' for pair, count in found['identical'].items())}, "
        f"under other labels {', '.join(f'{split} {count}' for split, count in found['relabelled'].items())}"
        for name, found in sets.items()
    )
    result = {"large": big, "sets": sets, "met": exact and big["peak_mib"] < LIMIT, "quick": options.quick}
    row = f"{rows:,} | {big['seconds']:,} s, {big['peak_mib']:,} MiB | {told}"
    finish("check", row, result, record=not (options.quick or options.no_record))
    sys.exit(not result["met"])


if __name__ == "__main__":
    main()
