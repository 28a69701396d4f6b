"""What people say of answers: taken in, listed, decided on, and turned into rows; and what to ask them about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunewheel.feedback.given import Feedback, FeedbackError, Received, decide, give, list_feedback
from tunewheel.feedback.interchange import Form, exported, imported
from tunewheel.feedback.settling import Policy, Settled, settle

if TYPE_CHECKING:
    from tunewheel.store import Workspace


def import_feedback(
    name: str,
    path: str | Path,
    *,
    form: Form = "jsonl",
    source: str | None = None,
    trusted: bool = True,
    home: str | Path = ".tunewheel",
    database: str | None = None,
) -> Received:
    """Take in a file of feedback on a model, or of labelled rows: JSON Lines, or what doccano or Label Studio export.

    Whoever imports a file stands behind it, so it is accepted as it comes unless ``trusted`` is False. The same file
    twice changes nothing. Raises `FeedbackError` for a file of another form, `tunewheel.registry.RegistryError` for a
    model that is not registered.
    """
    workspace, target = _model(name, home, database)
    items = imported(path, form, target)
    return give(workspace, name, items, source=source or f"file {Path(path).name}", vouched=trusted)


def export_feedback(
    name: str,
    path: str | Path,
    *,
    policy: Policy | None = None,
    home: str | Path = ".tunewheel",
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
    home: str | Path = ".tunewheel",
    database: str | None = None,
) -> int:
    """Accept or reject feedback on a model; returns how many changed. Raises `FeedbackError` for ids of none of it."""
    from tunewheel.registry.registry import who

    workspace, _ = _model(name, home, database)
    known = {one.id for one in _all(workspace, name)}
    strange = sorted(set(ids) - known)
    if strange:
        raise FeedbackError(f"{', '.join(map(str, strange))}: no feedback on {name} has this id; see `feedback list`")
    return decide(workspace, ids, status, by=who(by))


def suggest(
    name: str,
    n: int = 100,
    path: str | Path | None = None,
    *,
    form: Form = "jsonl",
    home: str | Path = ".tunewheel",
    database: str | None = None,
) -> list[dict[str, Any]]:
    """The ``n`` recorded answers of a model that are most worth a person's look, the most telling first.

    Those that the model is unsure of, unlike each other, and that nobody has said anything of; each text once. With
    ``path`` they are written for the tool named by ``form``; what is labelled there comes back by `import_feedback`.
    """
    from tunewheel.store.files import open_whole

    workspace, _ = _model(name, home, database)
    found = _worth(workspace, name, n)
    if path is not None:
        with open_whole(path) as file:
            file.writelines(line + "\n" for line in exported(found, form))
    return found


RECENT = 50_000
"""Recorded answers that suggestions are chosen from, the newest."""


def _worth(workspace: Workspace, name: str, n: int) -> list[dict[str, Any]]:
    import numpy as np
    from sqlalchemy import select

    from tunewheel.feedback.suggesting import suggested
    from tunewheel.store.schema import exchanges, feedback

    spoken = select(feedback.c.exchange).where(feedback.c.exchange.is_not(None), feedback.c.name == name)
    columns = (exchanges.c.id, exchanges.c.number, exchanges.c.row, exchanges.c.prediction)
    query = select(*columns, exchanges.c.confidence, exchanges.c.vector)
    query = query.where(exchanges.c.name == name, exchanges.c.role == "live", exchanges.c.id.not_in(spoken))
    with workspace.read() as connection:
        rows = connection.execute(query.order_by(exchanges.c.at.desc()).limit(RECENT)).all()
    first = {json.dumps(row.row, sort_keys=True): row for row in reversed(rows)}  # the newest of each text
    kept = list(first.values())
    confidences = np.array([np.nan if row.confidence is None else row.confidence for row in kept])
    vectors = None
    if kept and all(row.vector is not None for row in kept):
        vectors = np.stack([np.frombuffer(row.vector, dtype=np.float16) for row in kept]).astype(np.float32)
    order: Sequence[int] = suggested(confidences, vectors, n).tolist() if kept else []
    return [
        {
            "exchange": row.id,
            **row.row,
            "prediction": row.prediction,
            "version": name if row.number is None else f"{name}:{row.number}",
        }
        for row in (kept[i] for i in order)
    ]


def _all(workspace: Workspace, name: str) -> list[Feedback]:
    with workspace.read() as connection:
        return list_feedback(connection, name, limit=None)


def _model(name: str, home: str | Path, database: str | None) -> tuple[Workspace, str]:
    """The workspace, and what the answers of a registered model are called."""
    from tunewheel.registry import Registry
    from tunewheel.store import Workspace
    from tunewheel.tasks import task_class

    workspace = Workspace.open(home, database)
    version = Registry(workspace).versions(name)[-1]
    targets = task_class(version.task).targets()
    if len(targets) == 1:
        return workspace, targets[0]
    from tunewheel.models.model import read_declaration

    several = read_declaration(version.path)["task"]["config"].get("multi_label", False)
    return workspace, "labels" if several else "label"
