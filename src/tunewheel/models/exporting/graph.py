"""From a network to ONNX graphs: fp32 as it is, and int8 whose answers no neighbour moves."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunewheel.models.network import Network

OPSET = 23
"""The first opset in which attention is one operator. `onnxruntime.transformers` finds none to fuse in what torch's
exporter writes for older ones (0 of MiniLM's 6, opset 20), where it stands as a dozen operators."""


class MissingExport(ImportError):
    """The extra `export` is not installed."""


def check_export(*, reading: bool = False) -> None:
    """Raise `MissingExport` with the command that installs it; ``reading`` what was exported takes less."""
    from importlib.util import find_spec

    if any(find_spec(name) is None for name in ("onnx", "onnxruntime", *(() if reading else ("onnxscript",)))):
        raise MissingExport("export needs packages: pip install 'tunewheel[export]'")


def write_graph(network: Network, path: Path) -> dict[str, int]:
    """Write a network as one ONNX file in fp32; returns how many operators of each kind it has.

    Inputs are ``input_ids``, ``attention_mask`` and, for a network with word shapes, ``shape_ids``, all int64
    [batch, length], both free. Outputs are ``hidden`` [batch, length, width] and, but for a bi-encoder, ``logits``:
    what the head says, before a CRF (`Network.scores`).
    """
    import torch

    check_export()
    traced = _traced(deepcopy(network).to("cpu").eval())
    names = ["input_ids", "attention_mask", *(["shape_ids"] if network.config.word_shapes else [])]
    # Sizes unlike each other and unlike 1, so that none is taken for fixed; one row is padded.
    ids = torch.ones(3, 11, dtype=torch.int64)
    mask = ids.clone()
    mask[1, 7:] = 0
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}
    with _quiet():
        from onnxscript import optimizer

        program = torch.onnx.export(
            traced,
            (ids, mask, *([torch.zeros_like(ids)] if len(names) == 3 else [])),
            input_names=names,
            output_names=outputs_of(network),
            dynamic_shapes=tuple(free for _ in names),
            opset_version=OPSET,
            dynamo=True,
            # Here it would also fuse ModernBERT's rotary embedding into one that fails on more than one text
            # (onnxscript 0.7); `optimize` below folds constants alone.
            optimize=False,
            verbose=False,
        )
        assert program is not None
        optimizer.optimize(program.model)
    program.save(str(path), external_data=False)
    return operators(path)


def outputs_of(network: Network) -> list[str]:
    """What the network's graph gives; a bi-encoder has no head."""
    return ["hidden"] if network.config.level == "vector" else ["logits", "hidden"]


def quantise(source: Path, target: Path) -> dict[str, int]:
    """Write a graph again with its matrix products in int8; returns how many operators of each kind it has.

    A weight has a scale for each of its columns; all that a product is given has one, found as it comes (dynamic
    quantisation), so whoever computes the graph gives it one text at a time (`OnnxRun.alone`). Weights have 7 bits:
    with 8, processors without VNNI saturate, and answer otherwise than the machine that the export was judged on.
    """
    import onnx

    check_export()
    # A text's head costs nothing, and is the last thing that should be rounded.
    # The quantizer parts such a node in two before it looks at what it shall leave, hence the name.
    nodes = onnx.load(source, load_external_data=False).graph.node
    heads = [f"{node.name}_MatMul" for node in nodes if node.op_type == "Gemm"]
    with _quiet():
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=["MatMul"],
            nodes_to_exclude=heads,
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )
    return operators(target)


def operators(path: Path) -> dict[str, int]:
    """How many operators of each kind a graph has, functions that it calls included."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    counts: dict[str, int] = {}
    for nodes in (model.graph.node, *(function.node for function in model.functions)):
        for node in nodes:
            counts[node.op_type] = counts.get(node.op_type, 0) + 1
    return dict(sorted(counts.items()))


def _traced(network: Network) -> Any:
    """A module of a network's inputs in, outputs of its graph out."""
    from torch import Tensor, nn

    class Traced(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, ids: Tensor, mask: Tensor, shapes: Tensor | None = None) -> tuple[Tensor, ...]:
            hidden = self.network.hidden(ids, mask, shapes)
            made = {"hidden": hidden}
            if self.network.config.level != "vector":
                made["logits"] = self.network.scores(hidden, mask)
            return tuple(made[name] for name in outputs_of(self.network))

    return Traced().eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the exporter and the quantizer tell of themselves off the console.

    The warnings: torch passes a deprecated class of its own (FutureWarning, LeafSpec), and the names of axes that are
    equal everywhere are written once. The quantizer speaks through the root logger, and sets it up when first used.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    told = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir", "onnxruntime")]
    before = [logger.level for logger in told]
    try:
        for logger in (root, *told):
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*LeafSpec.*", FutureWarning)
            warnings.filterwarnings("ignore", ".*axis name.*will not be used", UserWarning)
            yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        for logger, old in zip(told, before, strict=True):
            logger.setLevel(old)
