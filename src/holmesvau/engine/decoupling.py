"""One video decoupled (§3.2, first step): looked at, its events taken from a file or found by a scorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from holmesvau.ats.events import find_events, peak
from holmesvau.ats.store import FeatureStore
from holmesvau.engine.decouple import DecoupleConfig, apart, event_id, normal_spans
from holmesvau.engine.ledger import IMPORTED, PROPOSED, SAMPLED, LedgerEvent
from holmesvau.engine.work import Decoupled, Job
from holmesvau.errors import InputError, VideoError
from holmesvau.hivau import formats
from holmesvau.hivau.schema import VideoAnnotation
from holmesvau.types import Span
from holmesvau.video import Video, open_video
from holmesvau.vlm.judgement import parse_judgement

if TYPE_CHECKING:
    from holmesvau.holmes import Holmes, Scored


class Decoupler:
    """Finds the events of videos. The file of annotations and the scorer are loaded once, when first
    needed.
    """

    def __init__(self, config: DecoupleConfig) -> None:
        self.config = config
        self._imported: Mapping[str, VideoAnnotation] | None = None
        self._holmes: Holmes | None = None

    def decouple(self, job: Job) -> Decoupled:
        """The machines' layers of a video.

        Raises:
            VideoError: when it cannot be read; InputError when the import has not what it should have.
        """
        name = str(job.payload["video"])
        labels = job.payload["labels"]
        with open_video(job.path) as video:
            if not video.info.duration:
                raise VideoError(f"{job.path}: has no length. Give a recording.")
            curve = None
            layers: dict[str, Sequence[LedgerEvent]] = {
                SAMPLED: _sampled(name, video.info.duration, self.config)
            }
            found = self._from_file(name, video.info.duration)
            if found is not None:
                layers[IMPORTED] = found
            elif labels is not None and not labels:
                # The list says that it is normal: nothing is to be found in it.
                layers[IMPORTED] = ()
            if self._scores(IMPORTED in layers):
                scored = self._scored(video)
                curve = scored.curve
                if IMPORTED not in layers:
                    layers[PROPOSED] = _proposed(name, scored, labels or (), self.config)
            content = _content(job.path)
            return Decoupled(
                key=job.key,
                video=name,
                content=content,
                info=video.info,
                layers=layers,
                clips=self._clips(name) if found is not None else (),
                curve=curve,
            )

    def _scores(self, imported: bool) -> bool:
        if self.config.source in ("import", "people"):
            return self.config.curve
        return self.config.curve or not imported

    def _from_file(self, name: str, duration: float) -> list[LedgerEvent] | None:
        if not self.config.import_file or self.config.source in ("proposals", "people"):
            return None
        if self._imported is None:
            self._imported = formats.load(self.config.import_file)
        annotation = self._imported.get(name)
        if annotation is None:
            if self.config.source == "import":
                raise InputError(
                    f"{self.config.import_file}: has no video {name!r}. Name it as the list does."
                )
            return None
        return _imported(annotation, duration)

    def _clips(self, name: str) -> list[Span]:
        """The clips that the file has cut the video into."""
        assert self._imported is not None
        clips = [clip.span for event in self._imported[name].events for clip in event.clips]
        return sorted({Span(round(start, 3), round(end, 3)) for start, end in clips})

    def _scored(self, video: Video) -> Scored:
        if self._holmes is None:
            # torch is loaded by those alone who score.
            from holmesvau.holmes import Holmes, HolmesConfig

            config = self.config
            parts = {"encoder": config.encoder or None, "scorer": config.scorer or None}
            self._holmes = Holmes.from_pretrained(
                config.model, config=HolmesConfig(scan=config.scan), **parts
            )
        return self._holmes.scored(video)


def _imported(annotation: VideoAnnotation, duration: float) -> list[LedgerEvent]:
    """The events of an annotation, each with its class where that is clear."""
    spans = []
    for event in annotation.events:
        span = Span(round(event.span.start, 3), round(min(event.span.end, duration), 3))
        if span.duration > 0:
            spans.append((span, _label(annotation, event.judgement)))
    normal = not annotation.is_anomalous
    kept = spans if normal else apart(spans)
    return [
        LedgerEvent(
            event_id(annotation.name, IMPORTED, n, span, label),
            annotation.name,
            IMPORTED,
            span,
            label,
            normal,
        )
        for n, (span, label) in enumerate(kept)
    ]


def _label(annotation: VideoAnnotation, judgement: str) -> str:
    """HIVAU names classes by video: an event's is the only one, or the one that its judgement names."""
    if len(annotation.labels) == 1:
        return annotation.labels[0]
    named = parse_judgement(judgement).label
    return named if named is not None and named in annotation.labels else ""


def _proposed(name: str, scored: Scored, labels: Sequence[str], config: DecoupleConfig) -> list[LedgerEvent]:
    """What the scorer finds. Its class is the video's, where that has one only; else what a trained scorer
    takes it for, if the video may be that.
    """
    # Loads torch, as the scorer has done.
    from holmesvau.ats.event_classes import likeliest

    spans = find_events(scored.curve, config.events)
    if len(labels) == 1:
        classes = [labels[0]] * len(spans)
    else:
        guesses = likeliest(scored.scorer, scored.scan.features, scored.curve, spans)
        classes = [guess if guess in labels or not labels else "" for guess in guesses]
    events = []
    for number, (found, label) in enumerate(zip(spans, classes, strict=True)):
        span = Span(round(found.start, 3), round(found.end, 3))
        score = float(peak(scored.curve, found)[1])
        number_id = event_id(name, PROPOSED, number, span, label)
        events.append(LedgerEvent(number_id, name, PROPOSED, span, label, False, score))
    return events


def _sampled(name: str, duration: float, config: DecoupleConfig) -> list[LedgerEvent]:
    spans = normal_spans(duration, name, config.normal, config.seed)
    return [
        LedgerEvent(event_id(name, SAMPLED, n, span, ""), name, SAMPLED, span, "", True)
        for n, span in enumerate(spans)
    ]


@cache
def _store() -> FeatureStore:
    return FeatureStore()


def _content(path: str) -> str:
    """The hash of a file's bytes; "" for what is no file."""
    return "" if "://" in path else _store().content(path)
