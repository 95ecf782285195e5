"""An indexed file read from keyframe to keyframe: where nothing happens, only the first frame of a stretch.

Packets tell without decoding that little changes: they are as small as at the calmest times of the same ten
minutes. Two keyframes that look alike confirm it; where they do not, the stretch between them is decoded
after all.

Shape legend: `T` dense frames.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from holmesvau.types import FloatArray, IndexArray
from holmesvau.video.cursor import Cursor, Skip
from holmesvau.video.index import FrameIndex, keyframe_of
from holmesvau.video.skim import BLOCK, Judge, Shown, Thumbnail, alike, judged

# Longer stretches are decoded: two keyframes far apart say little of what is between them.
LONGEST_SECONDS = 5.0
# Packets this much larger than at the calmest times, plus some bytes a frame, are not small: the calmest
# times are a tenth of so many dense frames, ten minutes of a scan by half-seconds.
LARGER, BYTES = 1.25, 16
CALMEST, WINDOW = 0.1, 1200
# Packets of one kind of frame are larger than those of another: fewer than so many from one dense frame to
# the next tell nothing, and where they are so few there is little to skip.
FRAMES = 4
# After so many stretches in a row that were decoded after all, the rest of their block is decoded at once.
PATIENCE = 2


@dataclass(slots=True)
class _Waiting:
    """A stretch `[first, past)` of dense frames of which only the first was decoded."""

    first: int
    past: int
    head: Thumbnail


class StretchReader:
    """The dense frames `wanted[T]` (numbers, rising) of an indexed file, each with a picture or without.

    `open_cursor` opens the file anew. `calm` lets stretches be judged by their ends; `judge`, where there is
    one, which of the decoded frames must be looked at.
    """

    def __init__(
        self,
        index: FrameIndex,
        wanted: IndexArray,
        seconds: FloatArray,
        open_cursor: Callable[[], Cursor],
        *,
        skip: Skip,
        judge: Judge | None,
        calm: bool,
        stopped: threading.Event,
    ) -> None:
        self._index, self._wanted, self._seconds = index, wanted, seconds
        self._open, self._skip, self._judge, self._stopped = open_cursor, skip, judge, stopped
        self._calm = calm and judge is not None
        self._quiet = quiet(index, wanted) if self._calm else np.zeros(len(wanted) + 1, bool)
        self._cursors: list[Cursor] = []
        self._waiting: _Waiting | None = None
        # Stretches in a row that were decoded after all, in which block.
        self._refuted, self._refuted_block = 0, 0

    @property
    def decoded(self) -> int:
        """How many pictures came out of the decoder so far."""
        return sum(cursor.decoded for cursor in self._cursors)

    def frames(self, first: int) -> Iterator[Shown]:
        """From dense frame `first` on, which begins a block."""
        keys = keyframe_of(self._index, self._wanted)
        borders = [*(np.flatnonzero(np.diff(keys)) + 1).tolist(), len(self._wanted)]
        borders = [first, *(border for border in borders if border > first)]
        with ExitStack() as stack:
            main, again = (self._cursor(stack) for _ in range(2))
            for start, past in pairwise(borders):
                if self._stopped.is_set():
                    return
                # Reading that came from before has decoded a stretch in whose middle this one begins.
                whole = start == 0 or keys[start] != keys[start - 1]
                calm = whole and past < len(self._wanted) and self._is_calm(start, past)
                yield from self._stretch(main, again, start, past, calm=calm)
            if self._waiting is not None:
                yield from self._decode(again, self._waiting.first + 1, self._waiting.past)

    def _cursor(self, stack: ExitStack) -> Cursor:
        cursor = stack.enter_context(closing(self._open()))
        cursor.session.stopped = self._stopped
        self._cursors.append(cursor)
        return cursor

    def _is_calm(self, start: int, past: int) -> bool:
        """Whether nothing but the ends of a stretch need be seen, by its packets."""
        refuted = self._refuted if self._refuted_block == start // BLOCK else 0
        if not self._calm or past - start < 2 or refuted >= PATIENCE:
            return False
        lasts = self._seconds[self._wanted[past]] - self._seconds[self._wanted[start]]
        one_block = (past - 1) // BLOCK == start // BLOCK
        return bool(one_block and lasts <= LONGEST_SECONDS and self._quiet[start + 1 : past + 1].all())

    def _stretch(self, main: Cursor, again: Cursor, start: int, past: int, *, calm: bool) -> Iterator[Shown]:
        shown = self._decoded(main, start, start + 1 if calm else past)
        head = None
        for position, frame in shown:
            thumbnail = self._judge.thumbnail(frame) if self._judge is not None else None
            if self._waiting is not None:
                assert thumbnail is not None
                yield from self._settle(again, thumbnail)
            yield self._judged(position, frame, thumbnail)
            head = thumbnail
        if calm and head is not None:
            self._waiting = _Waiting(start, past, head)
        elif calm:
            yield from self._decode(main, start + 1, past)

    def _settle(self, cursor: Cursor, tail: Thumbnail) -> Iterator[Shown]:
        """What lies between the head of the waiting stretch and this, the next picture."""
        waiting, self._waiting = self._waiting, None
        assert waiting is not None and self._judge is not None
        if self._refuted_block != waiting.first // BLOCK:
            self._refuted, self._refuted_block = 0, waiting.first // BLOCK
        if alike(waiting.head, tail):
            self._refuted = 0
            for position in range(waiting.first + 1, waiting.past):
                self._judge.skip()
                yield self._shown(position, None)._replace(sight="same")
        else:
            self._refuted += 1
            yield from self._decode(cursor, waiting.first + 1, waiting.past)

    def _decode(self, cursor: Cursor, first: int, past: int) -> Iterator[Shown]:
        for position, frame in self._decoded(cursor, first, past):
            thumbnail = self._judge.thumbnail(frame) if self._judge is not None else None
            yield self._judged(position, frame, thumbnail)

    def _judged(self, position: int, frame: object, thumbnail: Thumbnail | None) -> Shown:
        if self._judge is not None and position % BLOCK == 0:
            self._judge.reset()
        return judged(self._shown(position, frame), thumbnail, self._judge)

    def _shown(self, position: int, frame: object | None) -> Shown:
        rank = int(self._wanted[position])
        return Shown(rank, float(self._seconds[rank]), frame)

    def _decoded(self, cursor: Cursor, first: int, past: int) -> Iterator[tuple[int, object]]:
        wanted = self._wanted[first:past]
        for rank, frame in cursor.frames(wanted, self._skip):
            yield first + int(np.searchsorted(wanted, rank)), frame


def quiet(index: FrameIndex, wanted: IndexArray) -> npt.NDArray[np.bool_]:
    """Whether the packets up to each of `wanted[T]`, and up to the end, are as small as at calm times:
    `[T + 1]`. Keyframes do not count.
    """
    sizes = np.frombuffer(index.sizes, np.uint32).astype(np.float64)[index.position]
    sizes[index.keys()] = 0.0
    held = np.concatenate([[0.0], np.cumsum(sizes)])
    borders = np.concatenate([[-1], wanted, [len(index) - 1]]) + 1
    steps = np.diff(borders)
    if np.median(steps) < FRAMES:
        return np.zeros(len(steps), bool)
    mean = np.diff(held[borders]) / np.maximum(steps, 1)
    calm = np.empty(len(mean), bool)
    for start in range(0, len(mean), WINDOW):
        part = mean[start : start + WINDOW]
        calm[start : start + WINDOW] = part <= LARGER * np.quantile(part, CALMEST) + BYTES
    return calm
