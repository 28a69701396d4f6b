"""Which column is what: the task, the text, the label, the id and the group, found from names and values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from tunewheel.data.columns import Columns, Shape, is_missing
from tunewheel.data.names import (
    DOCUMENT,
    ENTITIES,
    GROUP,
    IDS,
    LABEL_WORDS,
    LABELS,
    TAGS,
    TEXTS,
    TOKENS,
    known_column,
)
from tunewheel.data.pairs import named_pair, pair_of
from tunewheel.data.problems import DataError, Problem, listed, nearest, show

Target = Literal["label", "labels", "entities", "answer"]

TARGETS: tuple[Target, ...] = get_args(Target)
GENERATION = "generation"
"""The task whose rows hold a text to be written, in the column ``answer``."""
INFERRED: Mapping[str, tuple[Target, ...]] = {
    "classification": ("label", "labels"),
    "ner": ("entities",),
    GENERATION: ("answer",),
}
"""The tasks that rows speak for themselves, and the canonical columns that may hold their labels."""
PLAIN = "text"
"""What stands in place of a task where text has no labels: nothing is learned from it yet (`plain.plain`)."""


@dataclass(frozen=True)
class Prompt:
    """The columns that a prompt is made of: a text and what it is about, or messages; a system message before both.

    ``rejected`` holds an answer that was liked less.
    """

    text: str | None = None
    context: str | None = None
    messages: str | None = None
    system: str | None = None
    rejected: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """All that are there."""
        return tuple(name for name in (self.text, self.context, self.messages, self.system, self.rejected) if name)


@dataclass(frozen=True)
class Schema:
    """The columns chosen; ``shape`` is how labels are written; ``tokens`` and ``document`` are for entities.

    ``pair`` is the second text where the task is about two; the row's text is both (`join_pair`). Plain text has no
    ``shape`` and its ``label`` is empty. ``prompt`` is what answers are given to, where they are texts to be written.
    """

    task: str
    shape: Shape | None
    text: str | None
    label: str
    tokens: str | None = None
    id: str | None = None
    group: str | None = None
    document: str | None = None
    pair: str | None = None
    time: str | None = None
    prompt: Prompt | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def multi_label(self) -> bool:
        """Whether a row has a list of class labels."""
        return self.shape == "labels"

    @property
    def target(self) -> Target | None:
        """The canonical column that the labels go to, None for plain text."""
        return "entities" if self.shape == "tags" else self.shape

    @property
    def marks_spans(self) -> bool:
        """Whether labels stand on parts of a text, so that its words and its neighbours matter."""
        return self.target == "entities"

    @property
    def columns(self) -> dict[str, str]:
        """The file's own names of the columns, by what they are to us."""
        text = self.text or self.tokens or "text"
        label = {"label": self.label} if self.target else {}
        return {"text": f"{text} + {self.pair}" if self.pair else text, **label}


class NoLabels(DataError):
    """There are texts, but no column is plainly the label."""


_QUESTIONS = {"query", "positive"}
"""Columns of what `tunewheel.data.pairs.query_pairs` makes pairs of."""


def shapes_of(task: str | None, targets: Sequence[Target] | None) -> tuple[Shape, ...]:
    """How labels may be written for a task: for one of `INFERRED`, for any if None, else as ``targets`` say.

    >>> shapes_of("ner", None), shapes_of("stars", ["label"])
    (('entities', 'tags'), ('label',))
    """
    if targets is None and task is not None and task not in INFERRED:
        hint = _did_you_mean(task, INFERRED) or "say which columns may hold its labels: targets=('label',)"
        raise ValueError(f"task {task!r} is neither {' nor '.join(map(repr, INFERRED))}; {hint}")
    chosen = targets or INFERRED.get(task or "", TARGETS)
    return tuple(shape for shape in get_args(Shape) if ("entities" if shape == "tags" else shape) in chosen)


