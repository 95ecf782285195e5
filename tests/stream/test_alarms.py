"""Hysteresis, causal: what is raised when, on curves written by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holmesvau.errors import ConfigError
from holmesvau.stream.alarms import (
    CURVE_SCORES,
    AlarmConfig,
    AlarmWatch,
    Ended,
    HeldBack,
    Moment,
    Raised,
)
from holmesvau.stream.usual import UsualAlarms

STRIDE = 0.5


def watch(scores: list[float], config: AlarmConfig | None = None, seconds: list[float] | None = None):
    """What happens at which second."""
    watching = AlarmWatch(config or AlarmConfig(), STRIDE)
    told = []
    for number, score in enumerate(scores):
        now = number * STRIDE if seconds is None else seconds[number]
        change = watching.step(Moment(now, 1000.0 + now, score))
        if change is not None:
            told.append((now, change))
    return watching, told


def test_alarm_is_raised_while_the_event_goes_on_and_ends_after_it_was_quiet() -> None:
    _, told = watch([0.1] * 10 + [0.4, 0.8, 0.9, 0.6] + [0.1] * 20)
    (at, raised), (ended_at, ended) = told
    # The mean of two scores: .4 and .8 reach .5 at 5.5 s; the mean crossed .3 there, too.
    assert isinstance(raised, Raised) and at == 5.5 and raised.start.seconds == 5.5
    assert isinstance(ended, Ended) and ended.peak.seconds == 6.0 and ended.peak.score == 0.9
    assert ended.end.seconds == 7.5 and ended_at == 7.5 + 4.0


def test_start_is_where_the_curve_began_to_rise() -> None:
    _, told = watch([0.1, 0.1, 0.35, 0.35, 0.35, 0.35, 0.9, 0.9])
    assert told[0][0] == 3.0 and told[0][1].start.seconds == 1.5 and told[0][1].start.wall == 1001.5


def test_one_high_score_alone_is_no_alarm_and_a_pause_does_not_end_one() -> None:
    assert watch([0.1] * 4 + [0.8] + [0.1] * 9)[1] == []
    _, told = watch([0.9] * 4 + [0.0] * 7 + [0.9] * 4 + [0.0] * 20)
    assert [type(change) for _, change in told] == [Raised, Ended]


def test_hole_in_the_curve_is_not_averaged_over() -> None:
    # A high score before the hole and one after it make no alarm of two.
    seconds = [0.0, 0.5, 1.0, 60.0, 60.5]
    _, told = watch([0.0, 0.0, 0.9, 0.2, 0.2], seconds=seconds)
    assert told == []
    _, told = watch([0.0, 0.0, 0.9, 0.9, 0.9], seconds=seconds)
    assert [at for at, _ in told] == [60.0]


def test_open_alarm_ends_where_the_curve_does() -> None:
    watching, _ = watch([0.9] * 5)
    ended = watching.close()
    assert ended is not None and ended.end.seconds == 2.0 and not watching.is_open
    assert watching.close() is None


def test_hours_of_alarm_keep_a_bounded_curve() -> None:
    watching, told = watch([0.9] * 5000)
    assert len(told) == 1 and len(watching.curve(0.0)) == CURVE_SCORES
    assert watching.curve(2499.0)[0].seconds == 2499.0 - 30.0


@given(st.lists(st.floats(0, 1), max_size=200), st.floats(0.05, 1), st.floats(0, 1))
def test_raised_and_ended_take_turns_and_times_are_in_order(
    scores: list[float], enter: float, share: float
) -> None:
    config = AlarmConfig(enter=enter, leave=max(0.01, enter * share), quiet_seconds=1.0)
    watching, told = watch(scores, config)
    kinds = [type(change) for _, change in told]
    assert kinds == [Raised, Ended] * (len(kinds) // 2) + [Raised] * watching.is_open
    for at, change in told:
        if isinstance(change, Raised):
            assert change.start.seconds <= change.peak.seconds <= at
            smoothed = np.mean(scores[max(0, int(at / STRIDE) - 1) : int(at / STRIDE) + 1])
            assert smoothed >= enter - 1e-9
        else:
            assert change.end.seconds <= at and change.peak.seconds <= change.end.seconds


def test_unusable_thresholds_are_refused() -> None:
    for bad in ({"enter": 0.2}, {"leave": 0.0}, {"enter": 1.5}, {"quiet_seconds": -1.0}):
        with pytest.raises(ConfigError, match=r"\.$"):
            AlarmConfig(**bad)


# --- what is usual ---


def test_what_is_called_the_same_all_the_time_must_get_higher_than_usual() -> None:
    usual = UsualAlarms(3.0)
    rng = np.random.default_rng(0)
    raised = {0: 0, 1: 0, 2: 0, 3: 0}
    for number, height in enumerate(rng.uniform(0.5, 0.9, 160)):
        seconds = number * 90.0
        raised[int(seconds // 3600)] += height >= max(0.5, usual.bar("Vandalism", seconds))
        usual.add("Vandalism", seconds, height)
    # Forty an hour: at first the records among them, then about as many as are let through.
    assert raised[0] <= 14 and max(raised[1], raised[2], raised[3]) <= 8
    assert usual.bar("Vandalism", 4 * 3600.0) > 0.8 and usual.bar("Fighting", 4 * 3600.0) == 0.0
    # After four quiet hours nothing is usual any more.
    assert usual.bar("Vandalism", 9 * 3600.0) == 0.0


def test_few_alarms_or_nameless_ones_are_all_let_through() -> None:
    usual, off = UsualAlarms(3.0), UsualAlarms(0.0)
    for number in range(50):
        for one in (usual, off):
            assert one.bar("", number * 60.0) == 0.0
            one.add("", number * 60.0, 0.9)
        assert off.bar("Fall", number * 60.0) == 0.0
        off.add("Fall", number * 60.0, 0.9)
    for number in range(10):
        assert usual.bar("Fall", number * 3600.0) == 0.0
        usual.add("Fall", number * 3600.0, 0.9)


def test_below_the_bar_nothing_is_raised_and_its_end_is_told() -> None:
    watching = AlarmWatch(AlarmConfig(), STRIDE)
    told = []
    for number, score in enumerate([0.1, 0.6, 0.6, 0.6, 0.1, 0.1, 0.1, 0.6, 0.8, 0.9, 0.9, *[0.1] * 20]):
        change = watching.step(Moment(number * STRIDE, 0.0, score), bar=0.65)
        if change is not None:
            told.append((number, change))
    (_, held), (raised_at, raised), (_, ended) = told
    assert isinstance(held, HeldBack) and held.height == pytest.approx(0.6)
    # What begins below the bar is an alarm as soon as it gets higher, from where it began.
    assert isinstance(raised, Raised) and raised_at == 8 and raised.start.seconds == 3.5
    assert isinstance(ended, Ended) and ended.height == pytest.approx(0.9)
