"""A live source read for as long as its connection lasts: every packet, with the pictures it gave.

`LiveStream` gives chosen pictures of one connection; this gives all a camera's guard needs, and says in one
kind of error that connecting again may help.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av.error
from av.video.frame import VideoFrame

from holmesvau.errors import InputError, SourceLostError, VideoError
from holmesvau.video.loss import Losses
from holmesvau.video.session import Session
from holmesvau.video.source import Source, locate

_DEFAULT_FPS = 25.0
# A connection that gives this many errors in a row gives nothing else any more.
_ERRORS_IN_A_ROW = 64


@dataclass(frozen=True, slots=True)
class Arrival:
    """A packet, the pictures that came out of the decoder when it went in, and when (`time.monotonic()`)."""

    packet: Any
    frames: list[VideoFrame]
    arrived: float


class Feed:
    """One connection to a camera, a stream or a recording. Belongs to one thread; `stop` may be called by
    any.

    `open_seconds` may pass until the source answers, `stall_seconds` without a picture's packet, whatever
    else it sends. A file waits for nothing.

    Raises:
        SourceLostError: when a stream or device cannot be had now.
        VideoError: when trying again cannot help: a file that is none, a stream without pictures.
    """

    def __init__(
        self, source: Source, *, open_seconds: float = 15.0, stall_seconds: float = 10.0, threads: int = 1
    ) -> None:
        self.source = source
        self.losses = Losses()
        self._stall_seconds = stall_seconds
        self._stopped = threading.Event()
        elsewhere = source.live or source.remote
        try:
            self.session = Session(source, self.losses, threads, (open_seconds, stall_seconds))
        except VideoError as error:
            raise (SourceLostError(str(error)) if elsewhere else error) from error
        container, stream = self.session.container, self.session.stream
        # What has a length is a recording, behind whatever address it lies.
        self.is_recording = not source.live and (not source.remote or container.duration is not None)
        self.tick = float(stream.time_base) if stream.time_base else 0.0
        self.step = 1.0 / float(stream.average_rate or stream.guessed_rate or _DEFAULT_FPS)

    def arrivals(self) -> Iterator[Arrival]:
        """Packets as they come, until a recording ends or `stop`.

        Raises:
            SourceLostError: when the sender goes silent, hangs up or ends.
        """
        last = time.monotonic()
        for packet in self._packets():
            if packet.stream.index == self.session.stream.index:
                frames = self.session.decode(packet)
                last = time.monotonic()
                yield Arrival(packet, frames, last)
            elif time.monotonic() - last > self._stall_seconds:
                # Its sound may go on when its pictures do not.
                raise SourceLostError(
                    f"{self.source.name}: no picture for {self._stall_seconds:g} s, though something is sent."
                )
        if not self._stopped.is_set() and not self.is_recording:
            raise SourceLostError(f"{self.source.name}: the sender ended the stream.")

    def _packets(self) -> Iterator[Any]:
        errors = 0
        while not self._stopped.is_set():
            try:
                for packet in self.session.container.demux():
                    if self._stopped.is_set():
                        return
                    if packet.size:
                        errors = 0
                        yield packet
                return
            except (av.error.ExitError, av.error.TimeoutError, TimeoutError) as error:
                raise SourceLostError(
                    f"{self.source.name}: nothing came for {self._stall_seconds:g} s."
                ) from error
            except ConnectionError as error:
                raise SourceLostError(
                    f"{self.source.name}: the sender hung up ({error.strerror})."
                ) from error
            except (av.error.FFmpegError, OSError) as error:
                errors += 1
                if errors >= _ERRORS_IN_A_ROW:
                    raise SourceLostError(
                        f"{self.source.name}: nothing more can be read ({error.strerror})."
                    ) from error

    def stop(self) -> None:
        """End `arrivals` at the next packet."""
        self._stopped.set()

    def close(self) -> None:
        """Hang up; harmless when called twice."""
        self._stopped.set()
        self.session.close()


def locate_live(source: str) -> Source:
    """What `Feed` opens for a user's word: an address, a device, a pipe, or a file.

    Raises:
        InputError: for a folder of pictures, which has no speed.
        VideoError: when a file is missing or empty.
    """
    found = locate(source)
    if not isinstance(found, Source):
        raise InputError(f"{source}: a folder of pictures cannot be watched live. Give a stream or a file.")
    return found
