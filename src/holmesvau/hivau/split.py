"""Real event and clip files, for those who want them: cut by several processes, resumable, sound kept.

Packets are copied where that gives exactly the frames of the span, else its pictures are encoded again. A
file appears only when it is complete, so what is there is done: an interrupted split goes on where it
stopped.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from holmesvau.errors import InputError, OutputError, VideoError
from holmesvau.hivau import layout
from holmesvau.hivau.annotations import load_annotations
from holmesvau.hivau.layout import AnnotationFile, Place
from holmesvau.hivau.problems import Problem
from holmesvau.hivau.schema import Level, VideoAnnotation
from holmesvau.types import Span

Progress = Callable[[str, float, float | None], None]


@dataclass(frozen=True, slots=True)
class SplitReport:
    """What a split did: files `copied` without encoding, `encoded`, and `kept` from before.

    `problems` are the parts that could not be cut, and what was odd in the annotations.
    """

    copied: int
    encoded: int
    kept: int
    problems: tuple[Problem, ...]

    def to_json(self) -> dict[str, Any]:
        """The report as plain values."""
        problems = [{"kind": p.kind, "place": p.place, "message": p.message} for p in self.problems]
        return {"copied": self.copied, "encoded": self.encoded, "kept": self.kept, "problems": problems}


@dataclass(frozen=True, slots=True)
class Part:
    """One file to cut: its path below the root, and its span in seconds of the video."""

    path: str
    span: Span


@dataclass(frozen=True, slots=True)
class _Work:
    """Parts to cut from one video; a process does them at one go."""

    video: Path
    parts: tuple[Part, ...]


def split(
    root: str | Path,
    *,
    out: str | Path | None = None,
    levels: Sequence[Level] = ("event", "clip"),
    jobs: int | None = None,
    quality: int = 20,
    progress: Progress | None = None,
) -> SplitReport:
    """Cut the events and clips of every annotation file under `root` into files of their own, named as
    released.

    They go below `out`, by default `root` itself. `jobs` processes cut at a time, by default one a core.
    `quality` is H.264's constant rate factor for what has to be encoded. A part that cannot be cut, or whose
    video is missing, is a problem of the report and stops nothing.

    Raises:
        InputError: when `root` has no annotations, or a level or number is unusable.
        OutputError: when files cannot be written; what was cut stays.
    """
    root = Path(root)
    files = [file for file in layout.annotation_files(root) if file.dataset]
    if not files:
        raise InputError(f"{root}: no annotations. A root holds raw_annotations/NAME_database_SPLIT.json.")
    if not levels or any(level not in ("event", "clip") for level in levels):
        raise InputError(f"{levels = }: events and clips are cut; give one of them or both.")
    jobs = len(os.sched_getaffinity(0)) if jobs is None else jobs
    if jobs < 1:
        raise InputError(f"{jobs = }: give at least one process.")
    problems: list[Problem] = []
    target = root if out is None else Path(out)
    work, kept = [], 0
    for file in files:
        videos = load_annotations(file.path, problems=problems)
        for one, already in _work(file, videos, root, target, levels, problems):
            kept += already
            if one.parts:
                work.append(one)
    copied = encoded = 0
    total, done = sum(len(one.parts) for one in work), 0
    # The longest jobs first, so that no process ends long after the others.
    work.sort(key=lambda one: -sum(part.span.duration for part in one.parts))
    for methods, failed in _run(work, target, min(jobs, total), quality):
        copied, encoded = copied + methods.count("copy"), encoded + methods.count("encode")
        problems += failed
        done += len(methods) + len(failed)
        if progress is not None:
            progress("split", done, total)
    return SplitReport(copied, encoded, kept, tuple(problems))


def parts(file: AnnotationFile, video: VideoAnnotation, levels: Sequence[Level]) -> Iterator[Part]:
    """The files that an annotation asks for, events before their clips."""
    for number, event in enumerate(video.events):
        if "event" in levels:
            yield Part(file.place(video.name, number).path, event.span)
        if "clip" in levels:
            for which, clip in enumerate(event.clips):
                yield Part(file.place(video.name, number, which).path, clip.span)


def _work(
    file: AnnotationFile,
    videos: Mapping[str, VideoAnnotation],
    root: Path,
    target: Path,
    levels: Sequence[Level],
    problems: list[Problem],
) -> Iterator[tuple[_Work, int]]:
    """What is left to cut of each video, with the number of its parts that are there already."""
    for video in videos.values():
        place = Place(file.dataset, file.split, video.name)
        wanted = list(parts(file, video, levels))
        left = [part for part in wanted if not _is_done(target / part.path)]
        if left and not (root / place.path).is_file():
            message = f"The video is not there: {len(left)} parts of it were not cut."
            problems.append(Problem("missing-video", "error", place.path, message, str(file.path)))
            left = []
            wanted = [part for part in wanted if _is_done(target / part.path)]
        yield _Work(root / place.path, tuple(left)), len(wanted) - len(left)


def _is_done(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


Outcome = tuple[list[str], list[Problem]]
_stop: Event | None = None


def _run(work: Sequence[_Work], target: Path, jobs: int, quality: int) -> Iterator[Outcome]:
    if jobs <= 1:
        yield from (cut_video(one, target, quality) for one in work)
        return
    # Forking a process whose libraries run threads can hang it.
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(stop,))
    try:
        futures = [pool.submit(_cut_in_process, one, target, quality) for one in _portions(work, jobs)]
        for future in as_completed(futures):
            yield future.result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _portions(work: Sequence[_Work], jobs: int) -> Iterator[_Work]:
    """The work in pieces small enough that the processes end at about the same time."""
    most = max(1, sum(len(one.parts) for one in work) // (4 * jobs))
    for one in work:
        for first in range(0, len(one.parts), most):
            yield _Work(one.video, one.parts[first : first + most])


def _begin(stop: Event) -> None:
    """In each process: keep the sign to stop, and leave Ctrl-C between two videos to the parent."""
    global _stop  # noqa: PLW0603  a process is given it once, before its first video
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _cut_in_process(work: _Work, target: Path, quality: int) -> Outcome:
    """`cut_video` that Ctrl-C ends at once, in the middle of a file, and not only after the video."""
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return cut_video(work, target, quality, threads=1)
    except KeyboardInterrupt:
        return [], []
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def cut_video(work: _Work, target: Path, quality: int, *, threads: int = 0) -> Outcome:
    """Cut all parts of one video: how each was made, and what could not be. Ends early at the sign to stop.

    Raises:
        OutputError: when a file cannot be written.
    """
    from holmesvau.video.cut import cut

    methods: list[str] = []
    failed = []
    for part in work.parts:
        if _stop is not None and _stop.is_set():
            break
        path = target / part.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{path.parent}: the folder cannot be made ({error.strerror or error})."
            ) from error
        try:
            methods.append(cut(work.video, part.span, path, quality=quality, threads=threads).method)
        except (VideoError, InputError) as error:
            failed.append(Problem("not-cut", "error", part.path, str(error)))
    return methods, failed
