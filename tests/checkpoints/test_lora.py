import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from holmesvau import checkpoints
from holmesvau.errors import ModelError
from tests.checkpoints import released
from tests.checkpoints.test_convert import assert_same_numbers
from tests.checkpoints.test_scorer import Malicious

peft = pytest.importorskip("peft")

TARGETS = ("attention.wqkv", "attention.wo", "feed_forward.w1", "feed_forward.w2", "feed_forward.w3")
# How the language model was wrapped when its adapter was saved.
PREFIXES = {
    "language model alone": "base_model.model.model.layers.{layer}.{target}.lora_{half}.weight",
    "inside the whole model": (
        "language_model.base_model.model.model.layers.{layer}.{target}.lora_{half}.default.weight"
    ),
    "whole model wrapped": "base_model.model.language_model.model.layers.{layer}.{target}.lora_{half}.weight",
}


def write_adapter(folder, base, *, prefix="language model alone", rank=4, targets=TARGETS, seed=0, **config):
    """An adapter in released names, and the base's weights with it added as the formula says."""
    dice = torch.Generator().manual_seed(seed)
    weights = {name: value.float() for name, value in load_file(base / "model.safetensors").items()}
    tensors = {}
    settings = {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": 2 * rank,
        "bias": "none",
        "target_modules": list(targets),
        **config,
    }
    layers = 3
    for layer in range(layers):
        for target in targets:
            name = f"language_model.model.layers.{layer}.{target}.weight"
            own_rank = settings.get("rank_pattern", {}).get(target, rank)
            alpha = settings.get("alpha_pattern", {}).get(target, settings["lora_alpha"])
            a = torch.randn(own_rank, weights[name].shape[1], generator=dice) * 0.2
            b = torch.randn(weights[name].shape[0], own_rank, generator=dice) * 0.2
            for half, value in (("A", a), ("B", b)):
                tensors[PREFIXES[prefix].format(layer=layer, target=target, half=half)] = value
            scaling = alpha / (own_rank**0.5 if settings.get("use_rslora") else own_rank)
            weights[name] = weights[name] + scaling * b @ a
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return weights


def merged_by_hand(base, weights, folder):
    """The released checkpoint with the adapter merged in released names."""
    folder.mkdir()
    for path in base.iterdir():
        if path.suffix != ".safetensors":
            (folder / path.name).write_bytes(path.read_bytes())
    save_file(weights, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"use_rslora": True},
        {"targets": ("attention.wqkv",)},
        {"rank_pattern": {"attention.wqkv": 2}, "alpha_pattern": {"feed_forward.w1": 20}},
    ],
    ids=["all places", "rank-stabilised", "wqkv only", "own ranks"],
)
def test_converted_adapter_merges_to_what_the_released_one_would(tmp_path, pristine, native, prefix, config):
    weights = write_adapter(tmp_path / "released", pristine, prefix=prefix, **config)
    adapter = checkpoints.convert_lora(tmp_path / "released", tmp_path / "adapter", pristine)
    merged = checkpoints.merge(native, adapter, tmp_path / "merged")
    by_hand = merged_by_hand(pristine, weights, tmp_path / "by-hand")
    expected = load_file(
        checkpoints.convert_internvl2(by_hand, tmp_path / "expected", verify=False) / "model.safetensors"
    )
    found = load_file(merged / "model.safetensors")
    base = load_file(native / "model.safetensors")
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-6)
    changed = {name for name in found if not torch.equal(found[name], base[name])}
    assert any("q_proj" in name for name in changed) and not any("vision" in name for name in changed)


def test_peft_loads_the_converted_adapter_and_says_the_same(tmp_path, pristine, native):
    from transformers import InternVLForConditionalGeneration

    weights = write_adapter(tmp_path / "released", pristine)
    adapter = checkpoints.convert_lora(tmp_path / "released", tmp_path / "adapter", pristine)
    model = InternVLForConditionalGeneration.from_pretrained(native, dtype=torch.float32)
    merged = peft.PeftModel.from_pretrained(model, adapter).merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    assert_same_numbers(merged_by_hand(pristine, weights, tmp_path / "by-hand"), tmp_path / "merged")


def test_every_half_is_taken_over_to_the_bit(tmp_path, pristine):
    write_adapter(tmp_path / "released", pristine)
    adapter = checkpoints.convert_lora(tmp_path / "released", tmp_path / "adapter", pristine)
    before = load_file(tmp_path / "released" / "adapter_model.safetensors")
    after = load_file(adapter / "adapter_model.safetensors")
    name = "base_model.model.model.language_model.layers.1.self_attn.{}_proj.lora_{}.weight"
    old = "base_model.model.model.layers.1.attention.wqkv.lora_{}.weight"
    for part in "qkv":
        assert torch.equal(after[name.format(part, "A")], before[old.format("A")])
    # Two key heads of width 8, each with two query heads before it.
    rows = before[old.format("B")].view(2, 4, 8, -1)
    assert torch.equal(after[name.format("q", "B")], rows[:, :2].reshape(32, -1))
    assert torch.equal(after[name.format("k", "B")], rows[:, 2].reshape(16, -1))
    assert torch.equal(after[name.format("v", "B")], rows[:, 3].reshape(16, -1))


