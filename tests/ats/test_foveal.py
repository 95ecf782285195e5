import numpy as np
import pytest

from holmesvau.ats import fovea, foveal
from holmesvau.ats.covering import Covering
from holmesvau.ats.efficientnet import EfficientNetEncoder
from holmesvau.ats.foveal import FovealEncoder
from holmesvau.ats.scan import ScanConfig, scan
from holmesvau.ats.store import FeatureStore
from holmesvau.errors import InputError
from holmesvau.types import FrameBatch
from holmesvau.video import open_video
from holmesvau.video.skim import Skimmed
from tests.scenes import fixed_camera, write_video

ASPECT = 16 / 9


def scene(square: tuple[int, int] | None = None, light: int = 0) -> np.ndarray:
    """A grey room of 640 by 360 with texture, and a red square of 60 pixels at `square` (left, top)."""
    frame = np.random.default_rng(3).integers(90, 110, (360, 640, 3)).astype(np.uint8) + np.uint8(light)
    if square is not None:
        left, top = square
        frame[top : top + 60, left : left + 60] = (220, 30, 30)
    return frame


@pytest.fixture(scope="module")
def encoder() -> FovealEncoder:
    return FovealEncoder(threads=1)


@pytest.mark.parametrize("square", [(40, 60), (500, 250), (300, 10), (580, 300)])
def test_the_window_is_where_something_moves(square):
    traces = fovea.thumbnails(np.stack([*[scene()] * 6, scene(square)]))
    window = fovea.glance(traces[-1], traces[:-1], ASPECT).windows[0]
    assert window.left * 640 <= square[0] + 10 and window.right * 640 >= square[0] + 50
    assert window.top * 360 <= square[1] + 10 and window.bottom * 360 >= square[1] + 50
    assert (window.bottom - window.top) * 360 < 150


def test_what_moves_is_in_the_middle_of_its_window_and_the_next_one_looks_elsewhere():
    traces = fovea.thumbnails(np.stack([*[scene()] * 6, scene((290, 150))]))
    first, second, _ = fovea.glance(traces[-1], traces[:-1], ASPECT).windows
    assert (first.left + first.right) / 2 == pytest.approx(320 / 640, abs=1 / fovea.COLUMNS)
    assert (first.top + first.bottom) / 2 == pytest.approx(180 / 360, abs=1 / fovea.ROWS)
    assert first.bottom - first.top == pytest.approx(fovea.SIDES[0], abs=1 / fovea.ROWS)
    # What sticks out of a window belongs to it.
    weight = np.zeros((fovea.ROWS, fovea.COLUMNS), np.float32)
    weight[10:24, 20:34] = 1
    weight[24:26, 20:34] = 0.9
    rows, columns = fovea._window(weight, ASPECT)
    weight[fovea._around(rows, columns)] = 0
    assert weight.sum() == 0
    assert second != first


def test_what_lies_still_is_still_looked_at():
    traces = fovea.thumbnails(np.stack([*[scene()] * 20, *[scene((500, 250))] * 8]))
    window = fovea.glance(traces[-1], traces[:-1], ASPECT).windows[0]
    assert window.left < 500 / 640 and window.right > 560 / 640
    assert 0.5 < window.top < 250 / 360 and window.bottom > 310 / 360


@pytest.mark.parametrize("light", [0, 25])
def test_nothing_moves_when_only_the_light_changes(light):
    traces = fovea.thumbnails(np.stack([*[scene()] * 6, scene(light=light)]))
    glance = fovea.glance(traces[-1], traces[:-1], ASPECT)
    assert all(window.top < 0.2 and window.bottom > 0.8 for window in glance.windows)
    assert glance.numbers[:4] == pytest.approx(0, abs=1e-4)
    assert glance.numbers[10] == pytest.approx(4 * light / 255, abs=0.02)


def test_the_first_frame_has_no_motion_and_a_window_in_the_middle():
    trace = fovea.thumbnails(scene((40, 60))[None])
    glance = fovea.glance(trace[0], trace[:0], ASPECT)
    for window in glance.windows:
        assert window.left + window.right == pytest.approx(1, abs=0.05)
    assert np.isfinite(glance.numbers).all() and len(glance.numbers) == fovea.MOTION


@pytest.mark.parametrize("aspect", [4 / 3, 16 / 9, 9 / 16, 3.5])
def test_the_window_comes_back_from_the_numbers(aspect):
    rng = np.random.default_rng(0)
    for _ in range(50):
        traces = rng.random((5, 3, fovea.ROWS, fovea.COLUMNS)).astype(np.float32)
        top, left = rng.integers(0, 30), rng.integers(0, 58)
        traces[-1, :, top : top + 6, left : left + 6] += 1
        glance = fovea.glance(traces[-1], traces[:-1], aspect)
        again = fovea.windows_of(glance.numbers.astype(np.float16), aspect)
        assert again == glance.windows


def test_each_of_two_places_where_something_moves_gets_a_window():
    before, after = scene(), scene((40, 60))
    after[250:310, 500:560] = (30, 30, 220)
    traces = fovea.thumbnails(np.stack([*[before] * 6, after]))
    windows = fovea.glance(traces[-1], traces[:-1], ASPECT).windows
    for left, top in ((40, 60), (500, 250)):
        assert any(
            w.left * 640 <= left + 10
            and w.right * 640 >= left + 50
            and w.top * 360 <= top + 10
            and w.bottom * 360 >= top + 50
            for w in windows[:2]
        )
    third = windows[2]
    assert third.left + third.right == pytest.approx(1, abs=0.05) and third.bottom - third.top > 0.7


