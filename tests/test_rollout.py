"""A rollout from its beginning to its end, by looks at what services counted and people said, whatever is killed."""

import itertools
import json
import signal
import time
from collections import Counter

import pytest
from sqlalchemy import func, insert, select, update
from typer.testing import CliRunner

import tunewheel as tw
from test_update import MARGINS, begun, champion, counts, told
from tunewheel.cli import app
from tunewheel.feedback.exchanges import Exchange, count_exchanges, exchange_id
from tunewheel.feedback.given import give
from tunewheel.feedback.quarantine import _usual
from tunewheel.feedback.recorder import Recorder
from tunewheel.feedback.rollout.evidence import bucket
from tunewheel.feedback.rollout.plan import Counts, Plan, RolloutError
from tunewheel.feedback.rollout.record import Side, begin, find_active, list_looks, write_counts
from tunewheel.feedback.turns import list_turns
from tunewheel.loop import decide_again, rollback, rollout, rollout_status
from tunewheel.loop import update as turn_of
from tunewheel.store import LockedError, Workspace
from tunewheel.store.leases import lease
from tunewheel.store.schema import rollout_looks, rollouts

SOON = {"shadow": 1e-6, "share_for": 1e-6, "watch": 1e-6}
"""Stages whose time is over at once."""


def shop(workspace: Workspace, tmp_path, n: int = 2, task: str = "classification") -> tw.Registry:
    """Versions that nobody will load; the first is the champion."""
    registry = tw.Registry(workspace)
    for number in range(1, n + 1):
        folder = tmp_path / f"model-{number}"
        folder.mkdir()
        (folder / "model.txt").write_text(str(number), encoding="utf-8")
        alias = "champion" if number == 1 else None
        registry.register(folder, name="tickets", task=task, method="tfidf", alias=alias, why="a test")
    return registry


def look(workspace: Workspace, to=None, **options):
    return rollout("tickets", to, home=workspace.home, database=workspace.database, by="a test", **options)


def counted(workspace: Workspace, *, failed=(0, 0), n=(18_000, 2_000), seconds=(0.01, 0.01), service="one", **more):
    """Have a service say what both did in the present stage."""
    with workspace.begin() as connection:
        found = find_active(connection, ["tickets"])["tickets"]
        said = {}
        for number, bad, many, took in zip((found.champion, found.candidate), failed, n, seconds, strict=True):
            times = Counter({bucket(took): many - bad})
            side = Side(found.id, found.stage, number)
            said[side] = Counts(many - bad, bad, rows=many, agreed=many, seconds=times)
        write_counts(connection, said, more.get("refused", {}), service)


def state(workspace: Workspace) -> tuple[str, int]:
    return rollout_status("tickets", home=workspace.home, database=workspace.database)[0].stage, int(
        champion(workspace).partition(":")[2]
    )


def test_it_goes_from_the_shadow_to_a_share_to_champion_and_every_step_is_decided_again_from_its_record(
    workspace, tmp_path
):
    registry = shop(workspace, tmp_path)
    stages = [look(workspace, 2, plan=Plan(**SOON)).rollout.stage]
    for _ in range(3):
        counted(workspace)
        stages.append(look(workspace).rollout.stage)
    assert stages == ["shadow", "share", "watch", "done"]
    assert state(workspace) == ("done", 2)
    move = registry.history("tickets")[-1]
    assert (move.action, move.replaced, move.by) == ("promote", 1, "a test") and "rollout 1, look 3" in move.why
    _, looks = rollout_status("tickets", home=workspace.home, database=workspace.database)
    assert [one.decided.verdict for one in looks] == ["wait", "next", "promote", "done"]
    for one in looks:
        recorded, made = decide_again(one.id, home=workspace.home, database=workspace.database)
        assert (recorded, made) == (one, one.decided)


