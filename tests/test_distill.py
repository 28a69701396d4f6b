"""`distill`: from a registered model and raw text to a registered student that is compared with it."""

import json
from dataclasses import replace

import pytest

import tunewheel as tw
from test_cli import run
from test_matching import rows as pairs
from tiny import entity_rows, intent_rows
from tunewheel.lineage.holdings import find_holdings, users
from tunewheel.loop import LoopError, load
from tunewheel.loop.distill import Distilling
from tunewheel.models import Recipe
from tunewheel.models.distillation.answers import Answers
from tunewheel.registry import Registry
from tunewheel.store import get_run

RECIPE = Recipe(epochs=2, batch_tokens=256, window=48, learning_rate=0.005)


def put(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def home(sqlite_workspace, tiny_base, tmp_path, monkeypatch):
    """A workspace with a teacher of intents; timing is cut short."""
    monkeypatch.setattr("tunewheel.evaluation.speed.TEXTS", 8)
    monkeypatch.setattr("tunewheel.evaluation.speed.ALONE", 2)
    speeds = tw.evaluation.speed.speeds
    monkeypatch.setattr("tunewheel.evaluation.speed.speeds", lambda *a: speeds(*a, rounds=1, seconds=0.0))
    data = put(tmp_path / "intents.jsonl", intent_rows(60))
    tw.train(data, base=str(tiny_base), recipe=RECIPE, home=sqlite_workspace.home)
    return sqlite_workspace.home


def test_the_command_makes_a_student_and_says_what_it_is_worth(home, sqlite_workspace, tmp_path):
    dataset = tw.Dataset.load(next(iter(find_holdings(sqlite_workspace, ["0"]))).folder)
    held_out = dataset["test"][0]["text"].upper() + "!"
    raw = tmp_path / "raw.txt"
    raw.write_text("\n".join([held_out, "卡丢了怎么办", "my card went away"]), encoding="utf-8")
    options = ["--student", "textcnn", "--set", "epochs=2"]
    result = run(tmp_path, "distill", "intents", str(raw), *options, "--json")
    told = json.loads(result.stdout)
    assert told["version"]["ref"] == "intents-textcnn:1" and told["version"]["method"] == "distill"
    assert told["comparison"]["before"] == "intents:1"
    facts = told["report"]["facts"]
    assert facts["teacher"] == "intents:1"
    for name in ("share of the teacher's score", "speed on one core", "one text on one core", "size"):
        assert facts[name]
    assert "2 unlabelled texts, 1 others left out" in " ".join(result.stderr.split())
    shown = run(tmp_path, "distill", "intents", str(raw), *options)
    assert "came of this data and these settings already" in shown.stderr
    assert "student" in shown.stdout and "size:" in " ".join(shown.stdout.split())
    version = Registry(sqlite_workspace).resolve("intents-textcnn")
    assert get_run(sqlite_workspace, version.run).command == "distill"
    assert list(sqlite_workspace.runs_dir.iterdir()) == []


def test_who_asks_for_a_raw_text_finds_the_student_that_learned_from_it(home, sqlite_workspace, tmp_path):
    raw = put(tmp_path / "mails.jsonl", [{"id": "m1", "body": "my card went away"}, {"id": "m2", "body": "余额呢"}])
    tw.distill("intents", raw, column="body", student="thin", layers=1, recipe=RECIPE, home=home, lang="zh")
    (found,) = users(sqlite_workspace, find_holdings(sqlite_workspace, ["m1"]))
    assert (found["ref"], found["parts"]) == ("intents-thin:1", {"learned": 1})
    report = tw.Report.load(Registry(sqlite_workspace).resolve("intents-thin").report)
    assert "倍" in report.facts["单核速度"]


def test_another_text_makes_another_student(home, tmp_path):
    texts = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for path, line in zip(texts, ("my card went away", "余额呢"), strict=True):
        path.write_text(line, encoding="utf-8")
    recipe = replace(RECIPE, epochs=1)
    made = [
        tw.distill("intents", text, student="textcnn", recipe=recipe, home=home) for text in (None, *texts, texts[0])
    ]
    refs = [turn.version.ref for turn in made]
    assert refs == ["intents-textcnn:1", "intents-textcnn:2", "intents-textcnn:3", "intents-textcnn:2"]


def test_a_teacher_that_gives_vectors_is_refused(home, tiny_base, tmp_path):
    data = put(tmp_path / "pairs.jsonl", pairs(60))
    tw.train(
        data,
        task="matching",
        text="query,answer",
        label="ok",
        base=str(tiny_base),
        method="bi-encoder",
        recipe=RECIPE,
        home=home,
    )
    with pytest.raises(tw.models.ModelError, match="a bi-encoder gives vectors"):
        tw.distill("pairs", student="textcnn", home=home)


def test_a_killed_run_keeps_its_answers_and_goes_on(home, monkeypatch, sqlite_workspace):
    asked = []
    of = Answers.of.__func__

    def counted(cls, teacher, rows, folder, told):
        asked.append(len(list(folder.glob("*"))))
        return of(cls, teacher, rows, folder, told)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Answers, "of", classmethod(counted))
    with monkeypatch.context() as patch:
        patch.setattr(Distilling, "_registered", killed)
        with pytest.raises(KeyboardInterrupt):
            tw.distill("intents", student="textcnn", recipe=RECIPE, home=home)
    turn = tw.distill("intents", student="textcnn", recipe=RECIPE, home=home)
    assert asked == [0, 1]
    assert turn.version.ref == "intents-textcnn:1" and turn.comparison


