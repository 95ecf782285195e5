"""Drawing of moving things: at a finer scale, cut off by what stands before them, shrunk with smooth edges,
laid on.

A frame under work is `[H, W, 4]` uint8 RGBA whose fourth channel has no meaning.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from holmesvau.sim.plate import Plate

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]
BLOCK = 16
SHIFT = 4


class Canvas:
    """One frame under work and a scratch pad for one thing at a time."""

    def __init__(self, plate: Plate) -> None:
        self.plate = plate
        self.fine = plate.fine
        height, width = plate.picture.shape[:2]
        self.width, self.height = width, height
        self.clean = np.dstack([plate.picture, np.full((height, width), 255, np.uint8)])
        self.frame = self.clean.copy()
        self._pad = np.zeros(width * height * self.fine**2 * 4, np.uint8)
        self._roi = (0, 0, 0, 0)
        self._view = self._pad[:0].reshape(0, 0, 4)
        self._origin = np.zeros(2)
        middle = self.fine // 2
        self._distance = np.ascontiguousarray(plate.distance[middle :: self.fine, middle :: self.fine])
        self._weave = _weave(height, width)
        self._blocks = _nearest_blocks(plate.distance)

    def restore(self) -> None:
        """Begin a new frame from the empty scene."""
        np.copyto(self.frame, self.clean)

    def replace(self, picture: Picture) -> None:
        """Begin a new frame from `picture[H, W, 3]`."""
        cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA, dst=self.frame)

    def begin(self, left: float, top: float, right: float, bottom: float) -> bool:
        """Open the pad for something within these pixels; False when none of it is in the picture."""
        x0, y0 = max(0, int(left) - 1), max(0, int(top) - 1)
        x1, y1 = min(self.width, int(right) + 2), min(self.height, int(bottom) + 2)
        if x0 >= x1 or y0 >= y1:
            return False
        self._roi = (x0, y0, x1, y1)
        w, h = (x1 - x0) * self.fine, (y1 - y0) * self.fine
        self._view = self._pad[: w * h * 4].reshape(h, w, 4)
        self._view[:] = 0
        self._origin = np.array([x0, y0], dtype=np.float64)
        return True

    def to_pad(self, points: Points) -> npt.NDArray[np.int32]:
        """Picture pixels `[..., 2]` as the pad's fixed-point coordinates."""
        scaled = (points - self._origin) * self.fine - 0.5
        return np.clip(scaled * (1 << SHIFT), -(1 << 24), 1 << 24).astype(np.int32)

    def polygon(self, points: npt.NDArray[np.int32], colour: tuple[int, int, int, int]) -> None:
        """Fill a convex polygon given in the pad's coordinates."""
        cv2.fillConvexPoly(self._view, points, colour, cv2.LINE_8, SHIFT)

    def outline(self, points: npt.NDArray[np.int32], colour: tuple[int, int, int, int], thick: int) -> None:
        """Draw a closed line through points of the pad, `thick` fine pixels wide."""
        cv2.polylines(self._view, [points], True, colour, max(1, thick), cv2.LINE_8, SHIFT)

    def hidden(self, distance: float) -> bool:
        """Whether anything painted nearer than `distance` lies within the open pad."""
        x0, y0, x1, y1 = self._roi
        f = self.fine
        rows = slice(y0 * f // BLOCK, (y1 * f - 1) // BLOCK + 1)
        columns = slice(x0 * f // BLOCK, (x1 * f - 1) // BLOCK + 1)
        return bool((self._blocks[rows, columns] < distance).any())

    def finish(self, distance: float, opacity: float = 1.0, cloth: bool = False) -> None:
        """Shrink what is on the pad and lay it on the frame, behind whatever is nearer than `distance`
        metres.

        `cloth` mottles it as fabric is.
        """
        x0, y0, x1, y1 = self._roi
        if self.hidden(distance):
            f = self.fine
            before = self.plate.distance[y0 * f : y1 * f, x0 * f : x1 * f] < distance
            self._view[before] = 0
        small = cv2.resize(self._view, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
        if opacity < 1.0:
            small = cv2.convertScaleAbs(small, alpha=opacity)
        if cloth:
            weave = self._weave[: small.shape[0], : small.shape[1]]
            if weave.shape == small.shape:
                small = cv2.multiply(small, weave, scale=1 / 128)
        self.lay(small, x0, y0)

    def lay(self, small: Picture, x0: int, y0: int) -> None:
        """Lay premultiplied `small[h, w, 4]` on the frame; it must fit."""
        roi = self.frame[y0 : y0 + small.shape[0], x0 : x0 + small.shape[1]]
        rest = cv2.bitwise_not(small[..., 3])
        cv2.multiply(roi, cv2.merge((rest, rest, rest, rest)), dst=roi, scale=1 / 255)
        cv2.add(roi, small, dst=roi)

    def behind(self, distance: float) -> Picture | None:
        """`[H, W]` 255 where something painted stands nearer than `distance`; None when nothing does."""
        if not (self._blocks < distance).any():
            return None
        nearer: Picture = cv2.compare(self._distance, distance, cv2.CMP_LT)
        return nearer

    def darken(self, mask: Picture, x0: int, y0: int, strength: float, distance: float) -> None:
        """Multiply the frame by 1 - strength where `mask[h, w]` is 255, less where it is less.

        What reaches over the edges is cut off; what stands nearer than `distance` stays as it is.
        """
        cut = _clip(mask, x0, y0, self.width, self.height)
        if cut is None:
            return
        part, x, y = cut
        near = self._distance[y : y + part.shape[0], x : x + part.shape[1]] < distance
        if near.any():
            part[near] = 0
        rest = cv2.bitwise_not(cv2.convertScaleAbs(part, alpha=strength))
        roi = self.frame[y : y + part.shape[0], x : x + part.shape[1]]
        cv2.multiply(roi, cv2.merge((rest, rest, rest, rest)), dst=roi, scale=1 / 255)

    def lay_clipped(self, small: Picture, x0: int, y0: int) -> None:
        """Lay premultiplied `small[h, w, 4]` that may reach over the edges."""
        cut = _clip(small, x0, y0, self.width, self.height)
        if cut is not None:
            self.lay(cut[0], cut[1], cut[2])

    def add_clipped(self, glow: Picture, x0: int, y0: int) -> None:
        """Add light `glow[h, w, 4]` that may reach over the edges."""
        cut = _clip(glow, x0, y0, self.width, self.height)
        if cut is not None:
            part, x, y = cut
            roi = self.frame[y : y + part.shape[0], x : x + part.shape[1]]
            cv2.add(roi, part, dst=roi)


def _clip(patch: Picture, x0: int, y0: int, width: int, height: int) -> tuple[Picture, int, int] | None:
    left, top = max(0, -x0), max(0, -y0)
    right, bottom = min(patch.shape[1], width - x0), min(patch.shape[0], height - y0)
    if left >= right or top >= bottom:
        return None
    return patch[top:bottom, left:right].copy(), x0 + left, y0 + top


def _weave(height: int, width: int) -> Picture:
    """Folds and mottles of cloth around 128; the fourth channel leaves coverage alone."""
    rng = np.random.default_rng(77)
    fold = (
        cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), 1.6, sigmaY=3.2)
        * 40
    )
    fine = cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), 0.8) * 14
    grey = np.clip(125 + 0.6 * fold + 0.5 * fine, 106, 142).astype(np.uint8)
    return np.dstack([grey, grey, grey, np.full_like(grey, 128)])


def _nearest_blocks(distance: Floats) -> Floats:
    h, w = distance.shape
    rows, columns = -(-h // BLOCK), -(-w // BLOCK)
    padded = np.full((rows * BLOCK, columns * BLOCK), 1e9, np.float32)
    padded[:h, :w] = distance
    return padded.reshape(rows, BLOCK, columns, BLOCK).min((1, 3))
