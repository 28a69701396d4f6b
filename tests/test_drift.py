"""`tunewheel drift`: from recorded exchanges to a verdict, once a window, on the page and for programs."""

import json
import sys
import threading
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import delete, insert, select
from typer.testing import CliRunner

import tunewheel as tw
from desk import TOPICS
from test_cli import told
from traffic import START, texts
from tunewheel.cli import app
from tunewheel.feedback.drift.records import list_checks, looks_of, record_checks
from tunewheel.feedback.drift.traffic import read_traffic
from tunewheel.feedback.drift.watch import Check
from tunewheel.feedback.exchanges import list_exchanges
from tunewheel.feedback.given import give
from tunewheel.feedback.judging import said_right
from tunewheel.loop.drift import answers_of, held_out
from tunewheel.store.schema import drift_checks, exchanges

NOW = START + timedelta(days=30)
FAST = ["--set", "batch_tokens=512", "--set", "window=48", "--learning-rate", "0.01", "--epochs", "4"]


@pytest.fixture(scope="module")
def trained(tiny_base, tmp_path_factory):
    """A workspace with a desk's classifier; its model."""
    folder = tmp_path_factory.mktemp("drift")
    starts = {said.format("")[:8]: name for name, (said, _) in TOPICS["en"].items()}
    rows = [{"text": text, "label": starts[text[:8]]} for text in texts("en", 450, 1)]
    path = folder / "desk.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    arguments = ["train", str(path), "--base", str(tiny_base), *FAST, "--home", str(folder / "home")]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    version = tw.Registry(tw.Workspace.open(folder / "home")).resolve("desk")
    return folder / "home", tw.Model.load(version.path)


@pytest.fixture
def home(trained):
    """The workspace, with no exchange and no check recorded."""
    with tw.Workspace.open(trained[0]) as workspace, workspace.begin() as connection:
        connection.execute(delete(exchanges))
        connection.execute(delete(drift_checks))
    return trained[0]


def serve(trained, said, *, first=0, start=START, every=timedelta(minutes=1), number=1, role="live"):
    """Record what the model answers to texts, as its service would."""
    home, model = trained
    found = answers_of(model, [{"id": str(i), "text": text, "label": "rent"} for i, text in enumerate(said)])
    rows = [
        {
            **{"id": f"x{first + i:08d}", "name": "desk", "number": number, "role": role, "key": None},
            **{"row": {"text": text}, "prediction": {"label": str(found["label"][i])}, "label": str(found["label"][i])},
            **{"confidence": float(found["confidence"][i]), "vector": found["vector"][i].tobytes()},
            **{"language": "en", "characters": len(text), "variant": "torch-fp32", "seconds": 0.01},
            "at": start + (first + i) * every,
        }
        for i, text in enumerate(said)
    ]
    with tw.Workspace.open(home) as workspace, workspace.begin() as connection:
        connection.execute(insert(exchanges), rows)


def look(home, **options):
    return tw.drift("desk", window="100 rows", home=home, now=NOW, **options)


def test_traffic_like_the_test_rows_is_calm_and_each_window_is_judged_once(trained, home, monkeypatch):
    serve(trained, texts("en", 250, 2))
    found = look(home)
    assert [(each.place, each.windows, each.verdict) for each in found.checks] == [
        *[(0, 1, "calm"), (1, 1, "calm"), (1, 2, "calm")],
    ]
    assert found.verdict == "calm" and found.waiting == 50 and found.new == 3 and found.looks == 1
    names = [each.name for each in found.checks[0].statistics]
    assert names == ["vectors", "novelty", "words", "length", "language", "labels", "confidence"]
    with monkeypatch.context() as patched:
        module = sys.modules["tunewheel.loop.drift"]
        patched.setattr(module, "held_out", lambda *_: pytest.fail("judged again"))
        again = look(home)
    assert again.new == 0 and again.checks == found.checks and again.waiting == 50
    serve(trained, texts("en", 60, 3), first=250)
    more = look(home)
    assert more.checks[:3] == found.checks and [each.place for each in more.checks[3:]] == [2] and more.waiting == 10


