"""Traffic of a desk, English or Chinese, as a model would have answered it: usual, with a new topic, mistyped."""

import random
import zlib
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import insert

from desk import PLACES, TOPICS
from tunewheel.data.features import words
from tunewheel.feedback.drift import Seen
from tunewheel.store.schema import exchanges

NEW = {
    "en": ["the parcel never came", "courier lost my parcel", "parcel box full again"],
    "zh": ["包裹一直没到", "快递员弄丢了包裹", "快递柜又满了"],
}
START = datetime(2026, 3, 2, tzinfo=UTC)


def texts(lang, count, seed, new=0.0):
    """Texts about the desk's topics; a share of them is about a new one."""
    draw, found = random.Random(seed), []
    for _ in range(count):
        topic, phrases = TOPICS[lang][draw.choice(sorted(TOPICS[lang]))]
        said = topic.format(draw.choice(phrases.split("|")))
        if draw.random() < new:
            said = draw.choice(NEW[lang])
        first, second = draw.sample(PLACES[lang], 2)
        found.append(f"{said} in the {first} near the {second}" if lang == "en" else f"{said}，在{first}旁边的{second}")
    return found


def vectors(said):
    """A vector [64] of length one of each text: the sum of its words' own."""
    rows = np.zeros((len(said), 64))
    for row, text in zip(rows, said, strict=True):
        for word in words(text):
            row += np.random.default_rng(zlib.crc32(word.encode())).standard_normal(64)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def answered(said, lang, seed=0, right=0.9):
    """What a model answers: the topic it knows the words of, else any, and then it is unsure and mostly wrong."""
    draw = np.random.default_rng(seed)
    labels, sure = [], []
    for text in said:
        strange = any(text.startswith(phrase) for phrase in NEW[lang])
        known = next((name for name, (topic, _) in TOPICS[lang].items() if text.startswith(topic.format("")[:8])), None)
        labels.append(known if known and not strange else "rent")
        sure.append(draw.beta(4, 4) if strange else draw.beta(9, 1))
    hits = draw.random(len(said)) < np.where(np.array(sure) > 0.6, right, 0.3)
    return {"labels": labels, "confidences": np.array(sure), "right": hits.astype(float)}


def traffic(lang, count, seed, new=0.0):
    """Rows as drift reads them."""
    said = texts(lang, count, seed, new)
    return Seen.of(said, vectors=vectors(said), **answered(said, lang, seed))


def record(workspace, name, number, said, lang, *, start=START, every=timedelta(minutes=1), seed=0, first=0):
    """Put exchanges among a workspace's records; returns their ids."""
    answers, small = answered(said, lang, seed), vectors(said)
    ids = [f"x{first + place:08d}" for place in range(len(said))]
    rows = [
        {
            **{"id": ids[place], "name": name, "number": number, "role": "live", "key": None, "variant": "torch-fp32"},
            **{"row": {"text": text}, "prediction": {"label": answers["labels"][place]}, "seconds": 0.01},
            **{"label": answers["labels"][place], "confidence": float(answers["confidences"][place])},
            **{"vector": small[place].astype(np.float16).tobytes(), "language": lang, "characters": len(text)},
            "at": start + place * every,
        }
        for place, text in enumerate(said)
    ]
    with workspace.begin() as connection:
        connection.execute(insert(exchanges), rows)
    return ids
