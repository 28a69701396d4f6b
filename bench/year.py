"""The wheel over a simulated year (`bench/traffic_year.py`), turned in four ways on the same traffic and feedback.

`never`: the first model answers all year. `calendar`: every fourth week all rows so far are learned anew, and the
result comes in front. `naive`: the same every week. `loop`: `tunewheel update --min-feedback 100 --on-drift
--automatic --disagree majority`, once a week. Each week people speak of 60 answers (6 in quiet weeks), half of them
the least sure, one in fifty wrongly; attackers on top (weeks 30 to 36). A linear model over n-grams, 3,000 training
and 3,000 test rows to begin with. A week's score is that of whichever model stands at its beginning, on 1,000 texts of
that week; a promotion is false if what comes in front is worse by more than half a point on 3,000 texts of that week.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from common import FIGURES, ROOT, Cell, Cells, arguments, finish
from traffic_year import BURST, DRIP, QUIET, WEEKS, Asked, Year

NAME = "desk"
BEGAN = datetime(2025, 1, 6, tzinfo=UTC)
PICTURE = ROOT / "docs" / "year.svg"
HALF = 0.005
PEOPLE = 5


@dataclass
class Desk:
    """A workspace through the year, and what is counted."""

    workspace: Any
    year: Year
    scores: list[float] = field(default_factory=list)
    labels: int = 0
    cpu: float = 0.0
    promoted: list[tuple[int, float]] = field(default_factory=list)
    """Weeks in which another model came in front, and by how much it was better there."""

    @property
    def place(self) -> dict[str, Any]:
        return {"home": self.workspace.home, "database": self.workspace.database}

    def champion(self) -> Any:
        import tunewheel as tw

        return tw.Registry(self.workspace).resolve(f"{NAME}@champion")

    def begin(self, rows: int) -> None:
        """The first model, on rows from before the year."""
        import tunewheel as tw

        made = {split: labelled(self.year.week(0, rows, split), split) for split in ("train", "test")}
        tw.train(tw.Dataset.from_rows(made), name=NAME, method="tfidf", **self.place)

    def answer(self, week: int) -> list[tuple[str, Asked, dict[str, Any]]]:
        """Answer a week's traffic and record it; each exchange with what was really meant."""
        import tunewheel as tw
        from tunewheel.feedback.exchanges import Exchange, exchange_id
        from tunewheel.feedback.recorder import Recorder

        version = self.champion()
        model, asked, opened = tw.Model.load(version.path), self.year.week(week), BEGAN + timedelta(weeks=week)
        fresh = self.year.week(week, 1000, "judged")
        self.scores.append(accuracy(model, fresh))
        said = model.predict([one.text for one in asked])
        made = []
        for place, (one, prediction) in enumerate(zip(asked, said, strict=True)):
            at = opened + timedelta(days=6) * place / len(asked)
            row = {"text": one.text}
            made.append(Exchange(exchange_id(at), NAME, version.number, row, prediction, "torch-fp32", 0.01, at=at))
        with Recorder(self.workspace, every=0.05) as recorder:
            recorder.record(made)
        return [(each.id, one, dict(each.prediction)) for each, one in zip(made, asked, strict=True)]

    def hear(self, week: int, answered: Sequence[tuple[str, Asked, dict[str, Any]]]) -> None:
        """What people say of a week's answers, and what attackers do."""
        from sqlalchemy import update

        from tunewheel.feedback.given import give
        from tunewheel.store.schema import feedback

        draw, known = Random(f"people {self.year.seed} {week}"), self.year.intents(week)
        half = 3 if week in QUIET else 30
        unsure = sorted(answered, key=lambda each: each[2]["confidence"])[:half]
        spoken = unsure + draw.sample([each for each in answered if each not in unsure], half)
        said: dict[str, list[dict[str, Any]]] = {}
        for n, (identifier, one, _) in enumerate(spoken):
            label = draw.choice(known) if draw.random() < 0.02 else one.intent
            said.setdefault(f"person-{n % PEOPLE}", []).append({"exchange": identifier, "label": label})
        flips = [each for each in answered if each[1].intent == "intent-00"]
        if week == BURST:
            said["stranger"] = [
                {"text": f"{one.text} {n}", "label": "intent-01"} for n in range(5) for _, one, _ in flips
            ]
        if week in DRIP:
            said["guest"] = [{"exchange": identifier, "label": "intent-01"} for identifier, _, _ in flips[:15]]
        opened = BEGAN + timedelta(weeks=week, days=6)
        for source, items in said.items():
            step = timedelta(seconds=1) if source == "stranger" else timedelta(hours=1)
            told = [item | {"at": (opened + step * n).isoformat()} for n, item in enumerate(items)]
            give(self.workspace, NAME, told, source=source)
            self.labels += len(told) if source.startswith("person") else 0
        with self.workspace.begin() as connection:  # it came when it was said, not all at once today
            connection.execute(update(feedback).values(received=feedback.c.at))

    def moved(self, week: int, before: Any, after: Any) -> None:
        """Count a promotion, and what it was worth."""
        import tunewheel as tw

        fresh = self.year.week(week, 3000, "promotion")
        worth = accuracy(tw.Model.load(after.path), fresh) - accuracy(tw.Model.load(before.path), fresh)
        self.promoted.append((week, worth))


