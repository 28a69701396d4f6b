"""Feedback over HTTP: taken once, masked, by whoever may give it; refused whole where nothing of it can be kept."""

from functools import partial

import pytest

from front import Desk, error
from tunewheel.feedback.given import give, list_feedback
from tunewheel.serving.guard import Guard
from tunewheel.serving.keys import add_key, list_keys
from tunewheel.store import StoreError

SAID = {"exchange": "01KB", "label": "card_lost", "key": "k1"}


def post(desk, feedback=(SAID,), model="tickets", **options):
    return desk.ask("POST", "/v1/feedback", json={"model": model, "feedback": list(feedback)}, **options)


def kept(workspace):
    with workspace.read() as connection:
        return list_feedback(connection, "tickets")


def test_feedback_is_taken_once_and_counted(workspace):
    desk = Desk(give=partial(give, workspace))
    assert post(desk).json()["new"] == 1
    told = post(desk, [SAID, {"exchange": "01KB", "rating": 5}, {"text": "call 138 1234 5678", "label": "x"}]).json()
    assert (told["new"], told["repeated"]) == (1, 1)
    assert [one["place"] for one in told["refused"]] == [2] and "from -1 (bad) to 1" in told["refused"][0]["reason"]
    first, second = kept(workspace)
    assert first.value == {"label": "card_lost"} and first.source == "anyone"
    assert second.row == {"text": "call [PHONE]"}
    assert "138 1234" not in str(desk.logged())


def test_a_key_gives_feedback_only_with_the_scope_and_is_its_source(workspace):
    key, secret = add_key(workspace, "desk", scopes=["feedback"])
    _, other = add_key(workspace, "shop", scopes=["predict"])
    guard = Guard(partial(list_keys, workspace))
    guard.load()
    desk = Desk(guard=guard, give=partial(give, workspace))
    assert error(post(desk))[0] == 401
    assert error(post(desk, headers={"Authorization": f"Bearer {other}"}))[0] == 403
    assert post(desk, headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    assert [one.source for one in kept(workspace)] == [key.id]


@pytest.mark.parametrize(
    "body",
    [[], {"model": "tickets"}, {"model": "tickets", "feedback": []}, {"model": "tickets", "feedback": [1]}, "x"],
)
def test_a_body_that_is_none_is_refused_and_says_what_was_expected(workspace, body):
    assert error(Desk(give=partial(give, workspace)).ask("POST", "/v1/feedback", json=body))[0] == 422


def test_a_model_that_is_not_served_and_a_database_away_are_told(workspace):
    def away(*_, **__):
        raise StoreError("the server went away")

    assert error(post(Desk(give=partial(give, workspace)), model="other"))[0] == 404
    reply = post(Desk(give=away))
    assert error(reply) == (503, "store") and reply.headers["retry-after"] == "5"
