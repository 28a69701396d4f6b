"""The table of methods and tasks in the documentation is what the code says."""

import runpy
from pathlib import Path

import pytest

from tunewheel.models.methods import MethodError, check_pair, method_class, method_names, refusal
from tunewheel.tasks import task_class, task_names
from tunewheel.tuning.climbing.ladder import usable

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_of_methods_says_what_the_code_says():
    tool = runpy.run_path(str(ROOT / "tools" / "check_docs.py"))
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    assert page == tool["methods"](), "python tools/check_docs.py --write"
    for name in method_names():
        assert f"| `{name}` | {method_class(name).summary} |" in page
    refused = method_class("zero-shot").refuses(tool["task_class"]("ner"))
    assert f"refused: {refused.reason} → `{refused.nearest}` |" in page


@pytest.mark.parametrize("task", task_names())
def test_what_is_refused_names_a_method_that_is_not(task):
    for name in method_names():
        refused = refusal(method_class(name), task_class(task))
        if refused is None:
            assert check_pair(name, task) is method_class(name)
        else:
            assert refusal(method_class(refused.nearest), task_class(task)) is None, (name, task, refused)
            with pytest.raises(MethodError, match=f"use '{refused.nearest}'"):
                check_pair(name, task)


def test_methods_that_do_not_teach_to_write_are_not_climbed_and_not_promised():
    left = usable(["head", "prefix", "ia3", "qlora", "lora"], "generation")
    assert left[0] == ["lora"] and {each.method for each in left[1]} == {"head", "prefix", "ia3", "qlora"}
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    [line] = [line for line in page.splitlines() if line.startswith("| `head` |")]
    assert "does not teach to write" in line
