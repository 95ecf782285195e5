"""Frames in, each with its time: files, URLs, cameras and folders of pictures, opened by the same call.

    with open_video("camera.mp4") as video:
        for batch in video.frames(every=16): ...

Clips are cut by `holmesvau.video.cut.cut`. Names are loaded when first used: importing this package does
not load av.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holmesvau.video.cut import CutResult as CutResult
    from holmesvau.video.loss import Lost as Lost
    from holmesvau.video.reader import Video as Video
    from holmesvau.video.reader import open_video as open_video

_NAMES = {
    "CutResult": "holmesvau.video.cut",
    "Lost": "holmesvau.video.loss",
    "Video": "holmesvau.video.reader",
    "open_video": "holmesvau.video.reader",
}
__all__ = ["CutResult", "Lost", "Video", "open_video"]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'holmesvau.video' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
