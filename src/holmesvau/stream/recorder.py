"""A clip for every alarm: from some seconds before it to some seconds after, written while it happens.

Clips are MP4 or Matroska files in fragments, so that what a kill leaves behind can be played. Sound is not
kept.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import av.error

from holmesvau.errors import ConfigError
from holmesvau.stream.packets import IN_PIECES, Group, Packets, Shape
from holmesvau.stream.record import ClipPart
from holmesvau.video.feed import Arrival, Feed

log = logging.getLogger(__name__)

_ENDINGS = {"mp4": ".mp4", "matroska": ".mkv"}
_PARTIAL = ".partial"
# Each fragment on the disk as soon as it is whole.
_OPTIONS = {**IN_PIECES, "flush_packets": "1"}

# Called with the alarm's id when its clip is finished; None when there is nothing in it.
Done = Callable[[str, ClipPart | None], None]


@dataclass(frozen=True, kw_only=True)
class ClipConfig:
    """What is kept of an alarm's pictures.

    `before_seconds` and `after_seconds` around it, at most `max_seconds` in all. The last pictures of a
    camera wait in memory in at most `max_mib` a camera. When all clips together pass `keep_gib` on disk, the
    oldest are deleted.

    Raises:
        ConfigError: when a value is negative, or there is no room for a clip.
    """

    enabled: bool = True
    before_seconds: float = 5.0
    after_seconds: float = 5.0
    max_seconds: float = 120.0
    max_mib: float = 64.0
    keep_gib: float = 20.0

    def __post_init__(self) -> None:
        for name in ("before_seconds", "after_seconds"):
            if not 0 <= getattr(self, name) <= 600:
                raise ConfigError(f"Clips: {name} = {getattr(self, name)}: give 0 to 600 seconds.")
        for name in ("max_seconds", "max_mib", "keep_gib"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"Clips: {name} = {getattr(self, name)}: give a positive number.")


class Recorder:
    """The clips of one camera. The reader's thread gives packets and writes, the scorer's begins and ends.

    `begin` and `end` only leave an order, which the reader carries out with its next packet: the scorer never
    waits for a disk.
    """

    def __init__(self, config: ClipConfig, root: Path, camera: str, done: Done) -> None:
        self.written = self.failed = 0
        self._config, self._root, self._done = config, root, done
        self._folder = root / folder_name(camera)
        self._lock = threading.Lock()
        self._packets = Packets(config.before_seconds, int(config.max_mib * 2**20))
        self._clips: list[_Clip] = []
        self._orders: deque[Callable[[], None]] = deque()

    @property
    def dropped_bytes(self) -> int:
        """What did not fit into memory of the pictures before an alarm."""
        return self._packets.dropped_bytes

    def connected(self, feed: Feed) -> None:
        """A new connection: clips of the last one end."""
        self.lost()
        with self._lock:
            self._packets.connected(feed)

    def take(self, arrival: Arrival, times: list[float]) -> None:
        """A packet, and the camera's time of each frame it gave."""
        with self._lock:
            self._obey()
            generation = self._packets.generation
            closed = self._packets.take(arrival, times)
            for clip in self._clips:
                for group in closed:
                    self._write(clip, group)
            if self._packets.generation != generation:
                finished, self._clips = [(clip, False) for clip in self._clips], []
            else:
                over = [bool(times) and times[-1] >= clip.until for clip in self._clips]
                finished = [(clip, True) for clip, ends in zip(self._clips, over, strict=True) if ends]
                for clip in self._clips:
                    self._write_newest(clip)
                self._clips = [clip for clip, ends in zip(self._clips, over, strict=True) if not ends]
        self._finish(finished)

    def lost(self) -> None:
        """No more pictures come for now: what was begun ends here."""
        with self._lock:
            self._obey()
            finished = [(clip, False) for clip in self._clips]
            self._clips = []
            for clip, _ in finished:
                self._write_newest(clip)
        self._finish(finished)

    def begin(self, alarm: str, start: float, wall: float) -> None:
        """A clip for the alarm that began at `start` (camera seconds) and `wall` (UTC seconds)."""
        self._orders.append(lambda: self._begin(alarm, start, wall))

    def end(self, alarm: str, end: float) -> None:
        """The alarm ended at `end`: its clip goes on for `after_seconds`."""
        self._orders.append(lambda: self._end(alarm, end))

    def _obey(self) -> None:
        while self._orders:
            self._orders.popleft()()

    def _begin(self, alarm: str, start: float, wall: float) -> None:
        first = start - self._config.before_seconds
        named = datetime.fromtimestamp(wall, UTC).strftime("%Y%m%dT%H%M%SZ")
        clip = _Clip(alarm, self._folder, named, until=first + self._config.max_seconds)
        groups = list(self._packets.groups)
        skipped = sum(1 for following in groups[1:] if following.start <= first)
        for group in groups[skipped:]:
            self._write(clip, group)
        self._clips.append(clip)

    def _end(self, alarm: str, end: float) -> None:
        for clip in self._clips:
            if clip.alarm == alarm:
                clip.until = min(clip.until, end + self._config.after_seconds)

    def _write(self, clip: _Clip, group: Group) -> None:
        if self._packets.shape is None or clip.failed:
            return
        try:
            clip.write(group, self._packets.shape)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            clip.failed = True
            self.failed += 1
            log.warning("%s: the clip cannot be written (%s)", clip.partial or self._folder, error)

    def _write_newest(self, clip: _Clip) -> None:
        if self._packets.groups:
            self._write(clip, self._packets.groups[-1])

    def _finish(self, finished: list[tuple[_Clip, bool]]) -> None:
        for clip, complete in finished:
            part = clip.finish(complete)
            self.written += part is not None
            self._done(clip.alarm, part)
        if finished:
            make_room(self._root, int(self._config.keep_gib * 2**30))


