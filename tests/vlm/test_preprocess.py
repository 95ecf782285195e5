"""Our pixels against the published preprocessing, and their shape in edge cases."""

from pathlib import Path

import numpy as np
import pytest
import torch

from holmesvau.vlm.preprocess import IMAGENET_MEAN, IMAGENET_STD, pixels

PARITY = Path(__file__).parents[2] / ".." / "shared" / "parity" / "pixels.npz"


@pytest.mark.skipif(not PARITY.exists(), reason="the differential data (shared/parity) is not here")
def test_published_pixels_are_met_to_two_grey_levels() -> None:
    with np.load(PARITY) as stored:
        names = sorted(name.removesuffix(".in") for name in stored.files if name.endswith(".in"))
        assert names
        for name in names:
            ours = pixels(stored[f"{name}.in"][None])
            theirs = torch.from_numpy(stored[f"{name}.pv"]).float()
            grey = (ours - theirs).abs() * torch.tensor(IMAGENET_STD).view(3, 1, 1) * 255
            # The stored values are float16, which adds up to a quarter of a grey level.
            assert grey.max() <= 2.3, name
            assert grey.mean() < 0.2, name


def test_a_picture_of_the_right_size_is_only_normalised() -> None:
    frame = np.full((1, 28, 28, 3), 255, np.uint8)
    expected = (1 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    torch.testing.assert_close(pixels(frame, 28)[0, :, 5, 5], expected)


def test_a_batch_equals_its_frames_one_by_one() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 41, 97, 3), np.uint8)
    together = pixels(frames, 56)
    assert together.shape == (3, 3, 56, 56)
    assert torch.equal(together, torch.cat([pixels(frame[None], 56) for frame in frames]))


def test_no_frames_and_other_precisions() -> None:
    assert pixels(np.empty((0, 20, 30, 3), np.uint8), 56).shape == (0, 3, 56, 56)
    assert pixels(np.zeros((1, 20, 30, 3), np.uint8), 56, dtype=torch.bfloat16).dtype == torch.bfloat16
