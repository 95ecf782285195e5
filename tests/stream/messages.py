"""Messages as a watch makes them."""

from __future__ import annotations

import uuid

from holmesvau.stream.record import (
    AlarmMessage,
    CameraPart,
    CurvePart,
    MomentPart,
    WordsPart,
    key_of,
    utc,
)


def alarm(camera: str = "gate") -> AlarmMessage:
    identity = uuid.uuid4().hex
    moment = MomentPart(at=utc(1_800_000_000.0), seconds=12.5, score=0.75)
    return AlarmMessage(
        kind="alarm", reason="raised", id=identity, sequence=0, key=key_of(identity, 0),
        at=utc(1_800_000_001.0), state="open", camera=CameraPart(name=camera, source="rtsp://gate/1"),
        start=moment, peak=moment, end=None, scorer="novelty", trust=None, enter=0.5, leave=0.3,
        curve=CurvePart(seconds=[12.0, 12.5], scores=[0.1, 0.75], stride_seconds=0.5),
        clip=None, words=WordsPart(status="pending"), dismissed_by_model=False,
    )  # fmt: skip
