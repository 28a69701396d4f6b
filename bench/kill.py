"""Killed at any moment: `kill -9` at random moments of a whole run, on SQLite and on PostgreSQL.

A run creates its workspace, reads, trains with a checkpoint every 0.2 s, evaluates and registers. Two thirds of the
moments are drawn uniformly over its time, a third before a random step of its end: a sync, a change of a name, an SQL
statement or a commit after the evaluation. One trial in four kills the repetition as well. After every kill the
workspace must open with nothing half-written in it; the command repeated must leave one version with the weights of an
unkilled run.

Every run is forked from one process that has imported everything and started no thread.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}

import contextlib
import gc
import json
import mmap
import random
import secrets
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from common import ROOT, arguments, finish

PHASES = ("reading", "preparing", "training", "checkpointing", "evaluating", "registering")
PATIENCE = 120.0  # seconds a run may take before it counts as hanging


@dataclass
class Place:
    """Where one trial happens: a fresh home, a fresh database, and the rows and base that all trials share."""

    shared: Path
    home: Path
    database: str | None
    phase: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, 1))

    def open(self) -> Any:
        from tunewheel import Workspace

        return Workspace.open(self.home, self.database)


class Child:
    """Work done in a forked process, which answers with JSON in a file."""

    def __init__(self, place: Place, work: Callable[[Any], Any], name: str = "run", patience: float = PATIENCE) -> None:
        self.patience = patience
        self.file = place.home.with_name(f"{place.home.name}-{name}.json")
        self.log = place.home.with_name(f"{place.home.name}-{name}.log")
        self.pid = os.fork()
        if self.pid == 0:
            self._live(place, work)

    def _live(self, place: Place, work: Callable[[Any], Any]) -> None:
        log = os.open(self.log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        code = 1
        try:
            self.file.write_text(json.dumps(work(place)), encoding="utf-8")
            code = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)

    def kill_after(self, seconds: float) -> None:
        time.sleep(seconds)
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """The signal that ended it, 0 for none; a failure or a hang is an error with what it printed last."""
        deadline = time.monotonic() + self.patience
        while (ended := os.waitpid(self.pid, os.WNOHANG))[0] == 0:
            if time.monotonic() > deadline:
                self.kill_after(0)
                os.waitpid(self.pid, 0)
                raise RuntimeError(f"hangs: {self.log.read_text()[-2000:]}")
            time.sleep(0.002)
        if os.WIFSIGNALED(ended[1]):
            return os.WTERMSIG(ended[1])
        if os.WEXITSTATUS(ended[1]):
            raise RuntimeError(self.log.read_text()[-2000:])
        return 0

    def answer(self) -> Any:
        """What the work returned."""
        if self.wait():
            raise RuntimeError("killed by someone else")
        return json.loads(self.file.read_text(encoding="utf-8"))


def warm() -> None:
    """Import what runs use, so that a forked run starts at once; nothing is computed here."""
    modules = (
        *("alembic.command", "alembic.config", "datasets", "plotly", "sklearn.metrics", "sqlalchemy.dialects.sqlite"),
        *("transformers.models.auto.tokenization_auto", "transformers.models.bert.modeling_bert"),
        *("tunewheel.cli", "tunewheel.data.dataset", "tunewheel.demo", "tunewheel.evaluation.html"),
        *("tunewheel.models.adapt", "tunewheel.models.card", "tunewheel.models.methods.engine"),
        *("tunewheel.registry.registry", "tunewheel.store.records", "tunewheel.tasks.classification"),
    )
    for module in modules:
        import_module(module)
    sys.modules["datasets"].disable_progress_bars()
    sys.modules["torch"].set_num_threads(1)
    gc.collect()
    gc.freeze()  # a forked run need not look through all of this


def prepare(place: Place) -> None:
    """Write the rows, both languages from the bundled sample, and a base of two thin layers."""
    import torch
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    from tunewheel.demo import sample

    rows = [{"text": row["text"], "label": row["label"]} for row in islice(sample("train"), 0, None, 14)]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (place.shared / "rows.jsonl").write_text(lines, encoding="utf-8")
    torch.manual_seed(0)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(ROOT / "tests" / "assets" / "tokenizer.json"),
        **{f"{name}_token": f"[{name.upper()}]" for name in ("cls", "sep", "pad", "unk", "mask")},
    )
    tokenizer.save_pretrained(place.shared / "base")
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(tokenizer), **shape)).save_pretrained(place.shared / "base")


def run(place: Place, kill_before: int | None = None) -> dict[str, Any]:
    """The command, from reading to registering; ``kill_before`` ends it before so many steps of its end."""
    from tunewheel import train
    from tunewheel.models import Recipe

    steps = watch(place, kill_before)
    recipe = Recipe(epochs=5, batch_tokens=256, learning_rate=0.005, checkpoint_seconds=0.2, precision="fp32")
    started = time.perf_counter()
    turn = train(
        place.shared / "rows.jsonl",
        name="rows",
        base=str(place.shared / "base"),
        recipe=recipe,
        home=place.home,
        database=place.database,
    )
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "steps": steps["done"], "version": turn.version.ref}


def watch(place: Place, kill_before: int | None) -> Counter[str]:
    """Note the phase the run is in where its killer sees it, and count the steps of its end."""
    from tunewheel.models.checkpoints import Keeper
    from tunewheel.models.engine import Engine
    from tunewheel.models.methods.engine import Ready
    from tunewheel.training import Training

    steps: Counter[str] = Counter()

    def step(*_: Any, **__: Any) -> None:
        if steps["armed"]:
            steps["done"] += 1
            if steps["done"] == kill_before:
                os.kill(os.getpid(), signal.SIGKILL)

    def enter(owner: type, name: str, phase: str) -> None:
        inner = getattr(owner, name)

        def outer(*positional: Any, **named: Any) -> Any:
            before, place.phase[0] = place.phase[0], PHASES.index(phase)
            steps["armed"] |= phase == "registering"
            try:
                return inner(*positional, **named)
            finally:
                if PHASES[place.phase[0]] != "registering":  # which lasts to the end
                    place.phase[0] = before

        setattr(owner, name, outer)

    place.phase[0] = 0
    enter(Training, "_adapt", "preparing")
    enter(Ready, "train", "training")
    enter(Engine, "_save_checkpoint", "checkpointing")
    enter(Keeper, "on_save", "checkpointing")
    enter(Training, "_evaluated", "evaluating")
    enter(Training, "_registered", "registering")
    call_before_steps(step)
    return steps


def call_before_steps(step: Callable[..., None]) -> None:
    """Have ``step`` called before each sync, change of a name, SQL statement and commit of this process."""
    from sqlalchemy import Engine, event

    def after_step(inner: Callable[..., Any]) -> Callable[..., Any]:
        def outer(*positional: Any, **named: Any) -> Any:
            step()
            return inner(*positional, **named)

        return outer

    for name in ("fsync", "mkdir", "rename", "replace", "utime", "unlink", "rmdir"):
        setattr(os, name, after_step(getattr(os, name)))
    event.listen(Engine, "before_cursor_execute", step)
    event.listen(Engine, "commit", step)


def check(place: Place) -> list[str]:
    """What is wrong with a workspace whose run was killed a moment ago."""
    from typer.testing import CliRunner

    from tunewheel import Dataset, Registry
    from tunewheel.cli import app

    with place.open() as workspace:
        registry, artifacts = Registry(workspace), workspace.artifacts
        versions = registry.versions()
        for version in versions:
            registry.verify(version.ref)
            if (shown := workspace.reports_dir / f"{version.name}-{version.number}").exists():
                assert version.report
                names = [{path.name for path in folder.iterdir()} for folder in (shown, version.report)]
                assert names[0] == names[1], f"{shown} is half a report"
        for folder in artifacts.root.glob("??/*/"):
            artifacts.verify(folder.name)
        for folder in workspace.cache_dir.iterdir():
            if not folder.name.startswith("."):
                Dataset.load(folder)
        numbers = {version.number for version in versions}
        aliases = registry.aliases("rows") if versions else {}
        assert set(aliases.values()) <= numbers, f"an alias leads nowhere: {aliases}"
        assert set(aliases) == ({"champion"} if versions else set()), f"a version without its alias: {aliases}"
    command = ["models", "--json", "--home", str(place.home)]
    command += ["--database", place.database] if place.database else []
    told = CliRunner().invoke(app, command)
    assert told.exit_code == 0, told.output
    assert {version["number"] for version in json.loads(told.stdout)} == numbers
    return [version.ref for version in versions]


def outcome(place: Place) -> dict[str, Any]:
    """What a finished workspace holds: its versions, the weights' sha256, how its runs ended, what lies about."""
    import hashlib

    from tunewheel import Registry
    from tunewheel.store import get_run

    with place.open() as workspace:
        versions = Registry(workspace).versions()
        weights = (versions[0].path / "model.safetensors").read_bytes()
        ended = get_run(workspace, str(versions[0].run))
        kept = [*workspace.runs_dir.iterdir(), *workspace.reports_dir.iterdir()]
    return {
        "versions": [version.ref for version in versions],
        "weights": hashlib.sha256(weights).hexdigest(),
        "ended": ended and ended.status,
        "kept": sorted(path.name for path in kept),
    }


