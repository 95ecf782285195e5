"""Frame-level ground truth: on lists made here, and on the released ones against sums of their text."""

import json
from collections import Counter

import numpy as np
import pytest

from holmesvau.errors import InputError
from holmesvau.hivau import ucf_crime, xd_violence
from holmesvau.types import Span

UCF = "Arson/Arson1_x264.mp4 100 Arson 10 20 90 102 \nTesting/Normal_1_x264.mp4 50 Normal -1 -1 -1 -1 \n"
XD = "v=S-7__#1_label_B4-0-0 0 15 20 30\nFilm.1998__#00-01_label_B2-B6-G 5 9"


def written(tmp_path, text):
    path = tmp_path / "list.txt"
    path.write_text(text)
    return path


def test_ucf_intervals_are_half_open_and_end_with_the_video(tmp_path):
    problems = []
    arson, normal = ucf_crime.load(written(tmp_path, UCF), problems=problems)
    assert (arson.name, arson.labels, arson.num_frames) == ("Arson1_x264", ("Arson",), 100)
    labels = arson.frame_labels()
    assert labels.dtype == np.uint8
    assert np.flatnonzero(labels).tolist() == [*range(10, 20), *range(90, 100)]
    assert [(len(i), i.labels) for i in arson.intervals] == [(10, ("Arson",)), (10, ("Arson",))]
    assert [(p.kind, p.line, p.place) for p in problems] == [("interval-past-end", 1, "Arson1_x264")]
    assert not normal.is_anomalous and normal.frame_labels().sum() == 0 and len(normal.frame_labels()) == 50


def test_frame_labels_of_another_length_are_cut_or_go_on_normal(tmp_path):
    arson = ucf_crime.load(written(tmp_path, UCF))[0]
    assert arson.frame_labels(15).sum() == 5
    assert arson.frame_labels(200).sum() == 20
    assert arson.frame_labels(0).shape == (0,)
    with pytest.raises(InputError, match="negative"):
        arson.frame_labels(-1)


def test_intervals_become_seconds(tmp_path):
    arson = ucf_crime.load(written(tmp_path, UCF))[0]
    assert arson.spans(10.0) == [Span(1.0, 2.0), Span(9.0, 10.0)]
    with pytest.raises(InputError, match="fps"):
        arson.spans(0)


def test_xd_needs_the_number_of_frames(tmp_path):
    riot, film = xd_violence.load(written(tmp_path, XD))
    with pytest.raises(InputError, match=r"frame_labels\(num_frames=…\)"):
        riot.frame_labels()
    assert riot.frame_labels(25).tolist() == [1] * 15 + [0] * 5 + [1] * 5
    assert film.intervals[0].labels == ("Shooting", "Car accident", "Explosion")


def test_xd_frame_counts_complete_the_test_set(tmp_path):
    counts = {"v=S-7__#1_label_B4-0-0": 25, "Film.1998__#00-01_label_B2-B6-G": 7, "v=1__#1_label_A": 40}
    videos = xd_violence.load(written(tmp_path, XD), num_frames=counts)
    assert [video.frame_labels().sum() for video in videos] == [20, 2, 0]
    assert [video.num_frames for video in videos] == [25, 7, 40]
    with pytest.raises(InputError, match="no intervals of it"):
        xd_violence.load(written(tmp_path, XD), num_frames={"v=2__#1_label_G-0-0": 40})


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("v=a__#1_label_A", ()),
        ("v=a__#1_label_A.mp4", ()),
        ("v=a__#1_label_B1-0-0", ("Fighting",)),
        ("v=a__#1_label_G-B2-B6.mp4", ("Explosion", "Shooting", "Car accident")),
        ("v=a_label_B1__#1_label_B5-B5-0", ("Abuse",)),
    ],
)
def test_names_of_several_classes_are_decoded(name, classes):
    assert xd_violence.labels(name) == classes


