"""The wheel: one function per verb, joining the nouns. The commands and the Python API both call it."""

from tunewheel.loop.archive import pack, unpack
from tunewheel.loop.check import check
from tunewheel.loop.clean import clean
from tunewheel.loop.collect import collect
from tunewheel.loop.compare import Compared, climb
from tunewheel.loop.distill import distill
from tunewheel.loop.drift import drift
from tunewheel.loop.export import export
from tunewheel.loop.forget import Forgotten, forget
from tunewheel.loop.gate import Gated, SelfTest, gate, self_test
from tunewheel.loop.learn import default_base, train
from tunewheel.loop.pretraining import pretrain
from tunewheel.loop.reading import LoopError, default_name, load, read_dataset, read_revision
from tunewheel.loop.rollout import Rolled, decide_again, keep_rolling, rollback, rollout, rollout_status
from tunewheel.loop.score import evaluate, predict, score_file
from tunewheel.loop.serve import serve
from tunewheel.loop.topics import topics
from tunewheel.loop.tune import tune
from tunewheel.loop.turn import TurnError, Updated
from tunewheel.loop.update import update

__all__ = [
    "Compared",
    "Forgotten",
    "Gated",
    "LoopError",
    "Rolled",
    "SelfTest",
    "TurnError",
    "Updated",
    "check",
    "clean",
    "climb",
    "collect",
    "decide_again",
    "default_base",
    "default_name",
    "distill",
    "drift",
    "evaluate",
    "export",
    "forget",
    "gate",
    "keep_rolling",
    "load",
    "pack",
    "predict",
    "pretrain",
    "read_dataset",
    "read_revision",
    "rollback",
    "rollout",
    "rollout_status",
    "score_file",
    "self_test",
    "serve",
    "topics",
    "train",
    "tune",
    "unpack",
    "update",
]
