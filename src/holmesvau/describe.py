"""Words for what was found: which frames a model sees, what it is asked at each level, in which order.

Event and video level: judgement, description and, where something is abnormal, analysis; clip level: a
caption (§3.1, §3.2). Frames are fetched and encoded once a video; every further question reuses their tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from holmesvau.ats.features import Features
from holmesvau.ats.guarded import Trust
from holmesvau.ats.samplers import sample_curve
from holmesvau.errors import InputError
from holmesvau.metered import Budget, BudgetSpent, Metered
from holmesvau.types import AnomalyCurve, Clip, FrameBatch, IndexArray, Span, Summary
from holmesvau.vlm import prompts
from holmesvau.vlm.protocol import GenerationOptions, VisionLanguageModel, VisualTokens, join

Granularity = Literal["clip", "event", "video"]
Fetch = Callable[[IndexArray], FrameBatch]

# Frames are fetched and encoded a few at a time: this many, or fewer where they are so large that together
# they would pass this many bytes.
FRAMES_AT_ONCE = 16
BYTES_AT_ONCE = 256 * 2**20


@dataclass(frozen=True, kw_only=True)
class SamplerConfig:
    """How frames are chosen for the language model (§4.2).

    `num_frames` None takes as many as the model was trained with; `tau` steers towards uniform.
    """

    method: str = "event-first"
    num_frames: int | None = None
    tau: float = 0.1


@dataclass(frozen=True, kw_only=True)
class DescribeConfig:
    """How much is described.

    `granularity`: `video` describes only the whole; `event` each event, and the chapters of a long video, as
    well; `clip` also captions the clips of each event. At most `max_events` events are described, the most
    abnormal first; an event is cut into clips of about `clip_seconds`, at most `max_clips` of them. At most
    `max_calm` chapters without events are described, the longest first. Those, and the clips of a long event,
    are each described from `few_frames` frames.
    A model is given at most `notes_tokens` tokens of what was said before (one that reads, see the protocol).

    `budget_seconds` and `budget_tokens` end the describing when they are spent (`metered`); what is most
    abnormal is described first.

    `unfamiliar` decides what a model that knows its limits says of footage unlike its training: nothing
    (`withhold`), or what it would say, with a warning (`mark`).
    """

    granularity: Granularity = "clip"
    max_events: int = 24
    clip_seconds: float = 5.0
    max_clips: int = 4
    max_calm: int = 12
    few_frames: int = 4
    notes_tokens: int = 1024
    budget_seconds: float | None = None
    budget_tokens: int | None = None
    unfamiliar: Literal["withhold", "mark"] = "withhold"

    def __post_init__(self) -> None:
        _ = self.budget

    @property
    def budget(self) -> Budget:
        """What describing may cost.

        Raises:
            ConfigError: when a limit is not above 0.
        """
        return Budget(seconds=self.budget_seconds, tokens=self.budget_tokens)


class Seen:
    """The frames of one video that a model has seen, each encoded only once.

    `dense` are the video's features, for a model that reads them.
    """

    def __init__(
        self, model: VisionLanguageModel, dense: Features | None = None, *, max_frames: int = 512
    ) -> None:
        self._model, self._dense = model, dense
        self._rows: dict[int, VisualTokens] = {}
        self._max_frames = max_frames

    def look(self, index: IndexArray, fetch: Fetch, model: VisionLanguageModel | None = None) -> VisualTokens:
        """The tokens of these frames; `fetch` gets by index those that were not seen before.

        `model` is the one who looks where that is to be counted (`metered`).
        """
        model = model or self._model
        missing = np.asarray([i for i in index.tolist() if i not in self._rows], dtype=np.int64)
        fresh: dict[int, VisualTokens] = {}
        done, at_once = 0, 1
        while done < len(missing):
            batch = fetch(missing[done : done + at_once])
            done += at_once
            at_once = int(np.clip(BYTES_AT_ONCE // batch.frames[0].nbytes, 1, FRAMES_AT_ONCE))
            tokens = model.encode(batch, self._dense) if model.uses_scan else model.encode(batch)
            fresh |= {int(frame): tokens.select([row]) for row, frame in enumerate(batch.index)}
        asked = join([fresh[i] if i in fresh else self._rows[i] for i in index.tolist()])
        self._rows |= fresh
        for oldest in list(self._rows)[: max(0, len(self._rows) - self._max_frames)]:
            del self._rows[oldest]
        return asked


def choose(
    curve: AnomalyCurve,
    num_frames: int,
    config: SamplerConfig,
    *,
    span: Span | None = None,
    events: Sequence[Span] = (),
) -> IndexArray:
    """Frame indices `[<= num_frames]`, rising, for the language model: of the whole video or of `span`.

    `events` are what `find_events` found, for samplers that know what to do with them.

    A span that holds fewer dense frames than wanted is covered evenly by the frames between them as well,
    so that a two-second event is still seen in `num_frames` pictures (those of the video that exist).

    Raises:
        InputError: when `span` lies outside the video.
    """
    part = curve if span is None else curve.within(span)
    if len(part) >= num_frames or span is None:
        return sample_curve(part, num_frames, method=config.method, tau=config.tau, events=events).index
    end = float(curve.seconds[-1]) + curve.stride_seconds
    if span.start >= end:
        raise InputError(f"Span({span.start}, {span.end}) lies outside the video, which ends at {end:.2f} s.")
    last = max(span.start, min(span.end, end) - curve.stride_seconds / 16)
    first_frame, last_frame = np.interp([span.start, last], curve.seconds, curve.index)
    evenly = np.linspace(np.ceil(first_frame), max(np.ceil(first_frame), np.floor(last_frame)), num_frames)
    return np.unique(np.minimum(np.rint(evenly).astype(np.int64), curve.index[-1]))


def choose_calm(curve: AnomalyCurve, num_frames: int, span: Span) -> IndexArray:
    """Frame indices `[<= num_frames]`, rising, of a span where nothing is to be told but everyday life.

    They are spread evenly over the half of its dense frames with the lowest scores: what stood out for a
    moment and is no event is not what the span is like.
    """
    part = curve.within(span)
    if not len(part):
        return choose(curve, 1, SamplerConfig(), span=span)
    calm = part.index[part.scores <= np.median(part.scores)]
    places = np.linspace(0, len(calm) - 1, min(num_frames, len(calm)) + 2)[1:-1].round().astype(np.int64)
    return np.unique(calm[places])


def explain(
    model: VisionLanguageModel,
    visual: VisualTokens,
    level: Literal["event", "video"],
    options: GenerationOptions | None,
    notes: Sequence[str] = (),
) -> tuple[Summary, str]:
    """Judgement, description and analysis of what `visual` shows, and its class ("" when none is named).

    `notes` are lines on what was seen, for a model that reads; there may then be no frames at all. What the
    model judges normal gets no analysis, as in the dataset (§3.2).
    """
    questions = {task: prompts.reading(text, notes) for task, text in prompts.QUESTIONS[level].items()}
    judgement, description = model.answer_many(
        visual, [questions["judgement"], questions["description"]], options=options
    )
    verdict = prompts.parse_judgement(judgement)
    if verdict.is_anomalous is False:
        return Summary(judgement, description), ""
    try:
        analysis = model.answer(visual, questions["analysis"], options=options)
    except BudgetSpent:
        # What was said before is not lost.
        analysis = ""
    return Summary(judgement, description, analysis), verdict.label or ""


@dataclass(frozen=True, slots=True)
class Shown:
    """What is seen of an event, or of the whole video, and the clips of it that want a caption."""

    visual: VisualTokens
    level: Literal["event", "video"] = "event"
    clips: Sequence[Span] = ()


def explain_each(
    model: Metered, shown: Sequence[Shown], options: GenerationOptions | None = None
) -> list[tuple[Summary, str, tuple[Clip, ...]]]:
    """`explain` and `caption_clips` of many events in two rounds, for a model that is asked `together`."""
    asked: list[tuple[VisualTokens, str]] = []
    for one in shown:
        questions = prompts.QUESTIONS[one.level]
        asked += [(one.visual, questions["judgement"]), (one.visual, questions["description"])]
        asked += [(_of_clip(one.visual, span), prompts.QUESTIONS["clip"]["caption"]) for span in one.clips]
    answers = iter(model.answer_each(asked, options=options))
    first = [(next(answers), next(answers), [next(answers) for _ in one.clips]) for one in shown]
    verdicts = [prompts.parse_judgement(judgement) for judgement, _, _ in first]
    odd = [place for place, verdict in enumerate(verdicts) if verdict.is_anomalous is not False]
    why = [(shown[place].visual, prompts.QUESTIONS[shown[place].level]["analysis"]) for place in odd]
    analyses = dict(zip(odd, model.answer_each(why, options=options) if why else (), strict=True))
    return [
        (
            Summary(judgement, description, analyses.get(place, "")),
            (verdicts[place].label or "") if place in analyses else "",
            tuple(Clip(span, caption) for span, caption in zip(shown[place].clips, captions, strict=True)),
        )
        for place, (judgement, description, captions) in enumerate(first)
    ]


def unseen(model: VisionLanguageModel) -> VisualTokens:
    """No frames at all, for a question about what was written."""
    nothing = np.empty(0, dtype=np.int64)
    return model.encode(FrameBatch(np.empty((0, 1, 1, 3), np.uint8), nothing, nothing.astype(np.float64)))


def clip_spans(event: Span, config: DescribeConfig) -> list[Span]:
    """An event cut into equal clips of about `clip_seconds`, at least one and at most `max_clips`."""
    count = int(np.clip(round(event.duration / config.clip_seconds), 1, config.max_clips))
    edges = np.linspace(event.start, event.end, count + 1).tolist()
    return [Span(a, b) for a, b in pairwise(edges)]


def caption_clips(
    model: VisionLanguageModel,
    visual: VisualTokens,
    spans: Sequence[Span],
    options: GenerationOptions | None,
) -> tuple[Clip, ...]:
    """A caption for each clip from those frames of its event that lie in it (the nearest if none does).

    Where a budget ends, the clips before it are given.
    """
    clips: list[Clip] = []
    for span in spans:
        question = prompts.QUESTIONS["clip"]["caption"]
        try:
            caption = model.answer(_of_clip(visual, span), question, options=options)
        except BudgetSpent:
            break
        clips.append(Clip(span, caption))
    return tuple(clips)


def _of_clip(visual: VisualTokens, span: Span) -> VisualTokens:
    """The frames of an event that lie in a clip of it, or the nearest one."""
    inside = np.flatnonzero((visual.seconds >= span.start) & (visual.seconds < span.end)).tolist()
    middle = (span.start + span.end) / 2
    return visual.select(inside or [int(np.argmin(np.abs(visual.seconds - middle)))])


def unfamiliar(trust: Trust, model: str, *, withheld: bool) -> str:
    """What is said of footage unlike the training's; `model` is the one whose words are not believed."""
    told = (
        f"This footage is unlike what the anomaly scorer was trained on (distance {trust.distance:.2f}, "
        f"limit {trust.limit:.2f}): the curve is that of the {trust.scorer} scorer, which needs no training."
    )
    if not model:
        return told
    if withheld:
        return (
            f"{told} What {model} would say of it is withheld, since it would be invented; --set "
            "describe.unfamiliar=mark shows it, --model takes a model for real footage."
        )
    return f"{told} What {model} says of it is not to be believed: it does not know such footage."
