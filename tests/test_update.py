"""One turn of the wheel: feedback in, a model that is provably not worse out, whatever is killed meanwhile."""

import importlib
import json
import os
import random
import signal
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

import tunewheel as tw
from tunewheel.cli import app
from tunewheel.feedback.exchanges import Exchange
from tunewheel.feedback.given import count_feedback, give, list_feedback
from tunewheel.feedback.recorder import Recorder
from tunewheel.feedback.review import Conflict, Queue
from tunewheel.feedback.settling import Policy
from tunewheel.feedback.turns import list_turns
from tunewheel.loop import LoopError, TurnError
from tunewheel.loop.turn import Turn, When
from tunewheel.loop.update import keep_turning, update
from tunewheel.models import MethodError, Recipe, prepare
from tunewheel.registry import kept_dataset
from tunewheel.registry.gate import Margins
from tunewheel.store import LockedError, Workspace
from tunewheel.store.leases import lease
from tunewheel.store.schema import turns, versions

WORDS = {"card": ["card", "plastic", "chip"], "loan": ["loan", "credit", "rate"], "app": ["app", "login", "code"]}
FRAMES = ["my {} is gone", "where is the {} now", "a question about the {}", "please help with the {}", "the {} again"]


def rows(labels, n, seed=0):
    """Rows that a linear model learns from a few dozen of."""
    draw = random.Random(seed)
    made = []
    for i in range(n):
        label = labels[i % len(labels)]
        text = draw.choice(FRAMES).format(draw.choice(WORDS[label])) + f" {draw.randrange(10_000)}"
        made.append({"id": f"{seed}-{i}", "text": text, "label": label})
    return made


def begun(workspace: Workspace) -> None:
    """A champion that knows two labels, and feedback with a third."""
    data = tw.Dataset.from_rows({"train": rows(["card", "loan"], 120), "test": rows(["card", "loan"], 400, seed=1)})
    place = {"home": workspace.home, "database": workspace.database}
    tw.train(data, name="tickets", method="tfidf", **place)


def told(workspace: Workspace, n: int = 120, labels=("app", "card"), seed: int = 2) -> None:
    items = [{"text": row["text"], "label": row["label"]} for row in rows(list(labels), n, seed=seed)]
    give(workspace, "tickets", items, source="desk", vouched=True)


MARGINS = Margins(test=0.02, slices=0.1)
"""What 400 test rows can show."""


def turn(workspace: Workspace, **options):
    return update("tickets", home=workspace.home, database=workspace.database, margins=MARGINS, **options)


def counts(workspace: Workspace) -> dict[str, int]:
    with workspace.read() as connection:
        return count_feedback(connection, "tickets")


def records(workspace: Workspace) -> list[str]:
    with workspace.read() as connection:
        return [record.status for record in list_turns(connection, "tickets")]


def champion(workspace: Workspace) -> str:
    return tw.Registry(workspace).resolve("tickets@champion").ref


def test_a_new_label_is_learned_and_the_better_version_comes_in_front(workspace: Workspace) -> None:
    begun(workspace)
    told(workspace)
    updated = turn(workspace)
    assert (updated.status, champion(workspace)) == ("promoted", "tickets:2")
    model = tw.Model.load(updated.version.path)
    assert model.task.labels == ("app", "card", "loan")
    assert model.predict(["please help with the login 77"])[0]["label"] == "app"
    assert counts(workspace) == {"consumed": 120}
    assert updated.page.is_file()
    with workspace.read() as connection:
        (record,) = list_turns(connection, "tickets")
        assert {one.turn for one in list_feedback(connection, "tickets", limit=None)} == {record.id}
    assert (record.status, list(record.steps)) == ("promoted", ["data", "adapt", "end"])
    assert record.why == {"by hand": "120 new rows"}


def test_no_test_row_is_learned_from_and_some_new_rows_are_tested_on(workspace: Workspace) -> None:
    begun(workspace)
    stolen = rows(["card", "loan"], 400, seed=1)[0]
    give(workspace, "tickets", [{"text": stolen["text"], "label": "loan"}], source="desk", vouched=True)
    told(workspace)
    updated = turn(workspace)
    from tunewheel.registry import kept_dataset

    learned = kept_dataset(workspace, updated.version.dataset)
    tested = {row["text"] for row in rows(["card", "loan"], 400, seed=1)}
    assert not tested & set(learned["train"]["text"])
    assert len(learned["test"]) > 400 and "app" in learned["test"]["label"]


def test_a_correction_of_a_row_it_learned_from_takes_its_place(workspace: Workspace) -> None:
    begun(workspace)
    wrong = rows(["card", "loan"], 120)[0]
    give(workspace, "tickets", [{"text": wrong["text"], "label": "app"}], source="desk", vouched=True)
    told(workspace)
    from tunewheel.registry import kept_dataset

    learned = kept_dataset(workspace, turn(workspace).version.dataset)
    labels = [row["label"] for split in learned.splits for row in learned[split] if row["text"] == wrong["text"]]
    assert labels == ["app"]


