"""Words for alarms, in the background: an alarm never waits for the model, the model's words follow it.

One thread asks the model, at the lowest priority the system gives. What cannot be described is said: the
queue was full, no answer came, the model does not know such footage. Nothing is dropped silently.

Shape legend: `N` frames shown to the model.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from holmesvau.ats.features import Features
from holmesvau.ats.guarded import Trust
from holmesvau.ats.samplers import sample_curve
from holmesvau.describe import SamplerConfig
from holmesvau.errors import ConfigError, HolmesError, ModelDownError
from holmesvau.stream.alarms import Moment
from holmesvau.stream.backoff import Backoff
from holmesvau.stream.record import WordsPart
from holmesvau.types import AnomalyCurve, FrameBatch
from holmesvau.vlm import prompts
from holmesvau.vlm.protocol import GenerationOptions, VisionLanguageModel

log = logging.getLogger(__name__)

NORMAL_HERE = "What is normal at this camera: {normal} "


@dataclass(frozen=True, kw_only=True)
class DescriberConfig:
    """How alarms are described.

    The model is asked when an alarm has ended, or after `wait_seconds` of a longer one, about its pictures
    and those of `before_seconds` before it. At most `queue` alarms wait; the oldest waiting one is given up
    for a new one. When no answer has come after `late_seconds` an update says so, and another brings the
    words when they come. A model that is away is asked again until `give_up_seconds` have passed.

    Raises:
        ConfigError: when a value is not positive.
    """

    wait_seconds: float = 10.0
    before_seconds: float = 2.0
    queue: int = 16
    late_seconds: float = 120.0
    give_up_seconds: float = 900.0
    looks_seconds: float = 60.0
    unfamiliar: str = "withhold"
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    generation: GenerationOptions = field(default_factory=GenerationOptions)
    backoff: Backoff = field(default_factory=lambda: Backoff(first=2.0))

    def __post_init__(self) -> None:
        for name in ("queue", "late_seconds", "give_up_seconds", "looks_seconds"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"describer: {name} = {getattr(self, name)}: give a positive number.")
        if self.unfamiliar not in ("withhold", "mark"):
            raise ConfigError(f"describer: unfamiliar = {self.unfamiliar}: choose withhold or mark.")


@dataclass(frozen=True, slots=True)
class Look:
    """A picture kept for the model: its number, its place on the curve, and JPEG bytes."""

    index: int
    moment: Moment
    jpeg: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What the model is to say of one alarm."""

    alarm: str
    looks: tuple[Look, ...]
    stride_seconds: float
    normal: str = ""
    dense: Features | None = None
    trust: Trust | None = None
    since: float = field(default_factory=time.monotonic)


# Called with the alarm, the words, and whether the model judged it normal (None: it did not say). It must
# not wait for anything.
Said = Callable[[str, WordsPart, bool | None], None]


