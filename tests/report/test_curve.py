from __future__ import annotations

import numpy as np
import pytest

from holmesvau.report.curve import decimated, score_at
from holmesvau.types import AnomalyCurve


def _curve(scores: np.ndarray) -> AnomalyCurve:
    count = len(scores)
    return AnomalyCurve(np.arange(count) * 0.5, scores.astype(np.float32), np.arange(count), 0.5)


@pytest.mark.parametrize("count", [0, 1, 2, 99, 100])
def test_short_curve_is_kept_whole(count: int) -> None:
    assert decimated(_curve(np.zeros(count)), most=100).tolist() == list(range(count))


def test_lone_spikes_and_dips_of_a_day_are_never_lost() -> None:
    rng = np.random.default_rng(5)
    scores = rng.uniform(0.4, 0.5, 172_800)
    # One spike and one dip, each in a bucket of its own.
    places = rng.choice(2_000, 80, replace=False) * 86 + rng.integers(0, 86, 80)
    scores[places[:40]], scores[places[40:]] = 0.95, 0.02
    chosen = decimated(_curve(scores), most=4_000)
    assert len(chosen) <= 4_002
    assert set(places.tolist()) <= set(chosen.tolist())
    assert (np.diff(chosen) > 0).all()
    assert (chosen[0], chosen[-1]) == (0, 172_799)


def test_event_peaks_beside_higher_ones_are_kept() -> None:
    scores = np.zeros(1_000)
    scores[500], scores[505] = 0.9, 0.7
    curve = _curve(scores)
    assert 505 not in decimated(curve, most=20)
    assert 505 in decimated(curve, [505 * 0.5], most=20)


def test_score_stands_until_the_next_dense_frame() -> None:
    curve = _curve(np.array([0.1, 0.2, 0.3]))
    assert score_at(curve, 0.5) == pytest.approx(0.2)
    assert score_at(curve, 0.9) == pytest.approx(0.2)
    assert score_at(curve, 9.0) == pytest.approx(0.3)
    assert score_at(curve, -1.0) is None
    assert score_at(_curve(np.array([])), 0.0) is None
