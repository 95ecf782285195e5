"""What was found, put into words from below: clips, events, chapters, the video (the recursion of §3.2).

Each level is told from the one under it: a long event from its clips' captions beside its frames, a chapter
from its events, the video from its chapters beside frames of its own. A model that does not read (the
embedded one) tells of what it sees, events and calm chapters; what lies above is put together from those
words by plain rules (`composed`). What is most abnormal comes first, so that a budget that ends, or a server
that goes away, costs the least.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ParamSpec, Protocol, TypeVar

from holmesvau import composed
from holmesvau.ats.features import Progress
from holmesvau.describe import DescribeConfig, Shown, caption_clips, clip_spans, explain, explain_each, unseen
from holmesvau.errors import ModelDownError
from holmesvau.metered import Budget, BudgetSpent, Metered
from holmesvau.notes import Note, below, for_question, in_one, of_chapter, of_clip, of_event, strongest
from holmesvau.types import Chapter, Clip, Event, Span, Summary
from holmesvau.vlm import prompts
from holmesvau.vlm.protocol import GenerationOptions, VisualTokens

# From this many seconds on, an event is more than its frames show: its clips are looked at by themselves, and
# told before it is.
LONG_EVENT_SECONDS = 60.0
# Events that a model tells of together, where it can: what it has said of them stays if it then goes away.
EVENTS_TOGETHER = 8

# How far each level may use up a budget, as parts of the whole; what one leaves is there for the next.
EVENTS_PART, CHAPTERS_PART, VIDEO_PART, QUESTION_PART = 6.0, 2.0, 1.5, 0.5

P = ParamSpec("P")
T = TypeVar("T")


class Look(Protocol):
    """The frames of a span, or of the whole video, as the model sees them."""

    def __call__(
        self, span: Span | None, num_frames: int | None = None, *, calm: bool = False
    ) -> VisualTokens:
        """At most `num_frames`; None is as many as the model sees at once. `calm`: where least stands out."""
        ...


class Telling:
    """Tells of one video with one model, as long as its budget lasts and it is there.

    `dismissed` is what stood out and is no event, with what it is taken for; None where that is not known, or
    the model has its own say. Where it is known and there is no event, the video is judged by that: a model
    that sees what the scorer sees, in a few frames, is not asked twice.

    Afterwards `down` is the model's error where it went away; what has been said by then stays.
    """

    def __init__(
        self,
        model: Metered,
        look: Look,
        config: DescribeConfig,
        generation: GenerationOptions,
        *,
        dismissed: Sequence[tuple[Span, str]] | None = None,
        questions: int = 0,
        progress: Progress | None = None,
    ) -> None:
        self.model = model
        self.down: ModelDownError | None = None
        self._look, self.config, self._options = look, config, generation
        self._dismissed, self._questions, self._progress = dismissed, questions, progress
        self._steps = self._total = 0
        # The video's words, where they were found together with those of its events.
        self._summary: Summary | None = None
        self._few = min(config.few_frames, model.num_frames)

    def tell(
        self, events: list[Event], chapters: tuple[Chapter, ...], whole: Span
    ) -> tuple[tuple[Chapter, ...], Summary, bool]:
        """Put words into `events`; the chapters with theirs, the video's, and whether those are composed."""
        chosen = self._chosen(events)
        describes_parts = self.config.granularity != "video"
        leaves = [leaf for chapter in chapters for leaf in chapter.leaves()] if describes_parts else []
        self._total = len(chosen) + len(leaves) + 1
        shares = self._shares(bool(chapters))
        self._tell_events(events, chosen, shares[0], video=not chapters)
        if describes_parts:
            with self.model.within(shares[1]):
                calm = [leaf for leaf in leaves if not leaf.events]
                longest = sorted(calm, key=lambda chapter: -chapter.span.duration)[: self.config.max_calm]
                chapters = self._told(chapters, events, frozenset(chapter.span for chapter in longest))
        with self.model.within(shares[2]):
            summary, by_rules = self._video(events, chapters, whole)
        self._step()
        return chapters, summary, by_rules

    def answer(self, question: str, events: Sequence[Event], chapters: Sequence[Chapter]) -> str | None:
        """The answer to a question about the whole video; None where it could not be paid for."""

        def asked() -> str:
            visual = self._look(None)
            lines: list[str] = []
            if chapters:
                whole = Span(chapters[0].span.start, chapters[-1].span.end)
                lines = self._lines(question, *_known(whole, chapters, events), len(visual))
            return self.model.answer(visual, prompts.reading(question, lines), options=self._options)

        return self._paid(asked)

    def _shares(self, chapters: bool) -> list[float]:
        """How much of a budget may be used up when events, chapters and the video have been told."""
        above = [CHAPTERS_PART if chapters else 0.0, VIDEO_PART]
        if not self.model.summarises and chapters:
            # Most of it costs nothing: it is put together from what was said of the events.
            above = [part / 2 for part in above]
        parts = [EVENTS_PART, *above, QUESTION_PART * self._questions]
        return [sum(parts[: level + 1]) / sum(parts) for level in range(3)]

    def _chosen(self, events: Sequence[Event]) -> list[int]:
        """The events to describe, the most abnormal first."""
        if self.config.granularity == "video":
            return []
        by_score = sorted(range(len(events)), key=lambda number: -events[number].peak_score)
        return by_score[: self.config.max_events]

    def _tell_events(self, events: list[Event], chosen: Sequence[int], share: float, video: bool) -> None:
        """One by one, so that what was said stays, with at most this share of a budget.

        Several at a time where that is faster, and then the `video` with them if it is told from its frames.

        Where there is one, captions come last: they must not cost an event its words.
        """
        captions = self.config.granularity == "clip"
        limited = self.config.budget != Budget()
        if self.model.together:
            chosen = self._tell_together(events, chosen, captions, video)
        for place, number in enumerate(chosen):
            # The most abnormal event comes before everything else, whatever it costs.
            with self.model.within(share if place else 1.0):
                if not self._done(self._event, events, number, captions and not limited):
                    return
            self._step()
        if captions and limited:
            with self.model.within(share):
                for number in chosen:
                    if not self._done(self._captions, events, number, None):
                        return

    def _tell_together(
        self, events: list[Event], chosen: Sequence[int], captions: bool, video: bool
    ) -> list[int]:
        """Tell of the short ones among the chosen events, several at a time; those that are left."""
        short = [number for number in chosen if events[number].span.duration < LONG_EVENT_SECONDS]
        told: set[int] = set()
        for start in range(0, len(short), EVENTS_TOGETHER):
            group = short[start : start + EVENTS_TOGETHER]
            last = video and start + EVENTS_TOGETHER >= len(short)
            found = self._paid(self._together, [events[number].span for number in group], captions, last)
            if found is None:
                break
            if last:
                self._summary = found.pop()[0]
            for number, (summary, label, clips) in zip(group, found, strict=True):
                events[number] = replace(events[number], label=label, summary=summary, clips=clips)
                told.add(number)
                self._step()
        return [number for number in chosen if number not in told]

    def _together(
        self, spans: Sequence[Span], captions: bool, video: bool
    ) -> list[tuple[Summary, str, tuple[Clip, ...]]]:
        """What there is to say of each span and, last, of the whole video where that is wanted."""
        shown = [
            Shown(self._look(span), clips=clip_spans(span, self.config) if captions else ()) for span in spans
        ]
        if video:
            shown.append(Shown(self._look(None), "video"))
        return explain_each(self.model, shown, self._options)

    def _event(self, events: list[Event], number: int, captions: bool) -> None:
        event = events[number]
        long = event.span.duration >= LONG_EVENT_SECONDS
        visual = self._look(event.span)
        lines: list[str] = []
        if captions and long:
            self._captions(events, number, visual)
            notes = [of_clip(clip) for clip in events[number].clips]
            lines = self._lines(prompts.QUESTIONS["event"]["analysis"], notes, (), len(visual))
        summary, label = explain(self.model, visual, "event", self._options, lines)
        events[number] = replace(events[number], label=label, summary=summary)
        if captions and not long:
            self._captions(events, number, visual)

    def _captions(self, events: list[Event], number: int, visual: VisualTokens | None) -> None:
        """Captions from the event's own frames; those of a long one each from frames of their own."""
        event = events[number]
        spans = clip_spans(event.span, self.config)
        if event.span.duration < LONG_EVENT_SECONDS:
            seen = self._look(event.span) if visual is None else visual
            events[number] = replace(event, clips=caption_clips(self.model, seen, spans, self._options))
            return
        clips: tuple[Clip, ...] = ()
        for span in spans:
            clips += caption_clips(self.model, self._look(span, self._few), [span], self._options)
            events[number] = replace(event, clips=clips)

    def _told(
        self, chapters: tuple[Chapter, ...], events: Sequence[Event], calm: frozenset[Span]
    ) -> tuple[Chapter, ...]:
        """The chapters with words, the most abnormal first and the finer ones before those they make up."""
        told = list(chapters)
        weights = [of_chapter(chapter, events).weight for chapter in chapters]
        for place in sorted(range(len(told)), key=lambda place: -weights[place]):
            told[place] = self._chapter(told[place], events, calm)
        return tuple(told)

    def _chapter(self, chapter: Chapter, events: Sequence[Event], calm: frozenset[Span]) -> Chapter:
        chapter = replace(chapter, chapters=self._told(chapter.chapters, events, calm))
        if not chapter.chapters:
            self._step()
        if not chapter.events:
            text = self._paid(self._calm, chapter.span) if chapter.span in calm else None
            return replace(chapter, summary=Summary(description=text or ""))
        inside = [events[number] for number in chapter.events]
        told = sum(composed.said(event) for event in inside)
        summary = None
        if told and len(inside) > 1 and self.model.summarises:
            notes = [of_chapter(finer, events) for finer in chapter.chapters] or [
                of_event(event) for event in inside
            ]
            summary = self._paid(self._summarised, notes, strongest(chapter.span, events))
        if summary is not None:
            return replace(chapter, summary=summary)
        if len(inside) == 1:
            return replace(chapter, summary=inside[0].summary, composed=bool(told))
        return replace(chapter, summary=composed.of_events(inside), composed=bool(told))

    def _calm(self, span: Span) -> str:
        question = prompts.QUESTIONS["video"]["description"]
        return self.model.answer(self._look(span, self._few, calm=True), question, options=self._options)

    def _summarised(self, notes: Sequence[Note], last: Sequence[str]) -> Summary | None:
        """From words alone; None where the model has no room for any, since it would invent then."""
        lines = self._lines(prompts.QUESTIONS["event"]["analysis"], notes, last, 0)
        if len(lines) <= len(last):
            return None
        return explain(self.model, unseen(self.model), "event", self._options, lines)[0]

    def _video(
        self, events: Sequence[Event], chapters: tuple[Chapter, ...], whole: Span
    ) -> tuple[Summary, bool]:
        """The video's words, and whether they were put together from its events'."""
        by_rules = composed.of_events(events)
        if chapters and not self.model.summarises and any(composed.is_abnormal(event) for event in events):
            # Its own look at a few frames of hours could only lose what it has said of each event.
            return by_rules, True

        if self._summary is not None:
            return self._summary, False

        def looked() -> Summary:
            if self._dismissed is not None and not events:
                # A hug is worth a word in a minute; of hours it is told what they are like.
                visual = self._look(whole, calm=True) if chapters else self._look(None)
                question = prompts.QUESTIONS["video"]["description"]
                description = self.model.answer(visual, question, options=self._options)
                return Summary(composed.dismissed(self._dismissed), description)
            visual = self._look(None)
            lines: list[str] = []
            if chapters:
                question = prompts.QUESTIONS["video"]["analysis"]
                lines = self._lines(question, *_known(whole, chapters, events), len(visual))
            return explain(self.model, visual, "video", self._options, lines)[0]

        summary = self._paid(looked)
        if summary is not None:
            return summary, False
        # A short video is as good as its events: for want of a server their words are not said a second time.
        put_together = bool(by_rules.judgement) and (bool(chapters) or self.model.spent)
        return (by_rules if put_together else Summary()), put_together

    def _lines(self, question: str, notes: Sequence[Note], last: Sequence[str], num_frames: int) -> list[str]:
        return for_question(
            self.model,
            question,
            notes,
            last,
            num_frames=num_frames,
            most_tokens=self.config.notes_tokens,
            answer_tokens=self._options.max_new_tokens,
        )

    def _paid(self, work: Callable[P, T], *what: P.args, **how: P.kwargs) -> T | None:
        """What `work` gives; None where the budget does not pay for it or the model is gone."""
        if self.down is None:
            try:
                return work(*what, **how)
            except BudgetSpent:
                pass
            except ModelDownError as error:
                self.down = error
        return None

    def _done(self, work: Callable[P, None], *what: P.args, **how: P.kwargs) -> bool:
        """Whether `work` was paid for and done."""

        def done() -> bool:
            work(*what, **how)
            return True

        return bool(self._paid(done))

    def _step(self) -> None:
        self._steps += 1
        if self._progress is not None:
            self._progress("describe", self._steps, self._total)


def _known(whole: Span, chapters: Sequence[Chapter], events: Sequence[Event]) -> tuple[list[Note], list[str]]:
    """What the level below says of the whole, and the moments that must not be lost in it."""
    spoken = any(map(composed.said, events)) or any(in_one(chapter.summary) for chapter in chapters)
    return below(whole, chapters, events) if spoken else [], strongest(whole, events)
