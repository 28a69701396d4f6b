from __future__ import annotations

import json
import re

import pytest

from tunewheel.data import DataError
from tunewheel.evaluation import (
    EvaluationError,
    conlleval_text,
    read_conll_predictions,
    read_predictions,
    score_predictions,
)
from tunewheel.evaluation.predictions import read_as_columns
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.ner import Ner


def write(folder, *records):
    path = folder / "predictions.jsonl"
    path.write_text("".join(r if isinstance(r, str) else json.dumps(r) + "\n" for r in records), encoding="utf-8")
    return path


def figures(text):
    """What the script printed, as expected.json has it."""
    tokens, gold, found, correct = map(int, re.findall(r"\d+", text.splitlines()[0]))
    shares = [re.findall(r"-?\d+\.\d+", line) for line in text.splitlines()[1:]]
    accuracy, *overall = map(float, shares[0])
    per_type = {}
    for line, values in zip(text.splitlines()[2:], shares[1:], strict=True):
        name, rest = line.split(": precision", 1)
        row = dict(zip(("precision", "recall", "f1"), map(float, values), strict=True))
        per_type[name.strip()] = row | {"found": int(rest.split()[-1])}
    named = dict(zip(("precision", "recall", "f1"), overall, strict=True))
    counts = {"tokens": tokens, "gold": gold, "found": found, "correct": correct, "accuracy": accuracy}
    return counts | named | {"per_type": per_type}


def scored(path):
    rows, predictions = read_conll_predictions(path)
    types = {e["label"] for side in (rows, predictions) for row in side for e in row["entities"]}
    return score_predictions(Ner(sorted(types) or ["X"]), rows, predictions, resamples=1)


@pytest.mark.parametrize("system", ["arcada", "drexel_cci", "flytxt", "mic-cis.txt", "sjtu_adapt.txt"])
def test_wnut_systems_score_as_conlleval_scores_them(bench_data, tmp_path, system):
    expected = json.loads((bench_data / "conlleval" / "expected.json").read_text())["wnut17"][system]
    gold = (bench_data / "wnut17" / "emerging.test.annotated").read_text().split("\n")
    theirs = (bench_data / "wnut17" / system).read_text().split("\n")
    path = tmp_path / "both.conll"
    # The systems' files have a line for each of gold's, empty lines tagged too.
    lines = [f"{g}\t{t.split()[-1]}" if g.strip() else "" for g, t in zip(gold, theirs, strict=False)]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert figures(conlleval_text(scored(path))) == expected


def test_random_sequences_score_as_conlleval_scores_them(bench_data, tmp_path):
    cases = json.loads((bench_data / "conlleval" / "expected.json").read_text())["random"]
    assert len(cases) == 200
    path = tmp_path / "both.conll"
    for case in cases:
        sentences = [
            "".join(f"w{i} {g} {p}\n" for i, (g, p) in enumerate(zip(s["gold"], s["pred"], strict=True)))
            for s in case["sentences"]
        ]
        path.write_text("\n".join(sentences), encoding="utf-8")
        assert figures(conlleval_text(scored(path))) == case["expected"]


CONLL = """-DOCSTART- -X- O O

Ann NNP I-PER B-PER
ran VBD O O
-X- -X- O O
IBM NNP I-ORG I-LOC
-DOCSTART- -X- O O

\u3000 NNP O O
"""


def test_column_files(tmp_path):
    path = tmp_path / "out.conll"
    path.write_text(CONLL, encoding="utf-8")
    rows, predictions = read_conll_predictions(path)
    assert [row["text"] for row in rows] == ["-DOCSTART-", "Ann ran", "IBM", "-DOCSTART-", "\u3000"]
    assert [row["document"] for row in rows] == ["out-0", "out-0", "out-0", "out-3", "out-3"]
    assert rows[1]["tokens"] == [{"start": 0, "end": 3}, {"start": 4, "end": 7}]
    assert rows[1]["entities"] == [{"start": 0, "end": 3, "label": "PER"}]
    assert predictions[1] == {"entities": rows[1]["entities"], "tags": ["B-PER", "O"]}
    report = scored(path)
    # I-PER and B-PER are the same span and not the same tag.
    assert report.metrics["token_accuracy"].value == pytest.approx(4 / 6)
    assert conlleval_text(report) == (
        "processed 6 tokens with 2 phrases; found: 2 phrases; correct: 1.\n"
        "accuracy:  66.67%; precision:  50.00%; recall:  50.00%; FB1:  50.00\n"
        "              LOC: precision:   0.00%; recall:   0.00%; FB1:   0.00  1\n"
        "              ORG: precision:   0.00%; recall:   0.00%; FB1:   0.00  0\n"
        "              PER: precision: 100.00%; recall: 100.00%; FB1: 100.00  1\n"
    )


