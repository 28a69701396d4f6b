"""Fuzzed files: whatever a file holds, it is read rightly or refused with its place; nothing else may happen.

Real files (their beginnings) are cut, flipped, shuffled, re-encoded and broken; others hypothesis makes from scratch.
Each is read once with its bad rows raising or left out, once as a stream, and checked. A correct load has as many rows
as it counts, each with a text, its spans inside it; a refusal is a `DataError` that names the file, and rows that are
there. A check writes a whole report or none. A failure is saved under --failures, and comes again with --seed and
--only.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from common import arguments, finish, need

FILES, QUICK = 10_000, 300
HEAD = 24_000  # bytes of a real file
ALIKE = 4  # files of one folder and ending
SLOW = 30  # seconds
SUFFIXES = (*(".jsonl", ".json", ".csv", ".tsv", ".txt", ".conll", ".bio", ".bmes", ".testa"), "")
"""Endings of the real files that are taken, and of the files that hypothesis makes."""

Mutation = Callable[[random.Random, bytes], bytes]


def cut(draw: random.Random, data: bytes) -> bytes:
    return data[: draw.randrange(len(data) + 1)]


def behead(draw: random.Random, data: bytes) -> bytes:
    return data[draw.randrange(len(data) + 1) :]


def flip(draw: random.Random, data: bytes) -> bytes:
    found = bytearray(data)
    for _ in range(draw.choice((1, 3, 30)) if found else 0):
        found[draw.randrange(len(found))] = draw.randrange(256)
    return bytes(found)


def by_lines(change: Callable[[random.Random, list[bytes]], list[bytes]]) -> Mutation:
    def mutate(draw: random.Random, data: bytes) -> bytes:
        return b"".join(change(draw, data.splitlines(keepends=True)))

    mutate.__name__ = change.__name__
    return mutate


@by_lines
def shuffle(draw: random.Random, lines: list[bytes]) -> list[bytes]:
    return draw.sample(lines, len(lines))


@by_lines
def duplicate(draw: random.Random, lines: list[bytes]) -> list[bytes]:
    return [line for line in lines for _ in range(draw.choice((1, 1, 1, 2)))]


@by_lines
def drop(draw: random.Random, lines: list[bytes]) -> list[bytes]:
    return [line for line in lines if draw.random() < 0.8]


@by_lines
def mix_encodings(draw: random.Random, lines: list[bytes]) -> list[bytes]:
    encoding = draw.choice(("gb18030", "latin-1", "utf-16", "utf-8-sig"))
    share = draw.choice((0.05, 0.5, 1.0))
    return [
        line.decode("utf-8", "replace").encode(encoding, "replace") if draw.random() < share else line for line in lines
    ]


@by_lines
def swap_delimiters(draw: random.Random, lines: list[bytes]) -> list[bytes]:
    old, new = draw.sample((b",", b"\t", b";", b"|", b" ", b"@", b"\n", b"\r\n", b"\r", b":"), 2)
    share = draw.choice((0.05, 1.0))
    return [line.replace(old, new) if draw.random() < share else line for line in lines]


def break_brackets(draw: random.Random, data: bytes) -> bytes:
    mark = draw.choice((b"[", b"]", b"{", b"}", b'"', b"'", b"\\", b"\0", b"-DOCSTART-\n", b"\xef\xbb\xbf"))
    if draw.random() < 0.4:
        return data.replace(mark, b"", draw.choice((1, 5, -1)))
    for _ in range(draw.choice((1, 5))):
        at = draw.randrange(len(data) + 1)
        data = data[:at] + mark + data[at:]
    return data


def change_numbers(draw: random.Random, data: bytes) -> bytes:
    return data.replace(str(draw.randrange(10)).encode(), draw.choice((b"-1", b"99999", b"1e999", b"null", b"0.5")))


MUTATIONS: tuple[Mutation, ...] = (
    *(cut, behead, flip, shuffle, duplicate, drop, mix_encodings),
    *(swap_delimiters, break_brackets, change_numbers),
)


def corpus(data: Path) -> list[tuple[str, bytes]]:
    """The beginnings of the real files that are read as they are, a few of each folder, and a Parquet file."""
    found, taken = [("made.parquet", parquet())], Counter[tuple[Path, str]]()
    for path in sorted(data.rglob("*")):
        if not path.is_file() or path.suffix not in SUFFIXES or taken[path.parent, path.suffix] >= ALIKE:
            continue
        with path.open("rb") as file:
            head = file.read(HEAD)
        whole = head[: head.rfind(b"\n") + 1] or head
        if attempt(path.name, whole, skip=True)[0] != "refused":
            taken[path.parent, path.suffix] += 1
            found.append((path.name, whole))
    return found


def parquet() -> bytes:
    """A Parquet file of forty rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [f"parcel {i} is late" if i % 2 else f"第{i}个包裹晚到" for i in range(40)]
    table = pa.table({"text": texts, "label": ["late", "晚到"] * 20, "weight": [i / 7 for i in range(40)]})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def mutated(draw: random.Random, files: list[tuple[str, bytes]]) -> tuple[str, bytes]:
    """One real file after one mutation to four, now and then under another ending."""
    name, data = draw.choice(files)
    for mutate in draw.choices(MUTATIONS, k=draw.choice((1, 1, 2, 4))):
        data = mutate(draw, data)
    return (name if draw.random() < 0.9 else f"other{draw.choice(SUFFIXES)}"), data


