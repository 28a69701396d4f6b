"""Labels and entities that the other rows speak against, on a sample of a large set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tunewheel.data.check.corpus import Corpus, Row
from tunewheel.data.check.findings import EXAMPLES, Draft, Place

if TYPE_CHECKING:
    from tunewheel.data.features import Vectors
    from tunewheel.data.suspects import EntitySuspect


DISPUTED = 0.3
"""Share of the marked entities beyond which the light judge, rather than the marks, is what is wrong.

It disputes 3 % of Resume's entities and 9 % of CoNLL-2003's; of Weibo's, which stand in 1,350 rows, 60 %.
"""


class Doubts:
    """The rows that are judged, drawn once; `ranked` holds what `tunewheel clean --relabel` takes, the worst first."""

    def __init__(self, corpus: Corpus, sample: int, seed: int) -> None:
        self.corpus, self.seed = corpus, seed
        drawn = corpus.sample(sample, seed, corpus.labelled)
        self.rows = [row for row in drawn if row.target is not None or corpus.target is None]
        self.ranked: list[dict[str, Any]] = []

    @property
    def sampled(self) -> int | None:
        """How many rows were judged, None where it was all."""
        every = sum(self.corpus.dataset.rows[name] for name in self.corpus.labelled)
        return len(self.rows) if len(self.rows) < every else None

    def drafts(self, vectors: Vectors | None) -> Iterator[Draft]:
        """What was found; ``vectors`` [rows, width] are of the rows' texts."""
        if len(self.rows) < 2:
            return
        if self.corpus.target == "entities":
            yield from self._entities()
        elif self.corpus.target == "label":
            yield from self._labels(vectors)

    def _labels(self, vectors: Vectors | None) -> Iterator[Draft]:
        from tunewheel.data.suspects import label_suspects

        texts, labels = [row.text for row in self.rows], [row.target for row in self.rows]
        judged = label_suspects(texts, labels, vectors=vectors, most=None, seed=self.seed)
        likely = [suspect for suspect in judged.found if suspect.likely]
        places = []
        for suspect in likely:
            row = self.rows[suspect.row]
            places.append(Place(row.number, f"{suspect.given} → {suspect.suggested} ({suspect.probability:.2f})"))
            found = {"given": suspect.given, "suggested": suspect.suggested, "score": round(suspect.score, 4)}
            self.ranked.append({**self._place(row), **found, "text": row.text})
        if likely:
            values = {"share": len(likely) / len(self.rows), "unjudged": dict(judged.unjudged)}
            yield Draft("suspects", "label_errors", "warning", len(likely), values, places[:EXAMPLES], self.sampled)

    def _place(self, row: Row) -> dict[str, str]:
        """How `clean` finds a row again; what is one split here it may have divided."""
        return {"id": row.id, "split": row.split} if len(self.corpus.splits) > 1 else {"id": row.id}

    def _entities(self) -> Iterator[Draft]:
        from tunewheel.data.suspects import entity_suspects

        judged = entity_suspects([_marked(row) for row in self.rows], most=None, seed=self.seed)
        entities = sum(len(row.target) for row in self.rows)
        disputed = sum(suspect.given is not None for suspect in judged.found)
        if disputed > DISPUTED * entities:
            yield Draft(
                "suspects", "entities_too_hard", "info", disputed, {"share": disputed / entities}, [], self.sampled
            )
            return
        likely = [suspect for suspect in judged.found if suspect.likely]
        kinds = Counter(suspect.kind for suspect in likely)
        places = []
        for suspect in likely:
            row = self.rows[suspect.row]
            places.append(Place(row.number, _change(row, suspect)))
            about = {**self._place(row), "text": row.text}
            self.ranked += [{**about, **edit} for edit in _edits(suspect)]
        if likely:
            values = {"rows": len({suspect.row for suspect in likely})}
            values |= {"missed": kinds["missed"], "spurious": kinds["spurious"]}
            values["retyped"] = kinds["type"] + kinds["border"]
            yield Draft("suspects", "entity_errors", "warning", len(likely), values, places[:EXAMPLES], self.sampled)


def _marked(row: Row) -> Mapping[str, Any]:
    return {"text": row.text, "entities": row.target, "tokens": row.tokens}


def _change(row: Row, suspect: EntitySuspect) -> str:
    """What stands there and what probably should."""
    sides = (suspect.given, suspect.suggested)
    given, meant = (f"{row.text[s.start : s.end]} [{s.label}]" if s else "–" for s in sides)
    return f"{given} → {meant}"


def _edits(suspect: EntitySuspect) -> Iterator[Mapping[str, Any]]:
    """The change as `clean` takes it: an entity that moves is one that is none and one that was missed."""
    given, meant, score = suspect.given, suspect.suggested, round(suspect.score, 4)
    if given and meant and (given.start, given.end) == (meant.start, meant.end):
        yield {"start": given.start, "end": given.end, "given": given.label, "suggested": meant.label, "score": score}
        return
    if given:
        yield {"start": given.start, "end": given.end, "given": given.label, "suggested": None, "score": score}
    if meant:
        yield {"start": meant.start, "end": meant.end, "given": None, "suggested": meant.label, "score": score}
