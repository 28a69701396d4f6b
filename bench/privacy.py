"""Privacy: what is found, kind by kind, in English and in Chinese, and how fast.

English: pii_presidio's synth_dataset_v2; the patterns were written with generated_large (`--dev`). Its kinds
that no pattern can tell are named apart. Chinese: texts that `privacy_texts` writes, with look-alikes, from another
seed than `--dev` shows. A find counts when its kind and both its ends are right. Speed: one core, a line at a time, and
a megabyte of each sort of nasty line.
"""

from __future__ import annotations

import json
import lzma
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from common import arguments, finish, need
from privacy_texts import texts

ENGLISH = {
    **{
        "EMAIL_ADDRESS": "EMAIL",
        "CREDIT_CARD": "BANK_CARD",
        "IBAN_CODE": "IBAN",
        "US_SSN": "US_SSN",
        "IP_ADDRESS": "IP",
    },
    **{"DOMAIN_NAME": "URL", "PHONE_NUMBER": "PHONE", "STREET_ADDRESS": "ADDRESS", "ADDRESS": "ADDRESS"},
}
FIXED = ("ID_CARD", "CREDIT_CODE", "BANK_CARD", "IBAN", "US_SSN", "PASSPORT", "PLATE", "MAC", "IP", "EMAIL")
NASTY = ("1", "@", "a.", " ", "/", "省市区", "1 ", "1234 ", "a:", "::", "路1号", "sk-", "eyJ", "://", "0-", "password ")
Span = tuple[int, int, str]


class Tally:
    """Found, wanted and right, a kind."""

    def __init__(self) -> None:
        self.right: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self.wanted: Counter[str] = Counter()
        self.touched: Counter[str] = Counter()

    def add(self, found: set[Span], wanted: set[Span]) -> None:
        self.right.update(kind for *_, kind in found & wanted)
        self.found.update(kind for *_, kind in found)
        self.wanted.update(kind for *_, kind in wanted)
        hit = (k for s, e, k in wanted if any(a < e and s < b for a, b, _ in found))
        self.touched.update(hit)

    def figures(self, kinds: Iterable[str]) -> tuple[float, float, float]:
        """Precision, recall and F1 over some kinds together."""
        kinds = list(kinds)
        right, found, wanted = (sum(c[kind] for kind in kinds) for c in (self.right, self.found, self.wanted))
        return right / (found or 1), right / (wanted or 1), 2 * right / ((found + wanted) or 1)

    def show(self) -> None:
        for kind in sorted({*self.found, *self.wanted}):
            precision, recall, f1 = self.figures([kind])
            told = f"P {precision:.3f}  R {recall:.3f}  F1 {f1:.3f}  masked at least in part {self.touched[kind]}"
            print(f"  {kind:16} {self.wanted[kind]:5} {told}", flush=True)


def english(path: Path) -> tuple[Tally, Counter[str]]:
    """Score pii_presidio; returns also how often its kinds stand there that no pattern looks for."""
    from tunewheel.data.privacy import find

    tally, apart = Tally(), Counter[str]()
    for row in json.loads(path.read_text(encoding="utf-8")):
        wanted: set[Span] = set()
        for span in row["spans"]:
            kind = ENGLISH.get(span["entity_type"])
            if kind is None:
                apart[span["entity_type"]] += 1
            else:
                wanted.add((span["start_position"], span["end_position"], kind))
        tally.add(set(find(row["full_text"], ENGLISH.values())), wanted)
    return tally, apart


def chinese(many: int, *, verbose: bool = False) -> Tally:
    """Score generated texts."""
    from tunewheel.data.privacy import find

    tally = Tally()
    for text, wanted in texts(many, seed=13 if verbose else 14):
        found: set[Span] = set(find(text))
        tally.add(found, wanted)
        if verbose and found != wanted:
            print(
                repr(text),
                "missed",
                [text[s:e] for s, e, _ in wanted - found],
                "wrong",
                [(text[s:e], k) for s, e, k in found - wanted],
            )
    return tally


