"""Cameras and streams: no end that is known beforehand, nothing can be read twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from av.video.frame import VideoFrame

from holmesvau.errors import InputError, VideoError
from holmesvau.types import FloatArray, IndexArray, VideoInfo
from holmesvau.video.choice import Choice
from holmesvau.video.convert import Converter, orientation
from holmesvau.video.loss import Losses
from holmesvau.video.session import Session
from holmesvau.video.source import Source

_DEFAULT_FPS = 25.0


class LiveStream:
    """One connection. A second `walk` goes on where the first one stopped; frame numbers and times go on as
    well.
    """

    def __init__(self, source: Source, losses: Losses, threads: int, session: Session | None = None) -> None:
        self._source = source
        self._session = session or Session(source, losses, threads)
        self._frames = self._session.frames()
        try:
            self._first = next(self._frames, None)
            if self._first is None:
                raise VideoError(f"{source.name}: no picture arrived. Check that the sender is running.")
        except BaseException:
            self._session.close()
            raise
        stream = self._session.stream
        self._tick = float(stream.time_base) if stream.time_base else 0.0
        self._step = 1.0 / float(stream.average_rate or stream.guessed_rate or _DEFAULT_FPS)
        self._offset_pts = self._first.pts
        self._numbered = self._number(self._first)
        turn = orientation(self._first)
        width, height = turn.shown_size(self._first.width, self._first.height)
        self._turn = turn
        self.info = VideoInfo(
            path=source.name,
            duration=None,
            fps=1.0 / self._step,
            num_frames=None,
            width=width,
            height=height,
            codec=self._session.context.codec.canonical_name,
            rotation=turn.degrees,
            has_audio=bool(self._session.container.streams.audio),
            start_seconds=(self._first.pts or 0) * self._tick,
        )

    def close(self) -> None:
        """Hang up."""
        self._session.stopped.set()
        self._session.close()

    @property
    def seconds(self) -> FloatArray:
        """Raises InputError: a live source has no list of its frames."""
        raise InputError(f"{self._source.name}: a live source does not tell its frames beforehand.")

    def converter(self, size: tuple[int, int] | None) -> Converter:
        """To upright RGB of `size` (width, height), or as large as the first frame."""
        return Converter(size or (self.info.width, self.info.height), self._turn)

    def walk(self, choice: Choice, stopped: threading.Event) -> Iterator[tuple[int, float, VideoFrame]]:
        """The chosen frames as they arrive: number, seconds, frame."""
        wants = choice.stepper()
        for index, seconds, frame in self._numbered:
            if choice.past(seconds) or stopped.is_set():
                return
            if wants(index, seconds, bool(frame.key_frame)):
                yield index, seconds, frame

    def fetch(self, wanted: IndexArray) -> Iterator[tuple[int, float, VideoFrame]]:
        """Raises InputError: what has passed is gone."""
        raise InputError(
            f"{self._source.name}: a live source cannot be read again, so no frame can be had by number "
            f"(frame {int(wanted[0])}). Keep the frames that frames() gives."
        )

    def lost_seconds(self, start: int, stop: int) -> tuple[float, float]:
        """The stretch of time that frames `start` to `stop` would fill at the usual rate."""
        return start * self._step, stop * self._step

    def _number(self, first: VideoFrame) -> Iterator[tuple[int, float, VideoFrame]]:
        """Times always rise: a camera that restarts its clock goes on one frame after its last time."""
        index, seconds, offset = 0, 0.0, float(self._offset_pts or 0) * self._tick
        frame: VideoFrame | None = first
        while frame is not None:
            if index:
                told = None if frame.pts is None else frame.pts * self._tick - offset
                if told is None:
                    seconds += self._step
                elif told <= seconds:
                    offset += told - seconds - self._step
                    seconds += self._step
                else:
                    seconds = told
            yield index, seconds, frame
            index += 1
            frame = next(self._frames, None)
