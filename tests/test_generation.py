"""A model that writes, from a file of prompts to a registered version that answers."""

import json

import pytest
from typer.testing import CliRunner

from tunewheel import loop
from tunewheel.cli import app
from tunewheel.loop.reading import LoopError
from tunewheel.models import Model, Recipe
from writers import PAIRS, ROWS, tiny_llama


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with a file of prompts and answers, a base, and the model that was trained on them."""
    folder = tmp_path_factory.mktemp("writes")
    base = tiny_llama(folder / "base")
    rows = [
        {"prompt": f"{row['text']} {i}", "chosen": row["answer"], "rejected": "?"} for i in range(4) for row in ROWS
    ]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "faq.jsonl").write_text(lines, encoding="utf-8")
    recipe = Recipe(epochs=25, learning_rate=5e-3, batch_tokens=512, dropout=0.0, precision="fp32")
    turn = loop.train(
        folder / "faq.jsonl", base=str(base), recipe=recipe, max_new_tokens=32, home=folder / "home", lang="zh"
    )
    return folder, turn


def test_train_registers_a_version_with_its_report(work):
    _, turn = work
    assert turn.model.task.name == "generation" and str(turn.version) == "faq:1"
    assert {"rouge_l", "chrf", "bleu", "gold_probability", "preferred"} <= turn.report.metrics.keys()
    assert turn.report.facts["answers"].startswith("at most 32 tokens")
    assert turn.comparison.differences["chrf"].value > 0
    page = (turn.folder / "report.html").read_text(encoding="utf-8")
    assert "标准答案的逐词元概率" in page and "ROUGE-L" in page
    card = (turn.version.path / "README.md").read_text(encoding="utf-8")
    assert "pipeline_tag: text-generation" in card and "a text that it writes" in card
    assert "## Labels" not in card and "not what is true" in card
    assert Model.load(turn.version.path).task.config() == turn.model.task.config()


def test_predict_and_evaluate_answer_with_texts(work):
    folder, turn = work
    lines = [{"prompt": "Close my account 1", "id": 7}, {"messages": [{"role": "user", "content": "你好 2"}]}]
    (folder / "new.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    runner = CliRunner()
    at = ["--home", str(folder / "home")]
    done = runner.invoke(app, ["predict", "faq", str(folder / "new.jsonl"), "-o", str(folder / "out.jsonl"), *at])
    assert done.exit_code == 0, done.output
    out = [json.loads(line) for line in (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["prediction"].keys() for row in out] == [{"text"}, {"text"}]
    assert out[0]["id"] == 7 and out[0]["prediction"] == turn.model.predict(["Close my account 1"])[0]
    scored = runner.invoke(app, ["evaluate", str(folder / "faq.jsonl"), "--model", "faq", "--json", *at])
    assert scored.exit_code == 0, scored.output
    assert 0 < json.loads(scored.stdout)["reports"][0]["metrics"]["rouge_l"]["value"] <= 1


def test_written_answers_from_a_file_are_scored(work):
    folder, _ = work
    gold = [{"id": row["id"], "prompt": row["text"], "response": row["answer"]} for row in PAIRS]
    said = [{"id": row["id"], "prediction": {"text": row["answer"]}} for row in PAIRS]
    for name, rows in (("gold", gold), ("said", said)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    report = loop.score_file(folder / "gold.jsonl", folder / "said.jsonl", home=folder / "home")
    assert report.metrics["exact_match"].value == 1.0


def test_a_base_must_be_named(work):
    folder, _ = work
    with pytest.raises(LoopError, match="--base"):
        loop.train(folder / "faq.jsonl", home=folder / "home", name="other")
