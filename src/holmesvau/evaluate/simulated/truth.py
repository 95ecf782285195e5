"""What was staged in a split of simulated videos: events with class and texts, hard negatives, scene."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holmesvau.errors import InputError
from holmesvau.hivau.annotations import load_annotations
from holmesvau.hivau.files import read_text
from holmesvau.hivau.ground_truth import GroundTruth
from holmesvau.hivau.schema import EventAnnotation
from holmesvau.sim.dataset import DATASET, load_truth
from holmesvau.types import Span


@dataclass(frozen=True, slots=True)
class TrueEvent:
    """A staged anomaly (or, with empty texts, a hard negative) and the words for it."""

    span: Span
    label: str
    texts: EventAnnotation | None = None


@dataclass(frozen=True, slots=True)
class SimulatedVideo:
    """One video and its truth. `frames` are the frame labels; times are seconds.

    `digest` is the simulator's fingerprint of all its pixels and texts.
    """

    name: str
    path: Path
    frames: GroundTruth
    num_frames: int
    fps: float
    digest: str
    scene: str
    light: str
    events: tuple[TrueEvent, ...]
    hard_negatives: tuple[TrueEvent, ...]

    @property
    def key(self) -> str:
        """A name that no other video has, nor this one when it is made differently."""
        return f"{self.name}-{self.digest[:8]}"

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.num_frames / self.fps

    @property
    def is_anomalous(self) -> bool:
        """True when an anomaly was staged in it."""
        return bool(self.events)


def load(root: str | Path, split: str = "test", *, limit: int | None = None) -> list[SimulatedVideo]:
    """The videos of a split that `sim.generate` made, in its order; only the first `limit` of them.

    Raises:
        InputError: when the folder has no such split, or its files do not belong together.
    """
    root = Path(root)
    frames = {video.name: video for video in load_truth(root, split)}
    trees = load_annotations(root / "raw_annotations" / f"{DATASET}_database_{split}.json")
    side = root / f"{DATASET}_{split}.json"
    videos = []
    for record in list(json.loads(read_text(side))["videos"].values())[:limit]:
        name = record["name"]
        told = trees[name].events if name in trees and record["events"] else ()
        if name not in trees or len(told) != len(record["events"]):
            raise InputError(f"{side}: {name} does not fit raw_annotations. Generate the split again.")
        videos.append(
            SimulatedVideo(
                name=name,
                path=root / frames[name].path,
                frames=frames[name],
                num_frames=record["num_frames"],
                fps=record["fps"],
                digest=record["digest"],
                scene=record["scene"],
                light=record["light"],
                events=tuple(_noted(n, texts) for n, texts in zip(record["events"], told, strict=True)),
                hard_negatives=tuple(_noted(noted, None) for noted in record["hard_negatives"]),
            )
        )
    return videos


def _noted(record: dict[str, Any], texts: EventAnnotation | None) -> TrueEvent:
    return TrueEvent(Span(record["start"], record["end"]), record["label"], texts)
