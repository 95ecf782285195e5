"""Looking only where something changes: which dense frames of a video must be seen, told by cheap signs.

Three shortcuts, each its own switch. `still`: a frame that does not differ from the last one looked at, in a
thumbnail, stands for nothing new. `steady`: where much moves all the time, every second dense frame is left
out unless it moves more than usual. `calm`: between two keyframes that look alike, with packets no larger
than at the calmest times, nothing is decoded.

What is decided for a frame depends on its block of 128 dense frames alone (and on the sizes of packets), so
that a scan can begin at any block and find what a scan from the start would.

Shape legend: `T` dense frames, `B` frames to look at, `h w` thumbnail of 36 by 64 places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from holmesvau.types import FrameBatch, IndexArray

# Dense frames whose shortcuts are decided together; the first of them is always looked at.
BLOCK = 128
ROWS, COLUMNS = 36, 64
# Grey levels by which a place may differ, beside this many times the median difference, before it counts.
# What changes everywhere by more than the ceiling is light, not noise.
FLOOR, NOISE, CEILING = 2.0, 3.0, 9.0
# So much in all (grey levels times places) is still no change.
STILL = 4.0
# So many of the places changed is a change of light or view: never usual.
EVERYWHERE = 0.5
# Steady: a change up to this many times the usual one is usual, once so many are known.
USUAL, KNOWN = 1.3, 6

Thumbnail = npt.NDArray[np.int16]


# What is to be done with a dense frame: encode it, keep how it moves, or take it for the one before.
Sight = Literal["look", "glimpse", "same"]


class Shown(NamedTuple):
    """A dense frame: number, seconds, its picture unless it is taken for the one before it."""

    number: int
    seconds: float
    frame: Any
    sight: Sight = "look"


@dataclass(frozen=True, kw_only=True)
class Shortcuts:
    """Which shortcuts are taken; none by default."""

    still: bool = False
    steady: bool = False
    calm: bool = False

    def __bool__(self) -> bool:
        return self.still or self.steady or self.calm

    def __str__(self) -> str:
        """As part of the key of what is stored; the number changes when decisions do."""
        taken = [name for name in ("still", "steady", "calm") if getattr(self, name)]
        return f"shortcuts 2: {', '.join(taken)}" if taken else ""


@dataclass(frozen=True, slots=True, eq=False)
class Skimmed:
    """A stretch of dense frames, `index[T]` and `seconds[T]`, and those of them to look at.

    `source[T]` says which row of `frames` stands for each: its own, or an earlier one that it equals; -1 is
    the last frame looked at before this stretch. Of those that move and are left out all the same, the places
    `glimpsed[G]`, there are thumbnails `small[G, h, w, 3]`. `decoded` pictures came out of the decoder so
    far.
    """

    frames: FrameBatch
    index: IndexArray
    seconds: npt.NDArray[np.float64]
    source: IndexArray
    glimpsed: IndexArray
    small: npt.NDArray[np.uint8]
    decoded: int

    def __len__(self) -> int:
        return len(self.index)


class Converter(Protocol):
    """Writes a decoded picture into an array of its own `size` (width, height)."""

    @property
    def size(self) -> tuple[int, int]: ...
    def into(self, frame: Any, target: npt.NDArray[np.uint8]) -> None: ...


class Judge:
    """Whether a dense frame must be looked at, given the last one that was; frames come in order.

    No look stands for more than `refresh` dense frames. Where that is less than a block, what comes to rest
    is looked at once more: its features may tell of the motion just before.
    """

    def __init__(self, shortcuts: Shortcuts, converter: Converter, refresh: int = BLOCK) -> None:
        self._shortcuts, self._converter, self._refresh = shortcuts, converter, refresh
        self.reset()

    def reset(self) -> None:
        """A new block begins: nothing is known."""
        self._looked_at: Thumbnail | None = None
        self._age = 0
        self._moved = True
        self._changes: list[float] = []

    def thumbnail(self, frame: Any) -> Thumbnail:
        """`[h, w, 3]` grey levels."""
        small = np.empty((ROWS, COLUMNS, 3), np.uint8)
        self._converter.into(frame, small)
        return small.astype(np.int16)

    def sight(self, thumbnail: Thumbnail) -> Sight:
        """Of the next dense frame."""
        self._age += 1
        if self._looked_at is not None:
            change = _change(self._looked_at, thumbnail)
            usual = float(np.median(self._changes)) if len(self._changes) >= KNOWN else -1.0
            if self._age == 1:
                self._changes.append(float(change.sum()))
            still = change.sum() <= STILL
            resting = still and self._moved and self._refresh < BLOCK
            if self._shortcuts.still and still and not resting and self._age < self._refresh:
                return "same"
            bounded = change.sum() <= USUAL * usual and (change > 0).mean() < EVERYWHERE
            if self._shortcuts.steady and self._age == 1 and bounded and not still:
                return "glimpse"
            self._moved = not still
        self._looked_at, self._age = thumbnail, 0
        return "look"

    def skip(self) -> None:
        """The next dense frame is not looked at, and not even decoded."""
        self._age += 1


def alike(one: Thumbnail, other: Thumbnail) -> bool:
    """Whether nothing but noise distinguishes two thumbnails."""
    return bool(_change(one, other).sum() <= STILL)


def _change(one: Thumbnail, other: Thumbnail) -> npt.NDArray[np.float64]:
    """How far each place differs beyond noise, `[h, w]`."""
    size = np.abs(one - other).max(axis=-1)
    noise = min(NOISE * float(np.median(size)), CEILING)
    over: npt.NDArray[np.float64] = np.maximum(size - (noise + FLOOR), 0.0)
    return over


def in_order(shown: Iterator[tuple[int, float, Any]], first: int, judge: Judge | None) -> Iterator[Shown]:
    """Dense frames that come one after the other from position `first` on, which begins a block."""
    for position, (index, seconds, frame) in enumerate(shown, first):
        if judge is not None and position % BLOCK == 0:
            judge.reset()
        yield judged(Shown(index, seconds, frame), None if judge is None else judge.thumbnail(frame), judge)


def judged(shown: Shown, thumbnail: Thumbnail | None, judge: Judge | None) -> Shown:
    """A decoded frame with what is to be done with it; without its picture where that is nothing."""
    if judge is None or thumbnail is None:
        return shown
    sight = judge.sight(thumbnail)
    return shown._replace(frame=None if sight == "same" else shown.frame, sight=sight)


def shrunk(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The thumbnail `[h, w, 3]` of `picture[H, W, 3]`, by area."""
    small: npt.NDArray[np.uint8] = np.asarray(
        Image.fromarray(picture).resize((COLUMNS, ROWS), Image.Resampling.BOX)
    )
    return small