def test_all_looks_and_the_numbers_stand_side_by_side(encoder):
    frames = np.stack([*[scene()] * 3, scene((500, 250))])
    encoded = encoder.encode(frames)
    views, numbers = foveal.parts(encoded.pooled)
    plain = EfficientNetEncoder(threads=1)
    assert encoded.pooled.shape == (4, encoder.width)
    glance = fovea.glance(encoded.trace[3], encoded.trace[:3], ASPECT)
    whole, closes = fovea.views(frames[3], glance.windows, whole=224, close=128)
    expected = plain.encode(whole[None])
    assert np.array_equal(views[3, 0], expected.pooled[0])
    assert np.array_equal(views[3, 1:], plain.pooled(np.stack(closes)))
    assert np.array_equal(numbers[3], glance.numbers.astype(np.float16))
    assert np.array_equal(encoded.cells[3], expected.cells[0])
    assert np.array_equal(encoder.views(frames[3:], numbers[3:])[0], views[3])


def test_torch_looks_at_windows_as_onnx_does(encoder):
    frames = np.stack([*[scene()] * 3, scene((500, 250))])
    there = FovealEncoder(runtime="torch", threads=1).encode(frames).pooled.astype(np.float32)
    assert there == pytest.approx(encoder.encode(frames).pooled.astype(np.float32), abs=0.02)


def test_a_frame_depends_on_those_before_and_on_nothing_else(encoder):
    frames = np.stack([scene((20 + 15 * i, 200)) for i in range(12)])
    together = encoder.encode(frames)
    first = encoder.encode(frames[:5])
    rest = encoder.encode(frames[5:], first.trace)
    assert np.array_equal(np.concatenate([first.pooled, rest.pooled]), together.pooled)
    assert not np.array_equal(encoder.encode(frames[5:]).pooled, rest.pooled)


def test_no_frames_and_a_wrong_array(encoder):
    empty = encoder.encode(np.empty((0, 360, 640, 3), np.uint8))
    assert empty.pooled.shape == (0, encoder.width)
    with pytest.raises(InputError, match="uint8 frames"):
        encoder.encode(np.zeros((2, 10, 10), np.uint8))


def test_large_pictures_are_read_smaller_in_their_own_shape(encoder):
    assert encoder.frame_size(3840, 2160) == (640, 360)
    assert encoder.frame_size(240, 320) == (240, 320)


class Interrupted(RuntimeError):
    """The scan is broken off here."""


@pytest.mark.parametrize("seconds", [2.0, 8.0])
def test_an_interrupted_scan_goes_on_with_the_same_bits(encoder, tmp_path, seconds):
    """What a frame remembers is seen again: 10 seconds at 10 frames a second, a frame in two scanned."""
    path = write_video(tmp_path / "room.mp4", fixed_camera(10, odd=(5, 8)))
    config = ScanConfig(every=2, batch_size=4)

    def interrupt(stage: str, done: float, total: float | None) -> None:
        if done >= seconds:
            raise Interrupted

    with open_video(path) as video:
        wanted = scan(video, encoder, store=FeatureStore(tmp_path / "other"), config=config).features
        store = FeatureStore(tmp_path / "store")
        with pytest.raises(Interrupted):
            scan(video, encoder, store=store, config=config, progress=interrupt)
        result = scan(video, encoder, store=store, config=config)
    assert result.resumed_from > 0
    for name in ("index", "seconds", "pooled", "cells"):
        assert np.array_equal(getattr(result.features, name), getattr(wanted, name)), name


@pytest.mark.parametrize("aspect", [4 / 3, 16 / 9, 1.0, 9 / 16, 352 / 288])
def test_every_window_is_found_again_from_its_numbers(aspect: float) -> None:
    thumbnail = np.zeros((3, fovea.ROWS, fovea.COLUMNS), np.float32)
    for centre in [(r, c) for r in range(0, fovea.ROWS, 5) for c in range(0, fovea.COLUMNS, 7)]:
        for size in (1, 6, 12, 20, 30):
            moved = thumbnail.copy()
            moved[:, centre[0] : centre[0] + size, centre[1] : centre[1] + size] = 0.8
            glance = fovea.glance(moved, thumbnail[None], aspect)
            again = fovea.windows_of(glance.numbers.astype(np.float16), aspect)
            assert again == glance.windows
            assert all(window.right <= 1 and window.bottom <= 1 for window in again)


def test_a_glimpse_of_the_frames_left_out_keeps_the_features_of_the_others(encoder):
    frames = np.stack([scene((20 + 40 * number, 150)) for number in range(9)])
    index = np.arange(len(frames))
    dense = encoder.encode(frames)
    looked, out = index[::2], index[1::2]
    small = np.round(fovea.thumbnails(frames[out]) * 255).astype(np.uint8).transpose(0, 2, 3, 1)

    def covered(glimpsed: np.ndarray) -> np.ndarray:
        batch = FrameBatch(frames[looked], looked, looked / 2)
        chosen = np.isin(out, glimpsed)
        part = Skimmed(batch, index, index / 2, index // 2, out[chosen], small[chosen], len(frames))
        return Covering(encoder).at(part).pooled

    with_them, without = covered(out), covered(out[:0])
    assert np.array_equal(with_them[looked], dense.pooled[looked])
    assert np.array_equal(with_them[out], dense.pooled[out - 1])
    # Without, a thing has moved twice as far since the frame before.
    assert not np.array_equal(without[looked], dense.pooled[looked])
