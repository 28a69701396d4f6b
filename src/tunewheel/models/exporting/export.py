"""Exporting a model: graphs written, held against torch, declared."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from tunewheel.models.exporting.folder import FILES, ExportError, declare, fingerprint
from tunewheel.models.exporting.graph import check_export, operators, outputs_of, quantise, write_graph
from tunewheel.models.exporting.variants import OnnxRun, fastest
from tunewheel.models.machine import machine_name
from tunewheel.models.model import Model
from tunewheel.models.neural import Neural
from tunewheel.models.predictor import Predictor
from tunewheel.tasks import Row

TOLERANCE = 1e-4
"""How far an fp32 graph's outputs may be from torch's, on any row."""

TIMED = 256
"""Rows that a measurement of speed answers."""

Judge = Callable[[str, Predictor], dict[str, Any]]
"""What says of a variant's predictor how good it is: figures, and ``refused``, the reason or None."""


@dataclass(frozen=True)
class Exported:
    """An export: its ``folder``, and what it declares of itself, ready for JSON.

    ``checks`` has a dict a variant that was made: the largest ``difference`` of its outputs from torch's, its
    ``operators``, what it was judged by, and ``refused``, why it is no part of the export, or None. ``forced`` are
    variants that stayed all the same. ``seconds`` are medians over the same rows on ``machine``, by variant.
    """

    folder: Path
    checks: dict[str, dict[str, Any]]
    forced: list[str]
    seconds: dict[str, float]
    fastest: str
    machine: str
    skipped: dict[str, str] = field(default_factory=dict)
    rows: int = 0

    @property
    def summary(self) -> dict[str, Any]:
        """All but the folder."""
        return {name: value for name, value in vars(self).items() if name != "folder"}


def export(
    model: Model,
    *,
    dev_rows: Sequence[Row],
    folder: Path,
    variants: Collection[str] = tuple(FILES),
    tolerance: float = TOLERANCE,
    force: bool = False,
    judge: Judge = lambda variant, predictor: {"refused": None},
) -> Exported:
    """Write a model's graphs into a new ``folder``, keep those that answer as torch does, and time all.

    Args:
        model: a model that is a network, its adapters merged.
        dev_rows: rows that outputs are compared on.
        folder: where; it must be empty or not be there.
        variants: which of `FILES`.
        tolerance: the largest difference of an fp32 output, on the tokens of the text.
        force: keep what is refused, and record it.
        judge: what decides about int8, whose outputs do differ (`tunewheel.loop.export`).

    Raises:
        ExportError: the model is no network, or there is nothing to compare on.
    """
    check_exportable(model)
    if not dev_rows:
        raise ExportError("an export is accepted by what it answers: give it labelled rows")
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ExportError(f"{folder} is not empty; name a new folder")
    torch = cast(Predictor, model.predictor())
    plain, small = (folder / name for name in FILES.values())
    write_graph(model.network, plain)
    checks: dict[str, dict[str, Any]] = {}
    skipped: dict[str, str] = {}
    for variant in (each for each in FILES if each in variants):
        path = folder / FILES[variant]
        if path == small and not quantise(plain, small).get("MatMulInteger"):
            skipped[variant] = "no matrix product in it to be written in int8"
            small.unlink()
            continue
        predictor = torch.through(OnnxRun(path, model.network, alone=path == small))
        far = difference(torch, predictor, dev_rows)
        exact = f"its outputs differ from torch's by {far:.2g}, more than {tolerance:g}"
        judged = {"refused": None if far <= tolerance else exact} if path == plain else judge(variant, predictor)
        checks[variant] = {"difference": far, "operators": operators(path), **judged}
    refused = [variant for variant, check in checks.items() if check["refused"]]
    for variant in FILES:
        if variant not in checks or (variant in refused and not force):
            (folder / FILES[variant]).unlink(missing_ok=True)
    weights = fingerprint(model)
    declare(folder, weights, {})
    chosen, seconds = fastest(model, folder, dev_rows[:TIMED])
    found = Exported(folder, checks, refused if force else [], seconds, chosen, machine_name(), skipped, len(dev_rows))
    declare(folder, weights, found.summary)
    return found


def check_exportable(model: Model) -> None:
    """Raise `ExportError` for a model that is served as it is, and say why; `MissingExport` without the extra."""
    check_export()
    if not isinstance(model.body, Neural):
        raise ExportError(
            f"a model by method {model.origin.method!r} is no network ({model.body.kind}): it has nothing to export "
            "and is served as it is"
        )
    if model.network.backbone.config.model_type == "tunewheel-bilstm":
        raise ExportError("a BiLSTM reads texts of unlike length packed, which no graph does: it is served as it is")
    left = [name for name, _ in model.network.named_parameters() if "lora_" in name or "adapter" in name]
    if left:
        raise ExportError(
            f"{left[0]} is an adapter beside the network's weights; merge it first (peft's merge_and_unload)"
        )


def difference(one: Predictor, other: Predictor, rows: Sequence[Row]) -> float:
    """The largest difference of two predictors' outputs for the rows, tokens that are not the text's left aside."""
    wanted: Any = outputs_of(one.network)
    far = 0.0
    for chunk in one.chunks(rows):
        pairs = zip(one.outputs(chunk, wanted), other.outputs(chunk, wanted), strict=True)
        for ours, theirs in pairs:
            far = max([far, *(float(np.abs(a - b).max(initial=0.0)) for a, b in zip(ours, theirs, strict=True))])
    return far
