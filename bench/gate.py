"""The gate on trial: does it let worse models through, hold better ones back, and at how many rows?

Perturbed predictions of a champion that is right on nine rows of ten, thousands of each kind, true difference known:
better, equal, worse by 0.5 to 3 points; better but for one slice or one old test set; a loss of 0.4 points ten times
over; what the score test and the percentile bootstrap do at the margin itself; promotions against test rows as a table
and as docs/gate_power.svg. ``--trained 30`` trains as many linear classifiers on parts of BANKING77, some with spoilt
labels, and lets the gate decide about each on many draws of 3,080 rows from 9,083: what a model is worth on those is
known, and the rows on which two models differ are real. One core.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from common import ROOT, arguments, finish, need

RIGHT = 0.9
ROWS = 3080
APART = 0.08
LABELS = 10
EFFECTS = (0.03, 0.02, 0.0, -0.005, -0.01, -0.02, -0.03)
SIZES = (500, 1000, 2000, 3000, 5000, 10_000)
CURVES = ((0.03, APART), (0.02, APART), (0.01, APART), (0.0, APART), (-0.005, APART), (0.02, 0.04))


def synthetic(rows: int, seed: int = 13) -> Any:
    """A champion's answers with lengths, two languages, ten labels and an earlier test set of a third of the rows."""
    from tunewheel.evaluation.slices import Part
    from tunewheel.registry.gate import Answers, Evidence, RowSet
    from tunewheel.tasks.classification import Classification

    rng, at = np.random.default_rng(seed), np.arange(rows)
    right = rng.permutation(at < round(RIGHT * rows))
    sure = np.where(right, rng.beta(8, 1, rows), rng.beta(3, 2, rows))
    squared = np.where(right, (1 - sure) ** 2, (sure**2 + 1) / 2)
    label, chinese = rng.integers(LABELS, size=rows), rng.random(rows) < 0.2
    parts = [Part("length", str(quarter), at % 4 == quarter) for quarter in range(4)]
    parts += [Part("language", "zh", chinese), Part("language", "en", ~chinese)]
    parts += [Part("label", str(one), label == one) for one in range(LABELS)]
    sets = [
        RowSet("test", "test", "now", at),
        RowSet("earlier", "test before", "before", at[: rows // 3]),
    ]
    task, answers = Classification([str(one) for one in range(LABELS)]), {"a:1": Answers(right, squared=squared)}
    return Evidence("accuracy", task, "a:1", "a:1", answers, sets, parts)


def kinds(runs: int) -> dict[str, Any]:
    """Verdicts about each kind of challenger, at `ROWS` test rows."""
    from tunewheel.registry.gate import Gate, Trial, measure

    base = synthetic(ROWS)
    trial, gate = Trial(base, APART), Gate()
    found = {f"{100 * r.effect:+g}": r for r in measure(trial, gate, EFFECTS, runs=runs)}
    slice_, old = base.slices[-1].inside, np.arange(ROWS) < ROWS // 3
    for name, where, loss, rest in (
        ("one label of ten -10, others +2", slice_, -0.10, 0.02),
        ("one label of ten -20, others +2", slice_, -0.20, 0.02),
        ("old test -3, other rows +3", old, -0.03, 0.03),
        ("old test -6, other rows +4", old, -0.06, 0.04),
    ):
        found[name] = measure(trial, gate, (rest,), runs=runs, where={"": (where, loss)})[0]
    return found


def turns(rows: int, apart: float, runs: int, *, former: bool, loss: float = 0.004, seed: int = 13) -> dict[str, float]:
    """Ten challengers in a row, each truly ``loss`` worse than the champion it came from, on one frozen test set."""
    from tunewheel.registry.gate import Answers, Evidence, Gate, RowSet
    from tunewheel.tasks.classification import Classification

    rng, gate, task = np.random.default_rng(seed), Gate(), Classification(("no", "yes"))
    lost, wrong = np.zeros(runs), 0
    for run in range(runs):
        champion, share = rng.random(rows) < RIGHT, RIGHT
        first = top = champion
        most = RIGHT
        for _ in range(10):
            gain, drop = (apart - loss) / 2 / (1 - share), (apart + loss) / 2 / share
            chance = rng.random(rows)
            made = np.where(champion, chance >= drop, chance < gain)
            answers = {"now": Answers(champion), "new": Answers(made), "top": Answers(top), "first": Answers(first)}
            beside = ("first", "top") if former and champion is not first else ()
            test = RowSet("test", "test", "t", np.arange(rows), beside)
            if gate.decide(Evidence("accuracy", task, "new", "now", answers, [test])).verdict == "promote":
                champion, share = made, share - loss
                wrong += most - share > gate.margins.test + 1e-9
                top = champion if champion.sum() > top.sum() else top
        lost[run] = RIGHT - share
    beyond = float((lost > gate.margins.test + 1e-9).mean())
    return {"mean": float(lost.mean()), "most": float(lost.max()), "beyond": beyond, "wrong": wrong / (10 * runs)}


def levels(runs: int, seed: int = 13) -> list[dict[str, float]]:
    """How often a challenger that loses just the margin passes: by the score test, and by the percentile bootstrap."""
    from tunewheel.registry.gate.paired import score_bounds

    rng, found = np.random.default_rng(seed), []
    for rows, apart, margin in (
        *((100, 0.06, 0.05), (300, 0.03, 0.02), (300, 0.08, 0.02), (1000, 0.01, 0.005), (1000, 0.08, 0.005)),
        *((3000, 0.005, 0.005), (3000, 0.02, 0.005), (3000, 0.08, 0.005)),
    ):
        won, lost = (apart - margin) / 2, (apart + margin) / 2
        seen = rng.multinomial(rows, [won, lost, 1 - apart], size=runs)
        low, _ = score_bounds(seen[:, 0], seen[:, 1], np.full(runs, rows), 0.025)
        passed = 0
        for pair in seen:
            drawn = rng.multinomial(rows, pair / rows, size=1000)
            passed += bool(np.quantile((drawn[:, 0] - drawn[:, 1]) / rows, 0.025, method="weibull") > -margin)
        score = float((low > -margin).mean())
        found.append({"rows": rows, "apart": apart, "margin": margin, "score": score, "bootstrap": passed / runs})
    return found


def curves(runs: int) -> list[dict[str, Any]]:
    """The share promoted against the number of test rows."""
    from tunewheel.registry.gate import Gate, Trial, measure

    found = []
    for effect, apart in CURVES:
        for rows in SIZES:
            rates = measure(Trial(synthetic(rows), apart), Gate(), (effect,), runs=runs)[0]
            found.append({"effect": effect, "apart": apart, **rates.as_dict()})
    return found


def draw(found: list[dict[str, Any]], path: Path) -> None:
    """The curves as SVG: test rows (logarithmic) against the share promoted."""
    colours = ("#0b6e4f", "#2a9d5c", "#7cb518", "#8d99ae", "#c1121f", "#2a9d5c")
    left, top, width, height = 60, 20, 470, 300

    def place(rows: float, share: float) -> tuple[float, float]:
        span = np.log(SIZES[-1] / SIZES[0])
        return left + width * float(np.log(rows / SIZES[0]) / span), top + height * (1 - share)

    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 380" font-family="sans-serif" font-size="13">',
        '<rect width="720" height="380" fill="#fff"/>',
    ]
    for share in (0, 0.2, 0.4, 0.6, 0.8, 1):
        x, y = place(SIZES[0], share)
        parts.append(f'<path d="M{x:.1f} {y:.1f}h{width}" stroke="#ddd"/>')
        parts.append(f'<text x="{x - 8:.1f}" y="{y + 4:.1f}" text-anchor="end" fill="#444">{share:.0%}</text>')
    for rows in SIZES:
        x, y = place(rows, 0)
        parts.append(f'<text x="{x:.1f}" y="{y + 20:.1f}" text-anchor="middle" fill="#444">{rows:,}</text>')
    parts.append(f'<text x="{left + width / 2}" y="368" text-anchor="middle" fill="#444">test rows</text>')
    for (effect, apart), colour in zip(CURVES, colours, strict=True):
        line = [f for f in found if f["effect"] == effect and f["apart"] == apart]
        points = [place(f["rows"], f["promoted_share"][0]) for f in line]
        dash = "" if apart == APART else ' stroke-dasharray="5 4"'
        path_ = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path_}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
    for number, ((effect, apart), colour) in enumerate(zip(CURVES, colours, strict=True)):
        y, dash = top + 20 + 24 * number, "" if apart == APART else ' stroke-dasharray="5 4"'
        parts.append(f'<path d="M545 {y - 4}h24" stroke="{colour}" stroke-width="2"{dash}/>')
        parts.append(f'<text x="576" y="{y}" fill="#222">{100 * effect:+g} points, {apart:.0%} differ</text>')
    path.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")


