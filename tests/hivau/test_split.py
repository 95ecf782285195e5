"""`split`: exactly the frames of each span, copied where that is exact, resumable, sound kept."""

import os
import signal
import subprocess
import sys
import time

import av
import pytest

from holmesvau import hivau
from holmesvau.errors import InputError, OutputError
from holmesvau.hivau.checks import check
from holmesvau.hivau.split import split
from holmesvau.video import open_video
from tests.hivau.fixtures import ANNOTATIONS, write_json
from tests.video.films import number_of

FILM = "v=Film.1998__#00-08-08_00-09-15_label_A"


def numbers(path):
    with open_video(path) as video:
        return [number_of(image) for batch in video.frames() for image in batch.frames]


def files(root, *levels):
    return sorted(
        p.relative_to(root).as_posix()
        for level in levels
        for p in (root / "own" / level).rglob("*")
        if p.is_file()
    )


@pytest.fixture(scope="module")
def cut_dataset(own_dataset, tmp_path_factory):
    out = tmp_path_factory.mktemp("cut")
    return out, split(own_dataset, out=out, jobs=2)


def test_every_event_and_clip_becomes_a_file_by_the_path_law(cut_dataset):
    out, report = cut_dataset
    assert files(out, "events", "clips") == sorted(
        [
            *(
                f"own/events/test/{name}.mp4"
                for name in ("Calm001_E0", "Fire001_E0", "Fire001_E1", f"{FILM}_E0")
            ),
            *(
                f"own/clips/test/{name}.mp4"
                for name in (
                    "Calm001_E0C0",
                    "Calm001_E0C1",
                    "Fire001_E0C0",
                    "Fire001_E0C1",
                    "Fire001_E1C0",
                    f"{FILM}_E0C0",
                )
            ),
        ]
    )
    # Whole seconds begin at keyframes; only what starts at 5.5 s must be encoded.
    assert (report.copied, report.encoded, report.kept, report.problems) == (8, 2, 0, ())


def test_each_file_has_exactly_the_frames_of_its_span(cut_dataset, own_dataset):
    out, _ = cut_dataset
    for name, video in hivau.load_annotations(own_dataset / "raw_annotations/own_database_test.json").items():
        for number, event in enumerate(video.events):
            spans = {f"events/test/{name}_E{number}": event.span}
            spans |= {f"clips/test/{name}_E{number}C{c}": clip.span for c, clip in enumerate(event.clips)}
            for path, span in spans.items():
                first, last = (round(bound * video.fps) for bound in span)
                assert numbers(out / "own" / f"{path}.mp4") == list(range(first, last)), path


def test_sound_is_kept_where_there_is_sound(cut_dataset):
    out, _ = cut_dataset
    for name, has_sound in (("Fire001_E0", True), ("Fire001_E1", True), ("Calm001_E0", False)):
        with av.open(str(out / f"own/events/test/{name}.mp4")) as container:
            assert bool(container.streams.audio) == has_sound


def test_a_split_dataset_passes_the_check(dataset):
    split(dataset, jobs=1)
    report = check(dataset)
    assert set(report.by_kind()) == {"not-ascii"}


def test_a_second_run_does_only_what_is_left(dataset):
    split(dataset, levels=["clip"], jobs=1)
    clip = dataset / "own/clips/test/Fire001_E0C0.mp4"
    kept = dataset / "own/clips/test/Fire001_E0C1.mp4"
    stamp = kept.stat().st_mtime_ns
    clip.unlink()
    (dataset / "own/clips/test/Calm001_E0C0.mp4").write_bytes(b"")
    report = split(dataset, levels=["clip"], jobs=1)
    assert (report.copied + report.encoded, report.kept) == (2, 4)
    assert clip.stat().st_size and kept.stat().st_mtime_ns == stamp
    assert not (dataset / "own/events").exists()


def test_rows_read_the_same_frames_before_and_after(dataset):
    annotations = hivau.load_annotations(dataset / "raw_annotations/own_database_test.json")
    rows = hivau.load_instructions(dataset / "instruction/merge_instruction_test_final.jsonl")

    def frames():
        for row in rows:
            source = hivau.resolve(row, annotations, dataset)
            with open_video(source.path) as video:
                yield [number_of(i) for batch in video.frames(span=source.span) for i in batch.frames]

    before = list(frames())
    split(dataset, jobs=1)
    assert hivau.resolve(rows[1], annotations, dataset).span is None
    assert list(frames()) == before


def test_what_cannot_be_cut_is_said_and_stops_nothing(dataset):
    entries = {**ANNOTATIONS, "Gone": ANNOTATIONS["Calm001"]}
    entries["Calm001"] = {**ANNOTATIONS["Calm001"], "events": [[50.0, 60.0]]}
    write_json(dataset / "raw_annotations/own_database_test.json", entries)
    (dataset / f"own/videos/test/{FILM}.mp4").write_text("no pictures")
    seen = []
    report = split(dataset, jobs=1, progress=lambda *now: seen.append(now))
    problems = [(p.kind, p.place) for p in report.problems]
    assert sorted(problems) == [
        ("missing-video", "own/videos/test/Gone.mp4"),
        ("not-cut", "own/clips/test/" + FILM + "_E0C0.mp4"),
        ("not-cut", "own/events/test/Calm001_E0.mp4"),
        ("not-cut", "own/events/test/" + FILM + "_E0.mp4"),
    ]
    assert report.copied + report.encoded == 7
    assert seen[-1] == ("split", 10, 10)
    assert not [path for path in (dataset / "own").rglob("*partial*")]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_place_that_cannot_be_written_ends_the_split(own_dataset, tmp_path, jobs):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="cannot be made"):
        split(own_dataset, out=tmp_path / "out", jobs=jobs)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"levels": []}, "events and clips are cut"),
        ({"levels": ["video"]}, "events and clips"),
        ({"jobs": 0}, "at least one"),
    ],
)
def test_unusable_options_get_a_sentence(own_dataset, options, sentence):
    with pytest.raises(InputError, match=sentence):
        split(own_dataset, **options)


def test_a_folder_without_annotations_gets_a_sentence(tmp_path):
    with pytest.raises(InputError, match="no annotations"):
        split(tmp_path)


def test_ctrl_c_ends_at_once_and_the_same_command_goes_on(dataset):
    entries = dict(ANNOTATIONS)
    starts = [0.51 + number / 8 for number in range(60)]
    for name in ("Fire001", "Calm001"):
        spans = [[start, start + 10] for start in starts]
        entries[name] = {**ANNOTATIONS[name], "events": spans, "clips": [[]] * 60, "clips_caption": [[]] * 60}
    write_json(dataset / "raw_annotations/own_database_test.json", entries)
    events = dataset / "own/events/test"
    command = [
        sys.executable,
        "-m",
        "holmesvau",
        "data",
        "split",
        str(dataset),
        "--level",
        "event",
        "--jobs",
        "2",
    ]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **quiet, text=True, start_new_session=True) as process:
        while process.poll() is None and len(list(events.glob("[FC]*.mp4"))) < 3:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        stopped = time.monotonic()
        _, said = process.communicate(timeout=60)
        assert time.monotonic() - stopped < 30
    done = len(list(events.glob("[!.]*.mp4")))
    assert process.returncode == 130 and "Traceback" not in said, said
    assert 3 <= done < 121 and not list(events.glob(".*"))
    report = split(dataset, levels=["event"], jobs=2)
    assert (report.kept, report.copied + report.encoded) == (done, 121 - done)
    assert len(numbers(events / "Fire001_E59.mp4")) == 300
