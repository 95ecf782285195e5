"""A clip of a video as a file of its own, exact to the frame, with its sound.

Packets are copied unchanged when that gives exactly the frames asked for; otherwise the pictures are
encoded again as H.264. Sound is copied where the target can hold its codec and encoded as AAC otherwise.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import av.error
import numpy as np

from holmesvau.errors import InputError, OutputError, VideoError
from holmesvau.types import Span
from holmesvau.video.choice import Choice
from holmesvau.video.index import Run
from holmesvau.video.loss import Losses
from holmesvau.video.media import MediaFile
from holmesvau.video.sound import SoundWay, copied_sound, encoded_sound, sound_way
from holmesvau.video.source import Source, is_endless, locate

_MP4_VIDEO = frozenset({"h264", "hevc", "mpeg4", "av1", "vp9"})
_CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
# Fine enough for every frame rate in use, and every usual rate is a whole number of ticks.
_CLOCK = Fraction(1, 90_000)

# A packet ready to be written: seconds in the clip, and the packet.
Timed = tuple[float, Any]


@dataclass(frozen=True, slots=True)
class CutResult:
    """What was written.

    `span` is what the clip holds to the frame, in seconds of the source; `method` and `audio` say how it was
    made.
    """

    path: Path
    span: Span
    num_frames: int
    method: Literal["copy", "encode"]
    audio: SoundWay


def cut(
    source: str | Path,
    span: Span,
    target: str | Path,
    *,
    method: Literal["auto", "copy", "encode"] = "auto",
    quality: int = 20,
    audio: bool = True,
    threads: int = 0,
) -> CutResult:
    """Write the frames of `source` within `span` (seconds, half-open) to `target` (.mp4, .m4v, .mov or .mkv).

    Args:
        method: "auto" copies packets where that is exact and encodes otherwise; "copy" refuses to encode.
        quality: of encoded pictures, H.264's constant rate factor: 0 is lossless, 51 the worst.
        audio: keep the sound, in step with the pictures.
        threads: of decoder and encoder; 0 lets them choose.

    Raises:
        InputError: when the span holds no frame, the source is live, the target has an unknown ending or is
        the
            source itself, or `method="copy"` cannot be exact.
        VideoError: when the source cannot be read.
        OutputError: when the target cannot be written. Nothing half-written is left behind.
    """
    target = Path(target)
    container = _CONTAINERS.get(target.suffix.lower())
    if container is None:
        raise InputError(
            f"{target}: clips are written as {', '.join(_CONTAINERS)}; give the target such an ending."
        )
    if not 0 <= quality <= 51:
        raise InputError(f"quality = {quality!r}: give a rate factor from 0 (lossless) to 51.")
    found = locate(source)
    if isinstance(found, Path):
        raise InputError(f"{found}: a folder of pictures cannot be cut; copy the pictures you want.")
    if found.live or is_endless(found):
        raise InputError(f"{found.name}: a live source cannot be cut; record it to a file first.")
    if found.path is not None and target.exists() and target.samefile(found.path):
        raise InputError(f"{target}: the target is the source itself. Give another name.")
    with closing(MediaFile(found, Losses(), threads)) as media:
        clip = _Clip(media, found, span)
        run = clip.copyable(container) if method != "encode" else None
        if method == "copy" and run is None:
            raise InputError(
                f"{found.name}: {span.start:g}-{span.end:g} s cannot be copied exactly: its ends do not lie "
                'between groups of pictures, or the target cannot hold them. Use method="auto".'
            )
        way = sound_way(found, container) if audio and media.info.has_audio else "none"
        with _replacing(target, container) as out:
            if run is not None:
                clip.copy(out, run, way)
            else:
                clip.encode(out, quality, threads, way)
    return CutResult(target, clip.got, clip.last - clip.first + 1, "encode" if run is None else "copy", way)


@contextmanager
def _replacing(target: Path, container: str) -> Iterator[Any]:
    """An open output beside `target` that takes its place when all went well and vanishes otherwise."""
    partial = target.with_name(f".{target.stem}.{os.getpid()}.partial{target.suffix}")
    options = {"movflags": "+faststart"} if container in ("mp4", "mov") else {}
    try:
        try:
            # The file's own protocol in front, or a colon in the name would be taken for an address.
            out = av.open(f"file:{partial}", "w", format=container, options=options)
        except (av.error.FFmpegError, OSError) as error:
            raise OutputError(f"{target}: cannot be written ({error.strerror}). Check the folder.") from error
        try:
            with out:
                yield out
            partial.replace(target)
        except (av.error.FFmpegError, OSError) as error:
            raise OutputError(f"{target}: the clip could not be written ({error.strerror}).") from error
    finally:
        partial.unlink(missing_ok=True)


class _Clip:
    """Frames `first` to `last` of a file; `got` is the time they fill."""

    def __init__(self, media: MediaFile, source: Source, span: Span) -> None:
        self._media, self._source = media, source
        seconds = media.seconds
        within = Choice(span=span).ranks(seconds, None)
        if not len(within):
            raise InputError(
                f"{source.name}: no frame lies in {span.start:g}-{span.end:g} s; "
                f"it is {media.info.duration:.3f} s long."
            )
        self.first, self.last = int(within[0]), int(within[-1])
        end = media.lost_seconds(self.last, self.last + 1)[1]
        self._ends = np.append(seconds[self.first + 1 : self.last + 1], end)
        self.got = Span(float(seconds[self.first]), float(self._ends[-1]))

    def copyable(self, container: str) -> Run | None:
        """The packets that give exactly these frames, or None.

        The first must be a keyframe, and none may stand between them that is shown after the last: others
        may need it.
        """
        index = self._media.index
        if index is None or (container != "matroska" and self._media.info.codec not in _MP4_VIDEO):
            return None
        positions = index.position[self.first : self.last + 1]
        begin, end = int(positions[0]), int(positions.max())
        key = int(np.searchsorted(index.key_position, begin))
        if key >= len(index.key_position) or index.key_position[key] != begin or positions.min() < begin:
            return None
        later = index.position[self.last + 1 :]
        if ((later > begin) & (later < end)).any():
            return None
        return Run(begin, end, np.arange(self.first, self.last + 1), key)

    def copy(self, out: Any, run: Run, way: SoundWay) -> None:
        """Write the packets as they are, without the leading pictures of the group before."""
        cursor = self._media.cursor()
        with closing(cursor):
            stream = out.add_stream_from_template(cursor.session.stream)
            sound = self._sound(out, way)
            _write(out, heapq.merge(self._packets(cursor, run, stream), sound, key=lambda timed: timed[0]))

    def _packets(self, cursor: Any, run: Run, stream: Any) -> Iterator[Timed]:
        index = self._media.index
        assert index is not None
        wanted = np.zeros(len(index.packet_pts), dtype=np.bool_)
        wanted[index.position[run.wanted]] = True
        shift = index.pts[self.first]
        for position, packet in cursor.packets(run):
            if not wanted[position]:
                continue
            packet.pts -= shift
            packet.dts = packet.dts - shift if packet.dts is not None else None
            packet.stream = stream
            yield float((packet.pts if packet.dts is None else packet.dts) * packet.time_base), packet

    def encode(self, out: Any, quality: int, threads: int, way: SoundWay) -> None:
        """Encode the pictures, upright, at the times they are shown."""
        width, height = (side - side % 2 or 2 for side in (self._media.info.width, self._media.info.height))
        rate = Fraction(self._media.info.fps).limit_denominator(1001)
        stream = out.add_stream("libx264", rate=rate, options={"crf": str(quality), "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = _CLOCK
        stream.codec_context.thread_count = threads
        sound = self._sound(out, way)
        _write(out, heapq.merge(self._encoded(stream, width, height), sound, key=lambda timed: timed[0]))

    def _encoded(self, stream: Any, width: int, height: int) -> Iterator[Timed]:
        convert = self._media.converter((width, height))
        count = 0
        for rank, seconds, frame in self._media.walk_span(self.first, self.last):
            picture = convert.upright(frame)
            start, end = seconds - self.got.start, float(self._ends[rank - self.first]) - self.got.start
            picture.time_base = _CLOCK
            picture.pts = round(start / _CLOCK)
            picture.duration = max(1, round(end / _CLOCK) - picture.pts)
            count += 1
            for packet in stream.encode(picture):
                yield float(packet.dts * packet.time_base), packet
        if not count:
            raise VideoError(
                f"{self._source.name}: no frame of the clip can be decoded: the file is damaged."
            )
        for packet in stream.encode(None):
            yield float(packet.dts * packet.time_base), packet

    def _sound(self, out: Any, way: SoundWay) -> Iterator[Timed]:
        start = self._media.info.start_seconds + self.got.start
        if way == "copy":
            return copied_sound(self._source, out, start, self.got.duration)
        if way == "encode":
            return encoded_sound(self._source, out, start, self.got.duration)
        return iter(())


def _write(out: Any, packets: Iterator[Timed]) -> None:
    for _, packet in packets:
        out.mux(packet)
