"""Labelled rows made harder in named ways, their spans moved along.

Every perturbation says what stands in place of each character; a span is moved by where its characters went, so that
the labels hold by construction.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tunewheel.data.editmap import EditMap
from tunewheel.data.language import language
from tunewheel.data.problems import nearest
from tunewheel.evaluation.intervals import EvaluationError

if TYPE_CHECKING:
    from tunewheel.tasks import Row, Task

ALL = "all"
"""Stands for every perturbation that the task takes."""

_UNIT = re.compile(r"[A-Za-z]{4,}|[\u3400-\u9fff\uf900-\ufaff]")
_LETTERS = re.compile(r"[A-Za-z]{2}$")
_CHINESE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_CHARACTERS = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]{2}$")
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_CONFUSED = """
的地得 在再 做作 他她它 那哪 己已以 未末 账帐 象像向 坐座 带戴 辩辨 即既 部步 进近 人入 今令 日曰
士土 干千 大太 休体 折拆 拔拨 候侯 清请情晴 完玩 问间 吗嘛妈 吧把 式试 是事 心新 元圆园 收手 受授
买卖 会汇 换还 查察 交缴 定订 长常 只支 行型 卡咔 动懂 额客 提题 消销 帮邦 没每 转传 失矢
密蜜 码吗
"""


class Edit(NamedTuple):
    """What stands in place of the characters from ``start`` on, one string each; ``tokens`` when these change too.

    ``tokens`` are the words of the new text, counted from its beginning.
    """

    start: int
    pieces: tuple[str, ...]
    tokens: tuple[tuple[int, int], ...] | None = None

    @property
    def stop(self) -> int:
        """The first character after those replaced."""
        return self.start + len(self.pieces)


class Donors:
    """Entities that may stand in for others of their type and script."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = rows

    @cached_property
    def _pool(self) -> dict[tuple[str, str], list[tuple[str, tuple[tuple[int, int], ...] | None]]]:
        found: dict[tuple[str, str], dict[str, tuple[tuple[int, int], ...] | None]] = {}
        for row in self._rows:
            for entity in row.get("entities") or ():
                surface = row["text"][entity["start"] : entity["end"]]
                words = _words(row, entity["start"], entity["end"])
                if words != ():
                    found.setdefault((entity["label"], language(surface)), {})[surface] = words
        return {kind: sorted(surfaces.items(), key=lambda item: item[0]) for kind, surfaces in found.items()}

    def others(self, label: str, surface: str, *, tokens: bool) -> list[tuple[str, tuple[tuple[int, int], ...] | None]]:
        """Other surfaces of a type, each with its words; only those whose words are known when ``tokens``."""
        kind = self._pool.get((label, language(surface)), [])
        return [(other, words) for other, words in kind if other != surface and (words is not None or not tokens)]


@dataclass(frozen=True)
class Perturbation:
    """A named way to change rows; ``rate`` is the share of the places it could change that it does change."""

    name: str
    variant: str
    rate: float
    edits: Callable[[Row, np.random.Generator, Donors], Iterable[Edit]]


def perturb(
    rows: Sequence[Row],
    perturbation: Perturbation,
    *,
    rate: float | None = None,
    seed: int = 13,
    donors: Iterable[Row] | None = None,
) -> list[Row]:
    """Change labelled rows; labels are kept, entities and tokens moved. A row nothing changes is returned as it is.

    What becomes of a row depends on its text and the seed, not on other rows (the entities of ``donors`` aside; by
    default the rows' own). An entity never vanishes, nor does a whole text: its characters then stay.

    Raises:
        EvaluationError: ``rate`` is no share, or the perturbation needs a package that is not installed.
    """
    share = perturbation.rate if rate is None else rate
    if not 0 <= share <= 1:
        raise EvaluationError(f"rate must be from 0 to 1, got {share:g}")
    given = Donors(rows if donors is None else donors)
    return [_perturbed(row, perturbation, share, seed, given) for row in rows]