@pytest.mark.parametrize(
    "name", ["v=a__#1", "v=a_label_B3-0-0", "v=a_label_0-0-0", "v=a_label_A-B1-0", "v=a_label_"]
)
def test_a_name_without_known_classes_gets_a_sentence(name):
    with pytest.raises(InputError, match=r"_label_|is no list of classes"):
        xd_violence.labels(name)


@pytest.mark.parametrize(
    ("load", "text", "sentence"),
    [
        (ucf_crime.load, "", "no videos"),
        (ucf_crime.load, "a/b.mp4 many Arson 1 2", r"list\.txt:1: not of the form"),
        (ucf_crime.load, "a/b.mp4 100 Arson 1 2 3", "do not make pairs"),
        (ucf_crime.load, "a/b.mp4 100 Arson 9 2", "9 2 is no interval"),
        (ucf_crime.load, "a/b.mp4 100 Arson -1 2", "-1 2 is no interval"),
        (ucf_crime.load, "a/b.mp4 100 Arson one 2", "whole frame numbers"),
        (ucf_crime.load, "a/b.mp4 100 Normal 1 2 -1 -1", "has no abnormal frames"),
        (xd_violence.load, "\n", "no videos"),
        (xd_violence.load, "a_label_A 3 4", "normal by its name"),
        (xd_violence.load, "a_label_B7 3 4", r"list\.txt:1: .* no list of classes"),
        (xd_violence.load, "a_label_B1 3 4\na_label_B1 3 4", r"list\.txt:2: a_label_B1 stands twice"),
    ],
)
def test_a_line_of_another_form_gets_a_sentence(tmp_path, load, text, sentence):
    with pytest.raises(InputError, match=sentence):
        load(written(tmp_path, text))


def test_released_ucf_totals_equal_an_independent_sum(shared):
    path = shared / "data/ground_truth/UCF_Annotation.txt"
    videos = ucf_crime.load(path, problems=(problems := []))
    labels = [video.frame_labels() for video in videos]
    assert len(videos) == 290
    assert sum(not video.is_anomalous for video in videos) == 150
    assert sum(map(len, labels)) == 1_111_808

    frames = as_written = past_end = 0
    for line in path.read_text().splitlines():
        count, (first, second) = int(line.split()[1]), [line.split()[3:5], line.split()[5:7]]
        frames += count
        for start, end in (map(int, first), map(int, second)):
            as_written += end - start
            past_end += max(0, end - count)
    assert (frames, as_written, past_end) == (1_111_808, 84_189, 7)
    assert sum(int(label.sum()) for label in labels) == as_written - past_end == 84_182
    assert [problem.kind for problem in problems] == ["interval-past-end"] * 5
    assert {label for video in videos for label in video.labels} == set(ucf_crime.CLASSES)


def test_released_ucf_frame_counts_agree_with_the_annotations(shared):
    counts = {v.name: v.num_frames for v in ucf_crime.load(shared / "data/ground_truth/UCF_Annotation.txt")}
    annotations = json.loads((shared / "data/hivau70k/ucf_database_test.json").read_text())
    differing = {name for name, entry in annotations.items() if counts[name] != entry["n_frames"]}
    assert differing == set()


def test_released_xd_list_is_read_whole(shared):
    path = shared / "data/ground_truth/XD_Annotation.txt"
    videos = xd_violence.load(path)
    assert len(videos) == 500  # the last line has no newline, which a count of newlines misses
    assert all(video.is_anomalous and video.intervals for video in videos)
    words = path.read_text().split()
    numbers = [int(word) for word in words if word.isdecimal()]
    assert sum(len(i) for v in videos for i in v.intervals) == sum(numbers[1::2]) - sum(numbers[::2])
    assert Counter(len(video.labels) for video in videos) == {1: 453, 2: 43, 3: 4}
    riot = videos[0]
    assert (riot.labels, riot.frame_labels(3000).sum()) == (("Riot",), 1517 + 1030)
