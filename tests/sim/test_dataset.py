"""Datasets: the same by seed, disjoint splits, nothing odd for the checker, texts that read as English."""

import json
import re
import sys
from itertools import pairwise

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from holmesvau.cli import app
from holmesvau.errors import InputError, MissingPartError
from holmesvau.hivau import load_annotations, load_instructions, resolve, ucf_crime
from holmesvau.hivau.checks import check
from holmesvau.sim.dataset import frame_rates, generate, load_truth, make
from holmesvau.sim.plan import Settings, plan
from holmesvau.sim.render import Renderer
from holmesvau.sim.scenes import HELD_OUT, NAMES, TRAINING, VALIDATION
from holmesvau.sim.scripts import ANOMALIES
from holmesvau.sim.scripts.wardrobe import dressed, split_of, split_of_car
from holmesvau.sim.sheet import save
from holmesvau.video import open_video
from holmesvau.vlm.judgement import parse_judgement

SMALL = {"duration": (8.0, 14.0), "size": (160, 120), "fps": 8.0, "anomalous_share": 0.67}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("sim")
    return generate(root, 3, 11, split="test", workers=1, **SMALL)


@pytest.fixture(scope="module")
def plans():
    return [
        plan(Settings(seed=5, duration=(12.0, 90.0), anomalous_share=0.6), number) for number in range(30)
    ]


def test_the_checker_finds_nothing_odd(dataset):
    report = check(dataset.root)
    assert report.severity in (None, "note")
    assert {problem.kind for problem in report.problems} <= {"virtual"}
    assert report.counts["videos"] == 3 and report.counts["rows"] > 9


def test_rows_resolve_to_spans_of_the_videos(dataset):
    annotations = load_annotations(dataset.annotations)
    rows = load_instructions(dataset.instructions)
    assert {row.task for row in rows} == {"caption", "judgement", "description", "analysis"}
    for row in rows:
        source = resolve(row, annotations, dataset.root)
        assert source.path in dataset.videos
        assert (source.span is None) == (row.level == "video")


def test_frame_labels_are_the_events_and_the_video_has_as_many_frames(dataset):
    annotations = load_annotations(dataset.annotations)
    listed = ucf_crime.load(dataset.root / "ground_truth" / "sim_test.txt")
    for truth, again, path in zip(load_truth(dataset.root, "test"), listed, dataset.videos, strict=True):
        video = annotations[truth.name]
        with open_video(path) as file:
            assert file.info.num_frames == video.n_frames == truth.num_frames
        marked = np.zeros(video.n_frames, np.uint8)
        for event in video.events if video.labels else ():
            marked[round(event.span.start * video.fps) : round(event.span.end * video.fps)] = 1
        assert np.array_equal(truth.frame_labels(), marked)
        assert np.array_equal(again.frame_labels(), marked)
        assert truth.is_anomalous == video.is_anomalous == bool(marked.any())
        assert frame_rates(dataset.root, "test")[truth.name] == video.fps


def test_a_second_call_renders_nothing_and_a_lost_video_is_made_again(dataset):
    before = dataset.videos[1].read_bytes()
    dataset.videos[1].unlink()
    again = generate(dataset.root, 3, 11, split="test", workers=2, **SMALL)
    assert again.rendered == 1
    assert dataset.videos[1].read_bytes() == before
    assert again.annotations.read_text() == dataset.annotations.read_text()


def test_other_settings_in_the_same_folder_are_refused(dataset):
    with pytest.raises(InputError, match="fps"):
        generate(dataset.root, 3, 11, split="test", workers=1, **{**SMALL, "fps": 10.0})


def test_the_same_seed_gives_the_same_pixels_and_texts_and_another_seed_others():
    settings = Settings(seed=4, duration=(10.0, 12.0), size=(160, 120), anomalous_share=1.0)
    one, two = plan(settings, 7), plan(settings, 7)
    assert one.annotation == two.annotation and one.record == two.record
    frames = [Renderer(made.stage).planes(40) for made in (one, two)]
    assert np.array_equal(*frames)
    other = plan(Settings(seed=5, duration=(10.0, 12.0), size=(160, 120), anomalous_share=1.0), 7)
    assert other.record["digest"] != one.record["digest"]


