"""Breadth: `tunewheel train`, one command, on data sets of both languages and every shape.

Files are linked as they are into a folder under the names of their splits where these do not tell them. CLUENER's
test rows carry no labels: its dev split is the test here, and dev is taken from train. Settings are the defaults but
for fewer epochs where a set is large, and the head fitted first on CLINC150.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import arguments, finish, need


@dataclass(frozen=True)
class Case:
    """What is linked as which split (a lone file is given itself), options of the command, the figures to show."""

    name: str
    files: dict[str, str]
    metrics: tuple[str, ...]
    options: tuple[str, ...] = ()


ENTITIES = ("f1", "precision", "recall")
SHORT = ("--epochs", "6")
CASES = (
    Case(
        "WNUT-17",
        {"train.conll": "wnut17/wnut17train.conll", "dev.conll": "wnut17/emerging.dev.conll"}
        | {"test.conll": "wnut17/emerging.test.annotated"},
        ENTITIES,
        SHORT,
    ),
    Case("Resume", {f"{s}.bmes": f"resume_ner/{s}.char.bmes" for s in ("train", "dev", "test")}, ENTITIES, SHORT),
    Case("Weibo", {f"{s}.conll": f"weibo_ner/weiboNER_2nd_conll.{s}" for s in ("train", "dev", "test")}, ENTITIES),
    Case("CLUENER", {"train.json": "cluener/train.json", "test.json": "cluener/dev.json"}, ENTITIES, ("--epochs", "3")),
    Case(
        "CLINC150 with out-of-scope",
        {"": "clinc150/data_full.json"},
        ("in_scope_accuracy", "oos_recall", "oos_precision", "oos_auroc", "oos_fpr95"),
        ("--epochs", "3", "--learning-rate", "1e-4", "--set", "head_first=true"),
    ),
    Case(
        "ChnSentiCorp",
        {f"{s}.tsv": f"chnsenticorp/{s}.tsv" for s in ("train", "dev", "test")},
        ("accuracy",),
        ("--epochs", "2"),
    ),
    Case(
        "Financial PhraseBank",
        {"": "financial_phrasebank/Sentences_50Agree.txt"},
        ("accuracy", "macro_f1"),
        ("--epochs", "4"),
    ),
)


def one_run(case: Case, data: Path, folder: Path, *, quick: bool) -> dict[str, Any]:
    """Train by the command in a process of its own; its report and how long it took."""
    given = data / case.files[""] if "" in case.files else folder / case.name.replace(" ", "-").lower()
    if "" not in case.files:
        given.mkdir()
        for name, source in case.files.items():
            (given / name).symlink_to((data / source).resolve())
    short = ("--epochs", "1", "--set", "window=64") if quick else ()
    command = ["tunewheel", "train", str(given), *case.options, *short, "--json", "--home", str(folder / "home")]
    start = time.perf_counter()
    program = [sys.executable, "-m", "tunewheel", *command[1:]]
    done = subprocess.run(program, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed with {done.returncode}")
    return {**json.loads(done.stdout)["report"], "took": time.perf_counter() - start}


def shown(report: dict[str, Any], name: str) -> str | None:
    """A figure in percent with its interval, None where the report lacks it."""
    found = {**report["metrics"], **report.get("figures", {})}.get(name)
    return found and f"{100 * found['value']:.2f} [{100 * found['low']:.2f}, {100 * found['high']:.2f}]"


def main() -> None:
    """Run the cases, a row each."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--only", nargs="+", help="names of data sets, or beginnings of them")
    options = parser.parse_args()
    cases = [c for c in CASES if not options.only or c.name.lower().startswith(tuple(map(str.lower, options.only)))]
    if options.quick:
        cases = [case for case in cases if case.name in ("Weibo", "WNUT-17")]
    need(options.data, *(source for case in cases for source in case.files.values()))
    results: dict[str, Any] = {}
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            report = one_run(case, options.data, Path(folder), quick=options.quick)
        figures = {name: text for name in case.metrics if (text := shown(report, name))}
        clean = report["clean"] and 100 * report["clean"][report["headline"][0]]["value"]
        result = {"rows": report["rows"], "seen": report["seen_rows"], "clean": clean, "seconds": report["took"]}
        results[case.name] = {**figures, **result}
        print(case.name, results[case.name], file=sys.stderr, flush=True)
        row = " | ".join(
            [
                case.name,
                f"{report['rows']:,}",
                ", ".join(f"{name.replace('_', ' ')} {text}" for name, text in figures.items()),
                f"{clean:.2f} ({report['rows'] - report['seen_rows']:,})" if clean else "–",
                f"{report['took']:.0f} s",
            ]
        )
        finish("breadth", row, results[case.name], record=not (options.quick or options.no_record))
    finish("breadth", "", {**results, "quick": options.quick}, record=False)


if __name__ == "__main__":
    main()
