"""Reading anyone's predictions: rows joined to gold rows, or a column file with both."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewheel.data.columns import from_cell, is_missing
from tunewheel.data.readers.formats import BY_SUFFIX
from tunewheel.data.streams import Stream, Unfit
from tunewheel.data.tags import TagError, is_tag, parse, spans
from tunewheel.evaluation.intervals import EvaluationError
from tunewheel.evaluation.joined import joined

if TYPE_CHECKING:
    from tunewheel.tasks import Prediction, Row, Task

BOUNDARY = "-X-"
"""First column of a line that separates sentences, for conlleval, as an empty line does."""

DOCUMENT = "-DOCSTART-"


def read_predictions(path: str | Path, task: Task, rows: Iterable[Row]) -> list[Prediction]:
    """Read anyone's predictions, a row each, in any form and encoding that data may have, in the order of ``rows``.

    The answer stands in ``prediction``, as `tunewheel predict` writes it, else in ``label``, ``labels``, ``answer`` (or
    ``text``, as a model that writes answers), ``entities`` (dicts of start, end, label) or ``tags`` (one for each of
    the gold row's ``tokens``, any of the usual schemes, read as conlleval reads them); ``confidence`` and
    ``probabilities`` may stand beside it. Lists in a table's cell are JSON. How rows are found: `joined`.

    Raises:
        EvaluationError: names the file and line, and says what was expected.
        DataError: the file, or a row of it, cannot be read.
    """
    source, listed = Path(path), list(rows)
    failed, records = list[str](), list[tuple[str, dict[str, Any]]]()
    for place, record in _records(source):
        if isinstance(record.get("error"), dict) and "prediction" not in record:  # as `predict --on-error skip` writes
            failed.append(place)
        else:
            records.append((place, record))
    without = [place for place, record in records if "prediction" not in record]
    if 0 < len(without) < len(records):  # a label beside it is the row's own
        raise EvaluationError(f"{without[0]}: no `prediction`, though other lines have one")
    found = joined(source, records, listed, failed=failed, writes=task.writes)
    return [_prediction(place, record, task, row) for (place, record), row in zip(found, listed, strict=True)]


def _records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Place (``file:line``) and columns of each row; the names that are looked for are in small letters."""
    for line, row in Stream(path):
        if isinstance(row, Unfit):
            raise row
        named = {name.strip().lower(): name for name in reversed(row)}
        known = {name: row[named[name]] for name in KNOWN if name in named}
        yield f"{path}:{line}", {**row, **known}


ANSWERS = frozenset(("prediction", "label", "labels", "answer", "text", "entities", "tags"))
KNOWN = (*ANSWERS, "id", "confidence", "probabilities")


def read_as_columns(path: Path) -> bool:
    """Whether a file has gold and predicted tags in columns: it is neither JSON nor a table with a header.

    >>> read_as_columns(Path("answers.csv")), read_as_columns(Path("answers.conll"))
    (False, True)
    """
    format = BY_SUFFIX.get(path.suffix.lower())
    if format == "conll" or not path.is_file():
        return format in ("conll", None)
    if format in ("jsonl", "json", "csv", "parquet"):
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = next((line.strip() for line in file if line.strip()), "")
    header = [name.strip(" \"'").lower() for name in re.split(r"[,;|\t]", first)]
    return not (first.startswith(("{", "[")) or ANSWERS.intersection(header)) or is_tag(header[-1].upper())


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Place (``file:line``) and text of each line, its line break removed."""
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                place = f"{path}:{number}"
                yield place, raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise EvaluationError(f"{path}:{number}: not UTF-8 ({error.reason})") from error
    except OSError as error:
        raise EvaluationError(f"cannot read {path}: {error.strerror}") from error


def _prediction(place: str, record: Mapping[str, Any], task: Task, row: Row) -> Prediction:
    """Check one record and give it the shape that the task decodes to."""
    wanted = _wanted(task, row)
    record = _answered(record, wanted)
    given = next((key for key in wanted if key in record), None)
    if given is None:
        raise EvaluationError(
            f"{place}: {task.name} needs {' or '.join(f'`{key}`' for key in wanted)}, "
            f"found {', '.join(map(repr, record)) or 'nothing'}"
        )
    if given in ("answer", "text"):
        if not isinstance(record[given], str):
            raise EvaluationError(f"{place}: `{given}` must be the text that was written, got {record[given]!r}")
        return {"text": record[given]}
    if given == "label":
        return {**_known(record, place), "label": _label(record["label"], place)}
    if given == "labels":
        labels = _list(record["labels"], "labels", place)
        return {**_known(record, place), "labels": [_label(label, place) for label in labels]}
    if given == "entities":
        text = row["text"]
        return {"entities": [_entity(e, text, place) for e in _list(record["entities"], "entities", place)]}
    tags = [_label(tag, place) for tag in _list(record["tags"], "tags", place)]
    tokens = row.get("tokens")
    if tokens is None:
        raise EvaluationError(f"{place}: `tags` need gold rows with `tokens`; give `entities` instead")
    if len(tags) != len(tokens):
        raise EvaluationError(f"{place}: {len(tags)} tags for a row of {len(tokens)} tokens (id {row.get('id')!r})")
    for tag in tags:
        _checked(tag, place)
    return {"entities": _entities_of(tags, tokens), "tags": tags}


def _answered(record: Mapping[str, Any], wanted: Sequence[str]) -> Mapping[str, Any]:
    """A record with its answer under the name that the task has for it, a table's cells read.

    What stands in ``prediction`` is the answer: columns of the labels' names beside it are the row's own.
    """
    told, beside = record.get("prediction"), {key: record[key] for key in _BESIDE if not is_missing(record.get(key))}
    if isinstance(told, dict):
        return {**beside, **told}
    if told is not None:
        told = told if wanted[0] in ("label", "answer") else from_cell(told)
        tags = "tags" in wanted and isinstance(told, list) and any(isinstance(tag, str) for tag in told)
        record = {"tags" if tags else wanted[0]: told}
    else:
        record = {key: from_cell(record[key]) if key in _LISTS else record[key] for key in record}
    return {**record, **{key: _loaded(value) for key, value in beside.items()}}


def _loaded(cell: Any) -> Any:
    """A number or an object that stands as JSON in a cell; anything else as it is."""
    try:
        return json.loads(cell) if isinstance(cell, str) else cell
    except ValueError:
        return cell


_BESIDE = ("confidence", "probabilities")
_LISTS = ("labels", "entities", "tags")


def _wanted(task: Task, row: Row) -> tuple[str, ...]:
    """The keys that may hold the answer; a row may carry another task's labels beside its own."""
    target = next(target for target in task.targets() if target in row)
    other = {"entities": ("tags",), "answer": ("text",)}
    return target, *other.get(target, ())


def _known(record: Mapping[str, Any], place: str) -> Prediction:
    """Confidence and probabilities, when the record has them."""
    known: Prediction = {}
    if record.get("confidence") is not None:
        known["confidence"] = _number(record["confidence"], "confidence", place)
    if record.get("probabilities") is not None:
        if not isinstance(record["probabilities"], dict):
            raise EvaluationError(f"{place}: `probabilities` must be an object of label and number")
        known["probabilities"] = {
            label: _number(value, "probabilities", place) for label, value in record["probabilities"].items()
        }
    return known


def _number(value: Any, key: str, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise EvaluationError(f"{place}: `{key}` must be a number from 0 to 1, got {value!r}")
    return float(value)


def _label(value: Any, place: str) -> str:
    if isinstance(value, str | int):
        return str(value)
    raise EvaluationError(f"{place}: a label is a string, got {value!r}")


def _list(value: Any, key: str, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise EvaluationError(f"{place}: `{key}` must be a list, got {value!r}")
    return value


def _entity(entity: Any, text: str, place: str) -> dict[str, Any]:
    if not isinstance(entity, dict) or not {"start", "end", "label"} <= entity.keys():
        raise EvaluationError(f"{place}: an entity is an object of start, end and label, got {entity!r}")
    start, end = entity["start"], entity["end"]
    whole = all(isinstance(edge, int) and not isinstance(edge, bool) for edge in (start, end))
    if not whole or not 0 <= start < end <= len(text):
        raise EvaluationError(f"{place}: entity {start!r}–{end!r} lies outside its text of {len(text)} characters")
    found = {"start": start, "end": end, "label": _label(entity["label"], place)}
    if entity.get("confidence") is not None:
        found["confidence"] = _number(entity["confidence"], "confidence", place)
    return found


def _entities_of(tags: Sequence[str], tokens: Sequence[Mapping[str, int]]) -> list[dict[str, Any]]:
    """Character entities of tagged ``tokens`` (dicts of start, end), spans as conlleval reads them."""
    return [
        {"start": tokens[first]["start"], "end": tokens[stop - 1]["end"], "label": label}
        for first, stop, label in spans(tags)
    ]


def read_conll_predictions(path: str | Path) -> tuple[list[dict[str, Any]], list[Prediction]]:
    """Read a column file whose last two columns are gold and prediction: what the conlleval script is fed.

    Returns gold rows (``text``: the tokens joined by spaces; ``tokens``, ``entities``, ``tags``, and
    ``document`` where the file marks documents) and predictions (``entities``, ``tags``). Raw tags are kept,
    so that token accuracy compares them as the script does. Document marks count as a token of their own, as
    they do for the script.

    Raises:
        EvaluationError: names the file and line, and says what was expected.
    """
    source = Path(path)
    rows: list[dict[str, Any]] = []
    predictions: list[Prediction] = []
    document: str | None = None
    for number, sentence in enumerate(_sentences(source)):
        words, gold, found = (list(column) for column in zip(*sentence, strict=True))
        if words[0] == DOCUMENT:
            document = f"{source.stem}-{number}"
        tokens, start = [], 0
        for word in words:
            tokens.append({"start": start, "end": start + len(word)})
            start += len(word) + 1
        row = {"id": f"{source.stem}-{number}", "text": " ".join(words), "tokens": tokens, "tags": gold}
        row["entities"] = _entities_of(gold, tokens)
        if document is not None:
            row["document"] = document
        rows.append(row)
        predictions.append({"entities": _entities_of(found, tokens), "tags": found})
    if not rows:
        raise EvaluationError(f"{source} holds no tokens")
    return rows, predictions


def _sentences(path: Path) -> Iterator[list[tuple[str, str, str]]]:
    """Token, gold tag and predicted tag of each sentence; a document mark is a sentence of its own."""
    sentence: list[tuple[str, str, str]] = []
    width = None
    for place, line in _lines(path):
        columns = _columns(line)
        blank = not any(columns) or columns[0] == BOUNDARY
        if sentence and (blank or DOCUMENT in (columns[0], sentence[0][0])):
            yield sentence
            sentence = []
        if blank:
            continue
        width = width or len(columns)
        if len(columns) != width or width < 2:
            wanted = f"{width} columns as before" if width > 1 else "a gold and a predicted tag at the end"
            raise EvaluationError(f"{place}: expected {wanted}, found {len(columns)}: {line!r}")
        # A blank token stands for itself in the counts, but a text needs a character for it.
        token = (columns[0] if width > 2 else "") or "_"
        sentence.append((token, _checked(columns[-2], place), _checked(columns[-1], place)))
    if sentence:
        yield sentence


def _checked(tag: str, place: str) -> str:
    try:
        parse(tag)
    except TagError as error:
        raise EvaluationError(f"{place}: {error}") from error
    return tag


def _columns(line: str) -> list[str]:
    """Split at tabs (a token may be blank, or hold spaces), else at spaces; where both are used, at both.

    Not ``str.split()``: a token may itself be a no-break or an ideographic space.

    >>> _columns("a b\\tO\\tB-LOC"), _columns("a  O B-LOC"), _columns("a\\tO B-LOC")
    (['a b', 'O', 'B-LOC'], ['a', 'O', 'B-LOC'], ['a', 'O', 'B-LOC'])
    """
    columns = [column.strip(" ") for column in line.split("\t")]
    if any(" " in column for column in columns[-2:]):
        columns = [column for column in line.replace("\t", " ").split(" ") if column]
    return columns
