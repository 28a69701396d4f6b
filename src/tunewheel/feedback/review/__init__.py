"""The queue of what a person should look at, and what becomes of it."""

from tunewheel.feedback.review.deciding import Action, Conflict, Decided, NoItem, decide, withdraw
from tunewheel.feedback.review.items import Item, Side, count_waiting, list_items
from tunewheel.feedback.review.queue import Queue

__all__ = [
    "Action",
    "Conflict",
    "Decided",
    "Item",
    "NoItem",
    "Queue",
    "Side",
    "count_waiting",
    "decide",
    "list_items",
    "withdraw",
]
