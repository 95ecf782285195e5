"""A camera's time: always rising, true to arrival in the long run, whatever its clock says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holmesvau.video.timeline import JUMP_SECONDS, Timeline

STEP = 0.04
clocks = st.one_of(st.none(), st.floats(-1e6, 1e6))


@given(st.lists(st.tuples(clocks, st.floats(0, 100), st.booleans()), max_size=80))
def test_time_rises_whatever_is_told(pictures: list[tuple[float | None, float, bool]]) -> None:
    timeline, now, last = Timeline(), 0.0, -1.0
    for told, passed, connects in pictures:
        now += passed
        if connects:
            timeline.begin()
        seconds = timeline.at(told, now, STEP)
        assert seconds > last
        last = seconds


def test_burst_after_a_stall_keeps_its_distances() -> None:
    timeline = Timeline()
    arrivals = [n * STEP for n in range(50)] + [8.0] * 150
    times = [timeline.at(n * STEP, at, STEP) for n, at in enumerate(arrivals)]
    assert max(abs(seconds - n * STEP) for n, seconds in enumerate(times)) < 1e-9 and timeline.jumps == 0


def test_pause_that_the_camera_tells_is_believed_when_it_passed_here_as_well() -> None:
    timeline = Timeline()
    timeline.at(0.0, 100.0, STEP)
    assert timeline.at(600.0, 700.0, STEP) == 600.0 and timeline.jumps == 0
    # The same without the wait is a clock that was set.
    assert timeline.at(1200.0, 700.1, STEP) < 600.0 + JUMP_SECONDS and timeline.jumps == 1
    assert timeline.at(-5.0, 700.2, STEP) < 601.0 and timeline.jumps == 2


def test_connections_that_begin_with_a_burst_do_not_run_ahead() -> None:
    timeline, now = Timeline(), 0.0
    for _ in range(100):
        timeline.begin()
        # Each brings three seconds of older pictures at once, and lives for four.
        for n in range(75):
            seconds = timeline.at(500.0 + n * STEP, now, STEP)
        now += 4.0
    assert abs(seconds - now) < 4.0


def test_recording_is_believed() -> None:
    timeline = Timeline()
    timeline.begin(trusted=True)
    assert [timeline.at(told, 0.0, STEP) for told in (0.0, 0.04, 90.0)] == [0.0, 0.04, 90.0]
    timeline.begin(trusted=True)
    assert timeline.at(0.0, 0.0, STEP) == 90.0 + STEP and timeline.jumps == 0
