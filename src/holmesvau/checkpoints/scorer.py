"""The anomaly scorer as released, a pickle, to a safetensors file that cannot carry code."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from holmesvau.checkpoints.tensors import held, write_file
from holmesvau.errors import ModelError, OutputError

SCORER_FILE = "anomaly_scorer.safetensors"
NAMES = (SCORER_FILE, "anomaly_scorer.pth", "anomaly_scorer.pt")
# Under which training scripts keep the weights among other things.
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "weights")
PREFIXES = ("module.", "_orig_mod.")


def find(folder: Path) -> Path | None:
    """The anomaly scorer that lies in a checkpoint folder, or None."""
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def convert_scorer(source: str | Path, target: str | Path) -> Path:
    """The UR-DMU scorer of a `.pth` (or `.safetensors`) -> a safetensors file in float32 with the same keys.

    The pickle is read on the CPU and may hold tensors only. A table under `state_dict`, and keys that begin
    with `module.`, are understood.

    Raises:
        ModelError: when the file is missing, damaged, holds anything that would run code, or is not a UR-DMU
            scorer.
        OutputError: when the target cannot be written.
    """
    path, target = Path(source), Path(target)
    weights = {name: tensor.detach().float() for name, tensor in read_scorer(path).items()}
    _refuse_other(path, weights)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{target}: the scorer cannot be written ({error.strerror}).") from error
    write_file(target, [held(name, tensor.numpy()) for name, tensor in weights.items()])
    return target


def read_scorer(path: Path) -> dict[str, Tensor]:
    """The tensors of a scorer file by their bare names; see `convert_scorer`."""
    if not path.is_file():
        raise ModelError(f"{path}: no such file. Give the released anomaly scorer.")
    state = _load(path)
    for wrapper in WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
            break
    if not isinstance(state, Mapping) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"{path}: there is no table of weights in it. Give the released anomaly scorer.")
    return {_bare(str(name)): tensor for name, tensor in state.items()}


def _load(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path}: besides weights this pickle names other things, which could run code; it was refused "
            "and nothing "
            f"of it was run. Give a file that holds weights only."
        ) from error
    # torch and safetensors raise whatever their formats raise on damaged files.
    except (RuntimeError, ValueError, KeyError, EOFError, OSError, TypeError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: damaged or cut short. Copy or download this file again.") from error
    except Exception as error:
        if type(error).__module__.startswith("safetensors"):
            raise ModelError(f"{path}: damaged or cut short. Copy or download this file again.") from error
        raise


def _bare(name: str) -> str:
    while (prefix := next((prefix for prefix in PREFIXES if name.startswith(prefix)), None)) is not None:
        name = name.removeprefix(prefix)
    return name


def _refuse_other(path: Path, weights: dict[str, Tensor]) -> None:
    from holmesvau.ats.urdmu import UrDmu

    first = weights.get("embedding.conv_1.0.weight")
    if first is None or first.ndim != 3:
        raise ModelError(
            f"{path}: these are not the weights of a UR-DMU scorer. Give the released anomaly scorer."
        )
    with torch.device("meta"):
        wanted = UrDmu(input_size=first.shape[1]).state_dict()
    for name in sorted(wanted.keys() | weights.keys()):
        if name not in wanted or name not in weights:
            told = "lacks" if name in wanted else "has"
            raise ModelError(f"{path}: these are not the weights of a UR-DMU scorer (it {told} {name}).")
        if wanted[name].shape != weights[name].shape:
            raise ModelError(
                f"{path}: {name} has shape {tuple(weights[name].shape)}, a UR-DMU scorer's has "
                f"{tuple(wanted[name].shape)}."
            )
