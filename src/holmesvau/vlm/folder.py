"""A checkpoint on disk: found, checked before anything heavy is loaded, and read tensor by tensor."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from holmesvau import config
from holmesvau.errors import ModelError

SETTINGS_FILE = "holmesvau.json"
WEIGHTS_FILE = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
_HUB_FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "anomaly_scorer.pth"]

TemplateName = Literal["auto", "internvl2", "tokenizer"]


@dataclass(frozen=True, kw_only=True)
class FolderSettings:
    """`holmesvau.json` beside a checkpoint: what its own files do not say. Every key may be left out.

    `template` is how turns are written: as InternVL2-2B and HolmesVAU were trained, or by the chat template
    of the tokenizer; `auto` takes the tokenizer's where it has one. `num_frames` is how many frames the
    model was tuned with.
    """

    name: str = ""
    template: TemplateName = "auto"
    num_frames: int = 16
    newline_before_question: bool = True


def find(source: str | Path) -> Path:
    """The local folder of a checkpoint, fetched from the hub where `source` is an id such as `org/name`.

    Raises:
        ModelError: when there is no such folder, or the hub cannot be reached or does not have it.
    """
    path = Path(source)
    if path.is_dir():
        return path
    if path.exists():
        raise ModelError(f"{source}: a checkpoint is a folder, this is a file. Give the folder it lies in.")
    text = str(source)
    if path.is_absolute() or text.startswith((".", "~")) or text.count("/") != 1 or os.sep + os.sep in text:
        raise ModelError(f"{source}: no such checkpoint folder.")
    return _fetch(text)


def _fetch(hub_id: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(snapshot_download(hub_id, allow_patterns=_HUB_FILES))
    except (OSError, HfHubHTTPError, HFValidationError) as error:
        raise ModelError(
            f"{hub_id}: neither a local folder nor to be had from the model hub ({_first_line(error)}). "
            f"Download the checkpoint elsewhere and give its folder."
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def settings(folder: Path) -> FolderSettings:
    """The folder's `holmesvau.json`, or the defaults where there is none.

    Raises:
        ConfigError: when the file has unknown keys or unusable values.
    """
    path = folder / SETTINGS_FILE
    return config.load(FolderSettings, path) if path.is_file() else FolderSettings()


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file of a checkpoint.

    Raises:
        ModelError: when the file is missing or does not hold a JSON object.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(
            f"{path.parent}: {path.name} is missing, so this is no checkpoint folder."
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read ({error}). Copy or download it again.") from error
    if not isinstance(data, dict):
        raise ModelError(f"{path}: a JSON object was expected, not {type(data).__name__}.")
    return data


def require_internvl(folder: Path) -> None:
    """Refuse a folder whose `config.json` is not that of a native InternVL model.

    Raises:
        ModelError: saying what it is instead, and how to convert it where that is possible.
    """
    kind = read_json(folder / "config.json").get("model_type")
    if kind == "internvl_chat":
        raise ModelError(
            f"{folder}: this checkpoint is in the released InternVL format, which needs remote code. "
            f"Convert it once: holmesvau convert {folder} NEW_FOLDER"
        )
    if kind != "internvl":
        raise ModelError(f"{folder}: config.json describes a {kind!r} model, not an InternVL one.")


def weight_files(folder: Path) -> dict[str, Path]:
    """Which file holds each tensor. Every file is there and of the length its header promises.

    Raises:
        ModelError: naming the file that is missing, cut short or not a safetensors file.
    """
    index = folder / WEIGHTS_INDEX
    if index.is_file():
        names = read_json(index).get("weight_map")
        if not isinstance(names, dict):
            raise ModelError(f"{index}: has no weight_map. Copy or download it again.")
        files = sorted({folder / str(name) for name in names.values()})
    elif (folder / WEIGHTS_FILE).is_file():
        files = [folder / WEIGHTS_FILE]
    else:
        raise ModelError(f"{folder}: no weights found ({WEIGHTS_FILE} or {WEIGHTS_INDEX} is needed).")
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        raise ModelError(
            f"{folder}: {len(missing)} of {len(files)} weight files are missing ({', '.join(missing)}). "
            f"Download the checkpoint again."
        )
    return {name: path for path in files for name in tensor_names(path)}


def num_parameters(files: dict[str, Path]) -> int:
    """How many numbers the tensors hold together, from the files' headers."""
    from safetensors import safe_open

    total = 0
    for path in set(files.values()):
        with safe_open(path, framework="pt") as opened:
            total += sum(math.prod(opened.get_slice(name).get_shape()) for name in opened.keys())  # noqa: SIM118
    return total


def tensor_names(path: Path) -> list[str]:
    """The names of the tensors in a safetensors file, after checking that the file is whole.

    Raises:
        ModelError: when it is not.
    """
    damaged = f"{path}: the weights are damaged or cut short. Copy or download this file again."
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header_size = int.from_bytes(file.read(8), "little")
            if not 2 <= header_size <= size - 8:
                raise ModelError(damaged)
            header = json.loads(file.read(header_size))
        header.pop("__metadata__", None)
        ends = [entry["data_offsets"][1] for entry in header.values()]
    except OSError as error:
        raise ModelError(f"{path}: the weights cannot be read ({error}).") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ModelError(damaged) from error
    if 8 + header_size + max(ends, default=0) != size:
        raise ModelError(damaged)
    return list(header)


def tensors(files: dict[str, Path]) -> Iterator[tuple[str, torch.Tensor]]:
    """The named tensors, one after another, each read from its file only when it is its turn."""
    from safetensors import safe_open

    for path in sorted(set(files.values())):
        with safe_open(path, framework="pt") as opened:
            for name, place in files.items():
                if place == path:
                    yield name, opened.get_tensor(name)
