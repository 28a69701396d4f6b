"""Formats: every labelled data set of the benchmark folder, its files read as they are, against published counts."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common import arguments, finish, need


@dataclass(frozen=True)
class Case:
    """A data set: what `Dataset.read` is given, and what must come out.

    ``rows`` are by split; ``facts`` are further published figures with the function that finds each; ``problem`` is
    what the one row that cannot be used must be told of, and then ``rows`` says where it stands.
    """

    name: str
    data: str | Mapping[str, str]
    rows: dict[str, int]
    facts: Mapping[str, tuple[Any, Callable[[Any], Any]]] = field(default_factory=dict)
    problem: str | None = None
    quick: bool = True


def labels(dataset: Any) -> int:
    return len(dataset.labels)


def counted(dataset: Any) -> dict[str, int]:
    return dict(Counter(label for split in dataset.splits for label in dataset[split]["label"]))


def entities(dataset: Any) -> int:
    return sum(len(found) for split in dataset.splits if split != "unlabelled" for found in dataset[split]["entities"])


def overlap(split: str) -> Callable[[Any], int]:
    return lambda dataset: int(dataset.overlap("train", split).sum())


def noted(words: str) -> Callable[[Any], bool]:
    return lambda dataset: any(words in note for note in dataset.notes)


FEWCLUE = {"tnews": (240, 240, 2010, 15), "eprstmt": (32, 32, 610, 2), "bustm": (32, 32, 1772, 2)}
PHRASES = {"neutral": 2879, "positive": 1363, "negative": 604}


def cases() -> Iterator[Case]:
    """All data sets, the quick ones first."""
    yield Case(
        "resume_ner", "resume_ner", {"train": 3821, "dev": 463, "test": 477}, {"scheme BMES": yes("tag scheme BMES")}
    )
    yield Case(
        "weibo_ner", "weibo_ner", {"train": 1350, "dev": 270, "test": 270}, {"digits off": yes("position digits")}
    )
    files = {"train": "wnut17train.conll", "dev": "emerging.dev.conll", "test": "emerging.test.annotated"}
    wnut = {split: f"wnut17/{name}" for split, name in files.items()}
    yield Case("wnut17", wnut, {"train": 3394, "dev": 1009, "test": 1287})
    banking = {"labels": (77, labels), "test texts in train": (7, overlap("test"))}
    yield Case("banking77", "banking77", {"train": 10003, "test": 3080}, banking)
    clinc = {"labels": (151, labels), "oos": (1200, lambda d: counted(d)["oos"])}
    yield Case("clinc150 full", "clinc150/data_full.json", {"train": 15100, "dev": 3100, "test": 5500}, clinc)
    yield Case("clinc150 small", "clinc150/data_small.json", {"train": 7600, "dev": 3100, "test": 5500}, clinc)
    for task, (train, dev, test, many) in FEWCLUE.items():
        for fold in range(5):
            read = {split: f"fewclue/{task}/{split}_{fold}.json" for split in ("train", "dev")}
            read["test"] = f"fewclue/{task}/test_public.json"
            yield Case(
                f"fewclue {task} {fold}", read, {"train": train, "dev": dev, "test": test}, {"labels": (many, labels)}
            )
    phrases = "financial_phrasebank/Sentences_50Agree.txt"
    yield Case("financial_phrasebank", phrases, {"train": 4846}, {"by label": (PHRASES, counted)})
    news = {"by label": ({"0": 1200, "1": 1200}, counted)}
    yield Case("fin_news_zh", "fin_news_zh/test_data.csv", {"train": 2400}, news)
    for split in ("dev", "test"):
        topics = {"labels": (10, labels), "renamed": yes("renamed by class.txt")}
        yield Case(f"thucnews {split}", f"thucnews_titles/{split}.txt", {"train": 10000}, topics)
    comments = {"by label": ({"negative": 4607, "positive": 4607}, counted)}
    yield Case("stock_comments_zh", "stock_comments_zh", {"train": 9214}, comments)
    yield Case("zh_fin_news_daily", "zh_fin_news_daily/processed/sentiment_*.json", {"train": 3399})
    yield Case(
        "pii_presidio v2",
        "pii_presidio/synth_dataset_v2.json",
        {"train": 1500},
        {"exclusive": yes("ends of entities are exclusive")},
    )
    yield Case("pii_presidio large", "pii_presidio/generated_large.json", {"train": 2109})
    yield Case("pii_presidio small", "pii_presidio/generated_small.json", {}, problem="'Ayers' at 21:26")
    reviews = {"test texts in train": (331, overlap("test")), "dev texts in train": (338, overlap("dev"))}
    yield Case("chnsenticorp", "chnsenticorp", {"train": 9600, "dev": 1200, "test": 1200}, reviews, quick=False)
    spans = {"labels": (10, labels), "entities": (27043, entities), "inclusive": yes("ends of entities are inclusive")}
    cluener = {"train": 10748, "dev": 1343, "unlabelled": 1345}
    yield Case("cluener", "cluener", cluener, spans, quick=False)
    conll = {"entities": (35089, entities), "scheme IOB1": yes("tag scheme IOB1")}
    yield Case("conll2003", "conll2003", {"train": 14041, "dev": 3250, "test": 3453}, conll, quick=False)


def yes(words: str) -> tuple[bool, Callable[[Any], bool]]:
    return True, noted(words)


def check(case: Case, folder: Path) -> tuple[list[str], int, int]:
    """Read a data set; returns what is wrong, the files it came from, and its rows."""
    from tunewheel.data import DataError, Dataset

    data = str(folder / case.data) if isinstance(case.data, str) else {k: folder / v for k, v in case.data.items()}
    try:
        dataset = Dataset.read(data, dev=0.0, test=0.0)
    except DataError as error:
        told = error.problems[0]
        if case.problem is None or error.total > 1 or case.problem not in told.expected:
            return [str(error).splitlines()[0]], 0, 0
        return [], 1, 0
    wrong = [] if dataset.rows == case.rows else [f"rows {dataset.rows}, published {case.rows}"]
    for name, (published, find) in case.facts.items():
        if (found := find(dataset)) != published:
            wrong.append(f"{name} {found}, published {published}")
    return wrong, len({source.path for source in dataset.sources}), len(dataset)


def main() -> None:
    """Read them all, print a table, record one row."""
    options = arguments(__doc__ or "").parse_args()
    chosen = [case for case in cases() if case.quick or not options.quick]
    paths = [path for case in chosen for path in ([case.data] if isinstance(case.data, str) else case.data.values())]
    need(options.data, *sorted({Path(path).parts[0] for path in paths}))
    failed: dict[str, list[str]] = {}
    start, files, rows = time.perf_counter(), 0, 0
    for case in chosen:
        begin = time.perf_counter()
        wrong, of_case, many = check(case, options.data)
        files, rows = files + of_case, rows + many
        failed |= {case.name: wrong} if wrong else {}
        told = "; ".join(wrong) or "as published"
        print(
            f"{case.name:22} {many:7,} rows {of_case:3} files {time.perf_counter() - begin:6.2f} s  {told}", flush=True
        )
    seconds = round(time.perf_counter() - start, 1)
    result = {"quick": options.quick, "sets": len(chosen), "files": files, "rows": rows, "seconds": seconds}
    row = f"{len(chosen) - len(failed)} of {len(chosen)} | {files} | {rows:,} | {seconds}"
    finish("formats", row, {**result, "failed": failed}, record=not (options.quick or options.no_record))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
