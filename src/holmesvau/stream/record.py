"""What an alarm is to the outside: one JSON document, whole in every message (`schemas/alarm.schema.json`).

A message is an `alarm` (the first of an id) or an `update` of it. Each carries everything that is known by
then, so a receiver keeps the one with the highest `sequence` and needs no other; `key` names a message for
ever. A `camera` message says that a camera is gone or back.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

import holmesvau

SCHEMA = 1

State = Literal["open", "ended", "interrupted"]
Reason = Literal["raised", "ended", "clip", "described", "late", "undescribed", "interrupted"]
Wording = Literal["none", "pending", "done", "late", "failed", "withheld", "dropped", "interrupted"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CameraPart(_Part):
    """The camera; `source` is without its password, `normal` what was said to be normal there."""

    name: str
    source: str
    normal: str = ""


class MomentPart(_Part):
    """`at` is UTC (ISO 8601), `seconds` the camera's time since it was first seen, `score` what it scored."""

    at: str
    seconds: float
    score: float


class CurvePart(_Part):
    """The curve around the alarm as far as it is known."""

    seconds: list[float]
    scores: list[float]
    stride_seconds: float


class TrustPart(_Part):
    """How far the footage is from the scorer's training, and up to where it is trusted."""

    distance: float
    limit: float
    familiar: bool


class ClipPart(_Part):
    """A file of the alarm's pictures; `complete` is false when the stream or the watch broke off in it."""

    path: str
    start_seconds: float
    end_seconds: float
    complete: bool


class WordsPart(_Part):
    """What the model says. `status` tells where that stands; `note` why there is nothing."""

    status: Wording
    model: str = ""
    judgement: str = ""
    description: str = ""
    analysis: str = ""
    label: str = ""
    note: str = ""


class AlarmMessage(_Part):
    """An alarm, or an update of it.

    `label` is the class that the scorer takes it for, known with the alarm; empty where it tells none. What
    the model calls it stands in `words`.
    """

    schema_: Literal[1] = Field(default=1, alias="schema")
    kind: Literal["alarm", "update"]
    reason: Reason
    id: str
    sequence: int
    key: str
    at: str
    state: State
    camera: CameraPart
    start: MomentPart
    peak: MomentPart
    end: MomentPart | None
    scorer: str
    trust: TrustPart | None
    label: str = ""
    enter: float
    leave: float
    curve: CurvePart
    clip: ClipPart | None
    words: WordsPart
    dismissed_by_model: bool
    holmesvau: str = holmesvau.__version__


class CameraMessage(_Part):
    """A camera is gone for longer than it may be, or is back."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    kind: Literal["camera"]
    id: str
    sequence: int
    key: str
    at: str
    state: Literal["down", "up"]
    camera: CameraPart
    reason: str
    holmesvau: str = holmesvau.__version__


Message: TypeAlias = AlarmMessage | CameraMessage


def updated(message: AlarmMessage, reason: Reason, at: float, **changes: Any) -> AlarmMessage:
    """The next message about the same alarm, with `changes` to what it says."""
    sequence = message.sequence + 1
    told = {
        "kind": "update", "reason": reason, "sequence": sequence, "key": key_of(message.id, sequence),
        "at": utc(at),
    }  # fmt: skip
    return message.model_copy(update=told | changes)


def key_of(identity: str, sequence: int) -> str:
    """The name of one message, the same whenever it is sent again."""
    return f"{identity}:{sequence}"


def to_text(message: Message) -> str:
    """One line of JSON."""
    return message.model_dump_json(by_alias=True)


def from_text(text: str | bytes) -> Message:
    """What `to_text` wrote."""
    return _ADAPTER.validate_json(text)


def utc(seconds: float) -> str:
    """A time of day as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a message, as kept in `schemas/alarm.schema.json`."""
    schema = _ADAPTER.json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "holmesvau alarm", **schema}


_ADAPTER: TypeAdapter[Message] = TypeAdapter(Message)
