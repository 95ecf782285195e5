from __future__ import annotations

import re

import pytest

from holmesvau.report.subtitles import to_srt, to_vtt
from holmesvau.types import Event, Span
from tests.report import examples

VTT_TIME = re.compile(r"^(\d{2,}):(\d\d):(\d\d)\.(\d{3}) --> (\d{2,}):(\d\d):(\d\d)\.(\d{3})$")
SRT_TIME = re.compile(r"^\d{2,}:\d\d:\d\d,\d{3} --> \d{2,}:\d\d:\d\d,\d{3}$")


def test_vtt_of_events_and_clips() -> None:
    assert to_vtt(examples.full()) == (
        "WEBVTT\n\n"
        "event-1\n00:00:31.000 --> 00:00:48.000\nEvent 1: Burglary (score 0.64)\nYes, a burglary.\n\n"
        "event-1-clip-1\n00:00:31.000 --> 00:00:40.000\nA man at a door.\n\n"
        "event-1-clip-2\n00:00:40.000 --> 00:00:48.000\nThe door stands open.\n\n"
        "event-2\n00:01:04.000 --> 00:01:19.000\nEvent 2 (score 0.58)\n"
    )


def test_srt_of_events() -> None:
    assert to_srt(examples.report(events=(examples.event(31, 48), examples.event(64, 79, 0.58)))) == (
        "1\n00:00:31,000 --> 00:00:48,000\nEvent 1 (score 0.64)\n\n"
        "2\n00:01:04,000 --> 00:01:19,000\nEvent 2 (score 0.58)\n"
    )


def test_hostile_texts_neither_end_a_cue_nor_form_a_tag_in_vtt() -> None:
    blocks = to_vtt(examples.hostile()).rstrip("\n").split("\n\n")
    assert blocks[0] == "WEBVTT"
    assert len(blocks) == 1 + 3
    for block in blocks[1:]:
        name, times, *texts = block.split("\n")
        assert name.startswith("event-")
        assert VTT_TIME.match(times)
        assert 1 <= len(texts) <= 2
        assert not any(re.search("[<>]|-->", text) for text in texts)


def test_hostile_texts_neither_end_a_cue_nor_form_a_tag_in_srt() -> None:
    blocks = to_srt(examples.hostile()).rstrip("\n").split("\n\n")
    assert len(blocks) == 3
    for number, block in enumerate(blocks, 1):
        count, times, *texts = block.split("\n")
        assert count == str(number)
        assert SRT_TIME.match(times)
        assert not any(re.search(r"[<>{}]|-->", text) for text in texts)


@pytest.mark.parametrize("start", [0.0, 86_399.9999, 360_000.0])
def test_moment_is_shown_and_long_times_are_written(start: float) -> None:
    moment = Event(Span(start, start), start, 0.5, 0.5)
    report = examples.report()
    text = to_vtt(type(report)(report.video, report.curve, report.selection, (moment,), report.summary))
    found = VTT_TIME.match(text.split("\n")[3])
    assert found
    numbers = [int(group) for group in found.groups()]
    first, last = ((h * 60 + m) * 60_000 + s * 1000 + ms for h, m, s, ms in (numbers[:4], numbers[4:]))
    assert last > first
    assert abs(first - start * 1000) <= 1


def test_no_events_is_an_empty_but_valid_file() -> None:
    assert to_vtt(examples.report()) == "WEBVTT\n"
    assert to_srt(examples.report()) == ""