def test_tabs_keep_blank_tokens(tmp_path):
    path = tmp_path / "out.tsv"
    path.write_text("\ufeffa\tB-X\tB-X\r\n\tI-X\tI-X\r\n\tI-X\tO\r\n \r\nb\tO O\r\n", encoding="utf-8")
    rows, predictions = read_conll_predictions(path)
    assert [row["tags"] for row in rows] == [["B-X", "I-X", "I-X"], ["O"]]
    assert [(e["start"], e["end"]) for e in (*rows[0]["entities"], *predictions[0]["entities"])] == [(0, 5), (0, 3)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a O O\nb O\n", r"out.conll:2: expected 3 columns as before, found 2"),
        ("a\n", r"out.conll:1: expected a gold and a predicted tag"),
        ("a O O\nb O X-PER\n", r"out.conll:2: unknown tag 'X-PER'"),
        ("\n\n", "holds no tokens"),
        (b"a O O\n\xff O O\n", r"out.conll:\d+: not UTF-8"),
    ],
)
def test_column_files_that_cannot_be_read(tmp_path, content, message):
    path = tmp_path / "out.conll"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(EvaluationError, match=message):
        read_conll_predictions(path)


TASK = Classification(("a", "b"))
ROWS = [{"id": "x", "text": "1", "label": "a"}, {"id": "7", "text": "2", "label": "b"}]


def test_labels_in_order_or_by_id(tmp_path):
    ordered = write(tmp_path, {"label": "a"}, "\n", {"label": "b", "confidence": 1})
    assert read_predictions(ordered, TASK, ROWS) == [{"label": "a"}, {"label": "b", "confidence": 1.0}]
    named = write(tmp_path, {"id": 7, "label": "b"}, {"id": "x", "label": "a", "probabilities": {"a": 0.8, "b": 0.2}})
    assert read_predictions(named, TASK, ROWS) == [
        {"label": "a", "probabilities": {"a": 0.8, "b": 0.2}},
        {"label": "b"},
    ]


SAID = ["我的卡丢了", "two, words", "余额", "the end"]
SAID_ROWS = [{"id": f"row {i}", "text": text, "label": "a"} for i, text in enumerate(SAID)]
ANSWERED = [{"label": label} for label in "abba"]
FILES = {
    "texts.jsonl": "".join(json.dumps({"text": SAID[i], "label": "abba"[i]}) + "\n" for i in (3, 1, 0, 2)).encode(),
    "gold-too.jsonl": b"".join(json.dumps({"label": "x", "prediction": c}).encode() + b"\n" for c in "abba"),
    "german.csv": 'Prediction;Satz\nb;余额\na;我的卡丢了\na;the end\nb;"two, words"\n'.encode("gb18030"),
    "ids.csv": b"ID,Label\nrow 2,b\nrow 0,a\nrow 3,a\nrow 1,b\n",
    "twice.tsv": "id\tlabel\ttext\n1\ta\tthe end\n1\ta\t我的卡丢了\n1\tb\t余额\n2\tb\ttwo, words\n".encode(),
    "failed.jsonl": b'{"text": 7, "error": {"found": "7"}}\n' + b"".join(b'{"label": "%c"}\n' % c for c in b"abba"),
    "array.json": json.dumps([{"LABEL": c} for c in "abba"]).encode(),
}


@pytest.mark.parametrize("name", FILES)
def test_rows_are_found_whatever_their_order_and_form(tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name])
    assert not read_as_columns(tmp_path / name)
    assert read_predictions(tmp_path / name, TASK, SAID_ROWS) == ANSWERED


def test_a_text_several_times_is_taken_in_order(tmp_path):
    rows = [{"id": str(i), "text": text, "label": "a"} for i, text in enumerate(["x", "y", "x"])]
    records = [{"text": "x", "label": "b"}, {"text": "x", "label": "a"}, {"text": "y", "label": "a"}]
    found = read_predictions(write(tmp_path, *records), TASK, rows)
    assert [one["label"] for one in found] == ["b", "a", "a"]


def test_pairs_are_found_by_both_texts(tmp_path):
    rows = [{"id": str(i), "text": f"x\t{second}", "label": "a"} for i, second in enumerate("pq")]
    records = [{"sentence1": "x", "sentence2": second, "label": label} for second, label in ("qb", "pa")]
    assert [one["label"] for one in read_predictions(write(tmp_path, *records), TASK, rows)] == ["a", "b"]


def test_tags_stand_in_prediction_too(tmp_path):
    records = write(tmp_path, {"tags": ["O", "O"], "prediction": ["O", "S-PER"]})
    assert read_predictions(records, NER, GOLD)[0]["entities"] == [{"start": 4, "end": 6, "label": "PER"}]


