"""One `watch` under way: the video is open and scored; what remains is to choose, look and describe."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import holmesvau
from holmesvau import config as configuration
from holmesvau.ats.chapters import find_chapters
from holmesvau.ats.classes import NORMAL, in_words
from holmesvau.ats.events import confidence, find_events, peak
from holmesvau.ats.features import Progress
from holmesvau.ats.harmless import harmless, knows_harmless
from holmesvau.ats.views import cuts
from holmesvau.clock import clock, span_clock
from holmesvau.composed import said
from holmesvau.describe import choose, choose_calm, unfamiliar
from holmesvau.metered import Metered
from holmesvau.telling import Telling
from holmesvau.types import Answer, Chapter, Event, IndexArray, Report, Selection, Span, Summary
from holmesvau.video import Video
from holmesvau.video.picture import jpeg
from holmesvau.vlm.protocol import VisionLanguageModel, VisualTokens

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

# Stretches that a warning names.
_NAMED = 5


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
        self._calibration, self._scorer = scored.calibration, scored.scorer
        self._started, self._progress = started, progress
        self._warnings = [*scored.scan.warnings]
        # What stands out and is no event, with what the scorer takes it for, in words; None where it knows no
        # such things.
        self._dismissed: list[tuple[Span, str]] | None = None
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
            chapters = self._chapters(spans)
        summary, answers = Summary(), []
        parts = self._parts()
        model = self._speaking_here()
        if model is not None:
            with self._timed("generate"):
                asked = Metered(model, self._config.describe.budget)
                telling = self._telling(asked, index, len(questions))
                chapters, summary, by_rules = telling.tell(events, chapters, self._whole())
                for question in questions:
                    text = telling.answer(question, events, chapters)
                    if text is not None:
                        answers.append(Answer(question, text, None, selection, model.name))
                silent = len(questions) - len(answers)
                self._warnings += list(told(telling, events, chapters, by_rules, silent))
                parts |= asked.info()
        self._timing["total"] = time.perf_counter() - self._started
        return Report(
            video=self._video.info,
            curve=self._curve,
            selection=selection,
            events=tuple(events),
            summary=summary,
            answers=tuple(answers),
            model=parts,
            config=configuration.to_dict(self._config),
            timing=self._timing,
            warnings=tuple(dict.fromkeys([*self._warnings, *self._video.warnings])),
            thumbnails=thumbnails,
            chapters=chapters,
        )

    def _telling(self, model: Metered, selected: IndexArray, questions: int) -> Telling:
        config, seen = self._config, self._holmes.seen(self._video, self._dense)

        def look(span: Span | None, num_frames: int | None = None, *, calm: bool = False) -> VisualTokens:
            index = selected
            if span is not None:
                wanted = self._holmes.num_frames
                wanted = wanted if num_frames is None else min(num_frames, wanted)
                if calm:
                    index = choose_calm(self._curve, wanted, span)
                else:
                    index = choose(self._curve, wanted, config.sampler, span=span)
            return seen.look(index, lambda missing: model.fetch(missing, self._video.at), model)

        return Telling(
            model,
            look,
            config.describe,
            config.generation,
            # Another model has its own eyes, and its own say.
            dismissed=self._dismissed if model.uses_scan else None,
            questions=questions,
            progress=self._progress,
        )

    def _whole(self) -> Span:
        """From the first frame to the end, or as far as the curve goes where the end is not known."""
        curve, end = self._curve, self._video.info.duration
        scored = float(curve.seconds[-1]) + curve.stride_seconds if len(curve) else 0.0
        return Span(0.0, max(end or 0.0, scored))

    def _chapters(self, events: Sequence[Span]) -> tuple[Chapter, ...]:
        whole, config = self._whole(), self._config.chapters
        # Changes of view are looked for in hours of features: not where there are no chapters anyhow.
        if whole.duration < config.from_seconds:
            return ()
        changes = self._dense.seconds[cuts(self._dense.cells)].tolist()
        return find_chapters(whole, events, changes, config)

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
        if self._config.harmless == "drop":
            taken_for = harmless(self._scorer, self._dense, self._curve, spans)
            both = list(zip(spans, taken_for, strict=True))
            self._warnings += [_no_event(span, name) for span, name in both if name]
            if knows_harmless(self._scorer):
                self._dismissed = [(span, _taken_for(name)) for span, name in both if name]
            spans = [span for span, name in both if not name]
        events = [
            Event(span, *peak(self._curve, span), self._probability(confidence(self._curve, span, spans)))
            for span in spans
        ]
        return self._likely(events) if self._calibration is not None else events

    def _probability(self, confidence: float) -> float:
        if self._calibration is None:
            return confidence
        return self._calibration(confidence, self._whole().duration)

    def _likely(self, events: Sequence[Event]) -> list[Event]:
        """Those that are likely enough in a video of this length; the others are told of in a warning."""
        least = self._config.least_confidence
        doubtful = [event for event in events if event.confidence < least]
        if doubtful:
            self._warnings.append(_too_doubtful(doubtful, self._whole().duration))
        if self._dismissed is not None:
            self._dismissed += [(event.span, _taken_for(NORMAL)) for event in doubtful]
            self._dismissed.sort(key=lambda one: one[0])
        return [event for event in events if event.confidence >= least]

    def _pictures(self, index: IndexArray) -> tuple[Selection, tuple[bytes, ...]]:
        """The chosen frames' exact times, and their thumbnails."""
        info = self._video.info
        width = min(info.width, self._config.thumbnail_width)
        size = (width, max(1, round(info.height * width / info.width)))
        batch = self._video.at(index, size=size)
        selection = Selection(batch.index, batch.seconds, self._config.sampler.method)
        return selection, tuple(jpeg(frame) for frame in batch.frames)

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


