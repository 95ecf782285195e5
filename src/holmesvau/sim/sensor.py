"""The camera's own marks: softness, dark corners, sway and jolts, grain, weather in the air, the clock.

What never changes is put into the plate once (`soften_plate`); what changes with time is put on each frame.
"""

from __future__ import annotations

import datetime
import math
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from holmesvau.errors import InputError
from holmesvau.sim.world import Sensor, Stage

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
GRAIN_TILES = 6
MARGIN = 64


class Develop:
    """Turns drawn frames into what the camera delivers, as planes of luma and chroma (I420)."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.sensor = stage, stage.sensor
        self.width, self.height = stage.size
        self.unit = self.width / 320
        kind = stage.light.kind
        self.grey = kind == "infrared"
        self.own = bool(stage.background)
        dark = {"day": 1.0, "dusk": 1.7, "night": 2.3, "infrared": 2.0}[kind]
        self.tiles = None if self.own else _grain(self.sensor.noise * dark, self.width, self.height)
        self.start = _clock_start(self.sensor.clock)
        self.table = _tone_table(self.sensor)
        self.vignette = None if self.own else _vignette(self.sensor.vignette, self.width, self.height)
        self.falling = [] if self.own else _flakes(stage, self.width, self.height)

    def soften_plate(self, picture: Picture) -> Picture:
        """The plate with its static marks: softness."""
        radius = self.sensor.softness * max(1.0, self.unit * 0.8)
        return cv2.GaussianBlur(picture, (0, 0), radius) if radius > 0.2 else picture

    def frame(self, rgba: Picture, index: int) -> Picture:
        """`[H, W, 4]` RGBA as drawn -> `[H * 3 / 2, W]` I420 as delivered."""
        t = index / self.stage.fps
        rgba = self._moved(rgba, t)
        self._fall(rgba, index)
        factor = light_factor(self.stage, t)
        planes = cv2.cvtColor(rgba, cv2.COLOR_RGBA2YUV_I420)
        luma, chroma = planes[: self.height], planes[self.height :]
        if factor != 1.0:
            cv2.convertScaleAbs(luma, dst=luma, alpha=factor)
        if self.vignette is not None:
            cv2.multiply(luma, self.vignette, dst=luma, scale=1 / 255)
        if not self.own:
            cv2.LUT(luma, self.table, dst=luma)
            self._colour(chroma)
        self._grain(luma, index)
        self._clock(luma, t)
        return planes

    def _colour(self, chroma: Picture) -> None:
        if self.grey:
            chroma[:] = 128
        elif self.sensor.saturation != 1.0:
            s = self.sensor.saturation
            cv2.addWeighted(chroma, s, chroma, 0.0, 128 * (1 - s), dst=chroma)

    def _moved(self, rgba: Picture, t: float) -> Picture:
        dx, dy, turn = 0.0, 0.0, 0.0
        if self.sensor.sway:
            dx = self.sensor.sway * self.unit * (math.sin(t * 0.53) + 0.5 * math.sin(t * 1.31 + 1))
            dy = self.sensor.sway * self.unit * 0.6 * (math.sin(t * 0.71 + 2) + 0.4 * math.sin(t * 1.77))
        for jolt in self.stage.jolts:
            if jolt.start <= t < jolt.end:
                fade = 1 - (t - jolt.start) / (jolt.end - jolt.start)
                size = jolt.strength * self.unit * fade
                dx += size * math.sin(t * 41) * math.cos(t * 7.3)
                dy += size * math.sin(t * 37 + 1) * math.cos(t * 11.1)
                turn += 0.004 * fade * math.sin(t * 29)
        if abs(dx) < 0.02 and abs(dy) < 0.02:
            return rgba
        c, s = math.cos(turn), math.sin(turn)
        cx, cy = self.width / 2, self.height / 2
        matrix = np.array([[c, -s, dx + cx - c * cx + s * cy], [s, c, dy + cy - s * cx - c * cy]])
        return cv2.warpAffine(
            rgba, matrix, (self.width, self.height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )

    def _grain(self, luma: Picture, index: int) -> None:
        if self.tiles is None:
            return
        roll = _hash(self.stage.seed, index)
        up, down = self.tiles[roll % GRAIN_TILES]
        y, x = (roll >> 8) % MARGIN, (roll >> 16) % MARGIN
        window = (slice(y, y + self.height), slice(x, x + self.width))
        cv2.add(luma, up[window], dst=luma)
        cv2.subtract(luma, down[window], dst=luma)

    def _fall(self, rgba: Picture, index: int) -> None:
        """Rain or snow: layers of streaks or flakes that run down, nearer ones faster."""
        for k, (layer, speed, drift) in enumerate(self.falling):
            h, w = layer.shape[:2]
            t = index / self.stage.fps
            dy, dx = int(t * speed) % h, int(t * drift + 13 * k) % w
            rows = np.arange(h - dy, h - dy + self.height) % h
            if rows[0] < rows[-1] and dx + self.width <= w:
                part = layer[rows[0] : rows[0] + self.height, dx : dx + self.width]
            else:
                part = layer.take(rows, axis=0).take(np.arange(dx, dx + self.width) % w, axis=1)
            cv2.add(rgba, part, dst=rgba)

    def _clock(self, luma: Picture, t: float) -> None:
        size = max(0.28, 0.36 * self.unit)
        edge = round(4 * self.unit)
        if self.start is not None:
            text = (self.start + datetime.timedelta(seconds=int(t))).strftime("%d-%m-%Y %H:%M:%S")
            _print(luma, text, edge, edge, size)
        if self.sensor.label:
            _print(luma, self.sensor.label, edge, self.height - edge - round(34 * size), size)


def light_factor(stage: Stage, t: float) -> float:
    """What all light is multiplied by at `t` seconds."""
    factor = 1.0
    for change in stage.light_changes:
        if change.start <= t < change.end:
            fade = max(change.fade, 1e-3)
            ease = min(1.0, (t - change.start) / fade, (change.end - t) / fade)
            factor *= 1 + (change.factor - 1) * max(0.0, ease)
    return factor


@lru_cache(maxsize=64)
def _lettering(text: str, size: float) -> tuple[Picture, Picture]:
    """The text's own coverage and that of its dark rim, `[h, w]`."""
    (width, height), low = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    cover = np.zeros((height + low + 6, width + 8), np.uint8)
    cv2.putText(cover, text, (3, height + 2), cv2.FONT_HERSHEY_SIMPLEX, size, 255, 1, cv2.LINE_AA)
    return cover, cv2.dilate(cover, np.ones((3, 3), np.uint8))


