"""What every benchmark shares: its arguments, the machine's name, finished cells, a row in docs/benchmarks.md."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "docs" / "benchmarks.md"
FIGURES = Path(os.environ.get("TUNEWHEEL_BENCH_CELLS", ROOT / "bench" / "cells"))
BULK = ROOT / "runs"
Cell = dict[str, Any]


def arguments(description: str, cells: Path | None = None) -> argparse.ArgumentParser:
    """--data, --quick and --no-record, as every benchmark takes them, and --cells where finished ones are kept.

    A file in ``FIGURES`` goes with the project, one in ``BULK`` (rankings, vectors, a bit a row) stays on the machine.
    """
    parser = argparse.ArgumentParser(description=description)
    data = os.environ.get("TUNEWHEEL_BENCH_DATA", str(ROOT.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=Path(data), help="folder of benchmark data")
    parser.add_argument("--quick", action="store_true", help="under a minute: shows that it runs, proves nothing")
    parser.add_argument("--no-record", action="store_true", help="leave docs/benchmarks.md as it is")
    if cells:
        told = "finished cells, which are not measured again; a new file to measure all"
        parser.add_argument("--cells", type=Path, default=cells, metavar="FILE", help=told)
    return parser


def need(folder: Path, *names: str) -> None:
    """End with a clear word when benchmark data is missing."""
    missing = [str(folder / name) for name in names if not (folder / name).exists()]
    if missing:
        print("missing: " + ", ".join(missing), file=sys.stderr)
        print("give the folder that holds them with --data or TUNEWHEEL_BENCH_DATA", file=sys.stderr)
        raise SystemExit(3)


class Cells:
    """Finished cells by data, base, seed and whatever else they were measured under, in a file that only grows.

    A line that a killed run left unfinished is cut off. Without a path nothing outlives the object.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        text = path.read_text(encoding="utf-8") if path and path.exists() else ""
        whole, _, torn = text.rpartition("\n")
        if path and torn:
            path.write_text(whole + "\n" if whole else "", encoding="utf-8")
        self.known: dict[str, Cell] = {json.dumps(cell["key"]): cell for cell in map(json.loads, whole.splitlines())}

    @classmethod
    def of(cls, options: argparse.Namespace) -> Cells:
        """Those of ``--cells``; a quick run proves nothing and leaves none."""
        return cls(None if options.quick else options.cells)

    def get(self, key: list[Any], measure: Callable[[], Cell]) -> Cell:
        """The cell of ``key``, measured and written down where it is not known yet."""
        name = json.dumps(key)
        if name not in self.known:
            self.known[name] = {"key": key, "date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine(), **measure()}
            if self.path:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(self.known[name], ensure_ascii=False) + "\n")
            print(self.known[name], file=sys.stderr, flush=True)
        return self.known[name]


def folder_label(folder: Path, told: str = "model.safetensors") -> str:
    """A base's folder by its name and the beginning of the sha256 of one file in it: the weights, by default."""
    with (folder / told).open("rb") as file:
        return f"{folder.resolve().name} {hashlib.file_digest(file, 'sha256').hexdigest()[:8]}"


def machine() -> str:
    """The processor, its cores and the versions that speed depends on."""
    import torch

    name, bf16 = platform.processor() or platform.machine(), "without"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        told = cpuinfo.read_text()
        found = [line.split(":", 1)[1].strip() for line in told.splitlines() if "model name" in line]
        name = found[0] if found else name
        bf16 = "with" if {"avx512_bf16", "amx_bf16"} & set(told.split()) else "without"
    if torch.cuda.is_available():
        name += f" + {torch.cuda.get_device_name()}"
    return f"{name}, {os.cpu_count()} cores, {bf16} bf16 units, torch {torch.__version__.split('+')[0]}"


def finish(section: str, row: str, result: dict[str, Any], *, record: bool) -> None:
    """Print the result as the last line, and add ``row`` under ``section`` of docs/benchmarks.md."""
    if record:
        stamp = f"| {datetime.now(UTC):%Y-%m-%d} | {machine()} | {row} |"
        lines = RECORD.read_text(encoding="utf-8").splitlines()
        at = lines.index(f"<!-- rows: {section} -->")
        lines.insert(at, stamp)
        RECORD.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(json.dumps({"machine": machine(), **result}))
