"""What people say of answers: taken in, listed, decided on, and turned into rows; and what to ask them about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunewheel.feedback.answers import FeedbackError
from tunewheel.feedback.given import Received, give
from tunewheel.feedback.interchange import Form, exported, imported
from tunewheel.feedback.review import Conflict, decide
from tunewheel.feedback.settling import Policy, Settled, settle
from tunewheel.feedback.suggesting import worth

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tunewheel.store import Workspace

AT_ONCE = 200
"""Decisions in one transaction."""


def import_feedback(
    name: str,
    path: str | Path,
    *,
    form: Form = "jsonl",
    source: str | None = None,
    trusted: bool = True,
    home: str | Path | None = None,
    database: str | None = None,
) -> Received:
    """Take in a file of feedback on a model, or of labelled rows: JSON Lines, or what doccano or Label Studio export.

    Whoever imports a file stands behind it, so it is accepted as it comes unless ``trusted`` is False. The same file
    twice changes nothing. Raises `FeedbackError` for a file of another form, `tunewheel.registry.RegistryError` for a
    model that is not registered.
    """
    workspace, target = _model(name, home, database)
    items = imported(path, form, target)
    told: dict[str, Any] = {"vouched": trusted, "masked": form != "jsonl"}
    return give(workspace, name, items, source=source or f"file {Path(path).name}", **told)


def export_feedback(
    name: str,
    path: str | Path,
    *,
    policy: Policy | None = None,
    home: str | Path | None = None,
    database: str | None = None,
) -> Settled:
    """Write the rows that feedback on a model amounts to as JSON Lines, as `tunewheel train` reads them."""
    from tunewheel.store.files import open_whole

    workspace, _ = _model(name, home, database)
    with workspace.read() as connection:
        settled = settle(connection, name, policy)
    with open_whole(path) as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in settled.rows)
    return settled


def decide_feedback(
    name: str,
    ids: Sequence[int],
    status: Literal["accepted", "rejected"],
    *,
    by: str | None = None,
    home: str | Path | None = None,
    database: str | None = None,
) -> int:
    """Accept or reject pieces of feedback on a model; returns how many changed.

    What is accepted is right for what it is about, so what says otherwise there is rejected, as in review; a decision
    here stands over an earlier one, but not over what was learned from. Raises `FeedbackError` for ids of none of it.
    """
    from tunewheel.registry.registry import who

    workspace, _ = _model(name, home, database)
    by = who(by)
    action: Literal["accept", "reject"] = "accept" if status == "accepted" else "reject"
    known = _known(workspace, name, ids)
    strange = sorted(set(ids) - known)
    if strange:
        raise FeedbackError(f"{', '.join(map(str, strange))}: no feedback on {name} has this id; see `feedback list`")

    def work(connection: Connection, some: Sequence[int]) -> int:
        changed = 0
        for one in some:
            with suppress(Conflict):  # learned from, now or before: it stays as it is, and is not counted
                changed += decide(connection, name, one, action, by=by, over=True).changed > 0
        return changed

    # Others write between: each part is a transaction of its own, and the same command again goes on.
    parts = (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE))
    return sum(workspace.transact(partial(work, some=part)) for part in parts)


def suggest(
    name: str,
    n: int = 100,
    path: str | Path | None = None,
    *,
    form: Form = "jsonl",
    home: str | Path | None = None,
    database: str | None = None,
) -> list[dict[str, Any]]:
    """The ``n`` recorded answers of a model that are most worth a person's look, the most telling first.

    Those that the model is unsure of, unlike each other, and that nobody has said anything of; each text once. With
    ``path`` they are written for the tool named by ``form``; what is labelled there comes back by `import_feedback`.
    """
    from tunewheel.store.files import open_whole

    workspace, _ = _model(name, home, database)
    with workspace.read() as connection:
        found = worth(connection, name, n)
    if path is not None:
        with open_whole(path) as file:
            file.writelines(line + "\n" for line in exported(found, form))
    return found


def _known(workspace: Workspace, name: str, ids: Sequence[int]) -> set[int]:
    """Those of the ids that are of feedback on the model."""
    from sqlalchemy import select

    from tunewheel.store.schema import feedback

    found: set[int] = set()
    ids = [one for one in ids if 0 < one < 1 << 31]
    with workspace.read() as connection:
        for start in range(0, len(ids), 500):
            where = (feedback.c.name == name, feedback.c.id.in_(ids[start : start + 500]))
            found |= set(connection.scalars(select(feedback.c.id).where(*where)))
    return found


def _model(name: str, home: str | Path | None, database: str | None) -> tuple[Workspace, str]:
    """The workspace, and what the answers of a registered model are called."""
    from tunewheel.models.model import read_declaration
    from tunewheel.registry import Registry
    from tunewheel.store import Workspace
    from tunewheel.tasks import load_task

    workspace = Workspace.open(home, database)
    version = Registry(workspace).versions(name)[-1]
    return workspace, load_task(read_declaration(version.path)["task"]).target
