"""How long pages and commands take over a million recorded exchanges and a hundred thousand pieces of feedback.

The database is filled by bulk (`million_rows.py`), the champion is a linear model. Commands run in this process, behind
one run that is not counted and imports what they need: a process's start and that are the same at any size. Each opens
the workspace anew. Requests go to a running service. Median of three.

With `--keep FOLDER` the databases stay, and another run reads the same.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}

import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

from common import FIGURES, Cells, arguments, finish
from million_rows import NAME, SIDE, fill, more, train
from services import asked, ours

EXCHANGES, SAID = 1_000_000, 100_000
LIMIT = 1.0  # seconds
AGAIN = 3


@dataclass(frozen=True)
class Case:
    """A command or a request: what is run for the ``n``-th time, behind what is done before it without being timed."""

    name: str
    run: Callable[[int], Any]
    before: Callable[[int], Any] = lambda n: None


@dataclass
class Desk:
    """A filled workspace, and what of it is asked for."""

    workspace: Any
    folder: Path
    count: int

    def __post_init__(self) -> None:
        from sqlalchemy import delete, func, select

        from tunewheel.store.schema import drift_checks, exchanges, feedback, rollout_looks, rollouts

        with self.workspace.begin() as connection:  # what an earlier run has left
            for table in (rollout_looks, rollouts, drift_checks):
                connection.execute(delete(table))
        said = select(feedback.c.id, feedback.c.exchange).where(feedback.c.name == NAME).order_by(feedback.c.id)
        with self.workspace.read() as connection:
            spoken = said.where(feedback.c.kind == "correction", feedback.c.exchange.is_not(None))
            self.exchange = connection.execute(spoken.where(feedback.c.status == "consumed").limit(1)).one().exchange
            self.text = connection.scalar(select(exchanges.c.row).where(exchanges.c.id == self.exchange))["text"]
            self.new = [row.id for row in connection.execute(spoken.where(feedback.c.status == "new").limit(50))]
            self.last = connection.scalar(select(func.max(feedback.c.id)))

    def command(self, *words: object, codes: tuple[int, ...] = (0,)) -> Callable[[int], None]:
        """A command as the command line has it; what the command line itself is built in is its process's start."""
        line = [str(word) for word in words] + ["--home", str(self.workspace.home)]
        line += ["--database", self.workspace.database] if self.workspace.database else []

        def run(n: int) -> None:
            told = StringIO()
            with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
                code = _line().main([word.replace("{n}", str(n)) for word in line], standalone_mode=False) or 0
            if code not in codes:
                raise RuntimeError(f"{line} ended with {code}: {told.getvalue()[-500:]}")

        return run

    def commands(self) -> list[Case]:
        """Every command that reads exchanges or feedback, and those beside them that list."""
        out, command = self.folder, self.command
        page = ("-o", out / "drift.html")
        return [
            Case("models", command("models")),
            Case("feedback list", command("feedback", "list", NAME)),
            Case("feedback list --status quarantined", command("feedback", "list", NAME, "--status", "quarantined")),
            Case("feedback list --after, the last page", command("feedback", "list", NAME, "--after", self.last - 60)),
            Case("feedback list of a small model", command("feedback", "list", SIDE)),
            Case("feedback export", command("feedback", "export", NAME, "-o", out / "rows.jsonl")),
            Case("feedback import, 100 rows", command("feedback", "import", NAME, out / "said-{n}.jsonl"), self.write),
            Case("feedback accept, one", lambda n: command("feedback", "accept", NAME, self.new[2 * n])(n)),
            Case("feedback reject, one", lambda n: command("feedback", "reject", NAME, self.new[2 * n + 1])(n)),
            Case("suggest -n 100", command("suggest", NAME, "-n", "100")),
            Case("suggest of a small model", command("suggest", SIDE, "-n", "100")),
            Case("update, a look for a reason", command("update", NAME, "--min-feedback", 10**6, "--once")),
            Case("trace EXCHANGE", command("trace", self.exchange)),
            Case("trace --text", command("trace", "--text", self.text)),
            Case("forget --dry-run EXCHANGE", command("forget", self.exchange, "--dry-run")),
            Case("forget --dry-run TEXT", command("forget", self.text, "--dry-run")),
            Case("forget --dry-run --contains", command("forget", "--contains", self.text[2:-2], "--dry-run")),
            Case("drift, the first look", command("drift", NAME, *page, codes=(0, 1)), lambda n: self.forget_drift()),
            Case("drift, 500 exchanges later", command("drift", NAME, *page, codes=(0, 1)), self.later),
            Case("drift --window 7d, the first look", command("drift", NAME, "--window", "7d", *page, codes=(0, 1))),
            Case("drift --feedback, 500 later", command("drift", NAME, "--feedback", *page, codes=(0, 1)), self.later),
            Case("rollout --status", command("rollout", NAME, "--status"), self.roll),
            Case("rollout --once, a look", command("rollout", NAME, "--once", codes=(3,))),
        ]

    def requests(self, port: int) -> list[Case]:
        """Pages and requests of the service."""

        def get(path: str) -> Callable[[int], Any]:
            return lambda n: _fine(asked(port, "GET", path))

        def decide(n: int) -> None:
            item = json.loads(_fine(asked(port, "GET", f"/v1/review/{NAME}?n=1")))["items"][0]["id"]
            body = {"item": item, "decision": "reject"}
            decided = json.loads(_fine(asked(port, "POST", f"/v1/review/{NAME}", body)))
            _fine(asked(port, "POST", f"/v1/review/{NAME}", {"undo": decided["id"]}))

        def say(n: int) -> None:
            body = {"exchange": self.exchange, "rating": 1, "key": f"http-{n}-{time.time_ns()}"}
            _fine(asked(port, "POST", "/v1/feedback", {"model": NAME, "feedback": [body]}))

        return [
            Case("GET /", get("/")),
            Case("GET /review", get("/review")),
            Case("GET /v1/models", get("/v1/models")),
            Case("GET /metrics", get("/metrics")),
            Case("GET /v1/review, 20 items", get(f"/v1/review/{NAME}?n=20")),
            Case("GET /v1/review of a small model", get(f"/v1/review/{SIDE}?n=20")),
            Case("a look at the queue, a decision, taken back", decide),
            Case("POST /v1/feedback", say),
        ]

    def write(self, n: int) -> None:
        rows = [{"text": f"imported {time.time_ns()} {place}", "label": "intent-01"} for place in range(100)]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (self.folder / f"said-{n}.jsonl").write_text(lines, encoding="utf-8")

    def forget_drift(self) -> None:
        from sqlalchemy import delete

        from tunewheel.store.schema import drift_checks

        with self.workspace.begin() as connection:
            connection.execute(delete(drift_checks))

    def later(self, n: int) -> None:
        more(self.workspace, 500)

    def roll(self, n: int) -> None:
        """Version 1 has been tried again for the last sixth of the time, and is the newest rollout."""
        from dataclasses import asdict
        from datetime import UTC, datetime, timedelta

        from sqlalchemy import insert

        from tunewheel.feedback.rollout.plan import Plan
        from tunewheel.feedback.rollout.record import find_active
        from tunewheel.store.schema import rollouts

        began = datetime.now(UTC) - timedelta(days=30)
        plan = Plan(shadow=0, share_for=60 * 86400.0)
        with self.workspace.begin() as connection:
            if not find_active(connection, [NAME]):
                values = {"name": NAME, "candidate": 1, "champion": 2, "stage": "share", "plan": asdict(plan)}
                values |= {"stages": {"share": began}, "reason": "to look at", "by": "bench", "started": began}
                connection.execute(insert(rollouts).values(values))