@pytest.mark.parametrize(
    ("name", "content", "columns"),
    [("a.tsv", "a\tO\tO\n", True), ("a.txt", "label O B-X\n", True), ("a.txt", '{"label": "a"}\n', False)],
)
def test_columns_are_told_from_tables(tmp_path, name, content, columns):
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert read_as_columns(tmp_path / name) is columns


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (
            [{"text": text, "label": "a"} for text in [*SAID[:3], "another"]],
            r":4: no gold row has the text in 'text'; where texts were changed give an `id`",
        ),
        ([{"text": t, "label": "a"} for t in [*SAID[:3], SAID[0]]], r":4: only 1 of the gold rows have the text"),
        ([{"question": str(i), "label": "a"} for i in range(4)], r":1: no gold row has the text in 'question'"),
        (
            [{"label": "a"}] * 3 + [{"label": "a", "error": {}}],
            r"3 predictions for 4 rows.*; 1 say `error` .* first .*:4",
        ),
        ([{"prediction": "a"}] * 3 + [{"label": "a"}], r":4: no `prediction`, though other lines have one"),
        ([{"id": f"row {i}", "label": "a"} for i in range(3)], r"no prediction for 1 of 4 rows, first id 'row 3'"),
    ],
)
def test_rows_that_are_not_found_are_told(tmp_path, records, message):
    with pytest.raises(EvaluationError, match=message):
        read_predictions(write(tmp_path, *records), TASK, SAID_ROWS)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([{"label": "a"}], r"predictions.jsonl: 1 predictions for 2 rows"),
        ([{"label": "a"}, "{oops\n"], r"predictions.jsonl:2: expected a JSON object, found invalid JSON"),
        ([{"label": "a"}, "[1]\n"], r":2: expected a JSON object, found \[1\]"),
        ([{"id": "x", "label": "a"}, {"label": "a"}], r":2: no `id`"),
        ([{"id": "x", "label": "a"}, {"id": "x", "label": "a"}], r":2: id 'x' stands in .*:1 already"),
        ([{"id": "x", "label": "a"}, {"id": "y", "label": "a"}], r"no prediction for 1 of 2 rows, first id '7'"),
        (
            [{"id": i, "label": "a"} for i in ("x", 7, "z")],
            r":3: the gold rows hold no such id; 1 predictions too many",
        ),
        ([{"label": "a"}, {"lable": "a"}], r":2: classification needs `label`, found 'lable'"),
        ([{"label": "a"}, {"label": None}], r":2: a label is a string, got None"),
        ([{"label": "a"}, {"label": "a", "confidence": "high"}], r":2: `confidence` must be a number from 0 to 1"),
        ([{"label": "a"}, {"label": "a", "probabilities": [1]}], r":2: `probabilities` must be an object"),
    ],
)
def test_label_files_that_cannot_be_read(tmp_path, records, message):
    with pytest.raises((DataError, EvaluationError), match=message):
        read_predictions(write(tmp_path, *records), TASK, ROWS)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none.jsonl: expected a file"):
        read_predictions(tmp_path / "none.jsonl", TASK, ROWS)


def test_several_labels(tmp_path):
    rows = [{"text": "1", "labels": ["a"]}]
    assert read_predictions(write(tmp_path, {"labels": ["b", "a"]}), TASK, rows) == [{"labels": ["b", "a"]}]
    with pytest.raises(EvaluationError, match=r":1: `labels` must be a list"):
        read_predictions(write(tmp_path, {"labels": "a"}), TASK, rows)


NER = Ner(("PER",))
GOLD = [{"id": "1", "text": "Ann 李雷", "tokens": [{"start": 0, "end": 3}, {"start": 4, "end": 6}], "entities": []}]


def test_entities_and_tags(tmp_path):
    entity = {"start": 4, "end": 6, "label": "PER"}
    by_span = read_predictions(write(tmp_path, {"entities": [entity | {"confidence": 0.5}]}), NER, GOLD)
    assert by_span == [{"entities": [entity | {"confidence": 0.5}]}]
    by_tag = read_predictions(write(tmp_path, {"id": 1, "tags": ["O", "S-PER"]}), NER, GOLD)
    assert by_tag == [{"entities": [entity], "tags": ["O", "S-PER"]}]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"tags": ["O"]}, r":1: 1 tags for a row of 2 tokens \(id '1'\)"),
        ({"tags": ["O", "PER"]}, r":1: unknown tag 'PER'"),
        (
            {"entities": [{"start": 4, "end": 7, "label": "PER"}]},
            r":1: entity 4–7 lies outside its text of 6 characters",
        ),
        ({"entities": [{"start": 3, "end": 3, "label": "PER"}]}, r":1: entity 3–3"),
        ({"entities": [{"start": 0.0, "end": 3, "label": "PER"}]}, r":1: entity 0.0–3"),
        ({"entities": [[0, 3, "PER"]]}, r":1: an entity is an object of start, end and label"),
        ({"label": "PER"}, r":1: ner needs `entities` or `tags`, found 'label'"),
    ],
)
def test_entity_files_that_cannot_be_read(tmp_path, record, message):
    with pytest.raises(EvaluationError, match=message):
        read_predictions(write(tmp_path, record), NER, GOLD)


def test_tags_need_tokens(tmp_path):
    rows = [{"text": "Ann", "entities": []}]
    with pytest.raises(EvaluationError, match="need gold rows with `tokens`"):
        read_predictions(write(tmp_path, {"tags": ["O"]}), NER, rows)


def test_the_layout_is_for_entities(binary_report):
    with pytest.raises(EvaluationError, match="for entities, this report is on classification"):
        conlleval_text(binary_report([True]))
