"""The ways to compute one model, and which of them is fastest here: measured, not assumed."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, cast

from tunewheel.models.body import Answers
from tunewheel.models.exporting.folder import FILES, ExportError, check_graph, read_export
from tunewheel.models.exporting.graph import check_export
from tunewheel.models.model import Model
from tunewheel.models.predictor import Output, Predictor
from tunewheel.tasks import Prediction, Row

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tunewheel.models.network import Network

VARIANTS = ("torch-fp32", "torch-bf16", *FILES)
"""Every way to compute a network; "torch-fp32" is what every other is held against."""

Precision = Literal["fp32", "bf16"]


class OnnxRun:
    """A network's graph under onnxruntime, on the processor; what follows a CRF's scores is the network's own."""

    start = 6  # measured with MiniLM on one core, in fp32: 1.7 ms a batch and 0.24 ms a token

    def __init__(self, path: Path, network: Network, *, alone: bool = False, threads: int | None = None) -> None:
        """``alone`` for int8, whose scales span a batch: so that no neighbour moves an answer, a text has none.

        Together, texts of 16, 32 and 64 tokens took 20, 14 and 15 % less time. Scales of each token's own
        (MatMulNBits), which no neighbour moves either, took 1.5 to 1.6 times as long (MiniLM, one core with VNNI).
        """
        import torch

        check_export(reading=True)
        import onnxruntime

        check_graph(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.network = network
        self.alone = alone
        # From bytes: there is no folder from which it could take anything else.
        self.session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        self.inputs = [each.name for each in self.session.get_inputs()]

    def __call__(self, batch: Mapping[str, Any], wanted: Sequence[Output]) -> list[npt.NDArray[np.float32]]:
        """See `tunewheel.models.predictor.Run`; only what the wanted outputs need is computed."""
        import torch

        feed = {name: batch[name].numpy() for name in self.inputs}
        found: list[Any] = self.session.run(list(wanted), feed)
        if self.network.config.loss == "crf" and "logits" in wanted:
            at = list(wanted).index("logits")
            device = self.network.device
            with torch.inference_mode():
                scores = torch.from_numpy(found[at]).to(device)
                found[at] = self.network.answers(scores, batch["attention_mask"].to(device)).cpu().numpy()
        return found


def variant_predictor(model: Model, variant: str, folder: Path | None = None) -> Answers:
    """The way from rows to predictions through one variant; ``folder`` is the model's export.

    Raises `ExportError` for a variant that this model, or its export, does not have.
    """
    found = usable_variants(model, folder)
    if variant not in found:
        remedy = "" if folder else "; `tunewheel export` makes the others"
        raise ExportError(f"there is no variant {variant!r} of this model; it has {', '.join(found)}{remedy}")
    engine, precision = variant.split("-")
    if engine == "torch":
        return model.predictor(cast(Precision, precision))
    assert folder is not None
    predictor = cast(Predictor, model.predictor())
    return predictor.through(OnnxRun(Path(folder) / FILES[variant], model.network, alone=variant == "onnx-int8"))


def usable_variants(model: Model, folder: Path | None = None) -> list[str]:
    """The variants of a model, those in its export included; every file of that is checked.

    Raises `ExportError` for an export that is damaged, or of another model.
    """
    found = ["torch-fp32", "torch-bf16"]
    if folder is not None:
        files = read_export(folder, model)["files"]
        found += [variant for variant, name in FILES.items() if name in files]
    return found


def described(answers: Answers, rows: Sequence[Row]) -> tuple[list[Prediction], npt.NDArray[np.float32] | None]:
    """Predictions and sentence vectors [n, width] out of one pass; no vectors where there is no network inside."""
    if isinstance(answers, Predictor):
        return answers.described(rows)
    return answers(rows), None


def fastest(
    model: Model, folder: Path | None, rows: Sequence[Row], *, rounds: int = 5, variants: Sequence[str] | None = None
) -> tuple[str, dict[str, float]]:
    """The variant that answers ``rows`` soonest on this machine, and the median seconds of each.

    They take turns, so that whatever else the machine does slows all of them alike. The first round is not counted.
    """
    answers = {
        variant: variant_predictor(model, variant, folder) for variant in variants or usable_variants(model, folder)
    }
    told: dict[str, list[float]] = {variant: [] for variant in answers}
    for turn in range(rounds + 1):
        for variant, answer in answers.items():
            start = perf_counter()
            answer(rows)
            if turn:
                told[variant].append(perf_counter() - start)
    seconds = {variant: statistics.median(each) for variant, each in told.items()}
    return min(seconds, key=seconds.__getitem__), seconds
