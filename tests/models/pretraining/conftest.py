import random

import pytest

from tunewheel import loop
from tunewheel.models.pretraining.recipe import PretrainRecipe

WORDS = "我们 今天 公司 发布 报告 客户 服务 银行 卡片 丢失 怎么 办理 上海 北京 市场 增长 下降 card lost money".split()  # noqa: SIM905


class Stop(Exception):
    """The power goes."""


class Cut:
    """A progress display that ends the run at an update."""

    def __init__(self, at):
        self.at = at

    def start(self, total, done): ...

    def step(self, done, loss, tokens, seconds):
        if done == self.at:
            raise Stop

    def evaluated(self, epoch, metrics): ...

    def stop(self): ...


def sentences(count: int, seed: int = 1) -> list[str]:
    """Sentences of our own in both languages; one of three words follows a word, so there is something to learn."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        at = draw.randrange(len(WORDS))
        text = []
        for _ in range(draw.randint(8, 40)):
            text.append(WORDS[at])
            at = (at * 7 + draw.randrange(3)) % len(WORDS)
        made.append(" ".join(text) + "。")
    return made


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n".join(sentences(1500)), encoding="utf-8")
    return path


@pytest.fixture
def recipe():
    def make(**changes):
        small = {"layers": 1, "width": 32, "heads": 2, "vocabulary": 4400, "length": 32, "batch_tokens": 256}
        return PretrainRecipe(
            **{**small, "tokens": 256 * 12, "eval_steps": 6, "precision": "fp32", "checkpoint_seconds": 0, **changes}
        )

    return make


@pytest.fixture
def cut():
    """Begins a run, and ends it at an update as a killed process does."""

    def run(at, *given, **named):
        with pytest.raises(Stop):
            loop.pretrain(*given, **named, progress=lambda *_: Cut(at))

    return run
