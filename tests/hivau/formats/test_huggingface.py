"""The `datasets` builder on a local folder: each level's rows, offline, anew when a file changes."""

import importlib
import sys

import pytest

from holmesvau.errors import InputError, MissingPartError
from tests.hivau.fixtures import ANNOTATIONS, TEST_ROWS, TRAIN_ROWS, write_json, write_jsonl

pytest.importorskip("datasets")

from holmesvau.hivau.formats import huggingface


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "root"
    write_json(folder / "raw_annotations/own_database_test.json", ANNOTATIONS)
    write_jsonl(folder / "instruction/merge_instruction_test_final.jsonl", TEST_ROWS)
    write_jsonl(folder / "instruction/merge_instruction_train_final.jsonl", TRAIN_ROWS)
    return folder


def load(root, rows, **options):
    return huggingface.load(root, rows, cache_dir=root.parent / "cache", **options)


def test_each_level_has_its_rows_with_their_spans(root):
    assert load(root, "event", split="test")[:] == {
        "id": ["1"],
        "task": ["description"],
        "path": ["own/events/test/Fire001_E1.mp4"],
        "video": ["own/videos/test/Fire001.mp4"],
        "start": [20.0],
        "end": [24.5],
        "prompt": ["What’s happening?"],
        "answer": ["The shop burns."],
    }
    clips = load(root, "clip", split="test")
    assert clips["start"] == [8.0, 0.0] and clips["end"] == [12.0, 4.5]
    [video] = load(root, "video", split="test")
    assert (video["start"], video["end"], video["path"]) == (None, None, video["video"])


def test_all_splits_come_together(root):
    both = load(root, "clip")
    assert {split: len(rows) for split, rows in both.items()} == {"test": 2, "train": 2}
    # The annotations of the training split are not there: rows without spans, none lost.
    assert both["train"]["start"] == [None, None]


def test_annotations_are_flat_rows(root):
    rows = load(root, "annotations", split="test")
    assert len(rows) == 3 + 4 + 6
    assert rows[1]["labels"] == ["Arson"] and rows[1]["source"] == "own" and rows[1]["event"] == 0
    assert {row["level"] for row in rows} == {"clip", "event", "video"}


def test_a_changed_file_is_prepared_anew(root):
    assert len(load(root, "event", split="test")) == 1
    write_jsonl(root / "instruction/merge_instruction_test_final.jsonl", [TEST_ROWS[1], TEST_ROWS[1]])
    assert len(load(root, "event", split="test")) == 2


def test_what_is_not_there_is_said(root, tmp_path):
    with pytest.raises(InputError, match="no split 'dev'; there are test, train"):
        load(root, "clip", split="dev")
    with pytest.raises(InputError, match="no rows called 'frame'"):
        load(root, "frame")
    with pytest.raises(InputError, match="no files for clip rows"):
        huggingface.load(tmp_path / "nothing", "clip")
    (root / "raw_annotations/own_database_test.json").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        load(root, "clip", split="test")


def test_without_datasets_its_absence_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    monkeypatch.delitem(sys.modules, "holmesvau.hivau.formats.huggingface")
    with pytest.raises(MissingPartError, match=r"pip install holmesvau\[datasets\]"):
        importlib.import_module("holmesvau.hivau.formats.huggingface")
