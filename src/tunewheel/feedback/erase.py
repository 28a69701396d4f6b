"""Exchanges and feedback that show a text: finding them, and taking them out of the database and what waits for it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunewheel.data.erased import Erased
from tunewheel.data.privacy import Masker

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from tunewheel.store import Workspace

_AT_ONCE = 2_000  # rows read at a time


@dataclass(frozen=True)
class Recorded:
    """Exchanges and pieces of feedback, by id, and what they say that was looked for."""

    exchanges: tuple[str, ...]
    feedback: tuple[int, ...]
    texts: frozenset[str]

    def __len__(self) -> int:
        return len(self.exchanges) + len(self.feedback)


def find_recorded(
    workspace: Workspace, wanted: Sequence[str], *, contains: str | None = None, name: str | None = None
) -> Recorded:
    """What is recorded of some texts; the database looks through every record.

    An exchange named by its id stands for its text: others that show the same go with it. What else its row says, such
    as the question that a text is compared with, others may say too and keep.

    Args:
        workspace: where.
        wanted: ids of exchanges, or whole texts: as they are, and as masking leaves them.
        contains: a part of a text, case aside.
        name: only records of this model.
    """
    from tunewheel.store.schema import exchanges, feedback

    ids = frozenset(wanted)
    asked_for = (row for row in _records(workspace, exchanges, [], ids, name) if row[0] in ids)
    named = {row[0]: str(row[1].get("text", "")) for row in asked_for}
    spoken = {text for text in named.values() if text.strip()}
    whole = as_recorded(Erased((ids | spoken) - named.keys(), ()))
    part = contains.casefold() if contains is not None else None

    def meant(text: str) -> bool:
        return whole.is_text(text) or (part is not None and part in text.casefold())

    clues = _clues(whole.texts, contains)
    texts = set(spoken)
    asked, said = set(named), set[int]()
    for found, table in ((asked, exchanges), (said, feedback)):
        for row in _records(workspace, table, clues, (), name):
            if shown := {text for text in _texts(list(row[1:])) if meant(text)}:
                found.add(row[0])
                texts |= shown
    return Recorded(tuple(sorted(asked)), tuple(sorted(said)), frozenset(texts))


def erase_exchanges(workspace: Workspace, gone: Erased, *, name: str | None = None) -> int:
    """Delete every exchange and every piece of feedback that shows one of the texts; returns how many went.

    Exchanges that ``gone`` has by their ids go too. With ``name`` only records of this model go, and lines that wait.

    They were masked when they were recorded, so each text is looked for as it is and as masking leaves it. Feedback on
    an exchange goes with it: a correction may quote what it corrects. Lines that wait in the workspace's spool go too.
    The same call again finds nothing more.
    """
    from sqlalchemy import delete

    from tunewheel.store.schema import exchanges, feedback, reviews

    wanted = as_recorded(gone)
    clues = _clues(wanted.texts)
    went = _spooled(workspace.home / "spool", wanted)
    asked = _records(workspace, exchanges, clues, gone.ids, name)
    ids = sorted(row[0] for row in asked if row[0] in gone.ids or _shows(list(row[1:]), wanted))
    said = sorted(row[0] for row in _records(workspace, feedback, clues, (), name) if _shows(list(row[1:]), wanted))
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        with workspace.begin() as connection:
            _for_good(connection)
            connection.execute(delete(reviews).where(reviews.c.item.in_(some)))
            went += connection.execute(delete(feedback).where(feedback.c.exchange.in_(some))).rowcount
            went += connection.execute(delete(exchanges).where(exchanges.c.id.in_(some))).rowcount
    for start in range(0, len(said), 500):
        with workspace.begin() as connection:
            _for_good(connection)
            some = said[start : start + 500]
            connection.execute(delete(reviews).where(reviews.c.item.in_([f"row-{one}" for one in some])))
            went += connection.execute(delete(feedback).where(feedback.c.id.in_(some))).rowcount
    return went


def _for_good(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")  # else freed pages keep what stood in them


def as_recorded(gone: Erased) -> Erased:
    """The texts as they are and as a recorder, which masks, has written them."""
    masker = Masker()
    masked = {str(masker.mask_row({"text": text})[0]["text"]) for text in gone.texts}
    return Erased(gone.texts | masked, gone.ids)


@dataclass(frozen=True)
class _Clue:
    """A part of a text that stands in every record of it, whatever JSON makes of the rest."""

    part: str
    folded: bool = False
    """Case aside; else as it is."""


_CLUES = 20  # looked for at once: more take longer than reading everything
_LONG = 100  # characters that tell enough: SQLite takes no pattern of more than 50,000 bytes

_CHANGED = re.compile(r'[\s"\\\x00-\x1f]+')  # white space is not compared, the others JSON escapes
_CASELESS = re.compile(r"[0-9\u3400-\u9fff]+")  # as it is whatever its case, and nothing else folds into it
_PLAIN = re.compile(r"[ !#-\[\]-~]+")

_FOLDING = "\u00df\u0130\u0149\u017f\u01f0\u1e96-\u1e9a\u1e9e\u212a\ufb00-\ufb06"
"""What is not ASCII and becomes it, case aside, as ß does: all that there is, as a set is written."""


def _clues(texts: Collection[str], contains: str | None = None) -> list[_Clue] | None:
    """What every record of these has one of; None where nothing short of reading them all will do.

    >>> _clues(["my card is gone", "我的卡丢了"])
    [_Clue(part='card', folded=False), _Clue(part='我的卡丢了', folded=False)]
    """
    clues = {_Clue(max(_CHANGED.split(text), key=len)[:_LONG]) for text in texts}
    if contains is not None:
        caseless, plain = (max(found.findall(contains) or [""], key=len) for found in (_CASELESS, _PLAIN))
        telling = caseless and (len(caseless) >= len(plain) or not caseless.isascii())
        clues.add(_Clue(caseless[:_LONG]) if telling else _Clue(plain.lower()[:_LONG], folded=True))
    found = sorted(clues, key=lambda clue: (clue.part, clue.folded))
    return found if len(found) <= _CLUES and all(clue.part for clue in found) else None


def _records(
    workspace: Workspace,
    table: Any,
    clues: list[_Clue] | None,
    ids: Collection[Any] = (),
    name: str | None = None,
) -> Iterator[Any]:
    """The id and the documents of rows that have such an id or a clue in one of them; of all rows without clues."""
    from sqlalchemy import select

    documents = [table.c[each] for each in ("row", "prediction", "value") if each in table.c]
    query = select(table.c.id, *documents)
    if name is not None:
        query = query.where(table.c.name == name)
    with workspace.read() as connection:
        if clues is None or len(ids) > _AT_ONCE:
            yield from connection.execution_options(yield_per=_AT_ONCE).execute(query)
            return
        found = {row[0]: row for row in connection.execute(query.where(table.c.id.in_(list(ids))))} if ids else {}
        yield from found.values()
        if clues:
            shown = query.where(_shown(connection, documents, clues))
            rows = connection.execution_options(yield_per=_AT_ONCE).execute(shown)
            yield from (row for row in rows if row[0] not in found)


def _shown(connection: Connection, documents: Sequence[Any], clues: Sequence[_Clue]) -> Any:
    """Whether one of the documents has a clue, as they are written. LIKE takes half as long as SQLite's instr."""
    from sqlalchemy import Text, cast, or_

    shown = []
    for written in (cast(document, Text) for document in documents):
        for clue in clues:
            look = written.icontains if clue.folded else written.contains
            shown.append(look(clue.part, autoescape=True))
        if any(clue.folded for clue in clues):
            lite = connection.dialect.name == "sqlite"
            shown.append(written.op("GLOB")(f"*[{_FOLDING}]*") if lite else written.op("~")(f"[{_FOLDING}]"))
    return or_(*shown)


def _texts(value: object) -> Iterator[str]:
    """Every string in a document but names of labels, which nobody has said."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            if key not in ("label", "labels"):
                yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)


def _shows(value: object, wanted: Erased) -> bool:
    return any(map(wanted.is_text, _texts(value)))


def _spooled(folder: Path, wanted: Erased) -> int:
    import json

    from tunewheel.store.files import open_whole

    went = 0
    for path in sorted(folder.glob("*.jsonl")) if folder.is_dir() else ():
        lines = path.read_text(encoding="ascii", errors="replace").splitlines(keepends=True)
        kept = []
        for line in lines:
            try:
                shown = _shows(json.loads(line), wanted)
            except ValueError:  # what a dying disk cut is nobody's record any more
                shown = True
            kept += [] if shown else [line]
        if len(kept) < len(lines):
            went += len(lines) - len(kept)
            with open_whole(path) as file:
                file.write("".join(kept))
    return went
