"""`tunewheel drift`: false alarms where nothing drifts and delay where something does, beside ADWIN and plain KS tests.

A trial deals a data set's texts out anew: a reference of 1,500 and twelve windows of 250, no text twice, so that the
windows are of the reference's kind and nothing else. Each trial has a reference of its own: its luck is part of the
rate. For the delay, a share of the rows is exchanged from the first window on. What was chosen (levels, smallest
effects) was chosen on CLINC150; the other sets only report.

ADWIN (river) reads the confidence of each answer, the reference's first; a second one reads whether it was right,
which nobody knows of every answer. The KS tests look at every number of the vectors, confidence and length, each window
alone.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}

import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from common import BULK, Cells, arguments, finish, need
from drift_streams import READERS, Pool, Stream, read_stream

REFERENCE, ROWS, WINDOWS = 1_500, 250, 12
JUDGED = 0.2
"""Share of answers that somebody said right or wrong of, where nothing drifts."""

QUIET, TRIALS = 84, 20
"""Trials without and with drift: 84 × 12 windows are 1,008."""

ADWIN, ERRORS, KS, BONFERRONI, OURS = "ADWIN", "ADWIN, errors", "KS 0.05", "KS Bonferroni 0.01", "tunewheel"
METHODS = (OURS, ADWIN, ERRORS, KS, BONFERRONI)
DRIFTS = (
    *(("new label", share) for share in (0.05, 0.1, 0.2)),
    *(("Chinese", share) for share in (0.05, 0.1, 0.2)),
    *(("typos", share) for share in (0.5, 1.0)),
)


def seen(pool: Pool, rows: Any, judged: Any = None) -> Any:
    """Rows of a pool as drift reads them; of those not ``judged`` nobody said whether they were right."""
    from tunewheel.feedback.drift import Seen

    right = None if judged is None else np.where(judged, pool.right[rows].astype(float), np.nan)
    return Seen.of(
        [pool.texts[i] for i in rows],
        vectors=pool.vectors[rows],
        labels=pool.labels[rows].tolist(),
        confidences=pool.confidences[rows],
        right=right,
    )


def traffic(stream: Stream, drift: str, share: float, seed: int) -> tuple[Any, Any, Any, Any]:
    """Reference and traffic of a trial, and whether each answer was right on either side."""
    from tunewheel.feedback.drift.seen import joined

    draw = np.random.default_rng([seed, int(share * 100)])
    order = draw.permutation(len(stream.usual.texts))[: REFERENCE + ROWS * WINDOWS]
    base, rows = order[:REFERENCE], order[REFERENCE:]
    if not share:
        sides = [seen(stream.usual, side, draw.random(len(side)) < JUDGED) for side in (base, rows)]
        return *sides, stream.usual.right[base], stream.usual.right[rows]
    pool = {"new label": stream.new, "Chinese": stream.chinese, "typos": stream.typos}[drift]
    assert pool is not None
    group = draw.choice(np.unique(pool.group)) if drift == "new label" else None
    candidates = np.arange(len(pool.texts)) if group is None else np.flatnonzero(pool.group == group)
    changed = draw.random(len(rows)) < share
    drawn = draw.choice(candidates, int(changed.sum()))
    place = np.arange(len(rows))
    place[changed] = len(rows) + np.arange(changed.sum())
    mixed = joined([seen(stream.usual, rows), seen(pool, drawn)]).take(place)
    right = np.concatenate([stream.usual.right[rows], pool.right[drawn]])[place]
    return seen(stream.usual, base), mixed, stream.usual.right[base], right


def alarms(stream: Stream, drift: str, share: float, seed: int) -> dict[str, Any]:
    """After how many rows each method raised its alarms, one a window at most; only the first where there is drift."""
    reference, rows, before, after = traffic(stream, drift, share, seed)
    found = {
        OURS: ours(reference, rows, first=bool(share)),
        ADWIN: adwin(reference.confidences, rows.confidences),
        ERRORS: adwin(before, after),
    }
    found[KS], found[BONFERRONI] = plain(reference, rows)
    return {"alarms": {name: sorted(set(places)) for name, places in found.items()}}


def ours(reference: Any, rows: Any, *, first: bool) -> list[int]:
    """Rows after which `watch` says drift."""
    from tunewheel.feedback.drift import Cut, Reference, cut_windows, watch

    windows = list(cut_windows(rows.times, Cut(rows=ROWS), start=0.0, until=0.0))
    found = []
    for check in watch(Reference(reference), rows, windows):
        if check.verdict == "drift":
            found.append((check.place + 1) * ROWS)
            if first:
                break
    return found


def adwin(before: Any, after: Any) -> list[int]:
    """Rows after which ADWIN (its defaults) detects a change; it has seen the reference."""
    from river.drift import ADWIN as Detector

    detector, found = Detector(), []
    for value in before:
        detector.update(float(value))
    for place, value in enumerate(after, 1):
        detector.update(float(value))
        if detector.drift_detected:
            found.append(place)
    windows: dict[int, int] = {}
    for place in found:
        windows.setdefault((place - 1) // ROWS, place)
    return list(windows.values())


def plain(reference: Any, rows: Any) -> tuple[list[int], list[int]]:
    """Windows in which the smallest p of all KS tests is below 0.05, and below 0.01 by the number of tests."""
    from scipy.stats import ks_2samp

    sides = [
        np.column_stack([side.vectors, side.confidences, list(map(len, side.texts))]) for side in (reference, rows)
    ]
    found: tuple[list[int], list[int]] = [], []
    for end in range(ROWS, len(sides[1]) + 1, ROWS):
        least = ks_2samp(sides[0], sides[1][end - ROWS : end], method="asymp").pvalue.min()
        for places, level in zip(found, (0.05, 0.01 / sides[0].shape[1]), strict=True):
            if least < level:
                places.append(end)
    return found


def cells(options: Any, kept: Path) -> Iterator[tuple[str, str, float, dict[str, Any]]]:
    """Every trial of every set, measured once."""
    known = Cells.of(options)
    quiet, trials = (2, 1) if options.quick else (options.quiet, options.trials)
    for name in options.sets or READERS:
        stream = read_stream(name, options.data, kept)
        cases = [("none", 0.0, quiet), *((*case, trials) for case in DRIFTS)]
        for drift, share, times in cases:
            if drift == "Chinese" and stream.chinese is None:
                continue
            for seed in range(times):
                key = [name, drift, share, seed]
                yield name, drift, share, known.get(key, partial(alarms, stream, drift, share, seed))


def interval(delays: list[int]) -> str:
    """The median of the delays with a bootstrap interval, and how many were found at all."""
    most = ROWS * WINDOWS
    draw = np.random.default_rng(13)
    values = np.array(delays, dtype=np.float64)
    medians = np.median(draw.choice(values, (2000, len(values))), axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])

    def shown(value: float) -> str:
        return f"> {most:,}" if value > most else f"{value:,.0f}"

    missed = f", {int((values > most).sum())} of {len(values)} missed" if (values > most).any() else ""
    return f"{shown(float(np.median(values)))} [{shown(low)}, {shown(high)}]{missed}"


def main() -> None:
    """Measure every trial, print the tables and record a row a set."""
    parser = arguments(__doc__ or "", BULK / "drift" / "trials.jsonl")
    parser.add_argument("--kept", type=Path, default=BULK / "drift", help="vectors")
    parser.add_argument("--sets", nargs="*", choices=list(READERS), help="only these data sets")
    parser.add_argument("--quiet", type=int, default=QUIET, help="trials of a set without drift, 12 windows each")
    parser.add_argument("--trials", type=int, default=TRIALS, help="trials of a set with each drift")
    options = parser.parse_args()
    need(options.data, "clinc150/data_full.json", "banking77/train.csv", "thucnews_titles/dev.txt")
    started = time.perf_counter()
    quiet: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    delays: dict[tuple[str, str, float], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for name, drift, share, cell in cells(options, options.kept):
        for method, places in cell["alarms"].items():
            if share:
                delays[name, drift, share][method].append(min(places, default=ROWS * WINDOWS + 1))
            else:
                quiet[name][method].append(len({(place - 1) // ROWS for place in places}))
    result: dict[str, Any] = {"quiet": {}, "delays": {}, "seconds": round(time.perf_counter() - started)}
    for name, methods in quiet.items():
        result["quiet"][name] = {method: rate(counts) for method, counts in methods.items()}
    for (name, drift, share), methods in delays.items():
        told = {method: interval(found) for method, found in methods.items()}
        result["delays"][f"{name}, {drift} {share:.0%}"] = told
    for title, table in (("false alarms", result["quiet"]), ("rows until the alarm", result["delays"])):
        print(f"\n| {title} | " + " | ".join(METHODS) + " |", file=sys.stderr)
        print("|---" * (len(METHODS) + 1) + "|", file=sys.stderr)
        for case, told in table.items():
            print(f"| {case} | " + " | ".join(told[method] for method in METHODS) + " |", file=sys.stderr)
    finish("drift", row_of(result), result, record=not (options.quick or options.no_record))


def rate(counts: list[int]) -> str:
    """Windows with an alarm of all windows, in per cent with Wilson's interval, and the worst reference."""
    from tunewheel.evaluation.intervals import wilson

    windows = len(counts) * WINDOWS
    share = sum(counts) / windows
    low, high = wilson(share, windows)
    return f"{share:.2%} [{low:.2%}, {high:.2%}] of {windows:,}, worst trial {max(counts)} of {WINDOWS}"


def row_of(result: dict[str, Any]) -> str:
    """The row of the benchmarks page."""
    sets = "<br>".join(result["quiet"])
    quiet = ["<br>".join(each[method] for each in result["quiet"].values()) for method in METHODS]
    case = "new label 10%"
    found = [told for name, told in result["delays"].items() if name.endswith(case)]
    return " | ".join([sets, *quiet, "<br>".join(f"{t[OURS]} / {t[ADWIN]} / {t[BONFERRONI]}" for t in found)])


if __name__ == "__main__":
    main()
