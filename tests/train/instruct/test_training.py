"""Stage 2 on real files: the loss falls, a killed run goes on, two processes train as one."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from holmesvau import checkpoints, cli
from holmesvau.config import to_dict
from holmesvau.errors import ConfigError, InputError, ModelError, VideoError
from holmesvau.hivau.instructions.compose import BuildConfig
from holmesvau.holmes import Holmes, HolmesConfig
from holmesvau.train.instruct import train_instruct
from holmesvau.train.recipes import Recipe
from holmesvau.types import FrameBatch
from holmesvau.vlm import internvl
from holmesvau.vlm.protocol import GenerationOptions

WORKER = Path(__file__).with_name("worker.py")
ROOT = Path(__file__).parents[3]


def lines(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def losses(run: Path) -> list[float]:
    return [line["loss"] for line in lines(run) if line["kind"] == "step"]  # type: ignore[misc]


def start(recipe: Recipe, out: Path, *, processes: int = 1) -> subprocess.Popen[str]:
    given = out.with_suffix(".json")
    given.write_text(json.dumps(to_dict(recipe)))
    command = [sys.executable, str(WORKER), str(given), str(out)]
    if processes > 1:
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command = [sys.executable, *launcher, *command[1:]]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finished(process: subprocess.Popen[str]) -> None:
    said, _ = process.communicate(timeout=110)
    assert process.returncode == 0, said


@pytest.fixture(scope="module")
def whole(recipe_for: Callable[..., Recipe], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    result = train_instruct(recipe_for(), out, device="cpu")
    assert result.finished and result.steps == 6 and not result.skipped
    return out


def test_the_loss_falls_and_the_adapter_is_loaded_again(
    whole: Path, llama_folder: Path, data_root: Path, tmp_path: Path
) -> None:
    told = losses(whole)
    assert len(told) == 6 and told[-1] < 0.8 * told[0]
    last = lines(whole)[-2]
    assert last["tokens_per_second"] > 0 and last["memory_bytes"] > 1e6  # type: ignore[operator]
    assert lines(whole)[-1]["val_loss"] > 0  # type: ignore[operator]
    assert {path.name for path in whole.iterdir()} >= {
        "config.json",
        "environment.json",
        "data.json",
        "examples.jsonl",
        "tensorboard",
    }
    video = data_root / "room" / "videos" / "val" / "room0.mp4"
    merged = checkpoints.merge(llama_folder, whole / "best", tmp_path / "merged")
    short = HolmesConfig(generation=GenerationOptions(max_new_tokens=24))
    plain, tuned, again = (
        Holmes.from_pretrained(str(folder), device="cpu", dtype="float32", config=short, **options)
        .ask(video, "What happens?")
        .text
        for folder, options in (
            (llama_folder, {}),
            (llama_folder, {"adapter": str(whole / "best")}),
            (merged, {}),
        )
    )
    assert plain != tuned == again


def test_killed_it_goes_on_to_the_same_losses(
    whole: Path, recipe_for: Callable[..., Recipe], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    process = start(recipe_for(), out)
    deadline = time.monotonic() + 100
    while not (out / "checkpoints" / "checkpoint-2").is_dir():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()[0]
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(losses(out)) < 6
    result = train_instruct(recipe_for(), out, device="cpu")
    assert result.resumed_from >= 2 and result.finished
    assert losses(out) == losses(whole)
    for name in ("adapter_model.safetensors",):
        assert (out / "last" / name).read_bytes() == (whole / "last" / name).read_bytes()


def test_two_processes_have_the_losses_of_one(
    whole: Path, recipe_for: Callable[..., Recipe], tmp_path: Path
) -> None:
    """The same step, of twice the rows that each process takes, whoever computes it."""
    out = tmp_path / "run"
    finished(start(recipe_for(), out, processes=2))
    assert losses(out) == pytest.approx(losses(whole), rel=1e-4)
    assert lines(out)[-1]["val_loss"] == pytest.approx(lines(whole)[-1]["val_loss"], rel=1e-4)


def test_finished_it_does_nothing_more_and_another_configuration_is_refused(
    whole: Path, recipe_for: Callable[..., Recipe]
) -> None:
    before = (whole / "log.jsonl").read_bytes()
    result = train_instruct(recipe_for(), whole, device="cpu")
    assert result.finished and result.resumed_from == 6 and (whole / "log.jsonl").read_bytes() == before
    with pytest.raises(ConfigError, match="learning_rate"):
        train_instruct(recipe_for(learning_rate=1e-5), whole, device="cpu")


def test_a_row_without_its_video_stops_the_run_or_is_named(
    recipe_for: Callable[..., Recipe], tmp_path: Path, data_root: Path
) -> None:
    folder = data_root / "room" / "videos" / "train"
    hidden = (folder / "room1.mp4").rename(folder / "away")
    try:
        recipe = recipe_for(max_steps=1, val_rows=0)
        with pytest.raises(VideoError, match=r"row \d+ .*room1"):
            train_instruct(recipe, tmp_path / "stops", device="cpu")
        patient = replace(recipe, data=replace(recipe.data, on_error="skip"))
        result = train_instruct(patient, tmp_path / "goes on", device="cpu")
        # Video and event: judgement and description each, and two captions.
        assert len(result.skipped) == 6 and all("room1" in reason for reason in result.skipped)
        assert result.train_rows == 28 - 6
    finally:
        hidden.rename(folder / "room1.mp4")


def test_the_mixture_of_levels_is_what_is_trained_on(
    recipe_for: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe = recipe_for(max_steps=1, val_rows=0, mixture=BuildConfig(clip=0.0, video=0.0))
    train_instruct(recipe, tmp_path / "run", device="cpu")
    rows = [json.loads(line) for line in (tmp_path / "run" / "examples.jsonl").read_text().splitlines()]
    assert {row["level"] for row in rows} == {"event"} and len(rows) == 10
    assert all(len(row["frames"]) <= 16 for row in rows)


def test_without_stage_1_its_scorer_is_asked_for(recipe_for: Callable[..., Recipe], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train scorer"):
        train_instruct(recipe_for(scorer="stage-1"), tmp_path / "run", device="cpu")


def test_when_its_time_is_over_it_saves_and_the_same_call_goes_on(
    recipe_for: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe = recipe_for(max_seconds=1e-3, val_rows=0, max_steps=2, save_every=50)
    first = train_instruct(recipe, tmp_path / "run", device="cpu")
    assert not first.finished and first.steps == 1 and "goes on" in first.in_words()
    second = train_instruct(
        recipe_for(val_rows=0, max_steps=2, save_every=50), tmp_path / "run", device="cpu"
    )
    assert second.finished and second.resumed_from == 1 and len(losses(tmp_path / "run")) == 2


def test_a_projector_may_be_trained_too(
    recipe_for: Callable[..., Recipe], tmp_path: Path, llama_folder: Path, frames: FrameBatch
) -> None:
    recipe = recipe_for(train_projector=True, max_steps=2, val_rows=0)
    adapter = train_instruct(recipe, tmp_path / "run", device="cpu").last
    plain = internvl.load(llama_folder, device="cpu", dtype="float32")
    tuned = internvl.load(llama_folder, device="cpu", dtype="float32", adapter=adapter)
    assert not torch.equal(plain.encode(frames).tokens, tuned.encode(frames).tokens)


def test_a_loss_that_is_no_number_ends_the_run(recipe_for: Callable[..., Recipe], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"smaller instruct\.learning_rate"):
        train_instruct(recipe_for(learning_rate=1e30, clip=0.0, warm_up=0.0), tmp_path / "run", device="cpu")


def test_the_command_says_what_it_will_need(
    recipe_for: Callable[..., Recipe],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "mine.json").write_text(json.dumps(to_dict(recipe_for())))
    command = ["holmesvau", "train", "instruct", str(tmp_path / "mine.json"), "--dry-run", "--json"]
    monkeypatch.setattr(sys, "argv", [*command, "--out", str(tmp_path / "run")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = json.loads(capsys.readouterr().out)
    assert ended.value.code == 0 and told["steps"] == 6 and told["memory_bytes"] > 0
    assert not (tmp_path / "run").exists()