def population(data: Path, count: int, quick: bool) -> tuple[Any, list[Any], list[str]]:
    """Who is right (bool, one a model) of a champion and ``count`` challengers, on rows none of them learned from."""
    from tunewheel.data import Dataset
    from tunewheel.models import prepare
    from tunewheel.settings import train_settings
    from tunewheel.tasks import task_class

    dataset = Dataset.read(data / "banking77", dev=0.0)
    rng, rows = np.random.default_rng(13), list(dataset["train"])
    order = rng.permutation(len(rows))
    learn, rest = [rows[i] for i in order[:4000]], [rows[i] for i in order[4000:]] + list(dataset["test"])
    rest = rest[: 1000 if quick else None]
    task, labels = task_class("classification").from_dataset(dataset), sorted(dataset.labels)
    settings = train_settings({"data": "banking77", "seed": 13}, changes=[])
    told, right = [], []
    for number in range(count + 1):
        # The champion learns from half; challengers from more or fewer rows, some of them with spoilt labels.
        size = 2000 if number == 0 else int(rng.integers(1500, 4001))
        spoilt = 0.0 if number == 0 else float(rng.choice([0.0, 0.0, 0.05, 0.1, 0.2]))
        drawn = {"strength": float(rng.choice([1, 10, 100])), "characters": int(rng.integers(2, 5))}
        how = {"strength": 10.0, "characters": 3} if number == 0 else drawn
        own = [learn[i] for i in rng.permutation(len(learn))[:size]]
        own = [row | {"label": str(rng.choice(labels))} if rng.random() < spoilt else row for row in own]
        with tempfile.TemporaryDirectory() as folder:
            ready = prepare(task, "none", own, settings.recipe, method="tfidf", options=how, unlabelled=())
            model, _ = ready.train(own, [], Path(folder))
        answers = model.predict(rest)
        right.append(np.array([p["label"] == row["label"] for p, row in zip(answers, rest, strict=True)]))
        told.append(f"{size} rows, {spoilt:.0%} spoilt, {how}")
        print(number, told[-1], float(right[-1].mean()), file=sys.stderr, flush=True)
    return right, rest, told


