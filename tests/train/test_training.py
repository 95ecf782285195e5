"""Stage 1 from the first picture to a scorer that works on unseen videos; killed, shared, refused, estimated.

The videos are rendered once for all tests here, and scanned once.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from typer.testing import CliRunner

from holmesvau.ats import UrDmuScorer
from holmesvau.ats.familiarity import Familiarity
from holmesvau.ats.foveal import FovealEncoder
from holmesvau.ats.scan import scan
from holmesvau.ats.store import FeatureStore
from holmesvau.checkpoints.scorer import SCORER_FILE
from holmesvau.cli import app
from holmesvau.errors import ConfigError, VideoError
from holmesvau.evaluate.ranking import areas
from holmesvau.sim import load_truth
from holmesvau.train import load, train_scorer
from holmesvau.train.data import prepare
from holmesvau.train.scorer.examples import class_names, examples
from holmesvau.train.videos import listed
from holmesvau.video import open_video

# Everything under a clock has much more time than it needs: the machine may be busy.
pytestmark = pytest.mark.timeout(900)
# Small enough to be trained again and again.
SHORT = [
    "scorer.batch_videos=4",
    "scorer.window=16",
    "scorer.steps_per_epoch=3",
    "scorer.epochs=5",
]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The videos of `tiny-smoke`."""
    made = tmp_path_factory.mktemp("smoke") / "data"
    prepare(load("tiny-smoke").data, rendered=made, workers=1)
    return made


@pytest.fixture(scope="module")
def smoke(root):
    """The recipe as it is shipped, trained."""
    lines = []
    result = train_scorer(load("tiny-smoke"), root.parent / "scorer", workers=1, on_log=lines.append)
    return result, lines


@pytest.fixture(scope="module")
def scanned(root, smoke):
    """The validation videos' features and exact frame labels at them."""
    encoder, found = FovealEncoder(), []
    for truth in load_truth(root, "val"):
        with open_video(root / truth.path) as video:
            features = scan(video, encoder, config=load("tiny-smoke").scorer.scan).features
        found.append((truth, features, truth.frame_labels()[features.index]))
    return found


def losses_of(run) -> list[tuple]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [(line["step"], line["loss"]) for line in lines if line["kind"] == "step"]


def figures_of(run) -> list[tuple]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [(line["step"], line["val_auc"], line["val_ap"]) for line in lines if line["kind"] == "validation"]


def test_the_loss_falls(smoke):
    result, lines = smoke
    steps = [line for line in lines if line["kind"] == "step"]
    assert [line["step"] for line in steps] == list(range(1, result.steps + 1)) and result.steps == 32
    for part in ("loss", "loss_frame", "loss_weak", "loss_triplet", "loss_classes"):
        values = [line[part] for line in steps]
        assert np.mean(values[-8:]) < 0.7 * np.mean(values[:8]), part
    assert all(line["frames_per_second"] > 0 and line["memory_bytes"] > 2**26 for line in steps)


def test_unseen_videos_are_scored_better_than_any_chance(smoke, scanned):
    # The last scorer: no validation video had a say in it. Frames of a video are alike, so that chance is not
    # 0.5 +- little: it is what the same curves reach on the labels of other videos.
    scorer = UrDmuScorer(smoke[0].last / SCORER_FILE)
    scores = [scorer.score(features).astype(np.float64) for _, features, _ in scanned]
    labels = [label for _, _, label in scanned]
    auc = areas(np.concatenate(labels), np.concatenate(scores)).auc
    generator, by_chance = np.random.default_rng(0), []
    for _ in range(400):
        order = generator.permutation(len(scores))
        other = [
            np.interp(np.linspace(0, 1, len(label)), np.linspace(0, 1, len(scores[at])), scores[at])
            for label, at in zip(labels, order, strict=True)
        ]
        by_chance.append(areas(np.concatenate(labels), np.concatenate(other)).auc)
    assert auc > 0.65
    assert np.mean(np.array(by_chance) >= auc) < 0.05


