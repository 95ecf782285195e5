"""The novelty scorer on rendered scenes through the real encoder, and on two real videos where present."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from holmesvau.ats.efficientnet import EfficientNetEncoder
from holmesvau.ats.events import find_events
from holmesvau.ats.features import Features
from holmesvau.ats.novelty import NoveltyConfig, NoveltyScorer
from holmesvau.ats.views import cuts, find_views
from holmesvau.errors import ConfigError
from holmesvau.types import AnomalyCurve, Span
from holmesvau.video import open_video

STRIDE = 0.5
SIZE = 224
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE]


@cache
def encoder() -> EfficientNetEncoder:
    return EfficientNetEncoder()


@cache
def room(seed: int) -> np.ndarray:
    """A room: even seeds are papered in patches, odd ones are tiled corridors; each with furniture."""
    rng = np.random.default_rng(seed)
    if seed % 2:
        depth = np.abs(COLUMNS - SIZE / 2) + np.abs(ROWS - SIZE / 3)
        picture = (
            120
            + 90 * np.sin(depth / (5 + seed % 3))[:, :, None] * rng.uniform(0.4, 1, 3)
            + depth[:, :, None] / 4
        )
    else:
        picture = np.kron(rng.integers(60, 190, (14, 14, 3)), np.ones((16, 16, 1)))
        picture[150:] = picture[150:] * 0.5 + rng.integers(20, 90, 3)
    for _ in range(6):
        y, x, h, w = rng.integers(10, 160), rng.integers(0, 180), rng.integers(15, 60), rng.integers(15, 60)
        picture[y : y + h, x : x + w] = rng.integers(0, 256, 3)
    return picture


def with_walker(picture: np.ndarray, now: float, speed: float = 37.0) -> np.ndarray:
    frame = picture.copy()
    x = (now * speed) % (SIZE + 60) - 30
    frame[(np.abs(COLUMNS - x) < 9) & (np.abs(ROWS - 130) < 34)] = (40, 30, 70)
    frame[np.hypot(COLUMNS - x, ROWS - 88) < 9] = (200, 160, 130)
    return frame


def filmed(
    seconds: float, look: Callable[[float], np.ndarray], *, noise: float = 2.0, flicker: float = 0.0
) -> Features:
    """Features of the frames `look(now)`, every half second, with sensor noise and global flicker."""
    rng = np.random.default_rng(1)
    times = np.arange(0, seconds, STRIDE)
    frames = np.stack(
        [
            np.clip(look(now) * (1 + flicker * rng.normal()) + rng.normal(0, noise, (SIZE, SIZE, 1)), 0, 255)
            for now in times
        ]
    ).astype(np.uint8)
    encoded = [encoder().encode(frames[i : i + 16]) for i in range(0, len(frames), 16)]
    pooled, cells = (
        np.concatenate([getattr(part, name) for part in encoded]) for name in ("pooled", "cells")
    )
    return Features(np.arange(len(times)), times, pooled, cells, STRIDE, encoder().name)


def events(features: Features) -> list[Span]:
    scores = NoveltyScorer().score(features)
    assert scores.dtype == np.float32 and scores.shape == (len(features),)
    assert (scores >= 0).all() and (scores <= 1).all()
    return find_events(AnomalyCurve(features.seconds, scores, features.index, STRIDE))


def test_an_odd_thing_is_an_event_and_those_who_walk_by_again_and_again_are_not():
    def look(now):
        frame = with_walker(room(0), now)
        if 50 <= now < 56:
            frame[np.hypot(COLUMNS - 160, ROWS - 60) < 38 + 6 * np.sin(now * 9)] = (250, 170, 40)
        return frame

    found = events(filmed(90, look))
    assert len(found) == 1
    assert found[0].iou(Span(50, 56)) > 0.6


def test_a_calm_fixed_camera_has_no_events():
    assert events(filmed(90, lambda now: with_walker(room(0), now))) == []


def test_two_cameras_cut_back_and_forth_are_two_views_without_events():
    features = filmed(96, lambda now: with_walker(room(7 * (int(now // 12) % 2)), now))
    views = find_views(features.cells)
    assert views.tolist() == [int(now // 12) % 2 for now in features.seconds]
    assert events(features) == []


def test_a_light_switched_off_and_on_is_not_an_event():
    dark = np.array([0.18, 0.2, 0.3])
    features = filmed(100, lambda now: with_walker(room(0), now) * (dark if 40 <= now < 70 else 1.0))
    assert events(features) == []


def test_an_infrared_picture_is_another_view_and_not_an_event():
    def look(now):
        frame = with_walker(room(0), now)
        grey = np.repeat(255 - frame.mean(axis=2, keepdims=True), 3, axis=2) * 0.6
        return grey if 40 <= now < 70 else frame

    assert events(filmed(100, look)) == []


def test_an_odd_thing_in_the_returning_one_of_two_views_is_still_found():
    def look(now):
        frame = with_walker(room(7 * (int(now // 15) % 2)), now)
        if 80 <= now < 86:
            frame[np.hypot(COLUMNS - 60, ROWS - 70) < 40] = (20, 220, 60)
        return frame

    found = events(filmed(120, look))
    assert len(found) == 1
    assert found[0].iou(Span(80, 86)) > 0.6


def test_what_comes_to_stay_is_novel_at_first_and_normal_later():
    def look(now):
        frame = with_walker(room(0), now)
        if now >= 100:
            frame[150:215, 120:190] = (30, 60, 160)
            frame[140:150, 145:165] = (10, 10, 10)
        return frame

    found = events(filmed(200, look))
    assert len(found) == 1
    assert 99 <= found[0].start <= 101.5
    assert found[0].end < 150


def test_a_view_seen_for_three_seconds_is_not_trusted():
    features = filmed(63, lambda now: with_walker(room(0 if now < 60 else 7), now))
    assert find_views(features.cells)[-1] == 1
    assert events(features) == []


def test_flicker_and_noise_are_not_events():
    assert events(filmed(80, lambda now: with_walker(room(0), now), noise=10.0, flicker=0.12)) == []


@pytest.mark.parametrize("num_dense", [1, 2, 3])
def test_the_shortest_videos_score_0(num_dense):
    features = filmed(num_dense * STRIDE, lambda now: room(int(now * 2)))
    assert NoveltyScorer().score(features).tolist() == [0.0] * num_dense


def test_no_frames_give_no_scores():
    empty = Features(
        np.empty(0, np.int64),
        np.empty(0),
        np.empty((0, 8), np.float16),
        np.empty((0, 7, 7, 4), np.float16),
        0.5,
        "",
    )
    assert NoveltyScorer().score(empty).shape == (0,)


def test_black_frames_score_finite():
    cells = np.zeros((40, 7, 7, 4), np.float16)
    features = Features(np.arange(40), np.arange(40) / 2, np.zeros((40, 8), np.float16), cells, 0.5, "")
    assert np.isfinite(NoveltyScorer().score(features)).all()


def test_the_same_features_give_the_same_scores():
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(700, 7, 7, 8)).astype(np.float16)
    features = Features(np.arange(700), np.arange(700) / 2, np.zeros((700, 4), np.float16), cells, 0.5, "")
    assert np.array_equal(NoveltyScorer().score(features), NoveltyScorer().score(features))


def test_a_longer_memory_than_the_view_compares_every_frame():
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(300, 7, 7, 8)).astype(np.float16) * 0.05 + rng.normal(size=(7, 7, 8))
    features = Features(
        np.arange(300), np.arange(300) / 2, np.zeros((300, 4), np.float16), cells.astype(np.float16), 0.5, ""
    )
    whole = NoveltyScorer(NoveltyConfig(remembered=300)).score(features)
    more = NoveltyScorer(NoveltyConfig(remembered=5000)).score(features)
    assert np.array_equal(whole, more)


def test_cuts_are_found_across_the_borders_of_what_is_held_in_memory(monkeypatch):
    monkeypatch.setattr("holmesvau.ats.views.CHUNK", 7)
    rng = np.random.default_rng(0)
    looks = rng.normal(size=(5, 7, 7, 8))
    cells = np.repeat(looks, 14, axis=0).astype(np.float16)
    assert cuts(cells).tolist() == [14, 28, 42, 56]


@pytest.mark.parametrize(
    ("name", "value"), [("nearest", 0), ("over_usual", -0.1), ("apart_seconds", float("nan"))]
)
def test_config_refuses_what_is_not_positive(name, value):
    with pytest.raises(ConfigError, match=f"{name} = {value}"):
        NoveltyConfig(**{name: value})


def real(path, every: int) -> Features:
    with open_video(path) as video:
        batches = [
            (batch, encoder().encode(batch.frames)) for batch in video.frames(every=every, size=(SIZE, SIZE))
        ]
    return Features(
        np.concatenate([batch.index for batch, _ in batches]),
        np.concatenate([batch.seconds for batch, _ in batches]),
        np.concatenate([encoded.pooled for _, encoded in batches]),
        np.concatenate([encoded.cells for _, encoded in batches]),
        STRIDE,
        encoder().name,
    )


def test_burglar_is_found_on_real_footage_and_the_empty_room_is_calm(shared):
    features = real(shared / "data" / "videos" / "robbery.mp4", every=16)
    found = events(features)
    for inside in (Span(31, 48), Span(64, 72), Span(75, 79)):
        covered = sum(span.intersect(inside) for span in found)
        assert covered > 0.5 * inside.duration, f"{inside} of {found}"
    for calm in (Span(22, 30), Span(52, 62), Span(80, 98), Span(98.4, 101.1)):
        assert all(span.intersect(calm) == 0 for span in found), f"{calm} in {found}"


def test_people_who_keep_to_the_path_are_normal_and_those_who_cross_the_lawn_are_not(vtest):
    found = events(real(vtest, every=5))
    assert found and all(span.start >= 47 for span in found)
    # Somebody steps onto the lawn, which nobody did before, at 50 s, and the last one leaves it at 76 s.
    assert all(span.end <= 77 for span in found)
    assert any(51 in span for span in found)
