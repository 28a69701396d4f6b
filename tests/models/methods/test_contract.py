"""Every built-in method keeps the contract with every task, and the suite finds those that do not."""

from dataclasses import dataclass

import pytest

from tiny import entity_rows, intent_rows
from tunewheel.models import methods
from tunewheel.models.methods.base import Refusal
from tunewheel.models.methods.engine import Full
from tunewheel.models.methods.zero_shot import ZeroShot
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.multi_label import MultiLabel
from tunewheel.tasks.ner import Ner
from tunewheel.testing import ContractError, check_method

SEVERAL = [
    {"text": row["text"], "labels": [row["label"], "card"] if "card" in row["text"] else [row["label"]]}
    for row in intent_rows(24)
]
CASES = {
    "one": (Classification(("balance", "lost")), intent_rows(24)),
    "several": (MultiLabel(("balance", "card", "lost")), SEVERAL),
    "entities": (Ner(("person",)), entity_rows(16)),
}
OPTIONS = {name: {"num_virtual_tokens": 4} for name in ("prefix", "prompt-tuning", "p-tuning")}
ELSEWHERE = {"qlora", "prompt", "few-shot"}
"""Methods that need more than a base and rows; their own tests run the suite."""
FAST = [("full", "one"), ("lora", "several"), ("zero-shot", "one"), ("zero-shot", "several"), ("zero-shot", "entities")]


PAIRS = [
    pytest.param(name, case, marks=[] if (name, case) in FAST else pytest.mark.slow)
    for name in methods.method_names()
    if name not in ELSEWHERE
    for case in CASES
    if (name, case) != ("gan-bert", "several")  # refused by its own test: a class does not know of several labels
]


@pytest.mark.parametrize(("name", "case"), PAIRS)
def test_every_built_in_method_keeps_the_contract(name, case, tiny_base, tmp_path):
    task, rows = CASES[case]
    check_method(name, task, rows, str(tiny_base), tmp_path, options=OPTIONS.get(name))


@dataclass(frozen=True)
class Restless(ZeroShot):
    def prepare(self, job):
        Restless.runs = getattr(Restless, "runs", 0) + 1
        ready = super().prepare(job)
        ready.phrases["lost"].append(f"balance {Restless.runs}" * Restless.runs)
        return ready


@dataclass(frozen=True)
class Meddling(ZeroShot):
    def prepare(self, job):
        for row in job.train:
            row["seen"] = True
        return super().prepare(job)


@dataclass(frozen=True)
class Silent(ZeroShot):
    def options(self):
        return {}


@dataclass(frozen=True)
class Eager(Full):
    @classmethod
    def from_options(cls, options):
        return cls()


@dataclass(frozen=True)
class Circular(Full):
    @classmethod
    def refuses(cls, task):
        return Refusal("it does not like it", "broken")


@pytest.mark.parametrize(
    ("broken", "options", "promise"),
    [
        (Restless, {}, "same rows and seed"),
        (Meddling, {}, "a row was changed"),
        (Silent, {"scale": 5.0}, "survive|every option"),
        (Eager, {}, "strange option"),
        (Circular, {}, "which other method"),
    ],
)
def test_the_suite_finds_a_broken_method(broken, options, promise, tiny_base, tmp_path, monkeypatch):
    monkeypatch.setattr(broken, "name", "broken")
    monkeypatch.setitem(methods._OURS, "broken", "zero_shot:ZeroShot")
    monkeypatch.setattr(methods, "import_module", lambda name: type("Module", (), {"ZeroShot": broken}))
    task, rows = CASES["one"]
    with pytest.raises(ContractError, match=promise):
        check_method("broken", task, [dict(row) for row in rows], str(tiny_base), tmp_path, options=options)
