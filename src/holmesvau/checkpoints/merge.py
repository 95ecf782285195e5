"""A LoRA adapter added to the weights of a native checkpoint, and taken out again, a few rows at a time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from torch import Tensor

from holmesvau.checkpoints import build, source
from holmesvau.checkpoints.lora import FILES, Update, read_adapter
from holmesvau.checkpoints.tensors import Planned, Stored, read_folder
from holmesvau.checkpoints.verify import DTYPES, to_torch
from holmesvau.errors import ModelError, OutputError
from holmesvau.vlm.folder import WEIGHTS_INDEX, require_internvl

ROWS_AT_ONCE = 1024


def merge(
    model_dir: str | Path,
    adapter_dir: str | Path,
    target_dir: str | Path,
    *,
    progress: build.Progress | None = None,
) -> Path:
    """A native checkpoint with the adapter added to its weights: `W + scaling · B A`, summed in float32 and
    kept in the precision of `W` (paper §4.3: LoRA on the language model, merged for release).

    Returns:
        `target_dir`, a native checkpoint with the same files otherwise.

    Raises:
        ModelError: when the model or the adapter is incomplete or damaged, or they do not belong together.
        OutputError: when the target exists, or cannot be written.
    """
    return _build(Path(model_dir), Path(adapter_dir), Path(target_dir), 1.0, progress or build.silent)


def unmerge(
    model_dir: str | Path,
    adapter_dir: str | Path,
    target_dir: str | Path,
    *,
    progress: build.Progress | None = None,
) -> Path:
    """The opposite of `merge`: a checkpoint with the adapter taken out of its weights.

    What comes back differs from the weights before `merge` by the rounding of both sums: in float32 about
    1e-7 of the larger of weight and sum, in bfloat16 up to 2⁻⁸ of it: keep the base model where it must be
    exact.

    Returns, raises: as `merge`.
    """
    return _build(Path(model_dir), Path(adapter_dir), Path(target_dir), -1.0, progress or build.silent)


def _build(model: Path, adapter: Path, target: Path, sign: float, progress: build.Progress) -> Path:
    require_internvl(model)
    stored = read_folder(model)
    updates = read_adapter(adapter)
    _refuse_other_model(adapter, model, stored, updates)
    files: dict[Path, list[Planned]] = {}
    for name, tensor in stored.items():
        files.setdefault(tensor.path, []).append(_planned(tensor, updates.get(name), sign))
    shards = sorted(files)
    made_from = " ".join(
        (
            "merge" if sign > 0 else "unmerge",
            source.fingerprint(model, ["config.json", *(path.name for path in shards)]),
            source.fingerprint(adapter, FILES),
        )
    )
    with build.building(target, made_from) as folder:
        if folder is not None:
            build.write_shards(folder, [files[shard] for shard in shards], progress)
            _copy_other_files(model, folder)
    return target


def _planned(tensor: Stored, update: Update | None, sign: float) -> Planned:
    if update is None:
        return Planned(tensor.name, tensor.dtype, tensor.shape, tensor.chunks)
    return Planned(tensor.name, tensor.dtype, tensor.shape, partial(_sums, tensor, update, sign))


def _sums(tensor: Stored, update: Update, sign: float) -> Iterator[bytes]:
    for first in range(0, tensor.shape[0], ROWS_AT_ONCE):
        count = min(ROWS_AT_ONCE, tensor.shape[0] - first)
        yield _bytes(to_torch(tensor, first, count).add_(update.rows(first, count), alpha=sign), tensor.dtype)


def _bytes(rows: Tensor, dtype: str) -> bytes:
    import torch

    return rows.to(DTYPES[dtype]).contiguous().view(torch.uint8).numpy().tobytes()


def _refuse_other_model(
    adapter: Path, model: Path, stored: dict[str, Stored], updates: dict[str, Update]
) -> None:
    for name, update in updates.items():
        if name not in stored:
            raise ModelError(f"{adapter}: this adapter was not made for {model}, which has no {name}.")
        shape = (len(update.b), update.a.shape[1])
        if stored[name].shape != shape:
            raise ModelError(
                f"{adapter}: this adapter was not made for {model}: it changes {name} as {shape}, which is "
                f"{stored[name].shape} there."
            )


def _copy_other_files(model: Path, folder: Path) -> None:
    kept = {build.RECORD_FILE, WEIGHTS_INDEX}
    try:
        for path in model.iterdir():
            own_weights = path.suffix == ".safetensors" and path.name.startswith("model")
            if path.is_file() and path.name not in kept and not own_weights:
                shutil.copyfile(path, folder / path.name)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}).") from error
