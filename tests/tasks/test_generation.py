"""What a written answer is worth: the contract, and figures that are those of sacrebleu and rouge-score."""

import numpy as np
import pytest
import sacrebleu
from rouge_score.rouge_scorer import RougeScorer

from tunewheel.evaluation import compare, score_predictions
from tunewheel.tasks import TaskError, load_task
from tunewheel.tasks.generation import Generation
from tunewheel.testing import check_task
from writers import PAIRS, ROWS

TASK = Generation()
ENGLISH = {
    "The card is frozen at once and a new one is sent.": "The card is frozen and a new card is sent to you.",
    "You may pay in any branch, or online.": "Pay online.",
    "Ask us.": "Ask us!",
    "Nothing is owed on this account any more.": "",
}
CHINESE = {
    "卡片会立即冻结，并寄出新卡。": "卡片冻结后寄出新卡。",
    "您可以在任何网点付款。": "在线付款即可。",
    "请联系 VIP 专线。": "请拨打 VIP 专线！",
}


def scores(pairs, **extra):
    rows = [{"text": "q", "answer": gold} for gold in pairs]
    return TASK.score(rows, [{"text": written, **extra} for written in pairs.values()])


def test_it_keeps_the_contract():
    check_task(TASK, ROWS)
    check_task(Generation(temperature=0.7, top_p=0.9, seed=3), PAIRS)
    assert load_task({"name": "generation", "config": TASK.config()}).config() == TASK.config()


@pytest.mark.parametrize("pairs", [ENGLISH, CHINESE])
def test_corpus_figures_are_sacrebleus(pairs):
    found = TASK.metrics(scores(pairs))
    gold, written = list(pairs), list(pairs.values())
    how = "zh" if pairs is CHINESE else "13a"
    assert 100 * found["bleu"] == pytest.approx(sacrebleu.corpus_bleu(written, [gold], tokenize=how).score)
    assert 100 * found["chrf"] == pytest.approx(sacrebleu.corpus_chrf(written, [gold]).score)


def test_rouge_is_rouge_scores_in_english_and_by_characters_in_chinese():
    found = TASK.metrics(scores(ENGLISH))
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"])
    each = [scorer.score(gold, written) for gold, written in ENGLISH.items()]
    for ours, theirs in (("rouge_1", "rouge1"), ("rouge_2", "rouge2"), ("rouge_l", "rougeL")):
        assert found[ours] == pytest.approx(np.mean([one[theirs].fmeasure for one in each]))
    # 3 of 4 characters stand in both: precision and recall are 3/4.
    assert TASK.metrics(scores({"冻结卡片": "冻结账片"}))["rouge_1"] == pytest.approx(0.75)


def test_rows_count_as_often_as_they_weigh():
    both = {**ENGLISH, **CHINESE}
    whole = scores(both)
    weights = np.arange(len(both), dtype=float)
    chosen = [pair for pair, weight in zip(both.items(), weights, strict=True) for _ in range(int(weight))]
    rows = [{"text": "q", "answer": gold} for gold, _ in chosen]
    repeated = TASK.metrics(TASK.score(rows, [{"text": written} for _, written in chosen]))
    assert TASK.metrics(whole, weights) == pytest.approx(repeated)


def test_likelihoods_give_perplexity_and_preferences():
    known = {"gold": {"loss": 4.0, "tokens": 2}, "rejected": {"loss": 9.0, "tokens": 3}}
    found = TASK.metrics(scores(ENGLISH, **known))
    assert found["gold_probability"] == pytest.approx(np.exp(-2))
    assert found["preferred"] == 1.0
    assert "gold_probability" not in TASK.metrics(scores(ENGLISH))
    fitted = TASK.fit(ROWS, [known] * len(ROWS))
    assert fitted.perplexity == pytest.approx(np.exp(2)) and "7.389" in fitted.facts()["perplexity"]


def test_a_report_has_intervals_compares_and_shows_what_was_written(tmp_path):
    rows = [{**row, "id": f"{i}-{row['id']}"} for i in range(10) for row in ROWS]
    known = {"gold": {"loss": 4.0, "tokens": 2}}
    good = score_predictions(TASK, rows, [{"text": row["answer"], **known} for row in rows])
    bad = score_predictions(TASK, rows, [{"text": row["text"]} for row in rows])
    assert good.headline["rouge_l"].value == good.headline["chrf"].value == 1.0
    assert 0 <= bad.metrics["bleu"].low <= bad.metrics["bleu"].value <= bad.metrics["bleu"].high < 1
    assert compare(bad, good).verdicts == {"rouge_l": "better", "chrf": "better"}
    for lang, head, gone in (
        ("en", "Answers unlike the gold ones", "confident"),
        ("zh", "与标准答案不同的回答", "最自信"),
    ):
        page = bad.save(tmp_path / lang, lang=lang).read_text(encoding="utf-8")
        assert head in page and gone not in page and "chrF" in page
        assert "请先冻结卡片。" in page


def test_settings_out_of_range_are_refused():
    with pytest.raises(TaskError, match="max_new_tokens"):
        Generation(max_new_tokens=0)
    with pytest.raises(TaskError, match="top_p"):
        Generation(top_p=0)


def test_a_missing_package_is_answered_with_the_command(monkeypatch):
    monkeypatch.setattr("tunewheel.tasks.overlap.find_spec", lambda name: None)
    with pytest.raises(TaskError, match=r"pip install 'tunewheel\[generate\]'"):
        Generation.from_dataset(None)
