from __future__ import annotations

import json
import re

import pytest

from tunewheel.evaluation import (
    EvaluationError,
    conlleval_text,
    read_conll_predictions,
    read_predictions,
    score_predictions,
)
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


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([{"label": "a"}], r"predictions.jsonl: 1 predictions for 2 rows"),
        ([{"label": "a"}, "{oops\n"], r"predictions.jsonl:2: not JSON"),
        ([{"label": "a"}, "[1]\n"], r":2: expected an object, found list"),
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
    with pytest.raises(EvaluationError, match=message):
        read_predictions(write(tmp_path, *records), TASK, ROWS)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(EvaluationError, match=r"cannot read .*none.jsonl"):
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
