"""What the OpenAPI document says of requests; what checks them is `tunewheel.serving.bodies`."""

from __future__ import annotations

from typing import Any

from tunewheel.serving.shapes import Error


def _object(properties: dict[str, Any], required: str) -> dict[str, Any]:
    timeout = {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 86_400}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {**properties, "timeout": {**timeout, "description": "Seconds until the request is given up."}},
        "required": [required],
    }


_TEXT = {"type": "string", "description": "A text; for a model of two texts, both with a tab between."}
_ROW = {"type": "object", "minProperties": 1, "description": "The columns that the model's task reads."}
_ONE = _object({"text": _TEXT}, "text")

PREDICT_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "oneOf": [
                    _object({"texts": {"type": "array", "items": _TEXT, "minItems": 1}}, "texts"),
                    _ONE,
                    _object({"rows": {"type": "array", "items": _ROW, "minItems": 1}}, "rows"),
                ]
            },
            "examples": {
                "texts": {"value": {"texts": ["my card was swallowed", "昨天被扣了两次款"]}},
                "one": {"value": {"text": "my card was swallowed", "timeout": 2}},
                "pairs": {"value": {"rows": [{"sentence1": "卡丢了", "sentence2": "如何挂失银行卡"}]}},
            },
        }
    },
}

STREAM_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "oneOf": [
                    _ONE,
                    _object({"texts": {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 1}}, "texts"),
                    _object({"rows": {"type": "array", "items": _ROW, "minItems": 1, "maxItems": 1}}, "rows"),
                ]
            },
            "examples": {"one": {"value": {"text": "卡丢了怎么办？"}}},
        }
    },
}

FEEDBACK_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "model": {"type": "string", "minLength": 1},
                    "feedback": {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": 1000},
                },
                "required": ["model", "feedback"],
            },
            "examples": {
                "correction": {
                    "value": {"model": "tickets", "feedback": [{"exchange": "01KB…", "label": "card_lost"}]}
                },
                "rating": {"value": {"model": "tickets", "feedback": [{"exchange": "01KB…", "rating": -1}]}},
                "outcome": {"value": {"model": "tickets", "feedback": [{"exchange": "01KB…", "outcome": "escalated"}]}},
                "row": {"value": {"model": "tickets", "feedback": [{"text": "卡丢了", "label": "card_lost"}]}},
            },
        }
    },
}

REVIEW_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "oneOf": [
                    {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "item": {"type": "string", "minLength": 1, "maxLength": 64},
                            "decision": {"enum": ["accept", "reject", "skip"]},
                            "value": {"type": ["object", "null"], "description": "The right answer, where accepted."},
                        },
                        "required": ["item", "decision"],
                    },
                    {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"undo": {"type": "integer", "minimum": 1, "maximum": 2147483647}},
                        "required": ["undo"],
                    },
                ]
            },
            "examples": {
                "accept": {"value": {"item": "01KB…", "decision": "accept"}},
                "edit": {"value": {"item": "01KB…", "decision": "accept", "value": {"label": "card_lost"}}},
                "reject": {"value": {"item": "row-7", "decision": "reject"}},
                "undo": {"value": {"undo": 12}},
            },
        }
    },
}

EVENTS = """event: piece
data: {"text":"Please "}

event: piece
data: {"text":"block the card."}

event: done
data: {"model":"answers","version":"answers:2","variant":"torch-fp32","exchange":null,"request":"9f2c41d07a3be658"}

"""

EVENT: dict[str, Any] = {
    "type": "object",
    "description": "One event; its data is JSON.",
    "properties": {"event": {"enum": ["piece", "done", "error"]}, "data": {"type": "string"}},
    "required": ["event", "data"],
}

_MEANING = {
    401: "No key, or one that is unknown or revoked.",
    403: "The key is not for this; without keys, a request to another name than localhost.",
    404: "No model is served under this name, or there is no such item.",
    405: "The path takes another method.",
    408: "The body did not come in time.",
    409: "Somebody decided this before, or it was learned from; the message says who and when.",
    413: "The body is too large.",
    415: "The body is not declared as application/json.",
    422: "The body is not as it should be; the message says where.",
    429: "Too much is waiting, or the key's rate is reached; ask again after Retry-After seconds.",
    500: "Something unexpected; the service's log says what, under the request's id.",
    503: "The service is loading or about to end, or the process that was to answer died; ask again.",
    504: "No answer within the request's time.",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of a path, as FastAPI documents them."""
    found: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        found[status] = {"model": Error, "description": _MEANING[status], "headers": dict(_ID)}
        if status in (429, 503):
            found[status]["headers"]["Retry-After"] = {"schema": {"type": "integer", "minimum": 1}}
    return found


_ID: dict[str, Any] = {"X-Request-Id": {"schema": {"type": "string"}}}
ANSWER_HEADERS: dict[str, Any] = {
    **_ID,
    "X-Tunewheel-Version": {"schema": {"type": "string"}, "description": "The version that answered."},
}
NAME: dict[str, Any] = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "As `GET /v1/models` names it.",
    "schema": {"type": "string", "minLength": 1},
    "example": "tickets",
}
COUNT: dict[str, Any] = {
    "name": "n",
    "in": "query",
    "required": False,
    "description": "How many items.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
}
REPEAT: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same body within ten minutes is answered with the same answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
}
STICKY: dict[str, Any] = {
    "name": "X-Tunewheel-Sticky",
    "in": "header",
    "required": False,
    "description": "Whom requests are for, such as a hashed user: all of theirs go to one version while two answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
}
SECURITY: list[dict[str, list[str]]] = [{"key": []}, {}]
SCHEMES: dict[str, Any] = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key of `tunewheel keys add`; where there has never been one, requests need none.",
    }
}
