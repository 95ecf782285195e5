"""Tracks: where people are, which way they look, and that their feet do not slide."""

import math

import pytest

from holmesvau.errors import InputError
from holmesvau.sim.track import Key, Steps, Track


def test_a_walk_takes_as_long_as_its_metres_and_faces_where_it_goes() -> None:
    track = Steps(1.0, 0.0, 0.0).go((0.0, 5.4), speed=1.35).track()
    assert track.end == pytest.approx(5.0)
    middle = track(3.0)
    assert middle is not None
    assert (middle.x, middle.y) == pytest.approx((0.0, 2.7))
    assert middle.heading == pytest.approx(math.pi / 2)
    assert track(0.9) is None and track(5.0) is None


def test_steps_follow_the_metres_not_the_seconds() -> None:
    slow = Steps(0.0, 0, 0).go((10.0, 0), speed=1.0).track()
    fast = Steps(0.0, 0, 0).go((10.0, 0), speed=2.0).track()
    a, b = slow(4.0), fast(2.0)
    assert a is not None and b is not None
    assert a.x == pytest.approx(b.x)
    assert a.phase == pytest.approx(b.phase)


def test_a_corner_does_not_break_the_gait() -> None:
    track = Steps(0.0, 0, 0).go((3.0, 0), (3.0, 3.0), speed=1.0).track()
    before, after = track(2.99), track(3.01)
    assert before is not None and after is not None
    assert abs(math.remainder(before.phase - after.phase, 1.0)) < 0.05


def test_headings_turn_over_moments_and_the_short_way() -> None:
    track = Steps(0.0, 0, 0).do("stand", 2.0, heading=3.0).do("stand", 2.0, heading=-3.0).track()
    state = track(2.1)
    assert state is not None
    assert abs(math.remainder(state.heading - math.pi, math.tau)) < 0.25


def test_an_action_runs_once_and_holds_its_end() -> None:
    track = Steps(0.0, 0, 0).do("fall", 5.0).track()
    early, late = track(0.3), track(4.0)
    assert early is not None and late is not None
    assert 0 < early.phase < 1 and late.phase == 1.0


def test_poses_blend_when_the_action_changes() -> None:
    track = Steps(0.0, 0, 0).go((2.0, 0), speed=1.0).do("wave", 2.0).track()
    state = track(2.1)
    assert state is not None
    assert state.previous == "walk" and 0 < state.mix < 1


def test_extras_run_evenly_between_keys() -> None:
    track = Steps(0.0, 0, 0).set(open=0.0).wait(2.0).set(open=1.0).wait(1.0).track()
    state = track(1.0)
    assert state is not None and state.extra["open"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ((Key(t=0, x=0, y=0),), "two keys"),
        ((Key(t=1, x=0, y=0), Key(t=1, x=0, y=0)), "rise"),
        ((Key(t=0, x=0, y=0, action="moonwalk"), Key(t=1, x=0, y=0)), "moonwalk"),
        ((Key(t=0, x=0, y=0, held="sword"), Key(t=1, x=0, y=0)), "sword"),  # type: ignore[arg-type]
    ],
)
def test_impossible_tracks_are_refused(keys: tuple[Key, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Track(keys)
