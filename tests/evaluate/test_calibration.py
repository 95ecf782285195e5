"""Confidence against accuracy, by hand."""

import math

import numpy as np
import pytest

from holmesvau.errors import InputError
from holmesvau.evaluate.calibration import expected_calibration_error, reliability


def test_error_is_the_weighted_distance_between_promise_and_truth():
    # Two bins: 0.9 promised and half kept (three of four weigh), 0.25 promised and all kept.
    said, right = [0.9, 0.9, 0.25, 0.9, 0.9], [1, 0, 1, 1, 0]
    assert expected_calibration_error(said, right) == pytest.approx((4 * 0.4 + 1 * 0.75) / 5)
    filled = [part for part in reliability(said, right) if part.count]
    assert [(part.low, part.count, part.accuracy) for part in filled] == [(0.2, 1, 1.0), (0.9, 4, 0.5)]


def test_one_is_in_the_last_bin_and_weights_repeat():
    said, right = np.array([1.0, 0.05]), np.array([1, 1])
    assert reliability(said, right)[-1].count == 1
    twice = expected_calibration_error(said, right, weights=[2, 0])
    assert twice == 0 and expected_calibration_error(said, right, weights=[0, 3]) == pytest.approx(0.95)
    assert math.isnan(expected_calibration_error([], []))


@pytest.mark.parametrize(("said", "right", "bins"), [([1.1], [1], 10), ([0.5], [], 10), ([0.5], [1], 0)])
def test_what_is_no_confidence_is_refused(said, right, bins):
    with pytest.raises(InputError):
        reliability(said, right, bins=bins)
