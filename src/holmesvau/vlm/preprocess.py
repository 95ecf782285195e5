"""Pictures as InternVL's vision tower wants them.

Shape legend: `N` frames, `H W` picture height and width, `S` the tower's side in pixels (448 as released).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def pixels(
    frames: npt.NDArray[np.uint8],
    size: int = 448,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> torch.Tensor:
    """`frames[N, H, W, 3]` uint8 RGB, stretched to a square and normalised -> `[N, 3, S, S]` on `device`.

    The stretch is done on uint8 and on the CPU whatever the device, so that the same frame gives the same
    pixels everywhere: within two grey levels of the published preprocessing.
    """
    return normalised(squares(frames, size), device=device, dtype=dtype)


def squares(frames: npt.NDArray[np.uint8], size: int = 448) -> torch.Tensor:
    """The first half of `pixels`: `frames[N, H, W, 3]` stretched to `[N, 3, S, S]`, uint8, on the CPU."""
    pictures = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    # One at a time: the antialiasing filter's memory grows with the size of the source picture.
    stretched = [_stretch(picture[None], size) for picture in pictures]
    return torch.cat(stretched) if stretched else pictures.new_empty((0, 3, size, size))


def normalised(
    square: torch.Tensor, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """The second half of `pixels`: `[N, 3, S, S]` uint8 -> the same in units of ImageNet's deviation."""
    mean = torch.tensor(IMAGENET_MEAN, device=device).view(3, 1, 1)
    std = torch.tensor(IMAGENET_STD, device=device).view(3, 1, 1)
    scaled = square.to(device=device, dtype=torch.float32).div_(255).sub_(mean).div_(std)
    return scaled.to(dtype)


def _stretch(picture: torch.Tensor, size: int) -> torch.Tensor:
    """`picture[1, 3, H, W]` uint8 -> `[1, 3, S, S]`, bicubic with antialiasing."""
    height, width = picture.shape[-2:]
    if (height, width) == (size, size):
        return picture
    # The published code resizes with Pillow, which rounds to uint8 between its two passes and takes the
    # vertical one first where a tall picture shrinks; torch takes it last (23 grey levels apart on noise).
    steps = [(size, width), (size, size)] if height > max(size, width) else [(size, size)]
    for target in steps:
        picture = functional.interpolate(picture, size=target, mode="bicubic", antialias=True)
    return picture
