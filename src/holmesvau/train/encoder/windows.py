"""Windows of simulated videos, as the foveal encoder looks into them, with what the simulator knows of each.

Shape legend: `F` frames, `V` windows of a frame, `P` 128 pixels, `A` names in `ACTS`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt

from holmesvau.ats import fovea
from holmesvau.ats.foveal import CLOSE
from holmesvau.config import to_dict
from holmesvau.errors import InputError, OutputError, VideoError
from holmesvau.hivau.layout import Place
from holmesvau.sim.dataset import DATASET, frame_rates, load_plans
from holmesvau.sim.plan import Plan
from holmesvau.sim.scripts import ANOMALIES
from holmesvau.sim.seen import Seen, seen
from holmesvau.sim.world import ACTIONS, ActorKind, Held
from holmesvau.train.data import DataConfig, Progress, Split
from holmesvau.train.encoder.config import EncoderTraining
from holmesvau.train.scorer.examples import Skipped
from holmesvau.train.videos import annotation_digests
from holmesvau.video import open_video

# What can be in a window: what a person does, what one holds, what kind of thing is there.
ACTS = (
    *(f"action {name}" for name in ACTIONS),
    *(f"held {name}" for name in get_args(Held) if name),
    *(f"kind {name}" for name in get_args(ActorKind)),
)
# Class 0 is no anomaly.
CLASSES = ("Normal", *ANOMALIES)
_ACT = {name: number for number, name in enumerate(ACTS)}
_CLASS = {name: number for number, name in enumerate(CLASSES)}


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Windows of frames and what is in each: `pictures[F, V, P, P, 3]` uint8, of a split memory-mapped.

    `acts[F, V, A]` bool; `classes[F, V]` int64, 0 for none; `abnormal[F]` bool, whether an anomaly is under
    way anywhere.
    """

    pictures: npt.NDArray[np.uint8]
    acts: npt.NDArray[np.bool_]
    classes: npt.NDArray[np.int64]
    abnormal: npt.NDArray[np.bool_]
    skipped: tuple[Skipped, ...] = ()

    def __len__(self) -> int:
        return len(self.pictures)


