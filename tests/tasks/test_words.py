"""What one tokenizer says of words, told in the pieces of another."""

import numpy as np
import pytest

from tunewheel.tasks import Pieces
from tunewheel.tasks.base import Part, Window
from tunewheel.tasks.ner import Ner
from tunewheel.tasks.words import piece_targets, word_readings, words_of

B, INSIDE = [0.1, 0.7, 0.2], [0.1, 0.1, 0.8]


def pieces(*offsets):
    return Pieces(list(range(len(offsets))), list(offsets), [])


def characters(text):
    return pieces(*((i, i + 1) for i, c in enumerate(text) if not c.isspace()))


def told(array):
    return np.exp(array).round(3).tolist()


@pytest.mark.parametrize(
    ("text", "cuts"),
    [("Anna Li paid", ((0, 2), (2, 4), (5, 7), (8, 12))), ("王芳付了3元", ((0, 1), (1, 2), (2, 4), (4, 6)))],
)
def test_characters_shall_say_what_word_pieces_said(text, cuts):
    said = np.log([B, INSIDE, [0.8, 0.1, 0.1], [0.9, 0.05, 0.05]])
    words = words_of({"text": text})
    found = piece_targets(words, characters(text), word_readings(words, pieces(*cuts), said))
    if text.startswith("Anna"):  # a word says what its first piece says; its further characters go on
        assert told(found[0]) == B
        assert told(found[1]) == told(found[3]) == [0.1, 0.0, 0.9]
        assert told(found[4]) == [0.8, 0.1, 0.1] and told(found[5]) == [0.8, 0.0, 0.2]
    else:  # a character is a word; those that share a piece go on from its first
        assert told(found[0]) == B and told(found[1]) == INSIDE
        assert told(found[2]) == [0.8, 0.1, 0.1] and told(found[3]) == [0.8, 0.0, 0.2]
    assert np.allclose(np.exp(found).sum(1), 1)


def test_where_no_piece_stood_nothing_is_asked():
    words = words_of({"text": "a b c"})
    readings = word_readings(words, pieces((0, 1), (4, 5)), np.log([B, INSIDE]))
    assert np.isnan(readings[1]).all() and not np.isnan(readings[[0, 2]]).any()
    found = piece_targets(words, pieces((0, 1), (1, 2), (2, 3), (4, 5)), readings)
    assert np.isnan(found[[1, 2]]).all() and told(found[3]) == INSIDE


class Letters:
    """Reads single characters, few at once."""

    separator = (1,)

    def __init__(self, room):
        self.room = room

    def __call__(self, texts):
        return [characters(text) for text in texts]


@pytest.mark.parametrize("text", ["Anna Berg of Ulm paid in full " * 6, "王芳从乌尔姆付了全款" * 12])
def test_long_texts_are_windowed_on_both_sides(text):
    """What a perfect teacher says through its own windows becomes the student's labels in its windows."""
    start = text.index("Berg" if "Berg" in text else "乌尔姆")
    row = {"text": text, "entities": [{"start": start, "end": start + 4 - ("乌" in text), "label": "x"}]}
    task = Ner(("x",))
    teacher, student = Letters(70), Letters(40)
    windows = task.encode([row], teacher, labelled=True)
    assert len(windows) > 1
    outputs = [np.eye(3)[np.array(window.labels)] * 20 for window in windows]
    readings = task.readings([row], teacher, windows, outputs)
    shown = task.encode([row], student, labelled=True)
    assert len(shown) > len(windows)
    for window, target in zip(shown, task.soft_targets([row], student, shown, readings), strict=True):
        assert target.argmax(1).tolist() == window.labels


def test_rows_that_share_a_window_keep_their_own_answers():
    rows = [{"text": "ab", "document": "d"}, {"text": "c", "document": "d"}]
    task = Ner(("x",), context=20)
    (window,) = task.encode(rows, Letters(40))
    assert window.parts == (Part(0, 0, 2, 0), Part(1, 0, 1, 3))
    target = task.soft_targets(rows, Letters(40), [window], [np.log([B]), np.log([INSIDE])])[0]
    assert np.isnan(target[2]).all() and told(target[3].astype(float)) == pytest.approx(INSIDE, abs=1e-3)


def test_windows_with_other_answers_are_still_the_same_windows():
    assert Window([1], [], (), 0, soft=np.zeros(2)) == Window([1], [], (), 0)
