"""`holmesvau convert`, as a person runs it."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from holmesvau.ats.urdmu import UrDmu


def holmesvau(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "holmesvau", "convert", *map(str, arguments)],
        capture_output=True,
        check=False,
        text=True,
        timeout=100,
    )


def test_checkpoint_with_its_scorer_in_one_command(pristine, tmp_path):
    weights = UrDmu(input_size=24).state_dict()
    torch.save(dict(weights), tmp_path / "released.pth")
    done = holmesvau(pristine, tmp_path / "native", "--scorer", tmp_path / "released.pth", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["kind"] == "checkpoint" and said["verified"] and said["target"] == str(tmp_path / "native")
    carried = load_file(tmp_path / "native" / "anomaly_scorer.safetensors")
    assert carried.keys() == weights.keys()


def test_scorer_alone_prints_its_path(tmp_path):
    torch.save(UrDmu(input_size=24).state_dict(), tmp_path / "anomaly_scorer.pth")
    done = holmesvau(tmp_path / "anomaly_scorer.pth", tmp_path / "anomaly_scorer.safetensors")
    assert done.returncode == 0 and done.stdout == f"{tmp_path / 'anomaly_scorer.safetensors'}\n"


def test_adapter_and_merge(pristine, native, tmp_path):
    pytest.importorskip("peft")
    from tests.checkpoints.test_lora import write_adapter

    write_adapter(tmp_path / "released", pristine)
    without = holmesvau(tmp_path / "released", tmp_path / "adapter")
    assert without.returncode == 2 and "say with --base which released model" in without.stderr
    assert holmesvau(tmp_path / "released", tmp_path / "adapter", "--base", pristine).returncode == 0
    merged = holmesvau(native, tmp_path / "merged", "--merge", tmp_path / "adapter", "--json")
    assert merged.returncode == 0 and json.loads(merged.stdout)["kind"] == "merge", merged.stderr
    before = load_file(native / "model.safetensors")
    after = load_file(tmp_path / "merged" / "model.safetensors")
    changed = {name for name, value in before.items() if not torch.equal(after[name], value)}
    assert len(changed) == 3 * 7


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nowhere/at/all", "out"), "no such checkpoint folder"),
        ((".", "out"), "config.json is missing"),
        (("scorer.pth", "out"), "give a name that ends in .safetensors"),
        ((".", "out", "--merge", "a", "--unmerge", "b"), "not both"),
    ],
)
def test_bad_input_ends_with_a_sentence_and_code_2(arguments, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = holmesvau(*arguments)
    assert done.returncode == 2 and sentence in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