def chosen(names: Iterable[str], task: Task) -> list[Perturbation]:
    """The perturbations of these names, `ALL` for those the task takes.

    Raises:
        EvaluationError: a name is unknown, or means nothing for the task.
    """
    wanted = list(dict.fromkeys(names))
    fitting = [name for name in PERTURBATIONS if name != "entities" or "entities" in task.columns]
    for name in wanted:
        if name not in PERTURBATIONS and name != ALL:
            close = nearest(name, [*PERTURBATIONS, ALL])
            hint = f"; did you mean {close!r}?" if close else ""
            raise EvaluationError(f"no perturbation {name!r} (there are {', '.join(PERTURBATIONS)}, {ALL}){hint}")
        if name not in fitting and name != ALL:
            raise EvaluationError(f"perturbation {name!r} needs rows with entities; the task is {task.name}")
    return [each for name in (fitting if ALL in wanted else wanted) for each in PERTURBATIONS[name]]


def _perturbed(row: Row, perturbation: Perturbation, rate: float, seed: int, donors: Donors) -> Row:
    text: str = row["text"]
    name = f"{perturbation.name}/{perturbation.variant}"
    rng = np.random.default_rng([seed, zlib.crc32(name.encode()), zlib.crc32(text.encode())])
    pieces, edits, free = list(text), [], 0
    for edit in perturbation.edits(row, rng, donors):
        if edit.start >= free and rng.random() < rate:
            pieces[edit.start : edit.stop] = edit.pieces
            edits.append(edit)
            free = edit.stop
    for entity in row.get("entities") or ():
        start, end = entity["start"], entity["end"]
        if not "".join(pieces[start:end]).strip():
            pieces[start:end] = text[start:end]
    if "".join(pieces) == text or not "".join(pieces).strip():
        return row
    return _moved(row, EditMap(pieces), [edit for edit in edits if edit.tokens is not None])


def _moved(row: Row, moved: EditMap, replaced: Sequence[Edit]) -> Row:
    """The row with its new text and its spans where their characters went."""
    changed: dict[str, Any] = {**row, "text": moved.text}
    # Tags name tokens by their number, which may have changed.
    changed.pop("tags", None)
    if row.get("entities"):
        changed["entities"] = [_at(entity, moved) for entity in row["entities"]]
    if row.get("tokens") is not None:
        kept = [t for t in row["tokens"] if not any(e.start <= t["start"] < e.stop for e in replaced)]
        tokens = [(token["start"], token["end"]) for token in (_at(token, moved) for token in kept)]
        for edit in replaced:
            at, _ = moved.span(edit.start, edit.stop)
            tokens += [(at + start, at + end) for start, end in edit.tokens or ()]
        changed["tokens"] = [{"start": start, "end": end} for start, end in sorted(tokens) if start < end]
    return changed


def _at(span: Mapping[str, Any], moved: EditMap) -> dict[str, Any]:
    start, end = moved.span(span["start"], span["end"])
    return {**span, "start": start, "end": end}


def _borders(row: Row) -> tuple[set[int], set[int]]:
    entities = row.get("entities") or ()
    return {entity["start"] for entity in entities}, {entity["end"] for entity in entities}


def _typos(row: Row, rng: np.random.Generator, _donors: Donors) -> Iterator[Edit]:
    """One slip for each word of four letters or more, and for each Chinese character."""
    text = row["text"]
    # Two characters never change places over the border of an entity: one would leave it.
    fixed = set.union(*_borders(row))
    for match in _UNIT.finditer(text):
        # The first letter of a word is the one that people get right.
        letters = match.end() - match.start() > 1
        at = int(rng.integers(match.start() + 1, match.end())) if letters else match.start()
        slips: list[tuple[str, ...]] = [("",), (text[at] * 2,)]
        following = text[at + 1 : at + 2]
        if _same_script(text[at], following) and following != text[at] and at + 1 not in fixed:
            slips.append((following, text[at]))
        alike = _alike().get(text[at].lower(), "")
        if alike:
            other = alike[int(rng.integers(len(alike)))]
            slips.append((other.upper() if text[at].isupper() else other,))
        yield Edit(at, slips[int(rng.integers(len(slips)))])


def _same_script(one: str, other: str) -> bool:
    return bool(_LETTERS.match(one + other) or _CHARACTERS.match(one + other))


