"""Annotations that are hard to hold: overlaps, odd texts, several classes, nothing at all."""

from __future__ import annotations

import pytest

from holmesvau import hivau
from holmesvau.hivau.schema import EventAnnotation, VideoAnnotation
from holmesvau.types import Clip, Span
from tests.hivau.fixtures import ANNOTATIONS, write_json

HARD: tuple[VideoAnnotation, ...] = (
    VideoAnnotation(
        "v=Film.1998__#00-08-08_label_B2-B6-G",
        901,
        29.97,
        ("Shooting", "Car accident", "Explosion"),
        (
            EventAnnotation(
                Span(20.0371, 24.5),
                (
                    Clip(Span(20.0371, 21), 'He says: "Run", then; <b>runs</b> & falls --> down'),
                    # Outside its event, and before the clip above.
                    Clip(Span(2.5, 3.25), ""),
                ),
                summary=" An anomaly\nexists. \n\nIt is loud.\t",
                judgement="An anomaly exists — “Shooting”, 枪击.",
                description='=SUM(A1) "quoted", with, commas\r\nand a second line',
                analysis="Because, E0C1.",
            ),
            # Earlier than the one before and nearly the same as the next.
            EventAnnotation(Span(5.5, 12.0), (Clip(Span(5.5, 12.0), "It burns."),)),
            EventAnnotation(Span(5.5, 12.001), (Clip(Span(5.5, 12.0), "It burns."),), analysis="A danger."),
            EventAnnotation(Span(5.5, 12.001)),
        ),
        judgement="An anomaly exists.",
        description="ends with a backslash \\",
        analysis="NOTE this",
    ),
    VideoAnnotation("Calm 1", 300, 25, (), (EventAnnotation(Span(0, 10), (Clip(Span(0, 4), "Calm."),)),)),
    VideoAnnotation("Odd without events", 50, 25.0, (" a; b", 'c"d', "e\nf"), summary="Only this."),
    VideoAnnotation("nothing", 1, 24),
)


def examples() -> dict[str, VideoAnnotation]:
    return {video.name: video for video in HARD}


@pytest.fixture
def own(tmp_path) -> dict[str, VideoAnnotation]:
    """The fixtures' annotations and the hard ones."""
    return hivau.load_annotations(write_json(tmp_path / "own.json", ANNOTATIONS)) | examples()
