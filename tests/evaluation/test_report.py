from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from zipfile import ZipFile

import numpy as np
import pytest

import tunewheel.tasks
from tunewheel.evaluation import EvaluationError, Report, compare, evaluate, score_predictions
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.multi_label import MultiLabel
from tunewheel.tasks.ner import Ner


class Oracle:
    """Knows every answer but the first."""

    task = Classification(("a", "b"))

    def predict(self, rows):
        return [{"label": "b" if i == 0 else row["label"], "confidence": 0.9} for i, row in enumerate(rows)]


evaluate = partial(evaluate, resamples=100)
score_predictions = partial(score_predictions, resamples=100)
ROWS = [{"id": f"id{i}", "text": f"text {i}", "label": "a"} for i in range(50)]


def test_evaluate_measures_a_model():
    report = evaluate(Oracle(), iter(ROWS), name="tickets:1", dataset="abc123", facts={"torch": "2.13"})
    assert report.metrics["accuracy"].value == 0.98
    assert list(report.headline) == ["accuracy", "macro_f1"]
    assert (report.model, report.dataset, report.rows, report.mistakes) == ("tickets:1", "abc123", 50, 1)
    assert report.confusion.tolist() == [[49, 1], [0, 0]]
    assert report.seconds >= 0
    assert report.facts == {"torch": "2.13"} | Oracle.task.facts()
    assert [row["label"] for row in report.table] == ["a", "b"]


def test_evaluate_reads_a_hub_dataset():
    datasets = pytest.importorskip("datasets")
    assert evaluate(Oracle(), datasets.Dataset.from_list(ROWS)).metrics == evaluate(Oracle(), ROWS).metrics


def test_evaluate_scores_in_another_task():
    assert evaluate(Oracle(), ROWS, task=Classification(("a", "b", "c"))).task.labels == ("a", "b", "c")


@pytest.mark.parametrize(
    ("seen", "clean", "clean_rows"), [(None, False, None), ([False] * 50, False, 50), ([True] * 50, False, 0)]
)
def test_no_clean_part_when_nothing_or_everything_was_seen(seen, clean, clean_rows):
    report = evaluate(Oracle(), ROWS, seen=seen)
    assert (report.clean is not None, report.clean_rows) == (clean, clean_rows)


def test_clean_part_is_scored_alone():
    report = evaluate(Oracle(), ROWS, seen=np.arange(50) >= 10)
    assert report.clean["accuracy"].value == 0.9
    assert report.clean["accuracy"].method == "wilson"
    assert (report.seen_rows, report.clean_rows) == (40, 10)
    with pytest.raises(EvaluationError, match=r"shape \(3,\), but there are 50 rows"):
        evaluate(Oracle(), ROWS, seen=[True] * 3)


def test_rows_that_stand_in_train_but_for_case_are_not_clean(tmp_path):
    place = np.arange(50)
    report = evaluate(Oracle(), ROWS, seen=(place >= 10) & (place < 40), near=place >= 10)
    assert report.clean == evaluate(Oracle(), ROWS, seen=place >= 10).clean
    assert (report.seen_rows, report.near_rows, report.clean_rows) == (40, 10, 10)
    assert "40 of 50 texts also stand in train (10 of them but for case, punctuation or width)" in str(report)
    assert "其中 10 条仅大小写" in report.save(tmp_path, lang="zh").read_text(encoding="utf-8")
    assert Report.load(tmp_path, task=report.task).near_rows == 10
    assert evaluate(Oracle(), ROWS, near=place >= 10).near_rows == 40
    with pytest.raises(EvaluationError, match="`near` has shape"):
        evaluate(Oracle(), ROWS, near=[True])


def test_wrong_counts_are_refused():
    with pytest.raises(EvaluationError, match="no rows"):
        evaluate(Oracle(), [])
    with pytest.raises(EvaluationError, match="49 predictions for 50 rows"):
        score_predictions(Oracle.task, ROWS, [{"label": "a"}] * 49)


def test_worst_are_the_most_confident_errors():
    sure = [None, 0.6, 0.99, 0.7]
    predictions = [{"label": "b"} | ({} if c is None else {"confidence": c}) for c in sure]
    worst = score_predictions(Oracle.task, ROWS[:4], predictions).worst
    assert [m.id for m in worst] == ["id2", "id3", "id1", "id0"]
    assert (worst[0].gold, worst[0].predicted, worst[-1].confidence) == ("a", "b", None)
    assert len(score_predictions(Oracle.task, ROWS * 2, [{"label": "b"}] * 100).worst) == 50


def test_worst_of_several_labels():
    task = MultiLabel(("a", "b"))
    rows = [{"text": "x", "labels": ["a"]}, {"text": "y", "labels": ["a", "b"]}]
    predictions = [
        {"labels": ["a"], "probabilities": {"a": 0.9, "b": 0.2}},
        {"labels": ["b"], "probabilities": {"a": 0.1, "b": 0.6}},
    ]
    (mistake,) = score_predictions(task, rows, predictions).worst
    assert (mistake.id, mistake.gold, mistake.predicted, mistake.confidence) == ("1", ["a", "b"], ["b"], 0.9)


