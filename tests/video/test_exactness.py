"""Numbers, times and pixels agree with a plain sequential decode, whatever the codec and container do."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from holmesvau.types import FrameBatch, Span
from holmesvau.video import open_video
from tests.video.films import film, number_of, plain_decode

B_FRAMES = {"bf": "3", "b_strategy": "0", "g": "12"}
FILMS: dict[str, dict[str, Any]] = {
    "h264-b.mp4": {"options": {"x264-params": "bframes=3:b-adapt=0:b-pyramid=normal:keyint=12:scenecut=0"}},
    "h264-open-gop.mp4": {"options": {"x264-params": "open-gop=1:bframes=3:b-adapt=0:keyint=12:scenecut=0"}},
    "h264-open-gop.ts": {"options": {"x264-params": "open-gop=1:bframes=3:b-adapt=0:keyint=12:scenecut=0"}},
    "h264-open-gop.mkv": {"options": {"x264-params": "open-gop=1:bframes=3:b-adapt=0:keyint=12:scenecut=0"}},
    "h264-refresh.ts": {"options": {"x264-params": "intra-refresh=1:keyint=12:scenecut=0:bframes=0"}},
    "h264-refresh.mp4": {"options": {"x264-params": "intra-refresh=1:keyint=12:scenecut=0:bframes=0"}},
    "h264-fragments.mp4": {"container": {"movflags": "frag_keyframe+empty_moov"}},
    "h264-no-b.mov": {"options": {"x264-params": "bframes=0"}},
    "h264.avi": {"options": {"x264-params": "bframes=2:b-adapt=0:keyint=12"}},
    "h264-raw.h264": {"options": {"x264-params": "bframes=3:b-adapt=0:keyint=12"}},
    "h264-interlaced.mp4": {"options": {"x264-params": "interlaced=1:tff=1:bframes=2:b-adapt=0"}},
    "h264.flv": {},
    "hevc.mp4": {
        "codec": "libx265",
        "options": {"x265-params": "bframes=4:b-adapt=0:keyint=12:log-level=none"},
    },
    "hevc.ts": {
        "codec": "libx265",
        "options": {"x265-params": "open-gop=1:bframes=4:keyint=12:log-level=none"},
    },
    "mpeg4.avi": {"codec": "mpeg4", "options": {"q": "2"}},
    "mpeg4-b.avi": {"codec": "mpeg4", "options": B_FRAMES},
    "mpeg4-b.mp4": {"codec": "mpeg4", "options": B_FRAMES},
    "mpeg2-b.mpg": {"codec": "mpeg2video", "options": B_FRAMES},
    "mpeg2-b.ts": {"codec": "mpeg2video", "options": B_FRAMES},
    "vp8.webm": {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "10", "cpu-used": "8"}},
    "vp9.webm": {
        "codec": "libvpx-vp9",
        "options": {"auto-alt-ref": "1", "lag-in-frames": "10", "cpu-used": "8"},
    },
    "mjpeg.avi": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "ten-bit.mkv": {"pixels": "yuv420p10le"},
    "grey.mkv": {"codec": "ffv1", "pixels": "gray"},
    "odd.mkv": {"codec": "ffv1", "pixels": "yuv444p", "size": (97, 67)},
    "palette.gif": {"codec": "gif", "pixels": "rgb8", "rate": 10},
    "variable.mkv": {"clock": Fraction(1, 1000), "times": [n * 40 + (n // 7) * 333 for n in range(60)]},
    "variable.mp4": {"clock": Fraction(1, 1000), "times": [n * 40 + (n // 7) * 333 for n in range(60)]},
    "late-start.ts": {"clock": Fraction(1, 25), "times": [n + 250 for n in range(60)]},
    "ntsc.mp4": {"rate": Fraction(30000, 1001)},
}


def joined(batches: list[FrameBatch]) -> FrameBatch:
    return FrameBatch(
        np.concatenate([b.frames for b in batches]),
        np.concatenate([b.index for b in batches]),
        np.concatenate([b.seconds for b in batches]),
    )


def keyframes(path: Path) -> list[int]:
    with av.open(str(path)) as source:
        return [number for number, frame in enumerate(source.decode(video=0)) if frame.key_frame]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.mark.parametrize("name", FILMS)
def test_every_way_of_reading_agrees_with_a_plain_decode(name: str, folder: Path) -> None:
    path = film(folder / name, **FILMS[name])
    plain = plain_decode(path)
    truth = np.stack([image for _, image in plain])
    with open_video(path, threads=2) as video:
        assert video.info.num_frames == len(truth)
        whole = joined(list(video.frames()))
        assert whole.index.tolist() == list(range(len(truth)))
        assert np.array_equal(whole.frames, truth)
        assert whole.seconds[0] == 0.0 and (np.diff(whole.seconds) > 0).all()

        some = joined(list(video.frames(every=7, batch_size=4)))
        assert some.index.tolist() == list(range(0, len(truth), 7))
        assert np.array_equal(some.frames, truth[some.index])
        assert np.array_equal(some.seconds, whole.seconds[some.index])

        keys = joined(list(video.frames(keyframes=True)))
        assert keys.index.tolist() == ([0] if "refresh" in name else keyframes(path))
        assert np.array_equal(keys.frames, truth[keys.index])

        asked = [41, 3, 17, 17, len(truth) - 1, 0, 12, 11, 13, 35]
        got = video.at(asked)
        assert got.index.tolist() == asked
        assert np.array_equal(got.frames, truth[asked])
        assert np.array_equal(got.seconds, whole.seconds[asked])
        for lonely in (len(truth) - 2, 23, 25, 36):
            assert np.array_equal(video.at([lonely]).frames[0], truth[lonely]), lonely

        step = 0.37
        timed = joined(list(video.frames(every_seconds=step)))
        expected = sorted(
            {int(np.searchsorted(whole.seconds, k * step - 1e-6)) for k in range(2000)} - {len(truth)}
        )
        assert timed.index.tolist() == expected

        middle = Span(whole.seconds[20], whole.seconds[31])
        part = joined(list(video.frames(every=2, span=middle)))
        assert part.index.tolist() == [20, 22, 24, 26, 28, 30]
        assert np.array_equal(part.frames, truth[part.index])
        late = joined(list(video.frames(every=5, start_index=43)))
        assert late.index.tolist() == [45, 50, 55][: len(late.index)]
        assert np.array_equal(late.frames, truth[late.index])
        assert not video.lost and video.warnings == []


def test_pictures_are_the_ones_that_were_drawn(folder: Path) -> None:
    path = film(folder / "drawn.mp4", 60)
    with open_video(path) as video:
        batch = video.at(list(range(60)))
    assert [number_of(image) for image in batch.frames] == list(range(60))
