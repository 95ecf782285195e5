"""A network on hours of frames: window by window, cross-faded where windows overlap, in bounded memory.

Shape legend: `B` batch, `T` dense frames, `K` numbers told of a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

# Frames that see each other; longer videos are read in windows of this length that overlap by so many frames.
WINDOW, OVERLAP = 1024, 256
# Windows read at once: bounds the memory of a day of video.
WINDOWS_AT_ONCE = 4


def window_starts(num_dense: int) -> list[int]:
    """First frames of the windows that cover `T` > 1,024 frames; the last one ends with the video."""
    starts = list(range(0, num_dense - WINDOW, WINDOW - OVERLAP))
    return [*starts, num_dense - WINDOW]


def cross_faded(
    num_dense: int, read: Callable[[list[slice]], tuple[Tensor, ...]]
) -> Iterator[tuple[slice, Tensor]]:
    """What a network says of `T` frames, piece by piece in order of time: place, and values `[B, n, K]`.

    `read` answers a few windows with their values `[B, WINDOW, K]` each; up to 1,024 frames are one window.
    Only what later windows still change is kept.
    """
    if num_dense <= WINDOW:
        place = slice(0, num_dense)
        yield place, read([place])[0]
        return
    starts, done = window_starts(num_dense), 0
    total = weights = weight = None
    for first in range(0, len(starts), WINDOWS_AT_ONCE):
        batch = [slice(start, start + WINDOW) for start in starts[first : first + WINDOWS_AT_ONCE]]
        for place, values in zip(batch, read(batch), strict=True):
            if total is None or weights is None or weight is None:
                total, weights, weight = values[:, :0], values.new_zeros(0, 1), fade(values)[:, None]
            finished = place.start - done
            if finished:
                yield slice(done, place.start), total[:, :finished] / weights[:finished]
            missing = WINDOW - (total.shape[1] - finished)
            total = F.pad(total[:, finished:], (0, 0, 0, missing)) + values * weight
            weights = F.pad(weights[finished:], (0, 0, 0, missing)) + weight
            done = place.start
    assert total is not None and weights is not None
    yield slice(done, num_dense), total / weights


def fade(like: Tensor | None = None) -> Tensor:
    """Weights `[WINDOW]` of a window's frames: rising linearly over the overlap, 1, falling; never 0.

    Of the type and on the device of `like`, else float32.
    """
    like = torch.empty(0) if like is None else like
    place = torch.arange(WINDOW, dtype=like.dtype, device=like.device)
    return (torch.minimum(place, WINDOW - 1 - place) + 0.5).div(OVERLAP).clamp(max=1.0)
