"""All that stage 1 reads: videos rendered, scanned, labelled and described, with a hash of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from holmesvau.ats.classes import ClassNames
from holmesvau.ats.efficientnet import CHANNELS
from holmesvau.ats.familiarity import Familiarity
from holmesvau.ats.features import Progress
from holmesvau.ats.foveal import VIEWS, FovealEncoder
from holmesvau.ats.store import FeatureStore
from holmesvau.errors import InputError
from holmesvau.train.data import prepare
from holmesvau.train.processes import Processes
from holmesvau.train.recipes import Recipe
from holmesvau.train.run import Run
from holmesvau.train.scorer.config import ScorerTraining
from holmesvau.train.scorer.encoders import make_encoder
from holmesvau.train.scorer.examples import (
    Example,
    Skipped,
    class_names,
    examples,
    frames_of,
)
from holmesvau.train.videos import annotation_digests, listed

# Frames that describe the training features: more change nothing that matters. Fewer do where a kind of scene
# is left out.
DESCRIBING_FRAMES, LEFT_OUT_FRAMES = 60_000, 20_000
# Of an encoder with several views, the whole picture and the first window tell footage apart; where windows
# have a network that was trained, the whole alone: that one takes whatever it sees for something known.
_TELLING_VIEWS, _TELLING_WHOLE = 2, 1
# Share of the videos within the limit where each is measured without its own kind of scene.
LEFT_OUT_WITHIN = 0.97


@dataclass(frozen=True, slots=True)
class Material:
    """All that training reads; `windows` is the file of what the encoder sees windows with, if it has one."""

    train: list[Example]
    val: list[Example]
    names: ClassNames
    skipped: list[Skipped]
    familiarity: Familiarity
    metadata: dict[str, str]
    windows: Path | None = None


def gather(
    recipe: Recipe,
    out: Path,
    run: Run,
    processes: Processes,
    store: FeatureStore | None,
    workers: int | None,
    progress: Progress | None,
) -> Material:
    """Render, scan and describe: the main process first, then the others find it done.

    Raises: as `train_scorer`.
    """
    config, store = recipe.scorer, store or FeatureStore()
    if not processes.is_main:
        processes.wait()
    roots = prepare(recipe.data, rendered=out.parent / "data", workers=workers, progress=progress)
    encoder = make_encoder(config, processes.device, out)
    videos = {split: listed(recipe.data, roots, split) for split in ("train", "val")}
    names = class_names(videos["train"], hard_negatives=config.hard_negatives)
    found, skipped = {}, []
    for split, of_split in videos.items():
        found[split], left_out = examples(
            of_split, encoder, names, config, on_error=recipe.data.on_error, store=store, progress=progress
        )
        skipped += left_out
    _refuse_one_sided(found["val"])
    if processes.is_main:
        content = {f"{e.video.path}": store.content(e.video.path) for kind in found.values() for e in kind}
        run.record_data(
            {
                f"encoder {encoder.name}": encoder.fingerprint,
                **annotation_digests(recipe.data, roots),
                **content,
            }
        )
        processes.wait()
    windows = encoder.windows if isinstance(encoder, FovealEncoder) else None
    familiarity = None
    if processes.is_main:
        familiarity = _described(found["train"], found["val"], config, _telling(config, windows))
    familiarity = processes.from_main(familiarity)
    assert familiarity is not None
    metadata = {"encoder": encoder.name, "stride": config.scan.stride, "recipe": recipe.name}
    return Material(found["train"], found["val"], names, skipped, familiarity, metadata, windows)


def pictured(config: ScorerTraining) -> int | None:
    """How many leading features show pictures, where numbers of motion follow them; None: all are alike."""
    return VIEWS * CHANNELS if config.encoder == FovealEncoder.name else None


def _refuse_one_sided(found: list[Example]) -> None:
    abnormal, total = sum(int(e.labels.sum()) for e in found), sum(map(len, found))
    if not 0 < abnormal < total:
        raise InputError(
            f"Of the {total} dense frames of {len(found)} validation videos {abnormal} are abnormal: "
            "choosing the best scorer needs normal and abnormal ones. Give other validation videos."
        )


def _telling(config: ScorerTraining, windows: Path | None) -> int | None:
    """How many leading features tell footage apart; None: all."""
    if pictured(config) is None:
        return None
    return (_TELLING_VIEWS if windows is None else _TELLING_WHOLE) * CHANNELS


def _described(
    train: list[Example], val: list[Example], config: ScorerTraining, leading: int | None
) -> Familiarity:
    """What the training features are like, and how far from them videos may lie that are known all the same.

    A known kind of camera need not be a known scene. Where the scenes' kinds are told, the limit is therefore
    set on validation videos of each kind by what all other kinds are like; else on the validation videos.
    """
    directions = config.familiarity_directions
    whole = Familiarity.fit(frames_of(train, DESCRIBING_FRAMES), directions, leading=leading)
    scenes = {example.video.scene for example in train}
    if len(scenes) < 2 or "" in scenes:
        return whole.calibrated(np.asarray(e.features.pooled, np.float32) for e in val)
    distances = []
    for scene in sorted({example.video.scene for example in val}):
        others = [example for example in train if example.video.scene != scene]
        known = whole
        if len(others) < len(train):
            known = Familiarity.fit(frames_of(others, LEFT_OUT_FRAMES), directions, leading=leading)
        distances += [
            known.distance(np.asarray(example.features.pooled, np.float32))
            for example in val
            if example.video.scene == scene and len(example)
        ]
    return whole.limited(distances, LEFT_OUT_WITHIN)
