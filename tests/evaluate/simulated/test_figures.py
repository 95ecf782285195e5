"""Figures on simulated videos, from reports made by hand: each is counted on paper beside it."""

import numpy as np
import pytest

from holmesvau.errors import InputError
from holmesvau.evaluate import text
from holmesvau.evaluate.resampling import BootstrapConfig
from holmesvau.evaluate.simulated import SimulatedVideo, TrueEvent, evaluate
from holmesvau.evaluate.simulated.baseline import PARTS, most_frequent, training_events
from holmesvau.evaluate.simulated.matching import falls_on, is_right, matched
from holmesvau.hivau import EventAnnotation, GroundTruth, Interval
from holmesvau.sim.plan import Settings, plan
from holmesvau.sim.scripts import ANOMALIES
from holmesvau.types import AnomalyCurve, Event, Report, Selection, Span, Summary, VideoInfo
from holmesvau.vlm.judgement import Verdict, parse_judgement

YES = "An anomaly exists in this video: fighting."
NO = "No anomaly exists in this video."
CONSTANT = {
    "judgement": "An anomaly exists: a fall.",
    "description": "A man falls.",
    "analysis": "It is dangerous.",
}


def staged(start, end, label="Fighting"):
    texts = EventAnnotation(
        Span(start, end),
        judgement=f"This part of the video shows {label}.",
        description=f"Two men in red jackets begin at second {start:g} and end it at {end:g}.",
        analysis="This is abnormal because somebody is hurt.",
    )
    return TrueEvent(Span(start, end), label, texts)


def video(name, *events, negatives=(), seconds=40, scene="street"):
    frames = tuple(Interval(int(10 * e.span.start), int(10 * e.span.end), (e.label,)) for e in events)
    truth = GroundTruth(name, f"{name}.mp4", tuple(e.label for e in events), frames, 10 * seconds)
    calm = tuple(TrueEvent(Span(*span), "Hugging") for span in negatives)
    return SimulatedVideo(name, None, truth, 10 * seconds, 10.0, "0" * 32, scene, "day", tuple(events), calm)


def said(event, confidence=1.0, label="Fighting", judgement=None, **parts):
    told = {part: getattr(event.texts, part) for part in PARTS} | parts
    if judgement is not None:
        told["judgement"] = judgement
    return Event(event.span, event.span.start, 1.0, confidence, label, Summary(**told))


def report(events=(), judgement=YES, model="a model", seconds=40):
    times = np.arange(0, seconds, 0.5)
    scores = np.array([any(t in event.span for event in events) for t in times], np.float32)
    return Report(
        VideoInfo("v.mp4", float(seconds), 10.0, 10 * seconds, 320, 240, "h264"),
        AnomalyCurve(times, scores, (times * 10).astype(np.int64), 0.5),
        Selection(np.zeros(0, np.int64), np.zeros(0), "event-first"),
        tuple(events),
        Summary(judgement=judgement),
        model={"name": model},
    )


def test_who_is_always_right_has_every_figure_at_its_best():
    one, two = staged(5, 10), staged(20, 30, "Arson")
    videos = [video("a", one, two), video("b", staged(1, 9, "Fall")), video("c", negatives=[(3, 8)])]
    reports = {
        "a": report([said(one), said(two, label="Arson")]),
        "b": report([said(videos[1].events[0], label="Fall")]),
        "c": report(judgement=NO),
    }
    found = evaluate(videos, reports, CONSTANT, bootstrap=BootstrapConfig(resamples=50))
    assert found.figures["frame_auc"] == found.figures["frame_ap"] == 1
    best = {
        "judgement_accuracy": 1, "class_accuracy": 1, "event_recall": 1, "ece": 0,
        "hard_negative_false_rate": 0,
    }  # fmt: skip
    assert {key: found.figures[key] for key in best} == best
    assert found.figures["event_cider"] > 5 > found.figures["most_frequent_cider"]
    assert found.videos == 3 and found.seconds_of_video == 120 and not found.notes
    assert found.intervals["class_accuracy"].low == 1 and found.intervals["frame_auc"].high == 1
    assert found.by_class["Fall"]["class_accuracy"] == 1 and found.by_scene["street"].videos == 3


def test_scenes_held_out_of_training_stand_apart():
    one = staged(5, 10)
    videos = [video("a", one), video("b", one, scene="platform"), video("c", scene="corridor")]
    reports = {"a": report([said(one)]), "b": report(judgement=NO), "c": report(judgement=NO)}
    kinds = evaluate(videos, reports, CONSTANT).by_kind_of_scene
    assert kinds["as in training"].figures["judgement_accuracy"] == 1
    assert kinds["held out"].videos == 2 and kinds["held out"].figures["judgement_accuracy"] == 0.5
    assert kinds["held out"].frame_auc == 0.5 and kinds["held out"].figures["event_recall"] == 0


