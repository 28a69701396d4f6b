"""`kill -9` at random moments of `tunewheel update` while a service answers, on SQLite and on PostgreSQL.

A service is asked sixteen times a second, no request twice, and people say over HTTP what would have been right. Texts
are made up, and one more intent is asked about before each turn, so that turns have something to promote for. A third
of the moments is drawn uniformly over a turn's time, a third before a random step of it (a sync, a change of a name, an
SQL statement, a commit), a third before such a step of its end, from the gate's decision on. One turn in four is killed
when it goes on, too. After every kill the record must be whole, and the same command must end the turn that was begun.
Beside all this somebody looks at the registry fifty times a second: exactly one version must be in front, that of the
last turn that promoted.

At the end what was said is counted: feedback that the service took and that is not there, or was learned from twice;
turns that promoted and whose feedback is not marked, or the other way round; rows that the champion's data has twice,
or not; answers that were given and not recorded.

Every turn is the command itself, forked from a process that has imported everything and started no thread.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}

import contextlib
import gc
import json
import mmap
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from common import arguments, finish
from kill import Child, Place, call_before_steps, place
from services import asked, ours

NAME = "desk"
PHASES = ("looking", "gathering", "adapting", "comparing", "deciding")
RATE = 16.0  # requests a second
LOOK = 0.02  # seconds between two looks at the registry
ENOUGH = 16  # pieces of feedback on a new intent before a turn
SPOKEN = 1 / 16  # of other answers that somebody speaks of, however long turns take
SOURCES = 200  # people who give feedback, so that no one's is a burst
KILLS = 8  # in one workspace: a turn compares with all that were in front, and grows slower
MARGINS = {"test": 0.02, "slices": 0.1, "calibration": 0.2, "latency": 20}  # others work on the same core
FRAMES = (
    "my {} is gone, {}",
    "where is the {} {} now",
    "about the {}: {}",
    "please help with {} and {}",
    "{} {} again",
)
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "ai", "en", "or")]


@dataclass
class Ground(Place):
    """A workspace under traffic; ``told`` is what its processes tell each other.

    Three bytes: whether it is over, how many intents are asked about, how often somebody spoke of the newest.
    """

    told: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, 3))
    patience: float = 60.0

    @property
    def over(self) -> bool:
        return bool(self.told[0])

    def more(self) -> None:
        """Let one more intent be asked about, and wait until enough was said of it."""
        self.told[2] = 0
        self.told[1] += 1
        end = time.monotonic() + self.patience
        while self.told[2] < ENOUGH:
            if time.monotonic() > end:
                raise RuntimeError("nobody speaks of the new intent: see the log of the traffic")
            time.sleep(0.02)


child = partial(Child, patience=600.0)  # others may work on the same core


def texts(intents: Sequence[int], count: int, seed: str) -> list[dict[str, str]]:
    """Made-up texts with what they are about."""
    draw = random.Random(f"texts {seed}")
    made = []
    for number in range(count):
        intent = intents[number % len(intents)]
        words = random.Random(f"words {intent}")
        own = ["".join(words.choices(SYLLABLES, k=3)) for _ in range(4)]
        text = draw.choice(FRAMES).format(*draw.sample(own, 2)) + f" {''.join(draw.choices(SYLLABLES, k=4))}"
        made.append({"id": f"{seed}-{number}", "text": text, "label": f"intent-{intent}"})
    return made


def begin(ground: Ground) -> None:
    """The first champion, of three intents."""
    import tunewheel as tw

    rows = {split: texts(range(3), 400, split) for split in ("train", "test")}
    place: dict[str, Any] = {"home": ground.home, "database": ground.database}
    tw.train(tw.Dataset.from_rows(rows), name=NAME, method="tfidf", options={"strength": 10.0}, **place)


def ask(ground: Ground, url: str) -> dict[str, Any]:
    """Ask, and speak of answers, until it is over; what failed, and what the service has taken and given."""
    from tunewheel import Client

    draw, taken, given = random.Random(7), [], []
    waiting: list[dict[str, Any]] = []
    failed: list[str] = []
    versions: Counter[str] = Counter()
    took: list[float] = []
    known, due, number = 0, time.monotonic(), 0
    port = int(url.rpartition(":")[2])
    with Client(url, retries=0, timeout=30) as client:
        while not ground.over or waiting:
            known = ground.told[1] or known
            intent = 2 + known if known and draw.random() < 0.6 else draw.randrange(3 + known)
            (row,) = texts([intent], 1, f"traffic {number}")
            number, start = number + 1, time.monotonic()
            try:
                said = client.predict(NAME, row["text"])
            except Exception as error:
                failed.append(f"predict: {type(error).__name__}: {error}")
            else:
                versions[said.version] += 1
                given.append(said[0]["exchange"])
                new = intent == 2 + known and ground.told[2] < 2 * ENOUGH
                if new or draw.random() < SPOKEN:
                    word = {"exchange": given[-1], "label": row["label"], "key": f"said-{number}"}
                    waiting.append({**word, "source": f"person-{number % SOURCES}", "new": new})
            took.append(time.monotonic() - start)
            for item in list(waiting):
                word = {key: item[key] for key in item if key != "new"}
                try:
                    status, body = asked(port, "POST", "/v1/feedback", {"model": NAME, "feedback": [word]})
                    answer = json.loads(body)
                    if status != 200 or answer["new"] + answer["repeated"] != 1:
                        raise RuntimeError(f"{status} {body[:300]!r}")
                except Exception as error:  # given again, with its key
                    failed.append(f"feedback: {type(error).__name__}: {error}")
                    break
                taken.append(item["key"])
                waiting.remove(item)
                if item["new"] and item["label"] == f"intent-{2 + ground.told[1]}":
                    ground.told[2] = min(255, ground.told[2] + 1)
            due += 1 / RATE
            time.sleep(max(0.0, due - time.monotonic()))
    common = {"requests": number + len(taken), "failed": failed, "slowest": max(took, default=0.0)}
    return {**common, "taken": taken, "given": given, "versions": dict(versions)}


def front(connection: Any) -> list[str]:
    """What is wrong with who is in front, in one look."""
    from sqlalchemy import select

    from tunewheel.registry.aliases import stack
    from tunewheel.store.schema import alias_history, aliases, turns, versions

    at = select(aliases.c.number).where(aliases.c.name == NAME, aliases.c.alias == "champion")
    standing = list(connection.scalars(at))
    query = select(turns.c.status, turns.c.steps).where(turns.c.name == NAME).order_by(turns.c.id)
    ran = connection.execute(query).all()
    promoted = [turn.steps["end"]["version"] for turn in ran if turn.status == "promoted"]
    expected = int((promoted or [f"{NAME}:1"])[-1].rpartition(":")[2])
    moves = connection.execute(select(alias_history).where(alias_history.c.name == NAME).order_by(alias_history.c.id))
    known = set(connection.scalars(select(versions.c.number).where(versions.c.name == NAME)))
    wrong = []
    if len(standing) != 1 or standing[0] not in known:
        wrong.append(f"not one champion: {standing} of {sorted(known)}")
    elif standing[0] != expected:
        wrong.append(f"version {standing[0]} is in front, and the last promoted one is {expected}")
    if stack(moves.all())[-1:] != standing:
        wrong.append("the alias is not what its history says")
    if sum(turn.status == "running" for turn in ran) > 1:
        wrong.append("two turns run")
    return wrong


def watch(ground: Ground) -> dict[str, Any]:
    """Look at the registry again and again until it is over."""
    looks, wrong = 0, []
    with ground.open() as workspace:
        while not ground.over:
            with workspace.read() as connection:
                wrong += front(connection)
            looks += 1
            time.sleep(LOOK)
    return {"looks": looks, "wrong": wrong}


def turn(ground: Ground, kill_before: int | None = None, *, end: bool = False) -> dict[str, Any]:
    """The command; ``kill_before`` ends it before so many steps, of its ``end`` or of all of it."""
    from tunewheel.cli import app

    steps = step_by_step(ground, kill_before, "end" if end else "all")
    command = ["update", NAME, "--automatic", "--disagree", "latest", "--home", str(ground.home)]
    command += [part for name, value in MARGINS.items() for part in ("--margin", f"{name}={value}")]
    command += ["--database", ground.database] if ground.database else []
    started = time.perf_counter()
    code = app(command, standalone_mode=False)
    assert code in (0, 1, 3), f"the command ended with {code}"
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "steps": dict(steps), "code": code, "modules": sorted(sys.modules)}


def step_by_step(ground: Ground, kill_before: int | None, counted: str) -> Counter[str]:
    """Note the phase that a turn is in where its killer sees it, and count its steps."""
    import tunewheel.registry.gate
    from tunewheel.loop.turn import Turn

    steps: Counter[str] = Counter()

    def step(*_: Any, **__: Any) -> None:
        steps["all"] += 1
        steps["end"] += ground.phase[0] == PHASES.index("deciding")
        if steps[counted] == kill_before:
            os.kill(os.getpid(), signal.SIGKILL)

    def enter(owner: Any, name: str, phase: str) -> None:
        inner = getattr(owner, name)

        def outer(*positional: Any, **named: Any) -> Any:
            ground.phase[0] = PHASES.index(phase)
            return inner(*positional, **named)

        setattr(owner, name, outer)

    ground.phase[0] = 0
    enter(Turn, "_data", "gathering")
    enter(Turn, "_adapt", "adapting")
    enter(Turn, "_gate", "comparing")
    enter(tunewheel.registry.gate, "record_decision", "deciding")  # which lasts to the end
    call_before_steps(step)
    return steps


def check(ground: Ground) -> dict[str, Any]:
    """What is wrong with the record at this moment, and which turn is under way."""
    from sqlalchemy import select

    from tunewheel.feedback.turns import list_turns
    from tunewheel.registry import Registry
    from tunewheel.store.schema import feedback

    with ground.open() as workspace:
        with workspace.read() as connection:
            wrong = front(connection)
            ran = list_turns(connection, NAME)
            marked = {
                row.id: row.turn
                for row in connection.execute(select(feedback.c.id, feedback.c.turn))
                if row.turn is not None
            }
        learned = Counter(one for turn in ran if turn.status == "promoted" for one in turn.steps["data"]["feedback"])
        twice = [one for one, count in learned.items() if count > 1]
        if twice:
            wrong.append(f"learned from by two turns: {twice}")
        if set(learned) != set(marked):
            wrong.append(f"learned from and not marked, or the other way round: {sorted(set(learned) ^ set(marked))}")
        Registry(workspace).verify(f"{NAME}@champion")
    return {"wrong": wrong, "turns": {str(turn.id): turn.status for turn in ran}}


def count(ground: Ground, traffic: dict[str, Any]) -> dict[str, Any]:
    """What is there at the end of all that was said and answered."""
    from sqlalchemy import select

    from tunewheel.registry import Registry, kept_dataset
    from tunewheel.store.schema import exchanges, feedback

    with ground.open() as workspace:
        registry = Registry(workspace)
        with workspace.read() as connection:
            said = connection.execute(select(feedback.c.key, feedback.c.status, feedback.c.exchange)).all()
            recorded = set(connection.scalars(select(exchanges.c.id)))
        versions = registry.versions(NAME)
        for version in versions:
            registry.verify(version.ref)
        data = kept_dataset(workspace, registry.resolve(f"{NAME}@champion").dataset or "")
        assert data is not None
        rows = Counter(row["id"] for split in data.splits for row in data[split])
    keys = Counter(row.key for row in said)
    learned = [f"feedback-{row.exchange}" for row in said if row.status == "consumed"]
    lost = [key for key in traffic["taken"] if not keys[key]] + [row for row in learned if not rows[row]]
    twice = [key for key, found in keys.items() if found > 1] + [row for row, found in rows.items() if found > 1]
    statuses = Counter(row.status for row in said)
    unrecorded = [one for one in traffic["given"] if one not in recorded]
    return {
        **{"lost": lost, "twice": twice, "unrecorded": unrecorded, "statuses": dict(statuses)},
        "versions": len(versions),
    }


def warm(modules: Sequence[str]) -> None:
    """Import what a turn had imported, so that a forked one starts at once; nothing is computed here."""
    for module in modules:
        if module.partition(".")[0] != "__main__":
            with contextlib.suppress(Exception):
                import_module(module)
    gc.collect()
    gc.freeze()


@dataclass
class Tally:
    """What the kills on one database came to."""

    phases: Counter[str] = field(default_factory=Counter)
    turns: Counter[str] = field(default_factory=Counter)
    unresumed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    lost: int = 0
    twice: int = 0
    unrecorded: int = 0
    said: int = 0
    requests: int = 0
    failed: list[str] = field(default_factory=list)
    slowest: float = 0.0
    looks: int = 0
    without: int = 0
    seconds: list[float] = field(default_factory=list)

    def looked(self, at: Ground) -> dict[str, str]:
        """Check the record; the turns by their ids."""
        found = child(at, check, "check").answer()
        self.wrong += found["wrong"]
        turns: dict[str, str] = found["turns"]
        return turns

    def ended(self, told: dict[str, Any], seen: dict[str, Any], counted: dict[str, Any], turns: dict[str, str]) -> None:
        """Take in what a workspace's traffic, its watcher and its last count say."""
        self.requests += told["requests"]
        self.failed += told["failed"]
        self.slowest = max(self.slowest, told["slowest"])
        self.said += len(told["taken"])
        self.looks += seen["looks"]
        self.without += len(seen["wrong"])
        self.wrong += seen["wrong"][:5]
        self.lost += len(counted["lost"])
        self.twice += len(counted["twice"])
        self.unrecorded += len(counted["unrecorded"])
        self.turns.update(turns.values())
        promoted = {f"{NAME}:{number}" for number in range(1, counted["versions"] + 1)}
        if strange := set(told["versions"]) - promoted:
            self.wrong.append(f"versions that are not registered answered: {sorted(strange)}")
        if counted["versions"] != 1 + len(turns):
            self.wrong.append(f"{counted['versions']} versions of {len(turns)} turns and the first one")


