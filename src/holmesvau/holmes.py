"""The pipeline: `watch`, `ask` and `score`, on a recording.

    video -> scan (features) -> scorer (curve) -> events -> sampler (frames) -> model (words) -> Report

Source: Holmes-VAU, §4.2 (anomaly-focused temporal sampler), §3.1 (tasks and granularities).
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

import holmesvau
from holmesvau import config as configuration
from holmesvau.ats.events import EventsConfig, confidence, find_events, peak
from holmesvau.ats.features import Encoder, Progress, Scorer
from holmesvau.ats.scan import ScanConfig, ScanResult, scan
from holmesvau.describe import (
    FRAMES_AT_ONCE,
    DescribeConfig,
    SamplerConfig,
    Seen,
    caption_clips,
    choose,
    clip_spans,
    explain,
)
from holmesvau.errors import InputError, MissingPartError
from holmesvau.types import AnomalyCurve, Answer, Event, Report, Selection, Span, Summary
from holmesvau.video import Video, open_video
from holmesvau.video.picture import jpeg
from holmesvau.vlm.protocol import GenerationOptions, History, VisionLanguageModel

log = logging.getLogger(__name__)

NO_MODEL = (
    "No describing model is loaded, so nothing is said in words: this report gives the anomaly curve, the events "
    "and the chosen frames."
)
VIDEOS_REMEMBERED = 4


@dataclass(frozen=True, kw_only=True)
class HolmesConfig:
    """Everything that decides what `watch` does; written into each report."""

    scan: ScanConfig = field(default_factory=ScanConfig)
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    events: EventsConfig = field(default_factory=EventsConfig)
    describe: DescribeConfig = field(default_factory=DescribeConfig)
    generation: GenerationOptions = field(default_factory=GenerationOptions)
    thumbnail_width: int = 320


class Holmes:
    """Watches recordings: an encoder and a scorer say where to look, a model says what is seen.

    `model` may be None: then curve, events and frames are reported without words.
    """

    def __init__(
        self,
        encoder: Encoder,
        scorer: Scorer,
        model: VisionLanguageModel | None = None,
        config: HolmesConfig | None = None,
    ) -> None:
        if scorer.input_width not in (None, encoder.width):
            raise InputError(
                f"The scorer {scorer.name} was made for features of width {scorer.input_width}, but the encoder "
                f"{encoder.name} gives {encoder.width}. Choose an encoder and a scorer that belong together."
            )
        self.encoder = encoder
        self.scorer = scorer
        self.model = model
        self.config = config or HolmesConfig()
        self._seen: OrderedDict[tuple[str, int, int], Seen] = OrderedDict()

    @classmethod
    def from_pretrained(cls, name: str | Path = "tiny", **options: Any) -> Holmes:
        """Load a model by name (`tiny`), local folder or hub id, with the encoder and scorer that belong to it.

        Options: `encoder` and `scorer` (registered names, or the path of a scorer's weights) override those of the
        model; `device`, `dtype`, `device_map`, `adapter` go to the model; `config` is a `HolmesConfig`.

        Raises:
            ModelError: when a checkpoint cannot be used.
            MissingPartError: when an optional part is not installed.
            InputError: for an unknown name or option.
        """
        from holmesvau.loading import load

        return cls(*load(str(name), **options))

    def score(self, source: str | Path, *, progress: Progress | None = None) -> AnomalyCurve:
        """The anomaly score of every dense frame of a recording (§3.1, detection)."""
        with open_video(source) as video:
            curve, _, _ = self._score(video, progress)
            return curve

    def watch(self, source: str | Path, *, questions: tuple[str, ...] = (), progress: Progress | None = None) -> Report:
        """Watch a recording: curve, chosen frames, events, what the model says of them, answers to `questions`.

        Raises:
            VideoError: when the recording cannot be read.
            MissingPartError: when `questions` are asked and no model is loaded.
        """
        started = time.perf_counter()
        if questions and self.model is None:
            raise MissingPartError(_no_answer())
        with open_video(source) as video:
            curve, result, score_seconds = self._score(video, progress)
            return _Watch(self, video, curve, result, score_seconds, started, progress).report(questions)

    @overload
    def ask(
        self, source: str | Path | Report, question: str, *, span: Span | None = ..., history: History = ..., stream: Literal[False] = ...
    ) -> Answer: ...
    @overload
    def ask(
        self, source: str | Path | Report, question: str, *, span: Span | None = ..., history: History = ..., stream: Literal[True]
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
        """Ask about a recording, or about one that a `Report` is of; with `span`, about exactly that part.

        A second question about the same recording neither scans nor encodes again. `stream=True` gives the answer
        in pieces.

        Raises:
            MissingPartError: when no model is loaded.
            InputError: when the question is empty or `span` lies outside the video.
        """
        if self.model is None:
            raise MissingPartError(_no_answer())
        if not question.strip():
            raise InputError("The question is empty: write what you want to know.")
        path = source.video.path if isinstance(source, Report) else source
        with open_video(path) as video:
            curve = source.curve if isinstance(source, Report) else self._score(video, None)[0]
            index = choose(curve, self._num_frames(), self.config.sampler, span)
            visual = self._remember(video).look(index, video.at)
        if stream:
            return self.model.stream(visual, question, history=history, options=self.config.generation)
        text = self.model.answer(visual, question, history=history, options=self.config.generation)
        selection = Selection(visual.index, visual.seconds, self.config.sampler.method)
        return Answer(question, text, span, selection, self.model.name)

    def _score(self, video: Video, progress: Progress | None) -> tuple[AnomalyCurve, ScanResult, float]:
        result = scan(video, self.encoder, config=self.config.scan, progress=progress)
        started = time.perf_counter()
        features = result.features
        scores = self.scorer.score(features)
        curve = AnomalyCurve(
            np.asarray(features.seconds), scores, np.asarray(features.index), features.stride_seconds, self.scorer.name
        )
        return curve, result, time.perf_counter() - started

    def _num_frames(self) -> int:
        wanted = self.config.sampler.num_frames
        if wanted is None:
            return self.model.num_frames if self.model is not None else 16
        return wanted

    def _remember(self, video: Video) -> Seen:
        """What the model has seen of this file; the least recently used of a few videos is forgotten."""
        assert self.model is not None
        path = Path(video.info.path)
        stat = path.stat() if path.exists() else None
        key = (str(path), stat.st_mtime_ns if stat else 0, stat.st_size if stat else 0)
        seen = self._seen.pop(key, None) or Seen(self.model)
        self._seen[key] = seen
        while len(self._seen) > VIDEOS_REMEMBERED:
            self._seen.popitem(last=False)
        return seen


class _Watch:
    """One `watch` under way: the video is open and scored; what remains is to choose, look and describe."""

    def __init__(
        self,
        holmes: Holmes,
        video: Video,
        curve: AnomalyCurve,
        scanned: ScanResult,
        score_seconds: float,
        started: float,
        progress: Progress | None,
    ) -> None:
        self.holmes, self.video, self.curve, self.scanned = holmes, video, curve, scanned
        self.started, self.progress = started, progress
        self.timing = {
            "decode": scanned.decode_seconds,
            "encode": scanned.encode_seconds,
            "score": score_seconds,
            "select": 0.0,
            "generate": 0.0,
        }
        self.warnings: list[str] = []

    def report(self, questions: tuple[str, ...]) -> Report:
        holmes, config = self.holmes, self.holmes.config
        began = time.perf_counter()
        events = self._found()
        index = choose(self.curve, holmes._num_frames(), config.sampler)
        selection, thumbnails = self._pictures(index)
        self.timing["select"] = time.perf_counter() - began

        began = time.perf_counter()
        summary, answers = Summary(), []
        if holmes.model is None:
            self.warnings.append(NO_MODEL)
        else:
            events = self._describe_events(events, holmes.model)
            visual = holmes._remember(self.video).look(index, self.video.at)
            summary, _ = explain(holmes.model, visual, "video", config.generation)
            for question in questions:
                text = holmes.model.answer(visual, question, options=config.generation)
                answers.append(Answer(question, text, None, selection, holmes.model.name))
        self.timing["generate"] = time.perf_counter() - began
        self.timing["total"] = time.perf_counter() - self.started
        return Report(
            video=self.video.info,
            curve=self.curve,
            selection=selection,
            events=tuple(events),
            summary=summary,
            answers=tuple(answers),
            model=self._model_info(),
            config=configuration.to_dict(config),
            timing=self.timing,
            warnings=(*self.video.warnings, *self.warnings),
            thumbnails=thumbnails,
        )

    def _found(self) -> list[Event]:
        events = []
        for span in find_events(self.curve, self.holmes.config.events):
            when, height = peak(self.curve, span)
            events.append(Event(span, when, height, confidence(self.curve, span)))
        return events

    def _pictures(self, index: Any) -> tuple[Selection, tuple[bytes, ...]]:
        """The chosen frames' times and thumbnails, fetched a few at a time."""
        width = self.holmes.config.thumbnail_width
        kept: list[int] = []
        seconds: list[float] = []
        thumbnails: list[bytes] = []
        for start in range(0, len(index), FRAMES_AT_ONCE):
            batch = self.video.at(index[start : start + FRAMES_AT_ONCE])
            kept += batch.index.tolist()
            seconds += batch.seconds.tolist()
            thumbnails += [jpeg(frame, width=width) for frame in batch.frames]
        method = self.holmes.config.sampler.method
        return Selection(np.asarray(kept, np.int64), np.asarray(seconds), method), tuple(thumbnails)

    def _describe_events(self, events: list[Event], model: VisionLanguageModel) -> list[Event]:
        config = self.holmes.config
        if config.describe.granularity == "video":
            return events
        by_score = sorted(range(len(events)), key=lambda i: -events[i].peak_score)
        chosen = set(by_score[: config.describe.max_events])
        if len(chosen) < len(events):
            self.warnings.append(
                f"{len(events)} events were found; the {len(chosen)} most abnormal are described "
                f"(describe.max_events = {config.describe.max_events})."
            )
        described = []
        for number, event in enumerate(events):
            described.append(self._describe(event, model) if number in chosen else event)
            if self.progress is not None:
                self.progress("describe", number + 1, len(events))
        return described

    def _describe(self, event: Event, model: VisionLanguageModel) -> Event:
        config = self.holmes.config
        index = choose(self.curve, self.holmes._num_frames(), config.sampler, event.span)
        visual = self.holmes._remember(self.video).look(index, self.video.at)
        summary, label = explain(model, visual, "event", config.generation)
        clips = ()
        if config.describe.granularity == "clip":
            clips = caption_clips(model, visual, clip_spans(event.span, config.describe), config.generation)
        return replace(event, label=label, summary=summary, clips=clips)

    def _model_info(self) -> dict[str, Any]:
        model = self.holmes.model
        return {
            **(model.info() if model is not None else {"name": None}),
            "encoder": self.holmes.encoder.name,
            "encoder_fingerprint": self.holmes.encoder.fingerprint,
            "scorer": self.holmes.scorer.name,
            "holmesvau": holmesvau.__version__,
        }


def _no_answer() -> str:
    return (
        "No describing model is loaded, so questions cannot be answered. Give one with --model "
        "(a folder of an InternVL-family checkpoint)."
    )
