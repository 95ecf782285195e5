"""One frame as a small picture file."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt


def jpeg(frame: npt.NDArray[np.uint8], *, width: int | None = None, quality: int = 82) -> bytes:
    """A frame `[H, W, 3]` uint8 RGB as JPEG bytes, scaled down to `width` pixels when it is wider."""
    from PIL import Image

    picture = Image.fromarray(frame)
    if width is not None and picture.width > width:
        height = max(1, round(picture.height * width / picture.width))
        picture = picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    out = io.BytesIO()
    picture.save(out, format="JPEG", quality=quality, optimize=True)
    return out.getvalue()
