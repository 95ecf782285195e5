"""One `watch` under way: the video is open and scored; what remains is to choose, look and describe."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import holmesvau
from holmesvau import config as configuration
from holmesvau.ats.events import confidence, find_events, peak
from holmesvau.ats.features import Progress
from holmesvau.describe import caption_clips, choose, clip_spans, explain, unfamiliar
from holmesvau.errors import ModelDownError
from holmesvau.types import Answer, Clip, Event, IndexArray, Report, Selection, Summary
from holmesvau.video import Video
from holmesvau.video.picture import jpeg
from holmesvau.vlm.protocol import VisionLanguageModel

if TYPE_CHECKING:
    from holmesvau.holmes import Holmes, Scored

NO_MODEL = (
    "No describing model is loaded, so nothing is said in words: this report gives the anomaly curve, the "
    "events and the chosen frames."
)
MODEL_DOWN = (
    "What it had not said by then is missing from this report; the anomaly curve, the events and the chosen "
    "frames are complete."
)


class Watch:
    """Turns a scored video into a `Report`, keeping account of the time each stage takes."""

    def __init__(
        self,
        holmes: Holmes,
        video: Video,
        scored: Scored,
        *,
        started: float,
        progress: Progress | None = None,
    ) -> None:
        self._holmes, self._config, self._video, self._curve = holmes, holmes.config, video, scored.curve
        self._dense, self._trust = scored.scan.features, scored.trust
        self._calibration = scored.calibration or float
        self._started, self._progress = started, progress
        self._warnings = [*scored.scan.warnings]
        self._timing = {
            "decode": scored.scan.decode_seconds,
            "encode": scored.scan.encode_seconds,
            "score": scored.score_seconds,
            "select": 0.0,
            "generate": 0.0,
        }

    def report(self, questions: Sequence[str] = ()) -> Report:
        """Find events, choose and fetch frames, and have the model describe them and answer `questions`."""
        with self._timed("select"):
            events = self._found()
            spans = [event.span for event in events]
            index = choose(self._curve, self._holmes.num_frames, self._config.sampler, events=spans)
            selection, thumbnails = self._pictures(index)
        summary, answers = Summary(), []
        model = self._speaking_here()
        if model is not None:
            with self._timed("generate"):
                try:
                    self._describe_all(events, model)
                    visual = self._holmes.seen(self._video, self._dense).look(index, self._video.at)
                    summary, _ = explain(model, visual, "video", self._config.generation)
                    for question in questions:
                        text = model.answer(visual, question, options=self._config.generation)
                        answers.append(Answer(question, text, None, selection, model.name))
                except ModelDownError as error:
                    self._warnings.append(f"{error} {MODEL_DOWN}")
        self._timing["total"] = time.perf_counter() - self._started
        return Report(
            video=self._video.info,
            curve=self._curve,
            selection=selection,
            events=tuple(events),
            summary=summary,
            answers=tuple(answers),
            model=self._parts(),
            config=configuration.to_dict(self._config),
            timing=self._timing,
            warnings=tuple(dict.fromkeys([*self._warnings, *self._video.warnings])),
            thumbnails=thumbnails,
        )

    def _speaking_here(self) -> VisionLanguageModel | None:
        """The model, where there is one and it may be believed; else the reason goes into the warnings."""
        model = self._holmes.model
        # A model that does not read the scan was not trained with this scorer: its limits are others.
        limited = model is not None and model.uses_scan
        withheld = False
        if self._trust is not None and not self._trust.is_familiar:
            withheld = limited and self._config.describe.unfamiliar == "withhold"
            named = model.name if model is not None and limited else ""
            self._warnings.append(unfamiliar(self._trust, named, withheld=withheld))
        if model is None:
            self._warnings.append(NO_MODEL)
        return None if withheld else model

    def _found(self) -> list[Event]:
        spans = find_events(self._curve, self._config.events)
        return [
            Event(
                span,
                *peak(self._curve, span),
                self._calibration(confidence(self._curve, span, spans)),
            )
            for span in spans
        ]

    def _pictures(self, index: IndexArray) -> tuple[Selection, tuple[bytes, ...]]:
        """The chosen frames' exact times, and their thumbnails."""
        info = self._video.info
        width = min(info.width, self._config.thumbnail_width)
        size = (width, max(1, round(info.height * width / info.width)))
        batch = self._video.at(index, size=size)
        selection = Selection(batch.index, batch.seconds, self._config.sampler.method)
        return selection, tuple(jpeg(frame) for frame in batch.frames)

    def _describe_all(self, events: list[Event], model: VisionLanguageModel) -> None:
        """Put the words into `events` one by one, so that those said stay when the model goes away."""
        settings = self._config.describe
        if settings.granularity == "video":
            return
        by_score = sorted(range(len(events)), key=lambda number: -events[number].peak_score)
        chosen = sorted(by_score[: settings.max_events])
        if len(chosen) < len(events):
            self._warnings.append(
                f"{len(events)} events were found; the {len(chosen)} with the highest scores are described "
                f"(describe.max_events = {settings.max_events})."
            )
        for done, number in enumerate(chosen):
            events[number] = self._describe(events[number], model)
            if self._progress is not None:
                self._progress("describe", done + 1, len(chosen))

    def _describe(self, event: Event, model: VisionLanguageModel) -> Event:
        index = choose(self._curve, self._holmes.num_frames, self._config.sampler, span=event.span)
        visual = self._holmes.seen(self._video, self._dense).look(index, self._video.at)
        summary, label = explain(model, visual, "event", self._config.generation)
        clips: tuple[Clip, ...] = ()
        if self._config.describe.granularity == "clip":
            spans = clip_spans(event.span, self._config.describe)
            clips = caption_clips(model, visual, spans, self._config.generation)
        return replace(event, label=label, summary=summary, clips=clips)

    def _parts(self) -> dict[str, Any]:
        """Which model, encoder and scorer made this, for `report.json`."""
        model, encoder = self._holmes.model, self._holmes.encoder
        return {
            **(model.info() if model is not None else {"name": None}),
            "encoder": encoder.name,
            "encoder_fingerprint": encoder.fingerprint,
            "scorer": self._holmes.scorer.name,
            "holmesvau": holmesvau.__version__,
        }

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._timing[stage] += time.perf_counter() - began
