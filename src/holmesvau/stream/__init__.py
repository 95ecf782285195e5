"""The pipeline on live sources, causal: cameras are scored as they come, alarms go out, words follow.

    watch = LiveWatch(encoder, scorer, model, LiveConfig(camera=(CameraConfig(source="rtsp://…"),)), "OUT")
    watch.run()

Names are loaded when first used: importing this package loads neither torch nor av.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holmesvau.stream.alarms import AlarmConfig as AlarmConfig
    from holmesvau.stream.camera import CameraConfig as CameraConfig
    from holmesvau.stream.record import json_schema as json_schema
    from holmesvau.stream.watch import LiveConfig as LiveConfig
    from holmesvau.stream.watch import LiveWatch as LiveWatch

_NAMES = {
    "AlarmConfig": "alarms",
    "CameraConfig": "camera",
    "LiveConfig": "watch",
    "LiveWatch": "watch",
    "json_schema": "record",
}
__all__ = ["AlarmConfig", "CameraConfig", "LiveConfig", "LiveWatch", "json_schema"]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module(f"holmesvau.stream.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'holmesvau.stream' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