@cache
def _line() -> Any:
    from typer.main import get_command

    from tunewheel.cli import app

    return get_command(app)


def _fine(answer: tuple[int, bytes]) -> bytes:
    if answer[0] != 200:
        raise RuntimeError(f"{answer[0]}: {answer[1][:300]!r}")
    return answer[1]


def timed(case: Case) -> dict[str, Any]:
    """Seconds of each run behind the first, and what this process computed in them."""
    took, cpu = [], []
    for n in range(AGAIN + 1):
        case.before(n)
        start, used = time.perf_counter(), time.process_time()
        case.run(n)
        took.append(round(time.perf_counter() - start, 4))
        cpu.append(round(time.process_time() - used, 4))
    return {"first": took[0], "seconds": took[1:], "cpu": cpu[1:]}


@contextlib.contextmanager
def filled(folder: Path, server: str | None, count: int, said: int, *, keep: bool) -> Iterator[Desk]:
    """The workspace of one database, filled unless it was."""
    from tunewheel.store import Workspace

    home = folder / ("postgresql" if server else "sqlite")
    database, done = (None if server is None else _database(server, keep=keep)), home / "filled"
    try:
        with Workspace.open(home, database) as workspace:
            if not done.exists():
                start = time.perf_counter()
                train(home, database)
                fill(workspace, count, said)
                if server:
                    with workspace.begin() as connection:
                        connection.exec_driver_sql("ANALYZE")  # as its own daemon does, some time later
                done.write_text(f"{time.perf_counter() - start:.0f}", encoding="utf-8")
                print(f"{home.name}: filled in {done.read_text()} s", file=sys.stderr)
            yield Desk(workspace, folder, count)
    finally:
        if server and not keep:
            _drop(server)


