"""The run folder: what it refuses, what survives an interruption, and that each step is logged once."""

import json
import os

import pytest
import torch
from safetensors.torch import load_file, save_file

from holmesvau.errors import ConfigError, InputError
from holmesvau.train.environment import describe
from holmesvau.train.run import KEPT_CHECKPOINTS, Run


def opened(path, **config):
    return Run(path, stage="scorer", config={"name": "x", "scorer": {"epochs": 2, "lr": 0.1} | config})


def test_another_configuration_is_refused_and_the_keys_are_named(tmp_path):
    with opened(tmp_path, epochs=4):
        # A start that failed before the first step binds nobody.
        pass
    with opened(tmp_path) as run:
        run.log(step=1, loss=1.0)
    with pytest.raises(ConfigError, match=r"scorer\.epochs was 2, now 3\)"), opened(tmp_path, epochs=3):
        pass
    with opened(tmp_path):
        pass


def test_other_data_are_refused_and_named(tmp_path):
    with opened(tmp_path) as run:
        run.record_data({"z.mp4": "1"})
        run.record_data({"a.mp4": "1", "b.mp4": "2"})
        run.log(step=1, loss=1.0)
        run.record_data({"b.mp4": "2", "a.mp4": "1"})
        with pytest.raises(ConfigError, match=r"b\.mp4, c\.mp4"):
            run.record_data({"a.mp4": "1", "b.mp4": "3", "c.mp4": "4"})


def test_two_runs_do_not_share_a_folder(tmp_path):
    with opened(tmp_path), pytest.raises(InputError, match="another process"), opened(tmp_path):
        pass


def test_a_line_cut_short_and_steps_after_the_checkpoint_are_taken_back(tmp_path):
    with opened(tmp_path) as run:
        for step in (1, 2, 3):
            run.log(step=step, loss=1.0 / step, bad=float("nan"))
        run.save_checkpoint(2, {"model": {"w": torch.tensor([2.0])}, "seen": {"n": 4, "names": ["a"]}})
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    with opened(tmp_path) as run:
        state = run.load_checkpoint()
        assert state["step"] == 2 and state["seen"] == {"n": 4, "names": ["a"]}
        assert torch.equal(state["model"]["w"], torch.tensor([2.0]))
        run.rewind(state["step"])
        run.log(step=3, loss=0.5)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3] and lines[2]["loss"] == 0.5
    assert lines[0]["bad"] is None
    assert (tmp_path / "tensorboard").is_dir()


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(tmp_path):
    with opened(tmp_path) as run:
        for step in range(1, 5):
            run.save_checkpoint(step, {"value": torch.full((100,), float(step))})
        assert len(list(run.checkpoints.iterdir())) == KEPT_CHECKPOINTS
        newest = run.checkpoints / "step-00000004.pt"
        os.truncate(newest, newest.stat().st_size // 2)
        assert run.load_checkpoint()["step"] == 3


def test_best_is_replaced_whole_and_an_interrupted_swap_is_mended(tmp_path):
    with opened(tmp_path) as run:
        for value in (1.0, 2.0):
            with run.replacing("best") as folder:
                save_file({"w": torch.tensor([value])}, folder / "model.safetensors")
        with pytest.raises(RuntimeError), run.replacing("best") as folder:
            save_file({"w": torch.tensor([3.0])}, folder / "model.safetensors")
            raise RuntimeError
    assert load_file(tmp_path / "best" / "model.safetensors")["w"].item() == 2.0
    # Killed between the two renames of a swap.
    (tmp_path / "best").rename(tmp_path / ".best.old")
    with opened(tmp_path) as run:
        assert load_file(run.best / "model.safetensors")["w"].item() == 2.0


def test_only_the_main_process_writes(tmp_path):
    with Run(tmp_path / "run", stage="scorer", config={}, main=False) as run:
        run.log(step=1, loss=1.0)
        run.save_checkpoint(1, {})
        run.record_start(describe(device="cpu"))
        run.record_data({"a": "1"})
    assert not (tmp_path / "run").exists()


def test_every_start_is_recorded(tmp_path):
    for _ in range(2):
        with opened(tmp_path) as run:
            run.record_start(describe(device="cpu", seed=3))
    starts = json.loads((tmp_path / "environment.json").read_text())
    assert len(starts) == 2 and starts[1]["seeds"] == {"seed": 3} and starts[0]["versions"]["torch"]
