"""Where in a picture something moves or is new, and a closer look at those places.

A person in a camera's picture is a few dozen pixels tall; scaled to an encoder's 224 pixels little is left
of an arm that strikes. People look at a scene the same way: all of it coarsely, a few places sharply. The
windows are found in small pictures, by what differs from the frames just before; a handful of numbers beside
them keep what a single picture cannot tell: how much moves, where, of which colour, how the light changed.

Shape legend: `T` frames, `K` frames before them, `h w` thumbnail of 36 by 64 places, `S` numbers of motion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from holmesvau.video.skim import COLUMNS, ROWS, shrunk

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

# Sides of a window, as shares of the picture's height: the smallest holds a person whole, with what an arm
# can reach.
SIDES = (0.36, 0.55, 0.8)
# Rows and columns around a window in which the next one does not look: what sticks out of it is the same
# thing.
MARGIN = 3
# Frames before that count as the scene at rest: 16 seconds of a scan by half-seconds.
MEMORY = 32
# Differences below this many times their median, plus a floor, are noise; above the ceiling they count no
# more.
NOISE, FLOOR, CEILING = 3.0, 0.02, 0.3
# Less difference in sum than this is none: then the window is the middle of the picture.
NOTHING = 1e-3
# In .90 of the frames of simulated anomalies somebody who takes part is in the first window, in .98 in one of
# two, in .99 in one of three (`benchmarks/windows.py`).
WINDOWS = 3
MOTION = 26 + 3 * (WINDOWS - 1)

# Places of the numbers that say where each window is, in `Glance.numbers`: centre x, centre y, side.
PLACES: tuple[slice, ...] = (slice(4, 7), *(slice(26 + 3 * k, 29 + 3 * k) for k in range(WINDOWS - 1)))
# The numbers of a frame of which nothing is known: nothing moves, the windows are the middle.
NUMBERS_AT_REST: Floats = np.zeros(MOTION, np.float32)
for _place in PLACES:
    NUMBERS_AT_REST[_place] = 0.5, 0.5, SIDES[-1]


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a picture, as shares of its width and height."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """What small pictures tell of a frame: the windows to look into, and `numbers[S]` float32."""

    windows: tuple[Window, ...]
    numbers: Floats


def thumbnails(frames: Picture) -> Floats:
    """`frames[T, H, W, 3]` uint8 -> `[T, 3, h, w]` float32 in [0, 1], by area."""
    small = np.empty((len(frames), ROWS, COLUMNS, 3), np.uint8)
    for row, frame in enumerate(frames):
        small[row] = shrunk(frame)
    return traces(small)


def traces(small: Picture) -> Floats:
    """Thumbnails `small[T, h, w, 3]` uint8 as they are compared, `[T, 3, h, w]` float32 in [0, 1]."""
    return np.ascontiguousarray(small.transpose(0, 3, 1, 2)).astype(np.float32) / np.float32(255)


def glance(thumbnail: Floats, before: Floats, aspect: float) -> Glance:
    """Compare `thumbnail[3, h, w]` with those `before[K, 3, h, w]`, oldest first; `aspect` is width / height.

    The windows are `WINDOWS`, that with most of the difference first, none looking for what another holds.
    With nothing before, or where nothing else moves, a window is the middle of the picture.
    """
    rest = np.median(before, axis=0) if len(before) else thumbnail
    last = before[-1] if len(before) else thumbnail
    changed, light = _without_light(thumbnail - rest)
    moved, flash = _without_light(thumbnail - last)
    new, moving = _beyond_noise(changed), _beyond_noise(moved)
    left = new + moving
    places = []
    for _ in range(WINDOWS):
        places.append(_window(left, aspect))
        left[_around(*places[-1])] = 0
    numbers = _numbers(thumbnail, changed, new, moving, light, flash, places)
    return Glance(tuple(_as_shares(*place) for place in places), numbers)


def _around(rows: slice, columns: slice) -> tuple[slice, slice]:
    return (
        slice(max(0, rows.start - MARGIN), rows.stop + MARGIN),
        slice(max(0, columns.start - MARGIN), columns.stop + MARGIN),
    )


def windows_of(numbers: npt.NDArray[np.floating], aspect: float) -> tuple[Window, ...]:
    """The windows that a frame's `numbers[S]`, in float16 or finer, were made with."""
    return tuple(_window_at(numbers[place], aspect) for place in PLACES)


def _as_shares(rows: slice, columns: slice) -> Window:
    return Window(columns.start / COLUMNS, rows.start / ROWS, columns.stop / COLUMNS, rows.stop / ROWS)


def _window_at(place: npt.NDArray[np.floating], aspect: float) -> Window:
    x, y, told = (float(number) for number in place)
    # The side is told in whole rows, from which the columns cannot be had: 14 of 36 rows are 0.38, not 0.389.
    side = min(SIDES, key=lambda known: abs(round(ROWS * known) / ROWS - told))
    height, width = _places(side, aspect)
    left, top = round(x * COLUMNS - width / 2), round(y * ROWS - height / 2)
    return Window(left / COLUMNS, top / ROWS, (left + width) / COLUMNS, (top + height) / ROWS)