@cache
def _alike() -> dict[str, str]:
    """What is written in place of a letter (a key beside it) or a character (what looks or sounds so)."""
    found = {key: row[max(0, i - 1) : i] + row[i + 1 : i + 2] for row in _KEYS for i, key in enumerate(row)}
    for group in _CONFUSED.split():
        for character in group:
            found[character] = found.get(character, "") + group.replace(character, "")
    return found


def _cased(change: Callable[[str], str]) -> Callable[[Row, np.random.Generator, Donors], Iterator[Edit]]:
    """Each character through ``change``, where that makes a difference."""

    def edits(row: Row, _rng: np.random.Generator, _donors: Donors) -> Iterator[Edit]:
        return (Edit(i, (change(c),)) for i, c in enumerate(row["text"]) if change(c) != c)

    return edits


def _full(character: str) -> str:
    return chr(ord(character) + 0xFEE0) if "!" <= character <= "~" else character


def _half(character: str) -> str:
    if character == "\u3000":
        return " "
    return chr(ord(character) - 0xFEE0) if "\uff01" <= character <= "\uff5e" else character


def _traditional(row: Row, _rng: np.random.Generator, _donors: Donors) -> Iterator[Edit]:
    text = row["text"]
    if not _CHINESE.search(text):
        return
    convert = _converter()
    # The words around decide between 發 and 髮; only where that changed the length is each character alone.
    whole = convert(text)
    new = whole if len(whole) == len(text) else [convert(character) for character in text]
    yield from (Edit(i, (after,)) for i, (before, after) in enumerate(zip(text, new, strict=True)) if before != after)


@cache
def _converter() -> Callable[[str], str]:
    try:
        from opencc import OpenCC
    except ImportError:
        raise EvaluationError("perturbation 'traditional' needs a package: pip install 'tunewheel[zh]'") from None
    convert: Callable[[str], str] = OpenCC("s2t").convert
    return convert


def _punctuation(row: Row, _rng: np.random.Generator, _donors: Donors) -> Iterator[Edit]:
    """Every punctuation mark left out, but where an entity would then begin or end with a blank."""
    text = row["text"]
    starts, ends = _borders(row)
    for i, character in enumerate(text):
        blank = (i in starts and text[i + 1 : i + 2].isspace()) or (i + 1 in ends and text[i - 1 : i].isspace())
        if unicodedata.category(character).startswith("P") and not blank:
            yield Edit(i, ("",))


def _entities(row: Row, rng: np.random.Generator, donors: Donors) -> Iterator[Edit]:
    """Each entity that overlaps no other in exchange for another of its type and script."""
    text, spans = row["text"], [(e["start"], e["end"], e["label"]) for e in row.get("entities") or ()]
    for start, end, label in sorted(spans):
        words = _words(row, start, end)
        alone = sum(a < end and b > start for a, b, _ in spans) == 1
        others = donors.others(label, text[start:end], tokens=words is not None) if alone and words != () else []
        if others:
            surface, tokens = others[int(rng.integers(len(others)))]
            yield Edit(start, (surface, *[""] * (end - start - 1)), None if words is None else tokens)


def _words(row: Row, start: int, end: int) -> tuple[tuple[int, int], ...] | None:
    """The tokens of a span, counted from its start; None without tokens, empty where they cross its borders."""
    if row.get("tokens") is None:
        return None
    touched = [(t["start"], t["end"]) for t in row["tokens"] if t["start"] < end and t["end"] > start]
    if not touched or touched[0][0] != start or touched[-1][1] != end:
        return ()
    return tuple((a - start, b - start) for a, b in touched)


PERTURBATIONS: Mapping[str, tuple[Perturbation, ...]] = {
    "typos": (Perturbation("typos", "", 0.1, _typos),),
    "case": (
        Perturbation("case", "lower", 1.0, _cased(str.lower)),
        Perturbation("case", "upper", 1.0, _cased(str.upper)),
    ),
    "full_width": (
        Perturbation("full_width", "full", 1.0, _cased(_full)),
        Perturbation("full_width", "half", 1.0, _cased(_half)),
    ),
    "traditional": (Perturbation("traditional", "", 1.0, _traditional),),
    "punctuation": (Perturbation("punctuation", "", 1.0, _punctuation),),
    "entities": (Perturbation("entities", "", 1.0, _entities),),
}
"""Every perturbation by its name, with its variants."""