def from_scratch(seed: int, count: int) -> list[tuple[str, bytes]]:
    """Small files that hypothesis makes: rows of odd values as JSON and tables, tags in columns, plain bytes."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from hypothesis import strategies as st

    scalar = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    value = st.recursive(
        scalar, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3)
    )
    name = st.sampled_from(["text", "label", "labels", "entities", "tokens", "tags", "id", "group", "document", "文本"])
    span = st.fixed_dictionaries({"start": st.integers(-1, 9), "end": st.integers(-1, 9), "label": st.text(max_size=3)})
    row = st.dictionaries(name, value | st.lists(span, max_size=2) | st.text(min_size=1, max_size=20), max_size=4)
    good = st.fixed_dictionaries({"text": st.text(min_size=1), "label": st.sampled_from("xy")})
    rows = st.lists(row | good, min_size=1, max_size=8)
    lines = rows.map(lambda rows: "\n".join(json.dumps(row) for row in rows))
    arrays = rows.map(lambda rows: json.dumps(rows, indent=1))
    field = st.text(max_size=8)
    table = st.tuples(
        st.lists(st.lists(field, min_size=1, max_size=4), min_size=1, max_size=8), st.sampled_from(",\t;")
    )
    tables = table.map(lambda found: "\n".join(found[1].join(line) for line in found[0]))
    tag = st.sampled_from(["O", "B-PER", "I-PER", "E-X", "", "-", "B-"])
    columns = st.lists(st.tuples(st.text(max_size=3), tag).map(" ".join) | st.just(""), max_size=12).map("\n".join)
    content = (lines | arrays | tables | columns).map(lambda text: text.encode("utf-8", "surrogatepass"))
    made: list[tuple[str, bytes]] = []

    @seeded(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(SUFFIXES), content | st.binary(max_size=60))
    def keep(suffix: str, data: bytes) -> None:
        made.append((f"small{suffix}", data))

    keep()
    return made


def judge(path: Path, skip: bool) -> str:
    """Read a file; says how it went, and raises where it went wrong."""
    from tunewheel.data import DataError, Dataset

    rejected = path.with_name("rejected.jsonl")
    try:
        dataset = Dataset.read(path, on_error="skip" if skip else "raise", rejected=rejected)
    except DataError as error:
        lines = path.read_bytes().count(b"\n") + path.read_bytes().count(b"\r") + 1
        for problem in error.problems:
            assert path.name in problem.file, f"no file in: {problem}"
            assert problem.row is None or 1 <= problem.row <= lines, f"no such row: {problem}"
            assert problem.expected and problem.found and problem.fix, f"not said in full: {problem}"
        return "refused"
    seen: set[str] = set()
    for split in dataset.splits:
        for batch in dataset.batches(split):
            for row in batch.to_pylist():
                assert row["text"].strip(), "a row without a text"
                # Elsewhere a column of that name is the file's own and holds what it likes.
                entities = row["entities"] or () if dataset.task == "ner" and split != "unlabelled" else ()
                assert all(0 <= e["start"] < e["end"] <= len(row["text"]) for e in entities)
                seen.add(row["id"])
    counts = sum(source.rows for source in dataset.sources)
    assert len(seen) == len(dataset) == counts, f"{len(seen)} ids, {len(dataset)} rows, {counts} counted"
    left_out = sum(source.rejected for source in dataset.sources)
    written = rejected.read_text("utf-8").count("\n") if rejected.exists() else 0
    assert written >= left_out and bool(written) == bool(left_out), f"{left_out} left out, {written} written"
    return "read in part" if left_out else "read"


def judge_stream(path: Path) -> None:
    """Read a file as `predict` does; raises where it went wrong."""
    from tunewheel.data import DataError
    from tunewheel.data.passage import Passage
    from tunewheel.data.streams import Stream

    try:
        for row in Passage(iter(Stream(path)), None, str(path), skip=True).rejoin(lambda texts: ({} for _ in texts)):
            assert row
    except DataError as error:
        assert path.name in str(error), f"no file in: {error}"


def judge_check(path: Path, whole: bool) -> None:
    """Check a file as `check` does; raises where it went wrong. The slow parts are done for the ``whole`` alone."""
    import tunewheel as tw
    from tunewheel.data import DataError
    from tunewheel.data.check.page import render_html

    page = path.with_name("report.html")
    try:
        inspection = tw.check(path, sample=200, skip=() if whole else ["suspects", "outliers", "drift", "coverage"])
        if whole:
            inspection.write_html(page, "zh")
    except DataError as error:
        assert path.name in str(error), f"no file in: {error}"
        assert not page.exists(), "a report of nothing"
        return
    json.dumps(inspection.as_dict())
    assert not whole or render_html(inspection).endswith("</html>\n"), "half a page"
    usable = sum(inspection.rows.values())
    assert all(f.count >= 1 and len(f.examples) <= 8 for f in inspection.findings), "a finding of nothing"
    assert usable, "a check of nothing"


def attempt(name: str, data: bytes, skip: bool, whole: bool = False) -> tuple[str, str | None]:
    """Judge one file: how it went, and what went wrong, if anything did."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        start = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                outcome = judge(path, skip)
                judge_stream(path)
                judge_check(path, whole)
        except Exception:
            return "failed", traceback.format_exc()
        took = time.perf_counter() - start
        return ("failed", f"took {took:.0f} s") if took > SLOW else (outcome, None)