BASE = "tunewheel_million"


def _database(server: str, *, keep: bool) -> str:
    """The URL of a database of our own; a fresh one unless it is kept."""
    import psycopg
    from sqlalchemy import make_url

    if not keep:
        _drop(server)
    url = make_url(server)
    with psycopg.connect(_admin(server), autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (BASE,)).fetchone():
            connection.execute(f"CREATE DATABASE {BASE}".encode())
    return url.set(database=BASE).render_as_string(hide_password=False)


def _drop(server: str) -> None:
    import psycopg

    with psycopg.connect(_admin(server), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {BASE} WITH (FORCE)".encode())


def _admin(server: str) -> str:
    from sqlalchemy import make_url

    return make_url(server).set(drivername="postgresql").render_as_string(hide_password=False)


def measured(desk: Desk, only: str | None) -> dict[str, dict[str, Any]]:
    """Every case on one database."""
    found: dict[str, dict[str, Any]] = {}

    def measure(cases: list[Case]) -> None:
        for case in cases:
            if only is None or only in case.name:
                try:
                    found[case.name] = timed(case)
                except RuntimeError as error:
                    found[case.name] = {"failed": str(error)}
                print(f"  {case.name}: {found[case.name]}", file=sys.stderr, flush=True)

    more_ = ["--database", desk.workspace.database] if desk.workspace.database else []
    with ours(desk.workspace.home, NAME, SIDE, workers=1, more=more_) as running:
        measure(desk.requests(running.port))
    measure(desk.commands())
    return found


def row_of(name: str, found: dict[str, dict[str, Any]]) -> str:
    """One line of the table."""
    middle = {key: statistics.median(each[name]["seconds"]) for key, each in found.items() if "seconds" in each[name]}
    told = [f"{middle[key]:.2f}" if key in middle else "–" for key in ("sqlite", "postgresql")]
    met = "yes" if len(middle) == len(found) and max(middle.values()) < LIMIT else "**no**"
    return f"{name} | {' | '.join(told)} | {met}"


def main() -> None:
    """Fill, measure, and record a row a case."""
    parser = arguments(__doc__ or "", FIGURES / "million.jsonl")
    parser.add_argument("--on", choices=["sqlite", "postgresql"], help="one of the two")
    parser.add_argument("--only", help="cases with this in their names")
    parser.add_argument("--keep", type=Path, help="where the databases stay for another run")
    options = parser.parse_args()
    server = os.environ.get("TUNEWHEEL_TEST_POSTGRES")
    wanted = [options.on] if options.on else ["sqlite"] if options.quick else ["sqlite", "postgresql"]
    if "postgresql" in wanted and not server:
        print("needs PostgreSQL: run make services and export the TUNEWHEEL_TEST_POSTGRES it prints", file=sys.stderr)
        raise SystemExit(3)
    count, said = (5_000, 500) if options.quick else (EXCHANGES, SAID)
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        cells = Cells.of(options)
        found = {}
        for database in wanted:
            url = server if database == "postgresql" else None

            def measure(url: str | None = url) -> dict[str, Any]:
                with filled(folder, url, count, said, keep=options.keep is not None) as desk:
                    return {"cases": measured(desk, options.only)}

            again = options.only is None  # what is picked out is measured anew
            found[database] = (cells.get([database, count], measure) if again else measure())["cases"]
    record = not (options.quick or options.no_record or options.only)
    for name in next(iter(found.values())):
        each = {database: cases[name] for database, cases in found.items()}
        finish("million", row_of(name, found), {"case": name, **each, "quick": options.quick}, record=record)


if __name__ == "__main__":
    main()
