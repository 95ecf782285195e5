"""The released test files: loaded whole, written back to the byte, with the quirks that were counted."""

import json
from collections import Counter

import pytest

from holmesvau import hivau
from holmesvau.hivau.checks import check
from holmesvau.hivau.statistics import stats

ANNOTATIONS = "ucf_database_test.json"
ROWS = "merge_instruction_test_final.jsonl"


@pytest.fixture(scope="module")
def released(shared):
    folder = shared / "data/hivau70k"
    if not folder.is_dir():
        pytest.skip("the released HIVAU-70k test files are absent from ../shared/data/hivau70k")
    return folder


@pytest.fixture(scope="module")
def report(released):
    return check(released)


def test_both_files_load_without_a_complaint_and_come_back_to_the_byte(released, tmp_path):
    problems = []
    annotations = hivau.load_annotations(released / ANNOTATIONS, problems=problems)
    rows = hivau.load_instructions(released / ROWS, problems=problems)
    assert problems == []
    assert (len(annotations), len(rows)) == (251, 3339)
    again = hivau.write_annotations(annotations, tmp_path / "a.json")
    assert again.read_bytes() == (released / ANNOTATIONS).read_bytes()
    again = hivau.write_instructions(rows, tmp_path / "a.jsonl")
    assert again.read_bytes() == (released / ROWS).read_bytes()


def test_the_tree_has_the_counts_of_the_method(released):
    videos = hivau.load_annotations(released / ANNOTATIONS).values()
    assert Counter(video.is_anomalous for video in videos) == {True: 128, False: 123}
    assert sum(len(video.events) for video in videos) == 337
    assert sum(len(event.clips) for video in videos for event in video.events) == 762
    assert all(bool(video.analysis) == video.is_anomalous for video in videos)


def test_rows_have_the_counts_of_the_method(released):
    rows = stats(released / ROWS).rows
    ucf, xd = "ucf-crime", "xd-violence"
    assert rows[ucf, "clip", "caption"] == 238 and rows[xd, "clip", "caption"] == 1969
    parts = ("judgement", "description", "analysis")
    assert [rows[ucf, "event", part] for part in parts] == [80, 80, 44]
    assert [rows[xd, "event", part] for part in parts] == [196, 196, 138]
    assert [rows[ucf, "video", part] for part in parts] == [60, 60, 37]
    assert [rows[xd, "video", part] for part in parts] == [90, 90, 61]
    assert rows.total() == 3339


def test_every_row_of_ucf_crime_resolves_to_its_annotated_text(report):
    assert not {"unknown-video", "unknown-part", "answer-differs", "unlawful-path"} & set(report.by_kind())


def test_every_quirk_is_found_as_often_as_it_was_counted(report):
    found = report.by_kind()
    counts = {kind: len(problems) for kind, problems in found.items()}
    assert counts == {
        "duplicate-row": 99,
        "clip-outside-event": 80,
        "answer-contradicts-label": 24,
        "text-contradicts-label": 16,
        "near-duplicate-events": 6,
        "span-past-end": 5,
        "repeated-answer": 1165,
        "not-ascii": 216,
        "outer-spaces": 29,
        "mixed-alphabets": 9,
        "line-break": 1,
        "virtual": 2,
        "no-annotations": 1,
        "no-videos": 1,
    }
    assert sum("wholly" in problem.message for problem in found["clip-outside-event"]) == 10
    # Four events and one clip end past their video; two of them by more than 0.05 s.
    overruns = [float(p.message.split(" ends ")[1].split(" s past")[0]) for p in found["span-past-end"]]
    assert sorted(overruns) == [0.033, 0.033, 0.034, 0.067, 0.067]
    assert sum("event" in problem.place for problem in found["span-past-end"]) == 4
    assert report.severity == "warning"


def test_quirks_agree_with_sums_over_the_plain_json(released, report):
    """The same counts without any of our code."""
    videos = json.loads((released / ANNOTATIONS).read_text())
    outside = wholly = 0
    for video in videos.values():
        for (start, end), clips in zip(video["events"], video["clips"], strict=True):
            outside += sum(clip[0] < start or clip[1] > end for clip in clips)
            wholly += sum(clip[0] >= end or clip[1] <= start for clip in clips)
    assert (outside, wholly) == (80, 10)
    rows = [json.loads(line) for line in (released / ROWS).read_text("utf-8").split("\n") if line]
    seen = Counter(tuple(value for key, value in row.items() if key != "id") for row in rows)
    repeated = {row: times for row, times in seen.items() if times > 1}
    assert sum(times - 1 for times in repeated.values()) == 99
    assert {row[1] for row in repeated} == {"caption"}
    per_clip = Counter((row["video"], row["task"], row["anwser"]) for row in rows)
    assert sum(times - 1 for times in per_clip.values()) == 99 + 1165
    captions = [caption for video in videos.values() for event in video["clips_caption"] for caption in event]
    spaces = sum(text != text.strip() for text in [*captions, *(row["anwser"] for row in rows)])
    assert spaces == len(report.by_kind()["outer-spaces"])


def test_a_cleaned_copy_of_the_release_mends_all_that_needs_no_judging(released, tmp_path):
    report = check(released, fix=tmp_path / "clean")
    left = {kind: sum(not p.mended for p in found) for kind, found in report.by_kind().items()}
    assert (left["duplicate-row"], left["span-past-end"], left["outer-spaces"], left["line-break"]) == (
        0,
        0,
        0,
        0,
    )
    assert (left["clip-outside-event"], left["near-duplicate-events"], left["text-contradicts-label"]) == (
        10,
        6,
        16,
    )
    again = check(tmp_path / "clean")
    assert {kind: len(found) for kind, found in again.by_kind().items()} == {
        k: n for k, n in left.items() if n
    }
    assert len(hivau.load_instructions(tmp_path / "clean" / ROWS)) == 3339 - 99
