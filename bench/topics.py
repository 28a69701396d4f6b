"""`tunewheel topics`: how far topics found without labels are the labels, beside k-means told how many there are.

BANKING77's test texts and the second half of THUCNews' dev titles (what was chosen was chosen on train and on the first
half). Labels are a reference only: texts part in other good ways too. Rows that belong nowhere count as one group. A
generated file of 100,000 rows is read by the command, by TF-IDF, in a process of its own.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from big import write
from common import ROOT, arguments, finish, need

BANKING, THUCNEWS = "banking77/test.csv", "thucnews_titles/dev.txt"
LARGE, QUICK = 100_000, 2_000
SEED = 13

Texts = tuple[list[str], list[str]]


def banking(data: Path) -> Texts:
    """Texts and labels of BANKING77's test."""
    with (data / BANKING).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"].strip() for row in rows], [row["category"] for row in rows]


def thucnews(data: Path) -> Texts:
    """Titles and labels of the second half of THUCNews' dev."""
    lines = (data / THUCNEWS).read_text(encoding="utf-8").splitlines()
    pairs = [line.rsplit("\t", 1) for line in lines[len(lines) // 2 :]]
    return [text for text, _ in pairs], [label for _, label in pairs]


def alike(labels: Sequence[str], groups: Any) -> dict[str, float]:
    """NMI, adjusted Rand index and purity of groups against labels."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
    from sklearn.metrics.cluster import contingency_matrix

    figures = {
        "nmi": normalized_mutual_info_score(labels, groups),
        "ari": adjusted_rand_score(labels, groups),
        "purity": contingency_matrix(labels, groups).max(0).sum() / len(labels),
    }
    return {name: round(float(value), 3) for name, value in figures.items()}


def kmeans(vectors: Any, count: int) -> Any:
    """What k-means makes of vectors of length 1, told how many groups there are."""
    from sklearn.cluster import KMeans

    return KMeans(count, n_init=4, random_state=SEED).fit(vectors).labels_


def measured(texts: list[str], labels: list[str], base: str | None) -> dict[str, Any]:
    """Topics of one set, found and told how many, and k-means on their vectors and on TF-IDF."""
    import tunewheel as tw
    from tunewheel.data import Dataset
    from tunewheel.data.features import text_vectors, unit
    from tunewheel.data.topics import find_topics
    from tunewheel.models.vectors import sentence_vectors

    dataset, true = Dataset.from_rows({"train": [{"text": text} for text in texts]}, "text"), len(set(labels))
    started = time.perf_counter()
    found = tw.topics(dataset, base=base, seed=SEED)
    seconds = round(time.perf_counter() - started, 1)
    words = text_vectors(texts, seed=SEED)
    own = words if found.by == "TF-IDF" else unit(sentence_vectors(found.by.split()[0], texts))
    known = dict(zip(texts, own, strict=True))
    told = find_topics(dataset, count=true, seed=SEED, vectors=lambda asked: np.stack([known[text] for text in asked]))
    return {
        **{"texts": len(texts), "labels": true, "by": found.by, "seconds": seconds, "topics": len(found.topics)},
        **{"other": round(found.other / found.rows, 3), "agreement": round(found.agreed, 2)},
        "found": alike(labels, found.member),
        "told": alike(labels, told.member),
        "kmeans": alike(labels, kmeans(own, true)),
        "kmeans_tfidf": alike(labels, kmeans(words, true)),
    }


def large(rows: int) -> dict[str, Any]:
    """Seconds and peak memory of the command on a generated file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, rows)
        command = [
            sys.executable,
            "-m",
            "tunewheel",
            "topics",
            str(folder / "big.jsonl"),
            "--base",
            "tfidf",
            "--json",
        ]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        started = time.perf_counter()
        ran = subprocess.run(
            [*command, "--page", str(folder / "topics.html")], env=environment, stdout=subprocess.PIPE, check=True
        )
        seconds = time.perf_counter() - started
    # The largest child so far: this is the only one.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    told = json.loads(ran.stdout)
    return {"rows": rows, "texts": told["texts"], "seconds": round(seconds, 1), "peak_mib": round(peak)}


def main() -> None:
    """Measure both sets and the large file, and record a row each."""
    options = arguments(__doc__ or "").parse_args()
    need(options.data, BANKING, THUCNEWS)
    sets: dict[str, tuple[Callable[[Path], Texts], str | None]] = {
        "BANKING77 test": (banking, None),
        "BANKING77 test, by words": (banking, "tfidf"),
        "THUCNews dev, second half": (thucnews, None),
    }
    sized = large(QUICK if options.quick else LARGE)
    print(sized, file=sys.stderr, flush=True)
    found = {}
    for name, (read, base) in sets.items():
        texts, labels = read(options.data)
        if options.quick:
            texts, labels = texts[::10], labels[::10]
        found[name] = measured(texts, labels, base)
        print(name, found[name], file=sys.stderr, flush=True)
    result = {"sets": found, "large": sized, "quick": options.quick}
    finish("topics", row_of(found, sized), result, record=not (options.quick or options.no_record))


def row_of(found: dict[str, Any], sized: dict[str, Any]) -> str:
    """The row of the benchmarks page: every set in one cell a figure."""

    def cell(tell: Callable[[dict[str, Any]], str]) -> str:
        return "<br>".join(tell(each) for each in found.values())

    def shown(key: str) -> str:
        return cell(lambda each: " / ".join(f"{value:.3f}" for value in each[key].values()))

    figures = [shown(key) for key in ("found", "told", "kmeans", "kmeans_tfidf")]
    named = "<br>".join(f"{name}, {each['by']}" for name, each in found.items())
    counts = cell(lambda each: f"{each['topics']} of {each['labels']}, {each['other']:.1%}, {each['agreement']}")
    seconds = cell(lambda each: f"{each['seconds']} s")
    largest = f"{sized['rows']:,}: {sized['seconds']} s, {sized['peak_mib']:,} MiB"
    return " | ".join([named, counts, *figures, seconds, largest])


if __name__ == "__main__":
    main()
