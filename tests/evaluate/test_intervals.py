"""Intervals: each resampling equals the figure of a test set in which videos really repeat."""

import numpy as np
import pytest

from holmesvau.evaluate.alarms import alarm_metrics
from holmesvau.evaluate.detection import class_metrics
from holmesvau.evaluate.judgements import judgement_metrics
from holmesvau.evaluate.localization import LabelledSpan, ScoredSpan, event_metrics, interpolated_ap
from holmesvau.evaluate.ranking import Ranking, resampled_areas
from holmesvau.evaluate.resampling import BootstrapConfig, draw
from holmesvau.types import Span

CONFIG = BootstrapConfig(resamples=200, seed=5)


@pytest.fixture
def curves():
    random = np.random.default_rng(11)
    labels = [(random.random(60) < share).astype(np.uint8) for share in (0, 0, 0.3, 0.5, 1)]
    # Two decimals, so that scores are equal within and between videos.
    scores = [np.round(random.random(60) * 0.6 + label * 0.3, 2) for label in labels]
    return labels, scores


def test_areas_of_all_resamplings_at_once(curves):
    labels, scores = curves
    ranking = Ranking(labels, scores)
    weights = np.vstack([draw(5, CONFIG), np.eye(5, dtype=np.int64), np.zeros((1, 5), np.int64)])
    expected = np.array([ranking.areas(row) for row in weights])
    assert np.allclose(resampled_areas(labels, scores, weights), expected, equal_nan=True, rtol=1e-12)
    assert np.isnan(expected).any() and np.isfinite(expected).any()


def test_a_class_with_normal_videos_has_an_interval(curves):
    labels, scores = ({f"v{n}": part for n, part in enumerate(of)} for of in curves)
    classes = {"v0": (), "v1": (), "v2": ("Arson",), "v3": ("Arson",), "v4": ("Arson",)}
    found = class_metrics(labels, scores, classes, bootstrap=CONFIG)["Arson"]
    auc, between = found.with_normal.auc, found.with_normal_auc_interval
    assert between.low < auc < between.high and found.with_normal_ap_interval.high <= 1
    assert class_metrics(labels, scores, classes)["Arson"].with_normal_auc_interval is None


def test_event_figures_of_a_resampling_are_those_of_videos_that_repeat():
    random = np.random.default_rng(2)
    truth, guesses = {}, {}
    for n in range(6):
        starts = 20.0 * np.arange(3)
        truth[f"v{n}"] = [LabelledSpan(Span(s, s + 8), ("Arson" if n % 2 else "Fall",)) for s in starts]
        guesses[f"v{n}"] = [
            ScoredSpan(Span(s + random.uniform(0, 7), s + 9), float(random.integers(1, 5)), "Arson")
            for s in starts
        ]
    found = event_metrics(truth, guesses, (0.3, 0.5), CONFIG)
    figures = []
    for weights in draw(6, CONFIG):
        names = [(f"v{n}", copy) for n, count in enumerate(weights) for copy in range(count)]
        again = event_metrics(
            {f"{name}.{copy}": truth[name] for name, copy in names},
            {f"{name}.{copy}": guesses[name] for name, copy in names},
            (0.3, 0.5),
        )
        figures.append(
            (again.at[1].ap, again.at[1].precision, again.at[1].recall, again.map, again.at[1].class_ap)
        )
    low, high = np.quantile(figures, [0.025, 0.975], axis=0)
    at = found.at[1]
    for k, between in enumerate(
        (at.ap_interval, at.precision_interval, at.recall_interval, found.map_interval)
    ):
        assert (between.low, between.high) == pytest.approx((low[k], high[k]))
    assert at.class_ap_interval.low <= at.class_ap <= at.class_ap_interval.high
    assert found.class_map_interval is not None and event_metrics(truth, guesses).map_interval is None


def test_equal_scores_rank_together_in_event_ap():
    assert interpolated_ap(np.array([1.0, 0.0]), np.array([0.5, 0.5]), 1) == 0.5
    assert interpolated_ap(np.array([0.0, 1.0]), np.array([0.5, 0.9]), 1) == 1.0


def test_alarm_intervals_hold_the_threshold():
    labels = {f"v{n}": np.repeat([0, n % 2, 0], 20).astype(np.uint8) for n in range(8)}
    random = np.random.default_rng(0)
    scores = {name: random.random(60) * 0.5 + label * random.random(60) for name, label in labels.items()}
    fps = dict.fromkeys(labels, 1.0)
    (found,) = alarm_metrics(labels, scores, fps, (0.5,), CONFIG)
    rate, delay = found.false_alarms_per_hour_interval, found.delay_median_interval
    assert rate.low <= found.false_alarms_per_hour <= rate.high
    assert delay.low <= found.delay_median_seconds <= delay.high
    (bare,) = alarm_metrics(labels, scores, fps, (0.5,))
    assert bare.false_alarms_per_hour_interval is bare.delay_median_interval is None
    assert bare.threshold == found.threshold


def test_recall_and_specificity_of_judgements_have_intervals():
    answers = [
        "An anomaly exists: a fight.",
        "No anomaly exists.",
        "No anomaly exists.",
        "An anomaly exists.",
    ]
    references = ["An anomaly exists: a fight."] * 2 + ["No anomaly exists."] * 2
    found = judgement_metrics(answers, references, bootstrap=CONFIG)
    assert found.recall_interval.low == 0 and found.recall_interval.high == 1
    assert found.specificity == 0.5 and found.specificity_interval is not None
    assert found.accuracy_interval.low <= found.accuracy <= found.accuracy_interval.high
