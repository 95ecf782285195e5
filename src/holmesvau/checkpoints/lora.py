"""LoRA adapters: those of the released layout (`wqkv`, `wo`, `w1` …) for native models, exactly.

An adapter adds `scaling · B A` to a weight. Where a released weight is several native ones, each gets the
same `A` and its own rows of `B`. Shape legend: `r` rank, `I` input width of a weight, `O` its rows:
`A[r, I]`, `B[O, r]`.
"""

from __future__ import annotations

import math
import pickle
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from holmesvau.checkpoints import build, internvl2, source
from holmesvau.checkpoints.tensors import held, read_file, write_file, write_json
from holmesvau.errors import ModelError
from holmesvau.vlm.adapter import CONFIG_FILE, WEIGHTS_FILE
from holmesvau.vlm.folder import read_json

PICKLE_FILE = "adapter_model.bin"
FILES = (CONFIG_FILE, WEIGHTS_FILE, PICKLE_FILE)
_KEY = re.compile(r"(?P<module>.+)\.lora_(?P<half>[AB])(?:\.\w+)?\.weight")
# However the adapter was wrapped, a released module ends in one of these.
_RELEASED = (
    (re.compile(r"(?:.*\.)?(encoder\.layers\.\d+\.(?:attn\.(?:qkv|proj)|mlp\.fc[12]))"), "vision_model."),
    (
        re.compile(r"(?:.*\.)?(layers\.\d+\.(?:attention\.(?:wqkv|wo)|feed_forward\.w[123]))"),
        "language_model.model.",
    ),
)
_NATIVE_TEXT, _NATIVE_TOWER = "language_model.model.", "vision_tower."
_PEFT = "base_model.model."


@dataclass(frozen=True, slots=True)
class Update:
    """What an adapter adds to one weight: `scaling · b[O, r] a[r, I]`, in float32."""

    a: Tensor
    b: Tensor
    alpha: float
    scaling: float

    def rows(self, first: int, count: int) -> Tensor:
        """Rows of the sum's second term `[count, I]`."""
        return self.scaling * (self.b[first : first + count] @ self.a)


def convert_lora(source_dir: str | Path, target_dir: str | Path, base_dir: str | Path) -> Path:
    """A LoRA adapter in the released key names -> a peft adapter for the native model, the same to the bit.

    Args:
        source_dir: folder with `adapter_config.json` and `adapter_model.safetensors` (or `.bin`, read as
            weights only).
        target_dir: folder to make.
        base_dir: the model that the adapter belongs to, as released (its `config.json` is read, which says
            how `wqkv` is laid out).

    Returns:
        `target_dir`.

    Raises:
        ModelError: when a file is missing or damaged, a key is not of the released layout or of another
            model, or the adapter does more than add a low-rank product.
        OutputError: when the target exists, or cannot be written.
    """
    folder, target = Path(source_dir), Path(target_dir)
    where = Path(base_dir) / "config.json"
    sizes = internvl2.geometry(where, read_json(where))
    released = {part.name.removesuffix(".weight"): part for part in internvl2.parts(sizes)}
    config, updates = _read_adapter(folder)
    native: dict[str, Update] = {}
    for module, update in updates.items():
        name = _released_name(module)
        if name not in released:
            raise ModelError(f"{folder}: {module} is not a part of the model in {base_dir}.")
        part = released[name]
        if (len(update.b), update.a.shape[1]) != part.shape:
            raise ModelError(
                f"{folder}: the adapter of {module} does not fit {base_dir}, where it is {part.shape}. "
                f"Give the model that the adapter was trained on."
            )
        for weight, rows in part.native:
            taken = [(0, len(update.b))] if rows is None else rows
            b = torch.cat([update.b[first : first + count] for first, count in taken])
            native[module_name(weight)] = replace(update, b=b)
    with build.building(target, f"lora {source.fingerprint(folder, FILES)} {sizes}") as unfinished:
        if unfinished is not None:
            tensors = [
                held(f"{_PEFT}{module}.lora_{half}.weight", value.detach().numpy())
                for module, update in native.items()
                for half, value in (("A", update.a), ("B", update.b))
            ]
            write_file(unfinished / WEIGHTS_FILE, tensors)
            write_json(unfinished / CONFIG_FILE, _native_adapter_config(config, native))
    return target


def read_adapter(folder: Path) -> dict[str, Update]:
    """What a native peft adapter adds, by the name of the weight in a native checkpoint folder.

    Raises:
        ModelError: as `convert_lora`.
    """
    _, updates = _read_adapter(folder)
    return {f"{_checkpoint_name(module)}.weight": update for module, update in updates.items()}


