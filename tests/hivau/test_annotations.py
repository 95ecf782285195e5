"""Raw annotation files: quirks are survived and reported, unmended files come back byte for byte."""

import json

import pytest

from holmesvau import hivau
from holmesvau.errors import InputError, OutputError
from holmesvau.types import Clip, Span
from tests.hivau.fixtures import ANNOTATIONS, write_json


def load_one(tmp_path, **changes):
    problems = []
    entry = {**ANNOTATIONS["Fire001"], **changes}
    path = write_json(
        tmp_path / "own_database_test.json", {"Fire001": {k: v for k, v in entry.items() if v is not ...}}
    )
    return hivau.load_annotations(path, problems=problems)["Fire001"], problems


def test_the_tree_is_read_with_all_its_texts(tmp_path):
    video, problems = load_one(tmp_path)
    assert problems == []
    assert (video.n_frames, video.fps, video.labels, video.is_anomalous) == (900, 30.0, ("Arson",), True)
    assert video.duration == 30.0
    assert [event.span for event in video.events] == [Span(5.5, 12.0), Span(20.0, 24.5)]
    assert video.events[0].clips == (
        Clip(Span(5.5, 8.0), "A man pours petrol."),
        Clip(Span(8.0, 12.0), "It burns."),
    )
    assert video.events[1].analysis == "Setting fire to goods destroys property."
    assert video.summary.startswith("An anomaly exists") and video.judgement == "An anomaly exists, Arson."


def test_a_normal_video_has_no_label_and_no_analysis(tmp_path):
    path = write_json(tmp_path / "a.json", ANNOTATIONS)
    video = hivau.load_annotations(path)["Calm001"]
    assert (video.labels, video.is_anomalous, video.analysis, video.events[0].analysis) == ((), False, "", "")


def test_an_unmended_file_comes_back_byte_for_byte(tmp_path):
    path = write_json(tmp_path / "a.json", ANNOTATIONS)
    again = hivau.write_annotations(hivau.load_annotations(path), tmp_path / "b.json")
    assert again.read_bytes() == path.read_bytes()
    assert not [p for p in tmp_path.iterdir() if "partial" in p.name]


@pytest.mark.parametrize(
    ("changes", "kind", "check"),
    [
        (
            {"events": [[12.0, 5.5], [20.0, 24.5]]},
            "reversed-span",
            lambda v: v.events[0].span == Span(5.5, 12.0),
        ),
        (
            {"events": [[-2.0, 12.0], [20.0, 24.5]]},
            "negative-span",
            lambda v: v.events[0].span == Span(0, 12.0),
        ),
        (
            {"events": [[float("nan"), 1.0], [20.0, 24.5]]},
            "unusable-span",
            lambda v: v.events[0].span == Span(0, 0),
        ),
        ({"events": [["5.5", 1.0], [20.0, 24.5]]}, "unusable-span", lambda v: len(v.events) == 2),
        ({"events": [None, [20.0, 24.5]]}, "unusable-span", lambda v: v.events[1].span == Span(20.0, 24.5)),
        (
            {"clips_caption": [["one"], ["c"]]},
            "unequal-lengths",
            lambda v: v.events[0].clips[1].caption == "",
        ),
        (
            {"clips_caption": [["1", "2", "3"], ["c"]]},
            "unequal-lengths",
            lambda v: len(v.events[0].clips) == 2,
        ),
        ({"clips": [[[5.5, 8.0], [8.0, 12.0]]]}, "unequal-lengths", lambda v: v.events[1].clips == ()),
        ({"events_summary": ["a", "b", "c"]}, "unequal-lengths", lambda v: v.events[1].summary == "b"),
        ({"events_summary": [3, "b"]}, "unusable-value", lambda v: v.events[0].summary == ""),
        ({"video_summary_split": "text"}, "unusable-value", lambda v: v.judgement == ""),
        ({"video_summary_split": {"verdict": "x"}}, "unknown-key", lambda v: v.judgement == ""),
        ({"video_summary_split": ...}, "missing-key", lambda v: v.description == ""),
        ({"label": "Arson"}, "unusual-value", lambda v: v.labels == ("Arson",)),
        ({"n_frames": "900"}, "unusable-value", lambda v: v.n_frames == 0 and v.duration is None),
        ({"fps": 0}, "", lambda v: v.duration is None),
        ({"scene": "indoors"}, "unknown-key", lambda v: v.n_frames == 900),
        ({"clips": None}, "unequal-lengths", lambda v: v.events[0].clips == ()),
    ],
)
def test_each_quirk_is_survived_and_reported(tmp_path, changes, kind, check):
    video, problems = load_one(tmp_path, **changes)
    assert check(video)
    assert {problem.kind for problem in problems} == ({kind} if kind else set())
    for problem in problems:
        assert problem.line == 2
        assert problem.place.startswith("Fire001")
        assert str(problem).endswith(".")


