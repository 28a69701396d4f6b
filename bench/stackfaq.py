"""Matching: StackFAQ questions found by rewordings of questions unseen in training, and bustm's Chinese pairs.

StackFAQ: every rewording of a held-out question asks for that question among all 125. Questions are dealt into five
folds; of the others a tenth chooses the checkpoint. Intervals are over questions, whose rewordings stand together.
bustm: the 32 pairs of a fold are learned, those of its dev choose, test_public is scored. Finished folds of StackFAQ
stand in a JSON Lines file; the same call goes on where it ended.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from common import BULK, Cell, Cells, arguments, finish, need

FOLDS = 5
DEPTH = 10
SEED = 13


def questions(path: Path, most: int | None) -> dict[str, list[str]]:
    """Each question with its rewordings; the list's stars part two kinds of them, and a few are null."""
    pairs = json.loads(path.read_text(encoding="utf-8"))["root"]["qapair"][:most]
    kept: dict[str, list[str]] = {}
    for pair in pairs:
        texts = [text.strip() for text in pair["rephr"] if isinstance(text, str)]
        kept[pair["question"].strip()] = list(dict.fromkeys(text for text in texts if text not in ("", "*")))
    return kept


def cuts(names: Sequence[str], folds: int) -> list[tuple[list[str], list[str], list[str]]]:
    """Train, dev and test questions of every fold; each question is tested once."""
    order = np.random.default_rng(SEED).permutation(len(names))
    parts = [[names[i] for i in part] for part in np.array_split(order, FOLDS)]
    dealt = []
    for fold in range(folds):
        rest = [name for i, part in enumerate(parts) if i != fold for name in part]
        dealt.append((rest[len(rest) // 10 :], rest[: len(rest) // 10], parts[fold]))
    return dealt


def labelled(task: Any, chosen: Sequence[str], faq: dict[str, list[str]], negatives: int) -> list[Any]:
    """Every rewording with its question, and apart from the questions that BM25 takes for it."""
    from tunewheel.models.retrieval import Index, hard_negatives

    asked = [(text, name) for name in chosen for text in faq[name]]
    rows = [task.pair(text, name, together=True) for text, name in asked]
    index = Index({name: name for name in chosen})
    mined = hard_negatives([t for t, _ in asked], [[n] for _, n in asked], index, count=negatives, how="words")
    rows += [task.pair(t, n, together=False) for (t, _), others in zip(asked, mined, strict=True) for n in others]
    return rows


def trained(task: Any, base: str, method: str, train: list[Any], dev: list[Any], **recipe: Any) -> tuple[Any, float]:
    from tunewheel.models import Recipe, prepare

    ready = prepare(task, base, train, Recipe(seed=SEED, **recipe), method=method)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        model, _ = ready.train(train, dev, Path(folder))
    return model, time.perf_counter() - start


def searched(faq: dict[str, list[str]], fold: tuple[list[str], list[str], list[str]], options: Any) -> Cell:
    """What each way finds for the rewordings of a fold's test questions, as places in the list of questions."""
    from tunewheel.models.retrieval import Index, reranked
    from tunewheel.models.vectors import sentence_reader
    from tunewheel.tasks.matching import Matching

    train, dev, test = fold
    task, docs = Matching(("not", "same")), {name: name for name in faq}
    queries = [text for name in test for text in faq[name]]
    rows, held = (labelled(task, part, faq, 3) for part in (train, dev))
    epochs = {"epochs": 1} if options.quick else {"epochs": 4}
    plain = Index(docs, sentence_reader("minilm"))
    twin, spent = trained(task, "minilm", "bi-encoder", rows, held, **epochs)
    seconds = {"bi-encoder": spent}
    tuned = Index(docs, twin)
    found = {
        "BM25": plain.search_all(queries, len(docs), "words"),
        "MiniLM as it comes": plain.search_all(queries, len(docs)),
        "BM25 + MiniLM": plain.search_all(queries, len(docs), "hybrid"),
        "bi-encoder": tuned.search_all(queries, len(docs)),
        "BM25 + bi-encoder": tuned.search_all(queries, len(docs), "hybrid"),
    }
    if not options.no_cross:
        cross, seconds["cross-encoder"] = trained(task, "minilm", "full", rows, held, **epochs)
        best = [hits[:DEPTH] for hits in found["bi-encoder"]]
        found[f"bi-encoder, {DEPTH} re-ranked"] = reranked(cross, queries, best)
    place = {name: i for i, name in enumerate(faq)}
    ways = {name: [[place[hit.id] for hit in each] for each in hits] for name, hits in found.items()}
    return {"gold": [place[name] for name in test for _ in faq[name]], "ways": ways, "seconds": seconds}


def stackfaq(options: Any) -> dict[str, Any]:
    """Every way of searching on the same queries, pooled over the folds."""
    from tunewheel.evaluation.retrieval import measure

    faq = questions(options.data / "stackfaq" / "stackExchange-FAQ.json", 10 if options.quick else None)
    known, cells = Cells.of(options), []
    for number, fold in enumerate(cuts(list(faq), 1 if options.quick else options.folds)):
        key = ["StackFAQ", number, "without cross" if options.no_cross else "with cross", options.quick]
        cells.append(known.get(key, partial(searched, faq, fold, options)))
    groups = [str(place) for cell in cells for place in cell["gold"]]
    gold = [{place} for place in groups]
    ways = {
        name: [[str(place) for place in each] for cell in cells for each in cell["ways"][name]]
        for name in cells[0]["ways"]
    }
    results = {name: measure(ranked, gold, groups=groups) for name, ranked in ways.items()}
    start = results["MiniLM as it comes"]
    spent = {name: statistics.fmean(cell["seconds"][name] for cell in cells) for name in cells[0]["seconds"]}
    told: dict[str, Any] = {"queries": len(gold), "seconds": spent}
    for name, result in results.items():
        print(f"{name:28} {result}", file=sys.stderr)
        told[name] = {**result.as_dict()["metrics"], "gain": str(result.gain(start, "mrr"))}
        mrr, first = result.metrics["mrr"], result.metrics["recall@1"]
        gain = "–" if result is start else str(result.gain(start, "mrr"))
        row = f"StackFAQ, {name} | {mrr} | {first} | {gain} | {len(gold):,}"
        finish("matching", row, {name: mrr.value}, record=not (options.quick or options.no_record))
    return told


def bustm(options: Any) -> dict[str, Any]:
    """Accuracy on test_public, read together and apart, the mean of the folds."""
    from tunewheel.data import Dataset
    from tunewheel.evaluation import evaluate
    from tunewheel.tasks.matching import Matching

    folder = options.data / "fewclue" / "bustm"
    told: dict[str, Any] = {}
    for method in ("full", "bi-encoder"):
        scores = []
        for fold in range(1 if options.quick else 5):
            files = {"train": folder / f"train_{fold}.json", "dev": folder / f"dev_{fold}.json"}
            data = Dataset.read({**files, "test": folder / "test_public.json"}, "matching", targets=("label",))
            test = list(data["test"])[: 100 if options.quick else None]
            recipe = {"epochs": 1} if options.quick else {}
            model, _ = trained(
                Matching.from_dataset(data), options.zh, method, list(data["train"]), list(data["dev"]), **recipe
            )
            report = evaluate(model, test, resamples=200)
            scores.append({name: report.metrics[name].value for name in ("accuracy", "f1", "average_precision")})
        told[method] = {name: statistics.fmean(score[name] for score in scores) for name in scores[0]}
        spread = ", ".join(f"{score['accuracy']:.3f}" for score in scores)
        accuracy = f"accuracy {told[method]['accuracy']:.3f} ({spread})"
        row = f"bustm, {method} on {options.zh} | {accuracy} | – | – | {len(test):,}"
        print(method, told[method], file=sys.stderr)
        finish("matching", row, told[method], record=not (options.quick or options.no_record))
    return told


def main() -> None:
    """Both data sets, or one."""
    parser = arguments(__doc__ or "", BULK / "stackfaq.jsonl")
    parser.add_argument("--only", choices=["stackfaq", "bustm"], help="one of the two")
    parser.add_argument("--folds", type=int, default=FOLDS, help="how many of the five folds are tested")
    parser.add_argument("--no-cross", action="store_true", help="leave the cross-encoder out, the dearest part")
    parser.add_argument("--zh", default="bilstm", help="the base for bustm; one of random weights by default")
    options = parser.parse_args()
    need(options.data, "stackfaq/stackExchange-FAQ.json", "fewclue/bustm/test_public.json")
    result: dict[str, Any] = {"quick": options.quick}
    if options.only != "bustm":
        result["stackfaq"] = stackfaq(options)
    if options.only != "stackfaq":
        result["bustm"] = bustm(options)
    finish("matching", "", result, record=False)


if __name__ == "__main__":
    main()
