"""From a name to parts that belong together: what `Holmes.from_pretrained` is made of."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from holmesvau import checkpoints, registry
from holmesvau.ats.features import Encoder, Scorer
from holmesvau.errors import InputError
from holmesvau.vlm.protocol import VisionLanguageModel

log = logging.getLogger(__name__)

DEFAULT_ENCODER = "efficientnet-lite0"
DEFAULT_SCORER = "novelty"
FOVEAL_ENCODER = "efficientnet-lite0-fovea"
NO_MODEL = "none"
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

    `tiny` comes with its scorer, which knows where it can be trusted (`ats.guarded`), and its encoder.
    A checkpoint folder that holds a trained scorer (`anomaly_scorer.safetensors` or `.pth`) is scanned
    with its own vision tower, as in the paper. Without one the scan uses EfficientNet-Lite0 and the
    training-free novelty scorer, which a CPU can afford; the checkpoint then describes what they find.
    """
    kind, source = _resolved(name)
    options = {"device": device, "dtype": dtype, "device_map": device_map, "adapter": adapter}
    given = {key: value for key, value in options.items() if value is not None}
    model: VisionLanguageModel | None = None
    if kind != NO_MODEL:
        model = registry.get("models", kind)(source, **given)
    if scorer is None and kind == "internvl" and source is not None:
        shipped = [path for file in SCORER_FILES if (path := Path(source) / file).is_file()]
        if shipped:
            scorer, encoder = str(shipped[0]), encoder or "internvit"
    own = getattr(model, "scorer", None)
    looking = _guarded(own) if scorer is None and own is not None else _load_scorer(scorer)
    if encoder is None:
        # A model that reads the scan needs the encoder it was trained with, whatever the scorer.
        width = looking.input_width
        reads = own is not None or (width and width == registry.get("encoders", FOVEAL_ENCODER).width)
        encoder = FOVEAL_ENCODER if reads else DEFAULT_ENCODER
    windows = getattr(looking, "windows", None) or getattr(own, "windows", None)
    return _load_encoder(encoder, source, model, device, windows), looking, model


def _resolved(name: str) -> tuple[str, str | None]:
    """Which registered model `name` asks for and from where: `NAME`, `NAME:SOURCE`, a folder, or a hub id.

    Released checkpoints are converted to native form on the way, once.
    """
    kind, _, source = name.partition(":")
    if kind == NO_MODEL or (kind in registry.names("models") and kind != "internvl"):
        return kind, source or None
    if kind == "internvl":
        if not source:
            raise InputError("--model internvl: give the folder or hub id of the checkpoint instead.")
        return kind, str(checkpoints.resolve(source))
    from holmesvau.vlm import tiny
    from holmesvau.vlm.folder import read_json

    folder = checkpoints.resolve(name)
    model_type = read_json(folder / "config.json").get("model_type")
    return ("tiny" if model_type == tiny.MODEL_TYPE else "internvl"), str(folder)


def _load_encoder(
    encoder: str,
    source: str | None,
    model: VisionLanguageModel | None,
    device: str | None,
    windows: Path | None,
) -> Encoder:
    """An encoder by registered name; InternViT is shared with the model that already holds it.

    Into `windows` the foveal one looks with the network that the scorer was trained with.
    """
    factory = registry.get("encoders", encoder)
    options: dict[str, Any] = {} if device is None else {"device": device}
    if encoder == FOVEAL_ENCODER and windows is not None:
        options["windows"] = windows
    if encoder != "internvit":
        named: Encoder = factory(**options)
        return named
    if model is not None:
        shared: Encoder = factory.sharing(model)
        return shared
    raise InputError("--encoder internvit: its weights belong to a checkpoint; give one with --model.")


def _guarded(scorer: Scorer) -> Scorer:
    """A trained scorer with what knows its limits, where that was kept beside it."""
    from holmesvau.ats.guarded import GuardedScorer
    from holmesvau.ats.urdmu import UrDmuScorer

    guarded = GuardedScorer.beside(scorer) if isinstance(scorer, UrDmuScorer) else None
    return guarded or scorer


def _load_scorer(scorer: str | None) -> Scorer:
    """A scorer by registered name, or UR-DMU weights by path."""
    if scorer is not None and Path(scorer).suffix in (".safetensors", ".pth", ".pt"):
        return _guarded(registry.get("scorers", "urdmu")(scorer))
    named: Scorer = registry.get("scorers", scorer or DEFAULT_SCORER)()
    return named