def test_cider_is_that_of_the_text_suite_with_missed_events_empty():
    one, two = staged(5, 10), staged(20, 30, "Arson")
    videos, only_first = [video("a", one, two)], report([said(one, description="Two men in red jackets.")])
    found = evaluate(videos, {"a": only_first}, CONSTANT)
    meant = [getattr(event.texts, part) for event in (one, two) for part in PARTS]
    guesses = [one.texts.judgement, "Two men in red jackets.", one.texts.analysis, "", "", ""]
    assert found.figures["event_cider"] == pytest.approx(text.score(guesses, meant).cider)
    plain = [CONSTANT[part] for _ in range(2) for part in PARTS]
    assert found.figures["most_frequent_cider"] == pytest.approx(text.score(plain, meant).cider)
    assert found.figures["class_accuracy"] == 0.5 and found.figures["class_accuracy_of_found"] == 1
    assert found.counts["texts"] == 6 and found.counts["events_found"] == 1


def test_an_event_of_the_report_stands_for_one_true_event_only():
    assert matched([Span(0, 10), Span(12, 20)], [Span(0, 20)]) == [0, None]
    assert matched([Span(0, 10), Span(12, 20)], [Span(14, 16), Span(2, 13)]) == [1, 0]
    assert matched([Span(0, 1)], [Span(1, 2)]) == [None]
    # The better pair goes first, whoever is asked first.
    assert matched([Span(0, 10), Span(4, 6)], [Span(4, 6)]) == [None, 0]


@pytest.mark.parametrize(
    ("found", "negative", "expected"),
    [
        (Span(0, 5), Span(4, 9), True),
        (Span(0, 5), Span(4.1, 9), False),
        (Span(0, 5), Span(4.5, 5.5), True),
        (Span(0, 5), Span(4.6, 5.6), False),
        (Span(0, 5), Span(5, 6), False),
    ],
)
def test_an_event_falls_on_a_hard_negative_for_a_second_or_half_of_it(found, negative, expected):
    assert falls_on(found, negative) is expected


def test_confidence_is_about_half_of_the_shorter():
    assert is_right(Span(8, 12), [Span(0, 10)]) and not is_right(Span(8.1, 12.1), [Span(0, 10)])
    assert is_right(Span(0, 60), [Span(5, 6)]) and not is_right(Span(0, 60), [])


def test_an_event_that_its_own_judgement_denies_is_not_called_abnormal():
    calm = video("a", negatives=[(5, 10)])
    denied = said(staged(5, 10), 0.9, label="", judgement="No anomaly exists in this part of the video.")
    found = evaluate([calm], {"a": report([denied], NO)}, CONSTANT)
    assert found.figures["hard_negative_false_rate"] == 0 and found.figures["hard_negative_event_rate"] == 1
    assert found.figures["judgement_by_events_accuracy"] == 1 and np.isnan(found.figures["ece"])
    assert "No report has an event" in " ".join(found.notes)
    accused = said(staged(5, 10), 0.75, label="Fighting")
    found = evaluate([calm], {"a": report([accused])}, CONSTANT)
    assert found.figures["hard_negative_false_rate"] == 1 and found.figures["ece"] == 0.75
    assert found.hard_negatives == {"Hugging": {"count": 1, "called": 1}}


def test_unclear_and_withheld_judgements_are_wrong_and_counted():
    videos = [video(name) for name in "abc"]
    texts = {"a": "The camera shows a street.", "b": "", "c": NO}
    found = evaluate(videos, {name: report(judgement=told) for name, told in texts.items()}, CONSTANT)
    assert found.figures["judgement_accuracy"] == pytest.approx(1 / 3)
    assert "1 of 3 reports judge the video in no words" in " ".join(found.notes)
    assert "1 of 3 judgements cannot be read" in " ".join(found.notes)


def test_a_model_without_words_is_judged_by_its_events():
    one = staged(5, 10)
    videos = [video("a", one), video("b")]
    silent = {"a": report([said(one, label="")], "", None), "b": report([said(one)], "", None)}
    found = evaluate(videos, silent, CONSTANT, bootstrap=BootstrapConfig(resamples=20))
    assert found.figures["judgement_accuracy"] == 0.5
    assert found.figures["class_accuracy"] is found.figures["event_cider"] is None
    assert found.figures["most_frequent_cider"] >= 0 and "event_cider" not in found.intervals
    assert "nothing in words" in found.notes[0]


def test_reports_of_other_videos_are_refused():
    with pytest.raises(InputError, match="a: there is no report"):
        evaluate([video("a")], {}, CONSTANT)
    with pytest.raises(InputError, match="a: the report is not of this video"):
        evaluate([video("a")], {"a": report(seconds=80)}, CONSTANT)


def test_most_frequent_answer_and_the_best_of_equals():
    def event(judgement, description):
        return EventAnnotation(Span(0, 1), (), "", judgement, description, "Why.")

    events = [
        event("A fall.", "One runs away."),
        event("A fall.", "A man falls over."),
        event("A fight.", "A man falls."),
    ]
    chosen = most_frequent(events)
    assert chosen == {"judgement": "A fall.", "description": "A man falls over.", "analysis": "Why."}


def test_training_texts_are_planned_without_rendering_and_are_anomalous():
    events = training_events(None, planned=4)
    assert len(events) >= 4 and all(event.analysis for event in events)


@pytest.mark.parametrize("label", ANOMALIES)
def test_every_class_is_read_from_the_judgements_that_are_trained_on(label):
    for number in range(3):
        settings = Settings(seed=number, classes=(label,), anomalous_share=1.0, busy=0.0)
        (event, *_) = plan(settings, 0).annotation.events
        assert parse_judgement(event.judgement) == Verdict(True, label)
