"""`check`: each quirk is found where it is, and a cleaned copy mends what it says and nothing else."""

import copy
import json

import pytest

from holmesvau import hivau
from holmesvau.errors import InputError, OutputError
from holmesvau.hivau.checks import check
from holmesvau.hivau.schema import EventAnnotation, VideoAnnotation
from holmesvau.types import Clip, Span
from tests.hivau.fixtures import ANNOTATIONS, TEST_ROWS, TRAIN_ROWS, write_json, write_jsonl


def kinds(report, *, besides=()):
    return {kind: len(found) for kind, found in report.by_kind().items() if kind not in besides}


def changed(tmp_path, change, name="own"):
    entries = copy.deepcopy(ANNOTATIONS)
    change(entries["Fire001"])
    return write_json(tmp_path / f"{name}_database_test.json", entries)


def place(key, value, *path):
    def change(entry):
        target = entry[key]
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = value

    return change


def test_a_sound_dataset_has_no_warnings(own_dataset):
    report = check(own_dataset)
    assert kinds(report) == {"not-ascii": 2, "virtual": 2}
    assert report.severity == "note"
    assert report.counts == {"files": 2, "videos": 3, "events": 4, "clips": 6, "rows": 4}


@pytest.mark.parametrize(
    ("change", "kind", "severity", "where"),
    [
        (place("events", [20.0, 30.2], 1), "span-past-end", "warning", "Fire001, event 1"),
        (place("events", [31.0, 33.0], 1), "span-outside-video", "error", "Fire001, event 1"),
        (place("events", [20.0, 20.0], 1), "empty-span", "warning", "Fire001, event 1"),
        (place("clips", [5.5, 14.0], 0, 1), "clip-outside-event", "warning", "Fire001, clip 0.1"),
        (place("clips", [1.0, 2.0], 0, 1), "clip-outside-event", "warning", "Fire001, clip 0.1"),
        (place("events", [5.5, 12.3], 1), "near-duplicate-events", "warning", "Fire001, events 0 and 1"),
        (place("events", [9.0, 24.5], 1), "overlapping-events", "warning", "Fire001, events 0 and 1"),
        (
            place("video_summary_split", "No anomaly exists.", "judgement"),
            "text-contradicts-label",
            "warning",
            "Fire001",
        ),
        (place("video_summary_split", "", "analysis"), "empty-text", "warning", "Fire001"),
        (place("clips_caption", " It burns.", 0, 1), "outer-spaces", "note", "Fire001, clip 0.1"),
        (place("clips_caption", "It\nburns.", 0, 1), "line-break", "note", "Fire001, clip 0.1"),
        (place("clips_caption", "Гt burns.", 0, 1), "mixed-alphabets", "note", "Fire001, clip 0.1"),
        (place("clips_caption", "", 0, 1), "empty-text", "warning", "Fire001, clip 0.1"),
    ],
)
def test_each_quirk_of_an_annotation_is_found(tmp_path, change, kind, severity, where):
    path = changed(tmp_path, change)
    found = check(path).by_kind()
    assert [(p.severity, p.place) for p in found[kind]] == [(severity, where)]
    assert found[kind][0].line == 2 and found[kind][0].file == str(path)


def test_stretches_of_a_normal_video_may_overlap_but_not_be_the_same(tmp_path):
    words = {"judgement": "There is no anomaly.", "description": "People walk by."}

    def stretch(start, end):
        return EventAnnotation(Span(start, end), (Clip(Span(start, end), "A man walks by."),), **words)

    events = (stretch(0, 9), stretch(5, 20), stretch(5.1, 20))
    calm = VideoAnnotation("calm", 600, 30.0, (), events, **words)
    found = check(hivau.write_annotations({"calm": calm}, tmp_path / "own_database_test.json")).by_kind()
    assert [p.severity for p in found["overlapping-events"]] == ["note", "note"]
    assert [p.severity for p in found["near-duplicate-events"]] == ["warning"]


def test_an_end_that_differs_by_rounding_is_no_problem(tmp_path):
    report = check(changed(tmp_path, place("events", [20.0, 30.001], 1)))
    assert "span-past-end" not in kinds(report)


def test_wholly_and_partly_outside_are_told_apart(tmp_path):
    report = check(changed(tmp_path, place("clips", [1.0, 2.0], 0, 1)))
    assert "wholly outside its event, 5.5-12 s" in report.by_kind()["clip-outside-event"][0].message
    report = check(changed(tmp_path, place("clips", [4.0, 8.0], 0, 0)))
    assert "partly outside" in report.by_kind()["clip-outside-event"][0].message