def test_the_best_epoch_is_kept_with_its_figures(smoke, scanned):
    result, lines = smoke
    validations = [line for line in lines if line["kind"] == "validation"]
    assert result.auc == max(line["val_auc"] for line in validations)
    assert result.best_epoch == int(np.argmax([line["val_auc"] for line in validations]))
    scorer = UrDmuScorer(result.best / SCORER_FILE)
    scores = np.concatenate([scorer.score(features) for _, features, _ in scanned])
    labels = np.concatenate([label for _, _, label in scanned])
    # The dense frames' labels of training are those of the exact truth.
    assert areas(labels, scores.astype(np.float64)).auc == pytest.approx(result.auc, abs=1e-9)


def test_the_file_names_classes_and_scores_without_knowing_them(smoke, scanned):
    result, _ = smoke
    path = result.best / SCORER_FILE
    scorer = UrDmuScorer(path)
    assert scorer.class_names is not None and scorer.class_names.all == result.classes
    assert result.classes[:3] == ("Normal", "Arson", "Explosion")
    features = scanned[0][1]
    scores, probabilities = scorer.classify(features)
    assert np.allclose(scores, scorer.score(features), atol=1e-6)
    assert probabilities.shape == (len(features), len(result.classes))
    assert np.allclose(probabilities.sum(1), 1, atol=1e-5)
    with safe_open(path, "pt") as file:
        assert file.metadata()["encoder"] == "efficientnet-lite0-fovea" and "val_auc" in file.metadata()


def test_familiarity_is_kept_beside_the_scorer_and_knows_noise(smoke, scanned):
    result, _ = smoke
    for folder in (result.best, result.last):
        familiarity = Familiarity.load(folder / "familiarity.safetensors")
        assert familiarity.limit == pytest.approx(result.familiarity_limit, rel=1e-6)
    # The limit is set on each kind of scene by all others: further off than the videos are.
    distances = sorted(familiarity.distance(features.pooled) for _, features, _ in scanned)
    assert len(familiarity.video_distances) == len(distances)
    assert np.quantile(distances, 0.9) < familiarity.limit
    assert np.mean(familiarity.video_distances) > np.mean(distances)
    unlike = np.random.default_rng(0).uniform(0, 6, scanned[0][1].pooled.shape).astype(np.float32)
    assert not familiarity.is_familiar(unlike)


def test_the_run_folder_can_be_trained_again_from_its_own_config(smoke):
    result, _ = smoke
    recipe = load(result.run / "config.json")
    assert recipe.scorer == load("tiny-smoke").scorer and recipe.data == load("tiny-smoke").data
    data = json.loads((result.run / "data.json").read_text())
    assert len([name for name in data if name.endswith(".mp4")]) == 28
    assert any(name.startswith("encoder ") for name in data)
    start = json.loads((result.run / "environment.json").read_text())[0]
    assert start["versions"]["torch"] == torch.__version__ and start["seeds"] == {"seed": 0}


def test_a_finished_run_is_not_trained_again_and_another_one_is_refused(smoke, root):
    result, _ = smoke
    again = train_scorer(load("tiny-smoke"), result.run, workers=1)
    assert (again.steps, again.resumed_from, again.auc) == (result.steps, result.steps, result.auc)
    with pytest.raises(ConfigError, match=r"scorer\.epochs was 4, now 9"):
        train_scorer(load("tiny-smoke", ["scorer.epochs=9"]), result.run, workers=1)


def test_data_that_changed_are_refused_when_a_run_goes_on(smoke, root):
    one, other = (root / truth.path for truth in load_truth(root, "train")[:2])
    before = one.read_bytes()
    try:
        one.write_bytes(other.read_bytes())
        with pytest.raises(ConfigError, match=rf"not those this run began with \(.*{one.name}\)"):
            train_scorer(load("tiny-smoke"), smoke[0].run, workers=1)
    finally:
        one.write_bytes(before)


ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def command(root, out, *settings) -> list[str]:
    options = [part for setting in (*SHORT, *settings) for part in ("--set", setting)]
    where = ["--data", str(root), "--out", str(out), "--device", "cpu", "--json"]
    return [sys.executable, "-m", "holmesvau", "train", "scorer", "tiny-smoke", *where, *options]


