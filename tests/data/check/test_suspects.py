"""Labels and entities that the other rows speak against."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from inspections import count, found, inspect

WORDS = {
    "en": {"lost": "my card is gone stolen missing wallet", "rate": "exchange rate euro dollar today market"},
    "zh": {"lost": "银行卡 丢失 找不到 被偷 挂失 钱包", "rate": "汇率 美元 欧元 今天 兑换 牌价"},
}


def rows(lang, wrong=3):
    draw = random.Random(7)
    made = [
        {"id": f"{label}{i}", "text": " ".join([*draw.choices(words.split(), k=5), str(i)]), "label": label}
        for label, words in WORDS[lang].items()
        for i in range(60)
    ]
    for row in draw.sample(made, wrong):
        row["label"], row["id"] = ("rate", "lost")[row["label"] == "rate"], f"wrong {row['id']}"
    return made


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_wrong_labels_are_ranked_first_and_written_as_clean_takes_them(lang, tmp_path):
    inspection = inspect(rows(lang), "suspects")
    finding = found(inspection, "label_errors")
    assert finding is not None and finding.sampled is None
    first = inspection.suspects[:3]
    assert all(suspect["id"].startswith("wrong") for suspect in first)
    assert all(suspect["suggested"] in suspect["id"] for suspect in first)
    lines = inspection.write_suspects(tmp_path / "suspects.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == [suspect["id"] for suspect in inspection.suspects]
    assert "--relabel suspects.jsonl" in inspection.repair(finding)
    assert "--relabel" not in (inspection.repair_all or "")


def test_a_large_set_is_judged_by_a_sample_that_is_told(tmp_path):
    inspection = inspect(rows("en", wrong=12), "suspects", sample=90, seed=3)
    finding = found(inspection, "label_errors")
    assert finding is not None and finding.sampled == 90
    assert inspection.suspects == inspect(rows("en", wrong=12), "suspects", sample=90, seed=3).suspects


def test_vectors_of_a_base_take_the_place_of_tf_idf():
    asked = []

    def vectors(texts):
        asked.extend(texts)
        return np.array([[1.0, 0.0] if "card" in text or "gone" in text else [0.0, 1.0] for text in texts], np.float32)

    inspect(rows("en"), "suspects", vectors=vectors)
    assert len(asked) == 120


def test_entities_that_others_speak_against_are_found_with_the_change():
    names = ["Anna", "Boris", "Clara", "Dmitri", "Elena", "Farid"]
    made = []
    for i in range(120):
        text = f"yesterday {names[i % 6]} paid the bill number {i}"
        end = 10 + len(names[i % 6])
        made.append({"id": str(i), "text": text, "entities": [{"start": 10, "end": end, "label": "PER"}]})
    for i in (17, 58):
        made[i]["entities"] = []
    inspection = inspect(made, "suspects")
    finding = found(inspection, "entity_errors")
    assert finding is not None and finding.values["missed"] == 2
    assert {(s["id"], s["start"], s["given"], s["suggested"]) for s in inspection.suspects} == {
        ("17", 10, None, "PER"),
        ("58", 10, None, "PER"),
    }
    assert count(inspection, "label_errors") == 0


def test_a_judge_that_knows_no_better_calls_no_entity_wrong():
    made = []
    for i in range(80):
        words = [f"{'abcdefgh'[(i * k) % 8]}{(i * 7 + k * 3) % 19}" for k in range(1, 8)]
        text, at = " ".join(words), (i * 5) % 7
        start = len(" ".join(words[:at])) + bool(at)
        entity = {"start": start, "end": start + len(words[at]), "label": "AB"[(i * i // 3) % 2]}
        made.append({"id": str(i), "text": text, "entities": [entity]})
    inspection = inspect(made, "suspects")
    finding = found(inspection, "entities_too_hard")
    assert finding is not None and finding.severity == "info" and finding.values["share"] > 0.3
    assert found(inspection, "entity_errors") is None
    assert not list(inspection.suspects)
