"""Alarms, delays, repeated scores and events, on cases small enough to work out by hand."""

import numpy as np
import pytest

from holmesvau.errors import InputError
from holmesvau.evaluate import dense
from holmesvau.evaluate.alarms import alarm_metrics, runs
from holmesvau.evaluate.localization import LabelledSpan, ScoredSpan, event_metrics, interpolated_ap
from holmesvau.evaluate.resampling import BootstrapConfig
from holmesvau.types import Span


def test_false_alarms_and_delay_at_each_recall():
    labels = {"fire": np.zeros(100, np.uint8), "calm": np.zeros(3600, np.uint8)}
    labels["fire"][10:30] = labels["fire"][50:60] = 1
    scores = {"fire": np.zeros(100), "calm": np.zeros(3600)}
    scores["fire"][15:30], scores["fire"][50:60] = 0.9, 0.4
    scores["calm"][[5, 6, 7, 100]] = 0.5  # two runs above the second event, none above the first
    half, all_ = alarm_metrics(labels, scores, {"fire": 5.0, "calm": 2.0}, (0.5, 1.0))
    assert (half.threshold, half.found, half.false_alarms, half.false_alarms_per_hour) == (0.9, 1, 0, 0.0)
    assert half.delay_median_seconds == 1.0  # 5 frames at 5 a second
    assert (all_.threshold, all_.found, all_.false_alarms, all_.normal_hours) == (0.4, 2, 2, 0.5)
    assert all_.false_alarms_per_hour == 4.0 and all_.delay_mean_seconds == 0.5


def test_recall_asks_for_no_event_too_many():
    labels = {"v": np.tile(np.array([1, 0], np.uint8), 10)}
    scores = {"v": np.linspace(1, 0, 20)}
    assert alarm_metrics(labels, scores, {"v": 1.0}, (0.7,))[0].found == 7
    assert alarm_metrics(labels, scores, {"v": 1.0}, (0.7,))[0].false_alarms_per_hour is None


def test_no_events_no_figures_and_a_wrong_recall_is_refused():
    assert alarm_metrics({"v": np.zeros(4, np.uint8)}, {"v": np.zeros(4)}, {"v": 1.0}) == []
    with pytest.raises(InputError, match="recall of 0"):
        alarm_metrics({}, {}, {}, (0,))
    assert runs(np.array([True, True, False, True])) == [(0, 2), (3, 4)]


def test_scores_are_held_until_the_next_dense_frame():
    scores = np.array([0.1, 0.2, 0.3])
    assert dense.by_index(scores, np.array([0, 4, 6]), 8).tolist() == [0.1] * 4 + [0.2] * 2 + [0.3] * 2
    assert dense.by_index(scores, np.array([2, 4, 6]), 8)[:2].tolist() == [0.1, 0.1]
    # A rate that changes at 1 s: by times the second score is 7 frames long, by a stride it would not be.
    frames = np.concatenate([np.arange(0, 1, 0.1), np.arange(1, 3, 0.5)])
    held = dense.by_seconds(scores, np.array([0.0, 0.7, 2.0]), frames)
    assert held.tolist() == [0.1] * 7 + [0.2] * 5 + [0.3] * 2
    # Times rounded to a millisecond still belong to their own frame.
    thirds = np.arange(6) / 3
    assert dense.by_seconds(scores, np.round(thirds[::2], 3), thirds).tolist() == [
        0.1,
        0.1,
        0.2,
        0.2,
        0.3,
        0.3,
    ]


@pytest.mark.parametrize(
    ("index", "message"),
    [([0, 1], "3 scores have 2"), ([0, 2, 2], "do not rise"), ([0, 4, 8], "do not lie in a video of 8")],
)
def test_places_that_cannot_be_are_refused(index, message):
    with pytest.raises(InputError, match=message):
        dense.by_index(np.ones(3), np.array(index), 8)
    with pytest.raises(InputError, match="last score is of 9"):
        dense.by_seconds(np.ones(2), np.array([0.0, 9.0]), np.arange(8.0))


TRUTH = {
    "a": [LabelledSpan(Span(10, 20), ("Arson",)), LabelledSpan(Span(40, 50), ("Riot",))],
    "b": [LabelledSpan(Span(0, 4), ("Arson",))],
}


def test_event_figures_by_hand():
    guesses = {
        "a": [ScoredSpan(Span(10, 25), 0.9), ScoredSpan(Span(10, 20), 0.5), ScoredSpan(Span(47, 57), 0.8)],
        "calm": [ScoredSpan(Span(1, 2), 0.7)],
    }
    found = event_metrics(TRUTH, guesses, (0.1, 0.5, 0.7))
    low, middle, high = found.at
    # 10-25 takes the event 10-20 (overlap 2/3); the exact 10-20 comes later and finds it taken.
    assert (low.precision, low.recall, low.f1) == (2 / 4, 2 / 3, pytest.approx(4 / 7))
    assert (middle.precision, middle.recall) == (1 / 4, 1 / 3)
    assert (high.precision, high.recall) == (1 / 4, 1 / 3)
    assert low.ap == pytest.approx(2 / 3) and middle.ap == pytest.approx(1 / 3)
    assert high.ap == pytest.approx(1 / 3 * 1 / 4)  # the fourth by score is the only hit
    assert found.map == pytest.approx((2 / 3 + 1 / 3 + 1 / 12) / 3) and found.class_map is None
    assert (found.annotated, found.predicted) == (3, 4)


def test_class_figures_need_the_right_class():
    guesses = {
        "a": [ScoredSpan(Span(10, 20), 0.9, "Arson"), ScoredSpan(Span(40, 50), 0.8, "Arson")],
        "b": [ScoredSpan(Span(0, 4), 0.7, "Arson")],
    }
    at = event_metrics(TRUTH, guesses, (0.5,)).at[0]
    assert (at.ap, at.f1) == (1.0, 1.0)
    # Arson: hit, miss, hit -> (1 + 2/3) / 2; Riot: nothing -> 0.
    assert at.class_ap == pytest.approx((1 + 2 / 3) / 2 / 2)


def test_no_predictions_no_truth_and_ties():
    nothing = event_metrics(TRUTH, {}, (0.5,)).at[0]
    assert (nothing.precision, nothing.recall, nothing.f1, nothing.ap) == (0, 0, 0, 0)
    calm = event_metrics({"b": []}, {"b": [ScoredSpan(Span(0, 1), 1.0)]}, (0.5,)).at[0]
    assert np.isnan([calm.precision, calm.recall, calm.f1, calm.ap]).all()
    # Equal scores rank together, in whichever order they come.
    for hits in ([1.0, 0.0], [0.0, 1.0]):
        assert interpolated_ap(np.array(hits), np.array([0.5, 0.5]), 1) == 0.5


def test_exact_overlap_counts_and_f1_has_an_interval():
    guesses = {"a": [ScoredSpan(Span(10.1, 20.1), 1.0)], "b": [ScoredSpan(Span(0, 2), 1.0)]}
    found = event_metrics(TRUTH, guesses, (0.5,), BootstrapConfig(resamples=100)).at[0]
    assert found.recall == 2 / 3
    assert found.f1_interval.low <= found.f1 <= found.f1_interval.high
