"""A task from another package: installed by pip, found by name, proven by the contract suite, used by the commands."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tunewheel
from tunewheel.evaluation.terminal import plain, report_view
from tunewheel.tasks import TaskError, task_class, task_names
from tunewheel.testing import check_task

PLUGIN = Path(__file__).parents[1] / "examples" / "plugin"
FAST = ["--set", "batch_tokens=128", "--set", "window=48", "--learning-rate", "0.005", "--epochs", "4"]
WORDS = {
    1: ["awful, never again", "太差了"],
    2: ["rather weak", "不太好"],
    3: ["it is all right", "还可以"],
    4: ["good work", "挺不错"],
    5: ["wonderful, thank you", "非常满意"],
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The example package where pip puts it; built from a copy, for a build writes beside its source."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(PLUGIN, folder / "source")
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *offline, "--target", folder / "site", folder / "source"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return folder / "site"


@pytest.fixture
def stars(installed, monkeypatch):
    monkeypatch.syspath_prepend(installed)
    yield task_class("stars")
    sys.modules.pop("tunewheel_stars", None)


def reviews(n: int) -> list[dict]:
    return [
        {"id": str(i), "comment": f"{WORDS[1 + i % 5][i // 5 % 2]} {i}", "rating": 1 + i % 5, "shop": "abc"[i % 3]}
        for i in range(n)
    ]


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_it_keeps_the_contract(stars):
    rows = [{"text": row["comment"], "label": str(row["rating"])} for row in reviews(25)]
    check_task(stars(1, 5), [*rows, {"text": "", "label": "3"}], room=4)


def test_it_scores_by_distance(stars):
    """Weighted kappa as scikit-learn has it, on ratings of many kinds."""
    from sklearn.metrics import cohen_kappa_score

    draw = np.random.default_rng(3)
    gold = draw.integers(1, 6, 200)
    predicted = np.clip(gold + draw.integers(-2, 3, 200), 1, 5)
    task = stars(1, 5)
    found = task.metrics(task.score([{"label": str(g)} for g in gold], [{"label": str(p)} for p in predicted]))
    assert found["agreement"] == pytest.approx(cohen_kappa_score(gold, predicted, weights="quadratic"))
    assert found["closeness"] == pytest.approx(1 - np.abs(gold - predicted).mean() / 4)


def test_ratings_that_are_no_numbers_are_told(stars):
    with pytest.raises(TaskError, match=r"whole numbers.*'good'"):
        stars.from_dataset({"train": {"label": ["1", "good"]}})


def test_an_unknown_task_gets_the_nearest(stars):
    assert "stars" in task_names()
    with pytest.raises(TaskError, match="did you mean 'stars'"):
        task_class("star")


def tunewheel_command(installed, home, *arguments, code=0):
    paths = os.pathsep.join([str(Path(tunewheel.__file__).parents[1]), str(installed)])
    command = [sys.executable, "-W", "error", "-m", "tunewheel", *map(str, arguments), "--home", str(home)]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done


@pytest.mark.slow
@pytest.mark.timeout(900)  # six processes, each loading torch
def test_the_commands_train_evaluate_and_predict_with_it(installed, stars, tiny_base, tmp_path):
    home, data = tmp_path / "home", write(tmp_path / "reviews.jsonl", reviews(120))
    columns = ["--task", "stars", "--text", "comment", "--label", "rating"]
    trained = tunewheel_command(installed, home, "train", data, *columns, "--base", tiny_base, *FAST, "--json")
    turn = json.loads(trained.stdout)
    assert turn["version"]["task"] == "stars"
    assert "task stars: column 'rating' holds 5 labels; text in 'comment'" in trained.stderr
    assert turn["report"]["headline"] == ["closeness", "agreement"]
    assert turn["report"]["metrics"]["closeness"]["value"] > 0.6
    assert all(m["gold"] != m["predicted"] for m in turn["report"]["worst"])
    card = (Path(turn["version"]["path"]) / "README.md").read_text(encoding="utf-8")
    assert "answers with a number of stars" in card

    page = tmp_path / "report"
    arguments = ["evaluate", data, *columns[2:], "--model", "reviews", "-o", page, "--lang", "zh"]
    shown = tunewheel_command(installed, home, *arguments).stdout
    assert "within one star" in shown
    assert "FB1" not in shown
    html = (page / "report.html").read_text(encoding="utf-8")
    assert "加权 kappa" in html
    assert "各标签 F1" in html

    new, rated = tmp_path / "new.csv", tmp_path / "rated.csv"
    new.write_text("comment\n非常满意 7\nrather weak\n", encoding="utf-8")
    tunewheel_command(installed, home, "predict", "reviews", new, "-o", rated)
    with rated.open(encoding="utf-8") as file:
        answers = list(csv.DictReader(file))
    assert [list(row) for row in answers] == [["comment", "prediction", "confidence"]] * 2
    assert all(row["prediction"] in "12345" for row in answers)

    answered = write(tmp_path / "answered.jsonl", [{"label": str(row["rating"])} for row in reviews(120)])
    arguments = ["evaluate", data, *columns, "--predictions", answered, "--json"]
    report = json.loads(tunewheel_command(installed, home, *arguments).stdout)["reports"][0]
    assert report["task"] == {"name": "stars", "config": {"lowest": 1, "highest": 5}}

    assert report["metrics"]["agreement"]["value"] == 1

    traced = json.loads(tunewheel_command(installed, home, "trace", "reviews", "--row", "7", "--json").stdout)
    assert traced["errors"][0]["gold"] == "3"
    assert len(traced["errors"][0]["nearest"]) == 5

    wrong = tunewheel_command(installed, home, "train", data, "--task", "star", code=2)
    assert "did you mean 'stars'" in " ".join(wrong.stderr.split())


def test_its_figures_have_names(stars):
    from tunewheel.evaluation import score_predictions

    rows = [{"id": str(i), "text": "x", "label": str(1 + i % 5)} for i in range(10)]
    report = score_predictions(stars(1, 5), rows, [{"label": "3"}] * 10, resamples=20)
    shown = plain(report_view(report))
    assert "closeness (1 − mean error / scale)" in shown
    assert report.metrics["within_one"].method == "wilson"
    assert report.mistakes == 8
