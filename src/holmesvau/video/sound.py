"""The sound of a clip: copied packet by packet where the target holds it, else encoded to the sample."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any, Literal

import av.error
from av.audio.fifo import AudioFifo
from av.audio.resampler import AudioResampler

from holmesvau.video.source import Source, open_container

SoundWay = Literal["copy", "encode", "none"]

_MP4_SOUND = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus"})
# Sound is read from this many seconds before the cut, so that the decoder has warmed up where the clip
# begins.
_WARM_UP = 1.0


def sound_way(source: Source, container: str) -> SoundWay:
    """How the first sound of `source` gets into a `container`; "none" when it has no decoder either."""
    with open_container(source) as opened:
        if not opened.streams.audio:
            return "none"
        # PyAV's types do not say so, but a stream without a decoder has no codec context.
        context: Any = opened.streams.audio[0].codec_context
        if context is None:
            return "none"
        return "copy" if container == "matroska" or context.codec.canonical_name in _MP4_SOUND else "encode"


def copied_sound(source: Source, out: Any, start: float, duration: float) -> Iterator[tuple[float, Any]]:
    """Packets that begin within the clip, which starts at `start` seconds of the container's time."""
    opened = open_container(source)
    stream = out.add_stream_from_template(opened.streams.audio[0])
    return _copied(opened, stream, start, duration)


def _copied(opened: Any, target: Any, start: float, duration: float) -> Iterator[tuple[float, Any]]:
    with opened:
        stream = opened.streams.audio[0]
        shift = round(start / stream.time_base)
        for packet in _packets(opened, stream, start):
            if packet.pts is None or packet.pts < shift:
                continue
            if (packet.pts - shift) * stream.time_base >= duration:
                return
            packet.pts -= shift
            packet.dts = packet.pts
            packet.stream = target
            yield float(packet.pts * packet.time_base), packet


def encoded_sound(source: Source, out: Any, start: float, duration: float) -> Iterator[tuple[float, Any]]:
    """AAC packets of exactly the clip's samples."""
    opened = open_container(source)
    stream = out.add_stream("aac", rate=opened.streams.audio[0].codec_context.sample_rate or 44100)
    return _encoded(opened, stream, start, duration)


def _encoded(opened: Any, target: Any, start: float, duration: float) -> Iterator[tuple[float, Any]]:
    with opened:
        frames = AudioFifo()
        for frame in _samples(opened, target, start, duration):
            frames.write(frame)
            while (piece := frames.read(1024)) is not None:
                yield from _timed(target.encode(piece))
        if (piece := frames.read(0, partial=True)) is not None and piece.samples:
            yield from _timed(target.encode(piece))
        yield from _timed(target.encode(None))


def _timed(packets: list[Any]) -> Iterator[tuple[float, Any]]:
    for packet in packets:
        yield float(packet.pts * packet.time_base), packet


def _samples(opened: Any, target: Any, start: float, duration: float) -> Iterator[Any]:
    """Frames trimmed to the clip, in the encoder's format, with times that count from the clip's start."""
    stream = opened.streams.audio[0]
    rate = target.codec_context.sample_rate
    resampler = AudioResampler(format="fltp", layout=target.codec_context.layout, rate=rate)
    for packet in _packets(opened, stream, start):
        try:
            decoded = packet.decode()
        except (av.error.FFmpegError, OSError):
            continue
        for raw in decoded:
            if raw.pts is None:
                continue
            begin = float(raw.pts * stream.time_base) - start
            if begin >= duration:
                return
            for frame in resampler.resample(raw):
                position = round(begin * rate)
                first, last = max(0, -position), min(frame.samples, round(duration * rate) - position)
                begin += frame.samples / rate
                if first >= last:
                    continue
                piece = av.AudioFrame.from_ndarray(
                    frame.to_ndarray()[:, first:last].copy(), format="fltp", layout=frame.layout.name
                )
                piece.sample_rate, piece.time_base = rate, Fraction(1, rate)
                piece.pts = position + first
                yield piece


def _packets(opened: Any, stream: Any, start: float) -> Iterator[Any]:
    with suppress(av.error.FFmpegError, OSError):
        opened.seek(max(0, int((start - _WARM_UP) * 1_000_000)))
    try:
        for packet in opened.demux(stream):
            if packet.size:
                yield packet
    except (av.error.FFmpegError, OSError):
        # Sound that cannot be read any further ends here; the pictures go on.
        return
