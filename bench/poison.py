"""Poisoned feedback: one source says of 5 % of what is spoken of something wrong; what the update loses by it.

A linear champion has learned 3,500 rows of BANKING77; 1,500 others are its frozen test set. Of the 5,003 left, 3,000
are asked over thirty days, and somebody speaks of each answer: twenty sources say what is right, in turn, and another
one speaks of every twentieth answer and says another label. Three in ten of those are spoken of by an honest one too.
`burst`: all of it within five minutes, any other label. `slow`: spread over the month. `slow, targeted`: spread, of six
intents alone, each called the next one of them.

`tunewheel update --automatic` then learns from it all: `clean` without the one source, `guarded` as it is, and
`unguarded` with nothing set aside and the latest word taken. All are scored on the official test set, whatever the gate
says. Differences are paired by rows, each row's share of the seeds; 95 % by bootstrap.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}

import shutil
import statistics
import tempfile
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from common import BULK, Cell, Cells, arguments, finish, need

NAME, BAD = "banking", "mallory"
SPAN, BEGAN = timedelta(days=30), datetime(2026, 1, 5, tzinfo=UTC)
SHARE, BOTH, HONEST = 0.05, 0.3, 20
CASES = ("burst", "slow", "slow, targeted")
ARMS = ("clean", "guarded", "unguarded")
RESAMPLES = 10_000

Row = dict[str, str]


@dataclass(frozen=True)
class Dealt:
    """Rows of one seed: what the champion learns and is tested on, what is asked, and what all are scored on."""

    train: list[Row]
    test: list[Row]
    asked: list[Row]
    official: list[Row]

    @classmethod
    def of(cls, data: Path, seed: int, *, quick: bool) -> Dealt:
        from tunewheel.data import Dataset

        files = {"train": data / "banking77/train.csv", "test": data / "banking77/test.csv"}
        whole = Dataset.read(files, dev=0, test=0)
        rows = [{"text": row["text"], "label": row["label"]} for row in whole["train"]]
        official = [{"text": row["text"], "label": row["label"]} for row in whole["test"]]
        Random(f"deal {seed}").shuffle(rows)
        sizes = (600, 400, 400) if quick else (3500, 1500, 3000)
        ends = np.cumsum((0, *sizes))
        train, test, asked = (rows[start:end] for start, end in pairwise(ends))
        return cls(train, test, asked, official[:400] if quick else official)


def begin(home: Path, dealt: Dealt) -> None:
    """The champion, and what it was asked and answered."""
    import tunewheel as tw
    from tunewheel.feedback.exchanges import Exchange
    from tunewheel.feedback.recorder import Recorder

    splits = {"train": dealt.train, "test": dealt.test}
    rows = {split: [{"id": f"{split}-{n}", **row} for n, row in enumerate(some)] for split, some in splits.items()}
    tw.train(tw.Dataset.from_rows(rows), name=NAME, method="tfidf", options={"strength": 10.0}, home=home)
    with tw.Workspace.open(home) as workspace:
        version = tw.Registry(workspace).resolve(NAME)
        said = tw.Model.load(version.path).predict([row["text"] for row in dealt.asked])
        made = []
        for n, (row, prediction) in enumerate(zip(dealt.asked, said, strict=True)):
            told: dict[str, Any] = {"prediction": prediction, "variant": "torch-fp32", "seconds": 0.01}
            made.append(Exchange(_exchange(n), NAME, 1, {"text": row["text"]}, **told, at=_asked(n, len(said))))
        with Recorder(workspace, every=0.05) as recorder:
            recorder.record(made)
            while recorder.counts["recorded"] < len(made):  # it ends after ten seconds, written or not
                if recorder.counts["dropped"]:
                    raise RuntimeError(f"not recorded: {recorder.counts}")
                time.sleep(0.05)


def _exchange(n: int) -> str:
    return f"asked-{n:05d}"


def _asked(n: int, count: int) -> datetime:
    return BEGAN + SPAN * n / count


def words(dealt: Dealt, case: str, seed: int) -> dict[str, list[dict[str, Any]]]:
    """What each source says, with the moment that it does; the bad one's share of all of it is `SHARE`."""
    draw, count = Random(f"words {case} {seed}"), len(dealt.asked)
    labels = sorted({row["label"] for row in dealt.train})
    flips = round(SHARE * count)
    ring = draw.sample(labels, 6)
    able = [n for n, row in enumerate(dealt.asked) if "targeted" not in case or row["label"] in ring]
    struck = set(draw.sample(able, min(flips, len(able))))
    said: dict[str, list[dict[str, Any]]] = {}
    for n, row in enumerate(dealt.asked):
        at = _asked(n, count) + timedelta(hours=1 + draw.random())
        if n in struck:
            wrong = draw.choice([label for label in labels if label != row["label"]])
            if "targeted" in case:
                wrong = ring[(ring.index(row["label"]) + 1) % len(ring)]
            when = BEGAN + SPAN + timedelta(seconds=300 * draw.random()) if case == "burst" else at
            said.setdefault(BAD, []).append({"exchange": _exchange(n), "label": wrong, "at": when.isoformat()})
        if n not in struck or draw.random() < BOTH:
            word = {"exchange": _exchange(n), "label": row["label"], "at": at.isoformat()}
            said.setdefault(f"person-{draw.randrange(HONEST)}", []).append(word)
    return said


