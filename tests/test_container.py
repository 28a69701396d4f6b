"""The container's file: whoever runs it is not root, and nothing comes along that is not needed."""

import re
from pathlib import Path

import pytest

FILE = Path(__file__).parents[1] / "deploy" / "Containerfile"


@pytest.fixture(scope="module")
def steps():
    """Instructions with their arguments, by stage."""
    text = re.sub(r"\\\n\s*", " ", FILE.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    stages = []
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append([])
        stages[-1].append((word, rest))
    return stages


def test_it_runs_as_nobody_in_particular_and_says_how_it_is(steps):
    final = dict(steps[-1])
    assert final["USER"] == "10001:10001" and final["STOPSIGNAL"] == "SIGTERM"
    assert "/health/ready" in final["HEALTHCHECK"]
    assert final["ENTRYPOINT"] == '["tunewheel", "serve", "--host", "0.0.0.0"]'
    assert [word for word, _ in steps[-1]].index("USER") > [word for word, _ in steps[-1]].index("RUN")


def test_only_what_was_built_is_taken_along(steps):
    assert [rest for word, rest in steps[-1] if word in ("COPY", "ADD")] == [
        "--from=build /opt/tunewheel /opt/tunewheel"
    ]
    copied = {name for word, rest in steps[0] if word == "COPY" for name in rest.split()[:-1]}
    assert copied == {"constraints.txt", "pyproject.toml", "README.md", "LICENSE", "src"}
    assert all((FILE.parents[1] / name).exists() for name in copied)


def test_it_holds_no_secret_and_names_no_registry():
    text = FILE.read_text(encoding="utf-8")
    assert not re.search(r"(?i)password|secret|token=|https?://(?!127\.0\.0\.1)", text)