Turn = Callable[[Desk, int], None]


def never(desk: Desk, week: int) -> None:
    """Nothing is learned."""


def everything(desk: Desk, week: int, *, every: int) -> None:
    """All rows and all that was said, learned anew; the result comes in front."""
    import tunewheel as tw
    from tunewheel.feedback.settling import Policy, settle
    from tunewheel.registry import kept_dataset

    if (week + 1) % every:
        return
    registry = tw.Registry(desk.workspace)
    with desk.workspace.read() as connection:
        settled = settle(connection, NAME, Policy(disagree="latest", automatic=True))
    first = kept_dataset(desk.workspace, registry.resolve(f"{NAME}:1").dataset or "")
    assert first is not None
    corrected = {row["text"] for row in settled.rows}
    rows = [row for split in first.splits for row in first[split] if split != "train" or row["text"] not in corrected]
    data = first.revise([*rows, *settled.rows], cache=desk.workspace.cache_dir)
    before = desk.champion()
    made = tw.train(data, name=NAME, method="tfidf", **desk.place).version
    if made.ref != before.ref:
        registry.promote(made.ref, why="as often as the calendar says")
        desk.moved(week, before, made)


def loop(desk: Desk, week: int) -> None:
    """One look of the wheel."""
    from tunewheel.feedback.settling import Policy
    from tunewheel.loop.turn import When
    from tunewheel.loop.update import drifted, update

    before = desk.champion()
    policy = Policy(disagree="majority", automatic=True)
    updated = update(NAME, when=When(min_feedback=100, drift=drifted), policy=policy, **desk.place)
    if updated.status == "promoted":
        desk.moved(week, before, updated.version)


WAYS: dict[str, Turn] = {
    "never": never,
    "calendar": partial(everything, every=4),
    "naive": partial(everything, every=1),
    "loop": loop,
}


def labelled(asked: Sequence[Asked], split: str) -> list[dict[str, str]]:
    """Rows of a split: its texts with what they were about."""
    return [{"id": f"{split}-{n}", "text": one.text, "label": one.intent} for n, one in enumerate(asked)]


def accuracy(model: Any, asked: Sequence[Asked]) -> float:
    """The share that a model answers rightly."""
    said = model.predict([one.text for one in asked])
    return statistics.fmean(each["label"] == one.intent for each, one in zip(said, asked, strict=True))