def _print(luma: Picture, text: str, x: int, y: int, size: float) -> None:
    """Letters with a dark rim, their upper left corner at (x, y)."""
    cover, rim = _lettering(text, round(size, 3))
    height, width = min(cover.shape[0], luma.shape[0] - y), min(cover.shape[1], luma.shape[1] - x)
    spot = luma[y : y + height, x : x + width]
    cv2.subtract(spot, rim[:height, :width], dst=spot)
    cv2.add(spot, cv2.convertScaleAbs(cover[:height, :width], alpha=0.9), dst=spot)


def _hash(seed: int, index: int) -> int:
    value = (index * 0x9E3779B97F4A7C15 + seed * 0xC2B2AE3D27D4EB4F + 0x165667B19E3779F9) & 0xFFFFFFFFFFFFFFFF
    value ^= value >> 29
    value = (value * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    return value ^ (value >> 32)


def _grain(deviation: float, width: int, height: int) -> list[tuple[Picture, Picture]] | None:
    """Tiles of what is added and what is taken away, of slightly clumped noise."""
    if deviation <= 0.05:
        return None
    rng = np.random.default_rng(515)
    tiles = []
    for _ in range(GRAIN_TILES):
        noise = rng.standard_normal((height + MARGIN, width + MARGIN)).astype(np.float32)
        noise = 0.75 * noise + 0.9 * cv2.GaussianBlur(noise, (0, 0), 0.8)
        noise *= deviation / noise.std()
        tiles.append(
            (np.clip(noise, 0, 60).round().astype(np.uint8), np.clip(-noise, 0, 60).round().astype(np.uint8))
        )
    return tiles


def _clock_start(clock: str) -> datetime.datetime | None:
    if not clock:
        return None
    try:
        return datetime.datetime.fromisoformat(clock)
    except ValueError as error:
        raise InputError(
            f"clock {clock!r}: write the date and time of the first frame as 2031-03-02T23:14:05."
        ) from error


def _tone_table(sensor: Sensor) -> Picture:
    """Contrast about the middle, within the 16 to 235 of video; blacks are lifted a little, as cheap cameras
    do.
    """
    levels = (np.arange(256) - 16) / 219.0
    curved = np.clip((levels - 0.5) * sensor.contrast + 0.5, -0.05, 1.07)
    return (20 + curved * 216).clip(0, 255).round().astype(np.uint8)


def _vignette(amount: float, width: int, height: int) -> Picture | None:
    if amount <= 0.01:
        return None
    y, x = np.mgrid[0:height, 0:width]
    far = ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2 * (height / width) ** 2) * 4
    return (255 * (1 - amount * np.clip(far, 0, 2) ** 1.3 * 0.8)).clip(0, 255).astype(np.uint8)


def _flakes(stage: Stage, width: int, height: int) -> list[tuple[Picture, float, float]]:
    """Layers `[h, w, 4]` of falling rain or snow, with pixels a second down and across."""
    weather = stage.weather
    if stage.scene.indoor or weather.kind not in ("rain", "snow"):
        return []
    rng = np.random.default_rng([stage.seed, 77])
    unit = width / 320
    layers = []
    bright = {"day": 1.0, "dusk": 0.7, "night": 0.5, "infrared": 1.3}[stage.light.kind]
    for near in (0.5, 1.0):
        h, w = height * 2, width + 64
        layer = np.zeros((h, w), np.uint8)
        count = int((260 if weather.kind == "rain" else 200) * weather.amount * (1.6 - near))
        for _ in range(count):
            x, y = rng.uniform(0, w), rng.uniform(0, h)
            if weather.kind == "rain":
                length = rng.uniform(7, 15) * near * unit
                end = (int((x + weather.wind * length) * 16), int((y + length) * 16))
                cv2.line(
                    layer,
                    (int(x * 16), int(y * 16)),
                    end,
                    int(rng.uniform(16, 42) * bright),
                    1,
                    cv2.LINE_AA,
                    4,
                )
            else:
                radius = rng.uniform(0.5, 1.3) * near * unit
                cv2.circle(
                    layer,
                    (int(x * 16), int(y * 16)),
                    int(radius * 16),
                    int(rng.uniform(60, 130) * bright),
                    -1,
                    cv2.LINE_AA,
                    4,
                )
        speed = (520 if weather.kind == "rain" else 46) * near * unit
        layers.append((np.dstack([layer] * 4), speed, speed * 0.1 * weather.wind))
    return layers