class _Clip:
    """One file being written. `until` is the camera's time at which it ends."""

    def __init__(self, alarm: str, folder: Path, named: str, *, until: float) -> None:
        self.alarm, self.until = alarm, until
        self.failed = False
        self.partial: Path | None = None
        self._stem = folder / f"{named}-{alarm[:8]}"
        self._out: Any = None
        self._stream: Any = None
        self._first: int | None = None
        self._start = self._end = 0.0
        self._group: Group | None = None
        self._count = 0

    def write(self, group: Group, shape: Shape) -> None:
        """What is new of a group, the whole of it or the rest."""
        if group is not self._group:
            self._group, self._count = group, 0
        packets = group.packets[self._count :]
        self._count += len(packets)
        if not packets:
            return
        if self._out is None:
            self._start = round(group.start, 3)
            self._open(shape)
            self._first = packets[0].dts
        for packet in packets:
            self._mux(packet)

    def _open(self, shape: Shape) -> None:
        self._stem.parent.mkdir(parents=True, exist_ok=True)
        self.partial = self._stem.with_name(f"{self._stem.name}{_PARTIAL}{_ENDINGS[shape.container]}")
        self._out = av.open(f"file:{self.partial}", "w", format=shape.container, options=_OPTIONS)
        # Where it stands in the camera's time, for the watch that finds it after a kill.
        self._out.metadata["comment"] = repr(self._start)
        self._stream = self._out.add_stream_from_template(shape.stream, opaque=True)

    def _mux(self, packet: Any) -> None:
        assert self._first is not None
        # The packet stays in memory for other clips: its times are put back after it is written.
        pts, dts, stream = packet.pts, packet.dts, packet.stream
        packet.pts, packet.dts, packet.stream = pts - self._first, dts - self._first, self._stream
        tick = packet.time_base
        self._end = max(self._end, self._start + float((pts - self._first + (packet.duration or 0)) * tick))
        try:
            self._out.mux(packet)
        finally:
            packet.pts, packet.dts, packet.time_base, packet.stream = pts, dts, tick, stream

    def finish(self, complete: bool) -> ClipPart | None:
        """Close the file and give it its name."""
        if self._out is None or self.partial is None:
            return None
        try:
            self._out.close()
        except (av.error.FFmpegError, OSError) as error:
            self.failed = True
            log.warning("%s: the clip could not be closed (%s)", self.partial, error)
        path = self.partial.with_name(self.partial.name.replace(_PARTIAL, ""))
        self.partial.replace(path)
        whole = complete and not self.failed
        return ClipPart(
            path=str(path),
            start_seconds=self._start,
            end_seconds=round(self._end, 3),
            complete=whole,
        )


def folder_name(camera: str) -> str:
    """A camera's name as the name of a folder."""
    return re.sub(r"[^\w.-]", "_", camera).lstrip(".") or "camera"


def adopt(root: Path, alarm: str) -> ClipPart | None:
    """The clip that a killed watch left half-written for an alarm, under its final name; None without one."""
    for path in sorted(root.glob(f"*/*-{alarm[:8]}{_PARTIAL}.*")):
        final = path.with_name(path.name.replace(_PARTIAL, ""))
        try:
            with av.open(f"file:{path}") as clip:
                start = float(clip.metadata.get("comment", "0"))
                ends = [
                    float((packet.pts + (packet.duration or 0)) * packet.time_base)
                    for packet in clip.demux(video=0)
                    if packet.pts is not None
                ]
            path.replace(final)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            log.warning("%s: nothing of this clip can be shown (%s)", path, error)
            continue
        end = round(start + max(ends, default=0.0), 3)
        return ClipPart(path=str(final), start_seconds=start, end_seconds=end, complete=False)
    return None


def make_room(root: Path, num_bytes: int) -> int:
    """Delete the oldest finished clips until all together fit; how many were deleted."""
    clips = []
    for path in root.glob("*/*"):
        # Another camera's recorder may have deleted it just now.
        with contextlib.suppress(FileNotFoundError):
            state = path.stat()
            if _PARTIAL not in path.name and path.suffix in _ENDINGS.values():
                clips.append((state.st_mtime, state.st_size, path))
    total = sum(size for _, size, _ in clips)
    deleted = 0
    for _, size, path in sorted(clips):
        if total <= num_bytes:
            break
        path.unlink(missing_ok=True)
        total -= size
        deleted += 1
        log.info("%s: deleted to make room for newer clips", path)
    return deleted
