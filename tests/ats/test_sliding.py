"""A window that slides gives the score that the window as a whole gives its newest frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from holmesvau.ats.classes import PREFIX as HEAD
from holmesvau.ats.classes import ClassHead, ClassNames
from holmesvau.ats.features import Features
from holmesvau.ats.looking import PREFIX, Looking
from holmesvau.ats.sliding import SlidingScorer
from holmesvau.ats.urdmu import UrDmu, UrDmuScorer
from holmesvau.errors import InputError


@pytest.fixture(params=["plain", "looking"])
def scorer(request: pytest.FixtureRequest, tmp_path: Path) -> UrDmuScorer:
    """Random weights, larger than a new network's, so that scores differ from frame to frame."""
    torch.manual_seed(0)
    looking = Looking() if request.param == "looking" else None
    network = UrDmu(24 if looking is None else looking.width)
    state = {name: value * 3 if value.ndim > 1 else value for name, value in network.state_dict().items()}
    names = ClassNames(("Fighting", "Fall"), ("Embrace",))
    if looking is not None:
        state |= {PREFIX + name: value for name, value in looking.state_dict().items()}
        head = ClassHead(len(names)).state_dict()
        state |= {HEAD + name: 3 * value if value.ndim > 1 else value for name, value in head.items()}
    save_file(state, tmp_path / "scorer.safetensors", metadata=names.to_metadata())
    return UrDmuScorer(tmp_path / "scorer.safetensors")


@pytest.mark.parametrize("frames", [2, 3, 60, 128])
def test_each_score_is_that_of_the_newest_frame_of_its_window(scorer: UrDmuScorer, frames: int) -> None:
    assert scorer.input_width is not None
    rng = np.random.default_rng(frames)
    count = frames + 12
    level = np.cumsum(rng.normal(0, 0.3, (count, 1)), axis=0)
    pooled = (level + rng.normal(0, 1, (count, scorer.input_width))).astype(np.float16)
    cells, index = np.zeros((count, 1, 1, 2), np.float16), np.arange(count)
    whole = Features(index, index / 2, pooled, cells, 0.5, "random")
    sliding, told, expected = SlidingScorer(scorer, frames), [], []
    for number in range(count):
        sliding.take(pooled[number])
        if 6 < number < frames - 3:
            continue
        newest = sliding.newest()
        told.append(newest.score)
        if scorer.class_names is None:
            assert newest.classes is None
        else:
            window = whole.part(slice(max(0, number + 1 - frames), number + 1))
            np.testing.assert_allclose(newest.classes, scorer.classify(window)[1][-1], atol=2e-5)
        expected.append(scorer.score(whole.part(slice(max(0, number + 1 - frames), number + 1)))[-1])
    assert np.std(expected) > 1e-3
    np.testing.assert_allclose(told, expected, atol=2e-5)


def test_features_of_another_width_are_refused(scorer: UrDmuScorer) -> None:
    with pytest.raises(InputError, match="was trained on class tokens"):
        SlidingScorer(scorer, 8).take(np.zeros(7, np.float16))