def trained(data: Path, count: int, draws: int, quick: bool) -> list[dict[str, Any]]:
    """The gate about each trained challenger, on rows drawn from all there are; its true difference is that on all."""
    from tunewheel.registry.gate import Answers, Evidence, Gate, RowSet, find_parts
    from tunewheel.tasks.classification import Classification

    right, rest, told = population(data, count, quick)
    task = Classification(sorted({row["label"] for row in rest}))
    parts = find_parts(task, rest)
    rng, gate, found = np.random.default_rng(13), Gate(), []
    for number in range(1, count + 1):
        verdicts = {"promote": 0, "refuse": 0, "undecided": 0}
        for _ in range(draws):
            at = rng.integers(len(rest), size=ROWS)
            answers = {"a:1": Answers(right[0][at]), "a:2": Answers(right[number][at])}
            slices = [part._replace(inside=part.inside[at]) for part in parts]
            test = RowSet("test", "test", "t", np.arange(ROWS))
            verdicts[gate.decide(Evidence("accuracy", task, "a:2", "a:1", answers, [test], slices)).verdict] += 1
        effect = float(right[number].mean() - right[0].mean())
        apart = float((right[number] != right[0]).mean())
        found.append({"what": told[number], "effect": effect, "apart": apart, "draws": draws, **verdicts})
        print(found[-1], file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Everything, or with ``--trained`` the trained challengers alone."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--trained", type=int, metavar="N", help="train so many challengers on BANKING77")
    parser.add_argument("--runs", type=int, default=2000, help="perturbed prediction sets of each kind")
    options = parser.parse_args()
    keep = not (options.quick or options.no_record)
    start = time.perf_counter()
    if options.trained:
        need(options.data, "banking77/train.csv", "banking77/test.csv")
        count = 2 if options.quick else options.trained
        found = trained(options.data, count, 5 if options.quick else 200, options.quick)
        finish("gate_trained", _row_trained(found), {"trained": found}, record=keep)
        return
    runs = 20 if options.quick else options.runs
    result: dict[str, Any] = {"runs": runs, "rows": ROWS, "kinds": {}}
    for name, rates in kinds(runs).items():
        result["kinds"][name] = rates.as_dict()
        finish("gate", _row(name, rates), {name: rates.as_dict()}, record=keep)
    for rows, apart in ((ROWS, 0.08), (ROWS, 0.02), (30_000, 0.02)):
        for former in (False, True):
            lost = turns(rows, apart, max(5, runs // (1 if rows == ROWS else 4)), former=former)
            result[f"turns {rows} {apart} {'all' if former else 'champion alone'}"] = lost
            told = "champion, best and first" if former else "champion alone"
            cells = f"{100 * lost['mean']:.2f} | {100 * lost['most']:.1f} | {100 * lost['beyond']:.1f} %"
            row = f"{rows:,} rows, {apart:.0%} differ | {told} | {cells} | {100 * lost['wrong']:.2f} %"
            finish("gate_turns", row, {"turns": lost}, record=keep)
    for level in levels(200 if options.quick else 20_000 if runs >= 2000 else 2000):
        cells = f"{100 * level['score']:.2f} % | {100 * level['bootstrap']:.2f} %"
        row = f"{level['rows']:,} | {level['apart']:.1%} | {100 * level['margin']:g} | {cells}"
        finish("gate_levels", row, {"level": level}, record=keep)
    if not options.quick:
        found = curves(max(500, runs // 4))
        if keep:
            draw(found, ROOT / "docs" / "gate_power.svg")
        for effect, apart in CURVES:
            line = [f for f in found if f["effect"] == effect and f["apart"] == apart]
            cells = " | ".join(f"{100 * f['promoted_share'][0]:.1f}" for f in line)
            row = f"{100 * effect:+g} points, {apart:.0%} differ | {cells}"
            finish("gate_power", row, {"curve": line}, record=keep)
    finish("gate", "", {**result, "seconds": round(time.perf_counter() - start)}, record=False)


def _row(name: str, rates: Any) -> str:
    cells = []
    for verdict in ("promoted", "refused", "undecided"):
        low, high = rates.interval(verdict)
        cells.append(f"{100 * getattr(rates, verdict) / rates.runs:.1f} [{100 * low:.1f}, {100 * high:.1f}]")
    return f"{name} | {100 * rates.discordance:.1f} % | {' | '.join(cells)} | {rates.runs:,}"


def _row_trained(found: list[dict[str, Any]]) -> str:
    def shares(some: list[dict[str, Any]]) -> str:
        total = sum(f["draws"] for f in some)
        if not total:
            return "none"
        told = ", ".join(f"{100 * sum(f[v] for f in some) / total:.1f}" for v in ("promote", "refuse", "undecided"))
        return f"{len(some)}: {told}"

    worse = [f for f in found if f["effect"] <= -0.005]
    better = [f for f in found if f["effect"] >= 0.02]
    between = [f for f in found if -0.005 < f["effect"] < 0.02]
    apart = [f["apart"] for f in found]
    spread = f"{100 * min(apart):.1f}–{100 * max(apart):.1f} %"
    return f"{len(found)} | {spread} | {shares(worse)} | {shares(between)} | {shares(better)}"


if __name__ == "__main__":
    main()
