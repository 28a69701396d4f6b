"""What `bench/million.py` reads: models, a million exchanges and what people said of some, written by bulk.

Two versions of `desk` are trained on made-up texts (`traffic_year.py`) and answer 20,000 of them; each exchange is one
of these with a number of its own behind it. They are spread over half a year, the first tenth by the first version. Of
each hundred pieces of feedback 80 were learned from by ten turns; of the newest fifth of the exchanges 8 are accepted
(one in a hundred of them contradicted), 4 new, 2 set aside, 3 rejected and 3 superseded. Seven in ten are corrections,
the others labelled rows, ratings and outcomes. A model `side` has a thousandth of everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from traffic_year import Asked, Year

NAME, SIDE = "desk", "side"
SPAN = timedelta(days=180)
AT_ONCE = 20_000
WIDTH = 64
STANDING = (("accepted", 8), ("new", 4), ("quarantined", 2), ("rejected", 3), ("superseded", 3))
"""Where a fifth of the feedback stands, in hundredths of all; the rest was learned from."""


@dataclass(frozen=True)
class Said:
    """A text that models were asked, and what they said."""

    asked: Asked
    prediction: dict[str, Any]
    language: str


def train(home: Path, database: str | None) -> None:
    """Two versions of a model, and one of another."""
    import tunewheel as tw

    place: dict[str, Any] = {"home": home, "database": database, "method": "tfidf", "options": {"strength": 10.0}}
    year = Year(13)
    for name, rows in ((NAME, 1500), (NAME, 3000), (SIDE, 600)):
        made = {
            split: [
                {"id": f"{split}-{n}", "text": one.text, "label": one.intent}
                for n, one in enumerate(year.week(0, rows, split))
            ]
            for split in ("train", "test")
        }
        tw.train(tw.Dataset.from_rows(made), name=name, **place)
    with tw.Workspace.open(home, database) as workspace:
        tw.Registry(workspace).promote(f"{NAME}:2", why="it answers the newer exchanges")


def answers(workspace: Any, count: int) -> list[Said]:
    """Texts of a week and what the model said of them."""
    import tunewheel as tw
    from tunewheel.data.language import language

    asked = Year(13).week(20, count)
    told = tw.Model.load(tw.Registry(workspace).resolve(NAME).path).predict([one.text for one in asked])
    return [Said(one, said, language(one.text)) for one, said in zip(asked, told, strict=True)]


def exchanges(pool: list[Said], count: int, end: datetime) -> Iterator[list[dict[str, Any]]]:
    """Rows of the table of exchanges, the oldest first, so many at once."""
    from tunewheel.feedback.exchanges import confidence_of, exchange_id, label_of

    draw = np.random.default_rng(13)
    middle = draw.normal(size=(len(pool), WIDTH))
    for start in range(0, count, AT_ONCE):
        some = range(start, min(count, start + AT_ONCE))
        vectors = (middle[[n % len(pool) for n in some]] + 0.1 * draw.normal(size=(len(some), WIDTH))).astype("float16")
        rows = []
        for n, vector in zip(some, vectors, strict=True):
            said, at = pool[n % len(pool)], end - SPAN * (1 - n / count)
            name = SIDE if n % 1000 == 7 else NAME
            number = 1 if name == SIDE or n < count // 10 else 2
            text = f"{said.asked.text} {n}"
            told: dict[str, Any] = {"prediction": said.prediction, "label": label_of(said.prediction)}
            told |= {"confidence": confidence_of(said.prediction), "vector": vector.tobytes()}
            rows.append(
                {
                    **{"id": exchange_id(at), "name": name, "number": number, "role": "live", "row": {"text": text}},
                    **{"language": said.language, "characters": len(text), "variant": "torch-fp32", "seconds": 0.01},
                    **{"at": at, **told},
                }
            )
        yield rows


def spoken(pool: list[Said], ids: dict[int, str], count: int, said: int, end: datetime) -> Iterator[dict[str, Any]]:
    """Rows of the table of feedback, on the exchanges whose numbers ``ids`` has, in the order of these."""
    draw = Random(13)
    kinds = (("correction", 70), ("row", 10), ("rating", 15), ("outcome", 5))
    statuses = [status for status, share in STANDING for _ in range(share)]
    for place, (n, exchange) in enumerate(sorted(ids.items())):
        consumed = place < len(ids) * 4 // 5
        status = "consumed" if consumed else draw.choice(statuses)
        kind = draw.choices([kind for kind, _ in kinds], [share for _, share in kinds])[0]
        at = end - SPAN * (1 - n / count) + timedelta(hours=1)
        text, intent = pool[n % len(pool)].asked.text, pool[n % len(pool)].asked.intent
        value: dict[str, Any] = {"label": intent}
        if kind in ("rating", "outcome"):
            value = {"score": draw.choice([-1.0, 1.0])} if kind == "rating" else {"event": "escalated"}
        row = {
            **{"key": f"said-{n}", "kind": kind, "name": SIDE if n % 1000 == 7 else NAME, "value": value},
            **{"exchange": None if kind == "row" else exchange, "source": f"person-{draw.randrange(50)}"},
            **{"row": {"text": f"{text} {n}"} if kind == "row" else None, "at": at, "received": at, "status": status},
            **{"reason": None, "turn": 1 + place * 10 // (said * 4 // 5) if consumed else None},
        }
        yield row
        if status == "accepted" and kind == "correction" and draw.random() < 0.01:
            yield {**row, "key": f"otherwise-{n}", "value": {"label": "intent-00"}, "source": "somebody"}


def fill(workspace: Any, count: int, said: int) -> datetime:
    """Write everything; the moment that the newest exchange was answered at."""
    from sqlalchemy import insert

    from tunewheel.store import schema

    end = datetime.now(UTC) - timedelta(minutes=5)
    pool = answers(workspace, min(20_000, count))
    with workspace.begin() as connection:
        for _ in range(10):
            values = {"name": NAME, "status": "promoted", "why": {}, "settings": {}, "steps": {"data": {}, "end": {}}}
            connection.execute(insert(schema.turns).values(**values, started=end, updated=end, finished=end))
    chosen, ids = set(Random(7).sample(range(count), said)), {}
    for number, rows in enumerate(exchanges(pool, count, end)):
        with workspace.begin() as connection:
            connection.execute(insert(schema.exchanges), rows)
        for place, row in enumerate(rows, number * AT_ONCE):
            if place in chosen:
                ids[place] = row["id"]
    with workspace.begin() as connection:
        connection.execute(insert(schema.feedback), list(spoken(pool, ids, count, said, end)))
    return end


def more(workspace: Any, count: int) -> None:
    """So many exchanges that were answered just now."""
    from sqlalchemy import insert

    from tunewheel.store import schema

    pool = answers(workspace, count)
    now = datetime.now(UTC)
    rows = [{**row, "number": 2, "name": NAME} for some in exchanges(pool, count, now) for row in some]
    for place, row in enumerate(rows):
        row["at"] = now + timedelta(milliseconds=place)
    with workspace.begin() as connection:
        connection.execute(insert(schema.exchanges), rows)
