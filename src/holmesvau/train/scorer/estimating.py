"""What stage 1 will need, before it starts: from the data's counts and one measured step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from holmesvau.ats.classes import ClassNames
from holmesvau.ats.familiarity import Familiarity
from holmesvau.ats.features import Encoder
from holmesvau.ats.records import record_type
from holmesvau.errors import InputError
from holmesvau.train import environment
from holmesvau.train.data import DataConfig, named_roots
from holmesvau.train.processes import Processes, joined
from holmesvau.train.recipes import Recipe
from holmesvau.train.scorer import losses
from holmesvau.train.scorer.config import ScorerTraining
from holmesvau.train.scorer.encoders import make_encoder
from holmesvau.train.scorer.examples import Batch
from holmesvau.train.scorer.model import noise_for
from holmesvau.train.scorer.training import new_scorer
from holmesvau.train.videos import TrainingVideo, listed

# For videos whose annotation does not tell how long they are, and frames a second where it says no rate.
USUAL_SECONDS, USUAL_RATE = 60.0, 30.0
# The picture that the encoder is timed on.
PICTURE = (640, 360)
_MEASURED_STEPS = 2


@dataclass(frozen=True, slots=True)
class ScorerEstimate:
    """What training would take on this machine, on one process.

    `render_videos` are still to be rendered; `scan_seconds` is the encoder's time where the store has no
    features yet; `train_seconds` are for all epochs, without validation. `memory_bytes` is the most that a
    step was seen to hold, `disk_bytes` what the features and the run folder take.
    """

    train_videos: int
    val_videos: int
    render_videos: int
    video_seconds: float
    dense_frames: int
    parameters: int
    steps: int
    step_seconds: float
    scan_seconds: float
    train_seconds: float
    memory_bytes: int
    disk_bytes: int
    device: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def in_words(self) -> str:
        """A few lines for people."""
        rendered = f", {self.render_videos} of them to be rendered first" if self.render_videos else ""
        return (
            f"{self.train_videos} training and {self.val_videos} validation videos{rendered}: "
            f"{self.video_seconds / 3600:.1f} hours, {self.dense_frames} dense frames\n"
            f"scan: at most {_time(self.scan_seconds)} and {self.disk_bytes / 2**20:.0f} MiB of disk\n"
            f"training: {self.steps} steps of {self.step_seconds:.2f} s, {_time(self.train_seconds)} on "
            f"{self.device}; {self.parameters / 1e6:.2f} M parameters\n"
            f"memory: {self.memory_bytes / 2**30:.2f} GiB"
        )


def estimate(recipe: Recipe, out: str | Path, *, device: str | None = None) -> ScorerEstimate:
    """What `train_scorer` of the same arguments would need; renders, scans and writes nothing.

    Raises:
        InputError: when there are no data or the device cannot be used. ModelError: when the encoder cannot.
    """
    config = recipe.scorer
    with joined(device) as processes, torch.random.fork_rng():
        roots = named_roots(recipe.data, Path(out).parent / "data")
        train, val, missing = _counts(recipe.data, roots, config)
        encoder = make_encoder(config, processes.device, Path(out))
        parameters, step_seconds = _measured_step(config, encoder, train, processes)
        dense = sum(video.dense_frames for video in (*train, *val))
        anomalous = sum(video.is_anomalous for video in train)
        share = config.batch_videos // 2
        largest = max(anomalous, len(train) - anomalous)
        steps = config.epochs * max(config.steps_per_epoch, -(-largest // share))
        record = record_type(encoder.width, encoder.cells_shape).itemsize
        return ScorerEstimate(
            train_videos=len(train),
            val_videos=len(val),
            render_videos=missing,
            video_seconds=sum(video.seconds for video in (*train, *val)),
            dense_frames=dense,
            parameters=parameters,
            steps=steps,
            step_seconds=step_seconds,
            scan_seconds=dense * _seconds_a_frame(encoder),
            train_seconds=steps * step_seconds,
            memory_bytes=environment.peak_memory(processes.device),
            # Two checkpoints of weights and Adam's two moments, best and last.
            disk_bytes=dense * record + parameters * 4 * (2 * 3 + 2),
            device=processes.device,
        )


@dataclass(frozen=True, slots=True)
class _Counted:
    seconds: float
    dense_frames: int
    is_anomalous: bool


def _counts(
    data: DataConfig, roots: Sequence[Path], config: ScorerTraining
) -> tuple[list[_Counted], list[_Counted], int]:
    """The videos of both splits, and how many are yet to be rendered."""
    simulated = data.simulated
    try:
        train, val = (
            [_counted(video, config) for video in listed(data, roots, split)] for split in ("train", "val")
        )
        return train, val, 0
    except InputError:
        if not simulated.train_videos:
            raise
    seconds = sum(simulated.duration) / 2
    frames = _dense_frames(seconds, simulated.fps, config)

    def planned(count: int) -> list[_Counted]:
        anomalous = round(count * simulated.anomalous_share)
        return [_Counted(seconds, frames, number < anomalous) for number in range(count)]

    train, val = map(planned, simulated.all_videos)
    return train, val, len(train) + len(val)


def _counted(video: TrainingVideo, config: ScorerTraining) -> _Counted:
    seconds = video.duration or USUAL_SECONDS
    return _Counted(seconds, _dense_frames(seconds, video.fps or USUAL_RATE, config), video.is_anomalous)


def _dense_frames(seconds: float, fps: float, config: ScorerTraining) -> int:
    stride = config.scan.every / fps if config.scan.every is not None else config.scan.every_seconds
    return max(1, round(seconds / stride))


def _measured_step(
    config: ScorerTraining, encoder: Encoder, train: Sequence[_Counted], processes: Processes
) -> tuple[int, float]:
    """Parameters, and seconds of one step on windows as long as the longest."""
    length = min(config.window, max(video.dense_frames for video in train))
    width, names = encoder.width, ClassNames(("anomaly",))
    nothing = Familiarity.fit([np.random.default_rng(0).normal(size=(4, width))], 1)
    scorer = new_scorer(config, nothing, names).to(processes.device).train()
    optimiser = torch.optim.Adam(scorer.parameters(), lr=config.optimisation.learning_rate)
    videos = max(2, config.batch_videos // processes.count)
    shape = videos, length
    batch = Batch(
        torch.rand(*shape, width),
        torch.ones(shape, dtype=torch.bool),
        torch.zeros(shape),
        torch.zeros(shape, dtype=torch.long),
        torch.arange(videos) < videos // 2,
    ).to(processes.device)
    noise = noise_for(*shape, torch.Generator()).to(processes.device)
    taken = []
    for _ in range(_MEASURED_STEPS):
        began = time.perf_counter()
        outputs, logits = scorer.forward_in(config.optimisation.precision, batch, noise)
        parts = losses.total(outputs, logits, batch, config.losses, None, names.anomalous)
        optimiser.zero_grad()
        parts["loss"].backward()
        optimiser.step()
        # A value that is read waits for the device.
        parts["loss"].item()
        taken.append(time.perf_counter() - began)
    return sum(p.numel() for p in scorer.parameters()), min(taken)


def _seconds_a_frame(encoder: Encoder) -> float:
    width, height = encoder.frame_size(*PICTURE) or PICTURE
    frames = np.zeros((encoder.batch_size, height, width, 3), np.uint8)
    taken = []
    for _ in range(_MEASURED_STEPS):
        began = time.perf_counter()
        encoder.encode(frames)
        taken.append(time.perf_counter() - began)
    return min(taken) / len(frames)


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
