from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from holmesvau.errors import InputError, VideoError
from holmesvau.report import from_json, write
from holmesvau.types import Event, Report
from tests.report import examples

RATE = 10


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds whose brightness tells the frame."""
    path = tmp_path_factory.mktemp("video") / "camera.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "10", "g": "25"})
        stream.width, stream.height, stream.pix_fmt, stream.time_base = 64, 48, "yuv420p", Fraction(1, RATE)
        for number in range(12 * RATE):
            picture = np.full((48, 64, 3), 40 + number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def _report(path: Path | str, *events: Event) -> Report:
    return replace(examples.report(path=str(path), num_scores=24), events=events)


def _shades(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.to_ndarray(format="rgb24").mean()) for frame in container.decode(video=0)]


def test_each_event_is_a_clip_of_exactly_its_frames(video: Path, tmp_path: Path) -> None:
    report = _report(video, examples.event(1.3, 2.1), examples.event(5, 7.5))
    folder = write(report, tmp_path, formats=["json", "clips"])["clips"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips", "report.json"]
    assert sorted(path.name for path in folder.iterdir()) == ["event-01.mp4", "event-02.mp4"]
    first, second = _shades(folder / "event-01.mp4"), _shades(folder / "event-02.mp4")
    np.testing.assert_allclose(first, np.arange(53, 61), atol=2.5)
    np.testing.assert_allclose(second, np.arange(90, 115), atol=2.5)


def test_clips_of_an_earlier_report_do_not_stay_as_evidence(video: Path, tmp_path: Path) -> None:
    write(_report(video, examples.event(1, 2), examples.event(5, 6)), tmp_path, formats=["clips"])
    (tmp_path / "clips" / "mine.mp4").write_bytes(b"x")
    write(_report(video, examples.event(3, 4)), tmp_path, formats=["clips"])
    assert sorted(path.name for path in (tmp_path / "clips").iterdir()) == ["event-01.mp4", "mine.mp4"]
    assert _shades(tmp_path / "clips" / "event-01.mp4")[0] == pytest.approx(70, abs=2.5)


def test_moved_video_is_cut_from_where_it_lies_now(video: Path, tmp_path: Path) -> None:
    report = _report("elsewhere/camera.mp4", examples.event(1, 2))
    folder = write(report, tmp_path, formats=["clips"], video_path=video)["clips"]
    assert len(_shades(folder / "event-01.mp4")) == RATE


def test_failing_clips_leave_the_other_files_whole(video: Path, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"gone\.mp4"):
        write(_report("gone.mp4", examples.event(1, 2)), tmp_path, formats=["json", "clips"])
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert len(from_json(tmp_path / "report.json").events) == 1
    with pytest.raises(InputError, match="no frame"):
        write(_report(video, examples.event(1, 2), examples.event(50, 60)), tmp_path, formats=["clips"])
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"], "not even the first clip"


def test_no_events_make_an_empty_folder(video: Path, tmp_path: Path) -> None:
    assert list(write(_report(video), tmp_path, formats=["clips"])["clips"].iterdir()) == []
