"""The page about privacy names every kind, in the order in which one wins over another."""

from __future__ import annotations

import re
from pathlib import Path

from tunewheel.data.privacy import KINDS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "privacy.md"


def test_every_kind_is_on_the_page() -> None:
    assert re.findall(r"^\| `([A-Z_]+)` \|", PAGE.read_text(encoding="utf-8"), re.M) == list(KINDS)
