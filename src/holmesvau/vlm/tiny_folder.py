"""What a folder of `tiny` consists of: its shape, its files, the scorer that it reads, the classes' words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from holmesvau import config as configuration
from holmesvau.ats import efficientnet, fovea, foveal
from holmesvau.ats.classes import in_words
from holmesvau.ats.foveal import FovealEncoder
from holmesvau.ats.urdmu import CHANNELS as HIDDEN
from holmesvau.ats.urdmu_scorer import UrDmuScorer
from holmesvau.errors import InputError, ModelError
from holmesvau.vlm import folder as folders
from holmesvau.vlm import smollm2
from holmesvau.vlm.internvl import DTYPES, pick_device
from holmesvau.vlm.projector import Projector

WEIGHTS = Path(__file__).parents[1] / "weights" / "tiny"
MODEL_TYPE = "holmesvau-tiny"
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
# What belongs to a folder of `tiny` beside its own two files.
SCORER_FILE = "anomaly_scorer.safetensors"
COMPANIONS = (SCORER_FILE, "familiarity.safetensors", foveal.WINDOWS_FILE)


@dataclass(frozen=True, kw_only=True)
class TinyConfig:
    """What decides the shape of the trained part.

    `classes` is how many classes its scorer tells apart, 0 without one.
    """

    name: str = "tiny"
    num_frames: int = 8
    classes: int = 0
    rank: int = 16
    alpha: float = 32.0
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")

    @property
    def views(self) -> int:
        """`V`."""
        return foveal.VIEWS

    @property
    def tokens_per_frame(self) -> int:
        """`P`: the views, the scorer's state and, where it has classes, their words."""
        return self.views + 1 + bool(self.classes)

    @property
    def state_width(self) -> int:
        """`S`: the scorer's hidden state, its score, its classes, and the numbers of motion."""
        return HIDDEN + 1 + self.classes + fovea.MOTION


def save_halved(source: Path, target: Path) -> None:
    """A scorer's file with its weights in half precision, and all that it says of itself."""
    with safe_open(source, "pt") as file:
        told = file.metadata()
    tensors = {name: tensor.half() for name, tensor in load_file(source).items()}
    save_file(tensors, target, metadata=told)


def configuration_text(config: TinyConfig) -> str:
    """`config.json` of a folder of `tiny`."""
    return json.dumps({"model_type": MODEL_TYPE, **configuration.to_dict(config)}, indent=2) + "\n"


def read_config(folder: Path) -> TinyConfig:
    """What `configuration_text` wrote.

    Raises:
        ModelError: when the folder is none of `tiny`, or a file of it is missing.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such model folder.")
    data = folders.read_json(folder / CONFIG_FILE)
    if data.pop("model_type", None) != MODEL_TYPE:
        raise ModelError(f"{folder}: {CONFIG_FILE} does not describe a tiny model.")
    if not (folder / WEIGHTS_FILE).is_file():
        raise ModelError(f"{folder}: {WEIGHTS_FILE} is missing. Copy or download the model again.")
    return configuration.from_dict(TinyConfig, data, where=str(folder / CONFIG_FILE))


def new_projector(config: TinyConfig, language_model: Any) -> Projector:
    """An untrained projector into that language model."""
    width = int(language_model.config.hidden_size)
    told = slice(HIDDEN + 1, HIDDEN + 1 + config.classes)
    projector = Projector(efficientnet.CHANNELS, config.state_width, width, views=config.views, classes=told)
    return projector.to(language_model.lm_head.weight.device)


def class_words(names: Sequence[str], language_model: Any, tokenizer: Any) -> torch.Tensor:
    """`[K, W]`: what the language model has for the words of a class, `RoadAccidents` as "road accidents"."""
    table = language_model.get_input_embeddings().weight
    said = [" " + in_words(name) for name in names]
    ids = [tokenizer(words, add_special_tokens=False)["input_ids"] for words in said]
    return torch.stack([table[found].float().mean(0) for found in ids])


def read_scorer(path: str | Path) -> UrDmuScorer:
    """A scorer for what `tiny` sees.

    Raises:
        ModelError: when it cannot be used. InputError: when it reads other features.
    """
    scorer = UrDmuScorer(path)
    if scorer.input_width != FovealEncoder.width:
        raise InputError(
            f"{path}: this scorer reads features of width {scorer.input_width}; tiny needs one for "
            f"{FovealEncoder.name}, of width {FovealEncoder.width}."
        )
    return scorer


def own_scorer(folder: Path, config: TinyConfig, other: str | Path | None = None) -> UrDmuScorer | None:
    """The scorer in a folder of `tiny`, which must be the one it was trained with, or `other` in its place.

    Raises:
        ModelError: when it is another one. InputError: when `other` tells other classes.
    """
    path = folder / SCORER_FILE
    scorer = read_scorer(path) if path.is_file() else None
    if num_classes(scorer) != config.classes:
        raise ModelError(
            f"{folder}: {SCORER_FILE} is not the one that belongs to {CONFIG_FILE}. Copy the folder again."
        )
    if other is None:
        return scorer
    new = read_scorer(other)
    if _classes(new) != _classes(scorer):
        raise InputError(
            f"{other}: tells other classes than the scorer of {folder}, whose words the model has learnt. "
            "Train both stages anew, without a start."
        )
    return new


def _classes(scorer: UrDmuScorer | None) -> tuple[str, ...]:
    return () if scorer is None or scorer.class_names is None else scorer.class_names.all


def num_classes(scorer: UrDmuScorer | None) -> int:
    """How many classes a scorer tells apart; 0 without one."""
    return len(_classes(scorer))


def language_model(device: str | None, dtype: str | None) -> tuple[Any, Any]:
    """The language model and its tokenizer, in bfloat16 where the device is faster in that.

    Raises:
        InputError: for an unknown device or dtype. MissingPartError: when its package is not installed.
    """
    chosen = pick_device(device)
    name = dtype or ("bfloat16" if _multiplies_bfloat16(chosen) else "float32")
    if name not in DTYPES:
        raise InputError(f"dtype={dtype!r} is not known: choose {', '.join(DTYPES)}.")
    return smollm2.load(device=chosen, dtype=DTYPES[name])


def _multiplies_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is the faster choice: processors without its instructions emulate it slowly."""
    if device.type != "cpu":
        return True
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
