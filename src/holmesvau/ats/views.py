"""Which camera, under which light, each dense frame shows: a video cut into views that are found again on
return.

A thing that moves changes some places of a picture; a cut, or a light switched on, changes nearly all of them
at once. Stretches between such changes are told apart by their usual look and grouped, so that a camera that
comes back is the same view as before.

Shape legend: `T` dense frames, `P` places (cells of the grid, flattened), `c` width of a cell's signature.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from holmesvau.ats.features import HalfArray, let_go, read_rows
from holmesvau.types import IndexArray

FloatCells = npt.NDArray[np.float32]

# A cut moves three quarters of the places at least this far (cosine distance). On real footage cuts measured
# .31 and more, a person stepping close to the camera .15 and less.
CUT = 0.22
# Two stretches show the same view when half of their places look alike to within this distance.
SAME = 0.15
# Frames a stretch's usual look is taken from, and frames held in memory at once.
LOOKS, CHUNK = 64, 1024


def directions(cells: HalfArray) -> FloatCells:
    """Signatures `cells[T, h, w, c]` as unit vectors `[T, P, c]`: what is there, not how bright it is."""
    flat = np.asarray(cells, dtype=np.float32).reshape(len(cells), -1, cells.shape[-1])
    lengths = np.sqrt(np.einsum("tpc,tpc->tp", flat, flat))[:, :, None]
    unit: FloatCells = flat / np.maximum(lengths, 1e-6)
    return unit


def find_views(cells: HalfArray) -> IndexArray:
    """The view of each dense frame, `[T]`, numbered from 0 in order of appearance.

    `cells[T, h, w, c]` may be memory-mapped: a few thousand frames are read at a time.
    """
    num_dense = len(cells)
    if not num_dense:
        return np.empty(0, dtype=np.int64)
    borders = [0, *cuts(cells).tolist(), num_dense]
    views = np.empty(num_dense, dtype=np.int64)
    looks: list[FloatCells] = []
    for start, end in pairwise(borders):
        look = _usual_look(cells, start, end)
        view = _same_view(look, looks)
        if view == len(looks):
            looks.append(look)
        views[start:end] = view
    return views


def cuts(cells: HalfArray) -> IndexArray:
    """The frames that show another view than the frame before them, rising."""
    found: list[IndexArray] = []
    for start in range(1, len(cells), CHUNK):
        unit = directions(cells[start - 1 : start + CHUNK])
        step = 1 - np.einsum("tpc,tpc->tp", unit[1:], unit[:-1])
        found.append(start + np.flatnonzero(np.quantile(step, 0.25, axis=1) > CUT))
        let_go(cells)
    return np.concatenate(found) if found else np.empty(0, dtype=np.int64)


def _usual_look(cells: HalfArray, start: int, end: int) -> FloatCells:
    """The median direction `[P, c]` of each place over frames spread over a stretch."""
    spread = np.unique(np.linspace(start, end - 1, min(LOOKS, end - start)).astype(np.int64))
    median = np.median(directions(read_rows(cells, spread)), axis=0)
    look: FloatCells = median / np.maximum(np.linalg.norm(median, axis=-1, keepdims=True), 1e-6)
    return look


def _same_view(look: FloatCells, looks: list[FloatCells]) -> int:
    """The number of the known look most like this one; one past the last when none is alike."""
    if not looks:
        return 0
    distance = np.median(1 - np.einsum("vpc,pc->vp", np.stack(looks), look), axis=1)
    nearest = int(distance.argmin())
    return nearest if distance[nearest] < SAME else len(looks)
