"""ActivityNet Captions' JSON of dense captioning: {NAME: {"duration", "timestamps": [[s, e]], "sentences"}}.

Its captions are flat: either the events with their summaries are written, or the clips with their captions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from holmesvau.errors import InputError
from holmesvau.hivau.files import write_text
from holmesvau.hivau.formats.activitynet import known_frames, known_length, length
from holmesvau.hivau.formats.protocol import (
    Annotations,
    dump_json,
    mapping,
    read_json,
    sequence,
    span,
    text,
)
from holmesvau.hivau.formats.regions import Region, tree
from holmesvau.hivau.problems import Findings
from holmesvau.hivau.schema import EventAnnotation, VideoAnnotation
from holmesvau.types import Span


@dataclass(frozen=True, slots=True)
class ActivityNetCaptions:
    """`level` is what is written and what sentences are read as."""

    level: Literal["event", "clip"] = "event"
    suffix: str = ".json"
    folder: bool = False

    @property
    def losses(self) -> tuple[str, ...]:
        """What captions cannot say, which depends on the level."""
        own = {
            "event": "Clips are left out; of an event one text is kept, its summary or else its description.",
            "clip": "Events are left out: clips come back in one event around them.",
        }
        return (
            own[self.level],
            "Classes and the video's own texts are left out.",
            "Without both length and rate of a video, its length is unknown.",
        )

    def kept(self, video: VideoAnnotation) -> VideoAnnotation:
        """Spans and sentences of one level, rate and length."""
        events = tree(self._regions(video))
        return VideoAnnotation(video.name, known_frames(video), video.fps, (), events)

    def write(self, annotations: Annotations, path: Path) -> None:
        """All videos, those without spans with empty lists."""
        found = {}
        for name, video in annotations.items():
            regions = self._regions(video)
            found[name] = {
                **length(video),
                "timestamps": [list(region.span) for region in regions],
                "sentences": [next(iter(region.texts.values())) for region in regions],
            }
        write_text(path, dump_json(found))

    def read(self, path: Path, findings: Findings) -> dict[str, VideoAnnotation]:
        """Sentences become summaries of events, or captions of clips in one event around them."""
        found = {}
        for name, entry in mapping(read_json(path), str(path)).items():
            where = f"{path}, {name}"
            fields = mapping(entry, where)
            times, sentences = (
                sequence(fields.get(key), f"{where}, {key}") for key in ("timestamps", "sentences")
            )
            if len(times) != len(sentences):
                raise InputError(f"{where}: {len(times)} timestamps and {len(sentences)} sentences.")
            regions = [
                self._region(number, span(time, where), text(sentence, where))
                for number, (time, sentence) in enumerate(zip(times, sentences, strict=True))
            ]
            found[name] = replace(known_length(name, fields, where, findings), events=tree(regions))
        return found

    def _regions(self, video: VideoAnnotation) -> list[Region]:
        if self.level == "event":
            pairs = [(event.span, _sentence(event)) for event in video.events]
        else:
            pairs = [(clip.span, clip.caption) for event in video.events for clip in event.clips]
        return [self._region(number, *pair) for number, pair in enumerate(pairs)]

    def _region(self, number: int, place: Span, sentence: str) -> Region:
        if self.level == "event":
            return Region("event", place, f"E{number}", texts={"summary": sentence})
        # Numbered, so that clips keep their order even where they overlap.
        return Region("clip", place, f"E0C{number}", texts={"caption": sentence})


def _sentence(event: EventAnnotation) -> str:
    return event.summary or event.description
