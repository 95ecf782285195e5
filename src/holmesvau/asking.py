"""A question about a recording or a part of it: which frames are seen for it, and what is told beside them.

About a short part, the frames say it all. About a long one they are chosen event-first within it, and a model
that reads is told what was already said of exactly that part: chapters, events, clips (§3.2's levels).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from holmesvau import composed
from holmesvau.ats.chapters import ChaptersConfig
from holmesvau.ats.events import EventsConfig, find_events
from holmesvau.describe import DescribeConfig, SamplerConfig, choose
from holmesvau.notes import below, for_question, in_one, strongest
from holmesvau.types import AnomalyCurve, IndexArray, Report, Span
from holmesvau.vlm import prompts
from holmesvau.vlm.protocol import GenerationOptions, History, VisionLanguageModel


@dataclass(frozen=True, slots=True, eq=False)
class Asking:
    """What is asked about: the curve of a video, `span` of it (None: all), and what is `known` already."""

    curve: AnomalyCurve
    span: Span | None
    known: Report | None
    chapters: ChaptersConfig

    @property
    def part(self) -> Span:
        """The part in seconds."""
        end = float(self.curve.seconds[-1]) + self.curve.stride_seconds if len(self.curve) else 0.0
        return self.span or Span(0.0, end)

    @property
    def is_long(self) -> bool:
        """Whether the frames alone would say too little of it."""
        return self.part.duration > self.chapters.from_seconds

    def frames(self, num_frames: int, sampler: SamplerConfig, config: EventsConfig) -> IndexArray:
        """The frames to see: of a short span all over it, of a long one and of the whole event-first.

        Raises:
            InputError: when the span lies outside the video.
        """
        events: Sequence[Span] = ()
        if self.span is None or self.is_long:
            known = self.known
            events = find_events(self.curve, config) if known is None else [e.span for e in known.events]
        return choose(self.curve, num_frames, sampler, span=self.span, events=events)

    def informed(
        self,
        model: VisionLanguageModel,
        question: str,
        history: History,
        *,
        num_frames: int,
        config: DescribeConfig,
        generation: GenerationOptions,
    ) -> str:
        """The question with what is known of the part; as it is where nothing is, or the part is short."""
        report = self.known
        if report is None or not self.is_long:
            return question
        spoken = any(map(composed.said, report.events)) or any(in_one(c.summary) for c in report.chapters)
        notes = below(self.part, report.chapters, report.events) if spoken else []
        lines = for_question(
            model,
            question,
            notes,
            strongest(self.part, report.events),
            num_frames=num_frames,
            most_tokens=config.notes_tokens,
            answer_tokens=generation.max_new_tokens,
            history=history,
        )
        return prompts.reading(question, lines)
