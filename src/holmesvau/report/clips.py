"""Each event of a report as a video file of its own."""

from __future__ import annotations

import re
import secrets
import shutil
from pathlib import Path

from holmesvau.types import Report

FOLDER = "clips"
OURS = re.compile(r"event-\d+\.mp4")


def write_clips(report: Report, out_dir: Path, video_path: str | Path | None = None) -> Path:
    """Cut every event, exact to the frame, into `clips/event-01.mp4` and so on; returns the folder.

    They appear together when the last is cut. Clips of an earlier report there are replaced, and those of
    events that this report does not have are removed: a clip of another report would be false evidence.

    Raises:
        VideoError: when the video cannot be read.
        InputError: when the source cannot be cut (live, or a folder of pictures).
        OutputError: when a clip cannot be written.
    """
    from holmesvau.video.cut import cut

    source = report.video.path if video_path is None else video_path
    folder, partial = out_dir / FOLDER, out_dir / f".{FOLDER}.{secrets.token_hex(4)}.partial"
    digits = max(2, len(str(len(report.events))))
    try:
        partial.mkdir()
        names = [f"event-{number:0{digits}d}.mp4" for number in range(1, len(report.events) + 1)]
        for name, event in zip(names, report.events, strict=True):
            cut(source, event.span, partial / name)
        folder.mkdir(exist_ok=True)
        for name in names:
            (partial / name).replace(folder / name)
        for path in folder.iterdir():
            if OURS.fullmatch(path.name) and path.name not in names:
                path.unlink()
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder
