"""The vision tower of any InternVL checkpoint as the encoder of the dense scan (§4.1): one class token a
frame.

Shape legend: `B` frames in a batch, `D` width of the tower (1024 in InternViT-300M), `g` patches a side,
`h w` grid of cells, `c` width of a cell's signature.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional
from transformers import AutoConfig, InternVLVisionModel

from holmesvau.ats.features import Encoded
from holmesvau.errors import InputError, ModelError
from holmesvau.vlm import folder as folders
from holmesvau.vlm.generation import memory_told
from holmesvau.vlm.internvl import DTYPES, pick_device
from holmesvau.vlm.preprocess import pixels

GRID = 8
SIGNATURE = 48
_PREFIXES = ("model.vision_tower.", "vision_tower.")
_SEED = 20250613


class InternVitEncoder:
    """The `Encoder` of `ats.features` on an InternVL vision tower.

    `pooled[B, D]` is the last hidden state of the class token, without a final norm, as the released
    scorer was
    trained on. `cells` are the patch tokens averaged over a grid of at most 8×8, in a few fixed directions.

    Args:
        source: a checkpoint folder in native format, or a hub id: only its vision tower is read.
        device: a torch device; None takes CUDA where there is one, else the CPU.
        dtype: `bfloat16`, `float32` or `float16`.

    Raises:
        ModelError: when the checkpoint cannot be used.
        InputError: for an unknown dtype or device.
    """

    name = "internvit"
    memory = 0

    def __init__(self, source: str | Path, *, device: str | None = None, dtype: str = "bfloat16") -> None:
        if dtype not in DTYPES:
            raise InputError(f"dtype={dtype!r} is not known: choose {', '.join(DTYPES)}.")
        self._hold(_load_tower(source, DTYPES[dtype], pick_device(device)))

    @classmethod
    def sharing(cls, model: Any) -> InternVitEncoder:
        """The encoder on the tower of a loaded `InternVl`: the weights are in memory once.

        Raises:
            ModelError: when the model has no such tower.
        """
        tower = getattr(model, "vision_tower", None)
        if not isinstance(tower, InternVLVisionModel):
            named = getattr(model, "name", type(model).__name__)
            raise ModelError(f"The model {named} has no InternViT to scan with. Choose another encoder.")
        encoder = cls.__new__(cls)
        encoder._hold(tower)
        return encoder

    def _hold(self, tower: InternVLVisionModel) -> None:
        self._tower = tower
        weight = next(tower.parameters())
        self._device, self._dtype = weight.device, weight.dtype
        config = tower.config
        self.width = int(config.hidden_size)
        self._size = int(config.image_size[0])
        self._patches = self._size // int(config.patch_size[0])
        grid = min(GRID, self._patches)
        self.cells_shape = (grid, grid, min(SIGNATURE, self.width))
        self.batch_size = 4 if self._device.type == "cpu" else 32
        self._directions = _directions(self.width, self.cells_shape[-1]).to(self._device)
        self._fingerprint: str | None = None

    @property
    def fingerprint(self) -> str:
        """Of the weights and the precision. Every weight is read, once, when first asked for."""
        if self._fingerprint is None:
            digest = hashlib.blake2b(
                f"{self._dtype} {self._size} {self.cells_shape}".encode(), digest_size=16
            )
            for name, tensor in sorted(self._tower.state_dict().items()):
                digest.update(name.encode())
                digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)
            self._fingerprint = f"{self.name}-{digest.hexdigest()}"
        return self._fingerprint

    def frame_size(self, width: int, height: int) -> tuple[int, int] | None:
        """None: frames are resized here, as the released scorer's were."""
        return None

    @torch.inference_mode()
    def encode(self, frames: npt.NDArray[np.uint8], before: npt.NDArray[np.float32] | None = None) -> Encoded:
        """Class tokens `pooled[B, D]` and signatures `cells[B, h, w, c]` of `frames[B, H, W, 3]` uint8 RGB.

        Raises:
            InputError: when the array is not `[B, H, W, 3]` uint8.
            ModelError: when memory does not suffice.
        """
        if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
            raise InputError(f"Frames must be uint8 [B, H, W, 3], got {frames.dtype} {list(frames.shape)}.")
        pooled = np.empty((len(frames), self.width), np.float16)
        cells = np.empty((len(frames), *self.cells_shape), np.float16)
        for start in range(0, len(frames), self.batch_size):
            part = slice(start, start + self.batch_size)
            with memory_told():
                values = pixels(frames[part], self._size, device=self._device, dtype=self._dtype)
                hidden = self._tower(values).last_hidden_state.float()
            pooled[part] = _half(hidden[:, 0])
            cells[part] = _half(self._signatures(hidden[:, 1:]))
        return Encoded(pooled, cells)

    def _signatures(self, patches: torch.Tensor) -> torch.Tensor:
        """`patches[B, g·g, D]` -> `[B, h, w, c]`."""
        square = patches.unflatten(1, (self._patches, self._patches)).permute(0, 3, 1, 2)
        pooled = functional.adaptive_avg_pool2d(square, self.cells_shape[:2])
        return pooled.permute(0, 2, 3, 1) @ self._directions


def _directions(width: int, count: int) -> torch.Tensor:
    """Orthonormal directions `[D, c]`, the same on every machine; random ones keep distances.

    Scaled by sqrt(D / c), so that a distance in signatures is on average that of the tokens.
    """
    noise = np.random.Generator(np.random.PCG64(_SEED)).standard_normal((width, count))
    basis, triangle = np.linalg.qr(noise)
    # The sign of a column is the factorisation's own choice; fixed, every linear algebra library agrees.
    basis *= np.sign(np.diag(triangle))
    return torch.from_numpy(basis * np.sqrt(width / count)).float()


def _half(values: torch.Tensor) -> npt.NDArray[np.float16]:
    """To float16 without infinities: single channels of large towers exceed its range."""
    limit = torch.finfo(torch.float16).max
    halves: npt.NDArray[np.float16] = values.clamp(-limit, limit).half().cpu().numpy()
    return halves


def _load_tower(source: str | Path, dtype: torch.dtype, device: torch.device) -> InternVLVisionModel:
    """The vision tower alone: the language model's weights are never read."""
    folder = folders.find(source)
    folders.require_internvl(folder)
    config = AutoConfig.from_pretrained(folder, local_files_only=True).vision_config
    named: dict[str, Path] = {}
    full_names: dict[str, str] = {}
    for name, path in folders.weight_files(folder).items():
        prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), None)
        if prefix is not None:
            named[name] = path
            full_names[name] = name.removeprefix(prefix)
    with torch.device("meta"):
        tower = InternVLVisionModel(config)
    state = {full_names[name]: tensor.to(device, dtype) for name, tensor in folders.tensors(named)}
    try:
        tower.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        missing = sorted(set(tower.state_dict()) - set(state))
        what = f"{len(missing)} weights are missing" if missing else "the weights do not fit config.json"
        raise ModelError(f"{folder}: the vision tower cannot be loaded: {what}.") from error
    return tower.eval().requires_grad_(False)
