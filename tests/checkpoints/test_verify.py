import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from holmesvau import checkpoints
from holmesvau.checkpoints.verify import TOLERANCE, verify
from holmesvau.errors import ModelError


@pytest.fixture
def copy(native, tmp_path):
    folder = tmp_path / "native"
    folder.mkdir()
    for path in native.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def change(folder, name, how):
    weights = load_file(folder / "model.safetensors")
    weights[name] = how(weights[name]).contiguous()
    save_file(weights, folder / "model.safetensors")


def test_faithful_conversion_passes_with_every_layer_used(pristine, native):
    passes = []
    found = verify(pristine, native, advance=lambda done, total: passes.append((done, total)))
    assert found.max_difference < TOLERANCE / 10
    assert passes == [(1, 3), (2, 3), (3, 3)] and found.passes == 3


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("language_model.model.layers.2.self_attn.k_proj.weight", lambda w: w.flip(0)),
        ("language_model.model.layers.1.mlp.gate_proj.weight", lambda w: w * 1.01),
        ("vision_tower.encoder.layer.1.attention.v_proj.bias", lambda w: w + 0.01),
        ("vision_tower.embeddings.cls_token", lambda w: w * 0),
        ("multi_modal_projector.linear_2.bias", lambda w: w.flip(0)),
        ("language_model.model.norm.weight", lambda w: w * 1.01),
        ("language_model.lm_head.weight", lambda w: w.roll(1, 0)),
        ("language_model.model.embed_tokens.weight", lambda w: w.roll(1, 0)),
        ("vision_tower.encoder.layer.0.lambda_1", lambda w: w * torch.nan),
    ],
)
def test_wrong_weight_anywhere_is_found(pristine, copy, name, how):
    change(copy, name, how)
    with pytest.raises(ModelError, match="differs from the released one"):
        verify(pristine, copy)


@pytest.mark.parametrize(
    "edit",
    [
        lambda config: config.update(tie_word_embeddings=True),
        lambda config: config["text_config"].update(num_key_value_heads=1),
        lambda config: config["text_config"]["rope_parameters"].update(rope_theta=1e4),
        lambda config: config["vision_config"].update(num_attention_heads=6),
    ],
    ids=["tied", "heads of the language model", "rotary base", "heads of the tower"],
)
def test_wrong_configuration_is_found(pristine, copy, edit):
    config = json.loads((copy / "config.json").read_text())
    edit(config)
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError):
        verify(pristine, copy)


def test_missing_weight_is_found(pristine, copy):
    weights = load_file(copy / "model.safetensors")
    del weights["multi_modal_projector.linear_2.bias"]
    save_file(weights, copy / "model.safetensors")
    with pytest.raises(ModelError, match="1 weights are missing or unknown"):
        verify(pristine, copy)


def test_conversion_that_fails_its_check_leaves_no_target(checkpoint, tmp_path):
    """Weights that overflow compute no numbers: the check cannot vouch for them."""
    weights = load_file(checkpoint / "model.safetensors")
    weights["mlp1.3.weight"] *= torch.inf
    save_file(weights, checkpoint / "model.safetensors")
    with pytest.raises(ModelError, match="differs from the released one"):
        checkpoints.convert_internvl2(checkpoint, tmp_path / "native")
    assert [path.name for path in tmp_path.iterdir()] == ["released"]
