"""The vision tower as an encoder: the released class token, the tower alone, fingerprints that tell."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import InternVLForConditionalGeneration

from holmesvau.ats.features import Encoder
from holmesvau.errors import InputError, ModelError
from holmesvau.vlm import internvl
from holmesvau.vlm.internvit import InternVitEncoder, _directions
from holmesvau.vlm.preprocess import pixels


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (5, 48, 64, 3), np.uint8)


def test_it_gives_the_class_token_of_the_whole_model(llama_folder: Path, pictures: np.ndarray) -> None:
    encoder: Encoder = InternVitEncoder(llama_folder, device="cpu", dtype="float32")
    whole = InternVLForConditionalGeneration.from_pretrained(llama_folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        hidden = whole.model.vision_tower(pixels(pictures, 56)).last_hidden_state
    encoded = encoder.encode(pictures)
    assert encoded.pooled.dtype == encoded.cells.dtype == np.float16
    assert encoder.width == 32 and encoded.pooled.shape == (5, 32)
    np.testing.assert_allclose(encoded.pooled, hidden[:, 0].numpy(), atol=2e-3, rtol=2e-3)
    # 56 px in patches of 14 are 4×4 places, fewer than 8×8, and 32 channels are fewer than 48 directions.
    assert encoder.cells_shape == encoded.cells.shape[1:] == (4, 4, 32)
    turned = hidden[:, 1:].numpy().reshape(5, 4, 4, 32) @ _directions(32, 32).numpy()
    np.testing.assert_allclose(encoded.cells, turned, atol=5e-3, rtol=5e-3)


def test_only_the_towers_weights_are_read(llama_folder: Path, tmp_path: Path, pictures: np.ndarray) -> None:
    """A folder whose language model is gone still scans, and a tower under older names is found."""
    folder = Path(shutil.copytree(llama_folder, tmp_path / "tower"))
    path = folder / "model.safetensors"
    tower = {name: tensor for name, tensor in load_file(path).items() if "vision_tower" in name}
    expected = InternVitEncoder(llama_folder, device="cpu").encode(pictures).pooled
    for prefix in ("model.", ""):
        renamed = {prefix + name.removeprefix("model."): tensor for name, tensor in tower.items()}
        save_file(renamed, path, metadata={"format": "pt"})
        assert np.array_equal(InternVitEncoder(folder, device="cpu").encode(pictures).pooled, expected)


def test_a_loaded_models_tower_is_shared(llama_folder: Path, pictures: np.ndarray) -> None:
    model = internvl.load(llama_folder, device="cpu")
    shared = InternVitEncoder.sharing(model)
    assert shared._tower is model.vision_tower
    own = InternVitEncoder(llama_folder, device="cpu")
    assert shared.fingerprint == own.fingerprint
    assert np.array_equal(shared.encode(pictures).pooled, own.encode(pictures).pooled)


def test_a_model_without_a_tower_is_refused() -> None:
    with pytest.raises(ModelError, match="no InternViT"):
        InternVitEncoder.sharing(object())


def test_the_fingerprint_tells_weights_and_precision_apart(
    llama_folder: Path, qwen_folder: Path, tmp_path: Path
) -> None:
    def of(folder: Path, dtype: str = "bfloat16") -> str:
        return InternVitEncoder(folder, device="cpu", dtype=dtype).fingerprint

    changed = Path(shutil.copytree(llama_folder, tmp_path / "changed"))
    state = load_file(changed / "model.safetensors")
    name = next(name for name in state if name.endswith("cls_token"))
    state[name][0, 0, 0] += 1
    save_file(state, changed / "model.safetensors", metadata={"format": "pt"})
    prints = [of(llama_folder), of(llama_folder, "float32"), of(changed)]
    assert len(set(prints)) == 3
    assert of(llama_folder) == prints[0]


def test_an_empty_batch_and_a_wrong_array(llama_folder: Path) -> None:
    encoder = InternVitEncoder(llama_folder, device="cpu")
    assert encoder.encode(np.empty((0, 10, 10, 3), np.uint8)).pooled.shape == (0, 32)
    with pytest.raises(InputError, match="uint8"):
        encoder.encode(np.zeros((1, 10, 10, 3), np.float32))


def test_a_tower_that_does_not_fit_is_refused(llama_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(llama_folder, tmp_path / "copy"))
    state = load_file(folder / "model.safetensors")
    lacking = {name: tensor for name, tensor in state.items() if not name.endswith("cls_token")}
    save_file(lacking, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="1 weights are missing"):
        InternVitEncoder(folder, device="cpu")
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"]["intermediate_size"] = 48
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="do not fit"):
        InternVitEncoder(folder, device="cpu")


def test_directions_are_orthonormal_up_to_their_scale() -> None:
    directions = _directions(1024, 48)
    torch.testing.assert_close(directions.T @ directions, torch.eye(48) * 1024 / 48, atol=1e-4, rtol=1e-4)


def test_signatures_keep_the_distances_of_the_tokens() -> None:
    tokens = torch.randn(200, 1024, generator=torch.Generator().manual_seed(0))
    kept = torch.pdist(tokens @ _directions(1024, 48)) / torch.pdist(tokens)
    assert 0.95 < kept.mean() < 1.05 and kept.std() < 0.15
