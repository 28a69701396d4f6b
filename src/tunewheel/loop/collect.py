"""`collect`: raw text from folders, pages, feeds, databases and logs, into one growing file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tunewheel.training import Say

if TYPE_CHECKING:
    from tunewheel.data.collect import Collection, Limits
    from tunewheel.data.collect.collector import Tally


def collect(
    sources: Iterable[str | Path],
    output: str | Path,
    *,
    licence: str | None = None,
    split_paragraphs: bool = False,
    max_chars: int | None = None,
    text: str | None = None,
    entry: str | None = None,
    redact: bool = False,
    delay: float = 1.0,
    allow_private: bool = False,
    limits: Limits | None = None,
    home: str | Path | None = None,
    database: str | None = None,
    progress: Callable[[str, int], None] = lambda source, rows: None,
    say: Say = lambda heading, line: None,
) -> Collection:
    """Collect the texts of ``sources`` into the JSON Lines file (or folder) ``output``: only what is new.

    A source is a folder, a file (``.txt .md .html .pdf .docx``, a log), the address of a page or feed, or a database's
    URL and query. ``split_paragraphs`` and ``max_chars`` (characters) say how documents become rows; ``text`` names
    the column, or the field of a JSON log, that holds the text; ``entry`` is a regular expression that a log's entries
    begin with. ``redact`` masks personal data before anything is kept. ``delay`` is the pause in seconds between two
    requests of one host. What `forget` has erased from the workspace (``home``, ``database``) is not collected again.
    Sources that fail are told in the result's ``failures``, and the others are read.

    Raises `tunewheel.data.DataError` for an output that was begun otherwise or is not of this kind, and
    `tunewheel.store.errors.StoreError` where it cannot be written.
    """
    from tunewheel.data.collect import collect as gather

    return gather(
        sources,
        output,
        licence=licence,
        split_paragraphs=split_paragraphs,
        max_chars=max_chars,
        text=text,
        entry=entry,
        mask=_redacting() if redact else None,
        erased=_erased(home, database),
        delay=delay,
        allow_private=allow_private,
        limits=limits,
        progress=progress,
        done=lambda tally: say("read", _told(tally)),
    )


def _redacting() -> Callable[[str], str]:
    from tunewheel.data.privacy import Masker

    masker = Masker()
    return lambda text: masker.mask(text).text


def _erased(home: str | Path | None, database: str | None) -> Callable[[str], bool]:
    """Says of a text whether it was erased; where there is no workspace, none was."""
    from tunewheel.store import Workspace

    workspace = Workspace(home, database)
    if database is None and not workspace.exists:
        return lambda text: False
    from tunewheel.data.gather import text_key
    from tunewheel.store.erasures import erased_texts

    with workspace:
        gone = erased_texts(workspace)
    return lambda text: text_key(text) in gone


def _told(tally: Tally) -> str:
    """One source's tally, in words."""
    counts = {"new": tally.added, "known": tally.known, "unchanged": tally.unchanged, "failed": tally.failed}
    told = " · ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "nothing new"
    if passed := ", ".join(f"{count:,} {ending}" for ending, count in tally.passed_over.items()):
        told += f" · passed over: {passed}"
    return f"{tally.source}: {told}"
