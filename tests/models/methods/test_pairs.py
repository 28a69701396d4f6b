"""The table of methods and tasks in the documentation is what the code says."""

import runpy
from pathlib import Path

from tunewheel.models.methods import method_class, method_names

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_of_methods_says_what_the_code_says():
    tool = runpy.run_path(str(ROOT / "tools" / "check_docs.py"))
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    assert page == tool["methods"](), "python tools/check_docs.py --write"
    for name in method_names():
        assert f"| `{name}` | {method_class(name).summary} |" in page
    refused = method_class("zero-shot").refuses(tool["task_class"]("ner"))
    assert f"refused: {refused.reason} → `{refused.nearest}` |" in page
