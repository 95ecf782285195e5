"""Instruction rows built from annotations: pools, balance, mixture, and the released counts."""

from collections import Counter
from dataclasses import replace

import pytest

from holmesvau import hivau
from holmesvau.errors import InputError
from holmesvau.hivau import layout
from holmesvau.hivau.instructions import BuildConfig, build, build_from, pool
from holmesvau.hivau.schema import EventAnnotation, VideoAnnotation
from holmesvau.types import Clip, Span
from holmesvau.vlm.prompts import QUESTIONS
from tests.hivau.fixtures import ANNOTATIONS, write_json

PARTS = ("judgement", "description", "analysis")


def video(name, *, label="Arson", events=2, clips=3):
    verdict = "An anomaly exists." if label else "No anomaly exists."
    three = {
        "judgement": verdict,
        "description": f"What happens in {name}",
        "analysis": "Because." if label else "",
    }
    return VideoAnnotation(
        name,
        3000,
        30.0,
        (label,) if label else (),
        tuple(
            EventAnnotation(
                Span(10.0 * event, 10.0 * event + 9),
                tuple(
                    Clip(Span(10.0 * event + clip, 10.0 * event + clip + 1), f"{name} {event} {clip}")
                    for clip in range(clips)
                ),
                **three,
            )
            for event in range(events)
        ),
        **three,
    )


@pytest.fixture
def videos():
    found = [video(f"Odd{n}") for n in range(20)] + [video(f"Calm{n}", label="") for n in range(10)]
    return {one.name: one for one in found}


def made(videos, **config):
    return build(videos, dataset="own", split="train", config=BuildConfig(**config))


def counts(rows):
    return Counter((row.level, row.task) for row in rows)


@pytest.mark.parametrize(
    ("level", "task", "at_least"),
    [("clip", "caption", 24), *((level, task, 10) for level in ("event", "video") for task in PARTS)],
)
def test_pools_are_as_large_as_the_papers_and_begin_with_the_pipelines_question(level, task, at_least):
    found = pool(level, task)
    assert len(found) == len({wording.lower() for wording in found}) >= at_least
    assert found[0] == QUESTIONS[level][task]
    assert not any("{" in wording or wording != wording.strip() for wording in found)


def test_no_wording_is_one_of_the_released(shared):
    path = shared / "data/hivau70k/merge_instruction_test_final.jsonl"
    if not path.is_file():
        pytest.skip("the released test rows are absent from ../shared/data/hivau70k")
    released = {row.prompt.lower().strip("?. ") for row in hivau.load_instructions(path)}
    ours = {
        wording.lower().strip("?. ")
        for level in QUESTIONS
        for task in QUESTIONS[level]
        for wording in pool(level, task)
    }
    assert not ours & released


def test_a_level_is_not_asked_what_it_cannot_answer():
    with pytest.raises(InputError, match="A clip is not asked for analysis, but for caption"):
        pool("clip", "analysis")


def test_every_text_gets_one_question_and_normal_videos_no_analysis(videos):
    rows = made(videos)
    assert counts(rows) == {
        ("clip", "caption"): 180,
        ("event", "judgement"): 60,
        ("event", "description"): 60,
        ("event", "analysis"): 40,
        ("video", "judgement"): 30,
        ("video", "description"): 30,
        ("video", "analysis"): 20,
    }
    assert [row.id for row in rows] == list(range(len(rows)))
    assert all(row.prompt in pool(row.level, row.task) for row in rows)
    assert rows[0].video == "own/videos/train/Odd0.mp4"
    assert not [row for row in rows if "Calm" in row.video and row.task == "analysis"]
    for row in rows:
        place = layout.parse(row.video)
        node = videos[place.video] if place.event is None else videos[place.video].events[place.event]
        expected = getattr(node, row.task) if place.clip is None else node.clips[place.clip].caption
        assert (place.level, row.answer) == (row.level, expected)


def test_an_analysis_of_a_normal_video_is_not_asked_for_even_where_one_is_written(videos):
    videos = {"Calm0": replace(videos["Calm0"], analysis="It is calm because nobody is there.")}
    assert ("video", "analysis") not in counts(made(videos))


def test_wordings_are_asked_equally_often_and_the_seed_decides(videos):
    rows = made(videos, seed=3)
    for level, task in counts(rows):
        asked = Counter(row.prompt for row in rows if (row.level, row.task) == (level, task))
        assert max(asked.values()) - min(asked[wording] for wording in pool(level, task)) <= 1
    assert rows == made(videos, seed=3)
    assert [row.prompt for row in rows] != [row.prompt for row in made(videos, seed=4)]


@pytest.mark.parametrize(
    ("mixture", "expected"),
    [
        ({"clip": 0}, {"event": 160, "video": 80}),
        ({"clip": 0.25, "event": 0, "video": 3}, {"clip": 45, "video": 240}),
        ({"clip": 2.5}, {"clip": 450, "event": 160, "video": 80}),
    ],
)
def test_the_mixture_decides_how_many_rows_a_level_gives(videos, mixture, expected):
    rows = made(videos, **mixture)
    assert Counter(row.level for row in rows) == expected
    without_id = Counter(replace(row, id=0) for row in rows)
    assert max(without_id.values()) == 1