def test_what_makes_it_worse_is_refused_kept_and_not_tried_again_alone(workspace: Workspace) -> None:
    begun(workspace)
    swap = {"card": "loan", "loan": "card"}
    poison = [{"text": row["text"], "label": swap[row["label"]]} for row in rows(["card", "loan"], 400, seed=3)]
    give(workspace, "tickets", poison, source="desk", vouched=True)
    updated = turn(workspace)
    assert (updated.status, champion(workspace)) == ("refused", "tickets:1")
    assert counts(workspace) == {"accepted": 400}
    again = turn(workspace)
    assert (again.status, again.why) == ("idle", {"idle": "all of it was tried by the last turn"})


def test_it_turns_for_a_reason_and_says_which(workspace: Workspace) -> None:
    begun(workspace)
    assert turn(workspace).why == {"idle": "there is no feedback to learn from"}
    told(workspace, n=30)
    assert turn(workspace, when=When(min_feedback=31)).status == "idle"
    drifted = turn(workspace, when=When(min_feedback=31, drift=lambda workspace, name: "words moved"))
    assert drifted.why == {"drift": "words moved"} and drifted.status != "idle"


def test_an_answer_edited_in_review_is_learned_and_leads_back_to_its_exchange(sqlite_workspace: Workspace) -> None:
    begun(sqlite_workspace)
    answer = {"name": "tickets", "number": 1, "row": {"text": "where is the login 5"}, "variant": "torch-fp32"}
    with Recorder(sqlite_workspace) as recorder:
        recorder.record([Exchange("e1", prediction={"label": "loan", "confidence": 0.4}, seconds=0.1, **answer)])
    queue = Queue(sqlite_workspace, "tickets", "label")
    assert [item.id for item in queue.items(5, by="ann")] == ["e1"]
    decided = queue.decide("e1", "accept", {"label": "app"}, by="ann")
    told(sqlite_workspace)
    updated = turn(sqlite_workspace)
    assert updated.status == "promoted"
    from tunewheel.registry import kept_dataset

    learned = kept_dataset(sqlite_workspace, updated.version.dataset)
    (row,) = [row for split in learned.splits for row in learned[split] if row["exchange"] == "e1"]
    assert (row["id"], row["text"], row["label"]) == ("feedback-e1", "where is the login 5", "app")
    shown = CliRunner().invoke(app, ["trace", row["id"], "--json", "--home", str(sqlite_workspace.home)])
    assert "tickets:2" in shown.output and "tickets:1" not in shown.output
    with pytest.raises(Conflict, match="learned from already"):
        queue.withdraw(decided.id, by="ann")


def test_two_turns_never_run_at_once(workspace: Workspace) -> None:
    begun(workspace)
    told(workspace)
    with lease(workspace, "update tickets"), pytest.raises(LockedError, match="being worked on by process"):
        turn(workspace)
    with pytest.raises(LoopError, match="has no champion"):
        tw.Registry(workspace).register(
            tw.Registry(workspace).resolve("tickets").path, name="other", task="classification", method="tfidf"
        )
        update("other", home=workspace.home, database=workspace.database)


def test_one_that_was_taken_over_changes_nothing(workspace: Workspace, monkeypatch) -> None:
    module = importlib.import_module("tunewheel.loop.gate")
    begun(workspace)
    told(workspace)
    real = module.gate

    def overtaken(*arguments, **options):
        from tunewheel.store import leases

        leases._take(workspace, "update tickets", 60)
        return real(*arguments, **options)

    monkeypatch.setattr(module, "gate", overtaken)
    monkeypatch.setattr("tunewheel.store.leases._gone", lambda holder: True)
    with pytest.raises(LockedError, match="taken over"):
        turn(workspace)
    assert champion(workspace) == "tickets:1" and counts(workspace) == {"accepted": 120}


