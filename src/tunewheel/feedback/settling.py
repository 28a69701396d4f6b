"""From what people said to rows that a model may learn from."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tunewheel.data.erased import is_erased, said_in
from tunewheel.feedback.answers import fits
from tunewheel.feedback.exchanges import find_columns
from tunewheel.feedback.given import Feedback, list_feedback
from tunewheel.store.erasures import erased_keys

if TYPE_CHECKING:
    from sqlalchemy import Connection

Disagree = Literal["review", "latest", "majority", "trust"]


@dataclass(frozen=True)
class Policy:
    """How feedback becomes rows.

    ``disagree`` says what is taken where people say different things of one exchange or text: nothing until a person
    decides (``review``), what was said last, what most sources say, or what the weightiest say; a tie waits. ``trust``
    weighs sources (1 for one that is not named, 0: never heard). ``automatic`` takes what nobody has looked at too,
    where its sources weigh ``needed`` together.
    """

    disagree: Disagree = "review"
    trust: Mapping[str, float] = field(default_factory=dict)
    automatic: bool = False
    needed: float = 1.0

    def weight(self, source: str) -> float:
        """How much a source counts; ``key/user`` counts as its key does where it is not named itself."""
        return self.trust.get(source, self.trust.get(source.partition("/")[0], 1.0))


@dataclass(frozen=True)
class Settled:
    """Rows that may be learned from, each with the feedback behind it, and what waits, by reason."""

    rows: list[dict[str, Any]]
    behind: list[list[int]]
    """Ids of the feedback that speaks for each row, and of what it outweighed."""
    waiting: Mapping[str, int]


def settle(connection: Connection, name: str, policy: Policy | None = None) -> Settled:
    """What feedback on a model amounts to: one row for each exchange, or text, that something is agreed on.

    A row has the id ``feedback-…`` of its exchange, and that exchange in the column ``exchange``: its lineage.
    The same feedback gives the same rows in the same order. What says a text that was erased waits for good.
    """
    policy, erased = policy or Policy(), erased_keys(connection)
    rows: list[dict[str, Any]] = []
    behind: list[list[int]] = []
    waiting: Counter[str] = Counter()
    given = list_feedback(connection, name, statuses=("accepted", "new"), kinds=("correction", "row"), limit=None)
    wanted = [one.exchange for one in given if one.exchange and one.row is None]
    texts = {key: dict(found["row"]) for key, found in find_columns(connection, name, wanted, "row").items()}
    groups: dict[str, list[Feedback]] = defaultdict(list)
    for one in given:
        groups[one.exchange or json.dumps(one.row, sort_keys=True, ensure_ascii=False)].append(one)
    for said in groups.values():
        taken = _taken(said, policy)
        if isinstance(taken, str):
            waiting[taken] += 1
            continue
        row = taken.row if taken.row is not None else texts.get(taken.exchange or "")
        if row is None:
            waiting["unknown exchange"] += 1
            continue
        if not str(row.get("text", "-")).strip():  # a service answers blanks, and nothing can be learned from them
            waiting["without a text"] += 1
            continue
        if not fits(taken.value, row):  # it came before its exchange was recorded
            waiting["with spans outside the text"] += 1
            continue
        if is_erased(erased, *said_in({"text": "", **row, **taken.value})):
            waiting["of a text that was erased"] += 1
            continue
        own = {"id": f"feedback-{taken.exchange or taken.key[:24]}", "exchange": taken.exchange or ""}
        rows.append({**row, **own, **taken.value})
        behind.append([one.id for one in said])
    return Settled(rows, behind, dict(waiting))


def _taken(said: Sequence[Feedback], policy: Policy) -> Feedback | str:
    """The feedback that speaks for a group, or why nothing of it is taken yet."""
    decided = [one for one in said if one.status == "accepted"]
    heard = decided or [one for one in said if policy.automatic and policy.weight(one.source) > 0]
    if not heard:
        return "not looked at"
    sides: dict[str, list[Feedback]] = defaultdict(list)
    for one in heard:
        sides[json.dumps(one.value, sort_keys=True)].append(one)
    if len(sides) == 1:
        side = heard
    elif policy.disagree == "latest":
        side = sides[json.dumps(max(heard, key=lambda one: (one.at, one.id)).value, sort_keys=True)]
    elif policy.disagree == "review":
        return "disagreed"
    else:
        plain = policy.disagree == "majority"
        votes = {key: sum(_votes(side, policy, plain=plain)) for key, side in sides.items()}
        most = max(votes.values())
        first = [key for key, count in votes.items() if count == most]
        if len(first) > 1:
            return "tied"
        side = sides[first[0]]
    if not decided and sum(_votes(side, policy, plain=False)) < policy.needed:
        return "not enough trust"
    return max(side, key=lambda one: (one.at, one.id))


def _votes(side: Sequence[Feedback], policy: Policy, *, plain: bool) -> Iterator[float]:
    """One vote a source, weighed unless ``plain``."""
    for source in sorted({one.source for one in side}):
        weight = policy.weight(source)
        yield float(weight > 0) if plain else weight