def test_the_mixture_of_one_level_leaves_the_rows_of_another_alone(videos):
    def events(rows):
        return [replace(row, id=0) for row in rows if row.level == "event"]

    assert events(made(videos, clip=0.1)) == events(made(videos, clip=2))


def test_equal_verdicts_leave_as_many_normal_as_abnormal_judgements(videos):
    rows = made(videos, equal_verdicts=True)
    for level, half in (("event", 20), ("video", 10)):
        judged = [row for row in rows if (row.level, row.task) == (level, "judgement")]
        assert Counter("Calm" in row.video for row in judged) == {True: half, False: half}
    assert counts(rows)["event", "description"] == 60


def test_what_there_is_nothing_to_learn_from_is_left_out_and_said():
    one = video("Odd", events=1, clips=2)
    event = replace(
        one.events[0],
        judgement="No anomaly exists in the video.",
        description="  two\nlines ",
        clips=(one.events[0].clips[0], Clip(Span(3, 4), " ")),
    )
    twice = replace(one, events=(event, replace(event, span=Span(0, 8))))
    problems = []
    rows = build({"Odd": twice}, dataset="own", split="test", problems=problems)
    assert Counter(problem.kind for problem in problems) == {
        "empty-text": 2,
        "answer-contradicts-label": 2,
        "duplicate-row": 1,
    }
    assert ("event", "judgement") not in counts(rows) and counts(rows)["clip", "caption"] == 1
    assert (
        next(row for row in rows if (row.level, row.task) == ("event", "description")).answer == "two lines"
    )


def test_as_released_repeats_captions_once_an_event_and_keeps_texts():
    videos = {"Odd": replace(video("Odd", events=3, clips=2), judgement=" No anomaly exists. ")}
    rows = made(videos, mode="as-released")
    assert Counter(row.video for row in rows if row.level == "clip") == {
        f"own/clips/train/Odd_E{event}C{clip}.mp4": 3 for event in range(3) for clip in range(2)
    }
    assert rows[0].answer == " No anomaly exists. "


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"mode": "released"}, "choose balanced or as-released"),
        ({"event": -1}, "event = -1: give 0 to"),
        ({"video": 50}, "would repeat a question word for word"),
        ({"clip": float("nan")}, "clip = nan"),
    ],
)
def test_an_unusable_setting_is_refused(config, sentence):
    with pytest.raises(InputError, match=sentence):
        BuildConfig(**config)


def test_no_rows_are_an_error_not_an_empty_file(videos):
    with pytest.raises(InputError, match="30 videos give no rows"):
        made(videos, clip=0, event=0, video=0)


def test_files_are_built_one_after_the_other(tmp_path):
    one = layout.annotation_file(write_json(tmp_path / "ucf_database_test.json", ANNOTATIONS))
    two = layout.annotation_file(write_json(tmp_path / "xd_database_train.json", ANNOTATIONS))
    rows = build_from([one, two])
    assert [row.id for row in rows] == list(range(len(rows)))
    assert rows[0].video.startswith("ucf-crime/videos/test/")
    assert rows[-1].video.startswith("xd-violence/") and "/train/" in rows[-1].video
    with pytest.raises(InputError, match="does not tell dataset and split"):
        build_from([layout.annotation_file(write_json(tmp_path / "mine.json", ANNOTATIONS))])


def test_built_rows_are_written_and_read_back(videos, tmp_path):
    rows = made(videos)
    path = hivau.write_instructions(rows, tmp_path / "rows.jsonl", form="train")
    assert hivau.load_instructions(path) == rows


def test_as_released_gives_the_released_rows_of_ucf_crime(shared):
    folder = shared / "data/hivau70k"
    if not folder.is_dir():
        pytest.skip("the released HIVAU-70k test files are absent from ../shared/data/hivau70k")
    released = [
        row
        for row in hivau.load_instructions(folder / "merge_instruction_test_final.jsonl")
        if row.video.startswith("ucf-crime/")
    ]
    raw = hivau.load_annotations(folder / "ucf_database_test.json")
    used = {name: raw[name] for name in dict.fromkeys(layout.parse(row.video).video for row in released)}
    assert len(used) == 60
    config = BuildConfig(mode="as-released")
    rows = build(used, dataset="ucf-crime", split="test", config=config)
    assert counts(rows) == counts(released)
    assert counts(rows) == {
        ("clip", "caption"): 238,
        **dict(zip((("event", part) for part in PARTS), (80, 80, 44), strict=True)),
        **dict(zip((("video", part) for part in PARTS), (60, 60, 37), strict=True)),
    }
    # Not only their counts: every row but for its question, in the same order.
    assert [(r.id, r.level, r.task, r.video, r.answer) for r in rows] == [
        (r.id, r.level, r.task, r.video, r.answer) for r in released
    ]
    # By default each of the 151 clips is captioned once, less what is the same caption of the same seconds.
    balanced = counts(build(used, dataset="ucf-crime", split="test"))
    assert balanced["clip", "caption"] <= 151 and balanced["video", "description"] == 60
