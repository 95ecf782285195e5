"""holmesvau watches hours of video, finds what is abnormal, and says what happened, when and why.

    import holmesvau as hv
    report = hv.Holmes.from_pretrained("tiny").watch("camera.mp4")

Names are loaded when first used: importing the package loads neither torch nor av.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holmesvau import ats as ats
    from holmesvau import checkpoints as checkpoints
    from holmesvau import engine as engine
    from holmesvau import evaluate as evaluate
    from holmesvau import hivau as hivau
    from holmesvau import report as report
    from holmesvau import sim as sim
    from holmesvau import stream as stream
    from holmesvau import train as train
    from holmesvau import video as video
    from holmesvau import vlm as vlm
    from holmesvau.errors import HolmesError as HolmesError
    from holmesvau.holmes import Holmes as Holmes
    from holmesvau.types import AnomalyCurve as AnomalyCurve
    from holmesvau.types import Answer as Answer
    from holmesvau.types import Chapter as Chapter
    from holmesvau.types import Clip as Clip
    from holmesvau.types import Event as Event
    from holmesvau.types import FrameBatch as FrameBatch
    from holmesvau.types import Report as Report
    from holmesvau.types import Selection as Selection
    from holmesvau.types import Span as Span
    from holmesvau.types import Summary as Summary
    from holmesvau.types import VideoInfo as VideoInfo
    from holmesvau.video import open_video as open_video

__version__ = "0.1.0"

_MODULES = (
    "ats", "checkpoints", "engine", "evaluate", "hivau", "report", "sim", "stream", "train", "video", "vlm",
)  # fmt: skip
_NAMES = {
    "Holmes": "holmesvau.holmes",
    "HolmesError": "holmesvau.errors",
    "open_video": "holmesvau.video",
    **dict.fromkeys(
        (
            "AnomalyCurve",
            "Answer",
            "Chapter",
            "Clip",
            "Event",
            "FrameBatch",
            "Report",
            "Selection",
            "Span",
            "Summary",
            "VideoInfo",
        ),
        "holmesvau.types",
    ),
}
__all__ = ["__version__", *_MODULES, *_NAMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"holmesvau.{name}")
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'holmesvau' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