def test_the_line_of_a_problem_is_the_line_of_its_video(tmp_path):
    broken = json.loads(json.dumps(ANNOTATIONS))
    broken["Calm001"]["events"][0] = [9.0, 3.0]
    path = write_json(tmp_path / "a.json", broken)
    problems = []
    hivau.load_annotations(path, problems=problems)
    lines = path.read_text().splitlines()
    assert '"Calm001"' in lines[problems[0].line - 1]


def test_a_name_that_stands_twice_is_reported_and_the_later_counts(tmp_path):
    one = json.dumps(ANNOTATIONS["Fire001"])
    two = json.dumps(ANNOTATIONS["Calm001"])
    path = tmp_path / "a.json"
    path.write_text(f'{{"Twice": {one},\n"Twice": {two}}}')
    problems = []
    loaded = hivau.load_annotations(path, problems=problems)
    assert [(p.kind, p.line) for p in problems] == [("duplicate-video", 2)]
    assert not loaded["Twice"].is_anomalous


def test_without_a_list_quirks_are_one_line_in_the_log(tmp_path, caplog):
    entry = {**ANNOTATIONS["Fire001"], "events": [[12.0, 5.5], [-1.0, 3.0]]}
    hivau.load_annotations(write_json(tmp_path / "a.json", {"Fire001": entry}))
    assert len(caplog.records) == 1
    assert "2 warnings" in caplog.text and "turned round" in caplog.text


def test_an_entry_that_is_no_annotation_raises_or_is_left_out(tmp_path):
    path = write_json(tmp_path / "a.json", {"Bad": [1, 2], **ANNOTATIONS})
    with pytest.raises(InputError, match=r"a\.json:2: Bad: An annotation is an object, not \[1, 2\]"):
        hivau.load_annotations(path)
    problems = []
    assert list(hivau.load_annotations(path, problems=problems)) == list(ANNOTATIONS)
    assert [problem.severity for problem in problems] == ["error"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not an object of videos"),
        (b"[]", "not an object of videos"),
        (b'{"a": {"n_frames": 3,}}', r"bad\.json:1: not JSON from column"),
        (b'{"a": {},\n "b": {}', r"bad\.json:2: not JSON"),
        (b'{"a": {}} tail', "Extra data"),
        (b"{3: 4}", "property name"),
        (b'{"a" {}}', "':'"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b'{"a": ' + b"[" * 100_000, "lists within lists"),
    ],
)
def test_what_is_no_annotation_file_gets_a_sentence(tmp_path, content, sentence):
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        hivau.load_annotations(path)


def test_a_missing_file_and_a_folder_get_a_sentence(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        hivau.load_annotations(tmp_path / "none.json")
    with pytest.raises(InputError, match="a folder, not a file"):
        hivau.load_annotations(tmp_path)


def test_a_byte_order_mark_and_no_indentation_are_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(ANNOTATIONS, ensure_ascii=False).encode())
    assert list(hivau.load_annotations(path)) == list(ANNOTATIONS)
    path.write_text("{ }")
    assert hivau.load_annotations(path) == {}


def test_writing_where_a_file_is_no_folder_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        hivau.write_annotations({}, tmp_path / "file" / "a.json")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
