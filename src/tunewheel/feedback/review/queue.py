"""One model's queue in one workspace: read and decided on, each call in a transaction of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunewheel.feedback.review.deciding import Action, Decided, decide, withdraw
from tunewheel.feedback.review.items import Item, count_waiting, list_items

if TYPE_CHECKING:
    from tunewheel.store import Workspace


@dataclass(frozen=True)
class Queue:
    """What waits for a person of one model's answers; ``target`` is what these are called (`Task.target`, ``score``).

    >>> import tempfile
    >>> from tunewheel.feedback.given import give
    >>> from tunewheel.store import Workspace
    >>> with tempfile.TemporaryDirectory() as home, Workspace.open(home) as workspace:
    ...     _ = give(workspace, "tickets", [{"text": "my card is gone", "label": "lost"}], source="web")
    ...     queue = Queue(workspace, "tickets", "label")
    ...     (item,) = queue.items(10, by="ann")
    ...     decided = queue.decide(item.id, "accept", by="ann")
    ...     (item.why, decided.value, queue.items(10, by="ann"))
    ('said', {'label': 'lost'}, [])
    """

    workspace: Workspace
    name: str
    target: str

    def items(self, n: int, *, by: str) -> list[Item]:
        """The first ``n`` of what waits; see `list_items`."""
        with self.workspace.read() as connection:
            return list_items(connection, self.name, self.target, n, by=by)

    def waiting(self) -> int:
        """How many words of people wait; see `count_waiting`."""
        with self.workspace.read() as connection:
            return count_waiting(connection, self.name)

    def decide(self, item: str, action: Action, value: Mapping[str, Any] | None = None, *, by: str) -> Decided:
        """Decide on an item, once; see `tunewheel.feedback.review.decide`."""
        return self.workspace.transact(
            lambda connection: decide(connection, self.name, item, action, value, by=by, target=self.target)
        )

    def withdraw(self, decision: int, *, by: str) -> Decided:
        """Take a decision back; see `tunewheel.feedback.review.withdraw`."""
        return self.workspace.transact(lambda connection: withdraw(connection, self.name, decision, by=by))
