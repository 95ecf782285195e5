"""One camera's reader: connects, reads, reconnects, for as long as the watch goes on."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from av.video.frame import VideoFrame

from holmesvau.errors import ConfigError, HolmesError, SourceLostError
from holmesvau.stream.backoff import Backoff
from holmesvau.stream.inbox import Inbox, Shot
from holmesvau.stream.recorder import Recorder
from holmesvau.video.choice import Choice
from holmesvau.video.convert import Converter, orientation
from holmesvau.video.feed import Arrival, Feed, locate_live
from holmesvau.video.picture import jpeg
from holmesvau.video.source import Source, without_password
from holmesvau.video.timeline import Timeline

log = logging.getLogger(__name__)

State = Literal["connecting", "watching", "waiting", "ended"]
# After so many seconds with pictures, the next failure counts as the first.
_SETTLED_SECONDS = 30.0
_VARIABLE = re.compile(r"\$\{(\w+)\}")
# Sides of the pictures kept for a describing model.
_LOOK_WIDTH = 640


@dataclass(frozen=True, kw_only=True)
class CameraConfig:
    """A camera. In `source`, `${NAME}` stands for the environment variable NAME: for passwords.

    `normal` says in words what is normal there: the describing model is told. `enter` and `leave` are the
    alarm's thresholds where this camera needs its own. A file is played at `speed` times its own; 0 is as
    fast as it can be scored. `loop` begins it anew at its end.
    """

    source: str
    name: str = ""
    normal: str = ""
    enter: float | None = None
    leave: float | None = None
    speed: float = 1.0
    loop: bool = False

    def __post_init__(self) -> None:
        if not self.speed >= 0:
            raise ConfigError(f"camera {self.name}: speed = {self.speed}: give 0 or a positive number.")


@dataclass(frozen=True, kw_only=True)
class ReadingConfig:
    """Seconds until a source must have answered, and without a picture until its connection is given up.

    `backoff` is the pause before connecting again; a camera that is away for `down_seconds` is told of.
    """

    open_seconds: float = 15.0
    stall_seconds: float = 10.0
    down_seconds: float = 30.0
    backoff: Backoff = field(default_factory=Backoff)

    def __post_init__(self) -> None:
        for name in ("open_seconds", "stall_seconds", "down_seconds"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"reading: {name} = {getattr(self, name)}: give a positive number.")


class Camera:
    """Reads one source in a thread of its own and puts a picture every stride into the inbox.

    Counters: `connections`, `frames` decoded, `shots` handed over, `decoder_errors`, and those of its
    `timeline`. `state` and `reason` say how it stands; `last_frame` is when the last picture came
    (`time.monotonic()`).

    Raises:
        VideoError: when a file is missing or empty: that no waiting mends.
        ConfigError: when a variable in `source` is not set.
    """

    def __init__(
        self,
        number: int,
        config: CameraConfig,
        reading: ReadingConfig,
        *,
        inbox: Inbox,
        recorder: Recorder | None,
        stride_seconds: float,
        frame_size: Callable[[int, int], tuple[int, int] | None],
        wants_looks: bool,
    ) -> None:
        self.number, self.config = number, config
        self.source: Source = locate_live(with_variables(config.source))
        self.state: State = "connecting"
        self.reason = ""
        self.connections = self.frames = self.shots = self.decoder_errors = self.bugs = 0
        self.failed: HolmesError | None = None
        self.timeline = Timeline()
        self.began = self.last_frame = time.monotonic()
        self._reading, self._inbox, self._recorder = reading, inbox, recorder
        self._frame_size, self._wants_looks = frame_size, wants_looks
        self._wanted = Choice(every_seconds=stride_seconds).stepper()
        self._stopped = threading.Event()
        self._feed: Feed | None = None
        self._converters: dict[tuple[int, int], tuple[Converter, Converter]] = {}
        self._play_from: tuple[float, float] | None = None
        self._thread = threading.Thread(target=self._run, name=f"holmesvau-camera-{number}", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the reader to end; it does at the next packet, or when its source's time is up."""
        self._stopped.set()
        feed = self._feed
        if feed is not None:
            feed.stop()

    def join(self, seconds: float) -> bool:
        """Wait for the reader's end; False when it still hangs in its source."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        failures, said = 0, ""
        while not self._stopped.is_set():
            self.state = "connecting"
            connected = time.monotonic()
            try:
                if self._watch() and not self.config.loop:
                    break
                failures = 0
                continue
            except SourceLostError as error:
                self.reason = str(error)
            except HolmesError as error:
                # A file that is no video will be none in a minute.
                self.reason, self.failed = str(error), error
                break
            except Exception as error:  # noqa: BLE001 - logged below
                # One camera's trouble must not silence the others; the traceback goes to the log.
                self.bugs += 1
                self.reason = without_password(f"{type(error).__name__}: {error}")
                trace = without_password(traceback.format_exc())
                log.error("%s: reading failed\n%s", self.config.name, trace)
            finally:
                if self._recorder is not None:
                    self._recorder.lost()
            if self._stopped.is_set():
                break
            settled = self.last_frame - connected > _SETTLED_SECONDS
            failures = 1 if settled else failures + 1
            pause = self._reading.backoff.after(failures)
            self.state = "waiting"
            # Each reason once: a camera that is away for a night would fill the log.
            level = logging.WARNING if self.reason != said else logging.DEBUG
            log.log(level, "%s: %s Connecting again in %.0f s.", self.config.name, self.reason, pause)
            said = self.reason
            self._stopped.wait(pause)
        self.state = "ended"
        self._inbox.wake()

    def _watch(self) -> bool:
        """One connection; True when a recording has come to its end."""
        reading = self._reading
        feed = Feed(self.source, open_seconds=reading.open_seconds, stall_seconds=reading.stall_seconds)
        with closing(feed):
            self._feed = feed
            self.connections += 1
            self.timeline.begin(trusted=feed.is_recording)
            self._play_from = None
            if self._recorder is not None:
                self._recorder.connected(feed)
            for arrival in feed.arrivals():
                self._take(feed, arrival)
            if feed.is_recording and not self._stopped.is_set():
                for frame in feed.session.drain():
                    self._show(frame, self._seconds(feed, frame, time.monotonic()), time.monotonic())
            self._feed = None
        return feed.is_recording

    def _take(self, feed: Feed, arrival: Arrival) -> None:
        times = [self._seconds(feed, frame, arrival.arrived) for frame in arrival.frames]
        self.decoder_errors = max(self.decoder_errors, feed.losses.decoder_errors)
        if self._recorder is not None:
            self._recorder.take(arrival, times)
        for frame, seconds in zip(arrival.frames, times, strict=True):
            if feed.is_recording and not self._paced(seconds):
                return
            self._show(frame, seconds, time.monotonic())

    def _seconds(self, feed: Feed, frame: VideoFrame, arrived: float) -> float:
        told = None if frame.pts is None else frame.pts * feed.tick
        return self.timeline.at(told, arrived, feed.step)

    def _paced(self, seconds: float) -> bool:
        """Wait until a recording's picture is due; False when the watch ends meanwhile."""
        if self.config.speed == 0:
            return not self._stopped.is_set()
        now = time.monotonic()
        if self._play_from is None:
            self._play_from = (seconds, now)
        first, began = self._play_from
        return not self._stopped.wait(max(0.0, began + (seconds - first) / self.config.speed - now))

    def _show(self, frame: VideoFrame, seconds: float, now: float) -> None:
        self.frames += 1
        self.last_frame = now
        if self.state != "watching":
            self.state, self.reason = "watching", ""
        if not self._wanted(self.frames - 1, seconds, bool(frame.key_frame)):
            return
        for_scorer, for_model = self._converters_of(frame)
        picture = _picture(for_scorer, frame)
        look = b""
        if self._wants_looks:
            same = for_model.size == for_scorer.size
            look = jpeg(picture if same else _picture(for_model, frame), quality=90)
        shot = Shot(self.number, self.frames - 1, seconds, now, time.time(), picture, look)
        patient = self.config.speed == 0
        self.shots += self._inbox.put(shot, patient=patient, given_up=self._stopped.is_set)

    def _converters_of(self, frame: VideoFrame) -> tuple[Converter, Converter]:
        """For the scorer and for the model; new ones where the camera's picture has another size."""
        stored = (frame.width, frame.height)
        if stored not in self._converters:
            turn = orientation(frame)
            width, height = turn.shown_size(*stored)
            shrink = min(1.0, _LOOK_WIDTH / max(width, height))
            look = (max(1, round(width * shrink)), max(1, round(height * shrink)))
            wanted = self._frame_size(width, height) or (width, height)
            self._converters = {stored: (Converter(wanted, turn), Converter(look, turn))}
        return self._converters[stored]


def _picture(converter: Converter, frame: VideoFrame) -> np.ndarray:
    width, height = converter.size
    picture = np.empty((height, width, 3), dtype=np.uint8)
    converter.into(frame, picture)
    return picture


def with_variables(source: str) -> str:
    """`source` with every `${NAME}` replaced by that environment variable.

    Raises:
        ConfigError: when one is not set.
    """

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if found is None:
            raise ConfigError(f"The environment variable {match[1]}, named in a camera's source, is not set.")
        return found

    return _VARIABLE.sub(value, source)