@pytest.mark.parametrize(
    ("name", "dataset", "found"),
    [
        ("Arson001_x264", "ucf", False),
        ("Normal_Videos_001_x264", "ucf", True),
        ("v=a__#1_label_B4-0-0", "xd", False),
        ("v=a__#1_label_A", "xd", True),
        ("whatever", "xd", False),
        ("v=a__#1_label_A", "own", False),
    ],
)
def test_a_name_that_contradicts_the_label_is_found(tmp_path, name, dataset, found):
    path = write_json(tmp_path / f"{dataset}_database_test.json", {name: ANNOTATIONS["Fire001"]})
    assert ("label-contradicts-name" in kinds(check(path))) == found


@pytest.mark.parametrize(
    ("row", "kind", "severity"),
    [
        ({**TEST_ROWS[2], "id": 9}, "duplicate-row", "warning"),
        ({**TEST_ROWS[2], "id": 9, "prompt": "And now?"}, "repeated-answer", "note"),
        ({**TEST_ROWS[0], "id": 2, "prompt": "Well?"}, "duplicate-id", "warning"),
        ({**TEST_ROWS[0], "id": 9, "anwser": "There is no anomaly."}, "answer-contradicts-label", "warning"),
        ({**TEST_ROWS[0], "id": 9, "anwser": "An anomaly exists."}, "answer-differs", "warning"),
        ({**TEST_ROWS[0], "id": 9, "task": "caption"}, "odd-task", "warning"),
        ({**TEST_ROWS[0], "id": 9, "video": "own/videos/test/Other.mp4"}, "unknown-video", "error"),
        ({**TEST_ROWS[1], "id": 9, "video": "own/events/test/Fire001_E2.mp4"}, "unknown-part", "error"),
        ({**TEST_ROWS[1], "id": 9, "video": "own/events/train/Fire001_E1.mp4"}, "no-annotations", "note"),
        ({**TEST_ROWS[0], "id": 9, "prompt": " Why? "}, "outer-spaces", "note"),
        ({"id": 9}, "unusable-entry", "error"),
    ],
)
def test_each_quirk_of_a_row_is_found(tmp_path, row, kind, severity):
    write_json(tmp_path / "own_database_test.json", ANNOTATIONS)
    write_jsonl(tmp_path / "merge_instruction_test_final.jsonl", [*TEST_ROWS, row])
    found = check(tmp_path).by_kind()[kind]
    assert [problem.severity for problem in found] == [severity]
    if kind != "no-annotations":
        assert found[0].line == 5


def test_missing_and_damaged_videos_are_errors(dataset):
    videos = dataset / "own/videos/test"
    (videos / "Calm001.mp4").unlink()
    (videos / "Fire001.mp4").write_text("no pictures")
    (videos / "Stranger.mp4").write_bytes(b"")
    report = check(dataset)
    assert kinds(report, besides=("not-ascii", "virtual")) == {
        "missing-video": 1,
        "unreadable-video": 1,
        "unlisted-file": 1,
    }
    assert report.severity == "error"
    assert report.by_kind()["missing-video"][0].place == "own/videos/test/Calm001.mp4"
    assert check(dataset, footage=False).severity == "note"


def test_another_length_and_rate_are_warnings(dataset):
    entries = copy.deepcopy(ANNOTATIONS)
    entries["Fire001"]["n_frames"] = 800
    entries["Fire001"]["fps"] = 25.0
    entries["Calm001"]["n_frames"] = 601
    write_json(dataset / "raw_annotations/own_database_test.json", entries)
    found = check(dataset).by_kind()
    assert [(p.place[-11:], p.severity) for p in found["other-length"]] == [
        ("Fire001.mp4", "warning"),
        ("Calm001.mp4", "note"),
    ]
    assert "It has 900 frames, its annotation 800." in found["other-length"][0].message
    assert [p.message for p in found["other-fps"]] == [
        "It runs at 30 frames a second, its annotation says 25."
    ]


