"""Where to look: features of every dense frame, anomaly scores, the frames to show a model, and events (paper
§4.2).

Choosing frames and finding events need numpy only; what needs torch or onnxruntime is imported when first
named.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from holmesvau.ats.events import EventsConfig, confidence, find_events, peak
from holmesvau.ats.features import Encoded, Encoder, Features, Scorer
from holmesvau.ats.samplers import SamplingMethod, sample, sample_curve

if TYPE_CHECKING:
    from holmesvau.ats.efficientnet import EfficientNetEncoder
    from holmesvau.ats.novelty import NoveltyConfig, NoveltyScorer
    from holmesvau.ats.scan import ScanConfig
    from holmesvau.ats.store import FeatureStore
    from holmesvau.ats.urdmu import UrDmu
    from holmesvau.ats.urdmu_scorer import UrDmuScorer

_ELSEWHERE = {
    "EfficientNetEncoder": "efficientnet",
    "FeatureStore": "store",
    "NoveltyConfig": "novelty",
    "NoveltyScorer": "novelty",
    "ScanConfig": "scan",
    "UrDmu": "urdmu",
    "UrDmuScorer": "urdmu_scorer",
}

__all__ = [
    "EfficientNetEncoder",
    "Encoded",
    "Encoder",
    "EventsConfig",
    "FeatureStore",
    "Features",
    "NoveltyConfig",
    "NoveltyScorer",
    "SamplingMethod",
    "ScanConfig",
    "Scorer",
    "UrDmu",
    "UrDmuScorer",
    "confidence",
    "find_events",
    "peak",
    "sample",
    "sample_curve",
]


def __getattr__(name: str) -> Any:
    if name in _ELSEWHERE:
        return getattr(import_module(f"holmesvau.ats.{_ELSEWHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
