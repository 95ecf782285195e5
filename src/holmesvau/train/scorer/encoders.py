"""What stage 1 sees videos with: the recipe's encoder, and the file of what it looks into windows with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from holmesvau import checkpoints, registry
from holmesvau.ats.features import Encoder
from holmesvau.ats.foveal import WINDOWS_FILE, FovealEncoder
from holmesvau.checkpoints.scorer import SCORER_FILE
from holmesvau.errors import InputError
from holmesvau.train.scorer.config import STAGE_0, ScorerTraining
from holmesvau.vlm.tiny_folder import WEIGHTS as EMBEDDED


def make_encoder(config: ScorerTraining, device: str, out: Path) -> Encoder:
    """The encoder of the recipe, for a run in the folder `out`.

    Raises:
        InputError: when it is not registered, or what it sees windows with is not there.
        ModelError: when its checkpoint cannot be used.
    """
    factory: Any = registry.get("encoders", config.encoder)
    if config.encoder == FovealEncoder.name:
        made: Encoder = factory(windows_file(config, out), device=device)
        return made
    # Released weights are converted on the way, once.
    source = (checkpoints.resolve(config.encoder_source),) if config.encoder_source else ()
    made = factory(*source, device=device)
    return made


def windows_file(config: ScorerTraining, out: Path) -> Path | None:
    """What the foveal encoder of a run in `out` sees windows with; None for what it sees the whole with.

    Raises:
        InputError: when the file that the recipe names is not there.
    """
    if config.start and config.encoder_source in ("", STAGE_0):
        beside = start_file(config).with_name(WINDOWS_FILE)
        return beside if beside.is_file() else None
    if not config.encoder_source:
        return None
    if config.encoder_source != STAGE_0:
        file, why = Path(config.encoder_source), "no such file"
    else:
        file = out.parent / "encoder" / "best" / WINDOWS_FILE
        why = "`holmesvau train encoder` has left nothing there"
    if not file.is_file():
        raise InputError(
            f"{file}: {why}. Train it first, name another file with --set scorer.encoder_source=FILE, or see "
            'windows as the whole is seen with --set scorer.encoder_source="".'
        )
    return file


def start_file(config: ScorerTraining) -> Path:
    """The scorer's file that `config.start` names."""
    return EMBEDDED / SCORER_FILE if config.start == "tiny" else Path(config.start)
