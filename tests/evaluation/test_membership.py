"""The membership attack: areas as a library has them, rates at few false alarms, the bound that a guarantee gives."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from tunewheel.evaluation import EvaluationError, Report, score_predictions
from tunewheel.evaluation.comparison import Difference
from tunewheel.evaluation.html import render_html
from tunewheel.evaluation.membership import FEWEST, MOST, Attack, attack, most_found
from tunewheel.evaluation.protection import Protection
from tunewheel.tasks.classification import Classification

SPENT = {
    **{"epsilon": 1.9921, "delta": 1.2e-4, "target_epsilon": 2.0, "unit": "<customer>", "units": 3210, "clip": 0.5},
    **{"noise_multiplier": 1.25, "sampling": "poisson", "sample_rate": 0.05, "expected_batch": 160.5, "updates": 400},
    **{"accountant": "prv", "neighbours": "one unit added or removed"},
}


def losses(members=600, others=400, apart=0.5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(-apart, 1, members).round(2), rng.normal(0, 1, others).round(2)


def test_area_and_rate_are_those_of_the_roc_curve_ties_and_all():
    members, others = losses()
    found = attack(members, others)
    truth = np.repeat([1, 0], [len(members), len(others)])
    scores = -np.concatenate([members, others])
    assert found.auc.value == pytest.approx(roc_auc_score(truth, scores))
    fpr, tpr, _ = roc_curve(truth, scores, drop_intermediate=False)
    assert found.tpr.value == pytest.approx(tpr[fpr <= 0.01].max())
    assert found.auc.low < found.auc.value < found.auc.high
    assert (found.members, found.others) == (600, 400)


def test_the_interval_covers_what_it_should():
    """Members and others alike: 0.5 lies in about 95 % of the intervals."""
    covered = [attack(*losses(150, 150, apart=0, seed=seed), resamples=200).auc for seed in range(100)]
    assert sum(i.low <= 0.5 <= i.high for i in covered) >= 88
    apart = attack(*losses(150, 150, apart=1.0)).auc
    assert apart.low > 0.6


def test_rows_of_one_customer_are_drawn_together():
    """Ten equal rows a customer say as much as one does."""
    members, others = losses(60, 400)
    repeated = np.repeat(members, 10)
    alone = attack(repeated, others).auc
    together = attack(repeated, others, units=np.repeat(np.arange(60), 10)).auc
    assert together.value == pytest.approx(alone.value)
    assert together.high - together.low > 1.5 * (alone.high - alone.low)


def test_the_same_call_finds_the_same_and_many_rows_are_sampled():
    members, others = losses(MOST + 500, 300)
    assert attack(members, others) == attack(members, others)
    assert attack(members, others, resamples=50).members == MOST


def test_few_rows_tell_no_rate_and_none_nothing():
    assert attack(*losses(50, FEWEST - 1)).tpr is None
    assert attack(*losses(50, FEWEST)).tpr is not None
    with pytest.raises(EvaluationError, match="needs rows learned from and others"):
        attack([0.1, 0.2], [float("nan")])


def test_one_kind_wholly_apart_is_no_certainty():
    found = attack([0.1] * 40, [5.0] * 30)
    assert found.auc.value == 1.0
    assert found.auc.low < 0.95


def test_no_attack_passes_the_bound_of_the_guarantee():
    """Kairouz et al. (2015): on the worst mechanism that is (ε, 0) private, randomised response, it is reached."""
    assert most_found(0.0, 0.0) == pytest.approx(0.01)
    assert most_found(1.0, 0.0) == pytest.approx(np.e * 0.01)
    assert most_found(1.0, 0.05) == pytest.approx(np.e * 0.01 + 0.05)
    assert most_found(1.0, 0.0, share=0.5) == pytest.approx(1 - 0.5 / np.e)
    assert most_found(1000.0, 0.0) == 1.0


@pytest.fixture
def report():
    rows = [{"id": str(i), "text": f"text {i}", "label": "yes"} for i in range(40)]
    made = score_predictions(Classification(("no", "yes")), rows, [{"label": "yes"}] * 40, resamples=50)
    cost = {"accuracy": Difference(0.93, 0.85, -0.08, -0.1, -0.06, 0.001)}
    protected, plain = attack(*losses(apart=0.02), resamples=60), attack(*losses(others=60), resamples=60)
    return replace(made, protection=Protection(SPENT, protected, plain, cost))


def test_a_report_keeps_what_was_promised_and_found(report, tmp_path):
    report.save(tmp_path)
    assert Report.load(tmp_path).protection == report.protection
    told = json.loads((tmp_path / "report.json").read_text("utf-8"))["privacy"]
    assert told["epsilon"] == SPENT["epsilon"]
    assert told["membership_unprotected"]["tpr"] is None
    assert told["cost"]["accuracy"]["verdict"] == "worse"
    assert told["tpr_bound"] == most_found(SPENT["epsilon"], SPENT["delta"])
    bare = Protection(SPENT)
    assert Protection.from_dict(bare.as_dict()) == bare
    assert Attack.from_dict(report.protection.attack.as_dict()) == report.protection.attack


@pytest.mark.parametrize(
    ("lang", "title", "cost", "asked"),
    [
        ("en", "Differential privacy", "What it costs in score", "Can it be told which rows it learned from?"),
        ("zh", "差分隐私", "隐私保护的代价", "能否看出模型学过哪些样本？"),
    ],
)
def test_the_page_tells_promise_cost_and_attack(report, lang, title, cost, asked):
    html = render_html(report, lang=lang)
    section = html[html.index(f"<h2>{title}") :].split("</section>")[0]
    assert "1.992" in section and "0.00012" in section and "3,210" in section
    assert "&lt;customer&gt;" in section and "<customer>" not in html
    assert f"<h3>{cost}</h3>" in section and "-8.0 [-10.0, -6.0]" in section
    assert f"<h3>{asked}</h3>" in section and "7.3 %" in section.replace("7.3%", "7.3 %")  # e^ε · 1 % + δ
    assert section.count("<tr>") == 1 + 1 + 1 + 1 + 1 + 2


def test_without_a_comparison_or_privacy_the_page_says_less(report):
    section = render_html(replace(report, protection=Protection(SPENT)))
    assert "Differential privacy" in section
    assert "What it costs" not in section and "Can it be told" not in section
    assert "Differential privacy" not in render_html(replace(report, protection=None))


def test_the_terminal_tells_it_too(report):
    shown = str(report)
    assert "ε 1.992 at δ 0.00012 for each of 3,210 units (<customer>)" in shown
    assert "0.930 → 0.850" in shown and "too few rows" in shown
