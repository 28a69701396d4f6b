"""Further workers of a study on this machine, each a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tunewheel.tuning.search.plan import Plan
from tunewheel.tuning.search.work import Studies, Tell, work

if TYPE_CHECKING:
    from tunewheel.store import Workspace


@contextmanager
def helpers(workspace: Workspace, plan: Plan, data: Path, count: int, tell: Tell) -> Iterator[None]:
    """``count`` further workers on the dataset in the folder ``data``, until the block ends and all is done.

    The study's roads must be known. A helper goes when this process does, however it ends.
    """
    import torch
    from joblib import cpu_count

    threads, before = max(1, cpu_count() // (count + 1)), torch.get_num_threads()
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "tunewheel.tuning.search.worker"]
    # What they are told holds the database's password: it goes through a pipe, which closes when this process ends.
    told = json.dumps([str(workspace.home), workspace.database, str(data), plan.to_json()]) + "\n"
    started = []
    folder = workspace.runs_dir / plan.key
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        with (folder / f"helper-{number}.log").open("w") as log:
            process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=log, text=True)
        assert process.stdin is not None
        process.stdin.write(told)
        process.stdin.flush()
        started.append(process)
    torch.set_num_threads(min(threads, before))
    try:
        yield
        for number, process in enumerate(started):
            if code := process.wait():
                tell("worker", f"a helper ended with code {code}; {folder / f'helper-{number}.log'} says why")
    finally:
        torch.set_num_threads(before)
        for process in started:
            process.kill()
            process.communicate()


def _main() -> None:
    from tunewheel.data import Dataset
    from tunewheel.store import Workspace

    home, database, data, plan = json.loads(sys.stdin.readline())
    threading.Thread(target=_follow, daemon=True).start()
    with Workspace.open(home, database) as workspace, Studies.opened(workspace, Plan.from_json(plan)) as studies:
        roads = studies.roads(lambda: [])
        work(studies, roads, Dataset.load(data), None, lambda heading, line: None)


def _follow() -> None:
    """End when the process that started this one has."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    _main()
