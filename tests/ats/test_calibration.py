"""Calibration of confidence: known distortions are found and undone; few events change little."""

import math

import numpy as np
import pytest
from safetensors.numpy import save_file

from holmesvau.ats.calibration import Calibration
from holmesvau.errors import InputError, ModelError
from holmesvau.evaluate.calibration import expected_calibration_error


def events(count: int, temperature: float, bias: float, seed: int = 0):
    """Confidences, and events that are right as often as a calibration of these numbers says."""
    generator = np.random.default_rng(seed)
    said = generator.beta(2, 2, count)
    return said, generator.random(count) < Calibration(temperature, bias).of(said)


@pytest.mark.parametrize(("temperature", "bias"), [(1.0, 0.0), (2.5, 0.0), (0.5, 1.0), (1.5, -0.7)])
def test_the_numbers_that_made_the_events_are_found_again(temperature, bias):
    fitted = Calibration.fit(*events(20_000, temperature, bias))
    assert fitted.temperature == pytest.approx(temperature, rel=0.1)
    assert fitted.bias == pytest.approx(bias, abs=0.1)


def test_the_error_on_unseen_events_falls():
    fitted = Calibration.fit(*events(300, 0.6, 1.2, seed=1))
    said, right = events(5000, 0.6, 1.2, seed=2)
    before = expected_calibration_error(said, right)
    assert before > 0.15 and expected_calibration_error(fitted.of(said), right) < before / 3


def test_the_order_of_events_stays_and_no_change_is_no_change():
    said = np.linspace(0.01, 0.99, 50)
    assert (np.diff(Calibration(3.0, -1.0).of(said)) > 0).all()
    assert np.allclose(Calibration().of(said), said)
    assert 0 <= Calibration(0.1, 5.0)(0.0) <= Calibration(0.1, 5.0)(1.0) <= 1


def test_in_a_long_video_the_same_confidence_is_worth_less():
    found = Calibration(0.7, 0.3)
    assert found(0.8) == found(0.8, 12.0) == found(0.8, 60.0)
    odds = [math.log(p / (1 - p)) for p in (found(0.8), found(0.8, 3600.0), found(0.8, 86_400.0))]
    assert odds[0] - odds[1] == pytest.approx(math.log(60)) and odds[1] - odds[2] == pytest.approx(
        math.log(24)
    )


def test_few_events_or_only_right_ones_give_no_certainty():
    assert Calibration.fit([], []) == Calibration()
    one = Calibration.fit([0.4], [1])
    assert 0.4 < one(0.4) < 0.75
    always = Calibration.fit([0.3, 0.5, 0.6, 0.9] * 5, [1] * 20)
    assert 0.8 < always(0.5) < 1 and 0.1 <= always.temperature <= 10
    # Confidence that says the opposite of what happens is flattened, not turned round.
    wrong = Calibration.fit([0.1] * 50 + [0.9] * 50, [1] * 50 + [0] * 50)
    assert wrong(0.9) >= wrong(0.1)


def test_it_travels_in_the_scorer_s_file(tmp_path):
    path, found = tmp_path / "scorer.safetensors", Calibration(1.37, -0.21)
    save_file({"w": np.zeros(1)}, path, metadata=found.to_metadata())
    assert Calibration.of_scorer(path) == found
    save_file({"w": np.zeros(1)}, path)
    assert Calibration.of_scorer(path) is None and Calibration.of_scorer(tmp_path / "old.pth") is None


@pytest.mark.parametrize("temperature", ["x", "-1", "nan", "inf"])
def test_damaged_numbers_are_refused(temperature):
    with pytest.raises(ModelError, match="damaged"):
        Calibration.from_metadata({"confidence_temperature": temperature, "confidence_bias": "0"})


def test_what_is_refused():
    with pytest.raises(InputError, match="from 0 to 1"):
        Calibration.fit([1.2], [1])
    with pytest.raises(InputError, match="give one 0 or 1"):
        Calibration.fit([0.2, 0.3], [1])
    with pytest.raises(InputError, match="give one 0 or 1"):
        Calibration.fit([0.2], [0.5])