@pytest.fixture
def started():
    """Start a process that does not outlive its test."""
    processes = []

    def start(arguments, environment) -> subprocess.Popen:
        processes.append(subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_killed_in_the_middle_it_goes_on_to_the_same_curve_and_the_same_bits(root, smoke, tmp_path, started):
    recipe, out = load("tiny-smoke", [*SHORT, f'data.roots=["{root}"]']), tmp_path / "killed"
    process = started(command(root, out), ONE_THREAD)
    log = out / "log.jsonl"
    # In the middle of the second or a later epoch: some steps behind the last checkpoint are lost.
    while not (log.exists() and log.read_text().count('"kind": "step"') >= 4):
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    resumed = train_scorer(recipe, out, device="cpu", workers=1)
    assert 3 <= resumed.resumed_from < resumed.steps == 15

    whole = train_scorer(recipe, tmp_path / "whole", device="cpu", workers=1)
    assert losses_of(out) == losses_of(whole.run) and len(losses_of(out)) == 15
    assert figures_of(out) == figures_of(whole.run)
    for name in ("best", "last"):
        first, second = (load_file(run / name / SCORER_FILE) for run in (out, whole.run))
        assert all(torch.equal(first[key], second[key]) for key in second)


def test_two_processes_give_the_loss_of_one_with_the_doubled_batch(
    root, smoke, tmp_path, monkeypatch, started
):
    # With some seeds two frames are as good for a top-k, and rounding decides.
    settings = ["scorer.dropout=0.0", "scorer.epochs=2", "scorer.batch_videos=8", "scorer.seed=1"]
    recipe = load("tiny-smoke", [*SHORT, *settings, f'data.roots=["{root}"]'])
    alone = train_scorer(recipe, tmp_path / "one", device="cpu", workers=1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    rank = {**ONE_THREAD, **world, "RANK": "1", "LOCAL_RANK": "1"}
    second = started(command(root, tmp_path / "two", *settings), rank)
    for name, value in {**world, "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    train_scorer(recipe, tmp_path / "two", device="cpu", workers=1)
    assert second.wait() == 0
    two, one = losses_of(tmp_path / "two"), losses_of(alone.run)
    assert len(one) == 6 and [step for step, _ in two] == [step for step, _ in one]
    assert np.allclose([loss for _, loss in two], [loss for _, loss in one], rtol=1e-5, atol=0)
    assert np.allclose(figures_of(tmp_path / "two"), figures_of(alone.run), atol=1e-3)


def test_a_damaged_video_stops_or_is_left_out_by_policy(root, smoke, tmp_path):
    config = load("tiny-smoke")
    videos = listed(config.data, [root], "val")
    broken = tmp_path / "broken.mp4"
    shutil.copy(videos[1].path, broken)
    os.truncate(broken, 300)
    videos[1] = replace(videos[1], path=broken)
    names = class_names(videos, hard_negatives=False)

    def made(policy):
        return examples(videos, FovealEncoder(), names, config.scorer, on_error=policy, store=FeatureStore())

    with pytest.raises(VideoError, match=r"broken\.mp4.*on_error"):
        made("stop")
    found, skipped = made("skip")
    assert len(found) == 15 and [one.name for one in skipped] == [videos[1].name]
    assert "broken.mp4" in skipped[0].reason


def test_a_dry_run_counts_measures_and_writes_nothing(root, tmp_path):
    options = ["--data", str(root), "--out", str(tmp_path / "run"), "--dry-run", "--device", "cpu"]
    done = CliRunner().invoke(app, ["train", "scorer", "tiny-smoke", *options, "--json"])
    told = json.loads(done.stdout)
    assert (told["train_videos"], told["val_videos"], told["steps"]) == (12, 16, 32)
    assert told["step_seconds"] > 0 and told["memory_bytes"] > 2**27 and told["render_videos"] == 0
    seconds = sum(truth.num_frames / 4 for split in ("train", "val") for truth in load_truth(root, split))
    # One each half second; a video's last one may or may not be there.
    assert told["video_seconds"] == pytest.approx(seconds)
    assert abs(told["dense_frames"] - seconds / 0.5) <= 28
    assert not (tmp_path / "run").exists()
    unseen = CliRunner().invoke(
        app, ["train", "scorer", "tiny-smoke", "--dry-run", "--out", str(tmp_path / "a" / "run")]
    )
    assert "28 of them to be rendered" in unseen.stdout and "32 steps" in unseen.stdout
    assert "GiB" in unseen.stdout and not (tmp_path / "a").exists()
