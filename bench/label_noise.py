"""Label noise: of rows whose labels were spoilt on purpose, how many stand among as many top suspects.

BANKING77 train with 5 % of the labels changed at random, judged by TF-IDF vectors and by MiniLM's sentence vectors;
CoNLL-2003 train with 5 % of the entities retyped or dropped. Errors of the data sets' own count as false alarms.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from common import arguments, finish, need

SEEDS = (13, 14, 15)
SHARE = 0.05


def flipped(labels: list[str], seed: int) -> tuple[list[str], set[int]]:
    """Labels of which a share is another one, and where."""
    draw, names = np.random.default_rng(seed), sorted(set(labels))
    at = draw.choice(len(labels), int(SHARE * len(labels)), replace=False)
    spoilt = list(labels)
    for i in at:
        spoilt[i] = draw.choice([name for name in names if name != labels[i]])
    return spoilt, set(at.tolist())


def spoilt_entities(rows: list[dict[str, Any]], seed: int) -> tuple[list[dict[str, Any]], set[tuple[int, int]]]:
    """Rows of whose entities a share has another type or is gone, half and half; where: row and first character."""
    draw = np.random.default_rng(seed)
    names = sorted({e["label"] for row in rows for e in row["entities"]})
    places = [(i, k) for i, row in enumerate(rows) for k in range(len(row["entities"]))]
    at = {places[j] for j in draw.choice(len(places), int(SHARE * len(places)), replace=False)}
    made, where = [], set()
    for i, row in enumerate(rows):
        entities = []
        for k, entity in enumerate(row["entities"]):
            if (i, k) not in at:
                entities.append(entity)
                continue
            where |= {(i, character) for character in range(entity["start"], entity["end"])}
            if draw.random() < 0.5:
                other = draw.choice([name for name in names if name != entity["label"]])
                entities.append({**entity, "label": str(other)})
        made.append({**row, "entities": entities})
    return made, where


def judge_labels(texts: list[str], labels: list[str], seed: int, vectors: Any) -> dict[str, float]:
    """Precision of the top suspects and of those called likely."""
    from tunewheel.data.suspects import label_suspects

    spoilt, where = flipped(labels, seed)
    start = time.perf_counter()
    found = label_suspects(texts, spoilt, vectors=vectors, most=None).found
    seconds = time.perf_counter() - start
    hits = [suspect.row in where for suspect in found]
    return _figures(hits, [suspect.likely for suspect in found], len(where), seconds)


def judge_entities(rows: list[dict[str, Any]], seed: int) -> dict[str, float]:
    """The same of entities: a suspect is right when it touches a spoilt one."""
    from tunewheel.data.suspects import entity_suspects

    made, where = spoilt_entities(rows, seed)
    count = int(SHARE * sum(len(row["entities"]) for row in rows))
    start = time.perf_counter()
    found = entity_suspects(made, most=None).found
    seconds = time.perf_counter() - start
    hits = []
    for suspect in found:
        span = suspect.given or suspect.suggested
        hits.append(span is not None and any((suspect.row, c) in where for c in range(span.start, span.end)))
    return _figures(hits, [suspect.likely for suspect in found], count, seconds)


def _figures(hits: list[bool], likely: list[bool], count: int, seconds: float) -> dict[str, float]:
    called = [hit for hit, is_likely in zip(hits, likely, strict=True) if is_likely]
    return {
        "spoilt": count,
        "precision": round(sum(hits[:count]) / count, 4),
        "likely": len(called),
        "likely_precision": round(sum(called) / max(len(called), 1), 4),
        "seconds": round(seconds, 1),
    }


def main() -> None:
    """Spoil, search, and record each way of searching."""
    options = arguments(__doc__ or "").parse_args()
    need(options.data, "banking77/train.csv", "conll2003/eng.train")
    from tunewheel.data import Dataset
    from tunewheel.models.vectors import sentence_vectors

    # --quick: every fifth row, and one seed.
    step, seeds = (5, SEEDS[:1]) if options.quick else (1, SEEDS)
    intents = list(Dataset.read(options.data / "banking77" / "train.csv", dev=0, test=0)["train"])[::step]
    sentences = list(Dataset.read(options.data / "conll2003")["train"])[::step]
    texts, labels = [row["text"] for row in intents], [row["label"] for row in intents]
    start = time.perf_counter()
    vectors = sentence_vectors("minilm", texts)
    took = time.perf_counter() - start
    runs = {
        "BANKING77, TF-IDF": [judge_labels(texts, labels, seed, None) for seed in seeds],
        "BANKING77, MiniLM": [judge_labels(texts, labels, seed, vectors) for seed in seeds],
        "CoNLL-2003, tokens": [judge_entities(sentences, seed) for seed in seeds],
    }
    for one in runs["BANKING77, MiniLM"]:
        one["seconds"] = round(one["seconds"] + took, 1)
    for name, figures in runs.items():
        precise, likely = (", ".join(f"{f[key]:.3f}" for f in figures) for key in ("precision", "likely_precision"))
        called = ", ".join(f"{f['likely']:,}" for f in figures)
        seconds = np.median([f["seconds"] for f in figures])
        row = f"{name} | {figures[0]['spoilt']:,} | {precise} | {called} | {likely} | {seconds:.0f}"
        finish("label_noise", row, {name: figures}, record=not (options.quick or options.no_record))
    finish("label_noise", "", {"quick": options.quick, "seeds": list(seeds), **runs}, record=False)


if __name__ == "__main__":
    main()
