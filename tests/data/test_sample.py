"""The bundled sample data keeps what its README promises."""

import importlib
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SAMPLE = REPOSITORY / "src" / "tunewheel" / "data" / "sample"
BUILD = REPOSITORY / "tools" / "sample" / "build.py"
SPLITS = ("train", "dev", "test", "later")
ENTITIES = {"amount", "card", "date", "merchant", "person"}
NEW_INTENT = "digital_wallet"

# Words that are always part of an entity, so none may stand outside one.
ALWAYS_MARKED = {
    "en": re.compile(
        r"""[£$€]\ ?\d | \d[\d,.]*\ ?(?:k\b|eur|usd|pounds|dollars|euros|yen|bucks|quid)
        | \b(?:quid|bucks|grand|cents)\b
        | \b(?:yesterday|yday|today|tomorrow|tmrw|tonight|weekend|ago)\b
        | \b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b
        | \b(?:january|february|march|april|june|july|august|september|october|november|december)\b
        | \b(?:last|next|this)\ (?:week|month|year|night|morning|weekend|\w+day)\b
        | \b(?:debit|credit|visa|gold|platinum|travel|student|metal|virtual)\ card\b | mastercard
        | \b(?:mr|mrs|ms|mx|dr)\b""",
        re.VERBOSE | re.IGNORECASE,
    ),
    "zh": re.compile(
        r"""\d+(?:元|块|万|美元|欧元|号|日|月) | [￥¥]\d | [一二三四五六七八九十百千万]+(?:块|元)
        | 昨[天晚儿] | 今[天早晚儿] | 明[天儿] | [前后]天 | [上下这本]个?(?:周|月|星期|礼拜)
        | (?:周|星期|礼拜)[一二三四五六日天末] | 月[底初] | [去今明]年
        | 信用卡 | 储蓄卡 | 借记卡 | 工资卡 | 金卡 | 副卡 | 尾号""",
        re.VERBOSE,
    ),
}


@pytest.fixture(scope="module")
def sample():
    return {
        split: [json.loads(line) for line in (SAMPLE / f"{split}.jsonl").read_text("utf-8").splitlines()]
        for split in SPLITS
    }


@pytest.fixture(scope="module")
def readme():
    return (SAMPLE / "README.md").read_text("utf-8")


def every_row(sample):
    return [row for rows in sample.values() for row in rows]


def outside(row):
    """The text with each entity replaced by a mark of one character."""
    text = row["text"]
    for entity in reversed(row["entities"]):
        text = f"{text[: entity['start']]}\N{BULLET}{text[entity['end'] :]}"
    return text


def test_rows_have_the_documented_fields(sample):
    for row in every_row(sample):
        assert list(row) == ["id", "text", "label", "entities", "language", "group"]
        assert re.fullmatch(rf"{row['language']}-{row['label']}-\d{{4}}", row["id"])
        assert row["group"].startswith(f"{row['language']}-{row['label']}-p")
        assert row["text"] == row["text"].strip()
        assert (row["language"] == "zh") == bool(re.search(r"[\u4e00-\u9fff]", outside(row)))


def test_train_covers_every_intent_in_both_languages(sample):
    texts = defaultdict(set)
    for row in sample["train"]:
        texts[row["language"], row["label"]].add(row["text"])
    intents = {label for _, label in texts}
    assert len(intents) >= 22
    for intent in intents:
        assert len(texts["en", intent]) >= 20
        assert len(texts["zh", intent]) >= 15


@pytest.mark.parametrize("split", ["dev", "test"])
def test_evaluation_splits_have_the_intents_of_train(sample, split):
    def pairs(rows):
        return {(row["language"], row["label"]) for row in rows}

    assert pairs(sample[split]) == pairs(sample["train"])


def test_test_is_large_enough_for_narrow_intervals(sample):
    assert len(sample["test"]) >= 1000


def test_new_intent_is_only_in_the_later_batch(sample):
    found = {split: Counter(r["language"] for r in rows if r["label"] == NEW_INTENT) for split, rows in sample.items()}
    assert not found["train"] and not found["dev"] and not found["test"]
    assert min(found["later"]["en"], found["later"]["zh"]) >= 40
    assert {row["label"] for row in sample["later"]} - {NEW_INTENT} == {row["label"] for row in sample["train"]}


