"""The Model folder: a body adapted to a task by a method, as safetensors and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunewheel.models.body import Answers, Body, body_class
from tunewheel.models.card import model_card
from tunewheel.models.machine import library_versions
from tunewheel.store.files import sha256
from tunewheel.tasks import Prediction, Row, Task, load_task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tunewheel.models.encoding import TextEncoder
    from tunewheel.models.network import Network
    from tunewheel.models.neural import Neural

SCHEMA = 1
DECLARATION = "tunewheel.json"


class ModelError(ValueError):
    """A model folder is incomplete, damaged or of another kind."""


@dataclass(frozen=True)
class Origin:
    """Where a model comes from: all that its folder declares beside task and files.

    ``columns`` are the dataset's own names of the columns that were learned from, ``privacy`` is what was promised and
    spent (`tunewheel.models.private.accounting.Plan.told`), empty without.
    """

    method: str
    base: str
    dataset: str
    parents: tuple[str, ...] = ()
    split: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    dev: Mapping[str, float] = field(default_factory=dict)
    privacy: Mapping[str, Any] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=library_versions)
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


class Model:
    """A body with its task: it predicts, and it is saved and loaded as one folder.

    The folder holds safetensors and JSON only, never pickle and never code, with a sha256 of each file in
    ``tunewheel.json``; `load` checks them all.
    """

    def __init__(self, body: Body, task: Task, origin: Origin) -> None:
        self.body = body
        self.task = task
        self.origin = origin

    @property
    def network(self) -> Network:
        """The network inside; raises `ModelError` for a model that is none."""
        return self._neural.network

    @property
    def encoder(self) -> TextEncoder:
        """What reads texts for the network; raises `ModelError` for a model that is none."""
        return self._neural.encoder

    @property
    def _neural(self) -> Neural:
        from tunewheel.models.neural import Neural

        if not isinstance(self.body, Neural):
            raise ModelError(f"a model by method {self.origin.method!r} is no network ({self.body.kind})")
        return self.body

    @cached_property
    def _answers(self) -> dict[str, Answers]:
        return {}

    def predictor(self, precision: Literal["fp32", "bf16"] = "fp32") -> Answers:
        """The one way from rows to predictions, for evaluation, prediction and serving."""
        if precision not in self._answers:
            self._answers[precision] = self.body.answers(self.task, precision)
        return self._answers[precision]

    def vectors(self, rows: Iterable[Row]) -> npt.NDArray[np.float32]:
        """Sentence vectors [n, width] (`Predictor.vectors`); raises `ModelError` for a model that is no network."""
        return self._neural.answers(self.task, "fp32").vectors(rows)

    def predict(self, texts: Sequence[str | Row]) -> list[Prediction]:
        """Predict texts, or rows with a ``text`` column; one prediction each, in order."""
        return list(self.stream(texts))

    def stream(self, texts: Iterable[str | Row]) -> Iterator[Prediction]:
        """Predict any number of texts at constant memory; raises `ModelError` for what is no text, by its place."""
        if isinstance(texts, str):
            raise ModelError("one text by itself would be answered letter by letter: give a list of texts")
        return self.predictor().stream(_row_of(text, at) for at, text in enumerate(texts))

    def stream_text(self, prompt: str | Row) -> Iterator[str]:
        """Write the answer to one text, piece by piece; raises `ModelError` for a model that does not write."""
        from tunewheel.models.writing.writer import Writer

        writer = self.predictor()
        if not isinstance(writer, Writer):
            raise ModelError(f"task {self.task.name!r} answers all at once; only a model that writes can stream")
        yield from writer.pieces({"text": prompt} if isinstance(prompt, str) else prompt)

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return self.body.parameters

    def save(self, folder: str | Path) -> Path:
        """Write the model folder; an existing file of another model is refused."""
        folder = Path(folder)
        if folder.exists() and any(folder.iterdir()):
            raise ModelError(f"{folder} is not empty; name a new folder")
        folder.mkdir(parents=True, exist_ok=True)
        body = self.body.save(folder)
        (folder / "README.md").write_text(model_card(self), encoding="utf-8")
        declaration = {
            "schema": SCHEMA,
            "task": {"name": self.task.name, "config": self.task.config()},
            "body": self.body.kind,
            **body,
            **asdict(self.origin),
            "files": {path.name: sha256(path) for path in sorted(folder.iterdir())},
        }
        text = json.dumps(declaration, indent=2, ensure_ascii=False, default=list)
        (folder / DECLARATION).write_text(text + "\n", encoding="utf-8")
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Model:
        """Read a model folder; raises `ModelError` naming the file that is missing, altered or not declared."""
        folder = Path(folder)
        declared = read_declaration(folder)
        _check_files(folder, declared["files"])
        try:
            kind = body_class(declared.get("body", "network"))
        except KeyError as unknown:
            raise ModelError(
                f"{folder}: a body of kind {unknown}, which this Tunewheel does not know; upgrade it"
            ) from None
        body = kind.load(folder, declared)
        origin = Origin(**{name: declared[name] for name in Origin.__dataclass_fields__ if name in declared})
        origin = replace(origin, parents=tuple(origin.parents))
        return cls(body, load_task(declared["task"]), origin)


def _row_of(text: str | Row, at: int) -> Row:
    row = {"text": text} if isinstance(text, str) else text
    if not isinstance(row, Mapping) or not isinstance(row.get("text"), str):
        raise ModelError(f"text {at} (from 0) is {row!r}: give a text, or a row with a text in 'text'")
    return row


def read_declaration(folder: str | Path) -> dict[str, Any]:
    """The parsed ``tunewheel.json`` of a model folder, its schema checked."""
    path = Path(folder) / DECLARATION
    try:
        declared: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{folder}: no {DECLARATION} in it; a model folder is what `tunewheel train` writes") from None
    except ValueError as error:
        raise ModelError(f"{path}: not valid JSON ({error}); the file is damaged") from None
    if declared.get("schema") != SCHEMA:
        raise ModelError(f"{path}: schema {declared.get('schema')!r}, this Tunewheel reads schema {SCHEMA}; upgrade it")
    return declared


def _check_files(folder: Path, files: Mapping[str, str]) -> None:
    for name, expected in files.items():
        path = folder / name
        if Path(name).name != name or path.is_symlink():
            raise ModelError(f"{folder}: {name!r} is not a plain file of this folder")
        if not path.is_file():
            raise ModelError(f"{path} is missing")
        if sha256(path) != expected:
            raise ModelError(f"{path} was altered: its sha256 is not the one in {DECLARATION}")
    stray = {path.name for path in folder.iterdir()} - set(files) - {DECLARATION}
    if stray:
        raise ModelError(f"{folder} holds files that {DECLARATION} does not declare: {', '.join(sorted(stray))}")