@pytest.mark.parametrize("window", ["100 rows", "60m"])
def test_a_look_with_nothing_to_judge_reads_no_exchange(trained, home, monkeypatch, window):
    serve(trained, texts("en", 250, 2))
    now = START + timedelta(minutes=255)
    first = tw.drift("desk", window=window, home=home, now=now)
    read = []

    def counted(*arguments, **options):
        found = read_traffic(*arguments, **options)
        read.append(len(found.ids))
        return found

    monkeypatch.setattr("tunewheel.feedback.drift.traffic.read_traffic", counted)
    again = tw.drift("desk", window=window, home=home, now=now)
    assert read == [0] and again.checks == first.checks and again.waiting == first.waiting > 0


def test_judging_in_steps_finds_what_judging_at_once_finds(trained, home):
    said = [*texts("en", 300, 2), *texts("en", 500, 3, new=0.3)]
    serve(trained, said)
    whole = look(home).checks
    with tw.Workspace.open(home) as workspace, workspace.begin() as connection:
        connection.execute(delete(exchanges))
        connection.execute(delete(drift_checks))
    for at in range(0, 800, 160):
        serve(trained, said[at : at + 160], first=at)
        found = look(home)
    assert found.checks == whole and whole[-1].windows == 8 and whole[-1].rows == 800


def test_a_new_topic_fires_once_says_what_moved_and_ends_with_exit_code_1(trained, home, tmp_path):
    serve(trained, [*texts("en", 100, 2), *texts("en", 100, 3, new=0.5)])
    fired = []
    found = look(home, tell=fired.append)
    assert found.verdict == "drift" and fired == [each for each in found.checks if each.verdict == "drift"]
    assert found.alarm == fired[-1] and {shift.word for shift in found.moved.words} & {"parcel", "courier"}
    assert any("parcel" in example.text for example in found.moved.examples)
    look(home, tell=fired.append)
    assert len(fired) == len([each for each in found.checks if each.verdict == "drift"])
    arguments = ["drift", "desk", "--window", "100 rows", "--home", str(home), "-o", str(tmp_path / "page.html")]
    for more in ([], ["--lang", "zh"]):
        result = CliRunner().invoke(app, [*arguments, *more], catch_exceptions=False)
        assert result.exit_code == 1 and "words" in result.stdout and "tunewheel" not in result.stderr
    assert "现在" in (tmp_path / "page.html").read_text(encoding="utf-8")
    told = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert told["verdict"] == "drift" and told["moved"]["words"] and told["alarm"]["fired"]
    assert all(each["corrected"] >= each["p"] for check in told["checks"] for each in check["statistics"])


def test_only_what_this_version_answered_live_counts(trained, home):
    serve(trained, texts("en", 100, 2))
    serve(trained, texts("en", 100, 3, new=1.0), first=100, role="shadow")
    serve(trained, texts("en", 100, 3, new=1.0), first=200, number=2)
    assert [each.verdict for each in look(home).checks] == ["calm"]


def test_the_first_exchanges_may_be_what_is_compared_with(trained, home):
    strange = texts("en", 400, 4, new=0.5)
    serve(trained, strange)
    assert look(home).verdict == "drift"
    found = look(home, first=200)
    assert found.reference == "first 200" and {each.verdict for each in found.checks} == {"calm"}
    assert found.looks == 2 and found.checks[0].level < look(home).checks[0].level
    assert found.checks[0].start == START + timedelta(minutes=200)
    with pytest.raises(tw.loop.LoopError, match=r"400 recorded exchanges, and 1,000"):
        look(home, first=1000)


def test_windows_by_time_small_ones_and_empty_ones(trained, home):
    serve(trained, texts("en", 70, 2))
    serve(trained, texts("en", 20, 3), first=200)
    options = {"window": "1h", "home": home, "now": START + timedelta(hours=5, seconds=59)}
    found = tw.drift("desk", **options)
    told = [(each.rows, each.verdict) for each in found.checks if each.windows == 1]
    assert told == [(60, "calm"), (10, "undecided"), (0, "empty"), (20, "undecided")]
    later = tw.drift("desk", **options | {"now": START + timedelta(hours=6)})
    assert later.new == 1 and later.verdict == "empty" and later.checks[: len(found.checks)] == found.checks


