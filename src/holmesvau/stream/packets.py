"""The last seconds of a camera as it sent them: groups of packets, so that a clip can begin before its alarm.

A group begins with a keyframe and can be shown by itself. Streams whose codec no clip file can hold (raw
pictures of a device), or that send a keyframe so rarely that a group would not fit, are encoded as H.264.
"""

from __future__ import annotations

import io
from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
from av.video.frame import VideoFrame

from holmesvau.video.feed import Arrival, Feed

# What a clip can hold as it comes, and in which container.
CONTAINERS = {
    "h264": "mp4", "hevc": "mp4", "mpeg4": "mp4", "av1": "mp4", "vp9": "mp4",
    "mjpeg": "matroska", "mpeg2video": "matroska", "vp8": "matroska", "h263": "matroska",
}  # fmt: skip
# Fragments of a second: a file that can be shown up to where it was written.
IN_PIECES = {"movflags": "+frag_keyframe+delay_moov+default_base_moof", "frag_duration": "1000000"}
# Fine enough for every frame rate in use.
_CLOCK = Fraction(1, 90_000)
_KEYFRAME_SECONDS = 2
# A packet whose time lies so many seconds from where it is expected comes from a clock that was set.
_JUMP_SECONDS = 10.0


@dataclass(slots=True)
class Group:
    """Packets from a keyframe to the next. `start` is the camera's time of its first picture."""

    start: float
    packets: list[Any] = field(default_factory=list)
    num_bytes: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What a writer must know of a stream, which outlives its connection."""

    container: str
    stream: Any
    holder: Any


class Packets:
    """The groups of one camera, at most `seconds` of them beside the newest and `max_bytes` in all.

    What does not fit is dropped, oldest first; `dropped_bytes` counts it. `generation` changes when packets
    from then on cannot stand in one file with those before: a new connection, another picture size. Belongs
    to the reader's thread, under its recorder's lock.
    """

    def __init__(self, seconds: float, max_bytes: int) -> None:
        self.generation = 0
        self.dropped_bytes = 0
        self.groups: deque[Group] = deque()
        self.shape: Shape | None = None
        self._seconds, self._max_bytes = seconds, max_bytes
        self._encoder: _Encoder | None = None
        self._size: tuple[int, int] | None = None
        self._clean = _Cleaner()
        self._copies = False
        self._last_seconds = 0.0

    def connected(self, feed: Feed) -> None:
        """A new connection: what it sends stands by itself."""
        stream = feed.session.stream
        container = CONTAINERS.get(feed.session.context.codec.canonical_name)
        self._size = None
        self._copies = container is not None
        self._clean = _Cleaner()
        self._encoder = None
        self._restart()
        self.shape = None if container is None else _shape(container, stream)

    def take(self, arrival: Arrival, times: list[float]) -> list[Group]:
        """A packet and the `times` (camera seconds) of the frames it gave; groups that are now complete."""
        closed: list[Group] = []
        for frame, seconds in zip(arrival.frames, times, strict=True):
            self._look(frame)
            if not self._copies:
                closed += self._encode(frame, seconds)
        if self._copies:
            closed += self._copy(arrival, times)
        return closed

    def _look(self, frame: VideoFrame) -> None:
        size = (frame.width, frame.height)
        if self._size is not None and size != self._size:
            # What a file says of its stream at the beginning is not true any more: from here on it is encoded
            # anew, until the next connection tells how things are.
            self._copies = False
            self._encoder = None
            self._restart()
        self._size = size

    def _copy(self, arrival: Arrival, times: list[float]) -> list[Group]:
        packet = arrival.packet
        closed: list[Group] = []
        if times:
            self._last_seconds = times[-1]
        if packet.is_keyframe:
            closed = self._open(Group(self._last_seconds))
        if not self.groups or not self._clean(packet):
            return closed
        self._add(packet)
        if self.groups[-1].num_bytes > self._max_bytes:
            # Keyframes are too far apart to keep a group of this stream.
            closed.append(self.groups[-1])
            self.dropped_bytes += self.groups[-1].num_bytes
            self._copies = False
            self._restart()
        return closed

    def _encode(self, frame: VideoFrame, seconds: float) -> list[Group]:
        if self._encoder is None:
            self._encoder = _Encoder(frame.width, frame.height)
            self.shape = self._encoder.shape
        closed: list[Group] = []
        for packet in self._encoder.encode(frame, seconds):
            if packet.is_keyframe:
                closed += self._open(Group(seconds))
            if self.groups:
                self._add(packet)
        return closed

    def _open(self, group: Group) -> list[Group]:
        closed = [self.groups[-1]] if self.groups else []
        self.groups.append(group)
        oldest = group.start - self._seconds
        while len(self.groups) > 2 and self.groups[1].start <= oldest:
            self.groups.popleft()
        return closed

    def _add(self, packet: Any) -> None:
        group = self.groups[-1]
        group.packets.append(packet)
        group.num_bytes += packet.size
        while len(self.groups) > 1 and sum(each.num_bytes for each in self.groups) > self._max_bytes:
            self.dropped_bytes += self.groups.popleft().num_bytes

    def _restart(self) -> None:
        self.groups.clear()
        self.generation += 1


class _Cleaner:
    """Makes the times of one connection's packets rise, whatever its clock does."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._offset = 0
        self._step = 1

    def __call__(self, packet: Any) -> bool:
        """Mend the packet's times in place; False when it has none and cannot be kept."""
        if packet.pts is None and packet.dts is None:
            return False
        if packet.dts is None:
            packet.dts = packet.pts
        if packet.pts is None:
            packet.pts = packet.dts
        dts = packet.dts + self._offset
        if self._last is not None:
            step = dts - self._last
            if step <= 0 or step * float(packet.time_base) > _JUMP_SECONDS:
                self._offset += self._step - step
                dts = self._last + self._step
            else:
                self._step = step
        packet.pts += dts - packet.dts
        packet.dts = dts
        self._last = dts
        return True


class _Encoder:
    """H.264 as fast as it goes, a keyframe every 2 s."""

    def __init__(self, width: int, height: int) -> None:
        self._holder = av.open(io.BytesIO(), "w", format="mp4", options=IN_PIECES)
        self._stream: Any = self._holder.add_stream(
            "libx264", rate=25, options={"preset": "ultrafast", "tune": "zerolatency", "crf": "26"}
        )
        self._size = (max(2, width - width % 2), max(2, height - height % 2))
        self._stream.width, self._stream.height = self._size
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = _CLOCK
        self._stream.codec_context.thread_count = 1
        self._key_at = 0.0
        # The header in memory tells what a clip's file must tell of the stream.
        self._holder.start_encoding()
        self.shape = Shape("mp4", self._stream, self._holder)

    def encode(self, frame: VideoFrame, seconds: float) -> list[Any]:
        picture = frame.reformat(width=self._size[0], height=self._size[1], format="yuv420p")
        picture.pts, picture.time_base = round(seconds / _CLOCK), _CLOCK
        picture.pict_type = av.video.frame.PictureType.NONE
        if seconds >= self._key_at:
            picture.pict_type = av.video.frame.PictureType.I
            self._key_at = seconds + _KEYFRAME_SECONDS
        return list(self._stream.encode(picture))


def _shape(container: str, stream: Any) -> Shape:
    """A copy of the stream's parameters, in a file in memory that is never written."""
    holder = av.open(io.BytesIO(), "w", format=container)
    return Shape(container, holder.add_stream_from_template(stream, opaque=True), holder)