def views(
    frame: Picture, windows: Sequence[Window], *, whole: int, close: int
) -> tuple[Picture, list[Picture]]:
    """All of `frame[H, W, 3]` at `[whole, whole, 3]`, and the windows of it, each at `[close, close, 3]`."""
    picture = Image.fromarray(frame)
    width, height = picture.size
    boxes = [(w.left * width, w.top * height, w.right * width, w.bottom * height) for w in windows]
    bilinear = Image.Resampling.BILINEAR
    return np.asarray(picture.resize((whole, whole), bilinear, reducing_gap=2.0)), [
        np.asarray(picture.resize((close, close), bilinear, box=box, reducing_gap=2.0)) for box in boxes
    ]


def _without_light(difference: Floats) -> tuple[Floats, Floats]:
    """A difference without what all places have in common, and that: a change of light or exposure."""
    common = np.median(difference, axis=(1, 2), keepdims=True)
    return difference - common, common.ravel()


def _beyond_noise(difference: Floats) -> Floats:
    """How far each place differs beyond noise, `[h, w]`."""
    size = np.abs(difference).max(axis=0)
    over: Floats = np.clip(size - (NOISE * np.median(size) + FLOOR), 0, CEILING)
    return over


def _places(side: float, aspect: float) -> tuple[int, int]:
    """Rows and columns of a window that is square in pixels."""
    return max(2, round(ROWS * side)), min(COLUMNS, max(2, round(COLUMNS * side / aspect)))


def _window(difference: Floats, aspect: float) -> tuple[slice, slice]:
    """Rows and columns of the window that holds the most difference for the root of its area.

    Its middle is that of what it holds: what surrounds it on all sides is seen as well.
    """
    if float(difference.sum()) < NOTHING:
        height, width = _places(SIDES[-1], aspect)
        top, left = (ROWS - height) // 2, (COLUMNS - width) // 2
        return slice(top, top + height), slice(left, left + width)
    sums = np.pad(difference.astype(np.float64), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    best, found = -1.0, (slice(0, ROWS), slice(0, COLUMNS))
    for side in SIDES:
        height, width = _places(side, aspect)
        inside = (
            sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
        )
        at = int(inside.argmax())
        value = float(inside.flat[at]) / (height * width) ** 0.5
        if value > best:
            top, left = divmod(at, inside.shape[1])
            best, found = value, (slice(top, top + height), slice(left, left + width))
    return _centred(difference, *found)


def _centred(difference: Floats, rows: slice, columns: slice) -> tuple[slice, slice]:
    """The window moved to the middle of the difference in it, as far as the picture goes."""
    weight = difference[rows, columns]
    moved = []
    for place, along, most in ((rows, weight.sum(1), ROWS), (columns, weight.sum(0), COLUMNS)):
        length = place.stop - place.start
        middle = place.start + float((along * (np.arange(length) + 0.5)).sum() / along.sum())
        start = min(max(0, round(middle - length / 2)), most - length)
        moved.append(slice(start, start + length))
    return moved[0], moved[1]


def _numbers(
    thumbnail: Floats,
    changed: Floats,
    new: Floats,
    moving: Floats,
    light: Floats,
    flash: Floats,
    places: Sequence[tuple[slice, slice]],
) -> Floats:
    """The numbers of motion, each of the order of one; those inside a window are of the first."""
    place = places[0]
    rows, columns = place
    weight = (new + moving)[place]
    weight = weight / (weight.sum() + 1e-6)
    inside = (slice(None), rows, columns)
    glow = np.clip(changed[0] - changed[2], 0, 1) * (new > 0)
    numbers = [
        np.log1p(50 * moving.mean()),
        np.log1p(20 * moving[place].mean()),
        np.log1p(50 * new.mean()),
        np.log1p(20 * new[place].mean()),
        *_centre(*place),
        4 * (new > 0).mean(),
        4 * (moving > 0).mean(),
        thumbnail.mean(),
        *(4 * light),
        *(4 * flash),
        *(4 * (changed[inside] * weight).sum((1, 2))),
        *(thumbnail[inside] * weight).sum((1, 2)),
        glow.sum() / 20,
        8 * np.abs(flash).max(),
        3 * moving.max(),
        3 * new.max(),
        *(number for other in places[1:] for number in _centre(*other)),
    ]
    return np.array(numbers, dtype=np.float32)


def _centre(rows: slice, columns: slice) -> tuple[float, float, float]:
    """Where a window is: the shares of width and height at which its middle lies, and its height's share."""
    return (
        (columns.start + columns.stop) / 2 / COLUMNS,
        (rows.start + rows.stop) / 2 / ROWS,
        (rows.stop - rows.start) / ROWS,
    )