def test_a_first_look_at_a_long_past_judges_the_newest_windows(trained, home, monkeypatch):
    monkeypatch.setattr(sys.modules["tunewheel.loop.drift"], "FIRST", 2)
    serve(trained, texts("en", 460, 2))
    said = []
    found = look(home, say=lambda heading, line: said.append(line))
    assert len(found.windows) == 2 and found.windows[0].start == START + timedelta(minutes=200)
    assert "460 exchanges" in said[0] and look(home).new == 0
    hourly = tw.drift("desk", window="1h", home=home, now=START + timedelta(hours=7, minutes=5))
    assert [each.start for each in hourly.windows] == [START + timedelta(hours=5), START + timedelta(hours=6)]


def test_feedback_is_heard_where_it_is_given(trained, home):
    serve(trained, texts("en", 100, 2))
    found = look(home, right=lambda ids: dict.fromkeys(ids[:80], False))
    assert found.verdict == "drift" and "feedback" in found.checks[0].fired


def test_what_people_said_is_judged_on_request(trained, home):
    """Sixty answers are called wrong, twenty right; the rest of the window nobody speaks of."""
    serve(trained, texts("en", 100, 2))
    with tw.Workspace.open(home) as workspace:
        with workspace.read() as connection:
            answers = {one.id: one.label for one in list_exchanges(connection, "desk", limit=None)}
        ids = list(answers)
        items = [{"exchange": one, "label": "another"} for one in ids[:40]]
        items += [{"exchange": one, "rating": -1} for one in ids[40:60]]
        items += [{"exchange": one, "label": answers[one]} for one in ids[60:80]]
        give(workspace, "desk", items, source="li")
        told = said_right(workspace, "desk")(ids)
        assert told == {**dict.fromkeys(ids[:60], False), **dict.fromkeys(ids[60:80], True)}
        # Two who disagree say nothing; a third settles it, and of one source the latest word counts.
        give(workspace, "desk", [{"exchange": ids[0], "rating": 1}], source="wang")
        assert ids[0] not in said_right(workspace, "desk")(ids)
        give(workspace, "desk", [{"exchange": ids[0], "rating": 1}], source="chen")
        assert said_right(workspace, "desk")(ids)[ids[0]]
    assert look(home).verdict != "drift"
    found = look(home, feedback=True)
    assert found.verdict == "drift" and found.checks[0].fired == ("feedback",)


def test_erased_exchanges_leave_the_verdict_and_take_the_examples_along(trained, home):
    serve(trained, texts("en", 100, 3, new=0.5))
    before = look(home)
    with tw.Workspace.open(home) as workspace, workspace.begin() as connection:
        connection.execute(delete(exchanges))
        kept = json.dumps(connection.execute(select(drift_checks.c.figures)).scalars().all())
    assert "parcel" not in kept and "elevator" not in kept
    after = look(home)
    assert after.checks == before.checks and before.moved is not None and after.moved is None


def test_what_the_model_says_of_its_held_out_rows_is_asked_once_and_masked(trained, home, monkeypatch):
    workspace = tw.Workspace.open(home)
    version = tw.Registry(workspace).resolve("desk")
    seen, vocabulary = held_out(workspace, version)
    assert len(seen) == 90 and len(vocabulary) == 360 and seen.right.mean() > 0.5
    monkeypatch.setattr(tw.Model, "load", lambda path: pytest.fail("asked again"))
    again, _ = held_out(workspace, version)
    assert np.array_equal(again.vectors, seen.vectors) and again.labels == seen.labels


def test_what_cannot_be_done_is_said(home, capfd, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    place = ("--home", home)
    for arguments, word in ((("drift", "dask"), "desk"), (("drift", "desk", "--window", "weekly"), "500 rows")):
        code, said = told(capfd, monkeypatch, *arguments, *place)
        assert code == 2 and word in said
    result = CliRunner().invoke(app, ["drift", "desk", *map(str, place)], catch_exceptions=False)
    assert result.exit_code == 0 and "undecided" in result.stdout


def test_a_check_is_recorded_once_whoever_comes_first(workspace):
    check = Check(0, 1, START, NOW, 10, "undecided", 0.01)
    made = []

    def put():
        made.append(len(record_checks(workspace, "desk", 1, "a", [(check, "x1")])))

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [0, 0, 0, 1]
    with workspace.read() as connection:
        assert list_checks(connection, "a") == [(check, "x1")]
        assert [looks_of(connection, "desk", 1, watch) for watch in ("a", "b")] == [1, 2]
        assert looks_of(connection, "desk", 2, "b") == 1