def test_a_half_finished_split_is_found(dataset):
    clips = dataset / "own/clips/test"
    clips.mkdir(parents=True)
    (clips / "Fire001_E0C0.mp4").write_bytes((dataset / "own/videos/test/Fire001.mp4").read_bytes())
    found = check(dataset).by_kind()
    assert len(found["missing-clip"]) == 5 and found["missing-clip"][0].severity == "warning"
    assert [p.message for p in found["other-length"]] == ["It lasts 30.000 s, its span 2.500 s."]
    assert len(found["virtual"]) == 1


def test_a_cleaned_copy_mends_what_it_says_and_nothing_else(tmp_path):
    def spoil(entry):
        entry["events"][1] = [20.0, 30.2]
        entry["clips"][0] = [[5.0, 8.0], [1.0, 2.0]]
        entry["clips_caption"][0][0] = " A man\n pours petrol. "
        entry["video_summary_split"]["judgement"] = "No anomaly exists."

    source = tmp_path / "source"
    source.mkdir()
    changed(source, spoil)
    rows = [*TEST_ROWS, {**TEST_ROWS[2], "id": 9}, {**TEST_ROWS[2], "id": 10, "anwser": " It burns."}]
    write_jsonl(source / "merge_instruction_test_final.jsonl", rows)
    before = {path.name: path.read_bytes() for path in source.iterdir()}

    report = check(source, fix=tmp_path / "clean")

    assert {path.name: path.read_bytes() for path in source.iterdir()} == before
    mended = {kind: [p.mended for p in found] for kind, found in report.by_kind().items()}
    assert mended == {
        "clip-outside-event": [True, False],
        "answer-differs": [False, True],
        "duplicate-row": [True],
        "text-contradicts-label": [False],
        "span-past-end": [True],
        "outer-spaces": [True, True],
        "line-break": [True],
        "not-ascii": [False, False],
        "no-videos": [False],
        "virtual": [False, False],
    }
    fire = hivau.load_annotations(tmp_path / "clean/own_database_test.json")["Fire001"]
    assert list(fire.events[1].span) == [20.0, 30.0]
    assert [list(clip.span) for clip in fire.events[0].clips] == [[5.5, 8.0], [1.0, 2.0]]
    assert fire.events[0].clips[0].caption == "A man pours petrol."
    kept = hivau.load_instructions(tmp_path / "clean/merge_instruction_test_final.jsonl")
    assert [row.id for row in kept] == [0, 1, 2, 3]
    left = kinds(check(tmp_path / "clean"))
    assert left == {kind: mended[kind].count(False) for kind in mended if False in mended[kind]}


def test_a_cleaned_copy_of_a_sound_file_is_the_file(own_dataset, tmp_path):
    report = check(own_dataset, fix=tmp_path / "clean", footage=False)
    for path in report.files:
        copy_of = tmp_path / "clean" / path.relative_to(own_dataset)
        assert copy_of in report.written and copy_of.read_bytes() == path.read_bytes()


def test_training_rows_stay_training_rows_in_the_copy(tmp_path):
    path = write_jsonl(tmp_path / "merge_instruction_train_final.jsonl", TRAIN_ROWS)
    check(path, fix=tmp_path / "clean")
    assert (tmp_path / "clean" / path.name).read_bytes() == path.read_bytes()


def test_a_cleaned_copy_is_never_written_over_anything(dataset, tmp_path):
    before = (dataset / "raw_annotations/own_database_test.json").read_bytes()
    with pytest.raises(InputError, match="over its source"):
        check(dataset, fix=dataset, footage=False)
    (tmp_path / "link").symlink_to(dataset, target_is_directory=True)
    with pytest.raises(InputError, match="over its source"):
        check(dataset, fix=tmp_path / "link", footage=False)
    write_json(tmp_path / "other/raw_annotations/own_database_test.json", {})
    with pytest.raises(OutputError, match="a file already"):
        check(dataset, fix=tmp_path / "other", footage=False)
    assert (dataset / "raw_annotations/own_database_test.json").read_bytes() == before


def test_nothing_to_check_gets_a_sentence(tmp_path):
    with pytest.raises(InputError, match="no dataset"):
        check(tmp_path)
    with pytest.raises(InputError, match="no such folder or file"):
        check(tmp_path / "none")


def test_a_report_is_plain_json(own_dataset):
    plain = json.loads(json.dumps(check(own_dataset).to_json()))
    assert plain["severity"] == "note" and plain["kinds"] == {"not-ascii": 2, "virtual": 2}
    assert plain["problems"][0].keys() == {"kind", "severity", "place", "message", "file", "line", "mended"}
