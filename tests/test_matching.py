"""Pairs of texts through the whole wheel: read, learned, scored, registered, answered."""

import json

import pytest

import tunewheel as tw
from tunewheel.loop import predict
from tunewheel.models import Recipe

QUICK = Recipe(epochs=2, batch_tokens=256, precision="fp32")


def rows(n: int) -> list[dict]:
    words = ["card 卡", "fee 费用", "branch 网点", "loan 贷款"]
    made = []
    for i in range(n):
        one, other = words[i % 4], words[(i + (i // 4 % 2)) % 4]
        made.append({"query": f"about {one} {i}", "answer": f"关于 {other}", "ok": "是" if one == other else "否"})
    return made


@pytest.mark.slow
@pytest.mark.parametrize(("method", "more"), [("full", set()), ("bi-encoder", {"similarity"})])
def test_pairs_go_once_round(method, more, tiny_base, tmp_path):
    file, home = tmp_path / "pairs.jsonl", tmp_path / "home"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows(80)), encoding="utf-8")
    turn = tw.train(
        file,
        task="matching",
        text="query,answer",
        label="ok",
        base=str(tiny_base),
        method=method,
        recipe=QUICK,
        home=home,
    )
    assert turn.model.task.labels == ("否", "是") and turn.report and turn.comparison
    assert {"accuracy", "f1", "average_precision"} <= set(turn.report.metrics) and "auroc" in turn.report.figures
    target = tmp_path / "answered.jsonl"
    assert predict("pairs", file, target, home=home) == 80
    answered = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert answered[0]["query"] == "about card 卡 0"
    assert set(answered[0]["prediction"]) == {"label", "confidence", "score"} | more
    index = tw.Index({row["query"]: row["query"] for row in rows(8)}, turn.model)
    assert index.search("about fee 费用 1", 1)[0].id == "about fee 费用 1"