def test_a_model_that_writes_has_no_shadow_in_which_nobody_would_ask_it(workspace, tmp_path):
    shop(workspace, tmp_path, task="generation")
    with pytest.raises(RolloutError, match="no shadow stage"):
        look(workspace, 2, plan=Plan(share_for=0))
    begun = look(workspace, 2).rollout
    assert (begun.stage, begun.plan.stages) == ("share", ("share",))


def test_what_two_services_counted_is_added_and_written_twice_counts_once(workspace, tmp_path):
    shop(workspace, tmp_path)
    look(workspace, 2, plan=Plan())
    for service in ("one", "two", "one"):
        counted(workspace, service=service, n=(100, 100))
    assert look(workspace).figures.candidate.counts.asked == 200


@pytest.mark.parametrize(
    ("harm", "why"),
    [({"failed": (10, 60)}, "requests fail"), ({"seconds": (0.01, 0.04)}, "p50"), ({"refused": True}, "no memory")],
)
def test_a_worse_candidate_goes_and_the_alias_never_moved(workspace, tmp_path, harm, why):
    registry = shop(workspace, tmp_path)
    begun_ = look(workspace, 2, plan=Plan(shadow=0)).rollout
    if "refused" in harm:
        harm = {"refused": {Side(begun_.id, "share", 2): "no memory"}}
    counted(workspace, **harm)
    said = []
    rolled = look(workspace, say=lambda heading, line: said.append((heading, line)))
    assert (rolled.decided.verdict, state(workspace)) == ("roll back", ("rolled back", 1))
    assert why in rolled.decided.reason and said[0][0] == "rolled back"
    assert len(registry.history("tickets")) == 1


def test_what_turns_while_it_is_watched_is_rolled_back_once_and_never_comes_back_by_itself(workspace, tmp_path):
    registry = shop(workspace, tmp_path)
    look(workspace, 2, plan=Plan(shadow=0, share_for=1e-6, watch=3600))
    counted(workspace)
    assert look(workspace).rollout.stage == "watch" and champion(workspace) == "tickets:2"
    counted(workspace, n=(0, 3_000), failed=(0, 5))
    assert look(workspace).decided.verdict == "wait"
    counted(workspace, n=(0, 4_000), failed=(0, 90))
    assert look(workspace).decided.verdict == "roll back"
    assert state(workspace) == ("rolled back", 1)
    with pytest.raises(RolloutError, match="no rollout of tickets is under way"):
        look(workspace)
    assert [move.action for move in registry.history("tickets")] == ["promote", "promote", "rollback"]


def answered(workspace: Workspace, number: int, n: int, label: str = "card", role="live", shadow_of=None) -> list[str]:
    """Recorded answers of a version."""
    made = []
    for i in range(n):
        own = {"role": role, "shadow_of": None if shadow_of is None else shadow_of[i]}
        row, prediction = {"text": f"text {i}"}, {"label": label, "confidence": 0.9}
        made.append(Exchange(exchange_id(), "tickets", number, row, prediction, "torch-fp32", 0.01, **own))
    with Recorder(workspace, every=0.01) as recorder:
        recorder.record(made)
    return [one.id for one in made]


def test_people_who_call_its_answers_wrong_take_it_back(workspace, tmp_path):
    shop(workspace, tmp_path)
    look(workspace, 2, plan=Plan(shadow=0))
    old, new = answered(workspace, 1, 300), answered(workspace, 2, 100)
    counted(workspace)
    said = [{"exchange": one, "label": "loan"} for one in (*old[:2], *new[:25])]
    said += [{"exchange": one, "rating": 1} for one in new[25:35]]
    give(workspace, "tickets", said, source="desk", vouched=True)
    give(workspace, "others", [{"exchange": one, "label": "loan"} for one in old[9:20]], source="desk", vouched=True)
    rolled = look(workspace)
    assert (rolled.figures.champion.wrong, rolled.figures.candidate.wrong) == (2, 25)
    assert (rolled.figures.champion.of, rolled.figures.candidate.right) == (300, 10)
    assert rolled.decided.verdict == "roll back" and "called wrong" in rolled.decided.reason


