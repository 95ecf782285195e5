"""Instruction rows: both shapes, both spellings, every quirk, and back byte for byte."""

import json

import pytest

from holmesvau import hivau
from holmesvau.errors import InputError
from holmesvau.hivau import Instruction
from tests.hivau.fixtures import TEST_ROWS, TRAIN_ROWS, write_jsonl


def test_test_rows_are_read_in_order(tmp_path):
    rows = hivau.load_instructions(write_jsonl(tmp_path / "a.jsonl", TEST_ROWS))
    assert len(rows) == len(TEST_ROWS)
    assert rows[0] == Instruction(
        0,
        "video",
        "judgement",
        "own/videos/test/Fire001.mp4",
        "Is anything odd?",
        "An anomaly exists, Arson.",
    )


def test_training_rows_lose_their_video_mark(tmp_path):
    rows = hivau.load_instructions(write_jsonl(tmp_path / "a.jsonl", TRAIN_ROWS))
    assert rows[0].prompt == "Is anything odd?"
    assert rows[0].answer == "An anomaly exists, Arson."
    assert rows[0].id == "f-0"


def test_the_right_spelling_is_read_as_well(tmp_path):
    row = {("answer" if key == "anwser" else key): value for key, value in TEST_ROWS[0].items()}
    problems = []
    path = write_jsonl(tmp_path / "a.jsonl", [row])
    assert hivau.load_instructions(path, problems=problems) == hivau.load_instructions(
        write_jsonl(tmp_path / "b.jsonl", TEST_ROWS[:1])
    )
    assert problems == []


@pytest.mark.parametrize(("rows", "form"), [(TEST_ROWS, "test"), (TRAIN_ROWS, "train")])
def test_unmended_rows_come_back_byte_for_byte(tmp_path, rows, form):
    path = write_jsonl(tmp_path / "a.jsonl", rows)
    again = hivau.write_instructions(hivau.load_instructions(path), tmp_path / "b.jsonl", form=form)
    assert again.read_bytes() == path.read_bytes()


def test_a_line_separator_inside_an_answer_is_no_end_of_row(tmp_path):
    row = {**TEST_ROWS[0], "anwser": "one\u2028two\x85three"}
    path = write_jsonl(tmp_path / "a.jsonl", [row])
    assert hivau.load_instructions(path)[0].answer == row["anwser"]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"video": "Fire001.mp4"}, "unlawful-path"),
        ({"video": "own/clips/test/Fire001_E0.mp4"}, "unlawful-path"),
        ({"video": "own/events/test/Fire001_E0.mp4"}, "level-contradicts-path"),
        ({"score": 3}, "unknown-key"),
        ({"answer": "another"}, "two-answers"),
    ],
)
def test_an_odd_row_is_kept_and_reported(tmp_path, changes, kind):
    problems = []
    path = write_jsonl(tmp_path / "a.jsonl", [TEST_ROWS[1], {**TEST_ROWS[0], **changes}])
    assert len(hivau.load_instructions(path, problems=problems)) == 2
    assert [(problem.kind, problem.line) for problem in problems] == [(kind, 2)]


@pytest.mark.parametrize(
    ("turns", "kind", "prompt"),
    [
        (
            [{"from": "human", "value": "What?\n<video>"}, {"from": "gpt", "value": "That."}],
            "no-video-mark",
            "What?",
        ),
        ([{"from": "human", "value": "What?"}, {"from": "gpt", "value": "That."}], "no-video-mark", "What?"),
        (
            [
                *TRAIN_ROWS[0]["conversations"],
                {"from": "human", "value": "Why?"},
                {"from": "gpt", "value": "So."},
            ],
            "long-conversation",
            "Is anything odd?",
        ),
    ],
)
def test_an_odd_conversation_is_kept_and_reported(tmp_path, turns, kind, prompt):
    problems = []
    path = write_jsonl(tmp_path / "a.jsonl", [{**TRAIN_ROWS[0], "conversations": turns}])
    rows = hivau.load_instructions(path, problems=problems)
    assert (rows[0].prompt, [p.kind for p in problems]) == (prompt, [kind])


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "not JSON"),
        ("[1]", "not an object"),
        (json.dumps({"id": 1}), "has no type, task, video"),
        (json.dumps({**TEST_ROWS[0], "type": "scene"}), "type is 'scene'; there are clip, event, video"),
        (json.dumps({**TEST_ROWS[0], "task": "caption?"}), "task is 'caption\\?'"),
        (json.dumps({**TEST_ROWS[0], "video": 3}), "a number and a path are wanted"),
        (json.dumps({**TEST_ROWS[0], "anwser": None}), "neither prompt and answer nor a conversation"),
        (json.dumps({**TRAIN_ROWS[0], "conversations": []}), "neither prompt and answer"),
        (json.dumps({**TRAIN_ROWS[0], "conversations": 7}), "neither prompt and answer"),
        (
            json.dumps({**TRAIN_ROWS[0], "conversations": TRAIN_ROWS[0]["conversations"][::-1]}),
            "neither prompt and answer",
        ),
    ],
)
def test_an_unusable_row_raises_with_its_line_or_is_left_out(tmp_path, line, sentence):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(TEST_ROWS[0]) + "\n\n" + line + "\n")
    with pytest.raises(InputError, match=rf"a\.jsonl:3: .*{sentence}"):
        hivau.load_instructions(path)
    problems = []
    assert len(hivau.load_instructions(path, problems=problems)) == 1
    assert [(p.kind, p.severity, p.line) for p in problems] == [("unusable-entry", "error", 3)]


def test_a_file_without_rows_gets_a_sentence(tmp_path):
    (tmp_path / "a.jsonl").write_text("\n\n")
    with pytest.raises(InputError, match="no rows"):
        hivau.load_instructions(tmp_path / "a.jsonl")
