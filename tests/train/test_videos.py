"""The videos of a split: from annotations as released, and from simulated ones with their exact truth."""

import json

import pytest

from holmesvau.errors import InputError
from holmesvau.hivau.annotations import write_annotations
from holmesvau.hivau.schema import EventAnnotation, VideoAnnotation
from holmesvau.train.data import DataConfig, prepare
from holmesvau.train.videos import annotation_digests, listed
from holmesvau.types import Span


def released(root, split="train"):
    """Four videos in the released form."""
    events = (EventAnnotation(Span(2.0, 5.0)), EventAnnotation(Span(7.0, 8.0)))
    videos = [
        VideoAnnotation("Normal_1", 300, 30.0, (), events),
        VideoAnnotation("Arson_1", 300, 30.0, ("Arson",), events),
        VideoAnnotation("Two_1", 600, 30.0, ("Arson", "Fighting"), events[:1]),
        VideoAnnotation("Bare_1", 0, 0, ("Fighting",), ()),
    ]
    path = root / "raw_annotations" / f"ucf_database_{split}.json"
    write_annotations({video.name: video for video in videos}, path)
    return path


def test_released_annotations_give_events_and_classes_where_they_are_certain(tmp_path):
    released(tmp_path)
    found = {video.path.stem: video for video in listed(DataConfig(hold_out=0.0001), [tmp_path], "train")}
    assert list(found) == ["Arson_1", "Bare_1", "Normal_1", "Two_1"]
    # A normal video's events are stretches that were sampled to be described.
    assert found["Normal_1"].events == () and not found["Normal_1"].is_anomalous
    assert [(e.span, e.label) for e in found["Arson_1"].events] == [
        (Span(2.0, 5.0), "Arson"),
        (Span(7.0, 8.0), "Arson"),
    ]
    assert found["Two_1"].events[0].label == "" and found["Two_1"].is_anomalous
    assert found["Bare_1"].duration is None and found["Arson_1"].duration == 10.0
    assert found["Arson_1"].path == tmp_path / "ucf-crime/videos/train/Arson_1.mp4"


def test_several_roots_and_held_out_videos(tmp_path):
    for name in ("a", "b"):
        released(tmp_path / name)
    roots, config = [tmp_path / "a", tmp_path / "b"], DataConfig(hold_out=0.5)
    train, val = (listed(config, roots, split) for split in ("train", "val"))
    assert len(train) + len(val) == 8
    assert not {video.path for video in train} & {video.path for video in val}
    # The same video held out in one copy is held out in the other.
    assert {video.name for video in train}.isdisjoint(video.name for video in val)


def test_a_missing_split_is_named_with_what_to_do(tmp_path):
    released(tmp_path)
    with pytest.raises(InputError, match=r"split named 'val'.*data\.val_split.*data\.hold_out"):
        listed(DataConfig(), [tmp_path], "val")
    with pytest.raises(InputError, match="no videos of a split named 'train'"):
        listed(DataConfig(hold_out=1e-9), [tmp_path], "val")


def test_data_that_are_not_there_are_one_sentence(tmp_path):
    with pytest.raises(InputError, match="names no data"):
        prepare(DataConfig())
    with pytest.raises(InputError, match="no such folder"):
        prepare(DataConfig(roots=(str(tmp_path / "nowhere"),)))


def test_simulated_videos_have_a_class_for_each_event_and_their_hard_negatives(tmp_path):
    write_annotations(
        {"s": VideoAnnotation("s", 100, 10.0, ("Arson", "Fighting"), (EventAnnotation(Span(1.0, 3.0)),))},
        tmp_path / "raw_annotations" / "sim_database_train.json",
    )
    record = {
        "name": "s",
        "fps": 10.0,
        "num_frames": 100,
        "events": [{"label": "Arson", "frames": [10, 30]}, {"label": "Fighting", "frames": [0, 4]}],
        "hard_negatives": [{"label": "Hug", "frames": [50, 60]}],
    }
    (tmp_path / "sim_train.json").write_text(json.dumps({"videos": {"s": record}}))
    (video,) = listed(DataConfig(), [tmp_path], "train")
    # Half a frame early: the time of frame 10 is in, that of frame 30 is not, however they are rounded.
    assert [(e.label, e.span.start, e.span.end) for e in video.events] == [
        ("Arson", 0.95, 2.95),
        ("Fighting", 0.0, pytest.approx(0.35)),
    ]
    assert [(n.label, n.span.start, n.span.end) for n in video.hard_negatives] == [("Hug", 4.95, 5.95)]


def test_a_changed_annotation_changes_its_digest(tmp_path):
    path = released(tmp_path)
    before = annotation_digests(DataConfig(), [tmp_path])
    assert list(before) == [str(path)]
    path.write_text(path.read_text().replace("Arson_1", "Arson_2"))
    assert annotation_digests(DataConfig(), [tmp_path]) != before