def gathered(
    shown: Iterator[Shown],
    converter: Converter,
    batch_size: int,
    *,
    decoded: Callable[[], int],
    patience: float | None = None,
) -> Iterator[Skimmed]:
    """Dense frames in stretches with at most `batch_size` to look at, and not many more in all.

    With `patience` a stretch ends when its first frame is so many seconds older than its last.
    """
    width, height = converter.size
    longest = max(BLOCK, batch_size)
    index: list[int] = []
    seconds: list[float] = []
    source: list[int] = []
    rows: list[int] = []
    glimpsed: dict[int, npt.NDArray[np.uint8]] = {}
    glimpse = np.empty((height, width, 3), np.uint8)
    frames = np.empty((batch_size, height, width, 3), np.uint8)

    def part() -> Skimmed:
        places, times = np.array(index, np.int64), np.array(seconds, np.float64)
        batch = FrameBatch(frames[: len(rows)], places[rows], times[rows])
        small = np.array(list(glimpsed.values()), np.uint8).reshape(-1, ROWS, COLUMNS, 3)
        where = np.array(list(glimpsed), np.int64)
        return Skimmed(batch, places, times, np.array(source, np.int64), where, small, decoded())

    for number, time, frame, sight in shown:
        if sight == "look":
            converter.into(frame, frames[len(rows)])
            rows.append(len(index))
        elif sight == "glimpse":
            converter.into(frame, glimpse)
            glimpsed[len(index)] = shrunk(glimpse)
        index.append(number)
        seconds.append(time)
        source.append(len(rows) - 1)
        late = patience is not None and time - seconds[0] >= patience
        if len(rows) == batch_size or len(index) == longest or late:
            yield part()
            index, seconds, source, rows, glimpsed = [], [], [], [], {}
            frames = np.empty((batch_size, height, width, 3), np.uint8)
    if index:
        yield part()