def measured(name: str, seed: int, options: Namespace) -> Cell:
    """A year in one way."""
    from tunewheel.store import Workspace

    with tempfile.TemporaryDirectory() as home, Workspace.open(Path(home)) as workspace:
        desk = Desk(workspace, Year(seed))
        desk.begin(300 if options.quick else 3000)
        for week in range(1, options.weeks + 1):
            desk.hear(week, desk.answer(week))
            begun = time.process_time()
            counted = len(desk.promoted)
            WAYS[name](desk, week)
            desk.cpu += time.process_time() - begun
            print(f"  {name} {week}: {desk.scores[-1]:.3f}{' promoted' * (len(desk.promoted) > counted)}", flush=True)
    false = [week for week, worth in desk.promoted if worth < -HALF]
    return {"scores": desk.scores, "labels": desk.labels, "cpu": desk.cpu, "promoted": desk.promoted, "false": false}


def picture(curves: dict[str, list[float]]) -> str:
    """Each week's score by way, as SVG."""
    colours = {"never": "#888", "calendar": "#c9a227", "naive": "#c8452e", "loop": "#2e8b57"}
    left, top, width, height, low = 50, 20, 520, 240, 40
    size = 'viewBox="0 0 700 310" width="700" height="310" font-family="sans-serif" font-size="12"'
    told = "Accuracy by week, in percent, of four ways to learn on"
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{told}">']
    parts.append('<rect width="100%" height="100%" fill="#fff"/>')
    for share in range(low, 101, 10):
        y = top + height * (100 - share) / (100 - low)
        parts.append(f'<line x1="{left}" y1="{y:.0f}" x2="{left + width}" y2="{y:.0f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.0f}" text-anchor="end" fill="#444">{share}</text>')
    for week in (1, 13, 26, 39, 52):
        x = left + width * (week - 1) / (WEEKS - 1)
        parts.append(f'<text x="{x:.0f}" y="{top + height + 18}" text-anchor="middle" fill="#444">week {week}</text>')
    for place, (name, curve) in enumerate(curves.items()):
        at = [
            (left + width * n / (WEEKS - 1), top + height * (1 - value) * 100 / (100 - low))
            for n, value in enumerate(curve)
        ]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colours[name]}" stroke-width="2"/>')
        y = top + 20 + 22 * place
        parts.append(f'<rect x="{left + width + 24}" y="{y - 9}" width="12" height="10" fill="{colours[name]}"/>')
        parts.append(f'<text x="{left + width + 42}" y="{y}" fill="#222">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def row_of(name: str, cells: Sequence[Cell]) -> str:
    """One line of the table: means over the seeds."""
    mean = 100 * statistics.fmean(statistics.fmean(cell["scores"]) for cell in cells)
    worst = 100 * statistics.fmean(min(cell["scores"]) for cell in cells)
    last = 100 * statistics.fmean(cell["scores"][-1] for cell in cells)
    labels = statistics.fmean(cell["labels"] for cell in cells)
    minutes = statistics.fmean(cell["cpu"] for cell in cells) / 60
    promoted, false = sum(len(cell["promoted"]) for cell in cells), sum(len(cell["false"]) for cell in cells)
    figures = f"{mean:.2f} | {worst:.1f} | {last:.1f} | {labels:,.0f} | {minutes:.1f} | {promoted} | {false}"
    return f"{name} | {figures} | {len(cells)}"


def main() -> None:
    """Measure what is not known yet, record a row a way, and draw the weeks."""
    parser = arguments(__doc__ or "", FIGURES / "year.jsonl")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[13, 14, 15])
    options = parser.parse_args()
    options.weeks = 3 if options.quick else WEEKS
    if options.quick:
        options.seeds = options.seeds[:1]
    cells, curves = Cells.of(options), {}
    record = not (options.quick or options.no_record)
    for name in options.ways:
        found = [cells.get([name, seed], partial(measured, name, seed, options)) for seed in options.seeds]
        curves[name] = [statistics.fmean(weeks) for weeks in zip(*(cell["scores"] for cell in found), strict=True)]
        finish("year", row_of(name, found), {"way": name, "cells": found, "quick": options.quick}, record=record)
    if record:
        PICTURE.write_text(picture(curves), encoding="utf-8")


if __name__ == "__main__":
    main()