def test_a_correction_tells_of_both_answers_in_the_shadow_and_a_rating_of_one(workspace, tmp_path):
    shop(workspace, tmp_path)
    look(workspace, 2, plan=Plan())
    live = answered(workspace, 1, 60)
    answered(workspace, 2, 40, label="loan", role="shadow", shadow_of=live)
    counted(workspace, n=(60, 60))
    said = [{"exchange": one, "label": "card"} for one in live[:30]] + [{"exchange": live[30], "rating": -1}]
    give(workspace, "tickets", said, source="desk", vouched=True)
    give(workspace, "others", [{"exchange": live[35], "label": "loan"}], source="desk", vouched=True)
    rolled = look(workspace)
    assert (rolled.figures.candidate.of, rolled.figures.candidate.wrong, rolled.figures.champion.wrong) == (30, 30, 0)
    assert rolled.decided.verdict == "roll back"


def test_shadow_answers_are_no_traffic_no_suggestion_and_no_unknown_exchange(workspace, tmp_path):
    from tunewheel.feedback.drift.traffic import read_traffic
    from tunewheel.feedback.suggesting import worth

    shop(workspace, tmp_path)
    live = answered(workspace, 1, 5)
    shadows = answered(workspace, 2, 5, role="shadow", shadow_of=live)
    with workspace.read() as connection:
        assert count_exchanges(connection, "tickets") == 5
        assert [read_traffic(connection, "tickets", number).ids for number in (1, 2)] == [tuple(live), ()]
        assert len(_usual(connection, "tickets")) == 5
        assert {one["exchange"] for one in worth(connection, "tickets", 20)} <= set(live)
        assert not set(live) & set(shadows)
    assert give(workspace, "tickets", [{"exchange": live[0], "label": "loan"}], source="desk").unknown == 0


def test_one_rollout_of_a_model_at_a_time_and_one_look(workspace, tmp_path):
    shop(workspace, tmp_path, 3)
    look(workspace, 2)
    with pytest.raises(RolloutError, match="tickets:2 is being rolled out"):
        look(workspace, 3)
    with lease(workspace, "rollout tickets"), pytest.raises(LockedError):
        look(workspace)
    with pytest.raises(Exception, match=r"(?i)unique"), workspace.begin() as connection:
        row = connection.execute(select(rollouts)).mappings().one()
        connection.execute(insert(rollouts).values({**row, "id": 77}))


@pytest.mark.parametrize(("to", "match"), [(1, "is the champion already"), (9, "no tickets:9"), (None, "say which")])
def test_what_cannot_be_rolled_out_is_said(workspace, tmp_path, to, match):
    shop(workspace, tmp_path)
    with pytest.raises(ValueError, match=match):
        look(workspace, to)


def test_an_alias_that_somebody_moves_ends_it(workspace, tmp_path):
    registry = shop(workspace, tmp_path, 3)
    look(workspace, 2)
    registry.promote("tickets:3", why="by hand")
    rolled = look(workspace)
    assert (rolled.decided.verdict, rolled.rollout.stage) == ("ended", "ended")
    assert champion(workspace) == "tickets:3" and "version 3 became champion" in rolled.rollout.reason


@pytest.mark.parametrize("stage", ["shadow", "share", "watch"])
def test_rollback_takes_back_what_is_newest(workspace, tmp_path, stage):
    shop(workspace, tmp_path)
    look(workspace, 2, plan=Plan(shadow=1e-6, share_for=1e-6, watch=3600))
    while state(workspace)[0] != stage:
        counted(workspace)
        look(workspace)
    place = {"home": workspace.home, "database": workspace.database}
    version, ended = rollback("tickets", why="to show", **place)
    assert (version.ref, ended.stage, state(workspace)) == ("tickets:1", "rolled back", ("rolled back", 1))
    with pytest.raises(ValueError, match="no version before"):
        rollback("tickets", why="once more", **place)


LOOK = """
import sys
from tunewheel.loop import rollout
print("ready", flush=True)
sys.stdin.readline()
rollout("tickets", home=sys.argv[1], database=sys.argv[2] or None)
"""