def test_worst_of_entities_ranks_wrongly_found_ones():
    task = Ner(("PER",))
    ann, ran = {"start": 0, "end": 3, "label": "PER"}, {"start": 4, "end": 7, "label": "PER"}
    rows = [{"id": str(i), "text": "Ann ran", "entities": [ann]} for i in range(3)]
    predictions = [
        {"entities": [ann | {"confidence": 0.99}]},
        {"entities": []},
        {"entities": [ann | {"confidence": 0.9}, ran | {"confidence": 0.4}]},
    ]
    worst = score_predictions(task, rows, predictions).worst
    assert [(m.id, m.confidence) for m in worst] == [("2", 0.4), ("1", None)]
    assert worst[0].predicted == [ann, ran]


def test_save_and_load(tmp_path):
    rows = [row | {"document": i // 5} for i, row in enumerate(ROWS)]
    saved = evaluate(Oracle(), rows, seen=np.arange(50) < 9, facts={"a": "b"})
    assert saved.save(tmp_path / "report").name == "report.html"
    loaded = Report.load(tmp_path / "report", task=saved.task)
    assert loaded.as_dict() == saved.as_dict()
    assert (loaded.calibration, loaded.figures) == (saved.calibration, saved.figures)
    assert saved.calibration.claims == 50
    assert (loaded.metrics, loaded.clean, loaded.worst) == (saved.metrics, saved.clean, saved.worst)
    assert loaded.ids.tolist() == saved.ids.tolist()
    assert loaded.documents.tolist() == saved.documents.tolist()
    for key, array in saved.scores.items():
        assert loaded.scores[key].dtype == array.dtype
        assert (loaded.scores[key] == array).all()
    assert compare(loaded, saved, resamples=50).as_dict() == compare(saved, loaded, resamples=50).as_dict()
    assert sorted(p.name for p in (tmp_path / "report").iterdir()) == ["report.html", "report.json", "scores.npz"]


def test_loading_builds_the_task_from_its_configuration(tmp_path, monkeypatch):
    evaluate(Oracle(), ROWS).save(tmp_path)
    monkeypatch.setattr(tunewheel.tasks, "load_task", lambda config: Classification.from_config(config["config"]))
    assert Report.load(tmp_path).task.config() == Oracle.task.config()


def test_no_pickle_is_written_or_read(tmp_path):
    evaluate(Oracle(), ROWS).save(tmp_path)
    for name in ZipFile(tmp_path / "scores.npz").namelist():
        header = ZipFile(tmp_path / "scores.npz").read(name)[:200]
        assert b"'O'" not in header
    np.savez(tmp_path / "scores.npz", ids=np.array([{}], dtype=object))
    with pytest.raises(EvaluationError, match="no readable report"):
        Report.load(tmp_path, task=Oracle.task)


def test_unreadable_reports_are_named(tmp_path):
    with pytest.raises(EvaluationError, match="no readable report"):
        Report.load(tmp_path / "nothing")
    evaluate(Oracle(), ROWS).save(tmp_path)
    stored = json.loads((tmp_path / "report.json").read_text())
    (tmp_path / "report.json").write_text(json.dumps(stored | {"schema": 99}))
    with pytest.raises(EvaluationError, match="report schema 99, this version reads 1"):
        Report.load(tmp_path)


def test_resolution_is_the_two_sample_half_width(binary_report):
    report = binary_report(np.arange(1000) % 10 > 0, resamples=4000)
    assert report.resolution == pytest.approx(2**0.5 * 1.96 * (0.9 * 0.1 / 1000) ** 0.5, rel=0.06)
    assert report.rows_to_resolve(0.01) == pytest.approx(2 * 0.09 * (1.96 / 0.01) ** 2, rel=0.12)


def test_a_report_without_figures_of_probabilities_is_still_read(tmp_path):
    evaluate(Oracle(), ROWS).save(tmp_path)
    stored = json.loads((tmp_path / "report.json").read_text())
    assert stored["power"].keys() == {"difference", "rows_for_one_point"}
    for key in ("figures", "calibration", "power"):
        del stored[key]
    (tmp_path / "report.json").write_text(json.dumps(stored))
    old = Report.load(tmp_path, task=Oracle.task)
    assert (old.figures, old.calibration) == ({}, None)
    assert compare(old, evaluate(Oracle(), ROWS), resamples=20).verdicts["accuracy"] == "undecided"


def test_importing_loads_no_plotly_and_no_torch():
    code = """
import sys, tunewheel.evaluation, tunewheel.evaluation.html
sys.exit(" ".join({"plotly", "torch", "transformers", "datasets", "pandas"} & sys.modules.keys()) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
