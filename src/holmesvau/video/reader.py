"""`open_video`: one call for files, addresses, cameras and folders of pictures; frames come with their times.

Shape legend: `T` frames of a batch, `N` frames asked for, `H W` picture height and width.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import numpy as np

from holmesvau.errors import InputError, VideoError
from holmesvau.types import FloatArray, FrameBatch, IndexArray, Span, VideoInfo
from holmesvau.video.choice import Choice
from holmesvau.video.folder import PictureFolder
from holmesvau.video.live import LiveStream
from holmesvau.video.loss import Losses, Lost
from holmesvau.video.media import MediaFile
from holmesvau.video.prefetch import Prefetch
from holmesvau.video.skim import (
    BLOCK,
    COLUMNS,
    ROWS,
    Converter,
    Judge,
    Shortcuts,
    Skimmed,
    gathered,
    in_order,
)
from holmesvau.video.source import Source, is_endless, locate

_Batch = TypeVar("_Batch")
NO_SHORTCUTS = Shortcuts()

# A live batch is handed over when its first frame has waited this long, full or not.
_LIVE_PATIENCE = 1.0
# Batches that are read ahead hold no more than about this many bytes.
_AHEAD_BYTES = 128 << 20


class _Pictures(Protocol):
    """What a kind of source must be able to do; `frame` is whatever its converter takes."""

    @property
    def info(self) -> VideoInfo: ...
    @property
    def seconds(self) -> FloatArray: ...
    def close(self) -> None: ...
    def converter(self, size: tuple[int, int] | None) -> Converter: ...
    def walk(self, choice: Choice, stopped: threading.Event) -> Iterator[tuple[int, float, Any]]: ...
    def fetch(self, wanted: IndexArray) -> Iterator[tuple[int, float, Any]]: ...
    def lost_seconds(self, start: int, stop: int) -> tuple[float, float]: ...


def open_video(source: str | Path, *, fps: float | None = None, threads: int = 0) -> Video:
    """Open a video; use it as a context manager.

    Args:
        source: a file, an address (http, https, rtsp, rtmp, tcp, udp, file, …), a device such as
            `/dev/video0`, a named pipe, or a folder of pictures in natural order. Streams, devices and pipes
            are live.
        fps: how many pictures of a folder make a second (25 when not given); not for other sources.
        threads: decoder threads; 0 lets the decoder choose.

    Raises:
        VideoError: when nothing can be read: missing, empty, no video stream, no picture decodes, no answer
            in 15 s.
        InputError: when an argument is unusable.
    """
    if fps is not None and not (math.isfinite(fps) and fps > 0):
        raise InputError(f"fps = {fps!r}: give a positive number of pictures a second.")
    if threads < 0:
        raise InputError(f"threads = {threads!r}: give 0 (automatic) or a number of decoder threads.")
    found = locate(source)
    if fps is not None and isinstance(found, Source):
        raise InputError(f"{found.name}: fps is for folders of pictures; a video has its own times.")
    losses = Losses()
    if isinstance(found, Path):
        return Video(PictureFolder(found, losses, fps), losses)
    if found.live or is_endless(found):
        return Video(LiveStream(found, losses, threads), losses)
    return Video(MediaFile(found, losses, threads), losses)


class Video:
    """An open video. Frames are numbered in presentation order from 0; seconds count from the first shown
    frame.

    Pictures come upright (rotation metadata applied) as RGB. Nothing holds more than a few batches of them.
    """

    def __init__(self, pictures: _Pictures, losses: Losses) -> None:
        self._pictures, self._losses = pictures, losses
        self._readers: set[Prefetch[Any]] = set()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading and release the source; harmless when called twice."""
        self._closed = True
        for reader in list(self._readers):
            reader.stop()
        self._pictures.close()

    @property
    def info(self) -> VideoInfo:
        """Size, rate, length. For a file the first look reads all its packets (not its pictures) once."""
        return self._pictures.info

    @property
    def seconds(self) -> FloatArray:
        """Times `[T]` of all frames, by their numbers; nothing is decoded where packets tell them.

        Raises:
            InputError: when the source is live.
        """
        self._check_open()
        return self._pictures.seconds

    def within(self, span: Span | None = None) -> IndexArray:
        """The numbers of all frames, or of those shown in `span` (seconds), rising; nothing is decoded.

        Raises:
            InputError: when the source is live.
        """
        self._check_open()
        return Choice(span=span).ranks(self._pictures.seconds, None)

    def frames(
        self,
        *,
        every: int | None = None,
        every_seconds: float | None = None,
        keyframes: bool = False,
        size: tuple[int, int] | None = None,
        batch_size: int = 16,
        span: Span | None = None,
        start_index: int = 0,
    ) -> Iterator[FrameBatch]:
        """Batches of chosen frames in order, decoded ahead in another thread.

        Args:
            every: every n-th frame, counted from frame 0 (the default is every frame).
            every_seconds: the first frame at or after each multiple of so many seconds, none twice.
            keyframes: only frames that decode by themselves.
            size: (width, height) to scale to; far cheaper than scaling full pictures. None keeps the video's
                size.
            batch_size: frames a batch; the last one may hold fewer, and so may those of a live source.
            span: only frames within these seconds. The grids of `every` and `every_seconds` stay where they
                are.
            start_index: only frames of this number or higher: what resuming an interrupted scan needs.

        Frames that cannot be decoded are left out and entered in `lost`.

        Raises:
            InputError: when several choices are given at once or a value is unusable.
        """
        choice = Choice(every, every_seconds, keyframes, span, start_index)
        _check_size(size)
        if isinstance(batch_size, bool) or batch_size < 1:
            raise InputError(f"batch_size = {batch_size!r}: give 1 or more frames a batch.")
        self._check_open()
        return self._read_ahead(choice, size, batch_size)

    def skim(
        self,
        shortcuts: Shortcuts = NO_SHORTCUTS,
        *,
        every: int | None = None,
        every_seconds: float | None = None,
        size: tuple[int, int] | None = None,
        batch_size: int = 16,
        start_index: int = 0,
        refresh: int = BLOCK,
    ) -> Iterator[Skimmed]:
        """The frames that `frames` gives for this choice, less those that need not be looked at.

        Without shortcuts that is every one of them. With them, frames before `start_index` come too where
        they are in one block with it (`video.skim`): what is decided does not depend on where the reading
        begins. Frames that are not decoded cannot be found damaged.

        Raises:
            InputError: when several choices are given at once or a value is unusable.
        """
        choice = Choice(every, every_seconds, start_index=start_index)
        _check_size(size)
        if isinstance(batch_size, bool) or batch_size < 1:
            raise InputError(f"batch_size = {batch_size!r}: give 1 or more frames a batch.")
        self._check_open()
        converter = self._pictures.converter(size)
        judge = None
        if shortcuts:
            judge = Judge(shortcuts, self._pictures.converter((COLUMNS, ROWS)), refresh)

        def produce(stopped: threading.Event) -> Iterator[Skimmed]:
            return self._skimmed(choice, converter, batch_size, judge, shortcuts.calm, stopped)

        return self._ahead(produce, converter, batch_size)

    def at(self, indices: Sequence[int] | IndexArray, *, size: tuple[int, int] | None = None) -> FrameBatch:
        """Exactly the frames `indices[N]`, in the order asked for; duplicates are allowed.

        `size` (width, height) scales them. They equal what reading the video in order gives for these
        numbers.

        Raises:
            InputError: when a number lies outside the video, or the source is live.
            VideoError: when one of them cannot be decoded.
        """
        self._check_open()
        _check_size(size)
        asked = np.asarray(indices)
        if asked.ndim != 1 or (asked.size and not np.issubdtype(asked.dtype, np.integer)):
            raise InputError(f"at() takes a list of whole frame numbers, got {indices!r}.")
        asked = asked.astype(np.int64)
        if not self.info.is_live and asked.size:
            count = self.info.num_frames or 0
            outside = asked[(asked < 0) | (asked >= count)]
            if outside.size:
                raise InputError(
                    f"{self.info.path}: there is no frame {int(outside[0])}; it has {count} frames, "
                    f"0 to {count - 1}."
                )
        converter = self._pictures.converter(size)
        width, height = converter.size
        unique, places = np.unique(asked, return_inverse=True)
        frames = np.empty((len(asked), height, width, 3), dtype=np.uint8)
        seconds = np.full(len(asked), np.nan)
        if unique.size:
            for index, time, frame in self._pictures.fetch(unique):
                rows = np.flatnonzero(places == np.searchsorted(unique, index))
                converter.into(frame, frames[rows[0]])
                frames[rows[1:]] = frames[rows[0]]
                seconds[rows] = time
        if np.isnan(seconds).any():
            missing = np.unique(asked[np.isnan(seconds)])
            raise VideoError(
                f"{self.info.path}: frame {int(missing[0])} cannot be decoded ({len(missing)} of the "
                f"{len(unique)} asked for): the file is damaged there. Ask for other frames."
            )
        return FrameBatch(frames, asked, seconds)

    @property
    def lost(self) -> Lost:
        """The frames that could not be decoded so far: their number and the seconds they fill."""
        ranges = self._losses.ranges()
        spans = tuple(Span(*self._pictures.lost_seconds(start, stop)) for start, stop in ranges)
        return Lost(sum(stop - start for start, stop in ranges), spans)

    @property
    def warnings(self) -> list[str]:
        """Sentences about what is missing, damaged or unsure, so far."""
        said = list(self._losses.notes)
        if lost := self.lost:
            said.append(f"{self.info.path}: {lost}")
        elif self._losses.decoder_errors:
            said.append(
                f"{self.info.path}: the decoder stumbled {self._losses.decoder_errors} times: pictures near "
                "damaged places may look wrong."
            )
        return said

    def _check_open(self) -> None:
        if self._closed:
            raise InputError("The video is closed: read it inside its `with` block.")

    def _read_ahead(
        self, choice: Choice, size: tuple[int, int] | None, batch_size: int
    ) -> Iterator[FrameBatch]:
        converter = self._pictures.converter(size)

        def produce(stopped: threading.Event) -> Iterator[FrameBatch]:
            return self._batches(choice, converter, batch_size, stopped)

        return self._ahead(produce, converter, batch_size)

    def _ahead(
        self, produce: Callable[[threading.Event], Iterator[_Batch]], converter: Converter, batch_size: int
    ) -> Iterator[_Batch]:
        """What `produce` gives in another thread, which starts with the first batch that is asked for."""
        width, height = converter.size
        depth = 2 if 3 * batch_size * width * height * 3 <= _AHEAD_BYTES else 1
        reader = Prefetch(produce, depth)
        self._readers.add(reader)
        try:
            yield from reader
        finally:
            reader.stop()
            self._readers.discard(reader)

    def _skimmed(
        self,
        choice: Choice,
        converter: Converter,
        batch_size: int,
        judge: Judge | None,
        calm: bool,
        stopped: threading.Event,
    ) -> Iterator[Skimmed]:
        live = self.info.is_live
        first = 0
        if not live and choice.start_index:
            whole = replace(choice, start_index=0).ranks(self._pictures.seconds, None)
            first = int(np.searchsorted(whole, choice.start_index))
            first = first // BLOCK * BLOCK if judge is not None else first
            choice = replace(
                choice, start_index=int(whole[first]) if first < len(whole) else choice.start_index
            )
        whole_choice = replace(choice, start_index=0)
        reader = None
        if isinstance(self._pictures, MediaFile):
            reader = self._pictures.stretches(whole_choice, judge, calm=calm, stopped=stopped)
        count = 0

        def counted() -> Iterator[tuple[int, float, Any]]:
            nonlocal count
            for one in self._pictures.walk(choice, stopped):
                count += 1
                yield one

        shown = in_order(counted(), first, judge) if reader is None else reader.frames(first)
        with contextlib.closing(shown):  # type: ignore[type-var]
            yield from gathered(
                shown,
                converter,
                batch_size,
                decoded=lambda: count if reader is None else reader.decoded,
                patience=_LIVE_PATIENCE if live else None,
            )

    def _batches(
        self, choice: Choice, converter: Converter, batch_size: int, stopped: threading.Event
    ) -> Iterator[FrameBatch]:
        live = self.info.is_live
        width, height = converter.size
        index = np.empty(batch_size, dtype=np.int64)
        seconds = np.empty(batch_size, dtype=np.float64)
        frames = np.empty((batch_size, height, width, 3), dtype=np.uint8)
        filled = 0
        with contextlib.closing(self._pictures.walk(choice, stopped)) as shown:  # type: ignore[type-var]
            for index[filled], seconds[filled], frame in shown:
                converter.into(frame, frames[filled])
                filled += 1
                if filled == batch_size or (live and seconds[filled - 1] - seconds[0] >= _LIVE_PATIENCE):
                    yield FrameBatch(frames[:filled], index[:filled].copy(), seconds[:filled].copy())
                    frames = np.empty((batch_size, height, width, 3), dtype=np.uint8)
                    filled = 0
        if filled:
            yield FrameBatch(frames[:filled], index[:filled].copy(), seconds[:filled].copy())


def _check_size(size: tuple[int, int] | None) -> None:
    if size is not None and (len(size) != 2 or not all(1 <= int(side) == side <= 16384 for side in size)):
        raise InputError(f"size = {size!r}: give (width, height) in whole pixels, 1 to 16384.")
