"""From a name to parts that belong together: what `Holmes.from_pretrained` is made of."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from holmesvau import registry
from holmesvau.ats.features import Encoder, Scorer
from holmesvau.vlm.protocol import VisionLanguageModel

log = logging.getLogger(__name__)

DEFAULT_ENCODER = "efficientnet-lite0"
DEFAULT_SCORER = "novelty"
SCORER_FILES = ("anomaly_scorer.safetensors", "anomaly_scorer.pth", "anomaly_scorer.pt")


def load(
    name: str,
    *,
    encoder: str | None = None,
    scorer: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    device_map: str | None = None,
    adapter: str | Path | None = None,
) -> tuple[Encoder, Scorer, VisionLanguageModel | None]:
    """The parts for a model name, checkpoint folder or hub id; see `Holmes.from_pretrained`.

    A checkpoint folder that holds a trained scorer (`anomaly_scorer.safetensors` or `.pth`) is scanned
    with its own vision tower, as in the paper. Without one the scan uses EfficientNet-Lite0 and the
    training-free novelty scorer, which a CPU can afford; the checkpoint then describes what they find.
    """
    model = _load_model(name, device=device, dtype=dtype, device_map=device_map, adapter=adapter)
    shipped = next((path for file in SCORER_FILES if (path := Path(name) / file).is_file()), None)
    if scorer is None and shipped is not None:
        scorer, encoder = str(shipped), encoder or "internvit"
    return _load_encoder(encoder or DEFAULT_ENCODER, name, model, device), _load_scorer(scorer), model


def _load_model(name: str, **options: Any) -> VisionLanguageModel | None:
    if name == "none":
        return None
    if name in registry.names("models"):
        given = {key: value for key, value in options.items() if value is not None}
        loaded: VisionLanguageModel | None = registry.get("models", name)(**given)
        return loaded
    from holmesvau.vlm import internvl

    return internvl.load(name, **options)


def _load_encoder(
    encoder: str, model_name: str, model: VisionLanguageModel | None, device: str | None
) -> Encoder:
    factory = registry.get("encoders", encoder)
    options: dict[str, Any] = {} if device is None else {"device": device}
    if encoder == "internvit":
        built: Encoder = factory.sharing(model) if model is not None else factory(model_name, **options)
        return built
    built = factory(**options)
    return built


def _load_scorer(scorer: str | None) -> Scorer:
    """A scorer by registered name, or UR-DMU weights by path."""
    if scorer is not None and Path(scorer).suffix in (".safetensors", ".pth", ".pt"):
        weights: Scorer = registry.get("scorers", "urdmu")(scorer)
        return weights
    named: Scorer = registry.get("scorers", scorer or DEFAULT_SCORER)()
    return named