def test_backend_takes_the_converted_adapter(tmp_path, pristine, native):
    from holmesvau.vlm import internvl

    write_adapter(tmp_path / "released", pristine)
    adapter = checkpoints.convert_lora(tmp_path / "released", tmp_path / "adapter", pristine)
    ours = internvl.load(native, dtype="float32", device="cpu", adapter=adapter).model.state_dict()
    merged = internvl.load(
        checkpoints.merge(native, adapter, tmp_path / "merged"), dtype="float32", device="cpu"
    ).model.state_dict()
    for name, value in merged.items():
        torch.testing.assert_close(ours[name], value, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("dtype", "share"), [(torch.float32, 2**-22), (torch.bfloat16, 2**-8)])
def test_unmerge_gives_the_weights_back_to_rounding(tmp_path, model, dtype, share):
    source = released.make(tmp_path / "source", model, shards=1, dtype=dtype)
    native = checkpoints.convert_internvl2(source, tmp_path / "native", verify=False)
    write_adapter(tmp_path / "released", source)
    adapter = checkpoints.convert_lora(tmp_path / "released", tmp_path / "adapter", source)
    merged = checkpoints.merge(native, adapter, tmp_path / "merged")
    back = load_file(checkpoints.unmerge(merged, adapter, tmp_path / "back") / "model.safetensors")
    before, between = load_file(native / "model.safetensors"), load_file(merged / "model.safetensors")
    touched = 0
    for name, value in before.items():
        largest = torch.maximum(value.abs(), between[name].abs()).float()
        assert ((back[name] - value).abs().float() <= share * largest + 1e-9).all(), name
        touched += not torch.equal(between[name], value)
    assert touched == 3 * 7


def test_merged_folder_keeps_tokenizer_settings_and_shards(tmp_path, model):
    source = released.make(tmp_path / "source", model)
    weights = load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    released.write_weights(source, weights, shards=2)
    native = checkpoints.convert_internvl2(source, tmp_path / "native", verify=False)
    (tmp_path / "one").mkdir()
    save_file(weights, tmp_path / "one" / "model.safetensors")
    write_adapter(tmp_path / "released", tmp_path / "one")
    adapter = checkpoints.convert_lora(tmp_path / "released", tmp_path / "adapter", source)
    merged = checkpoints.merge(native, adapter, tmp_path / "merged")
    assert {path.name for path in merged.iterdir()} == {path.name for path in native.iterdir()}
    from holmesvau.vlm import internvl

    assert internvl.load(merged, device="cpu").settings.template == "internvl2"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"use_dora": True}, "uses DoRA"),
        ({"peft_type": "IA3"}, "peft_type is 'IA3'"),
        ({"bias": "all"}, "trains biases"),
        ({"modules_to_save": ["output"]}, "replaces whole modules"),
        ({"init_lora_weights": "pissa"}, "changed the base weights"),
    ],
)
def test_adapter_that_is_more_than_a_low_rank_sum_is_refused(tmp_path, pristine, config, reason):
    write_adapter(tmp_path / "released", pristine, **config)
    with pytest.raises(ModelError, match=reason):
        checkpoints.convert_lora(tmp_path / "released", tmp_path / "adapter", pristine)
    assert not (tmp_path / "adapter").exists()


def edit(folder, change):
    tensors = load_file(folder / "adapter_model.safetensors")
    change(tensors)
    save_file(tensors, folder / "adapter_model.safetensors")


FIRST = "base_model.model.model.layers.0.attention.wqkv.lora_{}.weight"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.pop(FIRST.format("B")), "two halves"),
        (lambda t: t.update({FIRST.format("B"): torch.zeros(10, 4)}), "does not fit"),
        (lambda t: t.update({"base_model.model.output.weight": torch.zeros(3)}), "not the weight of a LoRA"),
        (
            lambda t: t.update(
                {
                    FIRST.format(half).replace("layers.0", "layers.9"): t[FIRST.format(half)].clone()
                    for half in "AB"
                }
            ),
            "not a part of the model",
        ),
        (lambda t: t.clear(), "adapter is empty"),
    ],
)
def test_adapter_that_does_not_fit_is_refused(tmp_path, pristine, change, reason):
    write_adapter(tmp_path / "released", pristine)
    edit(tmp_path / "released", change)
    with pytest.raises(ModelError, match=reason):
        checkpoints.convert_lora(tmp_path / "released", tmp_path / "adapter", pristine)


def test_released_names_are_refused_by_merge(tmp_path, pristine, native):
    write_adapter(tmp_path / "released", pristine)
    with pytest.raises(ModelError, match="convert the adapter first"):
        checkpoints.merge(native, tmp_path / "released", tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_adapter_for_another_model_is_refused_by_merge(tmp_path, pristine, native, model):
    wide = released.make(tmp_path / "wide", model, llm_config__intermediate_size=56)
    write_adapter(tmp_path / "released", wide)
    adapter = checkpoints.convert_lora(tmp_path / "released", tmp_path / "adapter", wide)
    with pytest.raises(ModelError, match="was not made for"):
        checkpoints.merge(native, adapter, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_adapter_as_pickle_is_read_as_weights_only(tmp_path, pristine):
    write_adapter(tmp_path / "released", pristine)
    tensors = load_file(tmp_path / "released" / "adapter_model.safetensors")
    (tmp_path / "released" / "adapter_model.safetensors").unlink()
    torch.save(tensors, tmp_path / "released" / "adapter_model.bin")
    assert checkpoints.convert_lora(tmp_path / "released", tmp_path / "adapter", pristine).is_dir()
    torch.save({**tensors, "x": Malicious(tmp_path / "sprung")}, tmp_path / "released" / "adapter_model.bin")
    with pytest.raises(ModelError, match="could run code"):
        checkpoints.convert_lora(tmp_path / "released", tmp_path / "other", pristine)
    assert not (tmp_path / "sprung").exists()
