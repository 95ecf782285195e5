import math

import numpy as np
import pytest

from holmesvau.errors import InputError
from holmesvau.types import AnomalyCurve, Span, Summary, VideoInfo


@pytest.mark.parametrize(
    ("start", "end", "complaint"),
    [
        (-1.0, 2.0, "before 0 s"),
        (3.0, 2.0, "before the start"),
        (0.0, math.inf, "finite"),
        (math.nan, 1.0, "finite"),
    ],
)
def test_impossible_span_is_refused_with_its_numbers(start, end, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        Span(start, end)
    assert f"Span({start}, {end})" in str(caught.value)


def test_span_is_half_open():
    span = Span(1.0, 2.0)
    assert 1.0 in span and 1.999 in span and 2.0 not in span
    assert tuple(span) == (1.0, 2.0) and span.duration == 1.0


@pytest.mark.parametrize(
    ("a", "b", "shared", "iou"),
    [
        ((0, 10), (5, 15), 5.0, 5 / 15),
        ((0, 10), (10, 20), 0.0, 0.0),
        ((0, 10), (2, 4), 2.0, 0.2),
        ((3, 3), (3, 3), 0.0, 0.0),
    ],
)
def test_overlap_of_spans(a, b, shared, iou):
    assert Span(*a).intersect(Span(*b)) == shared == Span(*b).intersect(Span(*a))
    assert Span(*a).iou(Span(*b)) == pytest.approx(iou)


def curve(scores):
    count = len(scores)
    return AnomalyCurve(np.arange(count) * 0.5, np.asarray(scores, np.float32), np.arange(count) * 15, 0.5)


def test_curve_with_nan_score_names_the_frame():
    with pytest.raises(InputError, match="dense frame 2 is nan"):
        curve([0.1, 0.2, math.nan])


def test_curve_of_unequal_lengths_is_refused():
    with pytest.raises(InputError, match="3, 2 and 3"):
        AnomalyCurve(np.arange(3.0), np.zeros(2, np.float32), np.arange(3), 0.5)


def test_curve_within_span_keeps_its_times():
    part = curve([0, 1, 2, 3, 4, 5]).within(Span(0.5, 1.5))
    assert (
        part.seconds.tolist() == [0.5, 1.0]
        and part.index.tolist() == [15, 30]
        and part.scores.tolist() == [1, 2]
    )


def test_values_cannot_be_changed():
    with pytest.raises(AttributeError):
        Summary().judgement = "x"  # type: ignore[misc]


def test_source_without_known_end_is_live():
    known = VideoInfo("a.mp4", 1.0, 25.0, 25, 64, 48, "h264")
    live = VideoInfo("rtsp://camera", None, 25.0, None, 64, 48, "h264")
    assert not known.is_live and live.is_live
