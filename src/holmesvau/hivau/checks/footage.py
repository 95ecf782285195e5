"""What is odd about the files: missing, unreadable, or of another length or rate than the annotations say.

Event and clip files are wanted only where their folder exists: without it they are read as spans of their
videos.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from holmesvau.errors import VideoError
from holmesvau.hivau.layout import FOLDERS, AnnotationFile, Place
from holmesvau.hivau.problems import Findings, Severity
from holmesvau.hivau.schema import LEVELS, Level, VideoAnnotation
from holmesvau.types import Span, VideoInfo
from holmesvau.video import open_video

# Rates are written as 30 where the file has 30000/1001.
RATE_TOLERANCE = 0.005
# A cut may begin and end on the nearest frame.
CUT_TOLERANCE_FRAMES = 1.5
Progress = Callable[[str, float, float | None], None]
Finding = tuple[str, Severity, str]


@dataclass(frozen=True, slots=True)
class _Wanted:
    place: Place
    video: VideoAnnotation
    span: Span | None
    line: int | None


def check_files(
    file: AnnotationFile,
    videos: Mapping[str, VideoAnnotation],
    lines: Mapping[str, int],
    root: Path,
    findings: Findings,
    *,
    jobs: int = 4,
    progress: Progress | None = None,
) -> None:
    """Open every file that `file` speaks of under `root`, `jobs` at a time, and report what is odd.

    The first look at a file reads its packets, not its pictures: a damaged picture in the middle is not
    found.
    """
    wanted = [thing for level in LEVELS[::-1] for thing in _level(file, videos, lines, root, level, findings)]
    stage = f"files of {file.dataset} {file.split}"
    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        for number, (thing, found) in enumerate(
            zip(wanted, pool.map(lambda thing: list(_file(thing, root)), wanted), strict=True), start=1
        ):
            for kind, severity, message in found:
                findings.add(kind, severity, thing.place.path, message, line=thing.line)
            if progress is not None:
                progress(stage, number, len(wanted))


def _level(
    file: AnnotationFile,
    videos: Mapping[str, VideoAnnotation],
    lines: Mapping[str, int],
    root: Path,
    level: Level,
    findings: Findings,
) -> Iterator[_Wanted]:
    folder = Path(file.dataset) / FOLDERS[level] / file.split
    things = [
        _Wanted(place, video, span, lines.get(video.name))
        for place, video, span in _places(file, videos, level)
    ]
    if not things:
        return
    if (root / folder).is_dir():
        _unlisted(root / folder, {Path(thing.place.path).name for thing in things}, findings)
        yield from things
    elif level == "video":
        findings.add(
            "no-videos",
            "note",
            str(folder),
            f"There is no such folder: {len(things)} videos were not looked at.",
        )
    else:
        message = f"There is no such folder: {len(things)} {level}s are read as spans of their videos."
        findings.add("virtual", "note", str(folder), message)


def _places(
    file: AnnotationFile, videos: Mapping[str, VideoAnnotation], level: Level
) -> Iterator[tuple[Place, VideoAnnotation, Span | None]]:
    for name, video in videos.items():
        if level == "video":
            yield file.place(name), video, None
            continue
        for number, event in enumerate(video.events):
            if level == "event":
                yield file.place(name, number), video, event.span
            else:
                for which, clip in enumerate(event.clips):
                    yield file.place(name, number, which), video, clip.span


def _unlisted(folder: Path, listed: set[str], findings: Findings) -> None:
    for path in sorted(folder.iterdir()):
        if path.name not in listed and path.is_file() and not path.name.startswith("."):
            findings.add("unlisted-file", "note", str(path), "No annotation speaks of this file.")


def _file(wanted: _Wanted, root: Path) -> Iterator[Finding]:
    path = root / wanted.place.path
    level = wanted.place.level
    if not path.is_file():
        severity: Severity = "error" if level == "video" else "warning"
        instead = "" if level == "video" else " It is read as a span of its video."
        yield f"missing-{level}", severity, f"The file is not there.{instead}"
        return
    try:
        with open_video(path, threads=1) as opened:
            info = opened.info
    except VideoError as error:
        yield f"unreadable-{level}", "error", str(error).removeprefix(f"{path}: ")
        return
    yield from _whole(info, wanted.video) if wanted.span is None else _part(info, wanted.span, wanted.video)


def _whole(info: VideoInfo, video: VideoAnnotation) -> Iterator[Finding]:
    if video.n_frames and info.num_frames is not None and info.num_frames != video.n_frames:
        apart = abs(info.num_frames - video.n_frames)
        message = f"It has {info.num_frames} frames, its annotation {video.n_frames}."
        yield "other-length", "warning" if apart > 1 else "note", message
    if video.fps and abs(info.fps - video.fps) > RATE_TOLERANCE * video.fps:
        yield (
            "other-fps",
            "warning",
            f"It runs at {info.fps:g} frames a second, its annotation says {video.fps:g}.",
        )


def _part(info: VideoInfo, span: Span, video: VideoAnnotation) -> Iterator[Finding]:
    end = span.end if video.duration is None else min(span.end, video.duration)
    wanted = max(0.0, end - span.start)
    if info.duration is not None and abs(info.duration - wanted) > CUT_TOLERANCE_FRAMES / info.fps:
        yield "other-length", "warning", f"It lasts {info.duration:.3f} s, its span {wanted:.3f} s."
