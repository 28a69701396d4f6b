"""Studies that are killed, shared and stored elsewhere: each trial is done once, and those of the dead again."""

import ast
import json
import signal
import time

import pytest

from searches import FEW, noisy, seen
from tiny import intent_rows
from tunewheel import loop
from tunewheel.store import Workspace
from tunewheel.tuning.search import work
from tunewheel.tuning.search.work import Studies

TUNE = """
import sys, time
from tunewheel import loop
from tunewheel.models import Recipe
from tunewheel.tuning.search import work
train = work.trained
class Slow:
    start = evaluated = stop = lambda self, *_: None
    def step(self, done, *_):
        if done == 3:
            print("in the middle", flush=True)
            time.sleep(60)
def slowly(plan, dataset, values, folder, progress=None, **named):
    return train(plan, dataset, values, folder, progress=Slow() if folder.name == sys.argv[5] else None, **named)
work.trained = slowly
recipe = Recipe(batch_tokens=64, window=48, precision="fp32", epochs=2, checkpoint_seconds=0)
space = {"learning_rate": "1e-4..1e-2", "epochs": 2, "dropout": [0.0, 0.1]}
tuned = loop.tune(
    sys.argv[3], base=sys.argv[4], dev=0.3, home=sys.argv[1], database=sys.argv[2] or None, trials=3, repeats=1,
    recipe=recipe, search=space,
)
print([(trial.number, trial.state, trial.value, dict(trial.values)) for trial in tuned.trials])
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "intents.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in noisy(intent_rows(60))), "utf-8")
    return path


def without_numbers(printed):
    return [entry[1:] for entry in ast.literal_eval(printed)]


@pytest.mark.slow
def test_a_study_killed_in_the_middle_of_a_trial_ends_as_an_unbroken_one(workspace, tiny_base, file, start, tmp_path):
    killed = start(TUNE, workspace, file, tiny_base, "1")
    assert killed.stdout.readline() == "in the middle\n", killed.stderr.read()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    folder = next((workspace.home / "runs").glob("tune-*/1"))
    assert list(folder.glob("checkpoint-*/complete"))
    after = start(TUNE, workspace, file, tiny_base, "none").communicate()
    with Workspace.open(tmp_path / "other") as unbroken:
        whole = start(TUNE, unbroken, file, tiny_base, "none").communicate()
    assert without_numbers(after[0]) == without_numbers(whole[0]), after[1] + whole[1]
    assert len(without_numbers(whole[0])) == 3 and not folder.exists()


@pytest.mark.slow
def test_two_workers_share_a_study_and_no_trial_is_done_twice(workspace, tiny_base, file):
    arguments = {"base": str(tiny_base), "dev": 0.3, "home": workspace.home, "database": workspace.database}
    told = []
    tuned = loop.tune(file, **arguments, **FEW, jobs=2, say=lambda heading, line: told.append((heading, line)))
    assert len(tuned.trials) == FEW["trials"] and {trial.state for trial in tuned.trials} <= {"complete", "pruned"}
    assert not [line for heading, line in told if heading == "worker"]
    here = [line for heading, line in told if heading == "" and line.startswith("trial")]
    every = len(tuned.trials) + (len(tuned.finalists) if len(tuned.finalists) > 1 else 0)
    assert 0 < len(here) < every, "one of the two did nothing"
    assert seen(loop.tune(file, **arguments, **FEW)) == seen(tuned)


TAKE = """
import sys, time
from tunewheel.models import Recipe
from tunewheel.store import Workspace
from tunewheel.tuning.search.work import Plan, Studies, _within
workspace, plan = Workspace(sys.argv[1], sys.argv[2] or None), Plan("tune-many", Recipe(), trials=20)
with Studies.opened(workspace, plan) as studies:
    while True:
        draw = lambda trial: {"x": trial.suggest_float("x", 0, 1)}
        with studies.search.taken(draw, lambda trials: _within(plan, trials)) as item:
            if item is None:
                break
            print(item.trial.number, flush=True)
            studies.search.done(item, item.values["x"], {})
"""


@pytest.mark.slow
def test_four_processes_take_just_the_trials_of_the_budget(workspace, start):
    """Without training, so that they are at it at the same moment."""
    running = [start(TAKE, workspace) for _ in range(4)]
    taken = []
    for process in running:
        said, complaint = process.communicate()
        assert process.returncode == 0, complaint
        taken.append([int(number) for number in said.split()])
    assert sorted(number for numbers in taken for number in numbers) == list(range(20))


HOLD = """
import sys, time
from tunewheel.models import Recipe
from tunewheel.store import Workspace
from tunewheel.tuning.search.work import Plan, Studies
with Studies.opened(Workspace(sys.argv[1], sys.argv[2] or None), Plan("tune-held", Recipe())) as studies:
    with studies.search.taken(lambda trial: {}, lambda trials: True):
        print("held", flush=True)
        time.sleep(60)
"""


@pytest.mark.slow
def test_a_trial_in_the_hands_of_a_living_worker_is_left_to_it(workspace, start):
    holder = start(HOLD, workspace)
    assert holder.stdout.readline() == "held\n", holder.stderr.read()
    with Studies.opened(workspace, work.Plan("tune-held", FEW["recipe"])) as studies:
        with studies.search.taken(lambda trial: {}, lambda trials: False) as item:
            assert item is None and studies.search.busy()
        holder.kill()
        holder.wait()
        with studies.search.taken(lambda trial: {}, lambda trials: False) as item:
            assert item is not None and item.attributes["after"] == 0
            studies.search.done(item, 0.5, {})
        assert not studies.search.busy()


def test_a_worker_on_another_machine_is_dead_when_its_signs_of_life_stay_away(workspace, monkeypatch):
    from tunewheel.tuning.search import storage, study

    monkeypatch.setattr(storage, "GRACE", 1)
    with Studies.opened(workspace, work.Plan("tune-away", FEW["recipe"])) as studies:
        with monkeypatch.context() as patch:
            patch.setattr(study, "HOST", "another")
            with studies.search.taken(lambda trial: {}, lambda trials: True):
                pass  # it goes without a word
        for patience in range(50):
            with studies.search.taken(lambda trial: {}, lambda trials: False) as item:
                if item is not None:
                    assert patience > 0 and item.attributes["after"] == 0
                    studies.search.done(item, 0.5, {})
                    return
            assert studies.search.busy()
            time.sleep(0.2)
    raise AssertionError("it was never taken up")


@pytest.mark.slow
def test_draws_follow_from_the_trials_before_them(workspace):
    drawn = []
    for name in ("tune-one", "tune-two"):
        values = []
        for _ in range(8):  # opened anew each time, as by a study that is killed and killed
            with Studies.opened(workspace, work.Plan(name, FEW["recipe"])) as studies:
                draw = lambda trial: {"x": trial.suggest_float("x", 0, 1)}  # noqa: E731
                with studies.search.taken(draw, lambda trials: True) as item:
                    values.append(item.values["x"])
                    studies.search.done(item, -abs(item.values["x"] - 0.3), {})
        drawn.append(values)
    assert drawn[0] == drawn[1] and len(set(drawn[0])) == 8
