"""The videos of a split with what is known of each: its classes, its events, its hard negatives."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from holmesvau.errors import InputError
from holmesvau.hivau import layout
from holmesvau.hivau.annotations import load_annotations
from holmesvau.hivau.problems import Problem
from holmesvau.hivau.schema import VideoAnnotation
from holmesvau.sim.dataset import DATASET as SIMULATED
from holmesvau.sim.dataset import load_truth
from holmesvau.train.data import DataConfig, Split
from holmesvau.types import Span


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a video, in seconds, and its class; an empty one where nobody says which of several."""

    span: Span
    label: str


@dataclass(frozen=True, slots=True)
class TrainingVideo:
    """One video: its path as the data name it, its file, and where it is abnormal.

    `events` are its anomalies, none in a normal video; `hard_negatives` what looks like one and is none.
    `duration` in seconds and `fps` are the annotation's, None where it does not tell. `scene` is the kind of
    scene it was recorded in, empty where nobody says.
    """

    name: str
    path: Path
    labels: tuple[str, ...]
    events: tuple[Stretch, ...]
    hard_negatives: tuple[Stretch, ...]
    duration: float | None
    fps: float | None
    scene: str = ""

    @property
    def is_anomalous(self) -> bool:
        """The video label: all that weak supervision sees."""
        return bool(self.labels)


def listed(config: DataConfig, roots: Sequence[Path], split: Split) -> list[TrainingVideo]:
    """The videos of a split in the order of their names, from the annotations of the roots that have it.

    Events come from the annotations' spans, of simulated videos from the exact frames, with a class each.

    Raises:
        InputError: when no root has videos of that split.
    """
    wanted = config.split_of(split)
    found: dict[str, TrainingVideo] = {}
    for root in roots:
        files = [file for file in layout.annotation_files(root) if file.split == wanted and file.dataset]
        for file in files:
            exact = _exact(root, wanted) if file.dataset == SIMULATED else {}
            # `holmesvau data check` lists what is odd in the annotations; here it is survived.
            problems: list[Problem] = []
            for annotation in load_annotations(file.path, problems=problems).values():
                if config.takes(split, annotation.name):
                    name = file.place(annotation.name).path
                    told = exact.get(annotation.name) or (_events(annotation), (), "")
                    events, negatives, scene = told
                    found[f"{root}/{name}"] = TrainingVideo(
                        name,
                        root / name,
                        annotation.labels,
                        events,
                        negatives,
                        annotation.duration,
                        annotation.fps or None,
                        scene,
                    )
    if not found:
        raise InputError(
            f"{', '.join(map(str, roots))}: no videos of a split named {wanted!r} "
            f"(raw_annotations/NAME_database_{wanted}.json). Name another with data.train_split or "
            "data.val_split, or hold out training videos with data.hold_out."
        )
    return [found[key] for key in sorted(found)]


def annotation_digests(config: DataConfig, roots: Sequence[Path]) -> dict[str, str]:
    """A hash of every annotation file and of the simulator's truth that a run reads."""
    splits = {config.split_of("train"), config.split_of("val")}
    paths = [
        file.path for root in roots for file in layout.annotation_files(root) if file.split in splits
    ] + [path for root in roots for split in sorted(splits) if (path := _side_file(root, split)).is_file()]
    return {
        str(path): hashlib.blake2b(path.read_bytes(), digest_size=20).hexdigest()
        for path in sorted(set(paths))
    }


def _side_file(root: Path, split: str) -> Path:
    return root / f"{SIMULATED}_{split}.json"


def _events(annotation: VideoAnnotation) -> tuple[Stretch, ...]:
    # The events of a normal video are stretches that were sampled to be described (paper §3.2).
    if not annotation.is_anomalous:
        return ()
    label = annotation.labels[0] if len(annotation.labels) == 1 else ""
    return tuple(Stretch(event.span, label) for event in annotation.events)


Exact = dict[str, tuple[tuple[Stretch, ...], tuple[Stretch, ...], str]]


def _exact(root: Path, split: str) -> Exact:
    """Events, hard negatives and scene of simulated videos by name; none where the side file is not there."""
    import json

    if not _side_file(root, split).is_file():
        return {}
    records = json.loads(_side_file(root, split).read_text(encoding="utf-8"))["videos"]
    stretches: dict[str, dict[str, tuple[Stretch, ...]]] = {}
    for of in ("events", "hard_negatives"):
        for truth in load_truth(root, split, of=of):
            rate = float(records[truth.name]["fps"])
            # Half a frame early on both sides: a frame's time never falls on a border by rounding.
            stretches.setdefault(truth.name, {})[of] = tuple(
                Stretch(Span(max(0.0, (i.start - 0.5) / rate), (i.end - 0.5) / rate), i.labels[0])
                for i in truth.intervals
            )
    return {
        name: (of["events"], of["hard_negatives"], str(records[name].get("scene", "")))
        for name, of in stretches.items()
    }
