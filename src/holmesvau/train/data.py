"""Which videos a recipe trains on: folders in HIVAU-70k's layout, and simulated ones, rendered first."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from holmesvau.errors import ConfigError, InputError

Progress = Callable[[str, float, float | None], None]
Split = Literal["train", "val"]
OnError = Literal["stop", "skip"]


@dataclass(frozen=True, kw_only=True)
class SimulatedData:
    """Videos that `sim.generate` renders into the data's root where they are not there yet.

    `train_videos` 0 renders nothing. `seed` is the training split's; the validation split has the next one.
    `duration` is a range in seconds, `size` in pixels; `scenes` and `classes` empty mean all of the split.
    In each of `more_sizes` `more_videos` (for training, for validation; as many again when None) are
    rendered, into folders of the root that are called by their size, with seeds a hundred apart: a model that
    has seen one size only knows one size only.
    """

    train_videos: int = 0
    val_videos: int = 0
    seed: int = 0
    duration: tuple[float, float] = (20.0, 60.0)
    size: tuple[int, int] = (320, 240)
    fps: float = 15.0
    anomalous_share: float = 0.5
    scenes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    events: int = 3
    more_sizes: tuple[tuple[int, int], ...] = ()
    more_videos: tuple[int, int] | None = None

    @property
    def all_videos(self) -> tuple[int, int]:
        """How many videos for training and for validation, over all sizes."""
        train, val = self.more_videos or (self.train_videos, self.val_videos)
        more = len(self.more_sizes)
        return self.train_videos + more * train, self.val_videos + more * val

    def roots(self, first: Path) -> tuple[Path, ...]:
        """Where the videos of each size are, with the first size's at `first`."""
        return (first, *(first / f"{width}x{height}" for width, height in self.more_sizes))

    def __post_init__(self) -> None:
        if (self.train_videos > 0) != (self.val_videos > 0):
            raise ConfigError(
                f"data.simulated: {self.train_videos} training and {self.val_videos} validation videos; "
                "give both, or neither."
            )


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The data of both stages.

    `roots` are folders in HIVAU-70k's layout: as released, or as `holmesvau sim generate` writes them.
    `train_split` and `val_split` name their splits. The release has no validation split: with `hold_out`
    that share of the training videos is kept for validation, chosen by a hash of their names, and
    `val_split` is not looked for. A video (a row, in stage 2) that cannot be read stops the run, or with
    `on_error = "skip"` is left out, counted and named.
    """

    roots: tuple[str, ...] = ()
    train_split: str = "train"
    val_split: str = "val"
    hold_out: float = 0.0
    on_error: OnError = "stop"
    simulated: SimulatedData = field(default_factory=SimulatedData)

    def __post_init__(self) -> None:
        if not 0 <= self.hold_out < 1:
            raise ConfigError(f"data.hold_out = {self.hold_out}: give a share below 1.")

    def split_of(self, split: Split) -> str:
        """The name that a split has in the files."""
        return self.val_split if split == "val" and not self.hold_out else self.train_split

    def takes(self, split: Split, video: str) -> bool:
        """Whether the video of that name belongs to `split`, when some training videos are held out."""
        if not self.hold_out:
            return True
        digest = hashlib.blake2b(video.encode(), digest_size=8).digest()
        held = int.from_bytes(digest) < self.hold_out * 2**64
        return held == (split == "val")


def prepare(
    config: DataConfig,
    *,
    rendered: str | Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> tuple[Path, ...]:
    """The roots, with simulated videos rendered into the first one where the configuration has some.

    Where it has simulated videos and no roots, `rendered` is the root.

    Raises:
        InputError: when there are no roots or one is no folder.
        MissingPartError: when videos must be rendered and OpenCV is not installed.
    """
    roots = named_roots(config, rendered)
    simulated = config.simulated
    if simulated.train_videos:
        first = roots[0]
        sizes = (simulated.size, *simulated.more_sizes)
        for number, (root, size) in enumerate(zip(simulated.roots(first), sizes, strict=True)):
            one = replace(simulated, size=size, seed=simulated.seed + 100 * number)
            if number and simulated.more_videos is not None:
                train, val = simulated.more_videos
                one = replace(one, train_videos=train, val_videos=val)
            _render(one, config, root, workers, progress)
    for root in roots:
        if not root.is_dir():
            raise InputError(f"{root}: no such folder. Give --data FOLDER, a folder in HIVAU-70k's layout.")
    return roots


def named_roots(config: DataConfig, rendered: str | Path | None = None) -> tuple[Path, ...]:
    """The folders of the data, whether they are there or not; see `prepare`.

    Raises:
        InputError: when there are none.
    """
    given = tuple(Path(root).expanduser() for root in config.roots)
    if not config.simulated.train_videos and given:
        return given
    if config.simulated.train_videos and (given or rendered is not None):
        first = given[0] if given else Path(str(rendered))
        return (*config.simulated.roots(first), *given[1:])
    raise InputError("The recipe names no data. Give --data FOLDER, a folder in HIVAU-70k's layout.")


def _render(
    simulated: SimulatedData,
    config: DataConfig,
    root: Path,
    workers: int | None,
    progress: Progress | None,
) -> None:
    import importlib.util

    from holmesvau.errors import MissingPartError

    if importlib.util.find_spec("cv2") is None:
        raise MissingPartError(
            "The recipe's videos are drawn with OpenCV, which is not installed: "
            "pip install 'holmesvau[sim]', or give --data with videos of your own."
        )
    from holmesvau import sim

    limits: dict[str, Sequence[str]] = {"scenes": simulated.scenes, "classes": simulated.classes}
    chosen = {name: values for name, values in limits.items() if values}
    for number, (split, count) in enumerate(
        ((config.train_split, simulated.train_videos), (config.val_split, simulated.val_videos))
    ):
        sim.generate(
            root,
            count,
            simulated.seed + number,
            split=split,
            duration=simulated.duration,
            size=simulated.size,
            fps=simulated.fps,
            anomalous_share=simulated.anomalous_share,
            events=simulated.events,
            workers=workers,
            progress=progress,
            **chosen,  # type: ignore[arg-type]
        )
