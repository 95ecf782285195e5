"""Which cells an ablation has: what each trains with, which frames it shows, which row of the paper it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Literal

from holmesvau import registry
from holmesvau.describe import SamplerConfig
from holmesvau.errors import InputError

Name = Literal["levels", "samplers", "frames", "lora-rank"]
# As the paper's Table 4 has them, and ours.
METHODS = ("topk", "uniform", "density", "event-first")
FRAMES = (8, 16, 32)
RANKS = (8, 16, 32, 64, 128)
_MIXTURES = ("C", "E", "V", "C+E", "C+V", "E+V", "C+E+V")
_LETTERS = {"C": "clip", "E": "event", "V": "video"}
# What the paper says of samplers, and what we say of ours.
_CLAIMS = (("event-first", "density"), ("density", "uniform"), ("density", "topk"))
_PAPER_NAMES = {"topk": "top-k", "uniform": "uniform", "density": "ATS"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of a study.

    `training` are settings laid over the recipe (`instruct.adaptation.rank=8`), none for a cell that needs
    no training of its own. `sampler` chooses its frames. `published` is the paper's row of that name.
    """

    name: str
    training: tuple[str, ...] = ()
    sampler: SamplerConfig | None = None
    published: str | None = None


@dataclass(frozen=True, slots=True)
class Study:
    """An ablation: its cells, the paper's table it repeats (None: without numbers), the levels it shows.

    `contrasts` are pairs of cells, by name, of which the first is expected to be better.
    """

    name: Name
    title: str
    table: Literal["3", "4"] | None
    levels: tuple[str, ...]
    cells: tuple[Cell, ...]
    contrasts: tuple[tuple[str, str], ...] = ()


def only(study: Study, names: Sequence[str]) -> Study:
    """A study of some of its cells, by name, and the contrasts between them.

    Raises:
        InputError: for a name that no cell has.
    """
    known = [cell.name for cell in study.cells]
    for name in names:
        if name not in known:
            raise InputError(f"{study.name} has no cell {name!r}. Its cells: {'; '.join(known)}.")
    return replace(
        study,
        cells=tuple(cell for cell in study.cells if cell.name in names),
        contrasts=tuple(pair for pair in study.contrasts if set(pair) <= set(names)),
    )


def levels() -> Study:
    """Which levels are trained on (the paper's Table 3): every mixture of clip, event and video."""
    cells = []
    for mixture in _MIXTURES:
        shares = {level: float(letter in mixture.split("+")) for letter, level in _LETTERS.items()}
        training = tuple(f"instruct.mixture.{level}={share}" for level, share in shares.items())
        cells.append(Cell(mixture, training, None, mixture))
    whole = _MIXTURES[-1]
    return Study(
        "levels",
        "Levels trained on (the paper's Table 3)",
        "3",
        ("clip", "event", "video"),
        tuple(cells),
        tuple((whole, part) for part in _MIXTURES[:-1]),
    )


def samplers(methods: Sequence[str] = METHODS, frames: Sequence[int] = FRAMES, tau: float = 0.1) -> Study:
    """How frames are chosen, and how many (the paper's Table 4), with one model for all cells.

    Raises:
        InputError: for an unknown sampler or a number of frames below 1.
    """
    cells = tuple(_sampled(method, count, tau) for count, method in product(frames, methods))
    contrasts = tuple(
        (_name(better, count), _name(worse, count))
        for count in frames
        for better, worse in _CLAIMS
        if better in methods and worse in methods
    )
    return Study("samplers", "Samplers (the paper's Table 4)", "4", ("video",), cells, contrasts)


def frames(
    method: str = "event-first", frames: Sequence[int] = (4, 8, 16, 32, 64), tau: float = 0.1
) -> Study:
    """How many frames one sampler chooses: what more frames are worth, and what they cost.

    Raises:
        InputError: as `samplers`.
    """
    cells = tuple(_sampled(method, count, tau) for count in frames)
    return Study("frames", f"Frames chosen by {method}", "4", ("video",), cells, _rising(cells))


def lora_rank(ranks: Sequence[int] = RANKS) -> Study:
    """The rank of the LoRA, alpha being twice the rank as in the paper (64 and 128).

    Raises:
        InputError: for a rank below 1.
    """
    for rank in ranks:
        if rank < 1:
            raise InputError(f"LoRA rank {rank}: give 1 or more.")
    cells = tuple(
        Cell(
            f"rank {rank}",
            (f"instruct.adaptation.rank={rank}", f"instruct.adaptation.alpha={2.0 * rank}"),
        )
        for rank in ranks
    )
    return Study("lora-rank", "Rank of the LoRA", None, ("clip", "event", "video"), cells, _rising(cells))


def _rising(cells: Sequence[Cell]) -> tuple[tuple[str, str], ...]:
    """Every cell and the one before it, which is smaller."""
    return tuple((more.name, less.name) for less, more in pairwise(cells))


def _name(method: str, count: int) -> str:
    return f"{method}, N = {count}"


def _sampled(method: str, count: int, tau: float) -> Cell:
    registry.get("samplers", method)
    if count < 1:
        raise InputError(f"{count} frames: choose 1 or more.")
    paper = _PAPER_NAMES.get(method)
    return Cell(
        _name(method, count),
        (),
        SamplerConfig(method=method, num_frames=count, tau=tau),
        f"{paper}, N = {count}" if paper else None,
    )
