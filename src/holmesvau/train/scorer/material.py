"""All that stage 1 reads: videos rendered, scanned, labelled and described, with a hash of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from holmesvau.ats.classes import ClassNames
from holmesvau.ats.familiarity import Familiarity
from holmesvau.ats.features import Progress
from holmesvau.ats.store import FeatureStore
from holmesvau.errors import InputError
from holmesvau.train.data import prepare
from holmesvau.train.processes import Processes
from holmesvau.train.recipes import Recipe
from holmesvau.train.run import Run
from holmesvau.train.scorer.examples import (
    Example,
    Skipped,
    class_names,
    examples,
    frames_of,
    make_encoder,
)
from holmesvau.train.videos import annotation_digests, listed

# Frames that describe the training features: more change nothing that matters.
DESCRIBING_FRAMES = 200_000


@dataclass(frozen=True, slots=True)
class Material:
    """All that training reads."""

    train: list[Example]
    val: list[Example]
    names: ClassNames
    skipped: list[Skipped]
    familiarity: Familiarity
    metadata: dict[str, str]


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
    encoder = make_encoder(config, processes.device)
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
    familiarity = None
    if processes.is_main:
        described = Familiarity.fit(
            frames_of(found["train"], DESCRIBING_FRAMES), config.familiarity_directions
        )
        familiarity = described.calibrated(np.asarray(e.features.pooled, np.float32) for e in found["val"])
    familiarity = processes.from_main(familiarity)
    assert familiarity is not None
    metadata = {"encoder": encoder.name, "stride": config.scan.stride, "recipe": recipe.name}
    return Material(found["train"], found["val"], names, skipped, familiarity, metadata)


def _refuse_one_sided(found: list[Example]) -> None:
    abnormal, total = sum(int(e.labels.sum()) for e in found), sum(map(len, found))
    if not 0 < abnormal < total:
        raise InputError(
            f"Of the {total} dense frames of {len(found)} validation videos {abnormal} are abnormal: "
            "choosing the best scorer needs normal and abnormal ones. Give other validation videos."
        )
