"""An export's folder: graphs, and a declaration that hashes them; nothing else may lie in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunewheel.models.model import Model
from tunewheel.store.files import sha256, write_whole

SCHEMA = 1
NAME = "export.json"
FILES = {"onnx-fp32": "model.onnx", "onnx-int8": "model.int8.onnx"}
"""The file of each exported variant."""

_DOMAINS = frozenset({"", "ai.onnx", "com.microsoft", "pkg.onnxscript.torch_lib", "pkg.onnxscript.torch_lib.common"})


class ExportError(ValueError):
    """A model cannot be exported, or an export cannot be used."""


def beside(folder: Path) -> Path:
    """Where the export of a model folder lies if nothing else is said: ``model`` → ``model.export``."""
    folder = folder.resolve()
    return folder.with_name(f"{folder.name}.export")


def fingerprint(model: Model) -> str:
    """The hash of a network's weights: an export is of exactly these."""
    from hashlib import sha256 as digest

    found = digest()
    for name, tensor in sorted(model.network.state_dict().items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def declare(folder: Path, weights: str, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Write the declaration over the graphs that lie in ``folder``; ``weights`` is the model's `fingerprint`."""
    files = {path.name: sha256(path) for path in sorted(folder.iterdir()) if path.name != NAME}
    declared = {"schema": SCHEMA, "weights": weights, "files": files, **summary}
    write_whole(folder / NAME, json.dumps(declared, indent=2, ensure_ascii=False) + "\n")
    return declared


def read_export(folder: str | Path, model: Model | None = None) -> dict[str, Any]:
    """The declaration of an export, every file checked against its hash and, where given, the ``model`` too.

    Raises `ExportError` naming the file that is missing, altered, not declared or no plain graph.
    """
    folder = Path(folder)
    try:
        declared: dict[str, Any] = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise ExportError(f"{folder}: no {NAME} in it; an export is what `tunewheel export` writes") from None
    except ValueError as error:
        raise ExportError(f"{folder / NAME}: not valid JSON ({error}); export the model again") from None
    if declared.get("schema") != SCHEMA:
        raise ExportError(f"{folder / NAME}: schema {declared.get('schema')!r}, this Tunewheel reads {SCHEMA}; upgrade")
    for name, expected in declared["files"].items():
        path = folder / name
        if name not in FILES.values() or path.is_symlink():
            raise ExportError(f"{folder}: {name!r} is no graph of an export")
        if not path.is_file():
            raise ExportError(f"{path} is missing; export the model again")
        if sha256(path) != expected:
            raise ExportError(f"{path} was altered: its sha256 is not the one in {NAME}; export the model again")
    stray = {path.name for path in folder.iterdir()} - set(declared["files"]) - {NAME}
    if stray:
        raise ExportError(f"{folder} holds files that {NAME} does not declare: {', '.join(sorted(stray))}")
    if model is not None and declared["weights"] != fingerprint(model):
        raise ExportError(f"{folder} is the export of another model; export this one again")
    return declared


def check_graph(path: Path) -> None:
    """Raise `ExportError` for a graph with tensors outside its file, or operators that are not onnxruntime's own."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    graphs = [model.graph]
    while graphs:
        graph = graphs.pop()
        if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in graph.initializer):
            raise ExportError(f"{path} takes tensors from other files, which an export does not have")
        for node in graph.node:
            if node.domain not in _DOMAINS:
                raise ExportError(f"{path} asks for operators of {node.domain!r}, which are not onnxruntime's own")
            for attribute in node.attribute:
                if attribute.t.data_location == onnx.TensorProto.EXTERNAL:
                    raise ExportError(f"{path} takes tensors from other files, which an export does not have")
                graphs += [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]
