"""The soak's own instruments: what of a process's memory is its own, and what counts as growth."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service import growth
from services import Memory, Running

MIB = 2**20

pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's /proc")


@contextmanager
def holding(path: Path, own: int) -> Iterator[Running]:
    """A process that has read a file in place and holds ``own`` MiB beside."""
    code = (
        "import mmap, sys\n"
        f"file = open({str(path)!r}, 'rb')\n"
        "held = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)\n"
        "read = sum(held[at] for at in range(0, len(held), 4096))\n"
        f"mine = bytearray(b'x') * ({own} << 20)\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"ready\n"
        yield Running(process.pid, 0, path)
    finally:
        process.communicate(timeout=20)


def test_what_a_process_holds_itself_does_not_move_by_another_that_reads_the_same_file(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(bytes(64 * MIB))
    with holding(file, 48) as running:
        before = running.memories()["front"]
        with holding(file, 0):
            during = running.memories()["front"]
    assert 48 * MIB <= before.own <= 64 * MIB and before.proportional > before.own + 60 * MIB
    assert before.proportional - during.proportional > 24 * MIB  # half of the file is the other's
    assert abs(before.own - during.own) < MIB / 2


def test_growth_is_that_of_the_whole_time_and_one_peak_is_none():
    def grown(*held: float) -> float:
        samples = [(5.0 * at, {"front": Memory(0, int(each * MIB))}) for at, each in enumerate(held)]
        return growth(samples, lambda memory: memory["front"].own)

    assert grown(*range(100, 201)) == pytest.approx(100)
    assert abs(grown(*[100.0] * 50, 150.0, *[100.0] * 50)) < 1
