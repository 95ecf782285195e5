"""Looking only where something changes: nothing that happens is left out, wherever the reading begins."""

import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from holmesvau.video import open_video
from holmesvau.video.skim import BLOCK, Shortcuts, shrunk

ALL, NONE = Shortcuts(still=True, steady=True, calm=True), Shortcuts()
SIZE = (160, 96)
SECONDS = 150
# When a person walks through the picture, when a light is on, and when something is there for a moment only.
WALKS, LIGHT, MOMENT = (70.0, 80.0), (100.0, 110.0), (41.2, 41.9)


def room(seconds: float = SECONDS, fps: int = 10):
    """A camera with sensor noise over an empty room, but for what the constants above say."""
    rng = np.random.default_rng(5)
    width, height = SIZE
    wall = np.kron(rng.integers(60, 150, (height // 8, width // 8)), np.ones((8, 8)))
    noise = [rng.normal(0, 1.5, wall.shape) for _ in range(5)]
    for number in range(round(seconds * fps)):
        now = number / fps
        picture = wall + noise[number * 3 % 5]
        if WALKS[0] <= now < WALKS[1]:
            x = round((now - WALKS[0]) * 15)
            picture[30:80, x : x + 14] = 210
        if MOMENT[0] <= now < MOMENT[1]:
            picture[50:70, 100:120] = 20
        picture += 40.0 * (LIGHT[0] <= now < LIGHT[1])
        yield np.clip(picture, 0, 255).astype(np.uint8)


def film(path: Path, pictures, *, keyframe_seconds: float, fps: int = 10, codec="libx264", **options) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.options = {"crf": "23", "sc_threshold": "0", "preset": "veryfast"} | options
        stream.codec_context.gop_size = round(keyframe_seconds * fps)
        for grey in pictures:
            planes = np.full((SIZE[1] * 3 // 2, SIZE[0]), 128, np.uint8)
            planes[: SIZE[1]] = grey
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> dict[str, Path]:
    """The same room with keyframes every 2 s, every 10 s, and none but the first."""
    folder, pictures = tmp_path_factory.mktemp("films"), list(room())
    spacing = {"usual": 2, "sparse": 10, "none": 10_000}
    return {
        name: film(folder / f"{name}.mp4", pictures, keyframe_seconds=seconds)
        for name, seconds in spacing.items()
    }


def skimmed(path: Path, shortcuts: Shortcuts = NONE, *, every_seconds=0.5, batch_size=4, start_index=0):
    """Dense frames, the frames that stand for them, the pictures looked at, and how many were decoded."""
    index, source, looked = [], [], {}
    decoded, before = 0, -1
    with open_video(path) as video:
        parts = video.skim(
            shortcuts, every_seconds=every_seconds, batch_size=batch_size, start_index=start_index, size=SIZE
        )
        for part in parts:
            rows = part.frames.index
            looked |= dict(zip(rows.tolist(), part.frames.frames, strict=True))
            for number, row in zip(part.index.tolist(), part.source.tolist(), strict=True):
                before = int(rows[row]) if row >= 0 else before
                index.append(number)
                source.append(before)
            assert np.allclose(part.seconds, part.index / 10)
            decoded = part.decoded
    return np.array(index), np.array(source), looked, decoded


def pictures(path: Path, **choice) -> dict[int, np.ndarray]:
    with open_video(path) as video:
        batches = list(video.frames(size=SIZE, **choice))
    return {int(i): frame for batch in batches for i, frame in zip(batch.index, batch.frames, strict=True)}


@pytest.mark.parametrize("spacing", ["usual", "sparse", "none"])
def test_without_shortcuts_every_dense_frame_comes_with_the_same_pixels(films, spacing):
    wanted = pictures(films[spacing], every_seconds=0.5)
    index, source, looked, _ = skimmed(films[spacing])
    assert index.tolist() == source.tolist() == list(wanted) == list(range(0, 1500, 5))
    assert all(np.array_equal(looked[number], wanted[number]) for number in wanted)


@pytest.mark.parametrize("options", [{"x264-params": "open-gop=1:bframes=3"}, {"codec": "mpeg4"}])
def test_leading_pictures_and_other_codecs_come_with_the_same_pixels(tmp_path, options):
    path = film(tmp_path / "film.mp4", room(12), keyframe_seconds=1, **options)
    for seconds in (0.1, 0.3):
        wanted = pictures(path, every_seconds=seconds)
        _, _, looked, _ = skimmed(path, every_seconds=seconds, batch_size=5)
        assert list(looked) == list(wanted)
        assert all(np.array_equal(looked[number], wanted[number]) for number in wanted)


@pytest.mark.parametrize("spacing", ["usual", "sparse", "none"])
def test_what_stands_for_a_frame_looks_like_it(films, spacing):
    truth = pictures(films[spacing], every_seconds=0.5)
    index, source, looked, decoded = skimmed(films[spacing], Shortcuts(still=True, calm=True))
    assert index.tolist() == list(truth)
    assert len(looked) < 0.25 * len(index)
    assert all(np.array_equal(looked[number], truth[number]) for number in looked)
    stands = dict(zip(index.tolist(), source.tolist(), strict=True))
    away = {n: np.abs(blocks(truth[n]) - blocks(truth[stands[n]])).max() for n in truth}
    # Persons, light and the moment differ from the room by 40 grey levels and more.
    assert max(away.values()) < 15
    if spacing == "usual":
        assert decoded < 0.4 * len(pictures(films[spacing]))


def blocks(picture: np.ndarray) -> np.ndarray:
    """Means of 8 by 8 pixels."""
    height, width = SIZE[1] // 8, SIZE[0] // 8
    return picture.reshape(height, 8, width, 8, 3).mean((1, 3))


def test_what_is_there_for_a_moment_between_two_keyframes_is_seen(films):
    index, source, _, _ = skimmed(films["usual"], ALL)
    # The dense frame at 41.5 s shows it; those at 40 and 42 s are keyframes and do not.
    assert source[index == 415].tolist() == [415]


def test_a_light_switched_on_is_seen_though_it_changes_all_places_alike(films):
    _, _, looked, _ = skimmed(films["usual"], ALL)
    assert {1000, 1100} <= looked.keys()


def test_someone_who_walks_steadily_is_looked_at_every_second_time(films):
    _, _, looked, _ = skimmed(films["usual"], Shortcuts(still=True, steady=True))
    walking = [number for number in looked if 720 <= number < 790]
    assert 7 <= len(walking) <= 11
    everyone = skimmed(films["usual"], Shortcuts(still=True))[2]
    assert len([number for number in everyone if 720 <= number < 790]) == 14


def test_of_a_moving_frame_that_is_left_out_there_is_the_thumbnail(films):
    with open_video(films["usual"]) as video:
        whole = {
            number: picture
            for batch in video.frames(every_seconds=0.5, size=SIZE, batch_size=16)
            for number, picture in zip(batch.index.tolist(), batch.frames, strict=True)
        }
        left_out = []
        for part in video.skim(
            Shortcuts(still=True, steady=True), every_seconds=0.5, size=SIZE, batch_size=4
        ):
            assert not np.isin(part.index[part.glimpsed], part.frames.index).any()
            assert part.small.shape == (len(part.glimpsed), 36, 64, 3)
            for number, small in zip(part.index[part.glimpsed].tolist(), part.small, strict=True):
                assert np.array_equal(small, shrunk(whole[number]))
                left_out.append(number)
    # Every second frame of the walk; the empty room before it is taken for the same.
    assert [number for number in left_out if number < 800] == [730, 740, 750, 760, 770, 780, 790]


@pytest.mark.parametrize("spacing", ["usual", "none"])
@pytest.mark.parametrize("shortcuts", [ALL, Shortcuts(still=True)])
def test_wherever_the_reading_begins_the_same_is_decided(films, spacing, shortcuts):
    index, source, looked, _ = skimmed(films[spacing], shortcuts)
    for start in (5, 640, 645, 901, 1495):
        again, other, seen, _ = skimmed(films[spacing], shortcuts, start_index=start, batch_size=7)
        first = int(np.searchsorted(index, again[0]))
        assert again[0] <= start and first % BLOCK == 0
        assert again.tolist() == index[first:].tolist() and other.tolist() == source[first:].tolist()
        assert all(np.array_equal(picture, looked[number]) for number, picture in seen.items())


def test_a_folder_of_pictures_is_skimmed_by_its_thumbnails(tmp_path):

    for number in range(6):
        Image.new("RGB", SIZE, (200 if number == 4 else 90,) * 3).save(tmp_path / f"{number}.png")
    with open_video(tmp_path, fps=2) as video:
        parts = list(video.skim(ALL, every=1, size=(32, 32)))
    assert [part.frames.index.tolist() for part in parts] == [[0, 4, 5]]
    assert parts[0].source.tolist() == [0, 0, 0, 0, 1, 2]


def test_leaving_early_ends_the_reading_thread(films):
    with open_video(films["usual"]) as video:
        next(video.skim(ALL, every_seconds=0.5, size=SIZE))
    assert not [thread for thread in threading.enumerate() if thread.name == "holmesvau-reader"]
