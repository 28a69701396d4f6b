"""What was asked to be forgotten is in no exchange, no feedback and no line that waits for the database."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select

from tunewheel.data.erased import Erased
from tunewheel.feedback.erase import _FOLDING, _clues, erase_exchanges, find_recorded
from tunewheel.feedback.exchanges import Exchange, exchange_id, list_exchanges
from tunewheel.feedback.recorder import Recorder
from tunewheel.store import Workspace
from tunewheel.store.schema import feedback

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SAID = "write to jane.brown@example.com about 我的卡"


def exchange(text: str, **values) -> Exchange:
    told = {"prediction": {"label": "lost"}, "variant": "torch-fp32", "seconds": 0.01, **values}
    return Exchange(
        **{"id": exchange_id(NOW), "name": "tickets", "number": 1, "row": {"text": text}, "at": NOW, **told}
    )


def recorded(workspace: Workspace) -> list[Exchange]:
    with workspace.read() as connection:
        return list_exchanges(connection, "tickets", limit=None)


def _feedback(key: str, **values) -> dict:
    told = {"key": key, "kind": "correction", "name": "tickets", "value": {"label": "lost"}, "source": "desk"}
    return {**told, "at": NOW, "received": NOW, "status": "new", "exchange": None, "row": None, **values}


def test_an_erased_text_leaves_exchanges_and_their_feedback_though_it_was_masked(workspace: Workspace) -> None:
    mine, other = exchange(SAID), exchange("stays")
    answer = exchange("who asked?", prediction={"answer": SAID})
    with Recorder(workspace, every=0.05) as recorder:
        recorder.record([mine, other, answer])
    assert len(recorded(workspace)) == 3
    assert all("jane.brown" not in str(one) for one in recorded(workspace))
    rows = [_feedback("a", exchange=mine.id), _feedback("b", exchange=other.id), _feedback("c", row={"text": SAID})]
    with workspace.begin() as connection:
        connection.execute(insert(feedback), rows)
    assert erase_exchanges(workspace, Erased({SAID}, set())) == 4
    assert [one.id for one in recorded(workspace)] == [other.id]
    with workspace.read() as connection:
        assert connection.scalars(select(feedback.c.key)).all() == ["b"]
    assert erase_exchanges(workspace, Erased({SAID}, set())) == 0


def test_lines_that_wait_on_the_disk_go_too(workspace: Workspace) -> None:
    spool = workspace.home / "spool"
    spool.mkdir()
    lines = [json.dumps({"row": {"text": text}}) + "\n" for text in (SAID, "stays")]
    (spool / "1-1.jsonl").write_text("".join(lines), encoding="ascii")
    assert erase_exchanges(workspace, Erased({SAID}, set())) == 1
    assert (spool / "1-1.jsonl").read_text(encoding="ascii") == lines[1]


def test_records_are_found_by_id_by_text_as_masked_and_by_a_part_of_it(workspace: Workspace) -> None:
    mine, other = exchange(SAID), exchange("Stays Here")
    theirs = exchange(SAID, name="loans")
    with Recorder(workspace, every=0.05) as recorder:
        recorder.record([mine, other, theirs])
    with workspace.begin() as connection:
        connection.execute(insert(feedback), [_feedback("a", row={"text": SAID}), _feedback("b", exchange=mine.id)])
    found = find_recorded(workspace, [SAID])
    assert set(found.exchanges) == {mine.id, theirs.id} and len(found.feedback) == 1
    assert SAID in found.texts and len(found.texts) == 2  # as it was said, and as the recorder masked it
    assert find_recorded(workspace, [SAID], name="tickets").exchanges == (mine.id,)
    assert find_recorded(workspace, [other.id]).texts == {"Stays Here"}
    assert find_recorded(workspace, [], contains="stays here").exchanges == (other.id,)
    assert len(find_recorded(workspace, ["nothing of the kind"])) == 0


def test_an_exchange_named_by_its_id_stands_for_its_text_and_not_for_what_others_are_asked_too(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = {"text": "my card is gone", "other": "How do I report a lost card?"}
    mine = exchange("", row=pair)
    again, theirs = exchange("my card is gone"), exchange("", row=pair | {"text": "where is it"})
    blank, empty = exchange(""), exchange("", row={"other": ""})
    with Recorder(workspace, every=0.05) as recorder:
        recorder.record([mine, again, theirs, blank, empty])
    found = find_recorded(workspace, [mine.id])
    assert set(found.exchanges) == {mine.id, again.id} and found.texts == {"my card is gone"}
    assert find_recorded(workspace, [blank.id]) == find_recorded(workspace, [blank.id, "no such text"])
    assert find_recorded(workspace, [blank.id]).exchanges == (blank.id,)
    # So many are not asked for one by one.
    monkeypatch.setattr("tunewheel.feedback.erase._AT_ONCE", 1)
    assert find_recorded(workspace, [mine.id, "no such text"]) == found
    assert erase_exchanges(workspace, Erased(found.texts, found.exchanges)) == len(found)
    assert {one.id for one in recorded(workspace)} == {theirs.id, blank.id, empty.id}


def test_an_exchange_named_by_its_id_goes_whatever_it_says(workspace: Workspace) -> None:
    mine, other = exchange("one"), exchange("two")
    with Recorder(workspace, every=0.05) as recorder:
        recorder.record([mine, other])
    assert erase_exchanges(workspace, Erased((), {mine.id})) == 1
    assert [one.id for one in recorded(workspace)] == [other.id]


ODD = (
    'she said "card"',
    "back\\slash and\ttab",
    "two\nlines of it",
    "no-break\u00a0space",
    "bell\x07rings",
    '""',
    "\\",
    "我的卡丢了，怎么办？",
    "😀 smile",
    "naïve café",
    "50%_off [now] *?",
    "é",
    "x",
    "{}",
    "Straße in Köln",
    "\u212aelvin and ſharp",
    "ﬁne oﬃce",
    "长" * 30_000,
)


@pytest.mark.parametrize("text", ODD)
def test_whatever_a_text_is_made_of_it_is_found_whole_and_by_a_part(sqlite_workspace: Workspace, text: str) -> None:
    _found_whole_and_by_a_part(sqlite_workspace, text)


def test_so_it_is_on_the_other_database(postgres_workspace: Workspace) -> None:
    for text in ODD:
        _found_whole_and_by_a_part(postgres_workspace, text)


def _found_whole_and_by_a_part(workspace: Workspace, text: str) -> None:
    mine = exchange(f" {text}  ")
    with Recorder(workspace, every=0.02) as recorder:
        recorder.record([mine, exchange("something else")])
    assert mine.id in find_recorded(workspace, [text]).exchanges
    for part in (text, text[1:] or text, text[:-1] or text, text.upper(), text.casefold()):
        wanted = part.casefold() in text.casefold()
        assert (mine.id in find_recorded(workspace, [], contains=part).exchanges) or not wanted, part
    with workspace.begin() as connection:
        said = connection.execute(insert(feedback).values(_feedback(f"of {text}", row={"text": text})))
        key = said.inserted_primary_key[0]
    assert find_recorded(workspace, [text]).feedback == (key,)
    assert erase_exchanges(workspace, Erased({text}, ())) >= 2
    assert not find_recorded(workspace, [text])


def test_all_that_folds_into_ascii_is_known() -> None:
    import re

    known = re.compile(f"[{_FOLDING}]")
    for code in range(0x80, 0x110000):
        folds = any(each < "\x80" for each in chr(code).casefold())
        assert folds == bool(known.match(chr(code))), hex(code)


def test_many_texts_and_texts_without_a_clue_are_read_for() -> None:
    assert _clues([f"text{i}" for i in range(21)]) is None
    assert _clues(['"" \\']) is None and _clues([], "é") is None
    assert _clues([], None) == []
