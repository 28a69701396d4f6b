from __future__ import annotations

import numpy as np
import pytest

from tunewheel.evaluation import compare, score_predictions
from tunewheel.tasks.ner import Ner


def test_report_in_the_terminal(binary_report):
    right = np.arange(200) % 10 > 0
    lines = str(binary_report(right, name="tickets:1", dataset="abc", seen=np.arange(200) < 50)).splitlines()
    assert lines[0] == "tickets:1  classification  200 rows  dataset abc"
    assert lines[1].split()[:2] == ["accuracy", "0.900"]
    assert "50 of 200 texts also stand in train; the clean part (150 rows):" in "\n".join(lines)
    assert any(line.strip().startswith("clean accuracy") for line in lines)
    assert any("200 rows resolve" in line for line in lines)
    assert max(map(len, lines)) <= 110


def test_intervals_are_aligned(binary_report):
    lines = str(binary_report(np.arange(200) % 10 > 0)).splitlines()[1:5]
    assert len({line.index("[") for line in lines}) == 1


def test_few_rows_are_said(binary_report):
    shown = str(binary_report([True] * 12))
    assert "1.000 [0.758, 1.000]  wilson" in shown
    assert "only 12 independent rows" in shown
    assert "only 3 independent documents" in str(binary_report([True] * 60, documents=[0, 1, 2] * 20))


def test_nothing_clean_is_said(binary_report):
    assert "no clean rows to score" in str(binary_report([True, False] * 20, seen=[True] * 40))


def test_how_far_confidences_may_be_believed_is_said(binary_report):
    right = np.arange(200) % 10 > 0
    assert "calibration error 0." in str(binary_report(right))
    assert "over 200 claims" in str(binary_report(right))


def test_token_accuracy_says_that_o_counts():
    row = {"text": "Ann ran", "entities": [{"start": 0, "end": 3, "label": "PER"}]}
    report = score_predictions(Ner(("PER",)), [row] * 40, [{"entities": []}] * 40, resamples=10)
    assert "token accuracy (O counted in)" in str(report)


@pytest.mark.parametrize(
    ("before", "after", "verdict"), [(0.6, 0.9, "better"), (0.9, 0.6, "worse"), (0.8, 0.8, "undecided")]
)
def test_comparison_in_the_terminal(binary_report, before, after, verdict):
    place = np.random.default_rng(0).permutation(200) / 200
    reports = binary_report(place < before, name="old"), binary_report(place < after, name="new[bold]")
    lines = str(compare(*reports, resamples=200)).splitlines()
    assert lines[0] == "old → new[bold]  200 rows"
    assert lines[1].startswith(f"  accuracy  {before:.3f} → {after:.3f}  {after - before:+.3f} [")
    assert lines[1].endswith(verdict)
