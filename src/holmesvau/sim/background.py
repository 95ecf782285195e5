"""One's own camera as the stage: actors laid onto a picture or a video, with its floor, light, grain and
softness.

`scene_of(path)` looks at the footage and makes a `Scene` whose camera fits it: given, or guessed from how
tall those who move through it look (a person's height in pixels grows evenly from the horizon down).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from holmesvau.errors import InputError, VideoError
from holmesvau.sim.camera import Camera
from holmesvau.sim.lighting import Illumination
from holmesvau.sim.materials import single
from holmesvau.sim.plate import FAR, Plate, fineness
from holmesvau.sim.world import Light, Place, Region, Route, Scene, Stage
from holmesvau.types import FrameBatch
from holmesvau.video import Video, open_video

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
LOOKED_AT = 48
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})
USUAL_HEIGHT = 1.7
USUAL_FOV = 1.05


class Footage:
    """A picture or a looped video as a backdrop of `size` (width, height) pixels."""

    def __init__(self, path: str | Path, size: tuple[int, int]) -> None:
        self.path, self.size = Path(path), size
        self._still: Picture | None = None
        self._video: Video | None = None
        self._batches: Iterator[FrameBatch] = iter(())
        self._batch: tuple[Picture, int] | None = None
        if self.path.suffix.lower() in PICTURES:
            self._still = _read_picture(self.path, size)
            self.num_frames, self.fps = 1, 25.0
            return
        self._video = open_video(self.path, threads=1)
        info = self._video.info
        if info.num_frames is None:
            self._video.close()
            raise VideoError(
                f"{path}: a live source cannot be a background. Record some minutes of it to a file first."
            )
        self.num_frames, self.fps = info.num_frames, info.fps

    def close(self) -> None:
        """Let the file go."""
        if self._video is not None:
            self._video.close()

    def at(self, seconds: float) -> Picture:
        """The backdrop `[H, W, 3]` at a time; the footage runs over and over. Reading on is fast, going back
        is not.
        """
        if self._still is not None or self._video is None:
            assert self._still is not None
            return self._still
        index = int(seconds * self.fps + 1e-6) % self.num_frames
        if self._batch is None or not 0 <= index - self._batch[1] < 256:
            self._batches = self._video.frames(size=self.size, start_index=index, batch_size=8)
            self._batch = self._next()
        while index >= self._batch[1] + len(self._batch[0]):
            self._batch = self._next()
        return self._batch[0][max(0, index - self._batch[1])]

    def sample(self, count: int) -> Picture:
        """`[n, H, W, 3]`: up to `count` frames spread over the footage."""
        if self._still is not None or self._video is None:
            assert self._still is not None
            return self._still[None]
        picked = np.unique(np.linspace(0, self.num_frames - 1, min(count, self.num_frames)).astype(np.int64))
        return self._video.at(picked, size=self.size).frames

    def _next(self) -> tuple[Picture, int]:
        for batch in self._batches:
            return batch.frames, int(batch.index[0])
        raise VideoError(
            f"{self.path}: the background ends before its {self.num_frames} frames. Re-encode it."
        )


def _read_picture(path: Path, size: tuple[int, int]) -> Picture:
    scaled = cv2.resize(_decoded(path), size, interpolation=cv2.INTER_AREA)
    rgb: Picture = cv2.cvtColor(scaled, cv2.COLOR_BGR2RGB)
    return rgb


def _decoded(path: Path) -> Picture:
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise VideoError(f"{path}: the background cannot be read ({error}). Check the path.") from error
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if picture is None:
        raise VideoError(f"{path}: not a picture that can be decoded. Give a PNG or JPEG, or a video.")
    return picture


def usual_size(path: str | Path) -> tuple[int, int]:
    """The footage's own (width, height), made even: the `Stage.size` that does not stretch it.

    Raises:
        VideoError: when the footage cannot be read.
    """
    if Path(path).suffix.lower() in PICTURES:
        height, width = _decoded(Path(path)).shape[:2]
    else:
        with open_video(path) as video:
            width, height = video.info.width, video.info.height
    return width // 2 * 2, height // 2 * 2


@dataclass(frozen=True, eq=False)
class FootageLight(Illumination):
    """Light as the footage shows it: how bright the floor is around each place, without a sun of its own."""

    floor: Picture | None = None
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def fall(
        self, places: npt.NDArray[np.float32], normals: npt.NDArray[np.float32] | None
    ) -> npt.NDArray[np.float32]:
        """Light `[n, 3]` at `places[n, 3]`, read off the blurred footage at the foot of each."""
        assert self.floor is not None
        level = np.empty(len(places), np.float32)
        flat = np.column_stack([places[:, :2], np.zeros(len(places))])
        pixels, _ = self.camera.project(flat)
        h, w = self.floor.shape
        columns = np.clip(pixels[:, 0].round().astype(int), 0, w - 1)
        rows = np.clip(pixels[:, 1].round().astype(int), 0, h - 1)
        usual = float(np.median(self.floor[h // 3 :]))
        here = np.clip(self.floor[rows, columns] / max(usual, 8.0), 0.55, 1.6) * usual
        # A floor usually reflects about half of its light.
        level[:] = (here / 255.0) ** 1.25 / 0.48 / {"day": 1.22, "infrared": 1.35}.get(self.light.kind, 1.22)
        return np.clip(level, 0.06, 1.6)[:, None] * single(self.tint)


def backdrop(stage: Stage, footage: Footage) -> tuple[Plate, FootageLight, float]:
    """The empty plate, the light and the grain (deviation in grey levels) that fit the footage."""
    frames = footage.sample(16)
    middle = np.median(frames, axis=0).astype(np.uint8)
    height, width = middle.shape[:2]
    fine = fineness(width)
    plate = Plate(middle, np.full((height * fine, width * fine), FAR, np.float32), fine)
    grey = cv2.cvtColor(middle, cv2.COLOR_RGB2GRAY)
    blurred = cv2.GaussianBlur(grey, (0, 0), width / 24)
    colours = middle.reshape(-1, 3).mean(0)
    colourless = float(np.abs(middle.astype(np.int16) - grey[..., None]).mean()) < 2.5
    tint = np.clip(colours / max(1.0, float(colours.mean())), 0.94, 1.06)
    light = FootageLight(
        light=Light(kind="infrared" if colourless else "day"),
        weather=stage.weather,
        indoor=True,
        lamps=(),
        solids=(),
        camera=stage.camera,
        floor=blurred,
        tint=(float(tint[0]), float(tint[1]), float(tint[2])),
    )
    return plate, light, grain_of(frames)


def grain_of(frames: Picture) -> float:
    """Deviation of the footage's own noise in grey levels, from what its smallest detail holds."""
    grey = cv2.cvtColor(frames[len(frames) // 2], cv2.COLOR_RGB2GRAY).astype(np.float32)
    kernel = single([[1, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6
    detail = np.abs(cv2.filter2D(grey, cv2.CV_32F, kernel))
    return float(np.clip(np.median(detail) * 1.4826, 0.0, 8.0))


def scene_of(path: str | Path, *, camera: Camera | None = None) -> Scene:
    """A scene around one's own footage: its floor, a region to act in, and ways in from both sides.

    `camera` says how the camera hangs; its size does not matter. None guesses it from the people who move in
    a video, or takes a usual one (4 m high, looking down by 24 degrees) when nobody does.

    Raises:
        VideoError: when the footage cannot be read.
        InputError: when the camera sees no floor.
    """
    width, height = usual_size(path)
    footage = Footage(path, (640, round(640 * height / width / 2) * 2))
    try:
        found = camera or guess_camera(footage.sample(LOOKED_AT))
    finally:
        footage.close()
    found = found.resized(*footage.size)
    middle = found.floor(np.array([found.width / 2, found.height_px * 0.72]))
    if not np.isfinite(middle).all():
        raise InputError(
            f"{path}: this camera sees no floor in the lower part of the picture. Give it more tilt."
        )
    y = float(middle[1])
    near = float(found.floor(np.array([found.width / 2, found.height_px * 0.97]))[1])
    far = float(found.floor(np.array([found.width / 2, found.height_px * 0.45]))[1])
    far = min(far, near + 25.0) if math.isfinite(far) else near + 15.0
    half = y * math.tan(found.fov / 2)
    left, right = -half * 1.25 - 1.5, half * 1.25 + 1.5
    places = {
        "entrance": Place(name="entrance", kind="entrance", x=left, y=y, heading=0.0, phrase="the left side"),
        "exit": Place(name="exit", kind="exit", x=right, y=y, heading=math.pi, phrase="the right side"),
        "middle": Place(
            name="middle", kind="open", x=0.0, y=y, heading=-math.pi / 2, phrase="the middle of the picture"
        ),
    }
    corners = ((-half * 0.5, near + 0.5), (half * 0.5, near + 0.5), (half * 0.6, far), (-half * 0.6, far))
    return Scene(
        name="footage",
        seed=0,
        phrase="the place that the camera watches",
        indoor=True,
        camera=found,
        places=places,
        routes={"through": Route(name="through", kind="walk", points=((left, y), (right, y)))},
        regions={"floor": Region(name="floor", kind="walk", corners=corners)},
    )


def guess_camera(frames: Picture) -> Camera:
    """How the camera hangs, from how tall moving things look at which row of `frames[n, H, W, 3]`.

    A person of 1.7 m whose feet are at row v looks about `(v - horizon) * 1.7 / camera height` tall. The line
    is fitted to the outlines of what moves; with too few of them the usual camera is taken.
    """
    height, width = frames.shape[1:3]
    focal = width / 2 / math.tan(USUAL_FOV / 2)
    usual = Camera(height=4.0, tilt=0.42, fov=USUAL_FOV, width=width, height_px=height)
    feet, tall = _movers(frames)
    if len(feet) < 12:
        return usual
    slope, horizon = _fitted(feet, tall)
    if slope is None or not 0.05 < slope < 1.2:
        return usual
    tilt = math.atan2(height / 2 - horizon, focal)
    if not -0.1 < tilt < 1.2:
        return usual
    return Camera(
        height=float(np.clip(USUAL_HEIGHT / slope, 1.5, 25.0)),
        tilt=tilt,
        fov=USUAL_FOV,
        width=width,
        height_px=height,
    )


def _movers(frames: Picture) -> tuple[Floats, Floats]:
    """Foot rows and heights in pixels of upright outlines that differ from the empty picture."""
    if len(frames) < 8:
        return np.zeros(0), np.zeros(0)
    empty = np.median(frames[:: max(1, len(frames) // 24)], axis=0).astype(np.int16)
    feet: list[float] = []
    tall: list[float] = []
    rows, columns = frames.shape[1:3]
    for frame in frames:
        moved = (np.abs(frame.astype(np.int16) - empty).max(-1) > 34).astype(np.uint8)
        moved = cv2.morphologyEx(moved, cv2.MORPH_CLOSE, np.ones((9, 5), np.uint8))
        count, _, boxes, _ = cv2.connectedComponentsWithStats(moved)
        for x, y, w, h, area in boxes[1:count]:
            upright = 1.6 * w < h < 5 * w and h > rows * 0.05 and area > 0.35 * w * h
            inside = x > 1 and y > 1 and x + w < columns - 1 and y + h < rows - 1
            if upright and inside:
                feet.append(float(y + h))
                tall.append(float(h))
    return np.array(feet), np.array(tall)


def _fitted(feet: Floats, tall: Floats) -> tuple[float | None, float]:
    """The steady line tall = slope * (feet - horizon): median of slopes between pairs, which outliers do not
    sway.
    """
    i, j = np.triu_indices(len(feet), 1)
    apart = np.abs(feet[i] - feet[j]) > 12
    if apart.sum() < 10:
        return None, 0.0
    slope = float(np.median((tall[i] - tall[j])[apart] / (feet[i] - feet[j])[apart]))
    if slope <= 0:
        return None, 0.0
    return slope, float(np.median(feet - tall / slope))


def blend_in(frame: Picture, before: Picture, grain: float, softness: float, seed: int) -> None:
    """Give what was drawn over the footage, in `frame[H, W, 4]`, the footage's own softness and grain."""
    drawn = cv2.absdiff(frame[..., :3], before).max(-1)
    mask = cv2.dilate((drawn > 0).astype(np.uint8), np.ones((3, 3), np.uint8))
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    if not len(columns):
        return
    y0, y1, x0, x1 = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    part, where = frame[y0:y1, x0:x1], mask[y0:y1, x0:x1]
    if softness > 0.1:
        cv2.copyTo(cv2.GaussianBlur(part, (0, 0), max(0.3, softness * frame.shape[1] / 640)), where, part)
    if grain > 0.3:
        noise = np.random.default_rng([seed, 3]).standard_normal(part.shape[:2]).astype(np.float32) * grain
        noisy = np.clip(part.astype(np.float32) + noise[..., None], 0, 255).astype(np.uint8)
        cv2.copyTo(noisy, where, part)
