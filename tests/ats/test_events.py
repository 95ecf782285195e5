"""Events from a curve: smoothing, hysteresis, merging and lengths, all in seconds."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holmesvau import ats
from holmesvau.ats.events import EventsConfig, confidence, find_events, peak
from holmesvau.errors import ConfigError, InputError
from holmesvau.types import AnomalyCurve, Span

RAW = EventsConfig(smooth_seconds=0, merge_seconds=0, min_seconds=0)


def curve(scores, seconds=None, stride=0.5) -> AnomalyCurve:
    scores = np.asarray(scores, dtype=np.float32)
    seconds = np.arange(len(scores)) * stride if seconds is None else np.asarray(seconds, dtype=float)
    return AnomalyCurve(seconds, scores, np.arange(len(scores)), stride)


def test_an_event_spans_from_its_first_frame_to_the_frame_after_its_last():
    assert find_events(curve([0, 0, 0.9, 0.8, 0, 0]), RAW) == [Span(1.0, 2.0)]


def test_an_event_at_the_end_lasts_for_the_last_frames_stride():
    assert find_events(curve([0, 0, 0.9]), RAW) == [Span(1.0, 1.5)]


def test_an_event_is_left_at_the_lower_threshold():
    assert find_events(curve([0.1, 0.35, 0.6, 0.35, 0.4, 0.2, 0.45, 0.1]), RAW) == [Span(0.5, 2.5)]


def test_events_close_in_time_are_one_and_far_ones_are_not():
    scores = [0.9, 0, 0, 0.9, 0, 0, 0, 0, 0, 0.9]
    config = EventsConfig(smooth_seconds=0, merge_seconds=1.0, min_seconds=0)
    assert find_events(curve(scores), config) == [Span(0, 2.0), Span(4.5, 5.0)]


def test_lengths_are_judged_after_merging():
    config = EventsConfig(smooth_seconds=0, merge_seconds=0.5, min_seconds=1.5)
    assert find_events(curve([0.9, 0, 0.9, 0, 0, 0, 0.9, 0.9]), config) == [Span(0, 1.5)]


def test_padding_stays_within_the_video_and_joins_what_it_makes_touch():
    config = EventsConfig(smooth_seconds=0, merge_seconds=0, min_seconds=0, pad_seconds=0.6)
    assert find_events(curve([0.9, 0, 0, 0.9, 0, 0, 0, 0]), config) == [Span(0, 2.6)]


def test_one_flash_is_smoothed_away_and_a_lasting_score_is_not():
    config = EventsConfig(smooth_seconds=3.0)
    flash, lasting = np.zeros(40), np.zeros(40)
    flash[20] = 0.9
    lasting[20:26] = 0.9
    assert find_events(curve(flash), config) == []
    (span,) = find_events(curve(lasting), config)
    assert span.iou(Span(10, 13)) > 0.7


def test_smoothing_knows_seconds_not_frames():
    # A score of 0.9 for one second, seen 2 and then 20 times a second: the same event.
    slow = np.arange(0, 20, 0.5)
    fast = np.concatenate([np.arange(0, 10, 0.5), np.arange(10, 20, 0.05)])
    spans = [
        find_events(curve(((seconds >= 10) & (seconds < 11)) * 0.9, seconds), EventsConfig(enter=0.4))
        for seconds in (slow, fast)
    ]
    assert len(spans[0]) == len(spans[1]) == 1
    assert spans[0][0].iou(spans[1][0]) > 0.6


def test_a_frame_before_a_hole_stands_for_the_hole():
    assert find_events(curve([0, 0.9, 0], [0, 1, 30], 1.0), RAW) == [Span(1, 30)]


def test_a_calm_curve_an_empty_one_and_one_frame():
    assert find_events(curve(np.full(100, 0.1))) == []
    assert find_events(curve(np.zeros(10)), EventsConfig(enter=0.5, leave=0.0)) == []
    assert find_events(curve([])) == []
    assert find_events(curve([0.9])) == [Span(0, 0.5)]


def test_a_video_that_is_one_event():
    assert find_events(curve(np.full(100, 0.9))) == [Span(0, 50)]


@given(
    scores=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=120),
    steps=st.lists(st.floats(0.01, 30), min_size=120, max_size=120),
    smooth=st.floats(0, 10),
    merge=st.floats(0, 20),
    shortest=st.floats(0, 5),
)
def test_events_are_disjoint_long_enough_and_far_enough_apart(scores, steps, smooth, merge, shortest):
    seconds = np.cumsum([0.0, *steps[: len(scores) - 1]])
    spans = find_events(
        curve(scores, seconds), EventsConfig(smooth_seconds=smooth, merge_seconds=merge, min_seconds=shortest)
    )
    for span in spans:
        assert 0 <= span.start < span.end <= seconds[-1] + 0.5
        assert span.duration >= shortest
    for before, after in pairwise(spans):
        assert after.start - before.end > merge


def test_peak_is_the_highest_score_that_stands_for_a_part_of_the_span():
    steps = curve([0.1, 0.7, 0.9, 0.2])
    assert peak(steps, Span(0, 2)) == (1.0, pytest.approx(0.9))
    assert peak(steps, Span(0, 1.0)) == (0.5, pytest.approx(0.7))
    assert peak(steps, Span(1.2, 1.4)) == (1.2, pytest.approx(0.9))
    with pytest.raises(InputError, match="no score in this span"):
        peak(steps, Span(7, 8))


def test_confidence_wants_more_than_one_frame_and_a_calm_rest():
    long, short, common = np.full(200, 0.05), np.full(200, 0.05), np.full(200, 0.05)
    long[50:70] = short[50] = 0.9
    common[50:70] = 0.9
    common[100::2] = 0.95
    trusted = confidence(curve(long), Span(25, 35))
    assert trusted > 0.8
    assert confidence(curve(short), Span(25, 25.5)) < 0.5 < trusted
    assert confidence(curve(common), Span(25, 35)) < trusted - 0.2


def test_confidence_does_not_hold_another_event_against_one():
    two = np.full(100, 0.05)
    two[10:30] = two[50:90] = 0.9
    spans = find_events(curve(two))
    assert len(spans) == 2
    assert confidence(curve(two), spans[0], spans) > confidence(curve(two), spans[0]) + 0.3


def test_confidence_of_a_span_without_scores_is_0():
    assert confidence(curve([0.9]), Span(10, 11)) == 0.0
    assert confidence(curve([]), Span(0, 1)) == 0.0


def test_times_that_do_not_rise_are_refused():
    with pytest.raises(InputError, match=r"dense frame 2 is at 1\.0 s"):
        find_events(curve([0.1, 0.2, 0.3], [0, 1, 1]))


@pytest.mark.parametrize(
    "wrong",
    [{"enter": 0.2}, {"enter": 1.4}, {"leave": -0.1}, {"merge_seconds": -1}, {"pad_seconds": float("nan")}],
)
def test_a_wrong_configuration_is_refused_with_its_value(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ConfigError, match=f"{name} = {value}"):
        EventsConfig(**wrong)


def test_sampling_and_finding_events_load_neither_torch_nor_av():
    code = (
        "import sys, numpy as np\n"
        "from holmesvau import ats\n"
        "from holmesvau.types import AnomalyCurve\n"
        "ats.sample(np.linspace(0, 1, 100), 16)\n"
        "ats.find_events(AnomalyCurve(np.arange(3.0), np.ones(3, np.float32), np.arange(3), 1.0))\n"
        "sys.exit(bool({'torch', 'av', 'onnxruntime'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_of_the_package_is_there():
    for name in ats.__all__:
        assert getattr(ats, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'smaple'"):
        _ = ats.smaple
