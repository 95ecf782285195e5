"""Events and clips: no gaps, random lengths that stay, boundaries that touch nothing else."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holmesvau.engine.decouple import ClipsConfig, NormalConfig, apart, clip_spans, normal_spans
from holmesvau.errors import InputError
from holmesvau.types import Span

CLIPS = ClipsConfig()
seconds = st.floats(0, 900).map(lambda value: round(value, 3))


def clips(start: float, end: float, name: str = "camera", **more) -> list[Span]:
    return clip_spans(Span(start, end), name, CLIPS, 0, **more)


@given(seconds, st.floats(0.1, 300).map(lambda value: round(value, 3)))
def test_clips_fill_their_event_and_keep_their_lengths(start, length):
    found = clips(start, start + length)
    assert found[0].start == start and found[-1].end == start + length
    assert all(one.end == next_.start for one, next_ in pairwise(found))
    inner = found[1:-1]
    assert all(CLIPS.shortest - 1e-9 <= clip.duration <= CLIPS.longest + 1e-9 for clip in inner)
    if len(found) > 1:
        assert min(clip.duration for clip in found) >= CLIPS.shortest - 1e-9


@given(seconds, st.floats(30, 200), st.floats(-8, 8))
def test_a_moved_boundary_changes_the_clips_at_it_and_no_other(start, length, moved):
    before = clips(start, start + length)
    after = clips(start, start + length + moved)
    same = [clip for clip in before if clip in after]
    border = start + length - abs(moved) - CLIPS.longest - CLIPS.shortest
    assert all(clip in same for clip in before if clip.end <= border)
    earlier = clips(max(0.0, start + moved), start + length)
    border = start + abs(moved) + CLIPS.longest + CLIPS.shortest
    assert all(clip in earlier for clip in before if clip.start >= border)


def test_lengths_are_random_with_the_distribution_asked_for():
    lengths = [clip.duration for n in range(40) for clip in clips(0, 600, f"camera {n}")[1:-1]]
    assert abs(np.median(lengths) - CLIPS.median) < 0.4 and np.std(np.log(lengths)) > 0.25
    assert clips(0, 600) == clips(0, 600) != clips(0, 600, "another")
    assert clip_spans(Span(0, 600), "camera", CLIPS, 1) != clips(0, 600)


def test_clips_of_a_file_are_kept_and_only_long_rests_are_cut_at_random():
    given = [Span(0, 9.8), Span(10.5, 11.2), Span(11, 13), Span(15.4, 40)]
    assert clips(10, 16, given=given) == [Span(10.5, 11.2), Span(11, 13), Span(15.4, 16)]
    assert clips(10, 15.6, given=given) == [Span(10.5, 11.2), Span(11, 13)], "a sliver is no clip"
    found = clips(10, 60, given=given)
    assert found[:3] == [Span(10.5, 11.2), Span(11, 13), Span(15.4, 40)] and found[-1].end == 60
    assert len(found) > 5 and clips(50, 60, given=given) == clips(50, 60)


@given(st.floats(0.5, 4000), st.integers(0, 99))
def test_stretches_of_normal_videos_lie_within_them(duration, number):
    duration = round(duration, 3)
    found = normal_spans(duration, f"video {number}", NormalConfig(count=3), 0)
    assert 1 <= len(found) <= 3 and found == sorted(found)
    assert all(0 <= span.start < span.end <= duration + 0.002 for span in found)
    assert found == normal_spans(duration, f"video {number}", NormalConfig(count=3), 0)


def test_stretches_come_in_several_granularities():
    config = NormalConfig(count=3, granularities=(5.0, 50.0, 500.0))
    lengths = sorted(span.duration for span in normal_spans(5000, "long", config, 0))
    assert len(lengths) == 3 and lengths[0] < 8 and 25 <= lengths[1] <= 75 and lengths[2] >= 250


def test_states_with_time_between_them_are_different_events():
    fights = [
        (Span(1, 4), "Fighting"),
        (Span(3, 6), "Fighting"),
        (Span(6.5, 8), "Fighting"),
        (Span(2, 9), "Riot"),
    ]
    assert apart(fights) == [(Span(1, 6), "Fighting"), (Span(2, 9), "Riot"), (Span(6.5, 8), "Fighting")]


def test_lengths_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="rising order"):
        ClipsConfig(shortest=9.0)
    with pytest.raises(InputError, match="count of 1"):
        NormalConfig(count=0)
