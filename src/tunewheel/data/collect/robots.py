"""What a site's robots.txt allows, as RFC 9309 reads it: the longest rule that matches decides."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

AGENT = "tunewheel"
MOST_BYTES = 500 << 10
"""RFC 9309, 2.5: a parser reads at least so much of the file."""


@dataclass
class Robots:
    """The rules of one site for one agent; ``delay`` is the pause in seconds it asks for between requests."""

    rules: list[tuple[str, bool]] = field(default_factory=list)
    delay: float = 0.0

    @classmethod
    def parse(cls, text: str, agent: str = AGENT) -> Self:
        r"""Read a robots.txt; the groups that name the agent count, else those for all.

        >>> Robots.parse("User-agent: *\nDisallow: /in\nAllow: /in/*.html$").allows("https://a.b/in/x.html")
        True
        """
        groups: dict[str, Self] = {}
        named: list[Self] = []
        naming = False
        for line in text.splitlines():
            key, colon, value = line.partition("#")[0].partition(":")
            key, value = key.strip().lower(), value.strip()
            if not colon:
                continue
            if key == "user-agent":
                named = [*(named if naming else []), groups.setdefault(_token(value), cls())]
                naming = True
                continue
            naming = naming and key not in ("allow", "disallow", "crawl-delay")
            for group in named:
                group._add(key, value)
        return groups.get(agent.lower()) or groups.get("*") or cls()

    @classmethod
    def nothing(cls) -> Self:
        """The rules of a site that cannot say: its robots.txt answers with an error of the server."""
        return cls([("/", False)])

    def allows(self, url: str) -> bool:
        """Say whether a page may be fetched."""
        parts = urlsplit(url)
        path = unquote(parts.path or "/") + (f"?{unquote(parts.query)}" if parts.query else "")
        found = [(len(rule), allowed) for rule, allowed in self.rules if _matches(rule, path)]
        return max(found, default=(0, True))[1]

    def _add(self, key: str, value: str) -> None:
        if key in ("allow", "disallow") and value:
            self.rules.append((unquote(value), key == "allow"))
        elif key == "crawl-delay" and re.fullmatch(r"\d{1,6}(\.\d{1,6})?", value):
            self.delay = float(value)


def _token(value: str) -> str:
    return value if value == "*" else re.match(r"[A-Za-z_-]*", value)[0].lower()  # type: ignore[index]


def _matches(rule: str, path: str) -> bool:
    """Match a rule from the path's beginning; ``*`` stands for anything, ``$`` at its end for the path's end."""
    ends = rule.endswith("$")
    first, *others = rule.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    place = len(first)
    last = others.pop() if ends and others else None
    for part in others:
        found = path.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    if last is not None:
        return path.endswith(last) and len(path) - len(last) >= place
    return not ends or place == len(path)