def test_ids_and_texts_are_unique(sample):
    rows = every_row(sample)
    assert len({row["id"] for row in rows}) == len(rows)
    assert len({row["text"].casefold() for row in rows}) == len(rows)


def test_a_group_lies_in_one_split(sample):
    splits = defaultdict(set)
    for split, rows in sample.items():
        for row in rows:
            splits[row["group"]].add(split)
    assert all(len(found) == 1 for found in splits.values())


def test_no_pattern_is_written_twice(monkeypatch):
    """A group may not be the sentence of another group under a new name."""
    monkeypatch.syspath_prepend(str(BUILD.parent))
    phrasebook = importlib.import_module("phrasebook")
    sentences = Counter(
        re.sub(r"[\W_]+", " ", re.sub(r"\{\w+\}", "x", pattern.text.casefold())).strip()
        for pattern in phrasebook.read_patterns()
    )
    assert not [sentence for sentence, count in sentences.items() if count > 1]


def test_spans_are_exact(sample):
    for row in every_row(sample):
        for entity in row["entities"]:
            surface = row["text"][entity["start"] : entity["end"]]
            assert 0 <= entity["start"] < entity["end"] <= len(row["text"])
            assert surface == surface.strip()
            assert not re.match(r"(?:on|my|since) |我的", surface)
            assert entity["label"] != "person" or not surface.endswith("'s")
        assert all(first["end"] <= second["start"] for first, second in pairwise(row["entities"]))


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_entity_kind_is_in_every_split(sample, split, language):
    counts = Counter(e["label"] for row in sample[split] if row["language"] == language for e in row["entities"])
    assert counts.keys() == ENTITIES
    assert min(counts.values()) >= 15


def test_some_rows_carry_no_entity(sample):
    for rows in sample.values():
        share = sum(bool(row["entities"]) for row in rows) / len(rows)
        assert 0.6 < share < 0.95


def test_every_mention_is_annotated(sample):
    missed = [row["text"] for row in every_row(sample) if ALWAYS_MARKED[row["language"]].search(outside(row))]
    assert not missed


def test_known_names_are_annotated_wherever_they_stand(sample):
    rows = every_row(sample)
    names = {
        row["text"][e["start"] : e["end"]]
        for row in rows
        for e in row["entities"]
        if e["label"] in {"merchant", "person"}
    }
    pattern = re.compile("|".join(rf"(?<![A-Za-z]){re.escape(name)}(?![A-Za-z])" for name in sorted(names)))
    assert not [row["text"] for row in rows if pattern.search(outside(row))]


def test_files_equal_what_the_writer_writes():
    done = subprocess.run([sys.executable, "-B", BUILD, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_files_stay_small():
    assert sum(path.stat().st_size for path in SAMPLE.glob("*.jsonl")) < 700_000


def test_readme_states_origin_and_licence(readme):
    for claim in ("synthetic", "CC0-1.0", "Apache-2.0", "written for this project"):
        assert claim in readme


@pytest.mark.parametrize("split", SPLITS)
def test_readme_counts_are_right(sample, readme, split):
    rows = sample[split]
    languages = Counter(row["language"] for row in rows)
    groups = {row["group"] for row in rows}
    assert f"| `{split}.jsonl` | {len(rows)} | {languages['en']} | {languages['zh']} | {len(groups)} |" in readme


def test_readme_counts_per_intent_are_right(sample):
    counts = Counter((row["language"], row["label"]) for row in sample["train"])
    assert len({label for _, label in counts}) == 24
    assert {language: {n for (found, _), n in counts.items() if found == language} for language in ("en", "zh")} == {
        "en": {29},
        "zh": {21},
    }


def test_readme_describes_every_label(sample, readme):
    described = set(re.findall(r"^\| `(\w+)` \|", readme, re.MULTILINE))
    assert described == {row["label"] for row in every_row(sample)} | ENTITIES


def test_readme_example_is_a_row(sample, readme):
    example = json.loads(re.search(r"```json\n(.+?)```", readme, re.DOTALL)[1])
    assert example in every_row(sample)
