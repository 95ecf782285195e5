"""Placing `N` distinct frames over `T` dense frames by a density: what all samplers are made of."""

from __future__ import annotations

import numpy as np

from holmesvau.types import FloatArray, IndexArray


def uniform_cover(num_dense: int, num_frames: int) -> IndexArray:
    """The frames in the middles of `N` equal parts of `[0, T)`, distinct; all `T` when there are no more than
    `N`.
    """
    if num_dense <= num_frames:
        return np.arange(num_dense, dtype=np.int64)
    return ((np.arange(num_frames) + 0.5) * num_dense / num_frames).astype(np.int64)


def inverse_transform(mass: FloatArray, num_frames: int) -> IndexArray:
    """Where the middles of `N` equal shares of `mass[T]` fall: positions `[N]`, rising, possibly repeated.

    Uniform where there is no mass at all.
    """
    cumulative = np.cumsum(mass)
    total = cumulative[-1]
    if not total > 0:
        return uniform_cover(len(mass), num_frames)
    points = (np.arange(num_frames) + 0.5) * (total / num_frames)
    return np.minimum(np.searchsorted(cumulative, points, side="right"), len(mass) - 1).astype(np.int64)


def apart(positions: IndexArray, num_dense: int) -> IndexArray:
    """Make rising positions distinct within `[0, T)` by moving each as little as its neighbours allow.

    `N` <= `T` is assumed. Positions that are distinct already stay where they are.
    """
    steps = np.arange(len(positions))
    # Distinct and rising means that `positions - steps` does not fall: take the middle of the two closest
    # such sequences, one that only pushes frames later and one that only pushes them earlier.
    slack = positions - steps
    later = np.maximum.accumulate(slack)
    earlier = np.minimum.accumulate(slack[::-1])[::-1]
    middle = np.clip((later + earlier) // 2, 0, num_dense - len(positions))
    return (middle + steps).astype(np.int64)
