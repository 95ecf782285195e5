"""Stages into MP4 files: frames go to the H.264 encoder one by one, so that a day takes no more memory than
a second.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from fractions import Fraction
from pathlib import Path

import av
from av.video.stream import VideoStream

from holmesvau.errors import OutputError
from holmesvau.sim.render import Renderer
from holmesvau.sim.world import Stage


def write(
    stage: Stage,
    path: str | Path,
    *,
    preset: str = "superfast",
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Render `stage` to an MP4 file and return its path; a file half written is removed.

    `progress(done, total)` is called about once a second of video. Memory does not grow with the duration.

    Raises:
        OutputError: when the file cannot be written.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(stage, part, preset, progress)
        part.replace(path)
    except (OSError, av.FFmpegError) as error:
        raise OutputError(
            f"{path}: the video cannot be written ({error}). Give a folder with room to write."
        ) from error
    finally:
        # A folder that is in truth a file fails here too; the error above already says so.
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return path


def _write(stage: Stage, path: Path, preset: str, progress: Callable[[int, int], None] | None) -> None:
    with closing(Renderer(stage)) as renderer:
        _encode(stage, renderer, path, preset, progress)


def _encode(
    stage: Stage, renderer: Renderer, path: Path, preset: str, progress: Callable[[int, int], None] | None
) -> None:
    rate = Fraction(stage.fps).limit_denominator(1001)
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = stage.size
        stream.pix_fmt = "yuv420p"
        stream.time_base = 1 / rate
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {
            "preset": preset,
            "crf": str(stage.sensor.crf),
            "x264-params": f"threads=1:keyint={max(2, round(stage.fps * 2))}:scenecut=0",
        }
        each = max(1, round(stage.fps))
        for index in range(stage.num_frames):
            frame = av.VideoFrame.from_ndarray(renderer.planes(index), format="yuv420p")
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(stream.encode(frame))
            if progress is not None and (index + 1) % each == 0:
                progress(index + 1, stage.num_frames)
        container.mux(stream.encode(None))
        if progress is not None:
            progress(stage.num_frames, stage.num_frames)
