"""What has been said of a video, as lines that a model can read: the level below, for a question above it.

Each line begins with its time. A stretch is told by the largest part that lies wholly in it (chapter, else
event, else clip), so that what is told of a span is about exactly that span.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from holmesvau.clock import clock, span_clock
from holmesvau.types import Chapter, Clip, Event, Span, Summary
from holmesvau.vlm.prompts import parse_judgement, reading
from holmesvau.vlm.protocol import History, VisionLanguageModel

# A line is made shorter in these steps, to so many sentences, until all lines fit.
SENTENCES = (6, 3, 2, 1)
# When even one sentence each is too much, lines end after so many words.
WORDS = 12
# So many of the strongest events are named again below the chapters that tell of them: a summary of hours
# must not lose an instant.
NAMED = 6

_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+")


@dataclass(frozen=True, slots=True)
class Note:
    """What is known of a stretch: its words, and how abnormal it is (the highest score of its events)."""

    span: Span
    text: str
    weight: float = 0.0

    def line(self, sentences: int | None = None, words: int | None = None) -> str:
        """`0:31–0:48: …`, with at most so many sentences or words."""
        text = self.text if sentences is None else first_sentences(self.text, sentences)
        if words is not None and len(text.split()) > words:
            text = " ".join(text.split()[:words]) + " …"
        return f"{span_clock(self.span)}: {text}"


def first_sentences(text: str, count: int) -> str:
    """The first sentences of a text, on one line."""
    return " ".join(_SENTENCE_END.split(" ".join(text.split()))[:count])


def of_event(event: Event) -> Note:
    """What was said of an event; that it stood out, where nothing was."""
    told = in_one(event.summary, event.label)
    stood_out = f"stood out (score {event.peak_score:.2f} at {clock(event.peak)}), not described."
    return Note(event.span, told or stood_out, event.peak_score)


def of_clip(clip: Clip) -> Note:
    """What was seen in a clip."""
    return Note(clip.span, clip.caption)


def of_chapter(chapter: Chapter, events: Sequence[Event]) -> Note:
    """What was said of a chapter, or what was found in it."""
    weight = max((events[number].peak_score for number in chapter.events), default=0.0)
    count = len(chapter.events)
    found = f"{count} event{'' if count == 1 else 's'}, not described." if count else "no event was found."
    return Note(chapter.span, in_one(chapter.summary) or found, weight)


def in_one(summary: Summary, label: str = "") -> str:
    """A summary as one text: its class, what happens, and whether the model took it for normal.

    The judgement itself comes in where nothing else says what it says.
    """
    normal = parse_judgement(summary.judgement).is_anomalous is False
    parts = [f"{label}." if label else "judged normal." if normal else ""]
    parts += [summary.description or summary.judgement, summary.analysis]
    return " ".join(part.strip() for part in parts if part.strip())


def below(span: Span, chapters: Sequence[Chapter], events: Sequence[Event]) -> list[Note]:
    """What is known of `span`, told at the highest level whose parts lie within it, in order of time."""
    if not chapters:
        return [note for event in events for note in _within(span, event)]
    notes = list(_from_chapters(span, chapters, events))
    return sorted(notes, key=lambda note: note.span.start)


def _from_chapters(span: Span, chapters: Sequence[Chapter], events: Sequence[Event]) -> Iterator[Note]:
    for chapter in chapters:
        if not span.intersect(chapter.span):
            continue
        if span.start <= chapter.span.start and chapter.span.end <= span.end:
            if chapter.events or in_one(chapter.summary):
                yield of_chapter(chapter, events)
        elif chapter.chapters:
            yield from _from_chapters(span, chapter.chapters, events)
        else:
            for number in chapter.events:
                yield from _within(span, events[number])


def _within(span: Span, event: Event) -> Iterator[Note]:
    """An event that lies in the span, or those of its clips that do."""
    if not span.intersect(event.span):
        return
    if span.start <= event.span.start and event.span.end <= span.end:
        yield of_event(event)
        return
    for clip in event.clips:
        if span.start <= clip.span.start and clip.span.end <= span.end:
            yield of_clip(clip)


def strongest(span: Span, events: Sequence[Event]) -> list[str]:
    """One line that names the most abnormal moments of a span; none where there are no events."""
    inside = [event for event in events if event.peak in span]
    first = sorted(inside, key=lambda event: -event.peak_score)[:NAMED]
    named = [
        f"{clock(event.peak)}{f' {event.label}' if event.label else ''} (score {event.peak_score:.2f})"
        for event in sorted(first, key=lambda event: event.peak)
    ]
    return [f"The most abnormal moments: {', '.join(named)}."] if named else []


def for_question(
    model: VisionLanguageModel,
    question: str,
    notes: Sequence[Note],
    last: Sequence[str] = (),
    *,
    num_frames: int,
    most_tokens: int,
    answer_tokens: int,
    history: History = (),
) -> list[str]:
    """Lines to put before `question` about `num_frames` frames, in at most `most_tokens` tokens.

    The model still holds them all, and an answer of `answer_tokens`; none for a model that does not read.
    """
    if not model.summarises:
        return []
    alone = model.prompt_tokens(question, num_frames, history)
    room = min(most_tokens, model.max_tokens - answer_tokens - alone)
    bare = model.prompt_tokens(question)

    def fits(lines: Sequence[str]) -> bool:
        return model.prompt_tokens(reading(question, lines)) - bare <= room

    return fitted(notes, last, fits)


def fitted(notes: Sequence[Note], last: Sequence[str], fits: Callable[[Sequence[str]], bool]) -> list[str]:
    """Lines of all notes, as long as `fits` allows, and the lines `last` behind them.

    They are first made shorter, all alike; then the least abnormal ones go. Nothing is told where not even
    one line fits.
    """
    for sentences in SENTENCES:
        lines = [*(note.line(sentences) for note in notes), *last]
        if fits(lines):
            return lines
    kept = list(notes)
    while kept or last:
        lines = [*(note.line(1, WORDS) for note in kept), *last]
        if fits(lines):
            return lines
        if not kept:
            break
        kept.remove(min(kept, key=lambda note: note.weight))
    return []
