"""Near duplicates: every pair found against brute force, time against datasketch's MinHashLSH, and known leaks.

Quality is measured on 20,000 real texts of both languages (all pairs, by sparse products) and on a million generated
ones with edited copies, whose similarity is computed one by one. datasketch takes the same shingles, 128 permutations,
its batch insertion and a query a text, on a hundred thousand texts; both are timed on those. Cost is the slope of the
logarithm of seconds over that of rows, from ten thousand to a million, making the texts left out.
"""

from __future__ import annotations

import argparse
import csv
import json
import lzma
import math
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common import arguments, finish, need
from tunewheel.data.duplicates import Near, find_near
from tunewheel.data.gather import near_key, plain, text_key
from tunewheel.data.shingles import LENGTH

THRESHOLD = 0.8
ENGLISH = 40_000
Pairs = set[tuple[int, int]]


def main() -> None:
    parser = arguments(str(__doc__))
    parser.add_argument("--stage", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.stage:
        print(json.dumps(STAGES[asked.stage[0]](int(asked.stage[1]))))
        return
    need(asked.data, "banking77", "chnsenticorp", "conll2003", "thucnews_titles", "stocknet")
    part = 10 if asked.quick else 1
    sizes = [count // part for count in (10_000, 100_000, 1_000_000)]
    real = against_all_pairs(real_texts(asked.data, 20_000 // part))
    ours = {rows: stage("ours", rows) for rows in sizes}
    theirs = stage("datasketch", sizes[1])
    slope = math.log(ours[sizes[2]]["seconds"] / ours[sizes[0]]["seconds"]) / math.log(100)
    hard = {kind: stage(kind, sizes[2]) for kind in ("identical", "boilerplate")} | {"megabyte": stage("megabyte", 10)}
    leaks = known_leaks(asked.data)
    faster = theirs["seconds"] / ours[sizes[1]]["seconds"]
    largest = ours[sizes[2]]
    result = {"real": real, "generated": ours, "datasketch": theirs, "faster": faster, "slope": slope}
    hardly = ", ".join(f"{kind} {one['seconds']:.0f} s, {one['mib']:,} MiB" for kind, one in hard.items())
    row = (
        f"{real['rows']:,} real: {figures(real)}; {sizes[2]:,} generated: {figures(largest)}"
        f" | {largest['seconds']:.1f} s, {largest['mib']:,} MiB | {slope:.2f}"
        f" | {faster:.1f} × ({sizes[1]:,} rows; its recall {100 * theirs['recall']:.1f}, precision"
        f" {100 * theirs['precision']:.1f})"
        f" | {hardly}"
    )
    finish("duplicates", row, result | {"hard": hard, "leaks": leaks}, record=not (asked.no_record or asked.quick))


def figures(told: dict[str, Any]) -> str:
    return f"{100 * told['recall']:.2f} / {100 * told['precision']:.2f}"


def stage(name: str, rows: int) -> dict[str, Any]:
    """Run one measurement in a process of its own, whose peak memory is its own."""
    command = [sys.executable, str(Path(__file__)), "--stage", name, str(rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{name} {rows:,}: {told}", flush=True)
    return told


def timed(texts: Callable[[], Iterator[str]]) -> tuple[Near, float]:
    """Find the near ones; what it takes to make the texts is measured by itself and taken off."""
    start = time.perf_counter()
    for _ in texts():
        pass
    making = time.perf_counter() - start
    near = find_near(texts(), THRESHOLD)
    return near, time.perf_counter() - start - 2 * making


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


# Texts


def real_texts(data: Path, count: int) -> list[str]:
    """The first texts of five sets, shuffled: questions, reviews, sentences of news, headlines, tweets."""
    with lzma.open(data / "stocknet" / "tweets.jsonl.xz", "rt", encoding="utf-8") as file:
        tweets = [json.loads(line)["text"] for line, _ in zip(file, range(20_000), strict=False)]
    titles = (data / "thucnews_titles" / "test.txt").read_text(encoding="utf-8").splitlines()
    pools: list[list[str]] = [
        [text for name in ("train", "test") for text, _ in banking(data, name)],
        [text for name in ("train", "dev", "test") for text, _ in reviews(data, name)],
        [text for name in ("train", "testa", "testb") for text in sentences(data, name)],
        [line.rsplit("\t", 1)[0] for line in titles],
        tweets,
    ]
    rng = random.Random(13)
    chosen = [text for pool in pools for text in pool[: count // len(pools)]]
    rng.shuffle(chosen)
    return chosen


def generated(rows: int) -> Iterator[tuple[str, str | None]]:
    """Texts of about forty characters, English and Chinese in turn; every fifth is an edited copy of an earlier one."""
    rng = random.Random(rows)
    syllables = [a + b for a in "bcdfghklmnprstvwz" for b in "aeiou"]
    english = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(ENGLISH)]
    characters = [chr(0x4E00 + i) for i in range(3000)]
    earlier: list[str] = []
    for row in range(rows):
        if row % 5 == 4:
            origin = rng.choice(earlier)
            yield edited(origin, rng), origin
            continue
        if row % 2:
            text = " ".join(english[int(ENGLISH * rng.random() ** 2)] for _ in range(7))
        else:
            text = "".join(characters[int(3000 * rng.random() ** 2)] for _ in range(rng.randint(25, 50)))
        if len(earlier) < 100_000:
            earlier.append(text)
        yield text, None


def edited(text: str, rng: random.Random) -> str:
    """One or two characters left out, put in or changed."""
    for _ in range(rng.randint(1, 2)):
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(("", "q", "好", text[at] + "x")) + text[at + 1 :]
    return text


def boilerplate(rows: int) -> Iterator[str]:
    """One long beginning that all share, half of each text its own."""
    texts = (text for text, origin in generated(2 * rows) if origin is None)
    first = next(texts)
    return (f"{first} {text}" for text, _ in zip(texts, range(rows), strict=False))


def megabyte(rows: int) -> Iterator[str]:
    """Texts of a million characters, each second one the one before without its beginning."""
    rng = random.Random(rows)
    text = ""
    for row in range(rows):
        text = text[20_000:] if row % 2 else "".join(map(chr, rng.choices(range(0x4E00, 0x5E00), k=1_000_000)))
        yield text


# Truth


def shingled(text: str) -> set[str]:
    bare = plain(text).ljust(LENGTH, "\0")
    return {bare[at : at + LENGTH] for at in range(len(bare) - LENGTH + 1)}


def similarity(one: str, other: str) -> float:
    a, b = shingled(one), shingled(other)
    return len(a & b) / len(a | b)


def against_all_pairs(texts: list[str]) -> dict[str, Any]:
    """Recall and precision among the texts with different keys, against every pair's Jaccard."""
    from scipy.sparse import csr_array

    near = find_near(texts, THRESHOLD)
    rows = np.flatnonzero(near.first == np.arange(len(texts)))
    numbers: dict[str, int] = {}
    sets = [[numbers.setdefault(s, len(numbers)) for s in shingled(texts[row])] for row in rows.tolist()]
    ends = np.cumsum([0, *map(len, sets)])
    table = csr_array((np.ones(ends[-1], np.float32), [n for one in sets for n in one], ends))
    sizes, true = np.diff(ends), set()
    for start in range(0, len(sets), 500):
        shared = (table[start : start + 500] @ table.T).toarray()
        alike = shared / (sizes[start : start + 500, None] + sizes - shared) >= THRESHOLD - 1e-7
        left, right = np.nonzero(alike)
        true |= {(int(rows[a + start]), int(rows[b])) for a, b in zip(left, right, strict=True) if a + start < b}
    found = set(zip(near.left.tolist(), near.right.tolist(), strict=True))
    told = {"rows": len(texts), "pairs": len(true), "crowded": near.crowded, **rates(found, true)}
    print(f"all pairs: {told}", flush=True)
    return told


def rates(found: Pairs, true: Pairs) -> dict[str, float]:
    both = len(found & true)
    return {"recall": both / max(1, len(true)), "precision": both / max(1, len(found))}


def known_pairs(texts: Sequence[str], origins: Sequence[str | None]) -> Pairs:
    """The edited copies and what they were made of, as far as they are still near and not the same."""
    first: dict[int, int] = {}
    for row, text in enumerate(texts):
        first.setdefault(near_key(text), row)
    pairs = set()
    for text, origin in zip(texts, origins, strict=True):
        if origin is not None and similarity(text, origin) >= THRESHOLD:
            a, b = sorted((first[near_key(text)], first[near_key(origin)]))
            pairs |= {(a, b)} if a != b else set()
    return pairs


def judged(found: Pairs, texts: Sequence[str], known: Pairs) -> dict[str, Any]:
    """Recall of the known pairs; precision of all that were found, each compared anew."""
    good = sum(similarity(texts[a], texts[b]) >= THRESHOLD for a, b in found)
    return {
        "known": len(known),
        "found": len(found),
        "recall": len(found & known) / max(1, len(known)),
        "precision": good / max(1, len(found)),
    }


# Stages


def ours(rows: int) -> dict[str, Any]:
    near, seconds = timed(lambda: (text for text, _ in generated(rows)))
    memory = peak()
    texts, origins = zip(*generated(rows), strict=True)
    found = set(zip(near.left.tolist(), near.right.tolist(), strict=True))
    told = judged(found, texts, known_pairs(texts, origins))
    return {"seconds": seconds, "mib": memory, "crowded": near.crowded, **told}


def datasketch(rows: int) -> dict[str, Any]:
    """Its usual way: signatures in bulk, inserted in a session, every text asked for once; same first rows as ours."""
    from datasketch import MinHash, MinHashLSH

    texts, origins = zip(*generated(rows), strict=True)
    start = time.perf_counter()
    first: dict[int, int] = {}
    for row, text in enumerate(texts):
        first.setdefault(near_key(text), row)
    own = list(first.values())
    index = MinHashLSH(threshold=THRESHOLD, num_perm=128)
    made = MinHash.bulk(([s.encode() for s in shingled(texts[row])] for row in own), num_perm=128)
    with index.insertion_session() as session:
        for row, signature in zip(own, made, strict=True):
            session.insert(row, signature, check_duplication=False)
    found = {(other, row) for row, one in zip(own, made, strict=True) for other in index.query(one) if other < row}
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "mib": peak(), **judged(found, texts, known_pairs(texts, origins))}


def hard(texts: Callable[[int], Iterator[str]]) -> Callable[[int], dict[str, Any]]:
    def measure(rows: int) -> dict[str, Any]:
        near, seconds = timed(lambda: texts(rows))
        told = {"pairs": len(near.left), "crowded": near.crowded, "sampled": near.sampled}
        return {"seconds": seconds, "mib": peak(), "clusters": len(np.unique(near.clusters())), **told}

    return measure


STAGES: dict[str, Callable[[int], dict[str, Any]]] = {
    "ours": ours,
    "datasketch": datasketch,
    "identical": hard(lambda rows: ("Where is my card?" for _ in range(rows))),
    "boilerplate": hard(boilerplate),
    "megabyte": hard(megabyte),
}


# Known leaks


def banking(data: Path, name: str) -> list[tuple[str, str]]:
    with (data / "banking77" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [(row["text"], row["category"]) for row in csv.DictReader(file)]


def reviews(data: Path, name: str) -> list[tuple[str, str]]:
    lines = (data / "chnsenticorp" / f"{name}.tsv").read_text(encoding="utf-8").split("\n")[1:]
    cells = [line.rstrip("\r").split("\t", 1) for line in lines if line.strip()]
    return [(text, label) for label, text in cells]


def sentences(data: Path, name: str) -> list[str]:
    blocks = (data / "conll2003" / f"eng.{name}").read_text(encoding="utf-8").split("\n\n")
    words = ([line.split()[0] for line in block.splitlines() if line.strip()] for block in blocks)
    return [" ".join(one) for one in words if one and one != ["-DOCSTART-"]]


def known_leaks(data: Path) -> dict[str, Any]:
    """How many held-out texts stand in train, for each meaning of "the same"."""
    told = {"banking77 test": leaks(banking(data, "train"), banking(data, "test"))}
    for name in ("dev", "test"):
        told[f"chnsenticorp {name}"] = leaks(reviews(data, "train"), reviews(data, name))
    train = [(text, "") for text in sentences(data, "train")]
    for name in ("testa", "testb"):
        told[f"conll2003 {name}"] = leaks(train, [(text, "") for text in sentences(data, name)])
    told["conll2003 train"] = repeats([text for text, _ in train])
    for name, found in told.items():
        print(f"{name}: {found}", flush=True)
    return told


Labelled = Sequence[tuple[str, str]]
KEYS: dict[str, Callable[[str], Any]] = {
    "exact": str,
    "ends": str.strip,
    "white space": text_key,
    "signs and case": near_key,
}


def leaks(train: Labelled, held: Labelled) -> dict[str, Any]:
    """Rows held out that train has, the distinct ones, and those whose label differs from one of train's."""
    told: dict[str, Any] = {}
    for name, key in KEYS.items():
        labels: dict[Any, set[str]] = {}
        for text, label in train:
            labels.setdefault(key(text), set()).add(label)
        hits = [(key(text), label) for text, label in held if key(text) in labels]
        told[name] = {
            "rows": len(hits),
            "distinct": len({one for one, _ in hits}),
            "conflicting": sum(labels[one] != {label} for one, label in hits),
        }
    near = find_near([text for text, _ in [*train, *held]], THRESHOLD)
    direct = np.zeros(len(near.first), np.bool_)
    direct[near.right[near.left < len(train)]] = True
    told["near"] = {"rows": int((direct | (near.first < len(train)))[near.first][len(train) :].sum())}
    return told


def repeats(texts: Sequence[str]) -> dict[str, Any]:
    """Rows whose text stood before, and distinct texts that stand more than once."""
    told: dict[str, Any] = {}
    for name, key in KEYS.items():
        counts = np.unique(np.array([hash(key(text)) for text in texts]), return_counts=True)[1]
        again = {"stood before": len(texts) - len(counts), "distinct repeated": int((counts > 1).sum())}
        told[name] = again | {"rows of those": int(counts[counts > 1].sum())}
    near = find_near(texts, THRESHOLD)
    told["near"] = {"not first of their cluster": int((near.clusters() != np.arange(len(texts))).sum())}
    return told


if __name__ == "__main__":
    main()
