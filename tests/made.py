"""Methods made for tests: they know the answers, err as often as they are told, and take as long as they are told."""

import sys
import zlib
from dataclasses import dataclass
from types import ModuleType

from tunewheel.models import body, methods
from tunewheel.models.methods.base import Adaptation, Method, MethodError, Refusal
from tunewheel.models.model import Model
from tunewheel.tasks.classification import Classification

TASK = Classification(("balance", "lost"))


def rows_of(n, prefix):
    return [{"id": f"{prefix}{i}", "text": f"{prefix} {i}", "label": TASK.labels[i % 2]} for i in range(n)]


class Clock:
    """A clock that only the made methods move."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


CLOCK = Clock()
ASKED: list[str] = []
"""Every text that a made model was asked about, in order."""

LEARNED: list[tuple[str, int]] = []
"""Every training: the method and how many rows."""


@dataclass
class Oracle:
    """Answers with the row's own label, but for a share of the texts."""

    kind = "made"
    wrong: int  # of a hundred texts
    pace: float = 0.001
    parameters = 7

    def answers(self, task, precision):
        return Answering(self, task)

    def _one(self, task, row):
        ASKED.append(row["text"])
        CLOCK.now += self.pace
        label = row["label"]
        if zlib.crc32(row["text"].encode()) % 100 < self.wrong:
            label = next(other for other in task.labels if other != label)
        return {"label": label, "confidence": 0.9}

    def save(self, folder):
        (folder / "made.json").write_text("{}", encoding="utf-8")
        return {"wrong": self.wrong, "pace": self.pace}

    @classmethod
    def load(cls, folder, declared):
        return cls(declared["wrong"], declared["pace"])


class Answering:
    def __init__(self, oracle, task):
        self.oracle, self.task = oracle, task

    def __call__(self, rows):
        return list(self.stream(rows))

    def stream(self, rows):
        return (self.oracle._one(self.task, row) for row in rows)


@dataclass(frozen=True)
class Ready(Adaptation):
    method: Method
    job: object

    untrained = None

    @property
    def recipe(self):
        return self.job.recipe

    def described(self):
        return self.method.name

    def train(self, train, dev, folder, *, progress=None, report_to=()):
        LEARNED.append((self.method.name, len(train)))
        CLOCK.now += self.method.price * len(train)
        wrong = self.method.wrong if not self.method.curved else round(self.method.wrong + 300 / len(train) ** 0.5)
        return Model(Oracle(wrong, self.method.pace), self.job.task, self.job.origin), None


@dataclass(frozen=True)
class Made(Method):
    summary = "made"
    price = 0.1  # seconds a row
    pace = 0.001  # seconds an answer
    wrong = 0
    curved = False

    def prepare(self, job):
        return Ready(self, job)


def made(name, **settings):
    return dataclass(frozen=True)(type(name, (Made,), {"name": name, **settings}))


def install(patch, *found):
    """Make methods known under their names, and their body too; ``patch`` is a monkeypatch."""
    home, kinds = ModuleType("tunewheel.models.methods.made"), ModuleType("made_bodies")
    kinds.Oracle = Oracle
    patch.setitem(sys.modules, home.__name__, home)
    patch.setitem(sys.modules, kinds.__name__, kinds)
    patch.setitem(body._KINDS, "made", (kinds.__name__, "Oracle"))
    for each in found:
        setattr(home, each.name, each)
        patch.setitem(methods._OURS, each.name, f"made:{each.name}")
    CLOCK.now = 0.0
    ASKED.clear()
    LEARNED.clear()


def refusing(name):
    method = made(name)
    method.refuses = classmethod(lambda cls, task: Refusal("it counts words", "full"))
    return method


def unfit(name):
    def prepare(self, job):
        raise MethodError("no base of the kind it needs")

    return made(name, prepare=prepare)
