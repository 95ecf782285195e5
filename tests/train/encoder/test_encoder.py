"""The windows' network from rendered videos to features that a scorer is trained on; killed, shared, refused.

The videos are rendered once, and their windows found once.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from holmesvau import loading
from holmesvau.ats import UrDmuScorer, fovea
from holmesvau.ats.efficientnet import EfficientNetLite0, read_folded, save_folded
from holmesvau.ats.features import Features
from holmesvau.ats.foveal import CLOSE, VIEWS, WINDOWS_FILE, FovealEncoder, parts
from holmesvau.checkpoints.scorer import SCORER_FILE
from holmesvau.cli import app
from holmesvau.errors import ConfigError, InputError, ModelError, VideoError
from holmesvau.sim import load_plans, load_truth
from holmesvau.sim.seen import seen
from holmesvau.train import load, train_encoder, train_scorer
from holmesvau.train.data import prepare
from holmesvau.train.encoder.model import altered
from holmesvau.train.encoder.training import validated
from holmesvau.train.encoder.windows import ACTS, CLASSES, collect, look
from holmesvau.vlm.tiny import Tiny

pytestmark = pytest.mark.timeout(900)
# Few videos, each soon looked at: the heads learn, and the last block.
SHORT = ["encoder.fewest=5", "encoder.batch_windows=8", "encoder.first_block=16", "encoder.epochs=1"]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    made = tmp_path_factory.mktemp("people") / "data"
    settings = ["data.simulated.train_videos=10", "data.simulated.val_videos=6", "data.simulated.fps=2.0"]
    prepare(load("tiny-smoke", settings).data, rendered=made, workers=1)
    return made


def recipe_of(root, *settings):
    data = [f'data.roots=["{root}"]', "data.simulated.train_videos=0", "data.simulated.val_videos=0"]
    return load("tiny-smoke", [*data, *SHORT, *settings])


@pytest.fixture(scope="module")
def trained(root):
    """Long enough to learn something, short enough for a test."""
    lines = []
    result = train_encoder(
        recipe_of(root, "encoder.epochs=6", "encoder.head_rate=3e-3", "encoder.validations=3"),
        root.parent / "encoder",
        device="cpu",
        on_log=lines.append,
    )
    return result, lines


def test_windows_are_those_of_a_scan_and_hold_what_the_plan_says(root):
    planned = next(one for one in load_plans(root, "train") if one.anomalies)
    config = recipe_of(root).encoder
    truth = next(one for one in load_truth(root, "train") if one.name == planned.name)
    found = look(root / truth.path, planned, config)
    assert found.pictures.shape[1:] == (fovea.WINDOWS, CLOSE, CLOSE, 3) and len(found) == config.frames
    assert 1 <= found.abnormal.sum() <= config.abnormal_frames
    assert not found.classes[~found.abnormal].any()
    labels = {CLASSES[number] for number in np.unique(found.classes)} - {"Normal"}
    assert labels <= {one.label for one in planned.anomalies}
    # What stands in a window stands in the picture.
    kinds = {one.kind for t in np.arange(0, 14, 0.5) for one in seen(planned, float(t), (160, 120))}
    told = {ACTS[number] for number in np.flatnonzero(found.acts.any((0, 1)))}
    assert told and {name for name in told if name.startswith("kind ")} <= {f"kind {kind}" for kind in kinds}
    again = look(root / truth.path, planned, config)
    assert np.array_equal(again.pictures, found.pictures) and np.array_equal(again.acts, found.acts)


def test_the_loss_falls_and_unseen_windows_are_told_apart(trained):
    result, lines = trained
    losses = [line["loss"] for line in lines if line["kind"] == "step"]
    assert len(losses) == result.steps and np.mean(losses[-15:]) < 0.75 * np.mean(losses[:5])
    # Chance is how often an act is shown; the figures are of videos that nothing was learnt from.
    assert result.window_auc > 0.6 and result.acts >= 5
    validations = [line for line in lines if line["kind"] == "validation"]
    assert len(validations) == 3 and result.acts_ap == max(line["val_acts_ap"] for line in validations)
    assert "windows' AUC" in result.in_words() and json.loads(json.dumps(result.to_json()))


def test_only_what_is_to_be_trained_has_changed(trained):
    released = EfficientNetLite0().folded()
    learnt = load_file(trained[0].best / WINDOWS_FILE)
    assert learnt.keys() == released.keys()
    changed = {name for name in released if not torch.equal(learnt[name], released[name].half())}
    assert changed and all(name.startswith(("_blocks.15", "_conv_head")) for name in changed)


def test_the_foveal_encoder_sees_windows_with_it_and_the_whole_as_before(trained):
    file = trained[0].best / WINDOWS_FILE
    plain, own = FovealEncoder(threads=1), FovealEncoder(file, threads=1)
    assert own.name.startswith(f"{FovealEncoder.name}-") and own.name != plain.name
    assert own.fingerprint != plain.fingerprint and own.width == plain.width
    frames = np.random.default_rng(0).integers(0, 255, (3, 120, 160, 3)).astype(np.uint8)
    mine, theirs = own.encode(frames), plain.encode(frames)
    (views, numbers), (others, same) = parts(mine.pooled), parts(theirs.pooled)
    assert np.array_equal(views[:, 0], others[:, 0]) and np.array_equal(numbers, same)
    assert np.array_equal(mine.cells, theirs.cells)
    assert not np.array_equal(views[:, 1:], others[:, 1:])
    # As the network that was trained has it.
    windows = fovea.windows_of(numbers[0], 160 / 120)
    closes = np.stack(fovea.views(frames[0], windows, whole=CLOSE, close=CLOSE)[1])
    with torch.inference_mode():
        expected = EfficientNetLite0(read_folded(file))(torch.from_numpy(closes)).mean((2, 3)).numpy()
    assert views[0, 1:].astype(np.float32) == pytest.approx(expected, abs=0.02)


def test_killed_in_the_middle_it_goes_on_to_the_same_bits(root, trained, tmp_path):
    settings = ["encoder.epochs=2", "encoder.validations=4"]
    recipe, out = recipe_of(root, *settings), tmp_path / "killed"
    shutil.copytree(trained[0].run / "windows", out / "windows")
    process = subprocess.Popen(
        command(root, out, *settings), env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL
    )
    try:
        log = out / "log.jsonl"
        while not (log.exists() and log.read_text().count('"kind": "step"') >= 9):
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    finally:
        process.kill()
    resumed = train_encoder(recipe, out, device="cpu")
    assert 0 < resumed.resumed_from < resumed.steps
    shutil.copytree(trained[0].run / "windows", tmp_path / "whole" / "windows")
    whole = train_encoder(recipe, tmp_path / "whole", device="cpu")
    assert losses_of(out) == losses_of(whole.run) and len(losses_of(out)) == whole.steps
    first, second = (load_file(run / "last" / WINDOWS_FILE) for run in (out, whole.run))
    assert all(torch.equal(first[key], second[key]) for key in second)


def test_two_processes_give_the_loss_of_one(root, trained, tmp_path, monkeypatch):
    settings = ["encoder.dropout=0.0", "encoder.validations=1"]
    runs = {name: tmp_path / name for name in ("one", "two")}
    for run in runs.values():
        shutil.copytree(trained[0].run / "windows", run / "windows")
    alone = train_encoder(recipe_of(root, *settings), runs["one"], device="cpu")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    rank = {**os.environ, "OMP_NUM_THREADS": "1", **world, "RANK": "1", "LOCAL_RANK": "1"}
    second = subprocess.Popen(command(root, runs["two"], *settings), env=rank, stdout=subprocess.DEVNULL)
    try:
        for name, value in {**world, "RANK": "0", "LOCAL_RANK": "0"}.items():
            monkeypatch.setenv(name, value)
        train_encoder(recipe_of(root, *settings), runs["two"], device="cpu")
        assert second.wait() == 0
    finally:
        second.kill()
    one, two = losses_of(alone.run), losses_of(runs["two"])
    assert np.allclose([loss for _, loss in two], [loss for _, loss in one], rtol=1e-4, atol=0)


def test_a_scorer_is_trained_on_it_and_takes_it_along(root, trained, tmp_path):
    (tmp_path / "encoder").mkdir()
    shutil.copytree(trained[0].best, tmp_path / "encoder" / "best")
    settings = ["scorer.encoder_source=stage-0", "scorer.epochs=1", "scorer.steps_per_epoch=2"]
    result = train_scorer(recipe_of(root, *settings), tmp_path / "scorer", device="cpu", workers=1)
    scorer = UrDmuScorer(result.best / SCORER_FILE)
    assert scorer.windows == result.best / WINDOWS_FILE
    encoder, *_ = loading.load("none", scorer=str(result.best / SCORER_FILE))
    assert encoder.name == FovealEncoder(scorer.windows, threads=1).name
    frames = np.random.default_rng(0).integers(0, 255, (4, 120, 160, 3)).astype(np.uint8)

    def features(of):
        made = of.encode(frames)
        index = np.arange(4)
        return Features(index, index / 2, made.pooled, made.cells, 0.5, of.name)

    assert scorer.score(features(encoder)).shape == (4,)
    with pytest.raises(InputError, match=r"windows\.safetensors\) belongs beside it"):
        scorer.score(features(FovealEncoder(threads=1)))
    # A model that reads the scan sees with the same eyes, and takes them along.
    tiny = Tiny.create(scorer=result.best / SCORER_FILE)
    assert tiny._eye.fingerprint == encoder.fingerprint
    saved = tiny.save_pretrained(tmp_path / "tiny")
    assert (saved / WINDOWS_FILE).read_bytes() == (result.best / WINDOWS_FILE).read_bytes()
    # What goes on from that scorer needs no source to be named.
    again = recipe_of(
        root, f"scorer.start={saved / SCORER_FILE}", "scorer.epochs=1", "scorer.steps_per_epoch=1"
    )
    gone_on = train_scorer(again, tmp_path / "again" / "scorer", device="cpu", workers=1)
    assert (gone_on.best / WINDOWS_FILE).is_file()


def test_what_is_missing_or_damaged_is_named(root, tmp_path):
    with pytest.raises(InputError, match="`holmesvau train encoder` has left nothing there"):
        train_scorer(recipe_of(root, "scorer.encoder_source=stage-0"), tmp_path / "scorer", device="cpu")
    with pytest.raises(InputError, match=r"nowhere\.safetensors: no such file"):
        train_scorer(
            recipe_of(root, "scorer.encoder_source=nowhere.safetensors"), tmp_path / "other", device="cpu"
        )
    broken = tmp_path / WINDOWS_FILE
    broken.write_bytes(b"not weights")
    with pytest.raises(ModelError, match="cannot be read"):
        FovealEncoder(broken)
    tensors = EfficientNetLite0().folded()
    tensors["_conv_head.weight"] = tensors["_conv_head.weight"][:, :7]
    save_folded(tensors, broken, {})
    with pytest.raises(ModelError, match="not the weights of an EfficientNet-Lite0"):
        FovealEncoder(broken)
    with pytest.raises(ConfigError, match=r"encoder\.first_block"):
        recipe_of(root, "encoder.first_block=17")
    with pytest.raises(InputError, match="Nothing is in 100000"):
        train_encoder(recipe_of(root, "encoder.fewest=100000"), tmp_path / "few", device="cpu")


def test_footage_that_nobody_staged_is_refused(tmp_path):
    with pytest.raises(InputError, match="no simulated videos"):
        train_encoder(recipe_of(tmp_path), tmp_path / "run", device="cpu")


def test_a_damaged_video_stops_or_is_left_out_by_policy(root, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(root, copy)
    broken = copy / load_truth(copy, "val")[1].path
    os.truncate(broken, 300)
    recipe = recipe_of(copy)
    with pytest.raises(VideoError, match=broken.name):
        collect(recipe.data, [copy], "val", recipe.encoder, tmp_path / "stop")
    skipping = recipe_of(copy, "data.on_error=skip")
    found = collect(skipping.data, [copy], "val", skipping.encoder, tmp_path / "skip")
    assert [one.name for one in found.skipped] == [broken.stem] and len(found) > 30
    # Found once, read from then on.
    broken.unlink()
    again = collect(skipping.data, [copy], "val", skipping.encoder, tmp_path / "skip")
    assert again.skipped == found.skipped and np.array_equal(again.pictures, found.pictures)
    # Other frames are other windows: what lies there is not theirs.
    fewer = recipe_of(copy, "data.on_error=skip", "encoder.frames=4")
    assert len(collect(fewer.data, [copy], "val", fewer.encoder, tmp_path / "skip")) == 4 * 5


def test_pictures_are_altered_alike_for_a_seed_and_stay_pictures():
    pictures = torch.from_numpy(
        np.random.default_rng(0).integers(0, 255, (16, CLOSE, CLOSE, 3)).astype(np.uint8)
    )
    first, second = (altered(pictures, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(first, second) and first.shape == pictures.shape
    assert float(first.min()) >= 0 and float(first.max()) <= 255
    assert not torch.equal(altered(pictures, torch.Generator().manual_seed(8)), first)
    assert (first - pictures).abs().mean() > 5


def test_figures_are_what_they_say(trained, root):
    recipe = recipe_of(root)
    windows = collect(recipe.data, [root], "val", recipe.encoder, trained[0].run / "windows")

    class Knowing(torch.nn.Module):
        """Knows the answers in the order in which it is asked."""

        at = 0

        def forward(self, pictures):
            rows = slice(self.at, self.at + len(pictures))
            self.at += len(pictures)
            acts = torch.from_numpy(windows.acts.reshape(-1, len(ACTS))[rows]).float()
            classes = torch.nn.functional.one_hot(
                torch.from_numpy(windows.classes.ravel()[rows]), len(CLASSES)
            )
            return acts, classes.float() * 9

    figures = validated(Knowing(), windows, np.arange(len(ACTS)), "cpu")
    assert (figures.acts_ap, figures.window_auc, figures.class_accuracy) == (1.0, 1.0, 1.0)
    assert windows.classes.size == len(windows) * (VIEWS - 1)


def test_a_dry_run_counts_measures_and_writes_nothing(root, tmp_path):
    options = ["--data", str(root), "--out", str(tmp_path / "run"), "--dry-run", "--device", "cpu"]
    none = ["--set", "data.simulated.train_videos=0", "--set", "data.simulated.val_videos=0"]
    done = CliRunner().invoke(app, ["train", "encoder", "tiny-smoke", *options, *none, "--json"])
    told = json.loads(done.stdout)
    assert (told["train_videos"], told["val_videos"], told["frames"]) == (10, 6, 100)
    assert told["steps"] == 6 and told["step_seconds"] > 0 and not (tmp_path / "run").exists()
    unseen = CliRunner().invoke(
        app, ["train", "encoder", "tiny-smoke", "--dry-run", "--out", str(tmp_path / "a" / "run")]
    )
    assert "28 of them to be rendered" in unseen.stdout and not (tmp_path / "a").exists()


def command(root, out, *settings) -> list[str]:
    none = ["data.simulated.train_videos=0", "data.simulated.val_videos=0"]
    options = [part for setting in (*none, *SHORT, *settings) for part in ("--set", setting)]
    where = ["--data", str(root), "--out", str(out), "--device", "cpu", "--json"]
    return [sys.executable, "-m", "holmesvau", "train", "encoder", "tiny-smoke", *where, *options]


def losses_of(run) -> list[tuple]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [(line["step"], line["loss"]) for line in lines if line["kind"] == "step"]