def test_a_student_of_entities_decides_by_a_crf(sqlite_workspace, home, tiny_base, tmp_path):
    tw.train(put(tmp_path / "people.jsonl", entity_rows(40)), base=str(tiny_base), recipe=RECIPE, home=home)
    turn = tw.distill("people", student="bilstm", recipe=RECIPE, home=home)
    assert turn.version.ref == "people-bilstm:1"
    assert turn.model.network.config.loss == "crf"
    again = tw.distill("people-bilstm", base=str(tiny_base), name="back", recipe=RECIPE, home=home)
    assert again.report.facts["teacher"] == "people-bilstm:1" and again.version.name == "back"
    with pytest.raises(tw.models.MethodError, match="'tunewheel-bilstm' is none"):
        tw.distill("people-bilstm", student="thin", home=home)


def test_a_student_that_reads_pieces_decides_by_a_crf_and_answers_as_it_did_when_loaded(home, tiny_base, tmp_path):
    tw.train(put(tmp_path / "people.jsonl", entity_rows(40)), base=str(tiny_base), recipe=RECIPE, home=home)
    turn = tw.distill("people", recipe=RECIPE, home=home)
    assert turn.version.ref == "people-pieces:1" and turn.model.network.config.loss == "crf"
    assert turn.model.encoder("王芳 paid")[0].ids == load("people", home=home).encoder("王芳 paid")[0].ids
    texts = [row["text"] for row in entity_rows(9)]
    assert load("people-pieces", home=home).predict(texts) == turn.model.predict(texts)


def test_what_does_not_fit_is_said_before_any_work(home, tmp_path, sqlite_workspace):
    for wrong, message in (
        ({"student": "thin", "base": "minilm"}, "name one of them"),
        ({"student": "gru"}, "expected pieces, bilstm, textcnn, thin"),
        ({"layers": 2}, "only the student 'thin'"),
        ({"temperature": 0.0}, "temperature=0: expected 0.1 to 100"),
        ({"share": 1.5}, "share=1.5: expected 0"),
    ):
        with pytest.raises(LoopError, match=message):
            tw.distill("intents", home=home, **wrong)
    folder = Registry(sqlite_workspace).resolve("intents").path
    with pytest.raises(LoopError, match=r"are not kept in .*: distil it in the workspace"):
        tw.distill(folder, home=tmp_path / "other")


def test_a_folder_is_a_teacher_too(home, sqlite_workspace, tmp_path):
    import shutil

    folder = tmp_path / "copied"
    shutil.copytree(Registry(sqlite_workspace).resolve("intents").path, folder)
    turn = tw.distill(folder, student="textcnn", recipe=RECIPE, home=home)
    assert turn.version.name == "copied-textcnn"
