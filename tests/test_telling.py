"""Long video told from clips to chapters to the whole, with a real (small, random) InternVL checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import InternVLForConditionalGeneration, LlamaConfig

from holmesvau import Holmes, Span
from holmesvau.ats.chapters import find_chapters
from holmesvau.ats.efficientnet import EfficientNetEncoder
from holmesvau.clock import span_clock
from holmesvau.config import load
from holmesvau.describe import DescribeConfig
from holmesvau.errors import ConfigError
from holmesvau.holmes import HolmesConfig
from holmesvau.metered import Metered
from holmesvau.report import from_json, to_json
from holmesvau.telling import Telling
from holmesvau.types import Event, FrameBatch, Report
from holmesvau.vlm import internvl
from holmesvau.vlm.prompts import NOTES
from holmesvau.vlm.protocol import GenerationOptions
from tests.scenes import fixed_camera, write_video
from tests.vlm.conftest import byte_tokenizer, native_config

SECONDS = 420
# When something happens and how abnormal it is; the last lasts over a minute.
TRUTH = [(20, 26, 0.7), (32, 40, 0.95), (44, 48, 0.6), (150, 156, 0.9), (230, 238, 0.8), (250, 320, 0.65)]
BY_SCORE = [1, 3, 4, 0, 5, 2]
SETTINGS = [
    *("chapters.from_seconds=300", "scan.every_seconds=2", "events.smooth_seconds=0"),
    *("generation.max_new_tokens=5", "sampler.num_frames=4", "describe.few_frames=2"),
]


class Truth:
    """A scorer that knows: so many events, of known scores, in a video of any length."""

    name, input_width = "truth", None

    def score(self, features):
        scores = np.full(len(features), 0.05, np.float32)
        for start, end, score in TRUTH:
            scores[(features.seconds >= start) & (features.seconds < end)] = score
        return scores


class Asked:
    """The real model, which also keeps what it was asked: `(frames, question)`."""

    def __init__(self, model) -> None:
        self.model, self.questions = model, []
        self.uses_scan, self.summarises = False, True

    def __getattr__(self, name: str):
        return getattr(self.model, name)

    def answer(self, visual, question, **options):
        self.questions.append((len(visual), question))
        return self.model.answer(visual, question, **options)

    def answer_many(self, visual, questions, **options):
        self.questions += [(len(visual), question) for question in questions]
        return self.model.answer_many(visual, questions, **options)

    def answer_each(self, asked, **options):
        self.questions += [(len(visual), question) for visual, question in asked]
        return self.model.answer_each(asked, **options)


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    # Every frame by itself, as fetching here and there takes no time then.
    return write_video(path, fixed_camera(SECONDS, fps=1, width=160, height=96), fps=1, codec="mjpeg")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    torch.manual_seed(3)
    config = native_config(LlamaConfig, max_position_embeddings=8192)
    InternVLForConditionalGeneration(config).save_pretrained(folder)
    byte_tokenizer(begins=True).save_pretrained(folder)
    return internvl.load(folder, dtype="float32")


def pipeline(model, *settings: str) -> Holmes:
    config = load(HolmesConfig, None, [*SETTINGS, *settings])
    return Holmes(EfficientNetEncoder(), Truth(), model, config=config)


@pytest.fixture(scope="module")
def told(model, video) -> tuple[Holmes, Asked, Report]:
    asked = Asked(model)
    holmes = pipeline(asked)
    return holmes, asked, holmes.watch(video, questions=("What burns?",))


def described(report: Report) -> list[int]:
    return [n for n, event in enumerate(report.events) if event.summary.description]


def test_every_level_is_told_from_the_one_below(told) -> None:
    _, asked, report = told
    assert [(e.span.start, e.span.end) for e in report.events] == [(a, b) for a, b, _ in TRUTH]
    assert all(event.summary.judgement and event.clips for event in report.events)
    eventful = [chapter for chapter in report.chapters if chapter.events]
    assert all(chapter.summary.description for chapter in report.chapters)
    several = [chapter for chapter in eventful if len(chapter.events) > 1]
    assert several and not any(chapter.composed for chapter in several)
    # A chapter is asked about in words alone: its events with their times and what was said of them.
    texts = [question for frames, question in asked.questions if frames == 0]
    first = report.events[several[0].events[0]]
    assert any(NOTES in text and f"0:20–0:26: {first.summary.description[:10]}" in text for text in texts)
    # The video is asked about with its frames and its chapters, and so are questions about it.
    whole = [q for frames, q in asked.questions if frames == 4 and NOTES in q and "this video" in q]
    named = "The most abnormal moments: 0:20 (score 0.70), 0:32 (score 0.95)"
    assert len(whole) == 3 and all(named in question for question in whole)
    (question,) = [q for _, q in asked.questions if q.endswith("What burns?")]
    assert NOTES in question and report.answers[0].question == "What burns?"
    assert report.model["used"]["calls"] == len(asked.questions)


def test_what_stood_out_for_a_moment_is_not_what_a_calm_chapter_is_like(model, video) -> None:
    class Bumpy(Truth):
        def score(self, features):
            scores = super().score(features)
            scores[(features.seconds >= 380) & (features.seconds < 390)] = 0.45
            return scores

    class Watched(Asked):
        def answer(self, visual, question, **options):
            seen.append(np.asarray(visual.index))
            return super().answer(visual, question, **options)

    seen: list[np.ndarray] = []
    config = load(HolmesConfig, None, SETTINGS)
    report = Holmes(EfficientNetEncoder(), Bumpy(), Watched(model), config=config).watch(video)
    calm = [chapter for chapter in report.chapters if not chapter.events]
    last = calm[-1].span
    assert last.start < 380 and last.end > 390 and all(chapter.summary.description for chapter in calm)
    (looked,) = [
        index for index in seen if len(index) == 2 and last.start <= index.min() <= index.max() < last.end
    ]
    assert not ((looked >= 380) & (looked < 390)).any()


class OneByOne:
    """The same model without a way to ask about several events together."""

    def __init__(self, model) -> None:
        self.model = model

    def __getattr__(self, name: str):
        if name == "answer_each":
            raise AttributeError(name)
        return getattr(self.model, name)


def test_told_together_events_have_the_words_they_have_one_by_one(told, model, video) -> None:
    _, _, together = told
    alone = pipeline(OneByOne(model)).watch(video, questions=("What burns?",))
    assert alone.events == together.events and alone.summary == together.summary
    assert alone.model["used"]["calls"] == together.model["used"]["calls"]
    assert alone.model["used"]["answer_tokens"] == together.model["used"]["answer_tokens"]


def test_a_long_event_is_told_from_clips_that_were_looked_at_by_themselves(told) -> None:
    _, asked, report = told
    long = report.events[5]
    clips = [q for q in asked.questions if q[1].startswith("Describe what happens in this short video clip")]
    assert [frames for frames, _ in clips].count(2) >= len(long.clips) == 4
    notes = [q for frames, q in asked.questions if frames == 4 and NOTES in q and "this part" in q]
    assert notes and all("4:10–4:27: " in text and "5:02–5:20: " in text for text in notes[:3])


def test_the_report_with_chapters_survives_the_way_to_json_and_back(told) -> None:
    report = told[2]
    again = from_json(to_json(report))
    assert to_json(again) == to_json(report) and len(again.chapters) == len(report.chapters) > 3


def test_a_model_that_does_not_read_is_asked_about_what_it_sees_alone(model, video) -> None:
    asked = Asked(model)
    asked.summarises = False
    report = pipeline(asked).watch(video)
    assert all(frames > 0 and NOTES not in question for frames, question in asked.questions)
    several = [chapter for chapter in report.chapters if len(chapter.events) > 1]
    assert several and all(chapter.composed for chapter in several)
    for chapter in several:
        inside = [report.events[number] for number in chapter.events]
        wanted = [f"{span_clock(e.span)}: {' '.join(e.summary.description.split())}" for e in inside]
        assert chapter.summary.description.splitlines() == wanted
    assert report.summary.judgement.startswith("Yes: an anomaly at ")
    assert any("does not summarise texts" in text for text in report.warnings)


@pytest.mark.parametrize("granularity", ["event", "video"])
def test_granularity_gives_that_level_and_what_is_above(model, video, granularity: str) -> None:
    report = pipeline(model, f"describe.granularity={granularity}").watch(video)
    assert report.summary.judgement and not any(event.clips for event in report.events)
    assert len(described(report)) == (6 if granularity == "event" else 0)
    words = [bool(chapter.summary.description) for chapter in report.chapters]
    assert len(words) > 3 and (all(words) if granularity == "event" else not any(words))


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_a_budget_of_tokens_is_kept_most_abnormal_first(told, model, video, share: float) -> None:
    used = told[2].model["used"]
    budget = int(share * (used["prompt_tokens"] + used["answer_tokens"]))
    report = pipeline(model, f"describe.budget_tokens={budget}").watch(video)
    spent = report.model["used"]["prompt_tokens"] + report.model["used"]["answer_tokens"]
    assert spent <= budget and (share < 0.2 or spent > 0.5 * budget)
    count = len(described(report))
    assert sorted(BY_SCORE[:count]) == described(report)
    assert any("was spent" in text and f"{count} of 6 events" in text for text in report.warnings)
    if count:
        assert report.summary.judgement, "put together for nothing, where the model could not be asked"


def test_a_budget_of_seconds_is_kept(told, model, video) -> None:
    whole = told[2].timing["generate"]
    budget = round(0.4 * whole, 3)
    report = pipeline(model, f"describe.budget_seconds={budget}").watch(video)
    # A tenth more, and a moment in which a shared machine does something else.
    assert report.timing["generate"] < 1.1 * budget + 0.25 * whole
    count = len(described(report))
    assert sorted(BY_SCORE[:count]) == described(report)
    assert report.model["used"]["calls"] < told[2].model["used"]["calls"]
    assert any(f"({budget:g} s) was spent" in text for text in report.warnings)


def test_captions_are_left_out_before_events_are(told, model, video) -> None:
    plain = pipeline(model, "describe.granularity=event").watch(video).model["used"]
    budget = int(1.25 * (plain["prompt_tokens"] + plain["answer_tokens"]))
    report = pipeline(model, f"describe.budget_tokens={budget}").watch(video)
    assert len(described(report)) == 6 and not all(event.clips for event in report.events)


@pytest.mark.parametrize("setting", ["budget_seconds=0", "budget_tokens=-5"])
def test_a_budget_of_nothing_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        load(HolmesConfig, None, [f"describe.{setting}"])


def frames_of(answer) -> list[float]:
    return answer.selection.seconds.tolist()


def test_asking_about_the_whole_looks_where_watching_does(told, video) -> None:
    holmes, _, report = told
    for source in (video, report, from_json(to_json(report))):
        assert frames_of(holmes.ask(source, "What?")) == report.selection.seconds.tolist()


def test_a_long_span_is_event_first_within_itself_and_told_of_nothing_else(told, video) -> None:
    holmes, asked, report = told
    span = Span(15, 330)
    answer = holmes.ask(video, "What happened?", span=span)
    seconds = frames_of(answer)
    assert all(second in span for second in seconds)
    assert sum(any(start <= s < end for start, end, _ in TRUTH) for s in seconds) >= 3
    question = asked.questions[-1][1]
    assert "0:20–0:26: " in question and question.endswith("Take these notes into account. What happened?")
    assert "The most abnormal moments: " in question
    # A part that ends in the middle of the long event is told of those of its clips that lie in it.
    holmes.ask(report, "And then?", span=Span(0, 305))
    cut = asked.questions[-1][1]
    assert "4:10–4:27: " in cut and "4:45–5:02: " in cut and "5:02–5:20" not in cut and "4:10–5:20" not in cut
    # What is short needs no notes, and its frames lie all over it.
    short = holmes.ask(video, "What?", span=Span(100, 140))
    assert asked.questions[-1] == (4, "What?")
    assert [round(second) for second in frames_of(short)] == pytest.approx([105, 115, 125, 135], abs=2)


def test_a_budget_that_is_spent_at_once_still_gives_a_report(model, video) -> None:
    report = pipeline(model, "describe.budget_tokens=20").watch(video, questions=("What?",))
    assert not described(report) and report.summary.judgement == "" and not report.answers
    assert len(report.chapters) > 3 and len(report.events) == 6 and len(report.selection) == 4
    assert report.model["used"]["calls"] == 0
    assert any(
        "0 of 6 events are described" in text and "1 question not answered" in text
        for text in report.warnings
    )


def test_a_day_does_not_hide_ten_seconds(model) -> None:
    """Sixty false alarms around a short event: it is told first, has its chapter, and the whole names it."""
    starts = np.linspace(600, 85_000, 60)
    events = [Event(Span(s, s + 30), s + 5, 0.55, 0.5) for s in starts if abs(s - 50_000) > 600]
    events.append(Event(Span(50_000, 50_010), 50_004, 0.9, 0.9))
    events.sort(key=lambda event: event.span.start)
    chapters = find_chapters(Span(0, 86_400), [event.span for event in events])
    asked = Asked(model)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 60, 80, 3), np.uint8)
    visual = asked.encode(FrameBatch(pictures, np.arange(2), np.arange(2.0)))
    config = DescribeConfig(granularity="event", max_events=12)
    metered = Metered(asked)
    telling = Telling(metered, lambda *_, **__: visual, config, GenerationOptions(max_new_tokens=4))
    told, summary, by_rules = telling.tell(events, chapters, Span(0, 86_400))
    short = next(number for number, event in enumerate(events) if event.peak_score == 0.9)
    assert summary.judgement and not by_rules and events[short].summary.description
    assert len(described_events := [e for e in events if e.summary.description]) == 12
    assert events[short] in described_events
    leaf = next(leaf for chapter in told for leaf in chapter.leaves() if short in leaf.events)
    assert leaf.summary.description and leaf.span.duration < 2 * 3600
    whole = [
        text for frames, text in asked.questions if frames == 2 and "this video" in text and NOTES in text
    ]
    assert len(whole) == 3 and all("13:53:24 (score 0.90)" in text for text in whole)
    # However many chapters there are, they fit into what the model is given to read.
    assert all(metered.prompt_tokens(text, 2) < 1024 + 400 for text in whole)
