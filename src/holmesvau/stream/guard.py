"""One camera's guard: its scores become alarms, and each alarm the messages about it."""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from holmesvau.ats.guarded import Trust
from holmesvau.stream.alarms import AlarmConfig, AlarmWatch, Ended, HeldBack, Moment, Raised
from holmesvau.stream.camera import Camera
from holmesvau.stream.classes import RecentClasses
from holmesvau.stream.describer import DescriberConfig, Job, Look
from holmesvau.stream.inbox import Shot
from holmesvau.stream.record import (
    AlarmMessage,
    CameraPart,
    ClipPart,
    CurvePart,
    MomentPart,
    TrustPart,
    WordsPart,
    key_of,
    updated,
    utc,
)
from holmesvau.stream.recorder import Recorder
from holmesvau.stream.scoring import CameraScorer, Scored
from holmesvau.stream.usual import UsualAlarms

# Writes a message down and sends it; the flag says that nothing more is to be told of its alarm.
Emit = Callable[[AlarmMessage, bool], None]
Ask = Callable[[Job], None]


@dataclass(slots=True)
class _Alarm:
    """An alarm that is not settled: its last message, and what is still to come."""

    message: AlarmMessage
    raised: float
    clip_comes: bool
    asked: bool = False

    @property
    def settled(self) -> bool:
        words = self.message.words.status not in ("pending", "late")
        return self.message.state != "open" and words and not self.clip_comes