KILLED = """
import sys
from tunewheel.loop.update import update
from tunewheel.registry.gate import Margins
print("begun", flush=True)
margins = Margins(test=0.02, slices=0.1)
updated = update("tickets", home=sys.argv[1], database=sys.argv[2] or None, margins=margins)
print(updated.status, flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_moment_nothing_is_lost_or_counted_twice(workspace: Workspace, start) -> None:
    begun(workspace)
    draw, kills, ended = random.Random(5), 0, False
    told(workspace)
    for attempt in range(40):
        process = start(KILLED, workspace)
        assert process.stdout.readline() == "begun\n"
        if attempt < 8:
            time.sleep(draw.uniform(0.2, 4.0))
            os.kill(process.pid, signal.SIGKILL)
        _, err = process.communicate(timeout=120)
        kills += process.returncode == -signal.SIGKILL
        assert process.returncode in (0, -signal.SIGKILL), err
        assert champion(workspace) in ("tickets:1", "tickets:2")
        assert sum(counts(workspace).values()) == 120
        assert counts(workspace).get("consumed", 0) == (120 if champion(workspace) == "tickets:2" else 0)
        if process.returncode == 0:
            ended = True
            break
    assert ended and kills
    with workspace.read() as connection:
        assert connection.scalar(select(func.count()).select_from(versions)) == 2
        assert connection.scalar(select(func.count()).select_from(turns)) == 1
        assert [record.status for record in list_turns(connection, "tickets")] == ["promoted"]
    assert counts(workspace) == {"consumed": 120}


def test_the_command_turns_once_and_says_what_came_of_it(sqlite_workspace: Workspace) -> None:
    begun(sqlite_workspace)
    told(sqlite_workspace)

    def run(*arguments):
        return CliRunner().invoke(app, [*arguments, "--home", str(sqlite_workspace.home)], catch_exceptions=False)

    waiting = run("update", "tickets", "--min-feedback", "500", "--once", "--json")
    assert waiting.exit_code == 0 and json.loads(waiting.stdout)["status"] == "idle"
    done = run("update", "tickets", "--margin", "test=0.02", "--margin", "slices=0.1")
    assert done.exit_code == 0 and "tickets:2" in done.stdout and "rollback tickets" in done.stdout
    assert run("update", "tickets", "--every", "7x").exit_code == 2
    assert run("update", "tickets", "--trust", "desk").exit_code == 2
    assert "no feedback" in run("update", "tickets").stdout


def test_the_champion_itself_learns_on_from_new_rows_and_a_few_old_ones(workspace: Workspace) -> None:
    data = tw.Dataset.from_rows({"train": rows(["card", "loan"], 120), "test": rows(["card", "loan"], 400, seed=1)})
    recipe = Recipe(epochs=6, learning_rate=5e-3, batch_tokens=256)
    place = {"home": workspace.home, "database": workspace.database}
    tw.train(data, name="tickets", base="textcnn", recipe=recipe, **place)
    told(workspace)
    heard = []
    updated = turn(workspace, replay=0.1, say=lambda heading, line: heard.append((heading, line)))
    learned = kept_dataset(workspace, updated.version.dataset)
    fresh = len(learned["train"]) - 120
    assert ("rows", f"{fresh:,} new, 12 of 120 old ones again") in heard
    run = tw.Registry(workspace).lineage("tickets:2")["run"]["settings"]
    assert (run["start"], run["replay"]) == ("tickets:1", 0.1)
    model = tw.Model.load(updated.version.path)
    assert model.task.labels == ("app", "card", "loan")
    weights = dict(zip(model.task.labels, model.task.weights, strict=True))
    assert weights["card"] > weights["app"], "six old rows of a label stand for sixty"
    known = [row for row in learned["test"] if row["label"] != "app"]
    said = model.predict([row["text"] for row in known])
    assert sum(one["label"] == row["label"] for one, row in zip(said, known, strict=True)) > 0.9 * len(known)


def test_a_champion_that_remembers_learns_on_from_the_new_rows_alone(workspace: Workspace, tiny_base: Path) -> None:
    data = tw.Dataset.from_rows({"train": rows(["card", "loan"], 120), "test": rows(["card", "loan"], 400, seed=1)})
    options = {"features": 64, "ridge": 0.01}
    place = {"home": workspace.home, "database": workspace.database}
    tw.train(data, name="tickets", base=str(tiny_base), method="ranpac", options=options, **place)
    told(workspace)
    wrong = rows(["card", "loan"], 120)[0]
    give(workspace, "tickets", [{"text": wrong["text"], "label": "app"}], source="desk", vouched=True)
    heard = []
    updated = turn(workspace, replay=0.1, say=lambda heading, line: heard.append((heading, line)))
    learned = kept_dataset(workspace, updated.version.dataset)
    fresh = len(learned["train"]) - 119
    assert ("rows", f"{fresh:,} new; what 119 old ones came to is remembered, 1 taken back") in heard
    model = tw.Model.load(updated.version.path)
    assert model.body.memory.rows == len(learned["train"])
    at_once, _ = prepare(
        model.task, str(tiny_base), learned["train"], Recipe(), method="ranpac", options=options
    ).train(list(learned["train"]), [], workspace.home / "at once")
    asked = [row["text"] for row in learned["test"]]
    assert [p["label"] for p in model.predict(asked)] == [p["label"] for p in at_once.predict(asked)]


def test_a_later_word_on_an_exchange_takes_the_place_of_the_one_before(workspace: Workspace, tiny_base: Path) -> None:
    data = tw.Dataset.from_rows({"train": rows(["card", "loan"], 120), "test": rows(["card", "loan"], 400, seed=1)})
    place = {"home": workspace.home, "database": workspace.database}
    tw.train(data, name="tickets", base=str(tiny_base), method="ranpac", options={"features": 512}, **place)
    answer = {
        "name": "tickets",
        "number": 1,
        "variant": "torch-fp32",
        "prediction": {"label": "loan", "confidence": 0.4},
    }
    asked = {f"e{i}": f"a zebra question {i}" for i in range(12)}
    with Recorder(workspace) as recorder:
        recorder.record([Exchange(e, row={"text": text}, seconds=0.1, **answer) for e, text in asked.items()])
    give(workspace, "tickets", [{"exchange": e, "label": "app"} for e in asked], source="desk", vouched=True)
    told(workspace)
    wide = {**place, "margins": Margins(test=0.9, slices=0.9)}
    before = update("tickets", **wide)
    assert before.status == "promoted"
    first = kept_dataset(workspace, before.version.dataset)
    give(workspace, "tickets", [{"exchange": e, "label": "card"} for e in asked], source="chief", vouched=True)
    heard = []
    latest = Policy(disagree="latest")
    updated = update("tickets", **wide, replay=0.1, policy=latest, say=lambda *told: heard.append(told))
    learned = kept_dataset(workspace, updated.version.dataset)

    def zebras(dataset, split):
        return {row["id"]: row["label"] for row in dataset[split] if "zebra" in row["text"]}

    assert zebras(first, "test"), "one of them is tested on"
    for split in ("train", "test"):
        assert len(learned[split]) == len(first[split])
        assert sorted(learned[split]["id"]) == sorted(first[split]["id"])
        assert zebras(learned, split) == dict.fromkeys(zebras(first, split), "card")
    again = len(zebras(learned, "train"))
    remembered = len(learned["train"]) - again
    line = f"{again} new; what {remembered} old ones came to is remembered, {again} taken back"
    assert [told for heading, told in heard if heading == "rows"] == [line]


def test_a_share_that_is_none_and_a_champion_that_cannot_go_on_are_told(workspace: Workspace) -> None:
    begun(workspace)
    with pytest.raises(LoopError, match="from 0 to 1"):
        turn(workspace, replay=5)
    told(workspace)
    with pytest.raises(MethodError, match="cannot go on from a model"):
        turn(workspace, replay=0.1)
    assert records(workspace) == []
    assert turn(workspace).status == "promoted"


def test_no_turn_begins_that_nothing_could_be_compared_in(workspace: Workspace) -> None:
    data = tw.Dataset.from_rows({"train": rows(["card", "loan"], 120)})
    tw.train(data, name="tickets", method="tfidf", home=workspace.home, database=workspace.database)
    told(workspace)
    with pytest.raises(LoopError, match="tickets:1 has no test rows"):
        turn(workspace)
    assert records(workspace) == [] and counts(workspace) == {"accepted": 120}


def test_a_turn_that_fails_is_ended_and_stands_in_no_others_way(workspace: Workspace, monkeypatch) -> None:
    begun(workspace)
    told(workspace)

    def refused(self, fingerprint):
        raise MethodError("of no use")

    with monkeypatch.context() as patched:
        patched.setattr(Turn, "_adapt", refused)
        with pytest.raises(TurnError, match="turn 1 failed: of no use"):
            turn(workspace)
        place = {"home": workspace.home, "database": workspace.database, "margins": MARGINS}
        heard: list[tuple[str, str]] = []

        def say(heading, line):
            heard.append((heading, line))
            if heading == "failed":
                raise KeyboardInterrupt

        told(workspace, 30, seed=3)
        with pytest.raises(KeyboardInterrupt):
            next(keep_turning("tickets", When(min_feedback=1), say=say, **place))
    assert heard[-1] == ("failed", "turn 2 failed: of no use")
    assert records(workspace) == ["failed", "failed"] and counts(workspace) == {"accepted": 150}
    assert turn(workspace, when=When(min_feedback=1)).status == "idle", "a daemon waits for what it has not tried"
    assert turn(workspace).status == "promoted", "asked by hand, it tries again"
    assert records(workspace) == ["failed", "failed", "promoted"]


def test_a_turn_that_failed_at_its_data_has_tried_it(workspace: Workspace, monkeypatch) -> None:
    begun(workspace)
    told(workspace)
    monkeypatch.setattr(Turn, "_data", lambda self: tw.Dataset.from_rows({}))
    with pytest.raises(TurnError):
        turn(workspace, when=When(min_feedback=1))
    assert turn(workspace, when=When(min_feedback=1)).status == "idle"
