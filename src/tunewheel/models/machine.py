"""What this machine is good at: measured, not assumed."""

from __future__ import annotations

import ctypes
import platform
import sys
import time
from functools import lru_cache
from typing import Any, Literal

Precision = Literal["fp32", "bf16"]

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


@lru_cache(maxsize=1)
def keep_memory() -> bool:
    """Let glibc keep freed blocks instead of handing them back to the kernel after every operation.

    A third of a 16-bit training step went into page faults before this: 1607 → 2500 tokens/s in the first 80 steps
    (MiniLM, 2 cores). The whole process holds on to its largest use of memory from here on. True where it applies.
    """
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL("libc.so.6")
    limits = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 1 << 30), (_M_TOP_PAD, 256 << 20))
    return all(libc.mallopt(option, value) == 1 for option, value in limits)


@lru_cache(maxsize=1)
def fastest_precision() -> Precision:
    """Time a matrix product of a training step's shape in both precisions; bf16 only where it is 1.3 times faster.

    A processor without bf16 units computes it 4 to 9 times slower than fp32, so its mere support says nothing.
    """
    import torch

    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if product_rate(torch.bfloat16) > 1.3 * product_rate(torch.float32) else "fp32"


def product_rate(dtype: Any, shape: tuple[int, int, int] = (1024, 384, 1536), seconds: float = 0.02) -> float:
    """Matrix-product rate in GFLOP/s for ``(rows, in, out)``, the best of as many calls as fit into ``seconds``."""
    import torch

    rows, width, out = shape
    x, w = torch.ones(rows, width, dtype=dtype), torch.ones(out, width, dtype=dtype)
    best, end = float("inf"), time.perf_counter() + seconds
    torch.nn.functional.linear(x, w)
    while best == float("inf") or time.perf_counter() < end:
        start = time.perf_counter()
        torch.nn.functional.linear(x, w)
        best = min(best, time.perf_counter() - start)
    return 2 * rows * width * out / best / 1e9


@lru_cache(maxsize=1)
def library_versions() -> dict[str, str]:
    """Versions of what a model's weights and figures depend on."""
    from importlib.metadata import version

    names = ("tunewheel", "torch", "transformers", "tokenizers", "datasets", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


@lru_cache(maxsize=1)
def machine_name() -> str:
    """The processor this runs on and its cores, as figures measured here are labelled."""
    import os
    from pathlib import Path

    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.is_file() else []
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return f"{name or platform.processor() or platform.machine()}, {os.cpu_count()} cores"
