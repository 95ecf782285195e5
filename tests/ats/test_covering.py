"""Scans that take shortcuts: stored by recipe, resumed with the same bits, with a memory or without."""

import numpy as np
import pytest

from holmesvau.ats.features import Encoded
from holmesvau.ats.scan import ScanConfig, scan
from holmesvau.ats.store import FeatureStore
from holmesvau.video import open_video
from tests.video.test_skim import film, room

ALL = {"still": True, "steady": True, "calm": True}


class Averages:
    """An encoder that can be computed by hand: mean colours of a frame and of its 4 by 4 places.

    With a memory, also how far the frame is from the mean of those it remembers.
    """

    name, width, cells_shape, batch_size = "averages", 4, (4, 4, 3), 3

    def __init__(self, memory: int = 0) -> None:
        self.memory = memory
        self.fingerprint = f"averages-{memory}"
        self.seen = 0

    def frame_size(self, width, height):
        return 64, 48

    def encode(self, frames, before=None):
        self.seen += len(frames)
        places = frames.reshape(len(frames), 4, 12, 4, 16, 3).mean((2, 4), dtype=np.float64)
        trace = places.reshape(len(frames), -1).astype(np.float32)
        known = trace if before is None else np.concatenate([before, trace])
        first = len(known) - len(trace)
        away = [
            np.abs(known[i] - known[max(0, i - self.memory) : i + 1].mean(0)).mean() if self.memory else 0
            for i in range(first, len(known))
        ]
        pooled = np.column_stack([places.mean((1, 2)), away]).astype(np.float16)
        return Encoded(pooled, places.astype(np.float16), trace if self.memory else None)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return film(tmp_path_factory.mktemp("film") / "room.mp4", room(), keyframe_seconds=2)


def run(path, store, memory=0, progress=None, **options):
    encoder = Averages(memory)
    with open_video(path) as video:
        result = scan(video, encoder, store=store, config=ScanConfig(**options), progress=progress)
    assert result.encoded_frames <= encoder.seen or result.cached
    return result


def same(one, other) -> bool:
    names = ("index", "seconds", "pooled", "cells")
    return all(np.array_equal(getattr(one.features, n), getattr(other.features, n)) for n in names)


def test_a_frame_that_is_not_looked_at_has_the_features_of_an_earlier_one(path, tmp_path):
    dense = run(path, FeatureStore(tmp_path / "dense"))
    short = run(path, FeatureStore(tmp_path / "short"), **ALL)
    assert np.array_equal(short.features.index, dense.features.index)
    assert np.array_equal(short.features.seconds, dense.features.seconds)
    assert dense.encoded_frames == 300 and dense.reused_frames == 0
    assert short.encoded_frames + short.reused_frames == 300 and short.encoded_frames < 60
    assert short.decoded_frames < 0.5 * dense.decoded_frames
    own = (short.features.cells[:] == dense.features.cells[:]).all((1, 2, 3))
    assert own.sum() >= short.encoded_frames
    away = np.abs(short.features.cells[:].astype(float) - dense.features.cells[:].astype(float)).max(
        (1, 2, 3)
    )
    # Noise, but for the steady walk, of which every second frame is left out.
    walking = (dense.features.seconds >= 70) & (dense.features.seconds < 80)
    assert away[~walking].max() < 4


def test_shortcuts_are_part_of_the_key(path, tmp_path):
    store = FeatureStore(tmp_path)
    assert not run(path, store).cached and not run(path, store, still=True).cached
    assert not run(path, store, still=True, calm=True).cached
    assert run(path, store, still=True).cached and run(path, store).cached
    assert store.info().recordings == 3


@pytest.mark.parametrize("memory", [0, 32])
@pytest.mark.parametrize("options", [{}, {"still": True}, ALL])
def test_interrupted_with_shortcuts_it_resumes_with_the_same_bits(path, tmp_path, memory, options):
    whole = run(path, FeatureStore(tmp_path / "whole"), memory, **options)
    for stop_at in (1, 90, 140):
        store = FeatureStore(tmp_path / f"{stop_at}")

        def stop(stage, done, total, stop_at=stop_at):
            if done >= stop_at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(path, store, memory, stop, batch_size=5, **options)
        resumed = run(path, store, memory, **options)
        assert resumed.resumed_from > 0 and same(resumed, whole)


def test_an_encoder_with_a_memory_remembers_frames_that_were_not_looked_at(path, tmp_path):
    dense = run(path, FeatureStore(tmp_path / "dense"), 32)
    still = run(path, FeatureStore(tmp_path / "still"), 32, still=True)
    # One look in four, and all of a walk of ten seconds.
    assert 75 + 15 < still.encoded_frames < 75 + 40
    away = np.abs(still.features.pooled[:].astype(float) - dense.features.pooled[:].astype(float))
    assert away[:, :3].max() < 3
    # A light leaves the memory slowly: what stands for a frame may be four frames old.
    assert away[:, 3].mean() < 0.5
    walking = (dense.features.seconds >= 71) & (dense.features.seconds < 79)
    assert np.allclose(still.features.pooled[walking, 3], dense.features.pooled[walking, 3], atol=1)


def test_two_batch_sizes_give_the_same_bits(path, tmp_path):
    for memory in (0, 32):
        results = [
            run(path, FeatureStore(tmp_path / f"{memory}-{size}"), memory, batch_size=size, **ALL)
            for size in (1, 16)
        ]
        assert same(*results)
