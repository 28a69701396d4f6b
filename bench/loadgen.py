"""Open-loop load over HTTP from a process of its own, pinned to a core: `python bench/loadgen.py < job.json`.

Requests are sent when they are due (a Poisson process), whether earlier ones have been answered or not, and an answer's
latency is counted from when its request was due: a server that stalls is charged for all who came meanwhile. What is
not answered with 200, or never, counts as infinitely late. The generator's own share of its core, and by how much it
sent late, are part of the result.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Job:
    """What to send where: ``rate`` requests a second for ``seconds``, their bodies drawn from ``bodies``."""

    host: str
    port: int
    path: str
    bodies: Sequence[str]
    rate: float
    seconds: float
    limit: float = 0.1  # seconds within which an answer is in time
    patience: float = 5.0  # seconds that answers are awaited after the last request
    core: int | None = None
    seed: int = 1


class Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    transport: asyncio.Transport

    def __init__(self, idle: list[Connection]) -> None:
        self.idle, self.buffer = idle, b""
        self.answer: asyncio.Future[tuple[int, float]] | None = None
        self.expected: tuple[int, int] | None = None  # where the body ends, and the status

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def send(self, request: bytes) -> asyncio.Future[tuple[int, float]]:
        """The status and the moment of the answer."""
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.answer

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.expected is None and (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end]
            length = LENGTH.search(head)
            if length is None:
                self.transport.abort()
                return
            self.expected = (end + 4 + int(length[1]), int(head[9:12]))
        if self.expected is not None and len(self.buffer) >= self.expected[0]:
            status, self.buffer, self.expected = self.expected[1], b"", None
            self.idle.append(self)
            assert self.answer is not None, "an answer that nobody asked for"
            if not self.answer.done():
                self.answer.set_result((status, time.perf_counter()))

    def connection_lost(self, error: Exception | None) -> None:
        if self in self.idle:
            self.idle.remove(self)
        elif self.answer is not None and not self.answer.done():
            self.answer.set_result((0, math.inf))


class Generator:
    """Sends a job's requests, and keeps what became of each."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.idle: list[Connection] = []
        self.latencies: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.lags: list[float] = []
        head = f"POST {job.path} HTTP/1.1\r\nHost: {job.host}:{job.port}\r\nContent-Type: application/json\r\n"
        encoded = [body.encode() for body in job.bodies]
        self.requests = [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in encoded]

    async def run(self) -> dict[str, Any]:
        job, draw = self.job, random.Random(self.job.seed)
        due: deque[tuple[float, int]] = deque()
        at = draw.expovariate(job.rate)
        while at < job.seconds:
            due.append((at, draw.randrange(len(self.requests))))
            at += draw.expovariate(job.rate)
        self.idle.extend(await asyncio.gather(*(self._connected() for _ in range(16))))
        tasks = set()
        used, start = time.process_time(), time.perf_counter() + 0.05
        while due:
            await asyncio.sleep(max(0.0, start + due[0][0] - time.perf_counter()))
            now = time.perf_counter() - start
            while due and due[0][0] <= now:
                at, which = due.popleft()
                self.lags.append(now - at)
                tasks.add(asyncio.create_task(self._one(start + at, self.requests[which])))
        share = (time.process_time() - used) / (time.perf_counter() - start)
        _, missing = await asyncio.wait(tasks, timeout=job.patience) if tasks else (None, set())
        for task in missing:
            task.cancel()
        return self._told(share, len(missing))

    async def _connected(self) -> Connection:
        make = asyncio.get_running_loop().create_connection
        _, connection = await make(lambda: Connection(self.idle), self.job.host, self.job.port)
        return connection

    async def _one(self, due: float, request: bytes) -> None:
        try:
            connection = self.idle.pop() if self.idle else await self._connected()
        except OSError:
            status, at = 0, math.inf
        else:
            status, at = await connection.send(request)
        self.statuses[status] += 1
        self.latencies.append(at - due if status == 200 else math.inf)

    def _told(self, share: float, missing: int) -> dict[str, Any]:
        latencies = sorted(self.latencies + [math.inf] * missing)
        answered = [latency for latency in latencies if latency < math.inf]
        in_time = sum(latency <= self.job.limit for latency in answered)
        return {
            "rate": self.job.rate,
            "seconds": self.job.seconds,
            "sent": len(latencies),
            "answered": len(answered),
            "in_time": in_time,
            "goodput": in_time / self.job.seconds,
            "p50": quantile(latencies, 0.5),
            "p99": quantile(latencies, 0.99),
            "p50_answered": quantile(answered, 0.5),
            "p99_answered": quantile(answered, 0.99),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())} | {"none": missing},
            "generator": share,
            "lag": quantile(sorted(self.lags), 0.99),
        }


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of all do not exceed; infinite where there is none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.inf


def generate(job: Job) -> dict[str, Any]:
    """Run a job in a process of its own."""
    done = subprocess.run(
        [sys.executable, Path(__file__)], input=json.dumps(asdict(job)), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"the generator failed: {done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main() -> None:
    """Run the job on standard input, and print its result."""
    job = Job(**json.load(sys.stdin))
    if job.core is not None:
        os.sched_setaffinity(0, {job.core})
    print(json.dumps(asyncio.run(Generator(job).run())))


if __name__ == "__main__":
    main()
