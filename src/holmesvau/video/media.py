"""Video files and finite addresses: probed, indexed, read in order or frame by frame."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import cached_property

import numpy as np
from av.video.frame import VideoFrame

from holmesvau.errors import VideoError
from holmesvau.types import FloatArray, IndexArray, VideoInfo
from holmesvau.video.choice import Choice
from holmesvau.video.convert import Converter, orientation
from holmesvau.video.cursor import Cursor, Skip
from holmesvau.video.index import FrameIndex, read_index, times
from holmesvau.video.loss import Losses
from holmesvau.video.session import Session
from holmesvau.video.skim import Judge
from holmesvau.video.source import Source
from holmesvau.video.stretches import StretchReader

_log = logging.getLogger(__name__)

# Codecs whose non-reference frames can be left out without any other frame changing. Not HEVC: there a
# picture that its own temporal layer does not need may be needed by a higher one.
_SKIPPABLE = frozenset({"h264", "mpeg4", "mpeg2video", "mpeg1video"})
# Below this share of wanted frames the others are skipped where the codec allows.
_SPARSE = 0.5
_DEFAULT_FPS = 25.0


class MediaFile:
    """A source that can be read as often as needed; every pass opens it anew and so does not disturb the
    others.
    """

    def __init__(self, source: Source, losses: Losses, threads: int) -> None:
        self._source, self._losses, self._threads = source, losses, threads
        self._lock = threading.RLock()
        self._random: Cursor | None = None
        with self._session() as session:
            frame = next(session.frames(), None)
            if frame is None:
                advice = (
                    "Perhaps its server cannot send parts of a file: download it and give the file."
                    if source.remote
                    else "The file is damaged or cut off: copy it again."
                )
                raise VideoError(
                    f"{source.name}: not one picture of its video ({session.context.name}) can be decoded. "
                    f"{advice}"
                )
            self.turn = orientation(frame)
            self._stored_size = (frame.width, frame.height)
            stream = session.stream
            self._tick = float(stream.time_base) if stream.time_base else 1.0 / _DEFAULT_FPS
            # AVI stores no presentation times: those of reordered frames are guesses, and wrong ones.
            guessed = session.container.format.name == "avi" and session.context.has_b_frames
            self._first_pts = None if guessed else frame.pts
            self._header_frames = stream.frames
            self._header_fps = float(stream.average_rate or stream.guessed_rate or _DEFAULT_FPS)
            self._codec = session.context.codec.canonical_name
            self._has_audio = bool(session.container.streams.audio)

    def _session(self, threads: int | None = None) -> Session:
        return Session(self._source, self._losses, self._threads if threads is None else threads)

    def close(self) -> None:
        """Release the file that random access keeps open."""
        with self._lock:
            if self._random is not None:
                self._random.close()
                self._random = None

    def converter(self, size: tuple[int, int] | None) -> Converter:
        """To upright RGB of `size` (width, height), or as large as the first frame."""
        return Converter(size or self.turn.shown_size(*self._stored_size), self.turn)

    @cached_property
    def index(self) -> FrameIndex | None:
        """Read once, when first needed; None for a file whose frames must be counted."""
        with self._lock, Session(self._source, self._losses, self._threads) as session:
            index, packets = read_index(session, self._first_pts)
        if 0 < packets < self._header_frames:
            self._losses.note(
                f"{self._source.name}: the header speaks of {self._header_frames} frames, but "
                f"{packets} are there: it was cut off or its header is wrong."
            )
        if index is None:
            _log.debug("%s: frames are counted, packets do not tell where they are", self._source.name)
        return index

    @cached_property
    def seconds(self) -> FloatArray:
        """Times `[T]` of all frames."""
        if self.index is not None:
            return times(self.index, self._tick)
        with self._lock, self._session() as session:
            return np.array([seconds for _, seconds, _ in self._counted(session)], dtype=np.float64)

    @cached_property
    def info(self) -> VideoInfo:
        """Everything known without decoding (except for files whose frames must be counted)."""
        seconds = self.seconds
        steps = np.diff(seconds)
        usual = float(np.median(steps)) if len(steps) else 1.0 / self._header_fps
        fps = len(steps) / float(seconds[-1]) if len(steps) else self._header_fps
        if abs(fps - self._header_fps) < 2e-3 * fps:
            fps = self._header_fps
        last = self.index.last_duration * self._tick if self.index is not None else 0.0
        uneven = np.abs(steps - usual) > max(0.25 * usual, 1.5 * self._tick)
        width, height = self.turn.shown_size(*self._stored_size)
        return VideoInfo(
            path=self._source.name,
            duration=float(seconds[-1]) + (last or usual),
            fps=fps,
            num_frames=len(seconds),
            width=width,
            height=height,
            codec=self._codec,
            rotation=self.turn.degrees,
            has_audio=self._has_audio,
            start_seconds=(self._first_pts or 0) * self._tick,
            variable_frame_rate=bool(uneven.mean() > 0.01) if len(steps) else False,
        )

    def walk(self, choice: Choice, stopped: threading.Event) -> Iterator[tuple[int, float, VideoFrame]]:
        """The chosen frames in order: number, seconds, frame."""
        if self.index is None:
            with self._session() as session:
                session.stopped = stopped
                wants = choice.stepper()
                for index, seconds, frame in self._counted(session):
                    if choice.past(seconds):
                        return
                    if wants(index, seconds, bool(frame.key_frame)):
                        yield index, seconds, frame
            return
        wanted = choice.ranks(self.seconds, self.index.keys() if choice.keyframes else None)
        skip: Skip = "nonkey" if choice.keyframes else self._skip(len(wanted))
        with closing(Cursor(self.index, self._session)) as cursor:
            cursor.session.stopped = stopped
            for rank, frame in cursor.frames(wanted, skip):
                yield rank, float(self.seconds[rank]), frame

    def stretches(
        self, choice: Choice, judge: Judge | None, *, calm: bool, stopped: threading.Event
    ) -> StretchReader | None:
        """The chosen frames from keyframe to keyframe; None for a file whose frames must be counted.

        A quarter of the cores decode unless told otherwise: several threads cost the processor half as much
        again as one, and the other cores have features to compute.
        """
        if self.index is None:
            return None
        index, threads = self.index, self._threads or max(1, (os.cpu_count() or 1) // 4)
        wanted = choice.ranks(self.seconds, None)
        return StretchReader(
            index,
            wanted,
            self.seconds,
            lambda: Cursor(index, lambda: self._session(threads)),
            skip=self._skip(len(wanted)),
            judge=judge,
            calm=calm,
            stopped=stopped,
        )

    def _skip(self, num_wanted: int) -> Skip:
        """Whether frames that no other needs are decoded when so many are wanted."""
        assert self.index is not None
        sparse = num_wanted < _SPARSE * len(self.index)
        return "nonref" if self._codec in _SKIPPABLE and sparse else "nothing"

    def fetch(self, wanted: IndexArray) -> Iterator[tuple[int, float, VideoFrame]]:
        """Exactly the frames `wanted` (rising, distinct), fewer only where the file is damaged."""
        with self._lock:
            if self.index is not None:
                if self._random is None:
                    self._random = Cursor(self.index, self._session)
                skip: Skip = "nonref" if self._codec in _SKIPPABLE else "nothing"
                for rank, frame in self._random.frames(wanted, skip):
                    yield rank, float(self.seconds[rank]), frame
                return
            missing = set(wanted.tolist())
            with self._session() as session:
                for index, seconds, frame in self._counted(session):
                    if index in missing:
                        missing.discard(index)
                        yield index, seconds, frame
                    if not missing:
                        return

    def cursor(self) -> Cursor:
        """A place of one's own in an indexed file; the caller closes it."""
        assert self.index is not None
        return Cursor(self.index, self._session)

    def walk_span(self, first: int, last: int) -> Iterator[tuple[int, float, VideoFrame]]:
        """Frames `first` to `last`, both included."""
        for index, seconds, frame in self.walk(Choice(start_index=first), threading.Event()):
            if index > last:
                return
            yield index, seconds, frame

    def _counted(self, session: Session) -> Iterator[tuple[int, float, VideoFrame]]:
        """All frames, numbered as they come. Times that are missing or do not rise are made up from the
        rate.
        """
        step = 1.0 / self._header_fps
        last = -step
        for index, frame in enumerate(session.frames()):
            seconds = last + step
            if frame.pts is not None and self._first_pts is not None:
                told = (frame.pts - self._first_pts) * self._tick
                seconds = told if told > last else seconds
            yield index, seconds, frame
            last = seconds

    def lost_seconds(self, start: int, stop: int) -> tuple[float, float]:
        """The stretch of time that frames `start` to `stop` fill."""
        seconds = self.seconds
        end = float(seconds[stop]) if stop < len(seconds) else float(self.info.duration or 0.0)
        return float(seconds[start]), end