def _taken_for(name: str) -> str:
    return "nothing out of the ordinary" if name == NORMAL else in_words(name)


def _no_event(span: Span, name: str) -> str:
    learnt = "" if name == NORMAL else ", which it has learnt as harmless"
    return (
        f"What stands out at {span_clock(span)} is no event: the scorer takes it for "
        f"{_taken_for(name)}{learnt} (--set harmless=keep keeps it)."
    )


def _too_doubtful(events: Sequence[Event], seconds: float) -> str:
    strongest = sorted(events, key=lambda event: -event.confidence)[:_NAMED]
    named = ", ".join(f"{span_clock(event.span)} ({event.confidence:.2f})" for event in strongest)
    more = len(events) - len(strongest)
    rest = f" and {more} more" if more else ""
    return (
        f"{len(events)} stretch{'es stand' if len(events) > 1 else ' stands'} out, but not enough to be "
        f"taken for an event in {clock(seconds)} of video: {named}{rest}. In brackets is how likely each is "
        "one (--set least_confidence=0 keeps all)."
    )


def told(
    telling: Telling,
    events: Sequence[Event],
    chapters: Sequence[Chapter],
    by_rules: bool,
    unanswered: int = 0,
) -> Iterator[str]:
    """Sentences on what the report does not say in words, or not in the model's own, and why."""
    settings, model = telling.config, telling.model
    if settings.granularity != "video" and len(events) > settings.max_events:
        yield (
            f"{len(events)} events were found; the {settings.max_events} with the highest scores are "
            f"described (describe.max_events = {settings.max_events})."
        )
    if model.spent:
        missing = f"{sum(map(said, events))} of {len(events)} events are described, the most abnormal first"
        silent = sum(not event.clips for event in events if said(event))
        if settings.granularity == "clip" and silent:
            missing += f", {silent} of those without captions"
        if unanswered:
            missing += f", {unanswered} question{'' if unanswered == 1 else 's'} not answered"
        yield (
            f"The budget for describing ({settings.budget}) was spent: {missing}. What else it did not pay "
            "for is reported without words, or in those on the events."
        )
    if telling.down is not None:
        yield f"{telling.down} {MODEL_DOWN}"
    composed = sum(chapter.composed and len(chapter.events) > 1 for chapter in chapters)
    if composed or by_rules:
        parts = [f"{composed} chapter{'' if composed == 1 else 's'}"] if composed else []
        parts += ["the whole video"] if by_rules else []
        reason = "" if model.summarises else f", because {model.name} does not summarise texts"
        yield f"The words on {' and '.join(parts)} are put together from those on the events{reason}."
