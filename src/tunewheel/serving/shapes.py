"""The answers of the service, as the OpenAPI document says them; of requests, `tunewheel.serving.openapi` does."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class ErrorBody(BaseModel):
    """What went wrong."""

    code: str = Field(description="For programs; it does not change.")
    message: str = Field(description="For people: what was expected, and what to do.")
    request: str = Field(description="The request's id, as in X-Request-Id and in the service's log.")


class Error(BaseModel):
    """A request that was not answered."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"error": {"code": "busy", "message": "too much is waiting", "request": "9f2c41d07a3be658"}}
        }
    )
    error: ErrorBody


class Prediction(BaseModel):
    """A model's answer to one text; which fields it has depends on the model's task."""

    model_config = ConfigDict(extra="allow")
    label: str | None = None
    labels: list[str] | None = None
    confidence: float | None = None
    probabilities: dict[str, float] | None = None
    entities: list[dict[str, Any]] | None = None
    text: str | None = None
    exchange: str | None = Field(description="The id of the record of this answer, to give feedback on.")


class Predictions(BaseModel):
    """All answers of one request, given by one version."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model": "tickets",
                "version": "tickets:3",
                "variant": "onnx-int8",
                "exchange": None,
                "predictions": [
                    {"label": "card_lost", "confidence": 0.97, "probabilities": {"card_lost": 0.97}, "exchange": None}
                ],
                "request": "9f2c41d07a3be658",
            }
        }
    )
    model: str
    version: str
    variant: str
    exchange: str | None = Field(description="The id of the first record.")
    predictions: list[Prediction]
    request: str


class RolloutBody(BaseModel):
    """A candidate on its way to the champion's place."""

    candidate: str
    champion: str = Field(description="Whose place it takes; while it is watched, whose it took.")
    stage: Literal["shadow", "share", "watch"]
    share: float = Field(description="Of the requests that the candidate answers.")
    since: str = Field(description="When this stage began.")


class ModelBody(BaseModel):
    """A model that is served."""

    name: str
    version: str
    number: int | None
    alias: str | None
    task: str
    labels: list[str]
    variant: str
    columns: list[str]
    writes: bool = Field(description="Whether it writes its answers, and can stream them.")
    since: str = Field(description="When this version began to answer.")
    rollout: RolloutBody | None = Field(description="What is being rolled out.")


class Models(BaseModel):
    """The models that are served, each by one version."""

    models: list[ModelBody]


class RefusedItem(BaseModel):
    """A piece of feedback that was not taken."""

    place: int = Field(description="Its place in the request, from 1.")
    reason: str


class Received(BaseModel):
    """What became of feedback; of the new, how many are late, contradict another source, or of an unknown exchange."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **{"new": 1, "repeated": 0, "superseded": 0, "late": 0, "unknown": 0, "contradictory": 0},
                "refused": [],
            }
        }
    )
    new: int
    repeated: int = Field(description="With a key that was given before: taken once.")
    superseded: int = Field(description="The same source said otherwise of the same exchange.")
    late: int
    unknown: int
    contradictory: int
    refused: list[RefusedItem]


class SideBody(BaseModel):
    """One answer that people gave."""

    value: dict[str, Any]
    sources: list[str]
    ids: list[int]


class ItemBody(BaseModel):
    """Something that waits for a person."""

    id: str
    why: Literal["contradictory", "said", "quarantined", "unsure"]
    row: dict[str, Any] = Field(description="The columns that were asked, masked as they are recorded.")
    sides: list[SideBody]
    exchange: str | None
    version: str | None
    answer: dict[str, Any] | None = Field(description="The model's, in the form of a value.")
    confidence: float | None
    reasons: list[str]
    skipped: bool = Field(description="Whoever asks has passed over it: it comes last.")


class Queue(BaseModel):
    """What waits of one model's answers, in the order in which it is worth a look."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **{"model": "tickets", "task": "classification", "target": "label", "labels": ["lost", "balance"]},
                "waiting": 0,
                "items": [
                    {
                        **{"id": "01KB", "why": "unsure", "row": {"text": "卡丢了"}, "sides": [], "exchange": "01KB"},
                        **{"version": "tickets:3", "answer": {"label": "lost"}, "confidence": 0.41},
                        **{"reasons": [], "skipped": False},
                    }
                ],
            }
        }
    )
    model: str
    task: str
    target: str = Field(description="What a value is called: label, labels, entities, answer or score.")
    labels: list[str]
    waiting: int = Field(description="Pieces of feedback that nobody has decided on; 10,001 stands for more.")
    items: list[ItemBody]


class Decision(BaseModel):
    """A decision on record."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **{"id": 12, "item": "01KB", "action": "accept", "by": "9f2c41d07a3b"},
                **{"at": "2026-01-31T12:00:00+00:00", "value": {"label": "lost"}, "changed": 1, "repeated": False},
            }
        }
    )
    id: int | None = Field(description="Send it as `undo` to take the decision back.")
    item: str
    action: Literal["accept", "reject", "skip"]
    by: str
    at: str
    value: dict[str, Any] | None
    changed: int = Field(description="How much feedback it touched.")
    repeated: bool = Field(description="It stood so already.")


class Live(BaseModel):
    """The process answers."""

    live: Literal[True]


class Ready(BaseModel):
    """Models are loaded and answer."""

    ready: Literal[True]
