from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from holmesvau.report import clock, span_clock, summary_lines
from holmesvau.types import Event, Span, Summary
from tests.report import examples


@pytest.mark.parametrize(
    ("seconds", "decimals", "text"),
    [
        (0, 0, "0:00"),
        (38.9, 0, "0:38"),
        (59.9996, 0, "1:00"),
        (0.9999999, 1, "1.0"),
        (725, 0, "12:05"),
        (3599.99, 0, "59:59"),
        (3600, 0, "1:00:00"),
        (86_400, 0, "24:00:00"),
        (38.46, 1, "0:38.4"),
        (1.3, 1, "0:01.3"),
        (-5, 0, "-0:05"),
        (math.nan, 0, "–"),
        (math.inf, 1, "–"),
    ],
)
def test_clock(seconds: float, decimals: int, text: str) -> None:
    assert clock(seconds, decimals) == (f"0:0{text}" if text == "1.0" else text)


def test_short_span_is_told_to_a_tenth() -> None:
    assert span_clock(Span(31, 48)) == "0:31–0:48"
    assert span_clock(Span(31.2, 31.6)) == "0:31.2–0:31.6"


def test_two_events() -> None:
    report = examples.report(events=(examples.event(31, 48), examples.event(64, 79, 0.58, label="Fighting")))
    assert summary_lines(report) == [
        "2 abnormal stretches in 1:41: 0:31–0:48 (peak 0.64 at 0:39) "
        "and 1:04–1:19 Fighting (peak 0.58 at 1:11).",
        "202 frames scored, one every 0.5 s; 8 chosen to look at, 2 of them inside those stretches.",
    ]


def test_one_event_is_singular_and_undescribed_is_said() -> None:
    lines = summary_lines(examples.report(events=(examples.event(31, 32, 0.9),), chosen=2))
    assert lines == [
        "1 abnormal stretch in 1:41: 0:31.0–0:32.0 (peak 0.90 at 0:31).",
        "202 frames scored, one every 0.5 s; 2 chosen to look at, none of them inside that stretch.",
        "No model has described them: only the curve, the events and the chosen frames are given.",
    ]


def test_calm_video_says_how_high_the_score_went() -> None:
    assert summary_lines(examples.report())[0] == (
        "No abnormal stretch was found in 1:41; the highest score is 0.10 at 0:00."
    )


def test_undescribed_is_not_said_twice() -> None:
    report = examples.report(warnings=("No describing model is loaded.",))
    assert not any("model" in line for line in summary_lines(report))


def test_described_report_does_not_claim_to_be_undescribed() -> None:
    report = examples.report(summary=Summary(judgement="Nothing unusual."))
    assert not any("No model" in line for line in summary_lines(report))


def test_many_events_name_the_strongest_in_order_of_time() -> None:
    events = tuple(examples.event(5 * n, 5 * n + 3, 0.3 + 0.01 * n) for n in range(20))
    first = summary_lines(examples.report(events=events))[0]
    assert first.startswith("20 abnormal stretches in 1:41, 1:00 of it together; the 5 strongest: 1:15–1:18")
    assert first.count("peak") == 5


def test_unknown_peak_is_left_out() -> None:
    unsure = replace(examples.event(1, 9), peak_score=math.nan)
    report = replace(examples.report(), events=(unsure,))
    assert summary_lines(report)[0] == "1 abnormal stretch in 1:41: 0:01–0:09."


def test_live_source_is_as_long_as_its_curve() -> None:
    report = examples.report()
    live = replace(report, video=replace(report.video, duration=None, num_frames=None))
    assert " in 1:41;" in summary_lines(live)[0]


def test_no_scored_frame_and_one_scored_frame() -> None:
    report = examples.report(num_scores=1, chosen=1)
    assert summary_lines(report)[1] == "1 frame scored; 1 chosen to look at."
    empty = replace(
        report,
        curve=report.curve.within(Span(50, 60)),
        selection=replace(report.selection, index=np.array([], np.int64), seconds=np.array([])),
    )
    assert summary_lines(empty)[0] == "Nothing in the 0:00 of video was scored."


def test_label_with_newlines_stays_on_one_line() -> None:
    report = examples.report(events=(Event(Span(1, 9), 2, 0.5, 0.5, label="a\n\nb"),))
    assert "\n" not in summary_lines(report)[0]
