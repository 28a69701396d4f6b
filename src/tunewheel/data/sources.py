"""What DATA names, opened: files, a folder of splits, a pattern, a hub id or a database query."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tunewheel.data import classes
from tunewheel.data.build import Input
from tunewheel.data.manifest import NAME
from tunewheel.data.readers import hub, sql
from tunewheel.data.readers.folder import find, find_named, matches
from tunewheel.data.readers.formats import Format, Found, known_format, reader

Data = str | Path | Mapping[str, str | Path]
_NOT_A_NAME = re.compile(r"[^\w.-]+")


def open_inputs(data: Data, format: Format | None, wanted: tuple[str, ...]) -> tuple[list[Input], list[str]]:
    """Open what ``data`` names, and say what is to be said of it; a path that is there is always that path.

    ``wanted`` are columns the caller named. Raises `DataError` where there is nothing to read.
    """
    known_format(format)
    if isinstance(data, Mapping):
        found, notes = find_named(data, format), list[str]()
    elif query := _query(data):
        return [query_input(*query)], []
    elif format is None and (name := _hub_id(data)):
        return hub_inputs(*name), []
    else:
        found, notes = find(Path(data), format)
    return [_file_input(item, i, wanted) for i, item in enumerate(found)], notes


def stored(data: Data) -> Path | None:
    """The folder of a saved dataset, if that is what ``data`` names."""
    if isinstance(data, Mapping) or _query(data):
        return None
    return Path(data) if (Path(data) / NAME).is_file() else None


def query_input(url: str, query: str) -> Input:
    """The rows that a query of a database gives, to be divided. Raises `DataError` for a URL that cannot be used."""
    records = sql.SqlReader(url, query)
    return Input(records.name, records, "sql", None, None)


def hub_inputs(repository: str, config: str | None) -> list[Input]:
    """The splits of a data set of the Hugging Face hub. Raises `DataError` if it cannot be had."""
    readers = hub.open_splits(repository, config)
    return [Input(records.name, records, "hub", None, split) for split, records in readers]


def shown(data: Data) -> str:
    """What DATA is called where it is written down: a database without its password.

    >>> shown("postgresql://ann:secret@db/shop::SELECT text, label FROM tickets")
    'postgresql://ann@db/shop::SELECT text, label FROM tickets'
    """
    query = _query(data)
    return sql.described(*query) if query else str(data)


def stem(data: Data) -> str:
    """A short name made from what DATA names: a file's, a folder's, a database's or a hub data set's.

    >>> [stem(data) for data in ("shop/tickets.csv", "sqlite:///shop.db::SELECT 1", "owner/name:config", "news_*.json")]
    ['tickets', 'shop', 'name', 'news']
    """
    if isinstance(data, Mapping):
        return "model"
    name = str(data)
    if query := _query(data):
        name = sql.database(query[0])
    elif known := _hub_id(data):
        name = known[0]
    plain = Path(name).resolve().name.split(".")[0]
    return _NOT_A_NAME.sub("-", plain).strip("-._") or "model"


def _query(data: Data) -> tuple[str, str] | None:
    return sql.parse(data) if isinstance(data, str) else None


def _hub_id(data: Data) -> tuple[str, str | None] | None:
    return hub.parse(data) if isinstance(data, str) and not matches(Path(data)) else None


def _file_input(found: Found, number: int, wanted: tuple[str, ...]) -> Input:
    # Documents are named by split, so that no two of a dataset share a name whatever their files are called.
    documents = "-".join(filter(None, (found.split, str(number) if found.split is None and number else "")))
    records = reader(found, wanted, documents or "document")
    beside = classes.listed_beside(found.file.path)
    return Input(str(found.file.path), records, found.format, found.sha256, found.split, beside)
