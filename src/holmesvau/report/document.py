"""What `report.json` holds: one declaration that readers are checked against and the JSON Schema is made of.

Other keys may be added beside these and are ignored by readers; these never change while `schema` is 1.
Times are seconds from the first shown frame, scores lie in [0, 1]. Fields that are not required were added
after the core of the format: a document without them can still be read.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, NotRequired

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

SCHEMA: Final = 1

Number = Annotated[float, Field(allow_inf_nan=False)]
Seconds = Annotated[Number, Field(description="Seconds from the first shown frame.")]
Score = Annotated[Number, Field(description="A score in [0, 1].")]
FrameIndex = Annotated[int, Field(ge=0, description="Frame number in presentation order, from 0.")]


class SpanPart(TypedDict):
    """A half-open stretch of time."""

    start: Seconds
    end: Seconds


class VideoPart(TypedDict):
    """What is known of the source."""

    path: str
    duration: Annotated[Seconds | None, Field(description="Seconds; null for a live source.")]
    fps: Number
    num_frames: Annotated[int | None, Field(description="Counted frames; null for a live source.")]
    width: Annotated[int, Field(description="Pixels as shown, after rotation.")]
    height: int
    codec: str
    rotation: NotRequired[int]
    has_audio: NotRequired[bool]
    start_seconds: NotRequired[
        Annotated[Number, Field(description="Container's time of the first shown frame.")]
    ]
    variable_frame_rate: NotRequired[bool]


class CurvePart(TypedDict):
    """A score for every dense frame, in rising time."""

    seconds: list[Seconds]
    scores: list[Score]
    stride_seconds: Number
    index: NotRequired[list[FrameIndex]]
    scorer: NotRequired[str]


class SelectionPart(TypedDict):
    """The frames chosen for the describing model."""

    index: list[FrameIndex]
    seconds: list[Seconds]
    method: str


class ClipPart(TypedDict):
    """A few seconds and what is seen in them."""

    start: Seconds
    end: Seconds
    caption: str


class SummaryPart(TypedDict):
    """Is it abnormal and what, what happens, and why; empty where nobody has written it."""

    judgement: str
    description: str
    analysis: str


class EventPart(SummaryPart):
    """One abnormal stretch."""

    start: Seconds
    end: Seconds
    peak: Annotated[Seconds | None, Field(description="Time of the highest score.")]
    label: Annotated[str, Field(description="The class; empty when no model has named one.")]
    confidence: Score | None
    clips: list[ClipPart]
    peak_score: NotRequired[Score | None]


class ChapterPart(SummaryPart):
    """A stretch of a long video; chapters of a level follow one another without gap."""

    start: Seconds
    end: Seconds
    events: Annotated[list[int], Field(description="Places in the report's `events`, from 0; none: calm.")]
    composed: Annotated[bool, Field(description="Put together by rules from what was said of its events.")]
    chapters: Annotated[list[ChapterPart], Field(description="The finer chapters it is made of.")]


class AnswerPart(TypedDict):
    """A question and the reply to it."""

    question: str
    text: str
    span: NotRequired[SpanPart | None]
    selection: NotRequired[SelectionPart | None]
    model: NotRequired[str]
    note: NotRequired[str]


class Document(TypedDict):
    """A report of one watched video, as `holmesvau watch` writes it."""

    schema: Literal[1]
    video: VideoPart
    curve: CurvePart
    selection: SelectionPart
    events: list[EventPart]
    summary: SummaryPart
    answers: list[AnswerPart]
    model: dict[str, Any]
    config: dict[str, Any]
    timing: Annotated[dict[str, Number], Field(description="Seconds spent by stage.")]
    chapters: NotRequired[list[ChapterPart]]
    warnings: NotRequired[list[str]]
    holmesvau: NotRequired[Annotated[str, Field(description="The version that wrote it.")]]


ADAPTER: TypeAdapter[Document] = TypeAdapter(Document)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of `report.json`, as kept in `schemas/report.schema.json`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **ADAPTER.json_schema(),
        "title": "holmesvau report",
    }
