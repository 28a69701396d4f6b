"""From readers to a folder of Arrow files, in two streaming passes.

The first shapes and checks every row and writes it to a part, one a file, gathering a few numbers a row
(`gather`). From those the ids and splits follow; the second pass deals the parts out to the splits.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tunewheel.data import arrow, classes
from tunewheel.data.annotations import Ends, Evidence, check_ends, entities_of
from tunewheel.data.columns import Columns
from tunewheel.data.deal import Dealer
from tunewheel.data.divide import UNLABELLED, Divider, oddities
from tunewheel.data.erased import is_erased, left_out
from tunewheel.data.exchanges import Exchanges, exchanges
from tunewheel.data.gather import Seen
from tunewheel.data.infer import PLAIN, Schema, Target, infer
from tunewheel.data.inherit import Heritage
from tunewheel.data.manifest import Manifest, Source
from tunewheel.data.names import ANSWERED, DOCUMENT, GROUP, IDS
from tunewheel.data.plain import plain
from tunewheel.data.problems import DataError, Problem, Problems, listed, nearest
from tunewheel.data.readers.base import Reader, Record
from tunewheel.data.rejected import Rejected, rejecting
from tunewheel.data.rows import Shaper
from tunewheel.data.times import Clock, clock_of

_SAMPLE = 1000


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
    """What the caller asked for.

    ``heritage`` is what a revision inherits of its splits; ``rejected`` names the file that bad rows go to, without
    it they raise. Rows whose text has a key in ``erased`` (`text_key`) are passed over.
    """

    task: str | None = None
    text: str | None = None
    label: str | None = None
    dev: float = 0.1
    test: float = 0.1
    seed: int = 13
    parent: str | None = None
    targets: tuple[Target, ...] | None = None
    ends: Ends | None = None
    group: str | None = None
    time: str | None = None
    heritage: Heritage | None = None
    rejected: Path | None = None
    erased: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        check_ends(self.ends)
        if not (0 <= self.dev < 1 and 0 <= self.test < 1 and self.dev + self.test < 1):
            raise ValueError(f"dev and test are shares of the rows, together under 1, not {self.dev} and {self.test}")


def build(inputs: list[Input], plan: Plan, folder: Path, notes: list[str]) -> Manifest:
    """Write the splits of ``inputs`` into ``folder``, say what they are. Raises `DataError` on bad rows."""
    with nullcontext(Problems()) if plan.rejected is None else rejecting(plan.rejected, plan.erased) as problems:
        return _build(inputs, plan, folder, notes, problems)


def _build(inputs: list[Input], plan: Plan, folder: Path, notes: list[str], problems: Problems) -> Manifest:
    first = next((item for item in inputs if item.split in (None, "train")), inputs[0])
    samples = [_sample(item) for item in inputs]
    sample = samples[inputs.index(first)]
    if not sample:
        raise _no_rows(first)
    schema = _schema(first.name, sample, plan)
    labelled = [
        item is first or schema.target is None or not Columns(some).is_empty(schema.label)
        for item, some in zip(inputs, samples, strict=True)
    ]
    names = [item.split if has else UNLABELLED for item, has in zip(inputs, labelled, strict=True)]
    ends, about_ends = _ends([item for item, has in zip(inputs, labelled, strict=True) if has], schema, plan.ends)
    listed_names = [item.classes if schema.shape in ("label", "labels") else None for item in inputs]
    named = classes.fitting(listed_names, samples, schema.label)
    first_pass = _FirstPass(schema, folder, problems, ends, plan.erased)
    sources = [first_pass.read(*each) for each in zip(inputs, names, samples, named, strict=True)]
    problems.raise_any()
    seen = first_pass.seen
    if not len(seen.texts):
        fix = "name other data: what was erased is not learned again"
        raise DataError([Problem(first.name, None, "", "rows", "; ".join(first_pass.notes), fix)])
    divider = Divider(seen, schema, names, plan.dev, plan.test, plan.seed, plan.heritage)
    division, how = divider()
    dealer = Dealer(folder, seen, division, schema)
    splits = dealer.deal(first_pass.parts, first_pass.extras.types)
    told = [_task_note(schema, seen), *schema.notes, *notes, *_unlabelled(inputs, labelled, schema)]
    told += [note for item in inputs for note in getattr(item.records, "notes", ())]
    told += [*about_ends, *(found.note for found in named if found), *first_pass.notes]
    if dealer.original_ids:
        told.append("the files' ids are not one a row: kept as 'original_id'; ids are made from the texts")
    if isinstance(problems, Rejected) and problems.rows:
        told.append(problems.note)
    fingerprint = dealer.fingerprint(f"{schema.task} {schema.target}" if schema.target else schema.task)
    return Manifest(
        task=schema.task,
        multi_label=schema.multi_label,
        labels=tuple(sorted(seen.names)),
        columns=schema.columns,
        splits=splits,
        fingerprint=fingerprint,
        parent=_parent(plan, fingerprint),
        sources=tuple(replace(source, sha256=source.sha256 or seen.digest_of(i)) for i, source in enumerate(sources)),
        notes=tuple(dict.fromkeys([*told, *divider.notes, *oddities(seen, division)])),
        split=how,
    )


def _unlabelled(inputs: list[Input], labelled: list[bool], schema: Schema) -> list[str]:
    return [
        f"{item.name} has no '{schema.label}': kept as the split '{UNLABELLED}'"
        for item, has in zip(inputs, labelled, strict=True)
        if not has
    ]


def _parent(plan: Plan, fingerprint: str) -> str | None:
    """The fingerprint of the parent; rows that did not change are the parent itself, whose parent is another."""
    if plan.heritage is None:
        return plan.parent
    return plan.heritage.parent if plan.heritage.fingerprint == fingerprint else plan.heritage.fingerprint


def _schema(file: str, sample: list[Mapping[str, Any]], plan: Plan) -> Schema:
    """Find the columns; those named for dividing the rows are taken for nothing else. Raises `DataError`."""
    names = list(dict.fromkeys(name for record in sample for name in record))
    for option, column in (("group", plan.group), ("time", plan.time)):
        if column is not None and column not in names:
            close = nearest(column, names)
            fix = f"did you mean '{close}'?" if close else f"give {option} the name of a column"
            found = f"columns {listed(names)}"
            raise DataError([Problem(file, 1, column, f"a column of this name ({option})", found, fix)])
    aside = {name for name in (plan.group, plan.time) if name and name.lower() not in (*IDS, GROUP, DOCUMENT)}
    if aside:
        sample = [{name: value for name, value in record.items() if name not in aside} for record in sample]
    if plan.task == PLAIN:
        schema = plain(file, sample, plan.text, plan.label)
    else:
        columns = (plan.task, plan.text, plan.label, plan.targets)
        schema = exchanges(file, sample, *columns) or infer(file, sample, *columns)
    of_parent = plan.heritage.split.group if plan.heritage else None
    group = plan.group or (of_parent if of_parent in names else schema.group)
    return replace(schema, group=group, time=plan.time)


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

    def __init__(self, schema: Schema, folder: Path, problems: Problems, ends: Ends, erased: frozenset[int]) -> None:
        self.schema, self.folder, self.problems, self.ends, self.erased = schema, folder, problems, ends, erased
        self.seen, self.extras = Seen(timed=schema.time is not None), arrow.ExtraTypes()
        self.parts: list[Path] = []
        self.notes: list[str] = []

    def read(
        self,
        item: Input,
        split: str | None,
        sample: list[Mapping[str, Any]],
        named: classes.Classes | None,
    ) -> Source:
        """Read one input and say what was read; its hash is empty where it is not a file."""
        _report_to(item, self.problems)
        joiner = getattr(item.records, "joiner", " ")
        clock = self._clock(item, sample) if split in (None, "train") else None
        shaper = Exchanges if self.schema.prompt else Shaper
        shape = shaper(
            self.schema,
            self.problems,
            item.name,
            labelled=self.schema.target is not None and split != UNLABELLED,
            joiner=joiner,
            ends=self.ends,
            classes=named,
            clock=clock,
        )
        self.parts.append(self.folder / f"part-{len(self.parts)}.arrow")
        rows, gone, bad = 0, 0, _rejected(self.problems)
        with arrow.PartWriter(self.parts[-1], self.extras) as writer:
            for record in item.records:
                row = shape(record)
                if row is not None and is_erased(self.erased, row.text, *map(row.extra.get, ANSWERED), row.answer):
                    gone += 1
                    continue
                # Once anything is wrong nothing will be built; reading on only finds what else is.
                if row is not None and not self.problems.fatal:
                    self.seen.add(row, len(self.parts) - 1)
                    writer.add(row)
                    rows += 1
        self.notes += [*shape.notes, *([f"{item.name}: {left_out(gone)}"] if gone else [])]
        if not rows and not gone and not self.problems.fatal:
            fix = "write the rows into it or remove it" if not self.problems.total else "mend the rows of this file"
            found = "none that can be used" if self.problems.total else "none"
            problem = Problem(item.name, None, "", "rows", found, fix)
            raise DataError([*self.problems.first, problem], self.problems.total + 1)
        return Source(item.name, item.sha256 or "", rows, item.format, split, _rejected(self.problems) - bad)

    def _clock(self, item: Input, sample: list[Mapping[str, Any]]) -> Clock | None:
        column = self.schema.time
        if column is None:
            return None
        clock = clock_of(item.name, column, (record.get(column) for record in sample))
        self.notes.append(clock.note)
        return clock


def _rejected(problems: Problems) -> int:
    return problems.rows if isinstance(problems, Rejected) else 0


def _task_note(schema: Schema, seen: Seen) -> str:
    if schema.target is None:
        return f"no labels: taken as plain text, in '{schema.columns['text']}'; name them with --label"
    if schema.prompt:
        return f"task {schema.task}: column '{schema.label}' holds the answers; what they answer in '{schema.text}'"
    kind = "labels, several a row" if schema.multi_label else "entity types" if schema.marks_spans else "labels"
    text, label = schema.columns["text"], schema.columns["label"]
    return f"task {schema.task}: column '{label}' holds {len(seen.names)} {kind}; text in '{text}'"