def main() -> None:
    """Judge all files, save those that fail, and record the counts."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--files", type=int, help=f"{FILES:,} by default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="judge this one file of the seed, and show what went wrong")
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"), help="folder for files that failed")
    options = parser.parse_args()
    need(options.data, "conll2003/eng.train", "banking77/train.csv")
    count = options.files or (QUICK if options.quick else FILES)
    files, small = corpus(options.data), from_scratch(options.seed, max(1, count // 4))
    outcomes, started = Counter[str](), time.perf_counter()
    for i in islice(range(count), options.only, None if options.only is None else options.only + 1):
        draw = random.Random(f"{options.seed}-{i}")
        name, data = small[i // 4 % len(small)] if i % 4 == 0 else mutated(draw, files)
        outcome, wrong = attempt(name, data, skip=i % 2 == 1 or i % 8 == 0, whole=i % 16 < 2)
        outcomes[outcome] += 1
        if wrong:
            options.failures.mkdir(parents=True, exist_ok=True)
            (options.failures / f"{options.seed}-{i}-{name}").write_bytes(data)
            print(f"--seed {options.seed} --only {i} ({name}): {wrong}", file=sys.stderr, flush=True)
    failed = outcomes["failed"]
    result = {"files": outcomes.total(), "seed": options.seed, **outcomes, "failed": failed, "met": failed == 0}
    result["seconds"] = round(time.perf_counter() - started)
    cells = [f"{outcomes[name]:,}" for name in ("read", "read in part", "refused", "failed")]
    row = " | ".join([f"{result['files']:,}, seed {options.seed}", *cells])
    whole = options.only is None and not (options.quick or options.no_record)
    finish("fuzz", row, {**result, "quick": options.quick}, record=whole)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
