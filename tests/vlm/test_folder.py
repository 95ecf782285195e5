"""Checkpoint folders that cannot be used: each ends in one sentence that says why and what to do."""

import importlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from holmesvau.errors import ConfigError, InputError, MissingPartError, ModelError
from holmesvau.vlm import folder as folders
from holmesvau.vlm import internvl
from tests.vlm.conftest import byte_tokenizer
from tests.vlm.test_internvl import random_adapter


@pytest.fixture
def copy(qwen_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(qwen_folder, tmp_path / "copy"))


def refused(folder: str | Path, words: str, error: type[Exception] = ModelError, **options: object) -> str:
    with pytest.raises(error, match=words) as caught:
        internvl.load(folder, **{"device": "cpu", **options})
    sentence = str(caught.value)
    assert "\n" not in sentence and len(sentence) < 400
    return sentence


def shards(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.safetensors"))
    assert len(found) > 1
    return found


@pytest.mark.parametrize("missing", ["./nowhere", "nowhere", "a/b/c", "~/models/x"])
def test_a_folder_that_is_not_there(missing: str) -> None:
    refused(missing, "no such checkpoint folder")


def test_a_file_instead_of_a_folder(copy: Path) -> None:
    refused(copy / "config.json", "Give the folder")


def test_a_hub_id_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    refused("some-one/no-such-model", "some-one/no-such-model: neither a local folder nor")


def test_no_config(copy: Path) -> None:
    (copy / "config.json").unlink()
    refused(copy, "config.json is missing")


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_config_that_is_no_json_object(copy: Path, text: str) -> None:
    (copy / "config.json").write_text(text)
    refused(copy, r"config\.json: ")


def test_another_architecture(copy: Path) -> None:
    (copy / "config.json").write_text(json.dumps({"model_type": "llama"}))
    refused(copy, "describes a 'llama' model, not an InternVL one")


def test_the_released_format_names_the_conversion(copy: Path) -> None:
    (copy / "config.json").write_text(json.dumps({"model_type": "internvl_chat"}))
    refused(copy, "holmesvau convert")


def test_a_missing_shard_is_named(copy: Path) -> None:
    shard = shards(copy)[1]
    shard.unlink()
    assert shard.name in refused(copy, "1 of")


def test_no_weights_at_all(copy: Path) -> None:
    for path in [*shards(copy), copy / folders.WEIGHTS_INDEX]:
        path.unlink()
    refused(copy, "no weights found")


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_truncated_shard_is_named(copy: Path, keep: int) -> None:
    shard = shards(copy)[0]
    shard.write_bytes(shard.read_bytes()[:keep])
    assert shard.name in refused(copy, "damaged or cut short")


def test_weights_of_another_size(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    config["text_config"]["intermediate_size"] = 96
    (copy / "config.json").write_text(json.dumps(config))
    refused(copy, "weights do not fit config.json")


def test_weights_that_lack_a_layer(copy: Path) -> None:
    path = next(path for path in shards(copy) if any("down_proj" in name for name in load_file(path)))
    kept = {name: tensor for name, tensor in load_file(path).items() if "down_proj" not in name}
    save_file(kept, path, metadata={"format": "pt"})
    index = json.loads((copy / folders.WEIGHTS_INDEX).read_text())
    index["weight_map"] = {name: file for name, file in index["weight_map"].items() if file != path.name}
    index["weight_map"] |= dict.fromkeys(kept, path.name)
    (copy / folders.WEIGHTS_INDEX).write_text(json.dumps(index))
    refused(copy, "weights are missing.*down_proj")


def test_a_tokenizer_without_a_place_for_pictures(copy: Path) -> None:
    tokenizer = byte_tokenizer(begins=False)
    text = tokenizer.backend_tokenizer.to_str().replace("<IMG_CONTEXT>", "<OTHER>")
    (copy / "tokenizer.json").write_text(text)
    config = (copy / "tokenizer_config.json").read_text().replace("<IMG_CONTEXT>", "<OTHER>")
    (copy / "tokenizer_config.json").write_text(config)
    refused(copy, "has no <IMG_CONTEXT> token")


def test_no_tokenizer(copy: Path) -> None:
    for path in copy.glob("*token*"):
        path.unlink()
    refused(copy, "tokenizer")


def test_a_chat_template_that_is_asked_for_and_missing(llama_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(llama_folder, tmp_path / "copy"))
    (copy / folders.SETTINGS_FILE).write_text('{"template": "tokenizer"}')
    refused(copy, "it has none")


def test_unknown_settings(copy: Path) -> None:
    (copy / folders.SETTINGS_FILE).write_text('{"num_frame": 12}')
    refused(copy, "did you mean num_frames", ConfigError)


def test_unusable_options(copy: Path) -> None:
    refused(copy, "dtype='int4'", InputError, dtype="int4")
    refused(copy, "not both", InputError, device_map="auto")
    refused(copy, "device='gpu'", InputError, device="gpu")
    if not torch.cuda.is_available():
        refused(copy, "no usable CUDA", InputError, device="cuda")


def test_a_folder_that_holds_no_adapter(copy: Path, tmp_path: Path) -> None:
    refused(copy, "no adapter found", adapter=tmp_path)


def test_an_adapter_of_another_model(
    copy: Path, make_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    other = make_checkpoint("other", hidden_size=32)
    random_adapter(other, tmp_path / "adapter")
    refused(copy, "not made for this model", adapter=tmp_path / "adapter")


def test_an_adapter_whose_weights_find_no_place(llama_folder: Path, tmp_path: Path) -> None:
    random_adapter(llama_folder, tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    renamed = {name.replace("layers.1", "layers.9"): tensor for name, tensor in load_file(path).items()}
    save_file(renamed, path)
    refused(llama_folder, "weights find no place", adapter=tmp_path)


def test_an_adapter_without_peft(llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError):
        importlib.import_module("peft")
    refused(llama_folder, r"holmesvau\[train\]", MissingPartError, adapter=tmp_path)


def test_tensors_are_read_by_name_over_all_files(qwen_folder: Path) -> None:
    files = folders.weight_files(qwen_folder)
    read = dict(folders.tensors(files))
    assert set(read) == set(files) and len(set(files.values())) > 1
    expected = {name: tensor for path in shards(qwen_folder) for name, tensor in load_file(path).items()}
    assert all(torch.equal(read[name], tensor) for name, tensor in expected.items())
