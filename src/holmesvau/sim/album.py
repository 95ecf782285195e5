"""Contact sheets of what is staged: each class of anomaly and each hard negative as a row of frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt

from holmesvau.errors import InputError
from holmesvau.sim import scenes
from holmesvau.sim.render import Renderer
from holmesvau.sim.scripts import ANOMALIES, NEGATIVES, SUITED, Cue, Happening, Script
from holmesvau.sim.scripts.cue import NoRoomError
from holmesvau.sim.scripts.floor import Floor
from holmesvau.sim.sheet import Sheet, contact_sheet, save, tiled
from holmesvau.sim.world import Sensor, Stage

Picture = npt.NDArray[np.uint8]
STAGED = ("classes", "negatives")
COLUMNS = 6
CELL = (320, 180)


def draw(out_dir: str | Path, *, names: Sequence[str] | None = None, seed: int = 1) -> list[Path]:
    """Draw the named sheets (all by default) as `sheet-NAME.png` in `out_dir` and return their paths.

    Raises:
        InputError: when a sheet has an unknown name.
        OutputError: when a file cannot be written.
    """
    plain = get_args(Sheet)
    wanted = names if names is not None else (*STAGED, *plain)
    unknown = [name for name in wanted if name not in (*STAGED, *plain)]
    if unknown:
        raise InputError(
            f"No contact sheet is called {unknown[0]!r}; there are {', '.join((*STAGED, *plain))}."
        )
    folder, paths = Path(out_dir), []
    for name in wanted:
        if name in STAGED:
            scripts = ANOMALIES if name == "classes" else NEGATIVES
            rows = [cell for label, script in scripts.items() for cell in _row(label, script, seed)]
            paths.append(save(tiled(rows, COLUMNS), folder / f"sheet-{name}.png"))
        else:
            paths += contact_sheet(folder, sheets=[name], seed=seed)  # type: ignore[list-item]
    return paths


def _row(label: str, script: Script, seed: int) -> list[tuple[str, Picture]]:
    """The happening in six frames: before it, through it, and its end."""
    staged, stage = _staged(label, script, seed)
    renderer = Renderer(stage)
    last = stage.num_frames - 1
    times = np.linspace(staged.start - 0.4, staged.end - 0.1, COLUMNS)
    cells = []
    for t in times:
        phase = next((beat.phase for beat in staged.beats if beat.start <= t < beat.end), "before")
        frame = renderer.frame(min(last, max(0, round(float(t) * stage.fps))))
        cells.append((f"{label}, {stage.scene.name}: {phase}", frame))
    return cells


def _staged(label: str, script: Script, seed: int) -> tuple[Happening, Stage]:
    suited = [name for name in scenes.NAMES if label in SUITED[name] or label in NEGATIVES]
    for attempt in range(40):
        rng = np.random.default_rng([seed, attempt, sum(map(ord, label))])
        scene = scenes.build(suited[int(rng.integers(len(suited)))], seed + attempt)
        cue = Cue(Floor(scene), rng, split="train", seconds=6.0, grey=False, dark=False, name=label)
        try:
            staged = script(cue)
        except NoRoomError:
            continue
        staged = staged.moved(1.0 - staged.start)
        stage = Stage(
            scene=scene,
            duration=staged.end + 1.0,
            size=CELL,
            seed=seed,
            sensor=Sensor(clock="2031-03-02T14:14:05"),
            actors=staged.actors,
            jolts=staged.jolts,
            light_changes=staged.light_changes,
        )
        return staged, stage
    raise InputError(f"{label}: found no room in any scene with seed {seed}. Give another seed.")