def speed(lines: list[str]) -> float:
    """Megabytes a second, the median of three rounds of processor time."""
    from tunewheel.data.privacy import find

    size, seconds = sum(len(line.encode()) for line in lines) / 1e6, []
    for _ in range(3):
        start = time.process_time()
        for line in lines:
            find(line)
        seconds.append(time.process_time() - start)
    return size / sorted(seconds)[1]


def slowest(size: int) -> tuple[float, str]:
    """Seconds of the nasty line that takes longest."""
    from tunewheel.data.privacy import find

    taken = []
    for piece in NASTY:
        text = piece * (size // len(piece.encode()))
        start = time.process_time()
        find(text)
        taken.append((time.process_time() - start, piece))
    return max(taken)


def main() -> None:
    """Score, time, print a table, record one row."""
    parser = arguments(__doc__ or "")
    parser.add_argument(
        "--dev", action="store_true", help="score the file patterns were written with, and show what fails"
    )
    options = parser.parse_args()
    need(options.data, "pii_presidio/synth_dataset_v2.json", "pretrain_zh.txt.xz", "conll2003/eng.train")
    name = "generated_large" if options.dev else "synth_dataset_v2"
    en, apart = english(options.data / "pii_presidio" / f"{name}.json")
    print(f"pii_presidio {name}")
    en.show()
    print("  not looked for: " + ", ".join(f"{kind} {many}" for kind, many in apart.most_common()))
    many = 1_000 if options.quick or options.dev else 20_000
    zh = chinese(many, verbose=options.dev)
    print(f"Chinese, {many:,} generated texts")
    zh.show()
    with lzma.open(options.data / "pretrain_zh.txt.xz", "rt", encoding="utf-8") as file:
        zh_lines = [line.rstrip() for line in islice(file, 500 if options.quick else 3_000)]
    words = (options.data / "conll2003" / "eng.train").read_text(encoding="utf-8").split("\n\n")
    en_lines = [
        " ".join(line.split()[0] for line in block.splitlines() if line.strip()) for block in words[: len(zh_lines) * 4]
    ]
    rates = {"en": speed(en_lines), "zh": speed(zh_lines)}
    worst, piece = slowest(100_000 if options.quick else 1_000_000)
    print(f"MB/s: English {rates['en']:.1f}, Chinese {rates['zh']:.1f}; slowest nasty line {piece!r}: {worst:.2f} s")
    _report(options, en, zh, rates, worst)


def _report(options: Namespace, en: Tally, zh: Tally, rates: dict[str, float], worst: float) -> None:
    """One row, and the exit status: kinds with a fixed form must reach 0.99 in Chinese, speed two megabytes."""
    fixed = zh.figures(FIXED)
    usual = [kind for kind in zh.wanted if kind != "PHONE"]
    by_kind = {kind: round(en.figures([kind])[2], 3) for kind in ENGLISH.values()}
    rest = {"all but phones": zh.figures(usual), "phones": zh.figures(["PHONE"])}
    zh_told = ", ".join(f"{name} {p:.3f} / {r:.3f}" for name, (p, r, _) in {"fixed": fixed, **rest}.items())
    row = " | ".join(
        [
            ", ".join(f"{kind} {f1:.3f}" for kind, f1 in by_kind.items()),
            zh_told,
            f"{rates['en']:.1f} / {rates['zh']:.1f}",
            f"{worst:.2f}",
        ]
    )
    result = {"quick": options.quick, "en_f1": by_kind, "zh": {"fixed": fixed, **rest}, "mb_s": rates, "worst_s": worst}
    keep = not (options.quick or options.no_record or options.dev)
    finish("privacy", row, result, record=keep)
    sys.exit(
        not (
            min(fixed[:2]) >= 0.99
            and min(rest["all but phones"][:2]) >= 0.97
            and min(rates.values()) >= 2
            and worst < 1
        )
    )


if __name__ == "__main__":
    main()
