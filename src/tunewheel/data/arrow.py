"""Rows to Arrow files and back, a chunk at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from tunewheel.data.rows import Row, canonical_json, encodable

CHUNK = 4096
_CHARACTERS = 1 << 24


def _schema() -> Any:
    """The columns of a part: shaped rows before their ids and the types of other columns are known."""
    import pyarrow as pa

    span = [("start", pa.int64()), ("end", pa.int64())]
    return pa.schema(
        {
            "text": pa.string(),
            "label": pa.string(),
            "labels": pa.list_(pa.string()),
            "entities": pa.list_(pa.struct([*span, ("label", pa.string())])),
            "tokens": pa.list_(pa.struct(span)),
            "document": pa.string(),
            "own_id": pa.string(),
            "answer": pa.string(),
            "extra": pa.string(),
        }
    )


class ExtraTypes:
    """Arrow types of the columns we know nothing of, widened by chunk; JSON text where values disagree."""

    def __init__(self) -> None:
        self._types: dict[str, Any] = {}

    def add(self, rows: list[dict[str, Any]]) -> None:
        """Look at a chunk of rows."""
        import pyarrow as pa

        for name in dict.fromkeys(name for row in rows for name in row):
            try:
                found = pa.array([row.get(name) for row in rows]).type
                known = self._types.get(name, pa.null())
                schemas = [pa.schema([pa.field("x", kind)]) for kind in (known, found)]
                merged = pa.unify_schemas(schemas, promote_options="permissive").field("x").type
                self._types[name] = None if known is None or _is_odd(merged) else merged
            except (pa.ArrowException, OverflowError, TypeError, AttributeError, UnicodeError):
                self._types[name] = None

    @property
    def types(self) -> dict[str, Any]:
        """Names to Arrow types, sorted by name; None is JSON text."""
        import pyarrow as pa

        return {
            name: pa.string() if kind == pa.null() else None if kind is None or _holds_null(kind) else kind
            for name, kind in sorted(self._types.items())
        }


def _holds_null(kind: Any) -> bool:
    """Say whether a list or struct was only ever seen empty, so that what it holds is unknown."""
    import pyarrow as pa

    return pa.types.is_null(kind) or any(_holds_null(kind.field(i).type) for i in range(kind.num_fields))


def _is_odd(kind: Any) -> bool:
    """Say whether a type holds an empty struct or binary, which datasets cannot show."""
    import pyarrow as pa

    if pa.types.is_list(kind):
        return _is_odd(kind.value_type)
    if pa.types.is_struct(kind):
        return kind.num_fields == 0 or any(_is_odd(kind.field(i).type) for i in range(kind.num_fields))
    return bool(pa.types.is_binary(kind))


class PartWriter:
    """Writes shaped rows to a part, holding at most a chunk of them."""

    def __init__(self, path: Path, extras: ExtraTypes) -> None:
        import pyarrow as pa

        self._extras, self._rows, self._characters = extras, list[Row](), 0
        self._schema = _schema()
        self._stream = pa.ipc.new_stream(str(path), self._schema)

    def add(self, row: Row) -> None:
        """Write a row."""
        self._rows.append(row)
        self._characters += len(row.text)
        if len(self._rows) >= CHUNK or self._characters >= _CHARACTERS:
            self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._flush()
        self._stream.close()

    def _flush(self) -> None:
        import pyarrow as pa

        if not self._rows:
            return
        self._extras.add([row.extra for row in self._rows])
        columns = {name: [getattr(row, name) for row in self._rows] for name in self._schema.names if name != "extra"}
        columns["extra"] = [canonical_json(row.extra) if row.extra else None for row in self._rows]
        self._stream.write_batch(pa.record_batch(columns, schema=self._schema))
        self._rows, self._characters = [], 0


def batches(path: Path) -> Iterator[Any]:
    """Yield the record batches of an Arrow file, one in memory at a time."""
    import pyarrow as pa

    # Mapped pages count as this process's memory for as long as the file is open: all of it, for a stream.
    with pa.OSFile(str(path)) as source, pa.ipc.open_stream(source) as stream:
        yield from stream


def extra_arrays(column: Any, types: Mapping[str, Any]) -> dict[str, Any]:
    """Unpack the JSON of a part's other columns into arrays of their final types."""
    import pyarrow as pa

    if not types:
        return {}
    rows = [json.loads(value) if value else {} for value in column.to_pylist()]
    arrays = {}
    for name, kind in types.items():
        values = [row.get(name) for row in rows]
        if kind is None:
            texts = [None if value is None else _as_text(value) for value in values]
            arrays[name] = pa.array(texts, pa.string())
        else:
            arrays[name] = pa.array(_fit(values, kind), kind)
    return arrays


def _as_text(value: Any) -> str:
    return encodable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True))


def _fit(values: list[Any], kind: Any) -> list[Any]:
    import pyarrow as pa

    # Whole numbers beyond 2**53 among fractions become the nearest double, which Arrow itself refuses.
    return [None if v is None else float(v) for v in values] if pa.types.is_floating(kind) else values
