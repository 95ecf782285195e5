"""Real films, where they are at hand: frame counts and pictures equal a plain decode."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from holmesvau.video import open_video

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data" / "videos"
OPENCV = Path("/usr/share/doc/opencv-doc/examples/data")
FILMS = {
    "robbery.mp4": (SHARED, 2730, 27.0, "hevc"),
    "car_accident.mp4": (SHARED, 120, 30.0, "h264"),
    "vtest.avi": (OPENCV, 795, 10.0, "msmpeg4v3"),
}


@pytest.mark.parametrize("name", FILMS)
def test_frames_of_real_films(name: str) -> None:
    folder, count, fps, codec = FILMS[name]
    path = folder / name
    if not path.exists():
        pytest.skip(f"{name} is not at hand")
    asked = [count - 1, 0, count // 2, count // 2 + 1, count // 3]
    truth = {}
    with av.open(str(path)) as source:
        source.streams.video[0].thread_type = "AUTO"
        decoded = -1
        for decoded, frame in enumerate(source.decode(video=0)):
            if decoded in asked:
                truth[decoded] = frame.to_ndarray(format="rgb24")
    assert decoded + 1 == count
    with open_video(path) as video:
        info, batch = video.info, video.at(asked)
        scanned = [int(i) for b in video.frames(every=16, size=(64, 48)) for i in b.index]
        lost = video.lost.count
    assert (info.num_frames, info.codec) == (count, codec) and info.fps == pytest.approx(fps, abs=0.01)
    assert all(np.array_equal(image, truth[i]) for i, image in zip(asked, batch.frames, strict=True))
    assert scanned == list(range(0, count, 16)) and lost == 0
