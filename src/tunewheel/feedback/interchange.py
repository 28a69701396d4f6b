"""What doccano and Label Studio read and write: answers go out to be looked at, and come back as feedback."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from tunewheel.data import DataError
from tunewheel.data.readers.text import inspect
from tunewheel.feedback.answers import FeedbackError

Form = Literal["jsonl", "doccano", "label-studio"]


def exported(rows: Iterable[Mapping[str, Any]], form: Form) -> Iterator[str]:
    """Rows to be labelled, in lines of a file that the tool imports.

    A row is ``{"exchange", "text", …}`` with the model's answer under ``prediction``, which the tool shows as a
    suggestion where it can. Read what comes back with `imported`.

    >>> row = {"exchange": "e1", "text": "my card", "prediction": {"label": "lost", "confidence": 0.4}}
    >>> next(exported([row], "doccano"))
    '{"text": "my card", "label": ["lost"], "exchange": "e1"}'
    """
    if form == "label-studio":
        yield "["
        before = ""
        for row in rows:
            yield before + json.dumps(_label_studio(row), ensure_ascii=False)
            before = ","
        yield "]"
        return
    for row in rows:
        line = dict(row) if form == "jsonl" else _doccano(row)
        yield json.dumps(line, ensure_ascii=False)


def imported(path: str | Path, form: Form, target: str) -> list[dict[str, Any]]:
    """What people labelled, as items for `tunewheel.feedback.give`; texts that nobody labelled are left out.

    Args:
        path: the tool's export (doccano: JSON Lines; Label Studio: JSON), in any encoding that data is read in.
        form: whose it is.
        target: the task's answer: ``label``, ``labels`` or ``entities``.

    Raises:
        FeedbackError: the file is not of that form; the message names the place.
    """
    path = Path(path)
    try:
        with inspect(path).open(newline="") as stream:
            content = stream.read()
    except OSError as error:
        raise FeedbackError(f"{path}: cannot be read ({error})") from None
    except DataError as error:
        raise FeedbackError(str(error)) from None
    if form == "label-studio":
        return [
            item for place, task in enumerate(_array(content, path), 1) for item in _tasked(task, target, path, place)
        ]
    lines = [(place, line) for place, line in enumerate(content.split("\n"), 1) if line.strip()]
    parsed = ((place, _object(line, f"{path}: line {place}")) for place, line in lines)
    if form == "jsonl":
        return [line for _, line in parsed]
    return [item for place, line in parsed for item in _from_doccano(line, target, f"{path}: line {place}")]


def _doccano(row: Mapping[str, Any]) -> dict[str, Any]:
    prediction = row.get("prediction") or {}
    if "entities" in prediction:
        label: list[Any] = [[span["start"], span["end"], span["label"]] for span in prediction["entities"]]
    else:
        label = list(prediction.get("labels") or ([prediction["label"]] if "label" in prediction else []))
    beside = {key: value for key, value in row.items() if key not in ("text", "prediction")}
    return {"text": row["text"], "label": label, **beside}


def _label_studio(row: Mapping[str, Any]) -> dict[str, Any]:
    prediction, where = row.get("prediction") or {}, {"from_name": "label", "to_name": "text"}
    text = row["text"]
    if "entities" in prediction:
        result: list[dict[str, Any]] = [
            {**where, "type": "labels", "value": {**_span(span), "text": text[span["start"] : span["end"]]}}
            for span in prediction["entities"]
        ]
    else:
        named = prediction.get("labels") or ([prediction["label"]] if "label" in prediction else [])
        result = [{**where, "type": "choices", "value": {"choices": list(named)}}] if named else []
    told = {"model_version": str(row.get("version", "")), "score": prediction.get("confidence"), "result": result}
    data = {key: value for key, value in row.items() if key != "prediction"}
    return {"data": data, "predictions": [told] if result else []}


def _span(span: Mapping[str, Any]) -> dict[str, Any]:
    return {"start": span["start"], "end": span["end"], "labels": [span["label"]]}


def _from_doccano(line: Mapping[str, Any], target: str, where: str) -> Iterator[dict[str, Any]]:
    told = line.get("label", line.get("labels", line.get("entities")))
    if told is None or (not told and target != "entities"):
        return
    if not isinstance(told, list):
        told = [told]
    item = _beside({**line.get("meta", {}), **line}, where)
    if target == "entities":
        yield {**item, "entities": [_spanned(span, where) for span in told]}
    else:
        yield {**item, **_labelled([str(label) for label in told], target, where)}


def _spanned(span: Any, where: str) -> dict[str, Any]:
    match span:
        case [int(start), int(end), str(label)]:
            return {"start": start, "end": end, "label": label}
        case {"start_offset": int(start), "end_offset": int(end), "label": str(label)}:
            return {"start": start, "end": end, "label": label}
        case _:
            raise FeedbackError(f"{where}: expected spans as [start, end, label], found {span!r}")


def _tasked(task: Any, target: str, path: Path, place: int) -> Iterator[dict[str, Any]]:
    """Feedback of one task of Label Studio: one for each person's annotation that was not skipped."""
    where = f"{path}: task {place}"
    if not isinstance(task, Mapping) or not isinstance(task.get("data"), Mapping):
        raise FeedbackError(f"{where}: expected an object with 'data' and 'annotations'; export it as JSON")
    for annotation in task.get("annotations") or []:
        if annotation.get("was_cancelled"):
            continue
        result = annotation.get("result") or []
        item = _beside(task["data"], where)
        who = annotation.get("completed_by")
        item |= {"source": f"label-studio/{who['email'] if isinstance(who, Mapping) else who}"} if who else {}
        if target == "entities":
            values = [part["value"] for part in result if part.get("type") == "labels"]
            spans = [{"start": v["start"], "end": v["end"], "label": v["labels"][0]} for v in values]
            yield {**item, "entities": spans}
            continue
        named = [label for part in result if part.get("type") == "choices" for label in part["value"]["choices"]]
        if named:
            yield {**item, **_labelled(named, target, where)}


def _labelled(named: Sequence[str], target: str, where: str) -> dict[str, Any]:
    if target == "labels":
        return {"labels": list(named)}
    if len(named) != 1:
        raise FeedbackError(f"{where}: expected one label, found {', '.join(named)}")
    return {target: named[0]}


def _beside(line: Mapping[str, Any], where: str) -> dict[str, Any]:
    """What a line says beside its labels: the exchange alone where there is one, else its text."""
    if isinstance(line.get("exchange"), str) and line["exchange"]:
        return {"exchange": line["exchange"]}
    text = line.get("text", line.get("data"))
    if not isinstance(text, str):
        raise FeedbackError(f"{where}: it has neither an exchange nor a text")
    return {"text": text}


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise FeedbackError(f"{where}: not JSON ({error})") from None
    if not isinstance(value, dict):
        raise FeedbackError(f"{where}: expected an object, found {type(value).__name__}")
    return value


def _array(content: str, path: Path) -> list[Any]:
    try:
        value = json.loads(content)
    except ValueError as error:
        raise FeedbackError(f"{path}: not JSON ({error}); export it as JSON") from None
    if not isinstance(value, list):
        raise FeedbackError(f"{path}: expected a list of tasks, found {type(value).__name__}")
    return value