def round_of(at: Ground, whole: dict[str, Any], draw: random.Random, tally: Tally) -> dict[str, Any]:
    """Kill a turn, perhaps when it goes on too, and let it end; the last one that ran through from its beginning."""
    at.more()
    before: dict[str, str] = {}
    for _ in range(2 if draw.random() < 0.25 else 1):
        way = draw.randrange(3)
        if way:
            kind = ("all", "end")[way - 1]
            steps = draw.randint(1, whole["steps"][kind])
            running = child(at, partial(turn, kill_before=steps, end=kind == "end"), "turn")
        else:
            running = child(at, turn, "turn")
            running.kill_after(draw.uniform(0, whole["seconds"]))
        if running.wait():
            tally.phases[PHASES[at.phase[0]]] += 1
        before = tally.looked(at)
    begun = [each for each, status in before.items() if status == "running"]
    try:
        told: dict[str, Any] = child(at, turn, "turn").answer()
    except RuntimeError as error:
        tally.unresumed.append(str(error)[-600:])
        return whole
    after = tally.looked(at)
    tally.unresumed += [f"turn {each} is {after[each]}" for each in begun if after[each] == "running"]
    if begun or not told["steps"].get("end"):  # it went on with a turn, or there was nothing to do
        return whole
    tally.seconds.append(told["seconds"])
    return told


