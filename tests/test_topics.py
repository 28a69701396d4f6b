"""`tunewheel topics`: from a file without labels to a model that has learned them."""

import json
import sys

import pytest
import yaml
from typer.testing import CliRunner

import tunewheel as tw
from desk import desk
from test_cli import FAST, run
from test_plain import called
from tunewheel.cli import app
from tunewheel.data.topics import TopicsError
from tunewheel.loop.topics import read_texts_of


def lined(folder, lang, each=30):
    path = folder / f"{lang}.txt"
    path.write_text("".join(text + "\n" for _, text in desk(lang, each)), encoding="utf-8")
    return path


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_lines_become_rows_that_train_takes_as_they_are(tmp_path, tiny_base, lang):
    path, out = lined(tmp_path, lang), tmp_path / "start.jsonl"
    options = ("--near", "1", "--topics", "3", "--base", "tfidf", "--page", tmp_path / "page.html", "--json")
    told = json.loads(called("topics", path, "-o", out, *options).stdout)
    written = rows(out)
    assert len(written) == sum(topic["rows"] for topic in told["topics"])
    assert {row["label"] for row in written} == {topic["name"] for topic in told["topics"]}
    assert all(told["topics"][row["topic"]]["name"] == row["label"] for row in written)
    assert all(0 <= row["confidence"] <= 1 and row["distance"] >= 0 for row in written)
    described = yaml.safe_load((tmp_path / "start.labels.yaml").read_text(encoding="utf-8"))
    assert set(described) == {row["label"] for row in written}
    trained = run(tmp_path, "train", str(out), "--base", str(tiny_base), *FAST, "--json")
    assert trained.exit_code == 0, trained.output
    model = tw.Registry(tw.Workspace.open(tmp_path / "home")).resolve("start")
    assert set(tw.Model.load(model.path).task.labels) == set(described)


def test_the_most_central_rows_of_each_topic_no_two_alike(tmp_path):
    path, out = tmp_path / "desk.jsonl", tmp_path / "start.jsonl"
    texts = [text for _, text in desk("en")]
    asked = [{"text": text, "label": "unread", "ticket": i} for i, text in enumerate([*texts, *texts])]
    path.write_text("".join(json.dumps(row) + "\n" for row in asked), encoding="utf-8")
    dataset = read_texts_of(path)
    found = tw.topics(dataset, base="tfidf", near=1.0, count=3)
    assert found.write_rows(dataset, out, per_topic=4) == 12
    written = rows(out)
    assert len({row["text"] for row in written}) == 12 and all(row["original_label"] == "unread" for row in written)
    for topic in found.topics:
        own = [row for row in written if row["topic"] == topic.number]
        assert len(own) == 4 and {row["ticket"] for row in own} <= set(range(90))
        assert [row["text"] for row in sorted(own, key=lambda row: row["distance"])] == list(topic.examples[:4])


def test_a_base_gives_the_vectors_and_what_it_is_stands_in_the_result(tmp_path, tiny_base):
    found = tw.topics(lined(tmp_path, "en", 10), base=str(tiny_base), near=1.0, count=3)
    assert found.by.startswith(str(tiny_base)) and not found.notes and len(found.topics) == 3


def test_chinese_without_a_pretrained_base_goes_by_words_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["tunewheel.loop.topics"], "default_base", lambda dataset, say: "bilstm")
    found = tw.topics(lined(tmp_path, "zh", 10), near=1.0, count=3)
    assert found.by == "TF-IDF" and "no pretrained base at hand" in found.notes[0]


def test_bad_rows_are_counted_and_tokens_are_texts_too(tmp_path):
    said = []
    path = tmp_path / "bad.jsonl"
    good = "".join(json.dumps({"text": text}) + "\n" for _, text in desk("en", 10))
    path.write_text(good + '{"text": 7}\n', encoding="utf-8")
    assert len(read_texts_of(path, lambda heading, line: said.append(line))) == 30
    assert said == ["left out for they cannot be used: 1 row; `tunewheel check` says why"]
    columns = "".join("".join(f"{word} O\n" for word in text.split()) + "\n" for _, text in desk("en", 10))
    tagged = tmp_path / "words.conll"
    tagged.write_text("Berlin B-LOC\n\n" + columns, encoding="utf-8")
    assert len(read_texts_of(tagged)) == 31


def test_too_little_and_options_that_do_not_fit_are_said(tmp_path):
    path = lined(tmp_path, "en", 5)
    with pytest.raises(TopicsError, match=r"en\.txt: 15 texts"):
        tw.topics(path, near=1.0)
    for options, word in ((("--per-topic", "3"), "-o"), (("-o", str(tmp_path / "out.csv")), "JSON Lines")):
        result = CliRunner().invoke(app, ["topics", str(path), *options])
        assert result.exit_code == 2 and word in result.output
