"""Decoding chosen frames of an indexed file: seek where that is cheaper, decode no more than needed."""

from __future__ import annotations

import logging
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Literal

import av.error
import numpy as np
from av.video.frame import VideoFrame

from holmesvau.types import IndexArray
from holmesvau.video.index import FrameIndex, Run, plan
from holmesvau.video.session import Session, VideoPacket

_log = logging.getLogger(__name__)

# Reading on through this many packets is cheaper than a seek.
_NEAR = 250
# Small stretches are decoded again from an earlier keyframe when a frame is missing: some "keyframes"
# (gradual refresh) only give whole pictures after a while.
_SMALL_RUN = 8
_TRIES_BACK = (0, 1, 3)

# "nonref": frames that no other frame needs are decoded only when wanted. "nonkey": nothing but keyframes is
# decoded.
Skip = Literal["nothing", "nonref", "nonkey"]


class Cursor:
    """A place in an indexed file. `open_session` opens the file anew when it cannot be sought in."""

    def __init__(self, index: FrameIndex, open_session: Callable[[], Session]) -> None:
        self._index = index
        self._open = open_session
        self.session = open_session()
        self._packets = self.session.packets()
        self._position = 0
        self._pushed: VideoPacket | None = None
        # Pictures that came out of the decoder.
        self.decoded = 0

    def close(self) -> None:
        """Release the file."""
        self._packets.close()
        self.session.close()

    def frames(self, wanted: IndexArray, skip: Skip = "nothing") -> Iterator[tuple[int, VideoFrame]]:
        """The frames `wanted` (rising, distinct) with their numbers, rising. What does not come is entered as
        lost.
        """
        if skip == "nonkey" and len(wanted):
            positions = self._index.position[wanted]
            run = Run(int(positions.min()), int(positions.max()), wanted, key=0)
            self._go(run.begin, run.key)
            yield from self._run(run, skip)
            return
        for run in plan(self._index, wanted):
            if len(run.wanted) <= _SMALL_RUN and run.begin > 0:
                yield from self._small_run(run, skip)
            else:
                self._go(run.begin, run.key)
                yield from self._run(run, skip)

    def packets(self, run: Run) -> Iterator[tuple[int, VideoPacket]]:
        """The packets of a stretch with their places in decoding order, not decoded."""
        self._go(run.begin, run.key)
        while self._position <= run.end:
            packet = self._next()
            if packet is None:
                return
            yield self._position - 1, packet

    def _small_run(self, run: Run, skip: Skip) -> list[tuple[int, VideoFrame]]:
        best: list[tuple[int, VideoFrame]] = []
        for back in _TRIES_BACK:
            for attempt in plan(self._index, run.wanted, keys_back=back)[:1]:
                self._go(attempt.begin, attempt.key)
                found = list(self._run(attempt, skip, enter_losses=False))
                best = max(best, found, key=len)
            if len(best) == len(run.wanted) or run.key - back <= 0 or self.session.stopped.is_set():
                break
        if not self.session.stopped.is_set():
            for rank in set(run.wanted.tolist()).difference(rank for rank, _ in best):
                self.session.losses.add(rank, rank + 1)
        return best

    def _run(self, run: Run, skip: Skip, enter_losses: bool = True) -> Iterator[tuple[int, VideoFrame]]:
        matcher = _Matcher(
            self._index, run, self.session if enter_losses else None, every_frame=skip == "nothing"
        )
        for frames in self._decoded(run, skip):
            for frame in frames:
                rank = matcher.match(frame.pts)
                if rank >= 0:
                    yield rank, frame
        if not self.session.stopped.is_set():
            matcher.finish()

    def _decoded(self, run: Run, skip: Skip) -> Iterator[list[VideoFrame]]:
        session, context, decode = self.session, self.session.context, self.session.decode
        needed = b""
        if skip != "nothing":
            flags = np.zeros(run.end + 1 - run.begin, dtype=np.uint8)
            flags[self._index.position[run.wanted] - run.begin] = 1
            needed = flags.tobytes()
        skipping = False
        begin, end = run.begin, run.end
        try:
            while self._position <= end:
                packet = self._next()
                if packet is None:
                    break
                place = self._position - 1 - begin
                wanted = skip == "nothing" or (0 <= place < len(needed) and bool(needed[place]))
                if skip == "nonref" and skipping == wanted:
                    skipping = not skipping
                    context.skip_frame = "NONREF" if skipping else "DEFAULT"
                if skip != "nonkey" or wanted:
                    frames = decode(packet)
                    if skip == "nonkey" and not session.stopped.is_set():
                        # Between keyframes far apart the picture order count wraps: left together in the
                        # decoder they come out in the wrong order, or not at all.
                        frames += session.drain()
                    if frames:
                        self.decoded += len(frames)
                        yield frames
        finally:
            if skipping:
                context.skip_frame = "DEFAULT"
            if session.stopped.is_set():
                context.flush_buffers()
        frames = session.drain()
        self.decoded += len(frames)
        yield frames

    def _next(self) -> VideoPacket | None:
        """The next packet; `_position` then is the place after it."""
        packet, self._pushed = self._pushed, None
        if packet is None:
            packet = next(self._packets, None)
            if packet is None:
                return None
        known = self._index.packet_pts
        if self._position >= len(known) or packet.pts != known[self._position]:
            place = self._place(packet)
            self._position = min(self._position, len(known) - 1) if place is None else place
        self._position += 1
        return packet

    def _place(self, packet: VideoPacket) -> int | None:
        """Where a packet stands in decoding order; None for one that shows no frame or is not in the
        index.
        """
        pts, ranks = packet.pts, self._index.pts
        if pts is None:
            return None
        rank = bisect_left(ranks, pts)
        return int(self._index.position[rank]) if rank < len(ranks) and ranks[rank] == pts else None

    def _go(self, target: int, key: int) -> None:
        """Make packet `target`, which is keyframe number `key`, the next one."""
        if self._position <= target <= self._position + _NEAR and self._advance(target):
            return
        for earlier in (0, 1, 4):
            if key - earlier < 0 or target == 0:
                break
            if self._seek(int(self._index.key_seek[key - earlier])) and self._advance(target):
                return
        _log.debug("%s: reading from the start to reach packet %d", self.session.source.name, target)
        stopped = self.session.stopped
        self.close()
        self.session = self._open()
        self.session.stopped = stopped
        self._packets, self._position, self._pushed = self.session.packets(), 0, None
        self._advance(target)

    def _seek(self, ticks: int) -> bool:
        self._packets.close()
        self._pushed = None
        try:
            self.session.container.seek(ticks, stream=self.session.stream)
        except (av.error.FFmpegError, OSError):
            return False
        self._packets = self.session.packets()
        for packet in self._packets:
            place = self._place(packet)
            if place is not None:
                self._pushed, self._position = packet, place
                return True
        return False

    def _advance(self, target: int) -> bool:
        """Read on to packet `target` without decoding; False when it is already behind."""
        while self._position < target:
            if self._next() is None:
                return False
        return self._position == target


