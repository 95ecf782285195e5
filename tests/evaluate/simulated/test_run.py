"""Rendered, watched and evaluated for real: two small videos, no words."""

import dataclasses
import json
import sys

import numpy as np
import pytest

from holmesvau import cli
from holmesvau.config import from_dict
from holmesvau.errors import HolmesError, InputError
from holmesvau.evaluate.curves import load_curves
from holmesvau.evaluate.pipelines import PipelineOptions, content
from holmesvau.evaluate.ranking import areas
from holmesvau.evaluate.simulated.run import run
from holmesvau.evaluate.simulated.watching import default_workers, watch_all
from holmesvau.holmes import HolmesConfig
from holmesvau.sim import load_truth
from tests.evaluate.conftest import NO_WORDS, SMALL


def test_figures_are_those_of_the_reports(finished):
    root, found = finished
    assert found.rendered == 2 and found.reused == 0 and found.report.videos == 2
    assert (
        found.report.seconds_of_video == pytest.approx(16) and found.seconds_taken > found.seconds_rendering
    )
    truth = load_truth(root, "test")
    curves = {name: report.curve for name, report in found.reports.items()}
    labels = [video.frame_labels() for video in truth]
    # Every frame has the score of the last dense frame before it.
    scores = [
        curves[v.name].scores[np.searchsorted(curves[v.name].index, np.arange(80), side="right") - 1]
        for v in truth
    ]
    auc, ap = areas(np.concatenate(labels), np.concatenate(scores).astype(np.float64))
    assert found.report.figures["frame_auc"] == pytest.approx(auc)
    assert found.report.figures["frame_ap"] == pytest.approx(ap)
    assert found.report.figures["event_cider"] is None
    (predictions,) = (root / "reports").glob("*/detection.jsonl")
    read, coverage = load_curves(predictions, truth)
    assert coverage.used == 2 and not coverage.problems
    assert areas(np.concatenate(labels), np.concatenate([read[v.name].scores for v in truth])).auc == auc


def test_a_second_call_renders_and_watches_nothing_again(finished, train):
    root, first = finished
    again = run(root, 2, 77, NO_WORDS, train=train, **SMALL)
    assert again.rendered == 0 and again.reused == 2
    assert again.report.figures["frame_auc"] == first.report.figures["frame_auc"]
    fewer = run(root, 1, 77, NO_WORDS, train=train, **SMALL)
    assert fewer.report.videos == 1 and len(load_truth(root, "test")) == 2
    with pytest.raises(InputError, match="other settings"):
        run(root, 2, 78, NO_WORDS, train=train, **SMALL)


def test_another_pipeline_watches_again_and_weights_are_known_by_content(tmp_path):
    other = dataclasses.replace(NO_WORDS, config=from_dict(HolmesConfig, {"sampler": {"tau": 0.2}}))
    assert other.fingerprint() != NO_WORDS.fingerprint() == dataclasses.replace(NO_WORDS).fingerprint()
    scorer = tmp_path / "scorer.safetensors"
    prints = set()
    for text in (b"a" * 3_000_000, b"b" + b"a" * 2_999_999, b"a" * 2_999_999 + b"b"):
        scorer.write_bytes(text)
        prints |= {content(scorer), dataclasses.replace(NO_WORDS, scorer=str(scorer)).fingerprint()}
    assert len(prints) == 6 and content(tmp_path / "none") == ""


def test_two_processes_watch_like_one(finished, tmp_path):
    _, first = finished
    videos = {video.key: video.path for video in first.videos}
    seen = []
    watched = watch_all(
        videos, tmp_path, NO_WORDS, workers=2, progress=lambda stage, done, total: seen.append((done, total))
    )
    for video in first.videos:
        assert np.array_equal(watched.reports[video.key].curve.scores, first.reports[video.name].curve.scores)
    assert seen == [(1, 2), (2, 2)]


def test_a_video_that_cannot_be_watched_is_named(tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    with pytest.raises(HolmesError, match=r"camera 7: .*broken\.mp4"):
        watch_all({"camera 7": broken}, tmp_path / "out", NO_WORDS, workers=1)
    assert not list((tmp_path / "out").glob("*.json"))


def test_reports_are_whole_json(finished):
    root, _ = finished
    kept = list((root / "reports").glob("*/test_77_*.json"))
    assert len(kept) == 2 and all(json.loads(path.read_text())["schema"] == 1 for path in kept)


def test_the_command_prints_the_compared_keys_first(finished, train, monkeypatch, capsys):
    root, found = finished
    options = (
        "--no-cache --model none --scorer novelty --duration 8 --size 96x72 --fps 10 --resamples 20 -j 1"
    )
    base = ["holmesvau", "eval", "sim", "--seed", "77", "--videos", "2", "--out", str(root)]
    for more in (["--json"], []):
        monkeypatch.setattr(sys, "argv", [*base, "--train", str(train), *options.split(), *more])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
    first, _, rest = capsys.readouterr().out.partition("\n")
    printed = json.loads(first)
    assert list(printed)[:11] == [
        *("frame_auc", "frame_ap", "judgement_accuracy", "class_accuracy", "event_cider"),
        *("most_frequent_cider", "hard_negative_false_rate", "ece", "videos", "seconds_of_video"),
        "seconds_taken",
    ]
    assert printed["frame_auc"] == found.report.figures["frame_auc"] and printed["event_cider"] is None
    assert printed["videos"] == printed["reports_reused"] == 2 and printed["rendered"] == 0
    assert "nothing in words" in printed["notes"][0] and "judgement_accuracy" in rest


def test_its_predictions_are_scored_by_eval_detection(finished, monkeypatch, capsys):
    root, found = finished
    (predictions,) = (root / "reports").glob("*/detection.jsonl")
    command = ["eval", "detection", predictions, "--sim", root, "--resamples", "10", "--json"]
    monkeypatch.setattr(sys, "argv", ["holmesvau", *map(str, command)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    printed = json.loads(capsys.readouterr().out)
    assert not ended.value.code and printed["events_from"] == "predictions"
    assert printed["frames"]["auc"] == found.report.figures["frame_auc"]
    assert printed["coverage"]["used"] == 2


@pytest.mark.parametrize(
    ("model", "device", "shared"),
    [
        ("none", "cpu", True),
        ("small", "cpu", True),
        ("large", "cpu", False),
        ("small", "cuda:0", False),
        ("endpoint:http://localhost/v1", None, True),
        ("OpenGVLab/InternVL3-1B-hf", "cpu", False),
    ],
)
def test_a_large_model_is_loaded_by_one_process(tmp_path, monkeypatch, model, device, shared):
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    for name, size in (("small", 10), ("large", 600 << 20)):
        (tmp_path / name).mkdir()
        with (tmp_path / name / "model.safetensors").open("wb") as file:
            file.truncate(size)
    named = str(tmp_path / model) if model in ("small", "large") else model
    assert default_workers(PipelineOptions(model=named, device=device)) == (6 if shared else 1)
