"""InternVL2 with an InternLM2 language model, as released, and what each part of it is called in native
classes.

Shape legend: `W` width of the language model, `V` its words, `K` key-value heads, `G` query heads to each of
them, `d` width of a head, `D` width of the vision tower.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from holmesvau.checkpoints.tensors import FLOATS, Planned, Stored
from holmesvau.errors import ModelError

# Rows of a released tensor that make a native one: (first row, number of rows), in order.
Rows = Sequence[tuple[int, int]]

_TEXT = "language_model.model."
_VISION = "vision_model."
_TOWER = "vision_tower."


@dataclass(frozen=True, slots=True)
class Geometry:
    """The sizes that decide the shapes of the weights."""

    width: int
    words: int
    text_layers: int
    query_heads: int
    key_value_heads: int
    text_inner: int
    vision_width: int
    vision_layers: int
    vision_inner: int
    vision_bias: bool
    vision_qk_norm: bool
    vision_norm_bias: bool
    picture: int
    patch: int
    shuffle: int

    @property
    def head(self) -> int:
        """`d`, the width of a head of the language model."""
        return self.width // self.query_heads

    @property
    def tokens_per_frame(self) -> int:
        """What one picture becomes after pixel shuffle."""
        return (self.picture // self.patch // self.shuffle) ** 2


@dataclass(frozen=True, slots=True)
class Part:
    """A released tensor of `shape`, and the native tensors that its rows make (None: all of it, as it is)."""

    name: str
    shape: tuple[int, ...]
    native: tuple[tuple[str, Rows | None], ...]


class _Reader:
    """Reads a released `config.json` and refuses, with the reason, what has no exact native form."""

    def __init__(self, where: str, data: dict[str, Any]) -> None:
        self.where = where
        self.data = data

    def refuse(self, reason: str) -> ModelError:
        return ModelError(f"{self.where}: {reason}, so it cannot be converted exactly.")

    def must(self, key: str, allowed: Sequence[Any], default: Any = None) -> None:
        value = self.data.get(key, default)
        if value not in allowed:
            choices = " or ".join(repr(choice) for choice in allowed)
            raise self.refuse(f"{key} is {value!r} where only {choices} has a native form")

    def number(self, key: str, default: Any = None) -> Any:
        value = self.data.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise ModelError(f"{self.where}: {key} is {value!r}, not a positive number. Download it again.")
        return value

    def part(self, key: str) -> _Reader:
        value = self.data.get(key)
        if not isinstance(value, dict):
            raise ModelError(f"{self.where}: {key} is missing: this is not an InternVL2 configuration.")
        return _Reader(f"{self.where} ({key})", value)


def geometry(where: Path, data: dict[str, Any]) -> Geometry:
    """The sizes in a released `config.json`, after refusing what cannot be exact.

    Raises:
        ModelError: for another architecture or language model, another pixel shuffle, vision layer or prompt
            template, an unknown rotary scaling, tied embeddings: whatever would change the model's numbers.
    """
    top = _Reader(str(where), data)
    if data.get("model_type") != "internvl_chat":
        kind = data.get("model_type")
        if kind == "internvl":
            raise ModelError(f"{where}: this model is in native format already: use it as it is.")
        raise ModelError(
            f"{where}: this is a {kind!r} model, not InternVL2 as released ('internvl_chat'). "
            f"Give the folder of HolmesVAU-2B or of an InternVL2 with an InternLM2 language model."
        )
    text, vision = top.part("llm_config"), top.part("vision_config")
    if text.data.get("model_type") != "internlm2":
        language = (text.data.get("architectures") or [text.data.get("model_type")])[0]
        raise top.refuse(f"its language model is {language}; only InternLM2 is known here")
    top.must("ps_version", ["v2"], default="v1")
    top.must("select_layer", [-1], default=-1)
    top.must("template", ["internlm2-chat"])
    top.must("pad2square", [False], default=False)
    top.must("tie_word_embeddings", [False], default=False)
    text.must("hidden_act", ["silu"], default="silu")
    text.must("bias", [False], default=True)
    text.must("tie_word_embeddings", [False], default=False)
    rope_parameters(text)
    vision.must("model_type", ["intern_vit_6b"])
    vision.must("hidden_act", ["gelu"], default="gelu")
    vision.must("norm_type", ["layer_norm", "rms_norm"], default="rms_norm")
    vision.must("num_channels", [3], default=3)
    if vision.data.get("qk_normalization", True):
        # The native norm of queries and keys has this epsilon built in.
        vision.must("layer_norm_eps", [1e-6], default=1e-6)
    top.must("force_image_size", [None, vision.number("image_size")])
    top.must("downsample_ratio", [0.5, 0.25, 1.0], default=0.5)
    found = Geometry(
        width=text.number("hidden_size"),
        words=text.number("vocab_size"),
        text_layers=text.number("num_hidden_layers"),
        query_heads=text.number("num_attention_heads"),
        key_value_heads=text.number("num_key_value_heads", text.data.get("num_attention_heads")),
        text_inner=text.number("intermediate_size"),
        vision_width=vision.number("hidden_size"),
        vision_layers=vision.number("num_hidden_layers"),
        vision_inner=vision.number("intermediate_size"),
        vision_bias=bool(vision.data.get("qkv_bias", False)),
        vision_qk_norm=bool(vision.data.get("qk_normalization", True)),
        vision_norm_bias=vision.data.get("norm_type", "rms_norm") == "layer_norm",
        picture=vision.number("image_size"),
        patch=vision.number("patch_size"),
        shuffle=round(1 / data.get("downsample_ratio", 0.5)),
    )
    if found.width % found.query_heads or found.query_heads % found.key_value_heads:
        raise ModelError(f"{text.where}: the heads do not divide the width. Download config.json again.")
    if found.picture % (found.patch * found.shuffle):
        raise top.refuse("the pictures' side is not a whole number of shuffled patches")
    return found


def rope_parameters(text: _Reader) -> dict[str, Any]:
    """The rotary embedding as today's transformers writes it.

    Raises:
        ModelError: for a scaling other than none or dynamic.
    """
    theta = float(text.number("rope_theta", 10000))
    scaling = text.data.get("rope_scaling")
    if scaling is None:
        return {"rope_type": "default", "rope_theta": theta}
    if not isinstance(scaling, dict) or scaling.get("type") != "dynamic":
        raise text.refuse(f"rope_scaling is {scaling!r} where only dynamic or none has a native form")
    return {"rope_type": "dynamic", "factor": float(scaling["factor"]), "rope_theta": theta}


def native_config(where: Path, data: dict[str, Any], image_token: int, dtype: str) -> dict[str, Any]:
    """`config.json` for `InternVLForConditionalGeneration`; see `geometry` for what is refused."""
    sizes = geometry(where, data)
    text, vision = (
        _Reader(str(where), data).part("llm_config"),
        _Reader(str(where), data).part("vision_config"),
    )
    return {
        "architectures": ["InternVLForConditionalGeneration"],
        "model_type": "internvl",
        "dtype": dtype,
        "downsample_ratio": 1 / sizes.shuffle,
        "image_seq_length": sizes.tokens_per_frame,
        "image_token_id": image_token,
        "projector_hidden_act": "gelu",
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "default",
        # On both: the default ties the head to the embeddings and silently ruins the output.
        "tie_word_embeddings": False,
        "text_config": {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "dtype": dtype,
            "attention_bias": False,
            "bos_token_id": text.data.get("bos_token_id", 1),
            "eos_token_id": text.data.get("eos_token_id", 2),
            "pad_token_id": text.data.get("pad_token_id"),
            "head_dim": sizes.head,
            "hidden_act": "silu",
            "hidden_size": sizes.width,
            "initializer_range": text.data.get("initializer_range", 0.02),
            "intermediate_size": sizes.text_inner,
            "max_position_embeddings": text.number("max_position_embeddings", 2048),
            "mlp_bias": False,
            "num_attention_heads": sizes.query_heads,
            "num_hidden_layers": sizes.text_layers,
            "num_key_value_heads": sizes.key_value_heads,
            "rms_norm_eps": text.number("rms_norm_eps", 1e-6),
            "rope_parameters": rope_parameters(text),
            "tie_word_embeddings": False,
            "vocab_size": sizes.words,
        },
        "vision_config": {
            "model_type": "internvl_vision",
            "dtype": dtype,
            "attention_bias": sizes.vision_bias,
            "hidden_act": "gelu",
            "hidden_size": sizes.vision_width,
            "image_size": [sizes.picture, sizes.picture],
            "intermediate_size": sizes.vision_inner,
            "layer_norm_eps": vision.number("layer_norm_eps", 1e-6),
            "norm_type": "layer_norm" if sizes.vision_norm_bias else "rms_norm",
            "num_attention_heads": vision.number("num_attention_heads"),
            "num_channels": 3,
            "num_hidden_layers": sizes.vision_layers,
            "patch_size": [sizes.patch, sizes.patch],
            "use_absolute_position_embeddings": True,
            "use_mask_token": False,
            # True stands for no final norm, as in the original; how pictures are pooled is not used.
            "use_mean_pooling": True,
            "use_qk_norm": sizes.vision_qk_norm,
        },
    }


def wqkv_rows(sizes: Geometry) -> dict[str, Rows]:
    """Which rows of `wqkv` are queries, keys and values: it is `[K, G + 2, d]` rows, `G` queries before a key
    and value.
    """
    groups, head = sizes.query_heads // sizes.key_value_heads, sizes.head
    stride = (groups + 2) * head
    starts = [number * stride for number in range(sizes.key_value_heads)]
    return {
        "q_proj": [(start, groups * head) for start in starts],
        "k_proj": [(start + groups * head, head) for start in starts],
        "v_proj": [(start + (groups + 1) * head, head) for start in starts],
    }


def parts(sizes: Geometry) -> list[Part]:
    """Every tensor of the released model, with its native counterparts."""
    found = [*_outer_parts(sizes)]
    for number in range(sizes.text_layers):
        found += _text_layer(sizes, f"{_TEXT}layers.{number}.")
    for number in range(sizes.vision_layers):
        found += _vision_layer(
            sizes, f"{_VISION}encoder.layers.{number}.", f"{_TOWER}encoder.layer.{number}."
        )
    return found


def _whole(name: str, shape: tuple[int, ...], native: str) -> Part:
    return Part(name, shape, ((native, None),))


def _outer_parts(sizes: Geometry) -> Iterator[Part]:
    width, vision = sizes.width, sizes.vision_width
    places, shuffled = (sizes.picture // sizes.patch) ** 2 + 1, vision * sizes.shuffle**2
    table = (sizes.words, width)
    yield _whole(f"{_TEXT}tok_embeddings.weight", table, f"{_TEXT}embed_tokens.weight")
    yield _whole(f"{_TEXT}norm.weight", (width,), f"{_TEXT}norm.weight")
    yield _whole("language_model.output.weight", table, "language_model.lm_head.weight")
    embeddings, tower = f"{_VISION}embeddings.", f"{_TOWER}embeddings."
    patch = (vision, 3, sizes.patch, sizes.patch)
    yield _whole(f"{embeddings}class_embedding", (1, 1, vision), f"{tower}cls_token")
    yield _whole(f"{embeddings}position_embedding", (1, places, vision), f"{tower}position_embeddings")
    yield _whole(f"{embeddings}patch_embedding.weight", patch, f"{tower}patch_embeddings.projection.weight")
    yield _whole(f"{embeddings}patch_embedding.bias", (vision,), f"{tower}patch_embeddings.projection.bias")
    for number, native, shape in (
        (0, "layer_norm", (shuffled,)),
        (1, "linear_1", (width, shuffled)),
        (3, "linear_2", (width, width)),
    ):
        yield _whole(f"mlp1.{number}.weight", shape, f"multi_modal_projector.{native}.weight")
        yield _whole(f"mlp1.{number}.bias", shape[:1], f"multi_modal_projector.{native}.bias")


def _text_layer(sizes: Geometry, layer: str) -> Iterator[Part]:
    width, inner = sizes.width, sizes.text_inner
    rows = wqkv_rows(sizes)
    height = sum(count for ranges in rows.values() for _, count in ranges)
    split = tuple((f"{layer}self_attn.{name}.weight", ranges) for name, ranges in rows.items())
    yield Part(f"{layer}attention.wqkv.weight", (height, width), split)
    yield _whole(f"{layer}attention.wo.weight", (width, width), f"{layer}self_attn.o_proj.weight")
    for released, native, shape in (
        ("w1", "gate_proj", (inner, width)),
        ("w3", "up_proj", (inner, width)),
        ("w2", "down_proj", (width, inner)),
    ):
        yield _whole(f"{layer}feed_forward.{released}.weight", shape, f"{layer}mlp.{native}.weight")
    yield _whole(f"{layer}attention_norm.weight", (width,), f"{layer}input_layernorm.weight")
    yield _whole(f"{layer}ffn_norm.weight", (width,), f"{layer}post_attention_layernorm.weight")


def _vision_layer(sizes: Geometry, layer: str, native: str) -> Iterator[Part]:
    width, inner = sizes.vision_width, sizes.vision_inner
    thirds = {name: [(number * width, width)] for number, name in enumerate(("q_proj", "k_proj", "v_proj"))}
    for kind, shape in (
        ("weight", (3 * width, width)),
        *([("bias", (3 * width,))] if sizes.vision_bias else []),
    ):
        split = tuple((f"{native}attention.{name}.{kind}", rows) for name, rows in thirds.items())
        yield Part(f"{layer}attn.qkv.{kind}", shape, split)
    for released, name, shape in (
        ("attn.proj", "attention.projection_layer", (width, width)),
        ("mlp.fc1", "mlp.fc1", (inner, width)),
        ("mlp.fc2", "mlp.fc2", (width, inner)),
    ):
        yield _whole(f"{layer}{released}.weight", shape, f"{native}{name}.weight")
        yield _whole(f"{layer}{released}.bias", shape[:1], f"{native}{name}.bias")
    for released, name in (("norm1", "layernorm_before"), ("norm2", "layernorm_after")):
        yield _whole(f"{layer}{released}.weight", (width,), f"{native}{name}.weight")
        if sizes.vision_norm_bias:
            yield _whole(f"{layer}{released}.bias", (width,), f"{native}{name}.bias")
    yield _whole(f"{layer}ls1", (width,), f"{native}lambda_1")
    yield _whole(f"{layer}ls2", (width,), f"{native}lambda_2")
    if sizes.vision_qk_norm:
        yield _whole(f"{layer}attn.q_norm.weight", (width,), f"{native}attention.q_norm.weight")
        yield _whole(f"{layer}attn.k_norm.weight", (width,), f"{native}attention.k_norm.weight")


def plan(where: Path, sizes: Geometry, stored: dict[str, Stored]) -> dict[Path, list[Planned]]:
    """The native tensors that each released file becomes.

    Raises:
        ModelError: naming the tensors that are missing, unknown, of another shape, or quantised.
    """
    wanted = {part.name: part for part in parts(sizes)}
    _refuse_other_names(where, set(wanted), set(stored))
    files: dict[Path, list[Planned]] = {}
    for name, tensor in stored.items():
        part = wanted[name]
        if tensor.shape != part.shape:
            raise ModelError(
                f"{tensor.path}: {name} has shape {tensor.shape}, but config.json asks for {part.shape}. "
                f"Give the configuration that belongs to the weights."
            )
        if tensor.dtype not in FLOATS:
            raise ModelError(
                f"{tensor.path}: {name} is stored as {tensor.dtype}: give the unquantised weights."
            )
        files.setdefault(tensor.path, []).extend(
            _native(tensor, native, rows) for native, rows in part.native
        )
    return files


def _native(tensor: Stored, name: str, rows: Rows | None) -> Planned:
    if rows is None:
        return Planned(name, tensor.dtype, tensor.shape, tensor.chunks)
    row = tensor.num_bytes // tensor.shape[0]
    ranges = [(first * row, count * row) for first, count in rows]
    shape = (sum(count for _, count in rows), *tensor.shape[1:])
    chunks: Callable[[], Iterator[bytes]] = partial(tensor.chunks, ranges)
    return Planned(name, tensor.dtype, shape, chunks)


def _refuse_other_names(where: Path, wanted: set[str], found: set[str]) -> None:
    tuned = [name for name in found if ".lora_" in name or ".base_layer." in name]
    if tuned:
        raise ModelError(
            f"{where}: its LoRA is not merged into the weights ({min(tuned)}). Merge it as it was trained, "
            "or give "
            f"the base model and the adapter apart."
        )
    missing, foreign = sorted(wanted - found), sorted(found - wanted)
    if missing or foreign:
        told = [
            f"{len(names)} {what}, {names[0]} among them"
            for what, names in (("weights are missing", missing), ("weights are unknown", foreign))
            if names
        ]
        raise ModelError(f"{where}: config.json and the weights do not belong together: {'; '.join(told)}.")