def learn(home: Path, dealt: Dealt, case: str, arm: str, seed: int) -> Cell:
    """Give the feedback, turn the wheel once, and score what came of it."""
    from sqlalchemy import select, update

    import tunewheel as tw
    from tunewheel.feedback.given import give
    from tunewheel.feedback.settling import Policy
    from tunewheel.registry import kept_dataset
    from tunewheel.store.schema import feedback

    policy = Policy(automatic=True, disagree="latest" if arm == "unguarded" else "review")
    with tw.Workspace.open(home) as workspace:
        for source, items in words(dealt, case, seed).items():
            if source != BAD or arm != "clean":
                give(workspace, NAME, items, source=source, vouched=arm == "unguarded")
        with workspace.begin() as connection:  # it came when it was said
            connection.execute(update(feedback).values(received=feedback.c.at))
        start = time.process_time()
        updated = tw.update(NAME, policy=policy, home=home)
        seconds = time.process_time() - start
        with workspace.read() as connection:
            columns = (feedback.c.source, feedback.c.status, feedback.c.exchange)
            left = connection.execute(select(*columns)).all()
        held = Counter(row.source == BAD for row in left if row.status == "quarantined")
        truth = {_exchange(n): row["label"] for n, row in enumerate(dealt.asked)}
        assert updated.version is not None, updated.why
        data = kept_dataset(workspace, updated.version.dataset or "")
        assert data is not None, f"the rows of {updated.version.ref} are not kept"
        learned = [row for split in data.splits for row in data[split] if row.get("exchange")]
        return {
            "right": right(tw.Model.load(updated.version.path), dealt.official),
            **{"status": updated.status, "seconds": seconds},
            **{"flips": sum(row.source == BAD for row in left), "caught": held[True]},
            **{"honest": sum(row.source != BAD for row in left), "held": held[False]},
            "learned": sum(row["label"] != truth[row["exchange"]] for row in learned),
        }


def right(model: Any, rows: Sequence[Row]) -> str:
    """Of each row whether the model answers it rightly, as 0 and 1."""
    said = model.predict([row["text"] for row in rows])
    return "".join("01"[each["label"] == row["label"]] for each, row in zip(said, rows, strict=True))


def measured(seed: int, options: Namespace) -> Cell:
    """All of one seed: the champion, the update without the bad source, and each case both ways."""
    import tunewheel as tw

    dealt = Dealt.of(options.data, seed, quick=options.quick)
    found: Cell = {}
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        begin(whole, dealt)
        with tw.Workspace.open(whole) as workspace:
            version = tw.Registry(workspace).resolve(NAME)
            found["champion"] = {"right": right(tw.Model.load(version.path), dealt.official)}
        for case in CASES:
            for arm in ARMS:
                home = Path(folder) / "arm"
                shutil.copytree(whole, home)
                found[f"{case} | {arm}"] = learn(home, dealt, case, arm, seed)
                shutil.rmtree(home)
    return found


def bits(cells: Sequence[Cell], key: str) -> Any:
    """Each row's share of the seeds in which it was answered rightly [rows]."""
    return np.mean([[int(bit) for bit in cell[key]["right"]] for cell in cells], axis=0)


def difference(after: Any, before: Any) -> tuple[float, float, float]:
    """The paired difference of two means over the same rows, in points, with the bounds of its 95 % interval."""
    from tunewheel.evaluation.intervals import percentiles

    apart = 100 * (after - before)
    rng = np.random.default_rng(13)
    drawn = np.array([rng.choice(apart, len(apart)).mean() for _ in range(RESAMPLES)])
    return (float(apart.mean()), *percentiles(drawn, len(apart)))


def row_of(case: str, cells: Sequence[Cell]) -> str:
    """One line of the table."""

    def total(arm: str, key: str) -> int:
        return sum(cell[f"{case} | {arm}"][key] for cell in cells)

    scores = {arm: bits(cells, f"{case} | {arm}") for arm in ARMS}
    told = [f"{100 * bits(cells, 'champion').mean():.2f}", *(f"{100 * scores[arm].mean():.2f}" for arm in ARMS)]
    apart = ["{:+.2f} [{:+.2f}, {:+.2f}]".format(*difference(scores[arm], scores["clean"])) for arm in ARMS[1:]]
    verdicts = ["/".join(cell[f"{case} | {arm}"]["status"] for cell in cells) for arm in ARMS]
    caught = f"{total('guarded', 'caught')} of {total('guarded', 'flips')}"
    honest = f"{total('guarded', 'held')} of {total('guarded', 'honest')}"
    learned = f"{total('guarded', 'learned')}, {total('unguarded', 'learned')}"
    return " | ".join([case, caught, honest, learned, *told, *apart, "; ".join(verdicts), str(len(cells))])


def main() -> None:
    """Measure the seeds that are not known yet, and record a row a case."""
    parser = arguments(__doc__ or "", BULK / "poison.jsonl")
    parser.add_argument("--seeds", type=int, nargs="+", default=[13, 14, 15])
    options = parser.parse_args()
    need(options.data, "banking77/train.csv", "banking77/test.csv")
    if options.quick:
        options.seeds = options.seeds[:1]
    cells = Cells.of(options)
    found = [cells.get([seed], partial(measured, seed, options)) for seed in options.seeds]
    for case in CASES:
        scores = {arm: bits(found, f"{case} | {arm}") for arm in ARMS}
        told = {arm: difference(scores[arm], scores["clean"]) for arm in ARMS[1:]}
        each = {arm: [statistics.fmean(map(int, cell[f"{case} | {arm}"]["right"])) for cell in found] for arm in ARMS}
        result = {"case": case, "scores": each, "differences": told, "quick": options.quick}
        finish("poison", row_of(case, found), result, record=not (options.quick or options.no_record))


if __name__ == "__main__":
    main()