TORN = """
import importlib, os, sys
from tunewheel.loop import rollout
where, name = sys.argv[3].rsplit(".", 1)
module = importlib.import_module(where)
done = getattr(module, name)
def torn(*arguments, **options):
    done(*arguments, **options)
    os.kill(os.getpid(), 9)
setattr(module, name, torn)
rollout("tickets", home=sys.argv[1], database=sys.argv[2] or None)
"""


@pytest.mark.parametrize(
    "step", ["tunewheel.loop.rollout.record_look", "tunewheel.registry.aliases.promote", "tunewheel.loop.rollout.move"]
)
def test_killed_within_the_promotion_nothing_of_it_stands_and_the_next_look_does_it_whole(
    workspace, tmp_path, start, step
):
    shop(workspace, tmp_path)
    look(workspace, 2, plan=Plan(shadow=0, share_for=1e-6, watch=3600))
    counted(workspace)
    process = start(TORN, workspace, step)
    assert process.wait(120) == -signal.SIGKILL, process.stderr.read()
    assert state(workspace) == ("share", 1)
    with workspace.read() as connection:
        assert [one.decided.verdict for one in list_looks(connection, 1)] == ["wait"]
    assert look(workspace).decided.verdict == "promote" and state(workspace) == ("watch", 2)


@pytest.mark.slow
def test_killed_at_any_moment_alias_and_record_agree(workspace, tmp_path, start):
    shop(workspace, tmp_path)
    for trial in range(6):
        look(workspace, 2, plan=Plan(shadow=0, share_for=1e-6, watch=3600))
        counted(workspace)
        process = start(LOOK, workspace)
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("\n")
        process.stdin.flush()
        time.sleep(0.05 + 0.06 * trial)
        process.kill()
        process.wait()
        stage, number = state(workspace)
        assert (stage, number) in {("share", 1), ("watch", 2)}
        rollback("tickets", why="again", home=workspace.home, database=workspace.database)


def test_a_turn_ends_with_its_rollout_and_feedback_counts_as_learned_from_then(workspace):
    begun(workspace)
    told(workspace)
    plan = Plan(shadow=0, share_for=1e-6, watch=3600)
    place = {"home": workspace.home, "database": workspace.database}

    def turn():
        return turn_of("tickets", margins=MARGINS, rollout=plan, **place)

    first = turn()
    assert (first.status, champion(workspace), counts(workspace)) == ("rolling", "tickets:1", {"accepted": 120})
    assert turn().status == "rolling"  # nobody has asked it anything yet
    counted(workspace)
    promoted = turn()
    assert (promoted.status, promoted.version.ref, champion(workspace)) == ("promoted", "tickets:2", "tickets:2")
    assert counts(workspace) == {"consumed": 120}
    with workspace.read() as connection:
        (record,) = list_turns(connection, "tickets")
    assert (record.status, list(record.steps)) == ("promoted", ["data", "adapt", "rollout", "end"])
    assert turn().quiet  # it is watched, and nothing else is begun meanwhile
    counted(workspace, n=(0, 2_000), failed=(0, 400))
    assert (turn().status, champion(workspace)) == ("rolled back", "tickets:1")
    assert counts(workspace) == {"accepted": 120}
    assert turn().why == {"idle": "all of it was tried by the last turn"}


def test_a_candidate_of_a_turn_that_is_rolled_back_ends_it_as_refused(workspace):
    begun(workspace)
    told(workspace)
    place = {"home": workspace.home, "database": workspace.database}
    turn_of("tickets", margins=MARGINS, rollout=Plan(), **place)
    counted(workspace, n=(2_000, 2_000), failed=(2, 300))
    ended = turn_of("tickets", margins=MARGINS, rollout=Plan(), **place)
    assert (ended.status, champion(workspace), counts(workspace)) == ("refused", "tickets:1", {"accepted": 120})
    with workspace.read() as connection:
        assert [one.status for one in list_turns(connection, "tickets")] == ["refused"]


