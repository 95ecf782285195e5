"""Small random checkpoints in the released format, made on the spot from a seed."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from safetensors.torch import save_file

from holmesvau.checkpoints import internvl2

SPECIAL = ("<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>")
CORPUS = [
    "Frame1 of the video shows a man who walks through the door.",
    "Frame2 of the video shows a woman who walks out of the shop.",
    "Is there an anomaly in this video? If there is, name its class.",
    "There is no anomaly in the video. The street is calm, the cars pass by.",
    "描述视频中的异常。 一个人走过街道。",
]


def sentencepiece_model(vocab_size: int = 360, **options: Any) -> bytes:
    """A byte-pair model as InternLM2's is trained."""
    written = io.BytesIO()
    settings: dict[str, Any] = {
        "model_type": "bpe",
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "add_dummy_prefix": False,
        "remove_extra_whitespaces": False,
        "allow_whitespace_only_pieces": True,
        "split_digits": True,
        "character_coverage": 0.98,
        "pad_id": -1,
        "minloglevel": 5,
        "hard_vocab_limit": False,
    }
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS * 3),
        model_writer=written,
        vocab_size=vocab_size,
        **{**settings, **options},
    )
    return written.getvalue()


def write_tokenizer(folder: Path, model: bytes) -> int:
    """Tokenizer files with the special tokens behind the pieces; how many tokens there are."""
    (folder / "tokenizer.model").write_bytes(model)
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model).get_piece_size()
    added = {token: pieces + number for number, token in enumerate(SPECIAL)}
    (folder / "added_tokens.json").write_text(json.dumps(added))
    decoder = {str(number): {"content": token, "special": True} for token, number in added.items()}
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "InternLM2Tokenizer", "added_tokens_decoder": decoder})
    )
    return pieces + len(SPECIAL)


def config(words: int, **changes: Any) -> dict[str, Any]:
    """A released `config.json`; a change of `llm_config.bias` is written `llm_config__bias=True`."""
    data: dict[str, Any] = {
        "model_type": "internvl_chat",
        "architectures": ["InternVLChatModel"],
        "auto_map": {"AutoModel": "modeling_internvl_chat.InternVLChatModel"},
        "downsample_ratio": 0.5,
        "dynamic_image_size": True,
        "use_thumbnail": True,
        "force_image_size": 56,
        "pad2square": False,
        "ps_version": "v2",
        "select_layer": -1,
        "template": "internlm2-chat",
        "llm_config": {
            "architectures": ["InternLM2ForCausalLM"],
            "model_type": "internlm2",
            "bias": False,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 2,
            "hidden_act": "silu",
            "hidden_size": 32,
            "intermediate_size": 48,
            "max_position_embeddings": 512,
            "num_attention_heads": 4,
            "num_hidden_layers": 3,
            "num_key_value_heads": 2,
            "rms_norm_eps": 1e-5,
            "rope_scaling": {"type": "dynamic", "factor": 2.0},
            "rope_theta": 1000000,
            "vocab_size": words,
        },
        "vision_config": {
            "model_type": "intern_vit_6b",
            "hidden_act": "gelu",
            "hidden_size": 24,
            "image_size": 56,
            "intermediate_size": 40,
            "layer_norm_eps": 1e-6,
            "norm_type": "layer_norm",
            "num_attention_heads": 3,
            "num_hidden_layers": 2,
            "patch_size": 14,
            "qk_normalization": False,
            "qkv_bias": True,
        },
    }
    for path, value in changes.items():
        *tables, key = path.split("__")
        table = data
        for name in tables:
            table = table[name]
        table[key] = value
    return data


def weights(data: dict[str, Any], seed: int, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    """Random weights by their released names; norms near 1, everything else small: numbers stay tame."""
    dice = torch.Generator().manual_seed(seed)
    sizes = internvl2.geometry(Path("config.json"), data)
    found = {}
    for part in internvl2.parts(sizes):
        values = torch.randn(part.shape, generator=dice)
        around = 1.0 if "norm" in part.name and part.name.endswith("weight") else 0.0
        found[part.name] = (around + values * 0.2).to(dtype)
    return found


def write_weights(folder: Path, tensors: dict[str, torch.Tensor], shards: int = 1) -> None:
    """One file, or shards with an index."""
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    places = {}
    for number in range(shards):
        name = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        part = {key: tensors[key] for key in sorted(tensors)[number::shards]}
        save_file(part, folder / name, metadata={"format": "pt"})
        places.update(dict.fromkeys(part, name))
    total = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def make(
    folder: Path,
    model: bytes,
    *,
    seed: int = 0,
    shards: int = 1,
    dtype: torch.dtype = torch.float32,
    **changes: Any,
) -> Path:
    """A whole released checkpoint."""
    folder.mkdir(parents=True)
    words = write_tokenizer(folder, model)
    data = config(words, **changes)
    (folder / "config.json").write_text(json.dumps(data))
    write_weights(folder, weights(data, seed, dtype), shards)
    return folder