def module_name(weight: str) -> str:
    """The module, in the loaded native model, of a weight in a native checkpoint folder."""
    if weight.startswith(_NATIVE_TEXT):
        return f"model.language_model.{weight.removeprefix(_NATIVE_TEXT)}".removesuffix(".weight")
    return f"model.{weight}".removesuffix(".weight")


def _checkpoint_name(module: str) -> str:
    bare = module.removeprefix(_PEFT)
    if _released_name(bare) is not None:
        raise ModelError(f"{module} is a name of the released layout: convert the adapter first.")
    if bare.startswith("model.language_model."):
        return _NATIVE_TEXT + bare.removeprefix("model.language_model.")
    return bare.removeprefix("model.") if bare.startswith(f"model.{_NATIVE_TOWER}") else bare


def _released_name(module: str) -> str | None:
    for pattern, prefix in _RELEASED:
        match = pattern.fullmatch(module)
        if match is not None:
            return prefix + match[1]
    return None


def _read_adapter(folder: Path) -> tuple[dict[str, Any], dict[str, Update]]:
    config = read_json(folder / CONFIG_FILE)
    _refuse_more_than_lora(folder, config)
    halves: dict[str, dict[str, Tensor]] = {}
    for key, tensor in _tensors(folder).items():
        match = _KEY.fullmatch(key)
        if match is None:
            raise ModelError(
                f"{folder}: {key} is not the weight of a LoRA, so the adapter cannot be taken over exactly."
            )
        halves.setdefault(match["module"], {})[match["half"]] = tensor
    updates = {}
    for module, pair in halves.items():
        if pair.keys() != {"A", "B"} or pair["A"].shape[0] != pair["B"].shape[1]:
            raise ModelError(
                f"{folder}: the two halves of {module} do not belong together. Copy the adapter again."
            )
        rank = pair["A"].shape[0]
        alpha = float(_by_pattern(config.get("alpha_pattern"), module, config.get("lora_alpha", 8)))
        scaling = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
        updates[module] = Update(pair["A"], pair["B"], alpha, scaling)
    if not updates:
        raise ModelError(f"{folder}: the adapter is empty.")
    return config, updates


def _by_pattern(patterns: dict[str, Any] | None, module: str, default: Any) -> Any:
    """The value of the first pattern that the module's name ends in, as peft reads it."""
    for pattern, value in (patterns or {}).items():
        if re.fullmatch(rf"(?:.*\.)?(?:{pattern})", module):
            return value
    return default


def _tensors(folder: Path) -> dict[str, Tensor]:
    if (folder / WEIGHTS_FILE).is_file():
        from safetensors.torch import load_file

        read_file(folder / WEIGHTS_FILE)
        loaded = load_file(folder / WEIGHTS_FILE)
    elif (folder / PICKLE_FILE).is_file():
        path = folder / PICKLE_FILE
        try:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise ModelError(
                f"{path}: besides weights this pickle names other things, which could run code; it was "
                "refused and "
                f"nothing of it was run."
            ) from error
        except (RuntimeError, EOFError, OSError, ValueError) as error:
            raise ModelError(f"{path}: damaged or cut short. Copy this file again.") from error
    else:
        raise ModelError(f"{folder}: no adapter found ({CONFIG_FILE} and {WEIGHTS_FILE} are needed).")
    return {key: tensor.float() for key, tensor in loaded.items()}


def _refuse_more_than_lora(folder: Path, config: dict[str, Any]) -> None:
    more = {
        f"its peft_type is {config.get('peft_type')!r}": config.get("peft_type", "LORA") != "LORA",
        "it uses DoRA": bool(config.get("use_dora")),
        "it trains biases": config.get("bias", "none") != "none" or bool(config.get("lora_bias")),
        "it replaces whole modules": bool(config.get("modules_to_save")),
        "its weights are transposed": bool(config.get("fan_in_fan_out")),
        "it changed the base weights when it was begun": not isinstance(
            config.get("init_lora_weights", True), bool
        )
        and config.get("init_lora_weights") != "gaussian",
    }
    for reason, holds in more.items():
        if holds:
            raise ModelError(f"{folder}: {reason}, which cannot be taken over exactly.")


def _native_adapter_config(config: dict[str, Any], native: dict[str, Update]) -> dict[str, Any]:
    rank, alpha = config.get("r", 8), config.get("lora_alpha", 8)
    ranks = {module: len(update.a) for module, update in native.items() if len(update.a) != rank}
    alphas = {module: update.alpha for module, update in native.items() if update.alpha != alpha}
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": None,
        "inference_mode": True,
        "bias": "none",
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": config.get("lora_dropout", 0.0),
        "use_rslora": bool(config.get("use_rslora")),
        "rank_pattern": {re.escape(module): value for module, value in ranks.items()},
        "alpha_pattern": {re.escape(module): value for module, value in alphas.items()},
        # Whole names: the vision tower has a q_proj too.
        "target_modules": sorted(native),
    }
