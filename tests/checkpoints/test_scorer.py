import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from holmesvau import checkpoints
from holmesvau.ats.features import Features
from holmesvau.ats.urdmu import UrDmu, UrDmuScorer
from holmesvau.errors import ModelError, OutputError


@pytest.fixture(scope="module")
def weights():
    torch.manual_seed(3)
    return UrDmu(input_size=32).state_dict()


def wrapped(weights, kind):
    prefixed = {f"module.{name}": value for name, value in weights.items()}
    return {
        "state_dict": {"epoch": 7, "state_dict": prefixed},
        "model": {"model": dict(weights), "best": 0.88},
        "half": {name: value.half() for name, value in weights.items()},
    }[kind]


@pytest.mark.parametrize("kind", ["state_dict", "model", "half"])
def test_released_file_becomes_safetensors_with_the_same_keys(tmp_path, weights, kind):
    torch.save(wrapped(weights, kind), tmp_path / "anomaly_scorer.pth")
    made = checkpoints.convert_scorer(
        tmp_path / "anomaly_scorer.pth", tmp_path / "out" / "scorer.safetensors"
    )
    found = load_file(made)
    assert found.keys() == weights.keys()
    for name, value in weights.items():
        assert found[name].dtype == torch.float32
        torch.testing.assert_close(found[name], value, rtol=1e-3 if kind == "half" else 0, atol=1e-6)


def test_old_pickle_without_a_zip_is_read(tmp_path, weights):
    path = tmp_path / "scorer.pt"
    torch.save(dict(weights), path, _use_new_zipfile_serialization=False)
    assert not zipfile.is_zipfile(path)
    assert load_file(checkpoints.convert_scorer(path, tmp_path / "s.safetensors")).keys() == weights.keys()


def test_weights_that_share_memory_are_written_apart(tmp_path, weights):
    shared = dict(weights)
    shared["Nmemory.memory_block"] = shared["Amemory.memory_block"]
    torch.save(shared, tmp_path / "scorer.pth")
    found = load_file(checkpoints.convert_scorer(tmp_path / "scorer.pth", tmp_path / "s.safetensors"))
    assert torch.equal(found["Nmemory.memory_block"], found["Amemory.memory_block"])


def test_published_scorer_gives_the_published_scores_after_conversion(parity, tmp_path):
    released = load_file(parity / "urdmu-weights.safetensors")
    torch.save(
        {"state_dict": {f"module.{k}": v for k, v in released.items()}}, tmp_path / "anomaly_scorer.pth"
    )
    made = checkpoints.convert_scorer(
        tmp_path / "anomaly_scorer.pth", tmp_path / "anomaly_scorer.safetensors"
    )
    expected = load_file(parity / "urdmu-expected.safetensors")
    name = next(key.removesuffix(".features") for key in expected if key.endswith(".features"))
    pooled = expected[f"{name}.features"][0].numpy()
    count = len(pooled)
    features = Features(
        np.arange(count),
        np.arange(count, dtype=np.float64),
        pooled,
        np.empty((count, 1, 1, 1), np.float16),
        1.0,
        "x",
    )
    scores = UrDmuScorer(made).score(features)
    np.testing.assert_allclose(scores, expected[f"{name}.scores"][0].numpy(), atol=1e-5)


class Malicious:
    """Unpickled without care, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.system, (f"touch {self.path}",))


@pytest.mark.parametrize("zipped", [True, False])
def test_pickle_that_runs_code_is_refused_and_runs_nothing(tmp_path, weights, zipped):
    trap, path = tmp_path / "sprung", tmp_path / "anomaly_scorer.pth"
    torch.save({**weights, "extra": Malicious(trap)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match=r"anomaly_scorer.pth: besides weights .* could run code"):
        checkpoints.convert_scorer(path, tmp_path / "out.safetensors")
    assert not trap.exists() and not (tmp_path / "out.safetensors").exists()
    torch.load(path, weights_only=False)
    assert trap.exists(), "the trap itself does not work"


def test_bare_pickle_that_runs_code_is_refused(tmp_path):
    trap, path = tmp_path / "sprung", tmp_path / "scorer.pth"
    path.write_bytes(pickle.dumps(Malicious(trap), protocol=2))
    with pytest.raises(ModelError):
        checkpoints.convert_scorer(path, tmp_path / "out.safetensors")
    assert not trap.exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_truncated_scorers_are_refused(tmp_path, weights, share, suffix):
    path = tmp_path / f"scorer{suffix}"
    torch.save(dict(weights), tmp_path / "whole.pth")
    if suffix == ".pth":
        data = (tmp_path / "whole.pth").read_bytes()
    else:
        data = checkpoints.convert_scorer(tmp_path / "whole.pth", tmp_path / "whole.safetensors").read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelError, match="damaged or cut short"):
        checkpoints.convert_scorer(path, tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"a": torch.zeros(3)}, "not the weights of a UR-DMU scorer"),
        ({}, "no table of weights"),
        ([torch.zeros(3)], "no table of weights"),
        ({"epoch": 3}, "no table of weights"),
    ],
)
def test_file_of_something_else_is_refused(tmp_path, content, reason):
    torch.save(content, tmp_path / "scorer.pth")
    with pytest.raises(ModelError, match=reason):
        checkpoints.convert_scorer(tmp_path / "scorer.pth", tmp_path / "out.safetensors")


def test_scorer_with_a_part_missing_or_of_another_size_is_refused(tmp_path, weights):
    less = {name: value for name, value in weights.items() if name != "cls_head.mlp.2.bias"}
    torch.save(less, tmp_path / "less.pth")
    with pytest.raises(ModelError, match=r"it lacks cls_head.mlp.2.bias"):
        checkpoints.convert_scorer(tmp_path / "less.pth", tmp_path / "out.safetensors")
    torch.save({**weights, "cls_head.mlp.2.bias": torch.zeros(5)}, tmp_path / "other.pth")
    with pytest.raises(ModelError, match=r"has shape \(5,\), a UR-DMU scorer's has \(1,\)"):
        checkpoints.convert_scorer(tmp_path / "other.pth", tmp_path / "out.safetensors")


def test_place_that_cannot_be_written_is_said(tmp_path, weights):
    torch.save(dict(weights), tmp_path / "scorer.pth")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        checkpoints.convert_scorer(tmp_path / "scorer.pth", tmp_path / "file" / "out.safetensors")
    with pytest.raises(ModelError, match="no such file"):
        checkpoints.convert_scorer(tmp_path / "nowhere.pth", tmp_path / "out.safetensors")