class _Matcher:
    """Gives decoded frames their numbers by timestamp, keeps the wanted ones, and enters what never came as
    lost.
    """

    def __init__(self, index: FrameIndex, run: Run, session: Session | None, every_frame: bool) -> None:
        self._pts = index.pts
        self._wanted = array("q", run.wanted.tobytes())
        self._next_wanted = 0
        self._position, self._begin, self._end = index.position, run.begin, run.end
        self._losses = session.losses if session else None
        self._every_frame = every_frame
        self._expected = int(run.wanted[0])
        if every_frame and run.key >= 0:
            self._expected = min(self._expected, max(0, int(index.key_rank[run.key])))
        elif every_frame:
            self._expected = 0

    def match(self, pts: int | None) -> int:
        """The number of a wanted frame, else -1."""
        if pts is None:
            return -1
        rank = self._expected
        if rank >= len(self._pts) or self._pts[rank] != pts:
            rank = bisect_left(self._pts, pts)
            if rank >= len(self._pts) or self._pts[rank] != pts or rank < self._expected:
                return -1
            if self._every_frame:
                self._lose_decoded(self._expected, rank)
        self._expected = rank + 1
        wanted = self._wanted
        while self._next_wanted < len(wanted) and wanted[self._next_wanted] < rank:
            self._lose(wanted[self._next_wanted], wanted[self._next_wanted] + 1)
            self._next_wanted += 1
        if self._next_wanted < len(wanted) and wanted[self._next_wanted] == rank:
            self._next_wanted += 1
            return rank
        return -1

    def finish(self) -> None:
        """No more frames come."""
        if self._next_wanted < len(self._wanted):
            if self._every_frame:
                self._lose_decoded(self._expected, self._wanted[-1] + 1)
            for rank in self._wanted[self._next_wanted :]:
                self._lose(rank, rank + 1)

    def _lose_decoded(self, start: int, stop: int) -> None:
        """Of these frames, those whose packets were decoded: one shown earlier may stand later in the
        file.
        """
        positions = self._position[start:stop]
        for rank in np.flatnonzero((positions >= self._begin) & (positions <= self._end)).tolist():
            self._lose(start + rank, start + rank + 1)

    def _lose(self, start: int, stop: int) -> None:
        if self._losses is not None:
            self._losses.add(start, stop)