class Guard:
    """Belongs to the thread that scores. `emit` must have written the message when it returns."""

    def __init__(
        self,
        camera: Camera,
        scorer: CameraScorer,
        alarms: AlarmConfig,
        describer: DescriberConfig,
        stride_seconds: float,
        *,
        recorder: Recorder | None,
        emit: Emit,
        ask: Ask | None,
    ) -> None:
        config = camera.config
        self.camera = camera
        self.raised = 0
        self.latest: Scored | None = None
        self.told_down = False
        self.part = CameraPart(name=config.name, source=camera.source.name, normal=config.normal)
        enter = config.enter if config.enter is not None else alarms.enter
        leave = config.leave if config.leave is not None else min(alarms.leave, enter)
        self._thresholds = replace(alarms, enter=enter, leave=leave)
        self._watch = AlarmWatch(self._thresholds, stride_seconds)
        self._scorer, self._describer, self._stride = scorer, describer, stride_seconds
        self.recorder, self._emit, self._ask = recorder, emit, ask
        kept = max(2, round(describer.looks_seconds / stride_seconds)) if ask is not None else 0
        self._looks: deque[Look] = deque(maxlen=kept)
        self._classes = RecentClasses(scorer.class_names)
        self._usual = UsualAlarms(alarms.usual_an_hour)
        # What the moments are taken for that may become an alarm.
        self._held = ""
        self.held_back = 0
        self._alarms: dict[str, _Alarm] = {}
        self._open: str | None = None

    def see(self, shot: Shot) -> Scored:
        """Score a picture and tell what that changes."""
        scored = self.latest = self._scorer.see(shot)
        now = Moment(scored.seconds, shot.wall, scored.score)
        self._classes.see(scored.seconds, scored.score, scored.classes)
        if shot.look:
            self._looks.append(Look(shot.index, now, shot.look))
        label = self._classes.likeliest(now.seconds - self._thresholds.smooth_seconds)
        if scored.score >= self._thresholds.enter:
            self._held = label
        change = self._watch.step(now, self._usual.bar(label, now.seconds))
        if isinstance(change, Raised):
            self._raise(change, now, scored)
        elif isinstance(change, Ended):
            self._end(change)
        elif isinstance(change, HeldBack):
            self.held_back += 1
            self._usual.add(self._held, now.seconds, change.height)
        elif self._open is not None:
            # A long alarm is described before its end.
            alarm = self._alarms[self._open]
            if now.seconds - alarm.raised >= self._describer.wait_seconds:
                self._describe(alarm)
        return scored

    def leave(self, *, interrupted: bool) -> None:
        """No more pictures come: end an open alarm, as ended or as interrupted by the watch's own end."""
        ended = self._watch.close()
        if ended is not None:
            self._end(ended, interrupted=interrupted)

    def clip(self, alarm: str, part: ClipPart | None) -> bool:
        """The alarm's clip is finished (None: there is none); False when the alarm is not of this camera."""
        found = self._alarms.get(alarm)
        if found is None:
            return False
        found.clip_comes = False
        # Without a clip there is something to tell only when that settles the alarm.
        if part is not None or found.settled:
            self._update(found, "clip", clip=part)
        return True

    def words(self, alarm: str, words: WordsPart, normal: bool | None) -> bool:
        """What the model says, or why it does not; False when the alarm is not of this camera."""
        found = self._alarms.get(alarm)
        if found is None:
            return False
        reason = "described" if words.status == "done" else "undescribed"
        self._update(found, reason, words=words, dismissed_by_model=bool(normal))
        return True

    def late(self, alarm: str) -> bool:
        """The model has not answered in time; False when the alarm is not of this camera."""
        found = self._alarms.get(alarm)
        if found is None:
            return False
        words = found.message.words.model_copy(update={"status": "late", "note": "the model is slow"})
        self._update(found, "late", words=words)
        return True

    @property
    def unsettled(self) -> int:
        """Alarms of which something is still to come."""
        return len(self._alarms)

    def _raise(self, raised: Raised, now: Moment, scored: Scored) -> None:
        identity = uuid.uuid4().hex
        self.raised += 1
        words = WordsPart(status="none" if self._ask is None else "pending")
        message = AlarmMessage(
            kind="alarm", reason="raised", id=identity, sequence=0, key=key_of(identity, 0),
            at=utc(now.wall), state="open", camera=self.part,
            start=_moment(raised.start), peak=_moment(raised.peak), end=None,
            scorer=scored.scorer, trust=_trust(scored.trust),
            label=self._classes.likeliest(raised.start.seconds),
            enter=self._thresholds.enter, leave=self._thresholds.leave,
            curve=self._curve(raised.start.seconds), clip=None, words=words, dismissed_by_model=False,
        )  # fmt: skip
        alarm = _Alarm(message, now.seconds, clip_comes=self.recorder is not None)
        self._alarms[identity], self._open = alarm, identity
        # First the message: whatever comes after may take its time or fail.
        self._emit(message, False)
        if self.recorder is not None:
            self.recorder.begin(identity, raised.start.seconds, raised.start.wall)

    def _end(self, ended: Ended, *, interrupted: bool = False) -> None:
        assert self._open is not None
        alarm, self._open = self._alarms[self._open], None
        if self.recorder is not None:
            self.recorder.end(alarm.message.id, ended.end.seconds)
        state, reason = ("interrupted", "interrupted") if interrupted else ("ended", "ended")
        self._update(
            alarm, reason, state=state, end=_moment(ended.end), peak=_moment(ended.peak),
            label=self._classes.likeliest(alarm.message.start.seconds, ended.end.seconds),
            curve=self._curve(alarm.message.start.seconds),
        )  # fmt: skip
        self._usual.add(alarm.message.label, ended.end.seconds, ended.height)
        self._describe(alarm)

    def _describe(self, alarm: _Alarm) -> None:
        if alarm.asked or self._ask is None:
            return
        alarm.asked = True
        first = alarm.message.start.seconds - self._describer.before_seconds
        looks = tuple(look for look in self._looks if look.moment.seconds >= first) or tuple(self._looks)[-1:]
        if not looks:
            return
        trust = self.latest.trust if self.latest is not None else None
        self._ask(Job(alarm.message.id, looks, self._stride, self.part.normal, self._scorer.window(), trust))

    def _update(self, alarm: _Alarm, reason: str, **changes: object) -> None:
        alarm.message = updated(alarm.message, reason, time.time(), **changes)  # type: ignore[arg-type]
        if alarm.settled:
            del self._alarms[alarm.message.id]
        self._emit(alarm.message, alarm.settled)

    def _curve(self, start: float) -> CurvePart:
        moments = self._watch.curve(start)
        return CurvePart(
            seconds=[round(moment.seconds, 3) for moment in moments],
            scores=[round(moment.score, 4) for moment in moments],
            stride_seconds=self._stride,
        )


def _moment(moment: Moment) -> MomentPart:
    return MomentPart(at=utc(moment.wall), seconds=round(moment.seconds, 3), score=round(moment.score, 4))


def _trust(trust: Trust | None) -> TrustPart | None:
    if trust is None:
        return None
    return TrustPart(
        distance=round(trust.distance, 4), limit=round(trust.limit, 4), familiar=trust.is_familiar
    )
