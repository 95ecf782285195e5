"""The live watch: cameras are read, scored and guarded; alarms are written down, sent, and described later.

One reader thread a camera, one thread that scores (the caller's), one that describes, one a sink. Only the
scoring thread changes what is known of alarms; the others hand it what they have. Nothing that can be slow
(the model, the network, another camera) stands between a picture and its alarm.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from holmesvau.ats.features import Encoder, Scorer
from holmesvau.errors import ConfigError, HolmesError, OutputError
from holmesvau.stream import recorder as recorders
from holmesvau.stream.alarms import AlarmConfig
from holmesvau.stream.backoff import Backoff
from holmesvau.stream.camera import Camera, CameraConfig, ReadingConfig
from holmesvau.stream.describer import Describer, DescriberConfig
from holmesvau.stream.guard import Guard
from holmesvau.stream.inbox import Inbox
from holmesvau.stream.outbox import Outbox
from holmesvau.stream.record import (
    AlarmMessage,
    CameraMessage,
    ClipPart,
    Message,
    WordsPart,
    key_of,
    updated,
    utc,
)
from holmesvau.stream.recorder import ClipConfig, Recorder
from holmesvau.stream.scoring import CameraScorer, Scored, ScoringConfig
from holmesvau.stream.sinks import Delivery, JsonLines, Mqtt, MqttConfig, Sink, Webhook, WebhookConfig
from holmesvau.stream.status import of_camera, of_model, of_sink, resident_bytes
from holmesvau.vlm.protocol import VisionLanguageModel

log = logging.getLogger(__name__)

OUTBOX = "outbox.sqlite"
ALARMS = "alarms.jsonl"
CLIPS = "clips"
_TICK_SECONDS = 0.25
# Messages kept in memory while the disk takes none; the oldest go first.
_UNWRITTEN = 1000
# A reader that hangs in a silent source is not waited for when the watch ends.
_READER_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class LiveConfig:
    """Everything that decides what a live watch does: `holmesvau live --config FILE.toml`.

    `waiting` pictures a camera wait for the scorer before the oldest is dropped; `outbox` messages a sink on
    disk. At the end the model and the sinks get `finish_seconds` each to finish.
    """

    camera: tuple[CameraConfig, ...] = ()
    reading: ReadingConfig = field(default_factory=ReadingConfig)
    scoring: ScoringConfig = field(default_factory=ScoringConfig)
    alarms: AlarmConfig = field(default_factory=AlarmConfig)
    clips: ClipConfig = field(default_factory=ClipConfig)
    describer: DescriberConfig = field(default_factory=DescriberConfig)
    jsonl: bool = True
    webhook: tuple[WebhookConfig, ...] = ()
    mqtt: tuple[MqttConfig, ...] = ()
    sending: Backoff = field(default_factory=lambda: Backoff(longest=300.0))
    waiting: int = 4
    outbox: int = 100_000
    finish_seconds: float = 10.0


class LiveWatch:
    """A watch over `config.camera`, with its files in the folder `out`.

    `on_message` is called with each message after it is written down, `on_score` with the camera's name and
    each score; both in the scoring thread. Alarms that a killed watch left open in `out` are closed, as
    interrupted, when this one begins.

    Raises:
        ConfigError: when no camera is given, or two have one name.
        VideoError: when a camera's file is missing.
        OutputError: when the folder cannot be written, or another watch has it.
        MissingPartError: when a sink's library is not installed.
    """

    def __init__(
        self,
        encoder: Encoder,
        scorer: Scorer,
        model: VisionLanguageModel | None,
        config: LiveConfig,
        out: str | Path,
        *,
        on_message: Callable[[Message], None] | None = None,
        on_score: Callable[[str, Scored], None] | None = None,
    ) -> None:
        cameras = named(config.camera)
        self.config = replace(config, camera=cameras)
        self.out = Path(out)
        self._on_message, self._on_score = on_message, on_score
        self._inbox = Inbox(len(cameras), config.waiting)
        # What other threads have to tell: clips that are finished, words that were said.
        self._told: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._describer = None if model is None else Describer(model, config.describer, self._words)
        self._guards: list[Guard] = []
        self._recorders: list[Recorder] = []
        for number, camera in enumerate(cameras):
            self._guards.append(self._guard(number, camera, encoder, scorer))
        sinks = _sinks(config, self.out)
        try:
            self._outbox = Outbox(self.out / OUTBOX, [sink.name for sink in sinks], limit=config.outbox)
        except OutputError:
            for sink in sinks:
                sink.close()
            raise
        self._deliveries = [Delivery(sink, self._outbox, config.sending) for sink in sinks]
        self._began = time.monotonic()
        self._slowest = self._latency = 0.0
        self._last_status: dict[str, Any] | None = None
        # Messages that the disk did not take; tried again at every tick.
        self._unwritten: deque[tuple[Message, bool]] = deque(maxlen=_UNWRITTEN)

    def _guard(self, number: int, config: CameraConfig, encoder: Encoder, scorer: Scorer) -> Guard:
        clips = self.config.clips
        recorder = None
        if clips.enabled:
            recorder = Recorder(clips, self.out / CLIPS, config.name, self._clip)
            self._recorders.append(recorder)
        camera = Camera(
            number,
            config,
            self.config.reading,
            inbox=self._inbox,
            recorder=recorder,
            stride_seconds=self.config.scoring.stride_seconds,
            frame_size=encoder.frame_size,
            wants_looks=self._describer is not None,
        )
        return Guard(
            camera,
            CameraScorer(encoder, scorer, self.config.scoring),
            self.config.alarms,
            self.config.describer,
            self.config.scoring.stride_seconds,
            recorder=recorder,
            emit=self._emit,
            ask=None if self._describer is None else self._describer.ask,
        )

    def run(self, stopped: threading.Event | None = None) -> None:
        """Watch until `stopped` is set, or until every recording among the sources has ended.

        Raises:
            OutputError: at the end, when alarms could not be written down.
            VideoError: after all others have ended, when a file among the sources was no video.
        """
        stopped = stopped or threading.Event()
        try:
            self._close_old()
            for delivery in self._deliveries:
                delivery.start()
            if self._describer is not None:
                self._describer.start()
            for guard in self._guards:
                guard.camera.start()
            ticked = 0.0
            while not stopped.is_set():
                ended = all(guard.camera.state == "ended" for guard in self._guards)
                shot = self._inbox.take(_TICK_SECONDS)
                if shot is None and ended:
                    break
                if shot is not None:
                    scored = self._guards[shot.camera].see(shot)
                    self._latency = time.monotonic() - shot.arrived
                    self._slowest = max(self._slowest, self._latency)
                    if self._on_score is not None:
                        self._on_score(self._guards[shot.camera].part.name, scored)
                self._listen()
                if time.monotonic() - ticked >= _TICK_SECONDS:
                    self._tick()
                    ticked = time.monotonic()
        finally:
            self._finish(interrupted=stopped.is_set())
        failed: HolmesError | None = next((g.camera.failed for g in self._guards if g.camera.failed), None)
        if failed is not None:
            raise failed

    def status(self) -> dict[str, Any]:
        """How things stand: counters of cameras, queues and sinks, as plain JSON values."""
        if self._last_status is not None:
            return self._last_status
        now = time.monotonic()
        return {
            "seconds": round(now - self._began, 1),
            "memory_mib": round(resident_bytes() / 2**20, 1),
            "latency_seconds": round(self._latency, 4),
            "slowest_seconds": round(self._slowest, 4),
            "cameras": [
                of_camera(guard, self._inbox.dropped[number], now)
                for number, guard in enumerate(self._guards)
            ],
            "model": None if self._describer is None else of_model(self._describer),
            "sinks": [of_sink(delivery, self._outbox) for delivery in self._deliveries],
            "outbox_dropped": self._outbox.dropped,
            "unwritten": len(self._unwritten),
        }

    def _emit(self, message: Message, settled: bool = True) -> None:
        self._unwritten.append((message, settled))
        self._write_down()
        if self._on_message is not None:
            self._on_message(message)

    def _write_down(self) -> None:
        """Put what was emitted into the outbox; a full disk is no reason to stop watching."""
        while self._unwritten:
            message, settled = self._unwritten[0]
            try:
                self._outbox.put(message, settled=settled)
            except OutputError as error:
                log.error("%s (%d messages wait in memory)", error, len(self._unwritten))
                return
            self._unwritten.popleft()

    def _clip(self, alarm: str, part: ClipPart | None) -> None:
        self._told.put(lambda: self._first(lambda guard: guard.clip(alarm, part)))

    def _words(self, alarm: str, words: WordsPart, normal: bool | None) -> None:
        self._told.put(lambda: self._first(lambda guard: guard.words(alarm, words, normal)))

    def _first(self, tell: Callable[[Guard], bool]) -> None:
        any(tell(guard) for guard in self._guards)

    def _listen(self) -> None:
        """Take in what the other threads have told."""
        while True:
            try:
                self._told.get_nowait()()
            except queue.Empty:
                return

    def _tick(self) -> None:
        self._write_down()
        if self._describer is not None:
            for alarm in self._describer.overdue():
                self._first(lambda guard, alarm=alarm: guard.late(alarm))  # type: ignore[misc]
        now = time.monotonic()
        for guard in self._guards:
            camera = guard.camera
            silent = now - camera.last_frame
            if camera.state == "ended":
                continue
            if silent > self.config.reading.down_seconds and not guard.told_down:
                guard.told_down = True
                guard.leave(interrupted=False)
                reason = camera.reason or f"no picture for {silent:.0f} s"
                self._emit(self._camera_message(guard, "down", reason))
            elif silent <= self.config.reading.down_seconds and guard.told_down and camera.frames:
                guard.told_down = False
                self._emit(self._camera_message(guard, "up", "pictures come again"))

    @staticmethod
    def _camera_message(guard: Guard, state: str, reason: str) -> CameraMessage:
        identity = uuid.uuid4().hex
        told = {"state": state, "reason": reason, "at": utc(time.time()), "camera": guard.part}
        return CameraMessage(kind="camera", id=identity, sequence=0, key=key_of(identity, 0), **told)  # type: ignore[arg-type]

    def _close_old(self) -> None:
        """Tell the end of alarms that a killed watch left open, with what it had recorded of them."""
        for message in self._outbox.open_alarms():
            self._emit(self._interrupted(message), True)

    def _interrupted(self, message: AlarmMessage) -> AlarmMessage:
        changes: dict[str, Any] = {}
        if message.state == "open":
            changes["state"] = "interrupted"
        if message.words.status in ("pending", "late"):
            note = "the watch ended before the model had answered"
            changes["words"] = message.words.model_copy(update={"status": "interrupted", "note": note})
        clip = None if message.clip else recorders.adopt(self.out / CLIPS, message.id)
        if clip is not None:
            changes["clip"] = clip
        return updated(message, "interrupted", time.time(), **changes)

    def _finish(self, *, interrupted: bool) -> None:
        """Stop in order: sources, alarms and clips, words, sinks. Each has its time and no more."""
        for guard in self._guards:
            guard.camera.stop()
        until = time.monotonic() + _READER_SECONDS
        hanging = [
            guard.part.name
            for guard in self._guards
            if not guard.camera.join(max(0.0, until - time.monotonic()))
        ]
        if hanging:
            log.info("%s: still waiting for pictures; not waited for", ", ".join(hanging))
        for guard in self._guards:
            guard.leave(interrupted=interrupted)
        for recorder in self._recorders:
            recorder.lost()
        self._listen()
        if self._describer is not None:
            self._describer.finish(self.config.finish_seconds)
        self._listen()
        until = time.monotonic() + self.config.finish_seconds
        for delivery in self._deliveries:
            left = delivery.finish(max(0.0, until - time.monotonic()))
            if left:
                log.warning(
                    "%s: %d messages wait in %s for the next time", delivery.name, left, self._outbox.path
                )
        self._write_down()
        self._last_status = self.status()
        self._outbox.close()
        if self._unwritten:
            raise OutputError(
                f"{self._outbox.path}: {len(self._unwritten)} messages could not be written down."
            )


def named(cameras: Sequence[CameraConfig]) -> tuple[CameraConfig, ...]:
    """The cameras with a name each.

    Raises:
        ConfigError: when there is none, or two have the same name.
    """
    if not cameras:
        raise ConfigError("No camera is given: name a source, or a file of them with --config.")
    told = tuple(
        camera if camera.name else replace(camera, name=f"camera-{number}")
        for number, camera in enumerate(cameras, start=1)
    )
    names = [recorders.folder_name(camera.name) for camera in told]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"Two cameras are called {name}: give each a name of its own.")
    return told


def _sinks(config: LiveConfig, out: Path) -> list[Sink]:
    sinks: list[Sink] = [*(Webhook(each) for each in config.webhook), *(Mqtt(each) for each in config.mqtt)]
    names = [sink.name for sink in sinks]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{name} is given twice.")
    return [*([JsonLines(out / ALARMS)] if config.jsonl else []), *sinks]
