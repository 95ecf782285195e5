"""Files: what is written can be read back, memory stays flat, nothing half-written is left."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from holmesvau.errors import OutputError
from holmesvau.sim import scenes
from holmesvau.sim.encode import write
from holmesvau.sim.render import Renderer
from holmesvau.sim.sheet import passers_by
from holmesvau.sim.world import Sensor, Stage
from holmesvau.video import open_video


def stage_of(duration: float, size: tuple[int, int] = (160, 90), fps: float = 25.0) -> Stage:
    scene = scenes.build("corridor", 6)
    return Stage(
        scene=scene, duration=duration, size=size, fps=fps, actors=passers_by(scene, 6, duration=duration)
    )


@pytest.mark.parametrize(("size", "fps"), [((160, 90), 25.0), ((320, 240), 12.5), ((176, 144), 29.97)])
def test_a_written_video_has_the_frames_that_were_drawn(
    tmp_path: Path, size: tuple[int, int], fps: float
) -> None:
    stage = stage_of(1.0, size, fps)
    path = write(stage, tmp_path / "sub" / "a.mp4")
    with open_video(path) as video:
        assert (video.info.width, video.info.height) == size
        assert video.info.num_frames == stage.num_frames
        assert video.info.fps == pytest.approx(fps, rel=1e-3)
        got = video.at([0, stage.num_frames - 1]).frames.astype(np.int16)
    renderer = Renderer(stage)
    for frame, index in zip(got, (0, stage.num_frames - 1), strict=True):
        assert np.abs(frame - renderer.frame(index)).mean() < 6


def test_writing_tells_how_far_it_is(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    write(stage_of(2.0), tmp_path / "a.mp4", progress=lambda done, total: told.append((done, total)))
    assert told[0] == (25, 50) and told[-1] == (50, 50)


def test_nothing_is_left_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        write(stage_of(1.0), tmp_path / "file" / "a.mp4")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_an_interrupted_video_leaves_no_part(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(stage_of(3.0), tmp_path / "a.mp4", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_duration(tmp_path: Path) -> None:
    code = (
        "import resource, sys\n"
        "from tests.sim.test_encode import peak_of\n"
        "print(peak_of(float(sys.argv[1]), sys.argv[2]))"
    )
    root = Path(__file__).parents[2]

    def peak(seconds: float) -> int:
        run = [sys.executable, "-c", code, str(seconds), str(tmp_path / f"{seconds}.mp4")]
        return int(subprocess.run(run, capture_output=True, text=True, cwd=root, check=True).stdout)

    short, long = peak(8.0), peak(60.0)
    assert long - short < 40_000, f"{short} KiB for 8 s, {long} KiB for 60 s"


def peak_of(seconds: float, path: str) -> int:
    """Peak memory in KiB of writing so many seconds."""
    scene = scenes.build("corridor", 6)
    actors = passers_by(scene, 6, duration=seconds, people=1)
    write(
        Stage(scene=scene, duration=seconds, size=(160, 90), actors=actors, sensor=Sensor()),
        path,
        preset="ultrafast",
    )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