def infer(
    file: str,
    sample: Sequence[Mapping[str, Any]],
    task: str | None,
    text: str | None,
    label: str | None,
    targets: Sequence[Target] | None = None,
) -> Schema:
    """Choose the columns: those the caller named, else found. Raises `DataError` if it cannot tell.

    ``targets`` are the canonical columns that may hold the labels of a task that is not one of `INFERRED`.
    """
    columns, wanted = Columns(sample), shapes_of(task, targets)
    both_texts = named_pair(text, columns.names)
    text = None if both_texts else text
    check_named(file, columns, text=text, label=label)
    if task == "matching" and not (both_texts or label or columns.find(LABELS)) and set(columns.names) >= _QUESTIONS:
        raise _no_pairs_yet(file, columns)
    chosen, shape, both = _labels(file, columns.without(both_texts or ()), task, wanted, text, label)
    tokens = next(iter(columns.find(TOKENS)), None) if shape == "tags" else None
    pair = (both_texts or paired(columns, text)) if shape in ("label", "labels") else None
    text = text or (pair[0] if pair else text_column(file, columns, chosen, tokens))
    notes = [f"'{both}' holds entities too: --task ner learns those instead of '{chosen}'"] if both else []
    if chosen is None:
        chosen = _only_other(file, columns, text)
        shape = _fitting(file, chosen, "label", task, wanted)
    elif label is None and shape == "label" and (name := columns.names_of(chosen)):
        notes.append(f"'{chosen}' holds numbers, '{name}' their names: the names are the labels")
        chosen = name
    if pair:
        notes.append(f"'{pair[0]}' and '{pair[1]}' make the text together, a tab between them")
    return Schema(
        task=task or ("ner" if shape in ("entities", "tags") else "classification"),
        shape=shape,
        text=text,
        label=chosen,
        tokens=tokens,
        id=next((name for name in columns.find(IDS) if name not in (text, chosen)), None),
        group=next((name for name in columns.find((GROUP,)) if name not in (text, chosen)), None),
        document=next(iter(columns.find((DOCUMENT,))), None) if shape in ("entities", "tags") else None,
        pair=pair[1] if pair else None,
        notes=tuple(notes),
    )


def _no_pairs_yet(file: str, columns: Columns) -> DataError:
    expected = "two texts and a label a row"
    found = f"a question and its answers a row, in {listed(columns.names)}"
    fix = "make pairs of them first with tunewheel.data.pairs.query_pairs (docs/matching.md has the lines)"
    return DataError([Problem(file, 1, "positive", expected, found, fix)])


def check_named(file: str, columns: Columns, **named: str | None) -> None:
    """Raise `DataError` where a column that an option names is not there."""
    for option, name in named.items():
        if name is not None and name not in columns.values:
            expected, found = f"a column of this name (--{option})", f"columns {listed(columns.names)}"
            fix = _did_you_mean(name, columns.names) or f"give --{option} the name of a column"
            raise DataError([Problem(file, 1, name, expected, found, fix)])


def paired(columns: Columns, text: str | None) -> tuple[str, str] | None:
    """Two texts that make one, unless the caller named a text or a column is plainly the text."""
    pair = pair_of(columns.names)
    if pair is None or text is not None:
        return None
    plainly = [name for name in columns.find(TEXTS[:4]) if name not in pair]
    return None if plainly else pair