def test_splits_share_neither_scenes_nor_clothes():
    seeds, clothes = {}, {}
    for split in ("train", "val", "test"):
        made = [plan(Settings(seed=1, split=split, duration=(10.0, 20.0)), number) for number in range(6)]
        seeds[split] = {(p.stage.scene.name, p.stage.scene.seed) for p in made}
        people = [a.look for p in made for a in p.stage.actors if a.kind == "person"]
        looks = [look for look in people if look.top_kind != "uniform"]
        assert looks and {split_of(look) for look in looks} == {split}
        cars = [a.finish for p in made for a in p.stage.actors if a.kind == "car"]
        assert all(split_of_car(car.name, car.variant) == split for car in cars)
        clothes[split] = {(look.top_name, look.top_kind, look.bottom_name) for look in looks}
        uniform = dressed(np.random.default_rng(0), split, person="police officer")
        clothes[split].add((uniform.top_name, "uniform", uniform.bottom_name))
    for a, b in (("train", "val"), ("train", "test"), ("val", "test")):
        assert not seeds[a] & seeds[b] and not clothes[a] & clothes[b]


def test_spans_lie_in_their_videos_and_clips_in_their_events(plans):
    for made in plans:
        duration = made.annotation.n_frames / made.annotation.fps
        events = sorted(made.annotation.events, key=lambda event: event.span)
        for event in events:
            assert 0 <= event.span.start < event.span.end <= duration + 1e-3
            assert event.clips
            for clip in event.clips:
                assert event.span.start <= clip.span.start < clip.span.end <= event.span.end
        for first, second in pairwise(events):
            assert first.span.end <= second.span.start


def texts_of(video):
    yield from (video.judgement, video.description, video.analysis)
    for event in video.events:
        yield from (event.judgement, event.description, event.analysis)
        yield from (clip.caption for clip in event.clips)


def test_texts_are_whole_sentences_with_the_right_articles(plans):
    for text in (text for made in plans for text in texts_of(made.annotation) if text):
        assert text.isascii() and not re.search(r"[\[\]{}|<>_]|  |\.\.|,,| ,| \.", text), text
        assert text[0].isupper() and text.endswith("."), text
        assert not re.search(r"\ba [aeio]|\ban [^aeiou]|\b(\w+) \1\b", text, re.IGNORECASE), text
        for part in re.split(r"(?<=\.) ", text):
            assert part[0].isupper(), text


def test_texts_agree_with_the_truth(plans):
    for made in plans:
        video, record = made.annotation, made.record
        assert video.labels == tuple(dict.fromkeys(event["label"] for event in record["events"]))
        for part in (video, *video.events):
            assert parse_judgement(part.judgement).is_anomalous == bool(video.labels)
            assert bool(part.analysis) == bool(video.labels)
            assert part.summary == " ".join(t for t in (part.judgement, part.description, part.analysis) if t)
        if video.labels:
            for event, noted in zip(video.events, record["events"], strict=True):
                named = parse_judgement(event.judgement).label
                assert named == noted["label"]


def test_colours_are_named_only_where_the_camera_sees_them(plans):
    grey = [made for made in plans if made.stage.light.kind == "infrared"]
    assert grey
    for text in (text for made in grey for text in texts_of(made.annotation)):
        assert not re.search(r"\b(red|blue|green|yellow|orange|purple|pink|beige|turquoise|olive)\b", text), (
            text
        )


def test_all_classes_come_in_turn():
    settings = Settings(seed=2, duration=(14.0, 16.0), anomalous_share=1.0, events=1, busy=0.0)
    made = [plan(settings, number).annotation.labels[0] for number in range(len(ANOMALIES))]
    assert len(set(made)) >= len(ANOMALIES) - 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"split": "dev"}, "split"),
        ({"duration": 2.0}, "duration"),
        ({"scenes": ("moon",)}, "moon"),
        ({"classes": ("Murder",)}, "Murder"),
        ({"scenes": ("corridor",), "classes": ("RoadAccidents",)}, "can happen"),
        ({"anomalous_share": 1.5}, "anomalous_share"),
        ({"workers": 0}, "workers"),
        ({"size": (161, 120)}, "size"),
    ],
)
def test_bad_settings_are_refused_with_the_value(tmp_path, wrong, message):
    with pytest.raises(InputError, match=message):
        generate(tmp_path, 1, 0, **{"workers": 1, "duration": 10.0, **wrong})


