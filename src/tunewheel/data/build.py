"""From readers to a folder of Arrow files, in two streaming passes.

The first shapes and checks every row and writes it to a part, one a file, gathering a few numbers a row
(`gather`). From those the ids and splits follow; the second pass deals the parts out to the splits.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tunewheel.data import arrow, classes, split
from tunewheel.data.annotations import Ends, Evidence, check_ends, entities_of
from tunewheel.data.deal import Dealer, Division
from tunewheel.data.gather import Seen
from tunewheel.data.infer import Columns, Schema, Target, infer
from tunewheel.data.manifest import Manifest, Source
from tunewheel.data.problems import DataError, Problem, Problems
from tunewheel.data.readers.base import Reader, Record
from tunewheel.data.readers.names import split_order
from tunewheel.data.rows import Shaper

UNLABELLED = "unlabelled"
_SAMPLE = 1000
_CARVED = ("train", "dev", "test")


@dataclass(frozen=True)
class Input:
    """A reader and what it reads. ``split`` None: rows are to be divided; ``sha256`` None: not a file.

    ``classes`` are the names that stand beside the file for label numbers.
    """

    name: str
    records: Iterable[Record]
    format: str
    sha256: str | None
    split: str | None
    classes: classes.ClassList | None = None


@dataclass(frozen=True)
class Plan:
    """What the caller asked for."""

    task: str | None = None
    text: str | None = None
    label: str | None = None
    dev: float = 0.1
    test: float = 0.1
    seed: int = 13
    parent: str | None = None
    targets: tuple[Target, ...] | None = None
    ends: Ends | None = None

    def __post_init__(self) -> None:
        check_ends(self.ends)
        if not (0 <= self.dev < 1 and 0 <= self.test < 1 and self.dev + self.test < 1):
            raise ValueError(f"dev and test are shares of the rows, together under 1, not {self.dev} and {self.test}")


def build(inputs: list[Input], plan: Plan, folder: Path, notes: list[str]) -> Manifest:
    """Write the splits of ``inputs`` into ``folder``, say what they are. Raises `DataError` on bad rows."""
    first = next((item for item in inputs if item.split in (None, "train")), inputs[0])
    samples = [_sample(item) for item in inputs]
    sample = samples[inputs.index(first)]
    if not sample:
        raise _no_rows(first)
    schema = infer(first.name, sample, plan.task, plan.text, plan.label, plan.targets)
    told = [*schema.notes, *notes]
    labelled = [
        item is first or not Columns(some).is_empty(schema.label) for item, some in zip(inputs, samples, strict=True)
    ]
    names = [item.split if has else UNLABELLED for item, has in zip(inputs, labelled, strict=True)]
    ends, about_ends = _ends([item for item, has in zip(inputs, labelled, strict=True) if has], schema, plan.ends)
    listed = [None if schema.marks_spans else item.classes for item in inputs]
    named = classes.fitting(listed, samples, schema.label)
    first_pass = _FirstPass(schema, folder, ends)
    counts = [first_pass.read(*each) for each in zip(inputs, labelled, named, strict=True)]
    first_pass.problems.raise_any()
    seen = first_pass.seen
    told += [
        f"{item.name} has no '{schema.label}': kept as the split '{UNLABELLED}'"
        for item, has in zip(inputs, labelled, strict=True)
        if not has
    ]
    told += [note for item in inputs for note in getattr(item.records, "notes", ())]
    told += [*about_ends, *(found.note for found in named if found), *first_pass.notes]
    division, how = _divide(seen, names, plan, schema)
    dealer = Dealer(folder, seen, division, schema)
    splits = dealer.deal(first_pass.parts, first_pass.extras.types)
    if dealer.original_ids:
        told.append("the files' ids are not one a row: kept as 'original_id'; ids are made from the texts")
    told = [_task_note(schema, seen), *told, how, *_oddities(seen, division)]
    return Manifest(
        task=schema.task,
        multi_label=schema.multi_label,
        labels=tuple(sorted(seen.names)),
        columns=schema.columns,
        splits=splits,
        fingerprint=dealer.fingerprint(f"{schema.task} {schema.target}"),
        parent=plan.parent,
        sources=tuple(
            Source(item.name, item.sha256 or seen.digest_of(i), counts[i], item.format, names[i])
            for i, item in enumerate(inputs)
        ),
        notes=tuple(dict.fromkeys(told)),
    )


def _ends(inputs: list[Input], schema: Schema, given: Ends | None) -> tuple[Ends, list[str]]:
    """Settle how the ends of entities are counted, from all rows unless the caller said, and what to say of it."""
    if schema.shape != "entities" or schema.text is None or given == "exclusive":
        return "exclusive", []
    if given is not None:
        return given, [f"ends of entities are {given}, as asked; one is added to each"]
    evidence = Evidence()
    for item in inputs:
        _report_to(item, Problems())
        for record in item.records:
            evidence.add(record.values.get(schema.text), entities_of(record.values.get(schema.label)) or ())
    return evidence.verdict, [evidence.note] if evidence.entities else []


def _sample(item: Input) -> list[Mapping[str, Any]]:
    """Read the first records, without taking their problems down a first time."""
    _report_to(item, Problems())
    return [record.values for record in itertools.islice(item.records, _SAMPLE)]


def _report_to(item: Input, problems: Problems) -> None:
    if isinstance(item.records, Reader):
        item.records.problems = problems


def _no_rows(item: Input) -> DataError:
    """Tell why an input gave no record: its problems, or that it has none."""
    problems = Problems()
    _report_to(item, problems)
    for _ in item.records:
        pass
    if not problems.total:
        problems.add(Problem(item.name, None, "", "rows", "none", "write the rows into it or remove it"))
    return DataError(problems.first, problems.total)


class _FirstPass:
    """Checks rows, takes them down in ``seen`` and writes them to ``parts``, one an input."""

    def __init__(self, schema: Schema, folder: Path, ends: Ends) -> None:
        self.schema, self.folder, self.ends = schema, folder, ends
        self.problems, self.seen, self.extras = Problems(), Seen(), arrow.ExtraTypes()
        self.parts: list[Path] = []
        self.notes: list[str] = []

    def read(self, item: Input, labelled: bool, named: classes.Classes | None) -> int:
        """Read one input and return the number of its rows."""
        _report_to(item, self.problems)
        joiner = getattr(item.records, "joiner", " ")
        shape = Shaper(
            self.schema,
            self.problems,
            item.name,
            labelled=labelled,
            joiner=joiner,
            ends=self.ends,
            classes=named,
        )
        self.parts.append(self.folder / f"part-{len(self.parts)}.arrow")
        rows = 0
        with arrow.PartWriter(self.parts[-1], self.extras) as writer:
            for record in item.records:
                row = shape(record)
                # Once anything is wrong nothing will be built; reading on only finds what else is.
                if row is not None and not self.problems.total:
                    self.seen.add(row, len(self.parts) - 1)
                    writer.add(row)
                    rows += 1
        self.notes += shape.notes
        if not rows and not self.problems.total:
            fix = "write the rows into it or remove it"
            self.problems.add(Problem(item.name, None, "", "rows", "none", fix))
        return rows


def _task_note(schema: Schema, seen: Seen) -> str:
    kind = "entity types" if schema.marks_spans else "labels"
    several = ", several a row" if schema.multi_label else ""
    text, label = schema.columns["text"], schema.columns["label"]
    return f"task {schema.task}: column '{label}' holds {len(seen.names)} {kind}{several}; text in '{text}'"


def _divide(seen: Seen, names: list[str | None], plan: Plan, schema: Schema) -> tuple[Division, str]:
    """Settle every row's split, the file's own or carved out of train, and say how."""
    given = {name for name in names if name is not None}
    every = [name for name, _ in sorted(((name, None) for name in {*_CARVED, *given}), key=split_order)]
    of_input = np.array([every.index(name or "train") for name in names], dtype=np.int32)
    where = of_input[seen.array("inputs")]
    dev, test = (0.0 if "dev" in given else plan.dev), (0.0 if "test" in given else plan.test)
    rows = np.flatnonzero(where == 0)
    how = "as given"
    if (dev or test) and len(rows):
        documents = seen.array("documents")[rows]
        if schema.marks_spans and len(np.unique(documents[documents != 0])) > 2:
            # Documents quote each other's headlines; linking them by identical texts would join most into one.
            keys, strata, manner = [documents], np.zeros(len(rows), np.int64), "by document"
        else:
            keys = [seen.array("keys")[rows], seen.array("groups")[rows]]
            strata, manner = split.strata(seen.array("codes"), seen.array("ends"))[rows], "stratified"
        where[rows] = split.assign(strata, split.components(keys), dev=dev, test=test, seed=plan.seed)
        how = f"{manner}, seed {plan.seed}"
        if None not in names:
            how += "; " + " and ".join(["dev"] * bool(dev) + ["test"] * bool(test)) + " taken from train"
    division = Division(where, every)
    return division, f"split: {', '.join(f'{n} {name}' for name, n in division.sizes.items())} ({how})"


def _oddities(seen: Seen, division: Division) -> Iterator[str]:
    """Say what is no error but should be known: texts in two splits, labels never learned, overlaps."""
    keys, codes, names = seen.array("keys"), seen.array("codes"), list(seen.names)
    row_of = np.repeat(np.arange(len(division.where)), np.diff(seen.array("ends"), prepend=0))
    train = division.holds("train")
    for name in [name for name in division.sizes if name != "train" and train.any()]:
        here = division.holds(name)
        if leaked := int(np.isin(keys[here], keys[train]).sum()):
            yield f"{leaked} {name} texts also stand in train"
        unseen = np.setdiff1d(codes[here[row_of]], codes[train[row_of]]).tolist()
        if unseen:
            labels = sorted(names[code] for code in unseen)
            yield f"{name} has labels that train has not: {', '.join(labels[:5])}" + ", …" * (len(labels) > 5)
    if seen.overlapping:
        yield f"{seen.overlapping} rows have entities that overlap"
