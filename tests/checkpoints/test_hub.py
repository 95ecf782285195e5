import os
import shutil

import pytest

from holmesvau import checkpoints
from holmesvau.errors import ModelError
from tests.checkpoints.test_convert import assert_same_numbers, child

COMMIT = "c" * 40
RESOLVE = """
import sys
from holmesvau import checkpoints
from holmesvau.errors import ModelError
try:
    print(checkpoints.resolve(sys.argv[1]))
except ModelError as error:
    print("ModelError", error)
"""


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty hub cache on a machine without a network."""
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder


def download(hub, checkpoint):
    """Lay a checkpoint into the cache as the hub's client does: blobs, a snapshot of links, a reference."""
    repository = hub / "models--someone--HolmesVAU-2B"
    snapshot, blobs = repository / "snapshots" / COMMIT, repository / "blobs"
    for folder in (snapshot, blobs, repository / "refs"):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    for number, path in enumerate(sorted(checkpoint.iterdir())):
        shutil.copy(path, blobs / f"blob{number}")
        (snapshot / path.name).symlink_to(os.path.relpath(blobs / f"blob{number}", snapshot))
    return repository


def test_hub_id_is_converted_once_beside_its_download(hub, checkpoint):
    repository = download(hub, checkpoint)
    first = child(RESOLVE, "someone/HolmesVAU-2B")
    target = repository / "holmesvau-native" / f"{COMMIT}-1"
    assert first.stdout.strip() == str(target), first.stdout + first.stderr
    written = (target / "model.safetensors").stat().st_mtime_ns
    assert child(RESOLVE, "someone/HolmesVAU-2B").stdout.strip() == str(target)
    assert (target / "model.safetensors").stat().st_mtime_ns == written
    assert '"name": "HolmesVAU-2B"' in (target / "holmesvau.json").read_text()
    assert_same_numbers(checkpoint, target)


def test_without_network_and_download_the_sentence_says_what_to_do(hub):
    said = child(RESOLVE, "ppxin321/HolmesVAU-2B").stdout
    assert said.startswith("ModelError ppxin321/HolmesVAU-2B: neither a local folder nor to be had")
    assert "Download the checkpoint elsewhere and give its folder." in said


def test_native_folder_is_returned_as_it_is(native):
    assert checkpoints.resolve(native) == native


def test_released_folder_is_converted_once_into_the_cache(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("HOLMESVAU_CACHE", str(tmp_path / "cache"))
    first = checkpoints.resolve(checkpoint)
    assert first.is_relative_to(tmp_path / "cache" / "checkpoints")
    written = (first / "model.safetensors").stat().st_mtime_ns
    assert checkpoints.resolve(str(checkpoint)) == first
    assert (first / "model.safetensors").stat().st_mtime_ns == written


def test_changed_folder_is_converted_again(checkpoint, tmp_path, monkeypatch):
    from safetensors.torch import load_file, save_file

    monkeypatch.setenv("HOLMESVAU_CACHE", str(tmp_path / "cache"))
    first = checkpoints.resolve(checkpoint)
    weights = load_file(checkpoint / "model.safetensors")
    weights["mlp1.3.bias"] += 1
    save_file(weights, checkpoint / "model.safetensors")
    second = checkpoints.resolve(checkpoint)
    assert second != first
    assert_same_numbers(checkpoint, second)


def test_folder_that_is_no_checkpoint_is_said(tmp_path):
    with pytest.raises(ModelError, match="no such checkpoint folder"):
        checkpoints.resolve(tmp_path / "nowhere")
    with pytest.raises(ModelError, match=r"config\.json is missing"):
        checkpoints.resolve(tmp_path)
