"""Frames as small picture files for the wire, and made smaller where a request would be too large.

Shape legend: `N` frames, `H W` picture height and width.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

# Tried in this order: (part of the side, JPEG quality). Fewer details hurt less than fewer pixels.
_STEPS = ((1.0, 75), (1.0, 55), (0.75, 55), (0.5, 55), (0.5, 35))


@dataclass(frozen=True, slots=True)
class Fitted:
    """Pictures as data URLs, and how they were made smaller: part of their side and JPEG quality, or None."""

    urls: list[str]
    step: tuple[float, int] | None = None


def encode(frame: npt.NDArray[np.uint8], side: int, *, square: bool, quality: int) -> bytes:
    """A frame `[H, W, 3]` uint8 RGB as JPEG: stretched to `side x side`, or no side longer than `side`."""
    picture = Image.fromarray(frame)
    if square:
        size = (side, side)
    else:
        scale = min(1.0, side / max(picture.size))
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return _written(picture if size == picture.size else picture.resize(size, _BICUBIC), quality)


def fit(pictures: Sequence[bytes], limit: int) -> Fitted | None:
    """`N` JPEG files as data URLs of at most `limit` bytes together; None where that cannot be."""
    urls = [data_url(picture) for picture in pictures]
    if sum(map(len, urls)) <= limit:
        return Fitted(urls)
    for step in _STEPS:
        urls = [data_url(_smaller(picture, *step)) for picture in pictures]
        if sum(map(len, urls)) <= limit:
            return Fitted(urls, step)
    return None


def data_url(picture: bytes) -> str:
    """A JPEG file as a `data:` address."""
    return "data:image/jpeg;base64," + base64.b64encode(picture).decode("ascii")


_BICUBIC = Image.Resampling.BICUBIC


def _smaller(data: bytes, part: float, quality: int) -> bytes:
    with Image.open(io.BytesIO(data)) as picture:
        size = (max(1, round(picture.width * part)), max(1, round(picture.height * part)))
        return _written(picture if part == 1.0 else picture.resize(size, _BICUBIC), quality)


def _written(picture: Any, quality: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, format="JPEG", quality=quality)
    return out.getvalue()
