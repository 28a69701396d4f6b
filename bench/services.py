"""What benchmarks of the service share: models trained for a moment, and servers in processes of their own."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

from common import need

FILES = {
    "classification": {"train": "banking77/train.csv", "test": "banking77/test.csv"},
    "ner": {"train": "conll2003/eng.train", "test": "conll2003/eng.testb"},
}
NAMES = {"classification": "banking", "ner": "people"}
_QUIET = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}


@dataclass(frozen=True)
class Running:
    """A server that answers; ``log`` is what it writes to standard error."""

    pid: int
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def memory(self) -> int:
        """Bytes of its processes together: each page by its share of those that hold it."""
        return sum(one.proportional for one in self.memories().values())

    def memories(self) -> dict[str, Memory]:
        """What each of its processes holds."""
        workers = {pid: f"worker {number}" for number, pid in enumerate(self.workers(), 1)}
        names = {self.pid: "front", **workers}
        return {names.get(pid, f"process {pid}"): memory_of(pid) for pid in descendants(self.pid)}

    def workers(self) -> list[int]:
        """Our service's worker processes, the oldest first; a server of the field has none by this name."""
        found = []
        for pid in sorted(descendants(self.pid)):
            with suppress(OSError):
                if b"tunewheel.serving.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found


def texts_of(data: Path, task: str, count: int, longest: int = 8) -> list[str]:
    """Texts of mixed length from the test rows: single ones, and neighbours joined by two to eight."""
    from tunewheel.data import Dataset

    need(data, *FILES[task].values())
    more: dict[str, Any] = {"format": "conll"} if task == "ner" else {}
    rows = [row["text"] for row in Dataset.read({"test": data / FILES[task]["test"]}, dev=0, test=0, **more)["test"]]
    draw, at = random.Random(7), 0
    texts: list[str] = []
    while len(texts) < count:
        n = min(longest, draw.choice([1, 1, 1, 2, 4, 8]))
        texts.append(" ".join(rows[at % len(rows) : at % len(rows) + n]))
        at += n
    return texts


def trained(data: Path, task: str, home: Path, *, rows: int, versions: int = 1) -> Path:
    """Register ``versions`` versions of a MiniLM trained on a few rows; the folder of the first."""
    import tunewheel as tw
    from tunewheel.data import Dataset
    from tunewheel.models import Recipe

    need(data, *FILES[task].values())
    more: dict[str, Any] = {"format": "conll"} if task == "ner" else {}
    whole = Dataset.read({key: data / name for key, name in FILES[task].items()}, dev=0, test=0, **more)
    parts = {"train": list(whole["train"])[:: max(1, len(whole["train"]) // rows)][:rows]}
    tested = list(whole["test"])[:: max(1, len(whole["test"]) // 400)]
    parts |= {"dev": tested[::2], "test": tested[1::2]}
    folder = home / "data" / task
    folder.mkdir(parents=True, exist_ok=True)
    for split, kept in parts.items():
        lines = (json.dumps({k: v for k, v in row.items() if k in ("text", "label", "entities")}) for row in kept)
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for number in range(versions):
        recipe = Recipe(epochs=1, window=512, word_shapes=False, precision="fp32", seed=number + 1)
        tw.train(folder, name=NAMES[task], task=task, base="minilm", recipe=recipe, home=home, parent="none")
    with tw.Workspace.open(home) as workspace:
        return Path(tw.Registry(workspace).resolve(f"{NAMES[task]}:1").path)


@contextmanager
def ours(
    home: Path, *models: str, workers: int, cores: Sequence[int] | None = None, more: Sequence[str] = ()
) -> Iterator[Running]:
    """`tunewheel serve` on a free port."""
    command = [sys.executable, "-m", "tunewheel", "serve", *models, "--home", str(home)]
    port = free_port()
    command += ["--port", str(port), "--workers", str(workers), *more]
    with _process(command, port, home / "serve.log", cores, {}) as running:
        until_ready(running, lambda: asked(running.port, "GET", "/health/ready")[0] == 200)
        yield running


@contextmanager
def theirs(kind: str, folder: Path, task: str, *, python: str, workers: int, cores: Sequence[int]) -> Iterator[Running]:
    """A server of the field on a free port."""
    port = free_port()
    script = str(Path(__file__).with_name({"fastapi": "opponents.py", "litserve": "batching.py"}[kind]))
    command = [python, script, str(folder), "--task", task, "--port", str(port), "--workers", str(workers)]
    with _process(command, port, folder.parent / f"{kind}.log", cores, {"OMP_NUM_THREADS": str(workers)}) as running:
        until_ready(running, lambda: asked(port, "POST", "/predict", {"text": "a"})[0] == 200)
        yield running


def asked(port: int, method: str, path: str, body: Any = None, timeout: float = 30.0) -> tuple[int, bytes]:
    """One request on a connection of its own."""
    connection = HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        data = None if body is None else json.dumps(body).encode()
        connection.request(method, path, data, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def until_ready(running: Running, ready: Any, patience: float = 180.0) -> None:
    """Wait until a server answers; raises `RuntimeError` with its last words where it does not."""
    end = time.monotonic() + patience
    while time.monotonic() < end and Path(f"/proc/{running.pid}/stat").exists():
        try:
            if ready():
                return
        except (OSError, HTTPException):
            pass
        time.sleep(0.2)
    raise RuntimeError(f"it does not answer:\n{running.log.read_text(errors='replace')[-2000:]}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def descendants(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for one in found:
        tasks = Path(f"/proc/{one}/task")
        for children in tasks.glob("*/children") if tasks.exists() else ():
            try:
                found += [int(child) for child in children.read_text().split()]
            except OSError:
                continue
    return found


class Memory(NamedTuple):
    """Bytes of one process.

    ``proportional`` counts each page by its share of the processes that hold it, so it moves where a process elsewhere
    that holds the same file begins or ends; ``own`` is what no file stands behind, and moves by the process alone.
    """

    proportional: int
    own: int


def memory_of(pid: int) -> Memory:
    """What a process holds; nothing where it is no more."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return Memory(0, 0)
    held = {line.split(":")[0]: int(line.split()[1]) << 10 for line in lines[1:]}
    return Memory(held["Pss"], held["Anonymous"])


@contextmanager
def _process(
    command: list[str], port: int, log: Path, cores: Sequence[int] | None, more: dict[str, str]
) -> Iterator[Running]:
    environment = os.environ | _QUIET | {"PYTHONPATH": os.pathsep.join(sys.path)} | more

    if cores:
        command = ["taskset", "-c", ",".join(map(str, cores)), *command]
    with log.open("ab") as written:
        process = subprocess.Popen(command, env=environment, stdout=written, stderr=written, start_new_session=True)
    try:
        yield Running(process.pid, port, log)
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # LitServe's workers outlive it
        process.wait()