@contextlib.contextmanager
def place(shared: Path, name: str, server: str | None) -> Iterator[Place]:
    """A fresh home and, where there is a server, a fresh database; both go at the end."""
    database = None
    if server:
        import psycopg
        from sqlalchemy import make_url

        base, url = f"tunewheel_{secrets.token_hex(6)}", make_url(server)
        admin = url.set(drivername="postgresql").render_as_string(hide_password=False)
        database = url.set(database=base).render_as_string(hide_password=False)
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {base}".encode())
    try:
        yield Place(shared, shared / name, database)
    finally:
        if server:
            with psycopg.connect(admin, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {base} WITH (FORCE)".encode())
        shutil.rmtree(shared / name, ignore_errors=True)


@dataclass
class Reference:
    """An unkilled run: how long it takes, how many steps its end has, what it leaves."""

    seconds: float
    steps: int
    outcome: dict[str, Any]


def reference(shared: Path, server: str | None) -> Reference:
    """Three unkilled runs, which must agree."""
    found = []
    for number in range(3):
        with place(shared, f"whole-{number}", server) as at:
            found.append((Child(at, run).answer(), Child(at, outcome).answer()))
    if any(left != found[0][1] for _, left in found):
        raise RuntimeError(f"unkilled runs differ: {[left for _, left in found]}")
    seconds = sorted(ran["seconds"] for ran, _ in found)[1]
    return Reference(seconds, min(ran["steps"] for ran, _ in found), found[0][1])


def trial(at: Place, whole: Reference, draw: random.Random, phases: Counter[str]) -> list[str]:
    """Kill the run, perhaps its repetition too, check after each, and let it finish; returns what went wrong.

    A run that was done before its moment came is checked and repeated, but is no kill.
    """
    for _ in range(2 if draw.random() < 0.25 else 1):
        if draw.random() < 1 / 3:
            child = Child(at, partial(run, kill_before=draw.randint(1, whole.steps)))
        else:
            child = Child(at, run)
            child.kill_after(draw.uniform(0, whole.seconds))
        if child.wait():
            phases[PHASES[at.phase[0]]] += 1
        Child(at, check).answer()
    Child(at, run).answer()
    left = Child(at, outcome).answer()
    return [f"{name}: {left[name]}, not {whole.outcome[name]}" for name in left if left[name] != whole.outcome[name]]


def trials(server: str | None, moments: int, seed: int) -> dict[str, Any]:
    """So many moments on one database."""
    database = "postgresql" if server else "sqlite"
    phases: Counter[str] = Counter()
    wrong = []
    started, number = time.perf_counter(), 0
    with tempfile.TemporaryDirectory() as folder:
        shared = Path(folder)
        Child(Place(shared, shared / "prepare", None), prepare).answer()
        whole = reference(shared, server)
        while phases.total() < moments:
            number += 1
            with place(shared, f"trial-{number}", server) as at:
                try:
                    found = trial(at, whole, random.Random(f"{seed} {database} {number}"), phases)
                except RuntimeError as error:
                    found = [str(error)]
            if found:
                wrong.append({"trial": number, "phase": PHASES[at.phase[0]], "wrong": found})
                print(json.dumps(wrong[-1]), file=sys.stderr)
            print(f"\r{database}: {phases.total()} moments, {len(wrong)} wrong", end="", file=sys.stderr)
    print(file=sys.stderr)
    return {
        **{"moments": phases.total(), "trials": number, "wrong": wrong, "phases": dict(phases), "seed": seed},
        **{"run_seconds": round(whole.seconds, 2), "steps": whole.steps},
        "seconds": round(time.perf_counter() - started),
    }


def main() -> None:
    """Kill on both databases and record how often something was wrong."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--moments", type=int, default=100, help="kills on each database")
    parser.add_argument("--seed", type=int, default=13, help="of the moments")
    options = parser.parse_args()
    server = os.environ.get("TUNEWHEEL_TEST_POSTGRES")
    if not server and not options.quick:
        print("needs PostgreSQL: run make services and export the TUNEWHEEL_TEST_POSTGRES it prints", file=sys.stderr)
        raise SystemExit(3)
    warm()
    result = {"sqlite": trials(None, 5 if options.quick else options.moments, options.seed)}
    if server and not options.quick:
        result["postgresql"] = trials(server, options.moments, options.seed)
    cells = [f"{found['moments']} | {len(found['wrong'])}" for found in result.values()]
    finish("kill", " | ".join(cells), result, record=not (options.quick or options.no_record))
    raise SystemExit(any(found["wrong"] for found in result.values()))


if __name__ == "__main__":
    main()