class Describer:
    """Takes jobs from any thread and tells `said` what came of each, exactly one final word a job.

    Counters: `described`, `dropped`, `failures`.
    """

    def __init__(self, model: VisionLanguageModel, config: DescriberConfig, said: Said) -> None:
        self.described = self.dropped = self.failures = 0
        self._model, self._config, self._said = model, config, said
        self._jobs: deque[Job] = deque()
        self._current: Job | None = None
        self._late: set[str] = set()
        self._changed = threading.Condition()
        self._stopped = False
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="holmesvau-describer", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def ask(self, job: Job) -> None:
        """Take a job; never waits."""
        given_up: Job | None = None
        with self._changed:
            if len(self._jobs) >= self._config.queue:
                given_up = self._jobs.popleft()
            self._jobs.append(job)
            self._changed.notify_all()
        if given_up is not None:
            self.dropped += 1
            note = f"more than {self._config.queue} alarms waited for the model"
            self._said(given_up.alarm, WordsPart(status="dropped", model=self._model.name, note=note), None)

    def overdue(self) -> list[str]:
        """Alarms whose words are late, each told once."""
        now = time.monotonic()
        with self._changed:
            waiting = [*self._jobs, *([self._current] if self._current else [])]
            late = [job.alarm for job in waiting if now - job.since > self._config.late_seconds]
            fresh = [alarm for alarm in late if alarm not in self._late]
            self._late = set(late)
        return fresh

    @property
    def waiting(self) -> int:
        """Jobs that are not answered yet."""
        with self._changed:
            return len(self._jobs) + (self._current is not None)

    def finish(self, seconds: float) -> None:
        """Answer what waits for at most `seconds` more; the rest is told to be interrupted."""
        until = time.monotonic() + seconds
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            while (self._jobs or self._current is not None) and time.monotonic() < until:
                self._changed.wait(max(0.01, until - time.monotonic()))
            left = [*self._jobs, *([self._current] if self._current else [])]
            self._jobs.clear()
            self._closed = True
            self._changed.notify_all()
        for job in left:
            note = "the watch ended before the model had answered"
            self._said(job.alarm, WordsPart(status="interrupted", model=self._model.name, note=note), None)

    def _run(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            # Of this thread alone, and of those that the model's library starts from it.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        while True:
            with self._changed:
                while not self._jobs and not self._closed:
                    if self._stopped:
                        return
                    self._changed.wait()
                if self._closed:
                    return
                job = self._current = self._jobs.popleft()
            try:
                words, normal = self._answer(job)
            except Exception as error:
                # A broken model must not end the watch; the traceback goes to the log.
                log.exception("describing failed")
                self.failures += 1
                note = f"{type(error).__name__}: {error}"
                words, normal = WordsPart(status="failed", model=self._model.name, note=note), None
            with self._changed:
                # After the end it was already told to be interrupted.
                if not self._closed:
                    self._said(job.alarm, words, normal)
                self._current = None
                self._changed.notify_all()

    def _answer(self, job: Job) -> tuple[WordsPart, bool | None]:
        """The words, asking again while the model is away and the job is young."""
        failures = 0
        withheld = self._withheld(job)
        if withheld is not None:
            return withheld, None
        while True:
            try:
                words, normal = self._explain(job)
                self.described += 1
                return words, normal
            except ModelDownError as error:
                failures += 1
                self.failures += 1
                pause = self._config.backoff.after(failures)
                if time.monotonic() - job.since + pause > self._config.give_up_seconds or self._stopped:
                    return WordsPart(status="failed", model=self._model.name, note=str(error)), None
                log.warning("%s Asking again in %.0f s.", error, pause)
                with self._changed:
                    self._changed.wait_for(lambda: self._stopped, pause)
            except HolmesError as error:
                self.failures += 1
                return WordsPart(status="failed", model=self._model.name, note=str(error)), None

    def _withheld(self, job: Job) -> WordsPart | None:
        """A model that was trained with the scorer does not speak where that one is not trusted."""
        foreign = job.trust is not None and not job.trust.is_familiar
        if not (foreign and self._model.uses_scan and self._config.unfamiliar == "withhold"):
            return None
        note = "this footage is unlike what the model was trained on; what it would say would be invented"
        return WordsPart(status="withheld", model=self._model.name, note=note)

    def _explain(self, job: Job) -> tuple[WordsPart, bool | None]:
        frames = self._frames(job)
        options = self._config.generation
        visual = (
            self._model.encode(frames, job.dense) if self._model.uses_scan else self._model.encode(frames)
        )
        asked = questions(job.normal)
        judgement, description = self._model.answer_many(
            visual, [asked["judgement"], asked["description"]], options=options
        )
        verdict = prompts.parse_judgement(judgement)
        analysis = ""
        if verdict.is_anomalous is not False:
            analysis = self._model.answer(visual, asked["analysis"], options=options)
        words = WordsPart(
            status="done",
            model=self._model.name,
            judgement=judgement,
            description=description,
            analysis=analysis,
            label=verdict.label or "",
        )
        return words, None if verdict.is_anomalous is None else not verdict.is_anomalous

    def _frames(self, job: Job) -> FrameBatch:
        """The pictures the model sees: `[<= N]` of those kept, chosen as the pipeline chooses."""
        sampler = self._config.sampler
        wanted = sampler.num_frames or self._model.num_frames
        curve = AnomalyCurve(
            np.array([look.moment.seconds for look in job.looks]),
            np.array([look.moment.score for look in job.looks], np.float32),
            np.array([look.index for look in job.looks], np.int64),
            job.stride_seconds,
        )
        index = curve.index
        if len(job.looks) > wanted:
            index = np.unique(sample_curve(curve, wanted, method=sampler.method, tau=sampler.tau).index)
        kept = {look.index: look for look in job.looks}
        chosen = [kept[number] for number in index.tolist()]
        pictures = [Image.open(io.BytesIO(look.jpeg)).convert("RGB") for look in chosen]
        # The camera may have changed the size of its pictures meanwhile.
        size = pictures[-1].size
        frames = np.stack([np.asarray(picture.resize(size)) for picture in pictures])
        return FrameBatch(frames, index, np.array([look.moment.seconds for look in chosen]))


def questions(normal: str) -> dict[str, str]:
    """What the pipeline asks of an event, with what is normal at this camera in front where that is known."""
    asked = prompts.QUESTIONS["event"]
    told = NORMAL_HERE.format(normal=normal.strip().rstrip(".") + ".") if normal.strip() else ""
    return {task: told + question for task, question in asked.items()}