def _labels(
    file: str, columns: Columns, task: str | None, wanted: Sequence[Shape], text: str | None, label: str | None
) -> tuple[str | None, Shape, str | None]:
    """Choose the label column, its shape, and the entity column that was passed over."""
    has_tokens = any(columns.shape(name) == "labels" for name in columns.find(TOKENS))
    entities = [(name, columns.shape(name)) for name in columns.find((*ENTITIES, *LABELS)) if name != text]
    found: list[tuple[str, Shape]] = [(name, "entities") for name, shape in entities if shape == "entities"]
    if has_tokens:
        tags = [name for name in columns.find(TAGS) if columns.shape(name) == "labels"]
        found += [(name, "tags") for name in tags]
    spoken_for = {name for name, _ in found} | set(columns.find(TOKENS) if found else ())
    classes = [
        (name, shape)
        for name in columns.find(LABELS) or columns.ending_in(LABEL_WORDS)
        if name not in spoken_for and name != text and (shape := columns.shape(name)) in wanted
        if shape in ("label", "labels")
    ]
    if label is not None:
        shape = next((shape for name, shape in found if name == label), None) or columns.shape(label)
        return label, _fitting(file, label, shape, task, wanted), None
    if not {"label", "labels"} & set(wanted):
        if not found:
            raise DataError(
                [
                    Problem(
                        file,
                        1,
                        "entities",
                        "a column of entities, or of tokens and tags",
                        f"columns {listed(columns.names)}",
                        'write "entities": [{"start": 0, "end": 5, "label": "PER"}], or name it with --label',
                    )
                ]
            )
        return *found[0], None
    if classes:
        name, shape = next(((n, s) for n, s in classes if not columns.is_empty(n)), classes[0])
        both = found[0][0] if found and task is None else None
        return name, shape or "label", both
    if found and found[0][1] in wanted:
        return *found[0], None
    return None, "label", None


def _fitting(file: str, label: str, shape: Shape | None, task: str | None, wanted: Sequence[Shape]) -> Shape:
    """Return the shape of a column, if it serves the task."""
    if shape is None or shape not in wanted:
        expected = f"a column of {' or '.join(wanted)}" + (f" for {task}" if task else "")
        found = f"a column of {shape or 'objects'}"
        fix = "name the column with --label, or another --task"
        raise DataError([Problem(file, 1, label, expected, found, fix)])
    return shape


def text_column(file: str, columns: Columns, label: str | None, tokens: str | None) -> str | None:
    """The column of the text, None where tokens make it. Raises `DataError` if it cannot tell."""
    named = [name for name in columns.find(TEXTS) if name != label and columns.mean_length(name) > 0]
    if named or tokens:
        return named[0] if named else None
    rest = [name for name in _others(columns, label) if columns.mean_length(name) > 0]
    if len(rest) == 1 or (label is None and len(rest) == 2):
        return max(rest, key=columns.mean_length)
    raise _cannot_tell(file, columns, "text")


def _only_other(file: str, columns: Columns, text: str | None) -> str:
    odd = next((name for name in columns.find((*LABELS, *ENTITIES)) if columns.shape(name) is None), None)
    if odd:
        raise DataError(
            [
                Problem(
                    file,
                    1,
                    odd,
                    "a label, a list of labels or a list of entities",
                    show(next(value for value in columns.values[odd] if not is_missing(value))),
                    'write "label": "…", or "entities": [{"start": 0, "end": 5, "label": "PER"}]',
                )
            ]
        )
    rest = [name for name in _others(columns, text) if columns.shape(name) == "label"]
    if len(rest) != 1:
        raise _cannot_tell(file, columns, "label")
    return rest[0]


def _others(columns: Columns, taken: str | None) -> list[str]:
    aside = {taken, *columns.find((*IDS, GROUP, DOCUMENT))}
    return [name for name in columns.names if name not in aside]


def _cannot_tell(file: str, columns: Columns, what: Literal["text", "label"]) -> DataError:
    known = TEXTS if what == "text" else LABELS
    close = next((name for name in columns.names if _is_slip(name, known)), None)
    hint = f" (did you mean '{close}'?)" if close else ""
    fix = f"say which is which: --text NAME --label NAME{hint}"
    if what == "label":
        fix = f"{fix}; check and clean take text without labels (--task {PLAIN})"
    expected, found = f"a column that is plainly the {what}", f"columns {listed(columns.names)}"
    return (DataError if what == "text" else NoLabels)([Problem(file, 1, what, expected, found, fix)])


def _is_slip(name: str, known: Iterable[str]) -> bool:
    """Whether a column that is known for nothing is called nearly as one of some names, and of like length."""
    close = None if known_column(name) else nearest(name, known)
    return close is not None and abs(len(close) - len(name)) <= 2


def _did_you_mean(name: str, names: Iterable[str]) -> str | None:
    close = nearest(name, names)
    return f"did you mean '{close}'?" if close else None
