"""The Model folder: a backbone adapted to a task by a method, as safetensors and JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunewheel.models.card import model_card
from tunewheel.models.machine import library_versions
from tunewheel.tasks import Prediction, Row, Task, load_task

if TYPE_CHECKING:
    from tunewheel.models.encoding import TextEncoder
    from tunewheel.models.network import Network
    from tunewheel.models.predictor import Predictor

SCHEMA = 1
DECLARATION = "tunewheel.json"


class ModelError(ValueError):
    """A model folder is incomplete, damaged or of another kind."""


@dataclass(frozen=True)
class Origin:
    """Where a model comes from: all that its folder declares beside task and files."""

    method: str
    base: str
    dataset: str
    parents: tuple[str, ...] = ()
    split: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    dev: Mapping[str, float] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=library_versions)
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


class Model:
    """A network with its task and tokenizer: it predicts, and it is saved and loaded as one folder.

    The folder holds safetensors and JSON only, never pickle and never code, with a sha256 of each file in
    ``tunewheel.json``; `load` checks them all.
    """

    def __init__(self, network: Network, task: Task, encoder: TextEncoder, origin: Origin) -> None:
        self.network = network
        self.task = task
        self.encoder = encoder
        self.origin = origin

    @cached_property
    def _predictors(self) -> dict[str, Predictor]:
        return {}

    def predictor(self, precision: Literal["fp32", "bf16"] = "fp32") -> Predictor:
        """The one predictor for evaluation, prediction and serving."""
        from tunewheel.models.predictor import Predictor

        if precision not in self._predictors:
            self._predictors[precision] = Predictor(self.network, self.task, self.encoder, precision)
        return self._predictors[precision]

    def predict(self, texts: Sequence[str | Row]) -> list[Prediction]:
        """Predict texts, or rows with a ``text`` column; one prediction each, in order."""
        return list(self.stream(texts))

    def stream(self, texts: Iterable[str | Row]) -> Iterator[Prediction]:
        """Predict any number of texts at constant memory."""
        return self.predictor().stream({"text": t} if isinstance(t, str) else t for t in texts)

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(p.numel() for p in self.network.parameters())

    def save(self, folder: str | Path) -> Path:
        """Write the model folder; an existing file of another model is refused."""
        folder = Path(folder)
        if folder.exists() and any(folder.iterdir()):
            raise ModelError(f"{folder} is not empty; name a new folder")
        folder.mkdir(parents=True, exist_ok=True)
        self.network.save_pretrained(folder)
        self.encoder.tokenizer.save_pretrained(folder)
        (folder / "README.md").write_text(model_card(self), encoding="utf-8")
        declaration = {
            "schema": SCHEMA,
            "task": {"name": self.task.name, "config": self.task.config()},
            "encoder": {"window": self.encoder.window, "shapes": self.encoder.shapes},
            "tokenizer": _sha256(folder / "tokenizer.json"),
            **asdict(self.origin),
            "files": {path.name: _sha256(path) for path in sorted(folder.iterdir())},
        }
        text = json.dumps(declaration, indent=2, ensure_ascii=False, default=list)
        (folder / DECLARATION).write_text(text + "\n", encoding="utf-8")
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Model:
        """Read a model folder; raises `ModelError` naming the file that is missing, altered or not declared."""
        import torch
        from transformers import AutoTokenizer
        from transformers.utils import logging

        from tunewheel.models.encoding import TextEncoder
        from tunewheel.models.network import Network

        folder = Path(folder)
        declared = read_declaration(folder)
        _check_files(folder, declared["files"])
        logging.disable_progress_bar()
        network = Network.from_pretrained(folder, dtype=torch.float32, local_files_only=True, use_safetensors=True)
        if torch.cuda.is_available():
            network = network.to("cuda")
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        encoder = TextEncoder(tokenizer, **declared["encoder"])
        origin = Origin(**{name: declared[name] for name in Origin.__dataclass_fields__ if name in declared})
        origin = replace(origin, parents=tuple(origin.parents))
        return cls(network.eval(), load_task(declared["task"]), encoder, origin)


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
        if _sha256(path) != expected:
            raise ModelError(f"{path} was altered: its sha256 is not the one in {DECLARATION}")
    stray = {path.name for path in folder.iterdir()} - set(files) - {DECLARATION}
    if stray:
        raise ModelError(f"{folder} holds files that {DECLARATION} does not declare: {', '.join(sorted(stray))}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
