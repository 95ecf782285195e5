"""Virtual clips: the file of a row where it exists, else the span of its video."""

import pytest

from holmesvau import hivau
from holmesvau.errors import InputError, VideoError
from holmesvau.hivau import Place, Source, layout
from holmesvau.types import Span
from holmesvau.video import open_video
from tests.video.films import number_of

FILM = "v=Film.1998__#00-08-08_00-09-15_label_A"


@pytest.fixture
def annotations(own_dataset):
    return hivau.load_annotations(own_dataset / "raw_annotations/own_database_test.json")


@pytest.fixture
def rows(own_dataset):
    return hivau.load_instructions(own_dataset / "instruction/merge_instruction_test_final.jsonl")


def test_without_cut_files_every_row_is_its_video_or_a_span_of_it(own_dataset, annotations, rows):
    videos = own_dataset / "own/videos/test"
    assert [hivau.resolve(row, annotations, own_dataset) for row in rows] == [
        Source(videos / "Fire001.mp4"),
        Source(videos / "Fire001.mp4", Span(20.0, 24.5)),
        Source(videos / "Fire001.mp4", Span(8.0, 12.0)),
        Source(videos / f"{FILM}.mp4", Span(0, 4.5)),
    ]


def test_the_span_of_a_video_gives_its_frames(own_dataset, annotations, rows):
    source = hivau.resolve(rows[3], annotations, own_dataset)
    with open_video(source.path) as video:
        seen = [number_of(image) for batch in video.frames(span=source.span) for image in batch.frames]
    assert seen == list(range(108))


def test_a_cut_file_is_taken_and_an_empty_one_is_not(dataset, annotations, rows):
    cut = dataset / rows[2].video
    cut.parent.mkdir(parents=True)
    cut.touch()
    assert hivau.resolve(rows[2], annotations, dataset).span == Span(8.0, 12.0)
    cut.write_bytes(b"pictures")
    assert hivau.resolve(rows[2], annotations, dataset) == Source(cut)


def test_a_video_that_is_not_there_gets_a_sentence(tmp_path, annotations, rows):
    with pytest.raises(VideoError, match=r"Fire001_E1\.mp4: the file is not there, nor is the video"):
        hivau.resolve(rows[1], annotations, tmp_path)
    with pytest.raises(VideoError, match=r"Fire001\.mp4: the file is not there\. Put the videos under"):
        hivau.resolve(rows[0], annotations, tmp_path)


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        (Place("own", "test", "Other", 0), "no video 'Other'"),
        (Place("own", "test", "Fire001", 2), "Fire001 has 2 events"),
        (Place("own", "test", "Fire001", 1, 1), "has 1 clips"),
    ],
)
def test_a_part_without_annotation_gets_a_sentence(annotations, place, sentence):
    with pytest.raises(InputError, match=sentence):
        hivau.span_of(place, annotations)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (
            "xd-violence/videos/test/v=a__#1_label_B4-0-0.mp4",
            Place("xd-violence", "test", "v=a__#1_label_B4-0-0"),
        ),
        ("ucf-crime/events/train/Abuse001_x264_E12.mp4", Place("ucf-crime", "train", "Abuse001_x264", 12)),
        ("ucf-crime/clips/test/X_E0C1.mp4", Place("ucf-crime", "test", "X", 0, 1)),
        ("own/clips/test/X_E0C1_E3C10.mkv", Place("own", "test", "X_E0C1", 3, 10, ".mkv")),
        ("own/videos/test/God.Bless.2011_E3.mp4", Place("own", "test", "God.Bless.2011_E3")),
    ],
)
def test_paths_are_read_and_written_by_one_law(path, place):
    assert layout.parse(path) == place
    assert place.path == path


@pytest.mark.parametrize(
    "path",
    [
        "X.mp4",
        "a/b/c/X.mp4",
        "a/events/test/X.mp4",
        "a/clips/test/X_E0.mp4",
        "a/videos/test/X",
        "",
        "a/clips/X_E0C0.mp4",
    ],
)
def test_a_path_outside_the_law_gets_a_sentence(path):
    with pytest.raises(InputError, match="not a path of the dataset"):
        layout.parse(path)


def test_files_are_found_in_their_folders_and_beside_them(tmp_path):
    (tmp_path / "raw_annotations").mkdir()
    for name in ("raw_annotations/ucf_database_train.json", "xd_database_test.json", "notes.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "merge_instruction_train_final.jsonl").write_text("")
    found = layout.annotation_files(tmp_path)
    assert [(file.dataset, file.split) for file in found] == [("ucf-crime", "train"), ("xd-violence", "test")]
    assert [path.name for path in layout.instruction_files(tmp_path)] == [
        "merge_instruction_train_final.jsonl"
    ]
