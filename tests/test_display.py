"""What long work says where there is no terminal."""

import io

import pytest
from rich.console import Console

from tunewheel import display


@pytest.mark.parametrize(("silence", "lines"), [(-1.0, ["vectors", "telling"]), (30.0, [])])
def test_steps_say_now_and_then_how_far_they_are(monkeypatch, silence, lines):
    monkeypatch.setattr(display, "SILENCE", silence)
    out = io.StringIO()
    with display.Steps(Console(file=out, width=80)) as steps:
        steps("vectors", 1024, 106_000)
        steps("telling", 20, 40)
    said = [line.split() for line in out.getvalue().splitlines() if line.strip()]
    assert [line[0] for line in said] == lines
    if lines:
        assert " ".join(said[0][1:]) == "1,024 of 106,000 rows"


def test_a_terminal_shows_a_bar_and_no_lines(monkeypatch):
    monkeypatch.setattr(display, "SILENCE", -1.0)
    monkeypatch.setattr(display, "headed", None)
    out = io.StringIO()
    with display.Steps(Console(file=out, width=80, force_terminal=True)) as steps:
        steps("vectors", 1024, 106_000)
    assert "1,024 of 106,000 rows" in out.getvalue()
