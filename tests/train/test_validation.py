"""What validation says of confidence, on events whose truth is known."""

import numpy as np
import pytest

from holmesvau.train.scorer.validation import _calibrated


def test_videos_that_take_turns_do_not_spoil_the_halves():
    # Every second video is normal, and all its events are wrong: as `sim.generate` has it at a half.
    generator, videos = np.random.default_rng(1), []
    for number in range(400):
        said = generator.uniform(0.3, 0.95, 2)
        right = generator.random(2) < np.where(number % 2, said**0.5, 0.0)
        videos.append(list(zip(said.tolist(), right.tolist(), strict=True)))
    figures = _calibrated(videos)
    assert figures["events"] == 800
    # What is learnt on one half holds on the other.
    assert figures["ece_calibrated"] < 0.08 < figures["ece"]


def test_a_confidence_that_is_worth_its_name_is_left_alone():
    generator = np.random.default_rng(2)
    videos = [
        [(one, bool(generator.random() < one)) for one in generator.uniform(0.05, 0.95, 3).tolist()]
        for _ in range(500)
    ]
    figures = _calibrated(videos)
    assert figures["temperature"] == pytest.approx(1, abs=0.2) and abs(figures["bias"]) < 0.2
    assert figures["ece_calibrated"] < 0.05
