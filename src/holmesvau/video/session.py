"""One pass through a container: packets and frames, where damage costs what is damaged and nothing else."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import Self, TypeAlias

import av.error
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from holmesvau.video.loss import Losses
from holmesvau.video.source import Source, open_container, video_stream

_log = logging.getLogger(__name__)

VideoPacket: TypeAlias = "Packet[VideoStream]"

# A demuxer that returns this many errors in a row has nothing more to give: without an end it would go on for
# ever.
_ERRORS_IN_A_ROW = 64


class Session:
    """An open container with its decoder. Belongs to one thread at a time.

    libav's own messages stay off stderr (PyAV's default); what matters of them ends in `losses`.
    """

    def __init__(
        self,
        source: Source,
        losses: Losses,
        threads: int = 0,
        timeout: tuple[float, float] | None = None,
    ) -> None:
        self.source = source
        self.losses = losses
        self.container = open_container(source, timeout)
        try:
            self.stream = video_stream(self.container, source.name)
            self.context = self.stream.codec_context
            self.context.thread_type = "AUTO"
            self.context.thread_count = threads
        except BaseException:
            self.container.close()
            raise
        self.stopped = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release file and decoder; harmless when called twice."""
        self.container.close()

    def packets(self) -> Generator[VideoPacket]:
        """Packets of the video stream in decoding order, to the end or to where nothing more can be read."""
        errors = 0
        while not self.stopped.is_set():
            try:
                for packet in self.container.demux(self.stream):
                    if packet.size:
                        errors = 0
                        yield packet
                return
            except (av.error.ExitError, av.error.TimeoutError, ConnectionError) as error:
                self.losses.note(f"{self.source.name}: the sender went silent or hung up ({error.strerror}).")
                return
            except (av.error.FFmpegError, OSError) as error:
                errors += 1
                _log.debug("%s: error while reading packets: %s", self.source.name, error)
                if errors == 1:
                    self.losses.note(f"{self.source.name}: damaged between pictures ({error.strerror}).")
                if errors >= _ERRORS_IN_A_ROW:
                    self.losses.note(f"{self.source.name}: nothing more could be read past a damaged place.")
                    return

    def decode(self, packet: VideoPacket) -> list[VideoFrame]:
        """Frames that come out when `packet` goes in, in presentation order; none when it is broken."""
        try:
            return self.context.decode(packet)
        except av.error.BlockingIOError:
            # The decoder still holds a packet it choked on and takes no other until it is emptied.
            frames = self.drain()
            try:
                return frames + self.context.decode(packet)
            except (av.error.FFmpegError, OSError):
                self.losses.decoder_errors += 1
                return frames
        except (av.error.FFmpegError, OSError) as error:
            self.losses.decoder_errors += 1
            _log.debug("%s: a packet cannot be decoded: %s", self.source.name, error)
            return []

    def drain(self) -> list[VideoFrame]:
        """The frames still inside the decoder, which is then ready for another place of the file."""
        try:
            return self.context.decode(None)
        except (av.error.FFmpegError, OSError) as error:
            self.losses.decoder_errors += 1
            _log.debug("%s: error while emptying the decoder: %s", self.source.name, error)
            return []
        finally:
            self.context.flush_buffers()

    def frames(self) -> Iterator[VideoFrame]:
        """Every frame from here to the end, in presentation order."""
        for packet in self.packets():
            yield from self.decode(packet)
        yield from self.drain()
