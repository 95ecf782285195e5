"""What was said, told again: as lines for a model that reads, put together by rules for one that does not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from holmesvau import composed
from holmesvau.notes import Note, below, fitted, strongest
from holmesvau.types import Chapter, Clip, Event, Span, Summary
from holmesvau.vlm.prompts import parse_judgement


def event(start: float, score: float = 0.8, label: str = "Fire", says: str = "Yes: Fire.", **parts) -> Event:
    told = Summary(says, "Smoke rises. A man runs. He falls.", "Nothing burns here.") if says else Summary()
    return Event(Span(start, start + 10), start + 4, score, score, label, told, **parts)


CLIPS = (Clip(Span(100, 105), "Smoke."), Clip(Span(105, 110), "Flames."))
EVENTS = [event(20), event(100, 0.9, clips=CLIPS), event(300, 0.6, "", "")]
CHAPTERS = [
    Chapter(Span(0, 200), (0, 1), Summary("Yes.", "A fire in two places.", "")),
    Chapter(Span(200, 250), (), Summary("", "Nobody is there.", "")),
    Chapter(Span(250, 400), (2,)),
]


def lines(start: float, end: float, chapters: Sequence[Chapter] = CHAPTERS) -> list[str]:
    return [note.line(1) for note in below(Span(start, end), chapters, EVENTS)]


def test_a_span_is_told_by_the_largest_parts_that_lie_in_it() -> None:
    assert lines(0, 400) == [
        "0:00–3:20: A fire in two places.",
        "3:20–4:10: Nobody is there.",
        "4:10–6:40: 1 event, not described.",
    ]
    assert lines(10, 250) == ["0:20–0:30: Fire.", "1:40–1:50: Fire.", "3:20–4:10: Nobody is there."]
    assert lines(0, 106) == ["0:20–0:30: Fire.", "1:40–1:45: Smoke."], (
        "of a cut event the clips before the cut"
    )
    assert lines(35, 95) == [] and lines(210, 240) == []
    assert lines(290, 390) == ["5:00–5:10: stood out (score 0.60 at 5:04), not described."]
    assert lines(0, 400, []) == ["0:20–0:30: Fire.", "1:40–1:50: Fire.", lines(290, 390)[0]]


def test_a_model_that_judged_an_event_normal_is_quoted_so() -> None:
    calm = event(5, label="", says="No, nothing unusual.")
    (note,) = below(Span(0, 60), [], [calm])
    assert note.line(2) == "0:05–0:15: judged normal. Smoke rises."


def test_finer_chapters_tell_of_a_part_of_theirs() -> None:
    finer = (
        Chapter(Span(0, 90), (0,), Summary("", "The first fire.")),
        Chapter(Span(90, 200), (1,), Summary("", "The second.")),
    )
    deep = [Chapter(Span(0, 200), (0, 1), Summary("", "Both."), finer)]
    assert lines(0, 200, deep) == ["0:00–3:20: Both."]
    assert lines(0, 195, deep) == ["0:00–1:30: The first fire.", "1:40–1:50: Fire."]


def test_notes_get_shorter_before_the_least_abnormal_are_left_out() -> None:
    notes = [Note(Span(n, n + 5), f"Part {n} begins. " + "It goes on. " * 5, n / 10) for n in range(4)]

    def told(room: int) -> list[str]:
        return fitted(notes, ["Last."], lambda rows: sum(map(len, rows)) <= room)

    sizes = [sum(map(len, told(room))) for room in range(0, 700, 10)]
    assert sizes == sorted(sizes) and all(
        size <= room for size, room in zip(sizes, range(0, 700, 10), strict=True)
    )
    assert told(700) == [*(f"{note.line(6)}" for note in notes), "Last."]
    assert told(150) == [*(note.line(1) for note in notes), "Last."]
    two = told(70)
    assert len(two) < 5 and two[-2].startswith("0:03") and two[-1] == "Last."
    assert told(5) == ["Last."] and told(3) == []


def test_the_strongest_moments_are_named_in_order_of_time() -> None:
    many = [event(30.0 * n, 0.5 + n / 100) for n in range(10)]
    (line,) = strongest(Span(0, 1000), many)
    assert (
        line.startswith("The most abnormal moments: 2:04 Fire (score 0.54), 2:34") and line.count("Fire") == 6
    )
    assert strongest(Span(0, 3), many) == []


def test_composed_words_are_those_of_the_events_with_their_times() -> None:
    told = composed.of_events([*EVENTS, event(350, 0.7, "Fighting", "Yes.")])
    assert told.judgement == (
        "Yes: Fire at 0:20–0:30, 1:40–1:50; Fighting at 5:50–6:00. "
        "Not described: 1 stretch that stood out too."
    )
    assert told.description.splitlines()[1] == "1:40–1:50 Fire: Smoke rises. A man runs."
    assert told.analysis.splitlines()[0] == "0:20–0:30 Fire: Nothing burns here."
    verdict = parse_judgement(told.judgement)
    assert verdict.is_anomalous and composed.of_events(EVENTS[2:]) == Summary()


@pytest.mark.parametrize(
    ("says", "abnormal"), [("No, all is normal.", False), ("A man is there.", True), ("Yes.", True)]
)
def test_a_stretch_is_abnormal_when_the_model_lets_one_of_its_events_stand(says: str, abnormal: bool) -> None:
    told = composed.of_events([event(5, label="", says="No anomaly."), event(30, label="", says=says)])
    assert parse_judgement(told.judgement).is_anomalous is abnormal
    assert ("0:05–0:15" in told.judgement) is not abnormal and bool(told.analysis) is abnormal


def test_of_many_events_the_most_abnormal_are_told() -> None:
    told = composed.of_events([event(30.0 * n, 0.5 + n / 100) for n in range(20)])
    rows = told.description.splitlines()
    assert len(rows) == 13 and rows[0].startswith("4:00–4:10 Fire") and "8 stretches" in rows[-1]
    assert told.judgement == "Yes: Fire at 8:30–8:40, 9:00–9:10, 9:30–9:40 and 17 times more."