def collect(
    data: DataConfig,
    roots: Sequence[Path],
    split: Split,
    config: EncoderTraining,
    folder: Path,
    progress: Progress | None = None,
) -> Windows:
    """The windows of a split, written to `folder` once and mapped from there.

    Raises:
        InputError: when no root holds simulated videos of that split, or another version made them.
        VideoError: when a video cannot be read and `data.on_error` is "stop".
        OutputError: when the folder cannot be written.
    """
    pictures, labels = folder / f"{split}.pictures", folder / f"{split}.npz"
    made_from = _made_from(data, roots, split, config)
    if not _is_of(labels, made_from):
        total = sum(len(frame_rates(root, data.split_of(split))) for root in _simulated(data, roots, split))
        if not total:
            raise InputError(
                f"{', '.join(map(str, roots))}: no simulated videos of a split named "
                f"{data.split_of(split)!r}. The encoder learns from what the simulator knows: "
                "run `holmesvau sim generate` first."
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            watched = None if progress is None else lambda done: progress("looking into windows", done, total)
            labels.unlink(missing_ok=True)
            _write(_planned(data, roots, split), data, config, pictures, labels, made_from, watched)
        except OSError as error:
            raise OutputError(f"{folder}: the windows cannot be written ({error}).") from error
    with np.load(labels) as found:
        known = {name: found[name] for name in ("acts", "classes", "abnormal")}
        skipped = tuple(Skipped(*one) for one in json.loads(str(found["skipped"])))
    shape = (*known["classes"].shape, CLOSE, CLOSE, 3)
    return Windows(np.memmap(pictures, np.uint8, "r", shape=shape), **known, skipped=skipped)


def _made_from(data: DataConfig, roots: Sequence[Path], split: Split, config: EncoderTraining) -> str:
    """What the windows of a split depend on: videos, which of them, and which of their frames."""
    chosen = {name: getattr(config, name) for name in ("frames", "abnormal_frames", "every_seconds", "seed")}
    return json.dumps([annotation_digests(data, roots), to_dict(data), split, chosen], sort_keys=True)


def _is_of(labels: Path, made_from: str) -> bool:
    """Whether windows are there and were made from just that."""
    if not labels.is_file():
        return False
    with np.load(labels) as found:
        return "made_from" in found and str(found["made_from"]) == made_from


def _planned(data: DataConfig, roots: Sequence[Path], split: Split) -> Iterator[tuple[Path, Plan]]:
    wanted = data.split_of(split)
    for root in _simulated(data, roots, split):
        for planned in load_plans(root, wanted):
            if data.takes(split, planned.name):
                yield root / Place(DATASET, wanted, planned.name).path, planned


def _simulated(data: DataConfig, roots: Sequence[Path], split: Split) -> list[Path]:
    """The roots whose videos of the split the simulator made."""
    return [root for root in roots if (root / f"{DATASET}_{data.split_of(split)}.json").is_file()]


def _write(
    videos: Iterator[tuple[Path, Plan]],
    data: DataConfig,
    config: EncoderTraining,
    pictures: Path,
    labels: Path,
    made_from: str,
    progress: Callable[[int], None] | None,
) -> None:
    acts, classes, abnormal = [], [], []
    skipped: list[tuple[str, str]] = []
    with pictures.open("wb") as file:
        for number, (path, planned) in enumerate(videos):
            try:
                looked = look(path, planned, config)
            except VideoError as error:
                if data.on_error == "stop":
                    raise
                skipped.append((planned.name, str(error)))
                continue
            file.write(looked.pictures.tobytes())
            acts.append(looked.acts)
            classes.append(looked.classes)
            abnormal.append(looked.abnormal)
            if progress is not None:
                progress(number + 1)
    if not acts:
        raise InputError(f"{pictures}: of {len(skipped)} videos none could be read. {skipped[0][1]}")
    partial = labels.with_suffix(".partial.npz")
    np.savez_compressed(
        partial,
        acts=np.concatenate(acts),
        classes=np.concatenate(classes),
        abnormal=np.concatenate(abnormal),
        skipped=np.array(json.dumps(skipped)),
        made_from=np.array(made_from),
    )
    # The labels' file says that the pictures' is whole.
    partial.replace(labels)


def look(path: Path, planned: Plan, config: EncoderTraining) -> Windows:
    """The windows of some frames of one video, and what is in each, in memory.

    Raises:
        VideoError: when it cannot be read.
    """
    with open_video(path) as video:
        every = max(1, round(planned.stage.fps * config.every_seconds))
        batches = list(video.frames(every=every))
    frames = np.concatenate([batch.frames for batch in batches])
    seconds = np.concatenate([batch.seconds for batch in batches])
    rows = chosen(planned, seconds, config)
    height, width = frames.shape[1:3]
    traces = fovea.thumbnails(frames)
    pictures = np.empty((len(rows), fovea.WINDOWS, CLOSE, CLOSE, 3), np.uint8)
    acts = np.zeros((len(rows), fovea.WINDOWS, len(ACTS)), np.bool_)
    classes = np.zeros((len(rows), fovea.WINDOWS), np.int64)
    for place, row in enumerate(rows):
        windows = fovea.glance(traces[row], traces[max(0, row - fovea.MEMORY) : row], width / height).windows
        pictures[place] = fovea.views(frames[row], windows, whole=CLOSE, close=CLOSE)[1]
        actors = seen(planned, float(seconds[row]), (width, height))
        for number, window in enumerate(windows):
            for one in actors:
                if _holds(window, one):
                    acts[place, number, _acts(one)] = True
                    classes[place, number] = _CLASS[one.label] if one.label else classes[place, number]
    abnormal = _within(seconds[rows], [(one.start, one.end) for one in planned.anomalies])
    return Windows(pictures, acts, classes, abnormal)


def chosen(planned: Plan, seconds: npt.NDArray[np.float64], config: EncoderTraining) -> list[int]:
    """Which frames of a video are looked at, in order: the same ones every time."""
    generator = random.Random(f"{config.seed} {planned.name}")
    abnormal = _within(seconds, [(one.start, one.end) for one in planned.anomalies])
    told = [(noted["start"], noted["end"]) for noted in planned.record["hard_negatives"]]
    alike = _within(seconds, told) & ~abnormal

    def some(of: npt.NDArray[np.bool_], most: int) -> list[int]:
        places = np.flatnonzero(of).tolist()
        return generator.sample(places, min(most, len(places)))

    rows = some(abnormal, min(config.abnormal_frames, config.frames))
    rows += some(alike, (config.frames - len(rows)) // 2)
    rows += some(~abnormal & ~alike, config.frames - len(rows))
    return sorted(rows)


def _within(seconds: npt.NDArray[np.float64], spans: Sequence[tuple[float, float]]) -> npt.NDArray[np.bool_]:
    inside = np.zeros(len(seconds), np.bool_)
    for start, end in spans:
        inside |= (seconds >= start) & (seconds <= end)
    return inside


def _holds(window: fovea.Window, one: Seen) -> bool:
    x, y = one.middle
    return window.left <= x <= window.right and window.top <= y <= window.bottom


def _acts(one: Seen) -> list[int]:
    names = [f"kind {one.kind}"]
    if one.action:
        names.append(f"action {one.action}")
    if one.held:
        names.append(f"held {one.held}")
    return [_ACT[name] for name in names]
