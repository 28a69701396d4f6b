"""Outliers, drift between splits, and texts that no labelled row reaches."""

from __future__ import annotations

import json
import random

import pytest

import tunewheel as tw
from inspections import count, found, inspect
from tunewheel.data import DataError

WORDS = {
    "en": ("my bank card is gone stolen missing wallet please block it now", "parcel courier delivery street door box"),
    "zh": ("银行卡 丢失 找不到 被偷 挂失 钱包 请 冻结 账户", "包裹 快递 送货 地址 楼下 箱子"),
}


def sentences(words, n, seed, length=6):
    draw = random.Random(seed)
    return [" ".join(draw.choices(words.split(), k=length)) for _ in range(n)]


def labelled(texts):
    return [{"text": text, "label": "ab"[i % 2]} for i, text in enumerate(texts)]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_text_unlike_all_others_is_an_outlier(lang):
    odd = "qzx vvkp 7714 ßøæ" if lang == "en" else "彗星轨道观测望远镜"
    rows = labelled([*sentences(WORDS[lang][0], 150, 1, 9), odd])
    finding = found(inspect(rows, "outliers"), "outliers")
    assert finding is not None
    assert finding.examples[0].text == odd


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_split_of_other_texts_is_told_with_its_words_and_one_of_the_same_is_not(lang):
    here, there = WORDS[lang]
    train = labelled(sentences(here, 120, 1))
    same = inspect({"train": train, "test": labelled(sentences(here, 80, 2))}, "drift")
    assert count(same, "text_drift") == 0
    finding = found(inspect({"train": train, "test": labelled(sentences(there, 80, 2))}, "drift"), "text_drift")
    assert finding is not None
    assert (finding.severity, finding.values["right"]) == ("warning", "test")
    assert any(word in there for word in finding.values["words"].split(", "))


def test_other_shares_of_labels_are_told_with_the_label_that_moved_most():
    def rows(shares, seed):
        texts = sentences(WORDS["en"][0], sum(shares.values()), seed)
        names = [name for name, n in shares.items() for _ in range(n)]
        return [{"text": text, "label": name} for text, name in zip(texts, names, strict=True)]

    train = rows({"a": 100, "b": 100}, 1)
    finding = found(inspect({"train": train, "test": rows({"a": 90, "b": 10}, 2)}, "labels", "drift"), "label_drift")
    assert finding is not None
    assert finding.values["before"] == 0.5 and finding.values["after"] in (0.9, 0.1)
    assert count(inspect({"train": train, "test": rows({"a": 50, "b": 50}, 2)}, "labels", "drift"), "label_drift") == 0


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_texts_of_a_file_that_no_labelled_row_reaches_are_told(lang, tmp_path):
    here, there = WORDS[lang]
    data, file = tmp_path / "data.jsonl", tmp_path / "more.jsonl"
    for path, rows in (
        (data, labelled(sentences(here, 120, 1))),
        (file, [{"text": text} for text in sentences(here, 40, 2) + sentences(there, 30, 3)]),
    ):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    finding = found(tw.check(data, only=["coverage"], unlabelled=file), "unreached")
    assert finding is not None and finding.count >= 25
    assert any(word in there for word in finding.values["words"].split(", "))
    assert tw.check(data, only=["coverage"]).findings == []


def test_a_file_without_a_text_is_refused(tmp_path):
    data, file = tmp_path / "data.jsonl", tmp_path / "more.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in labelled(sentences(WORDS["en"][0], 30, 1))), "utf-8")
    file.write_text('{"number": 7}\n', "utf-8")
    with pytest.raises(DataError, match=r"more\.jsonl"):
        tw.check(data, only=["coverage"], unlabelled=file)
