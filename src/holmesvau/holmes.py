"""The pipeline: `watch`, `ask` and `score`, on a recording.

    video -> scan (features) -> scorer (curve) -> events -> sampler (frames) -> model (words) -> Report

Source: Holmes-VAU, §4.2 (anomaly-focused temporal sampler), §3.1 (tasks and granularities).
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, overload

import numpy as np

from holmesvau.asking import Asking
from holmesvau.ats.calibration import Calibration
from holmesvau.ats.chapters import ChaptersConfig
from holmesvau.ats.events import EventsConfig
from holmesvau.ats.features import Encoder, Features, Progress, Scorer
from holmesvau.ats.guarded import GuardedScorer, Trust
from holmesvau.ats.scan import ScanConfig, ScanResult, scan
from holmesvau.describe import DescribeConfig, SamplerConfig, Seen, unfamiliar
from holmesvau.errors import ConfigError, InputError, MissingPartError
from holmesvau.types import AnomalyCurve, Answer, Report, Selection, Span
from holmesvau.video import Video, open_video
from holmesvau.vlm.protocol import GenerationOptions, History, VisionLanguageModel

log = logging.getLogger(__name__)

# A file by its path, time of change and size.
Key = tuple[str, int, int]
T = TypeVar("T")

FRAMES_WITHOUT_MODEL = 16
VIDEOS_REMEMBERED = 4


@dataclass(frozen=True, kw_only=True)
class HolmesConfig:
    """Everything that decides what `watch` does; written into each report.

    `harmless` says what becomes of an event that the scorer's classes take for a hard negative
    (`ats.harmless`): it is dropped, and the report says so, or kept. Dropped is too what is an event with a
    probability below `least_confidence`, of a scorer whose confidence is calibrated (`ats.calibration`): in
    hours much stands out for once. At 0.15 about six events are looked at in vain for each that is one.

    Raises:
        ConfigError: when `least_confidence` is not in [0, 1].
    """

    scan: ScanConfig = field(default_factory=ScanConfig)
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    events: EventsConfig = field(default_factory=EventsConfig)
    harmless: Literal["drop", "keep"] = "drop"
    least_confidence: float = 0.15
    chapters: ChaptersConfig = field(default_factory=ChaptersConfig)
    describe: DescribeConfig = field(default_factory=DescribeConfig)
    generation: GenerationOptions = field(default_factory=GenerationOptions)
    thumbnail_width: int = 320
    # Pictures a second, for a source that is a folder of them (25 where it is not given).
    fps: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.least_confidence <= 1:
            raise ConfigError(f"least_confidence = {self.least_confidence}: give a probability, 0 to 1.")


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """A curve with what it took to get it.

    `trust` says whether the footage is like the scorer's training; None for a scorer that does not know.
    `calibration` turns the confidence of its events into a probability, where that was learnt; `scorer` is
    the one that gave the scores.
    """

    curve: AnomalyCurve
    scan: ScanResult
    score_seconds: float
    trust: Trust | None = None
    calibration: Calibration | None = None
    scorer: Scorer | None = None


class Holmes:
    """Watches recordings: an encoder and a scorer say where to look, a model says what is seen.

    `model` may be None: then curve, events and frames are reported without words.

    Raises:
        InputError: when the scorer was made for features of another width than the encoder gives.
    """

    def __init__(
        self,
        encoder: Encoder,
        scorer: Scorer,
        model: VisionLanguageModel | None = None,
        *,
        config: HolmesConfig | None = None,
    ) -> None:
        if scorer.input_width not in (None, encoder.width):
            raise InputError(
                f"The scorer {scorer.name} was made for features of width {scorer.input_width}, but the "
                f"encoder {encoder.name} gives {encoder.width}. Choose an encoder and a scorer that belong "
                "together."
            )
        self.encoder = encoder
        self.scorer = scorer
        self.model = model
        self.config = config or HolmesConfig()
        self._seen: OrderedDict[Key, Seen] = OrderedDict()
        self._reports: OrderedDict[Key, Report] = OrderedDict()

    @classmethod
    def from_pretrained(
        cls, name: str | Path = "tiny", *, config: HolmesConfig | None = None, **parts: Any
    ) -> Holmes:
        """Load a model by name, local folder or hub id, with the encoder and scorer that belong to it.

        Names: `tiny` (embedded), `none` (no words). `parts`: `encoder` and `scorer` (registered names, or a
        file of scorer weights) instead of the model's own; `device`, `dtype`, `device_map` and `adapter`
        (a peft LoRA folder) for the model.

        Raises:
            ModelError: when a checkpoint cannot be used.
            MissingPartError: when an optional part is not installed.
            InputError: for an unknown name.
        """
        from holmesvau.loading import load

        encoder, scorer, model = load(str(name), **parts)
        return cls(encoder, scorer, model, config=config)

    @property
    def num_frames(self) -> int:
        """How many frames are chosen: as configured, else as the model was trained with."""
        if self.config.sampler.num_frames is not None:
            return self.config.sampler.num_frames
        return self.model.num_frames if self.model is not None else FRAMES_WITHOUT_MODEL

    def score(self, source: str | Path, *, progress: Progress | None = None) -> AnomalyCurve:
        """The anomaly score of every dense frame of a recording (§3.1, detection).

        Raises:
            VideoError: when the recording cannot be read.
        """
        with open_video(source, fps=self.config.fps) as video:
            return self.scored(video, progress).curve

    def watch(
        self, source: str | Path, *, questions: Sequence[str] = (), progress: Progress | None = None
    ) -> Report:
        """Watch a recording: curve, chosen frames, events, what the model says, answers to `questions`.

        Raises:
            VideoError: when the recording cannot be read.
            MissingPartError: when `questions` are asked and no model is loaded.
        """
        from holmesvau.watching import Watch

        started = time.perf_counter()
        if questions:
            self._speaking_model()
        with open_video(source, fps=self.config.fps) as video:
            scored = self.scored(video, progress)
            report = Watch(self, video, scored, started=started, progress=progress).report(questions)
            _remember(self._reports, _key(video), report)
            return report

    @overload
    def ask(
        self,
        source: str | Path | Report,
        question: str,
        *,
        span: Span | None = ...,
        history: History = ...,
        stream: Literal[False] = ...,
    ) -> Answer: ...
    @overload
    def ask(
        self,
        source: str | Path | Report,
        question: str,
        *,
        span: Span | None = ...,
        history: History = ...,
        stream: Literal[True],
    ) -> Iterator[str]: ...
    def ask(
        self,
        source: str | Path | Report,
        question: str,
        *,
        span: Span | None = None,
        history: History = (),
        stream: bool = False,
    ) -> Answer | Iterator[str]:
        """Ask about a recording, or about the one a `Report` is of; with `span`, about exactly that part.

        About more than `chapters.from_seconds` at once, a model that reads is also told what the report, or
        this object's last `watch` of the recording, says of that part: its chapters, events and clips.

        A second question about the same recording neither scans nor encodes again. `stream=True` gives the
        answer in pieces. Where a model that knows its limits does not know such footage, `Answer.note` says
        so, and a warning is logged.

        Raises:
            MissingPartError: when no model is loaded.
            InputError: when the question is empty or `span` lies outside the video.
        """
        model = self._speaking_model()
        if not question.strip():
            raise InputError("The question is empty: write what you want to know.")
        path = source.video.path if isinstance(source, Report) else source
        with open_video(path, fps=self.config.fps) as video:
            dense: Features | None = None
            note = ""
            curve = source.curve if isinstance(source, Report) else None
            if curve is None or model.uses_scan:
                scored = self.scored(video)
                curve, dense = curve or scored.curve, scored.scan.features
                if scored.trust is not None and not scored.trust.is_familiar and model.uses_scan:
                    note = unfamiliar(scored.trust, model.name, withheld=False)
                    log.warning("%s", note)
            known = source if isinstance(source, Report) else self._reports.get(_key(video))
            asking = Asking(curve, span, known, self.config.chapters)
            index = asking.frames(self.num_frames, self.config.sampler, self.config.events)
            visual = self.seen(video, dense).look(index, video.at)
            asked = asking.informed(
                model,
                question,
                history,
                num_frames=len(visual),
                config=self.config.describe,
                generation=self.config.generation,
            )
        if stream:
            return model.stream(visual, asked, history=history, options=self.config.generation)
        text = model.answer(visual, asked, history=history, options=self.config.generation)
        selection = Selection(visual.index, visual.seconds, self.config.sampler.method)
        return Answer(question, text, span, selection, model.name, note)

    def scored(self, video: Video, progress: Progress | None = None) -> Scored:
        """Scan an open video, or take its stored features, and score them.

        Raises:
            VideoError: when the video cannot be read, or is live: a scan needs an end.
        """
        if video.info.is_live:
            raise InputError(
                f"{video.info.path}: a live source has no end, so it cannot be watched as a recording. "
                "Record it to a file first."
            )
        scanned = scan(video, self.encoder, config=self.config.scan, progress=progress)
        started = time.perf_counter()
        features = scanned.features
        trust, scorer = None, self.scorer
        if isinstance(self.scorer, GuardedScorer):
            trust = self.scorer.trust(features)
            scorer = self.scorer.chosen(trust)
        curve = AnomalyCurve(
            np.asarray(features.seconds),
            scorer.score(features),
            np.asarray(features.index),
            features.stride_seconds,
            scorer.name,
        )
        calibration = getattr(scorer, "calibration", None)
        return Scored(curve, scanned, time.perf_counter() - started, trust, calibration, scorer)

    def seen(self, video: Video, dense: Features | None = None) -> Seen:
        """What the model has seen of this file; only the last few videos are remembered.

        `dense` are its features, which are needed at the first look by a model that uses the scan.
        """
        key = _key(video)
        seen = self._seen.get(key) or Seen(self._speaking_model(), dense)
        _remember(self._seen, key, seen)
        return seen

    def _speaking_model(self) -> VisionLanguageModel:
        if self.model is None:
            raise MissingPartError(
                "No describing model is loaded, so questions cannot be answered. Give one with --model "
                "(a folder of an InternVL-family checkpoint)."
            )
        return self.model


def _key(video: Video) -> Key:
    """Which file this is, as it is now."""
    path = Path(video.info.path)
    state = path.stat() if path.exists() else None
    return str(path), state.st_mtime_ns if state else 0, state.st_size if state else 0


def _remember(kept: OrderedDict[Key, T], key: Key, value: T) -> None:
    """Keep a value as the newest of the last few videos'."""
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > VIDEOS_REMEMBERED:
        kept.popitem(last=False)