def workspace(at: Ground, moments: int, draw: random.Random, tally: Tally) -> None:
    """So many kills in one workspace, under its traffic."""
    child(at, begin).answer()
    more = ["--database", at.database] if at.database else []
    with ours(at.home, NAME, workers=1, more=more) as running:
        traffic = child(at, partial(ask, url=running.url), "traffic")
        watching = child(at, watch, "watch")
        try:
            at.more()
            whole = child(at, turn, "turn").answer()  # at the speed of a turn that imports, the first time
            warm(whole["modules"])
            at.more()
            whole = child(at, turn, "turn").answer()
            wanted = tally.phases.total() + moments
            while tally.phases.total() < wanted:
                whole = round_of(at, whole, draw, tally)
                print(f"\r{tally.phases.total()} moments, {whole['seconds']:.1f} s a turn", end="", file=sys.stderr)
        finally:
            at.told[0] = 1
        told, seen = traffic.answer(), watching.answer()
    turns = tally.looked(at)
    tally.ended(told, seen, child(at, partial(count, traffic=told), "count").answer(), turns)


def trials(server: str | None, moments: int, seed: int) -> dict[str, Any]:
    """So many moments on one database."""
    tally, started = Tally(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        number = 0
        while (done := tally.phases.total()) < moments:
            number += 1
            draw = random.Random(f"{seed} {bool(server)} {number}")
            with place(Path(folder), f"desk-{number}", server) as found:
                try:
                    workspace(Ground(found.shared, found.home, found.database), min(KILLS, moments - done), draw, tally)
                except RuntimeError as error:  # something hangs, or does not answer
                    tally.wrong.append(str(error)[-600:])
                    if len(tally.wrong) > 5:
                        break
    print(file=sys.stderr)
    for kind in ("wrong", "failed", "unresumed"):
        for one in getattr(tally, kind)[:10]:
            print(f"{kind}: {one}", file=sys.stderr)
    return {
        "moments": tally.phases.total(),
        **vars(tally),
        "workspaces": number,
        "elapsed": round(time.perf_counter() - started),
    }


def row_of(database: str, found: dict[str, Any]) -> str:
    """One line of the table."""
    turns = f"{sum(found['turns'].values())}, {found['turns'].get('promoted', 0)} promoted"
    requests = f"{found['requests']:,} | {len(found['failed'])} | {found['slowest']:.2f}"
    feedback = f"{found['said']:,} | {found['lost']} | {found['twice']}"
    return (
        f"{database} | {found['moments']} | {turns} | {len(found['unresumed'])} | {requests} | {feedback} | "
        f"{found['looks']:,} | {found['without']} | {len(found['wrong'])}"
    )


def main() -> None:
    """Kill on both databases, and record a row each."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--moments", type=int, default=100, help="kills on each database")
    parser.add_argument("--only", choices=["sqlite", "postgresql"], help="one of the two")
    parser.add_argument("--seed", type=int, default=13, help="of the moments")
    options = parser.parse_args()
    server = os.environ.get("TUNEWHEEL_TEST_POSTGRES")
    databases = [options.only] if options.only else ["sqlite"] if options.quick else ["sqlite", "postgresql"]
    if "postgresql" in databases and not server:
        print("needs PostgreSQL: run make services and export the TUNEWHEEL_TEST_POSTGRES it prints", file=sys.stderr)
        raise SystemExit(3)
    bad = False
    for database in databases:
        moments = 4 if options.quick else options.moments
        found = trials(server if database == "postgresql" else None, moments, options.seed)
        bad |= bool(found["wrong"] or found["failed"] or found["unresumed"] or found["lost"] or found["twice"])
        finish("turns", row_of(database, found), found, record=not (options.quick or options.no_record))
    raise SystemExit(bad)


if __name__ == "__main__":
    main()
