"""What `tunewheel check` finds and the command that it prints for it: run as printed, checked again, gone."""

import json
import random
import shlex
import shutil

import pytest
from typer.testing import CliRunner

from tunewheel.cli import app
from tunewheel.data import Dataset
from tunewheel.data.check.repairs import REPAIRS

TALK = {
    "en": (
        {"lost": ["card", "purse", "phone"], "money": ["balance", "refund", "payment"]},
        "my {} {} is not where it was when I looked {} {}",
        ["since monday", "again today", "on the train", "in the shop", "before lunch", "at the desk"],
    ),
    "zh": (
        {"挂失银行卡": ["银行卡", "钱包", "手机"], "查询余额": ["余额", "退款", "付款"]},
        "我的{}第{}次找不到了，{}看的时候还在{}",
        ["从周一开始", "今天又是", "在火车上", "在商店里", "午饭以前", "在柜台边"],
    ),
}


def talk(lang, count):
    topics, sentence, places = TALK[lang]
    draw = random.Random(7)
    made = []
    for number in range(count):
        label = list(topics)[number % 2]
        place, other = draw.sample(places, 2)
        made.append((sentence.format(draw.choice(topics[label]), 100 + number, place, other), label))
    return made


def faulty(lang):
    """Rows with every fault that a command repairs."""
    rows = talk(lang, 90)
    (first, label), (second, other), (third, _) = rows[:3]
    slip = f"{label[0]}  {label[1:]}"
    return [
        *rows,
        (first, label),
        *[(f"{text} {lang}", same) for text, same in rows[10:40]],
        (second, label),
        ("?!", other),
        (f"{third[:9]}\u200b{third[9:]}", other),
        (f"ＡＢ１２ {third[::-1]}", other),
        (f"{second[::-1]} 13912345678", slip),
    ]


def run(*words):
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, (words, result.output)
    return result.stdout


def check(*words):
    return json.loads(run("check", *words, "--json"))


def repair(command):
    """Run what was printed, line by line; returns what the last line wrote."""
    for line in command.splitlines():
        words = shlex.split(line)[1:]
        run(*words)
    return words[words.index("-o") + 1]


def kinds(told):
    return {finding["kind"] for finding in told["findings"]}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("lang", TALK)
def test_one_command_repairs_a_file_with_odd_columns_and_broken_rows(folder, lang):
    with (folder / "my desk.csv").open("w", encoding="utf-8") as file:
        file.write("no,what was said,kind\n")
        file.writelines(f'{number},"{text}",{label}\n' for number, (text, label) in enumerate(faulty(lang)))
        file.write("999,,\n")
    options = ("--text", "what was said", "--label", "kind")
    told = check("my desk.csv", *options)
    wanted = {"rejected", "repeats", "near_repeats", "conflicts", "wordless", "control", "wide", "personal", "typos"}
    assert wanted <= kinds(told)
    after = check(repair(told["repair"]))
    assert not kinds(after) & {*REPAIRS, "leak", "near_leak"}, told["repair"]


@pytest.mark.parametrize("lang", TALK)
@pytest.mark.slow
@pytest.mark.parametrize("undivided", [True, False])
def test_each_command_repairs_what_it_stands_beside(folder, lang, undivided):
    rows = [{"id": str(number), "text": text, "label": label} for number, (text, label) in enumerate(faulty(lang))]
    parts = (
        {"train": rows} if undivided else {"train": rows[:80] + rows[100:], "dev": rows[80:90], "test": rows[:100:9]}
    )
    for name, part in parts.items():
        place = folder / "desk" / f"{name}.jsonl" if not undivided else folder / "desk.jsonl"
        place.parent.mkdir(exist_ok=True)
        place.write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
    data = "desk.jsonl" if undivided else "desk"
    told = check(data)
    for finding in told["findings"]:
        if finding["kind"] in REPAIRS and finding["repair"]:
            out = repair(finding["repair"])
            same = [each for each in check(out)["findings"] if each["title"] == finding["title"]]
            assert not same, finding["repair"]
            shutil.rmtree(out)
    assert undivided or {"leak", "near_leak"} <= kinds(told)
    overlaps = [f for f in told["findings"] if f["kind"].endswith("leak") and f["values"]["learned"] == "dev"]
    assert bool(overlaps) != undivided and all(finding["repair"] is None for finding in overlaps)


@pytest.mark.parametrize("lang", TALK)
def test_suspects_of_a_file_are_mended_whichever_split_they_fall_into(folder, lang):
    rows = [{"id": str(number), "text": text, "label": label} for number, (text, label) in enumerate(talk(lang, 300))]
    labels = [row["label"] for row in rows[:2]]
    for row in rows[::10]:
        row["label"] = labels[row["label"] == labels[0]]
    (folder / "desk.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    [finding] = [each for each in check("desk.jsonl")["findings"] if each["kind"] == "label_errors"]
    cleaned = Dataset.load(repair(finding["repair"]))
    said = {row["id"]: row["label"] for split in cleaned.splits for row in cleaned[split]}
    suspects = [json.loads(line) for line in (folder / "suspects.jsonl").read_text("utf-8").splitlines()]
    assert any(row["id"] == suspect["id"] for suspect in suspects for row in [*cleaned["dev"], *cleaned["test"]])
    assert all(said[suspect["id"]] == suspect["suggested"] for suspect in suspects)