def test_an_hour_is_planned_with_its_events_apart():
    made = plan(Settings(seed=3, duration=(3600.0, 3600.0), anomalous_share=1.0, events=3, busy=0.3), 0)
    assert made.stage.num_frames == 54_000
    assert 1 <= len(made.annotation.events) <= 3


def test_a_day_has_events_by_the_hour():
    day = Settings(seed=6, duration=(86_400.0, 86_400.0), anomalous_share=1.0, events=2, busy=0.0)
    made = plan(day, 0)
    starts = [event.span.start for event in made.annotation.events]
    assert 8 <= len(starts) <= 48, "one an hour on average, two at most"
    assert starts[-1] - starts[0] > 12 * 3600


def test_some_kinds_of_scenes_are_in_the_test_alone_and_others_in_training(tmp_path):
    quick = {"duration": 5.0, "size": (96, 64), "fps": 1.0, "anomalous_share": 0.0, "busy": 0.0, "workers": 1}

    def asked(split, **more):
        made = generate(tmp_path / f"{split}{len(more)}", 1, 1, split=split, **quick, **more)
        return set(json.loads(made.truth.read_text())["settings"]["scenes"])

    tests, training, validation = map(set, (HELD_OUT, TRAINING, VALIDATION))
    assert asked("train") == set(NAMES) - tests - validation
    assert asked("val") == set(NAMES) - tests
    assert asked("test") == set(NAMES) - training - validation
    assert len(tests | training | validation) == len(tests) + len(training) + len(validation)
    assert asked("train", scenes=("corridor",)) == {"corridor"}


def test_an_unfinished_video_is_not_taken_for_a_finished_one(tmp_path):
    settings = Settings(seed=9, duration=(5.0, 5.0), size=(160, 120), fps=5.0, anomalous_share=0.0)
    _, record, rendered = make(tmp_path, settings, 0)
    assert rendered and not make(tmp_path, settings, 0)[2]
    mark = tmp_path / "sim" / "truth" / "train" / f"{record['name']}.json"
    mark.write_text(json.dumps({**record, "digest": "of an older version"}))
    assert make(tmp_path, settings, 0)[2]


def test_the_command_prints_what_it_made(tmp_path):
    result = CliRunner().invoke(
        app,
        ["sim", "generate", str(tmp_path), "-n", "1", "--duration", "5", "--size", "160x120", "--fps", "5",
         "--anomalous-share", "0", "-j", "1", "--json"],
    )  # fmt: skip
    assert result.exit_code == 0
    made = json.loads(result.stdout)
    assert made["rendered"] == 1 and made["anomalous"] == 0 and len(made["videos"]) == 1


def test_an_anomaly_is_staged_in_a_picture_of_ones_own(tmp_path):
    own = plan(Settings(seed=2, duration=(5.0, 5.0), scenes=("street",), anomalous_share=0.0), 0)
    picture = save(Renderer(own.stage).frame(0), tmp_path / "camera.png")
    made = generate(
        tmp_path / "out", 1, 3, duration=10.0, size=(160, 120), fps=5.0, anomalous_share=1.0, busy=0.0,
        background=picture, workers=1,
    )  # fmt: skip
    truth = load_truth(made.root)[0]
    marked = truth.frame_labels().astype(bool)
    with open_video(made.videos[0]) as file:
        frames = np.concatenate([batch.frames for batch in file.frames(every=1)]).astype(np.int16)
    usual = np.median(frames, axis=0)
    own_picture = cv2.resize(cv2.imread(str(picture))[..., ::-1], (160, 120), interpolation=cv2.INTER_AREA)
    assert np.abs(usual - own_picture).mean() < 12, "what nobody covers is the picture as it was given"
    changed = (np.abs(frames - usual).max(-1) > 30).sum((1, 2))
    assert changed[marked].max() > 60, "somebody is seen in the event"
    assert check(made.root).severity in (None, "note")


def test_without_opencv_the_command_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    result = CliRunner().invoke(app, ["sim", "generate", str(tmp_path), "-n", "1"])
    assert isinstance(result.exception, MissingPartError) and "holmesvau[sim]" in str(result.exception)