def test_looks_that_only_wait_are_recorded_when_much_has_come(workspace, tmp_path):
    shop(workspace, tmp_path)
    look(workspace, 2)
    for n in (0, 100, 105, 120):
        counted(workspace, n=(n, n))
        look(workspace)
    with workspace.read() as connection:
        assert connection.scalar(select(func.count()).select_from(rollout_looks)) == 3


def invoke(workspace: Workspace, *arguments: str):
    return CliRunner().invoke(app, [*arguments, "--home", str(workspace.home)])


def test_the_command_begins_looks_shows_decides_again_and_aborts(sqlite_workspace, tmp_path):
    shop(sqlite_workspace, tmp_path)
    first = invoke(sqlite_workspace, "rollout", "tickets", "--to", "2", "--shadow", "0", "--for", "2h", "--once")
    assert first.exit_code == 3 and "tickets:2 beside tickets:1, share" in first.output
    counted(sqlite_workspace)
    once = invoke(sqlite_workspace, "rollout", "tickets", "--once", "--json")
    found = json.loads(once.stdout.splitlines()[-1])
    assert (found["rollout"]["stage"], found["decided"]["verdict"], found["look"]) == ("share", "wait", 2)
    shown = invoke(sqlite_workspace, "rollout", "tickets", "--status")
    assert shown.exit_code == 0 and "2,000 requests, 0 failed" in shown.output
    again = invoke(sqlite_workspace, "rollout", "--again", "2")
    assert again.exit_code == 0 and "to the last digit" in again.output
    with sqlite_workspace.begin() as connection:
        torn = {"decided": {"verdict": "promote", "reason": "", "checks": []}}
        connection.execute(update(rollout_looks).where(rollout_looks.c.id == 2).values(torn))
    assert invoke(sqlite_workspace, "rollout", "--again", "2").exit_code == 1
    assert "has ended" in invoke(sqlite_workspace, "rollout", "tickets", "--abort").output
    assert invoke(sqlite_workspace, "rollout", "tickets", "--abort").exit_code == 2
    assert state(sqlite_workspace) == ("rolled back", 1)


def test_the_command_looks_until_the_end(sqlite_workspace, tmp_path, monkeypatch):
    shop(sqlite_workspace, tmp_path)
    waits = itertools.count()

    def later(seconds):
        if find(sqlite_workspace):
            counted(sqlite_workspace)
        assert next(waits) < 10

    def find(workspace):
        with workspace.read() as connection:
            return find_active(connection, ["tickets"])

    monkeypatch.setattr("time.sleep", later)
    # stages whose time is over once the first look has been
    with sqlite_workspace.begin() as connection:
        begin(connection, "tickets", 2, Plan(**SOON), by="a test", reason="to show")
    ended = invoke(sqlite_workspace, "rollout", "tickets")
    assert ended.exit_code == 0, ended.output
    assert state(sqlite_workspace) == ("done", 2)


def test_the_command_ends_when_somebody_takes_the_rollout_back_meanwhile(sqlite_workspace, tmp_path, monkeypatch):
    shop(sqlite_workspace, tmp_path)
    monkeypatch.setattr("time.sleep", lambda _: rollback("tickets", why="by hand", home=sqlite_workspace.home))
    ended = invoke(sqlite_workspace, "rollout", "tickets", "--to", "2")
    assert ended.exit_code == 1 and "rolled back since" in ended.output


@pytest.mark.parametrize("wrong", [["--shadow", "soon"], ["--margin", "error=1"], ["--margin", "errors=x"]])
def test_a_plan_that_cannot_be_read_is_said(sqlite_workspace, tmp_path, wrong):
    shop(sqlite_workspace, tmp_path)
    found = invoke(sqlite_workspace, "rollout", "tickets", "--to", "2", *wrong)
    assert found.exit_code == 2 and wrong[1] in found.output
    assert not list_of(sqlite_workspace)


def list_of(workspace):
    with workspace.read() as connection:
        return connection.execute(select(rollouts)).all()
