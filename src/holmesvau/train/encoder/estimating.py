"""What the encoder's training will need, before it starts: from the data's counts and one measured step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from holmesvau.ats.fovea import WINDOWS
from holmesvau.ats.foveal import CLOSE
from holmesvau.clock import clock
from holmesvau.sim.dataset import DATASET, frame_rates
from holmesvau.train import environment
from holmesvau.train.data import named_roots
from holmesvau.train.encoder.model import LearningEncoder, altered
from holmesvau.train.encoder.windows import ACTS, CLASSES
from holmesvau.train.processes import joined
from holmesvau.train.recipes import Recipe

# Seconds to read one simulated video and look into its windows, on one core; steps that are measured.
LOOKING_SECONDS = 0.2
_MEASURED_STEPS = 2


@dataclass(frozen=True, slots=True)
class EncoderEstimate:
    """What training would take on this machine, on one process.

    `render_videos` are still to be rendered; `look_seconds` is for finding the windows, at most;
    `train_seconds` for all epochs, without validation. `memory_bytes` is the most that a step was seen to
    hold; `disk_bytes` what windows and run folder take.
    """

    train_videos: int
    val_videos: int
    render_videos: int
    frames: int
    parameters: int
    steps: int
    step_seconds: float
    look_seconds: float
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
            f"{self.train_videos} training and {self.val_videos} validation videos{rendered}: at most "
            f"{self.frames} frames to learn from\n"
            f"windows: at most {clock(self.look_seconds)} and {self.disk_bytes / 2**20:.0f} MiB of disk\n"
            f"training: {self.steps} steps of {self.step_seconds:.2f} s, {clock(self.train_seconds)} on "
            f"{self.device}; {self.parameters / 1e6:.2f} M parameters that learn\n"
            f"memory: {self.memory_bytes / 2**30:.2f} GiB"
        )


def estimate(recipe: Recipe, out: str | Path, *, device: str | None = None) -> EncoderEstimate:
    """What `train_encoder` of the same arguments would need; renders, looks at and writes nothing.

    Raises:
        InputError: when there are no data or the device cannot be used.
    """
    config, simulated = recipe.encoder, recipe.data.simulated
    with joined(device) as processes, torch.random.fork_rng():
        roots = named_roots(recipe.data, Path(out).parent / "data")
        train, val = (_videos(roots, recipe.data.split_of(split)) for split in ("train", "val"))
        missing = 0
        if not train and simulated.train_videos:
            train, val = simulated.all_videos
            missing = train + val
        if recipe.data.hold_out:
            val = round(train * recipe.data.hold_out)
            train -= val
        frames = train * config.frames
        steps = max(1, int(config.epochs * frames / config.batch_windows))
        encoder = LearningEncoder(
            len(ACTS), len(CLASSES), first_block=config.first_block, dropout=config.dropout
        ).to(processes.device)
        step_seconds = _step_seconds(encoder, config.batch_windows // processes.count, processes.device)
        learning = sum(p.numel() for p in (*encoder.trained(), *encoder.heads()))
        whole = sum(p.numel() for p in encoder.parameters())
        pictures = (train + val) * config.frames * WINDOWS * CLOSE * CLOSE * 3
        return EncoderEstimate(
            train_videos=train,
            val_videos=val,
            render_videos=missing,
            frames=frames,
            parameters=learning,
            steps=steps,
            step_seconds=step_seconds,
            look_seconds=(train + val) * LOOKING_SECONDS,
            train_seconds=steps * step_seconds,
            memory_bytes=environment.peak_memory(processes.device),
            # Two checkpoints of weights and AdamW's two moments, best and last in half precision.
            disk_bytes=pictures + 2 * (whole + 2 * learning) * 4 + 2 * whole * 2,
            device=processes.device,
        )


def _videos(roots: Sequence[Path], split: str) -> int:
    simulated = (root for root in roots if (root / f"{DATASET}_{split}.json").is_file())
    return sum(len(frame_rates(root, split)) for root in simulated)


def _step_seconds(encoder: LearningEncoder, windows: int, device: str) -> float:
    """Seconds of one step, the altering of its pictures included."""
    optimiser = torch.optim.AdamW([*encoder.trained(), *encoder.heads()])
    pictures = torch.from_numpy(np.zeros((max(1, windows), CLOSE, CLOSE, 3), np.uint8))
    taken = []
    for _ in range(_MEASURED_STEPS):
        began = time.perf_counter()
        acts, classes = encoder(altered(pictures, torch.Generator()).to(device))
        optimiser.zero_grad()
        loss = acts.square().mean() + classes.square().mean()
        loss.backward()
        optimiser.step()
        # A value that is read waits for the device.
        loss.item()
        taken.append(time.perf_counter() - began)
    return min(taken)
