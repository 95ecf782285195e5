"""The plate: what a camera sees when nobody is there, painted once per view in high quality.

Every face is cast into a buffer of nearest surfaces at `fine` times the picture's size, then lit pixel by
pixel (`holmesvau.sim.lighting`) and shrunk. Beside the picture the plate keeps how far away each fine pixel
is, so that actors vanish behind what stands before them.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from holmesvau.sim.camera import NEAR, Camera
from holmesvau.sim.lighting import Buffers, Illumination
from holmesvau.sim.solids import Face
from holmesvau.sim.world import Scene

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]
FAR = np.float32(1e9)


@dataclass(frozen=True, eq=False)
class Plate:
    """`picture[H, W, 3]` uint8 RGB, and `distance[H * fine, W * fine]` float32: level metres ahead of the
    camera.

    Floors and the sky stand at 1e9 in `distance`: they hide nobody.
    """

    picture: Picture
    distance: Floats
    fine: int


def fineness(width: int) -> int:
    """How many fine pixels lie along a picture's pixel: moving things are drawn at this scale too."""
    return 3 if width <= 400 else 2


def paint(scene: Scene, camera: Camera, light: Illumination) -> Plate:
    """Paint and light the scene as the camera sees it."""
    fine = fineness(camera.width)
    lens = camera.bend
    camera = camera.bent(0.0)
    big = camera.resized(camera.width * fine, camera.height_px * fine)
    buffers = cast(scene.parts, big)  # type: ignore[arg-type]
    rgb = light.shade(buffers, big)
    small = cv2.resize(rgb, (camera.width, camera.height_px), interpolation=cv2.INTER_AREA)
    picture = np.clip(small * 255.0 + 0.5, 0, 255).astype(np.uint8)
    ahead = level_distance(buffers, big)
    if lens:
        picture = cv2.remap(
            picture, *_lens(camera.bent(lens)), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        ahead = cv2.remap(ahead, *_lens(big.bent(lens)), cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return Plate(picture, ahead, fine)


def _lens(camera: Camera) -> tuple[Floats, Floats]:
    """Where each pixel's content lies in a picture taken through a perfect lens."""
    y, x = np.mgrid[0 : camera.height_px, 0 : camera.width].astype(np.float64)
    straight = camera.straight(np.stack([x + 0.5, y + 0.5], axis=-1)) - 0.5
    return straight[..., 0].astype(np.float32), straight[..., 1].astype(np.float32)


def level_distance(buffers: Buffers, camera: Camera) -> Floats:
    """Metres ahead of the camera along the floor of what each fine pixel shows; 1e9 for floors and sky."""
    forward = camera.rotation[2].copy()
    forward[2] = 0
    forward /= max(float(np.linalg.norm(forward)), 1e-6)
    along = buffers.rays @ forward.astype(np.float32)
    ahead = np.where(buffers.floor | (buffers.depth >= FAR), FAR, along * buffers.depth)
    return ahead.astype(np.float32)


def cast(faces: list[Face], camera: Camera) -> Buffers:
    """The nearest surface in every pixel: its colour, place, normal and gloss."""
    buffers = _empty(camera)
    for face in faces:
        if face.material.opacity >= 1.0:
            _cast_face(face, camera, buffers)
    for face in faces:
        if face.material.opacity < 1.0:
            _cast_face(face, camera, buffers)
    return buffers


def _empty(camera: Camera) -> Buffers:
    h, w = camera.height_px, camera.width
    columns = (np.arange(w, dtype=np.float32) + 0.5 - w / 2) / camera.focal
    rows = (np.arange(h, dtype=np.float32) + 0.5 - h / 2) / camera.focal
    rotation = camera.rotation.astype(np.float32)
    rays = (
        columns[None, :, None] * rotation[0] + rows[:, None, None] * rotation[1] + rotation[2][None, None, :]
    ).astype(np.float32)
    return Buffers(
        rays=rays,
        depth=np.full((h, w), FAR, np.float32),
        colour=np.zeros((h, w, 3), np.float32),
        normal=np.zeros((h, w, 3), np.float32),
        gloss=np.zeros((h, w), np.float32),
        glow=np.zeros((h, w), np.float32),
        floor=np.zeros((h, w), bool),
        solid=np.full((h, w), -1, np.int16),
    )


def _cast_face(face: Face, camera: Camera, buffers: Buffers) -> None:
    u, v, normal = face.axes
    origin = face.points[0]
    facing = float(normal @ (camera.position - origin))
    if abs(facing) < 1e-6 or (facing < 0 and not face.both):
        return
    outline = _outline(face.points, camera)
    if outline is None:
        return
    h, w = buffers.depth.shape
    x0, y0 = np.maximum(np.floor(outline.min(0)).astype(int) - 1, 0)
    x1, y1 = np.minimum(np.ceil(outline.max(0)).astype(int) + 2, (w, h))
    if x0 >= x1 or y0 >= y1:
        return
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    cv2.fillPoly(mask, [np.round((outline - (x0 + 0.5, y0 + 0.5)) * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    rays = buffers.rays[y0:y1, x0:x1]
    slope = rays @ normal.astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.float32(normal @ (origin - camera.position)) / slope
    seen = (mask > 0) & (depth > NEAR * 0.5) & (depth - face.lift < buffers.depth[y0:y1, x0:x1] - 1e-4)
    if not seen.any():
        return
    far, ray = depth[seen], rays[seen]
    place = ray * far[:, None] + (camera.position - origin).astype(np.float32)
    lean = np.abs(slope[seen]) / np.linalg.norm(ray, axis=1)
    grain = (far / camera.focal / np.maximum(np.sqrt(lean), 0.12)).astype(np.float32)
    m = face.material
    cover = m.covers((place @ u).astype(np.float32), (place @ v).astype(np.float32), grain)
    if cover is not None:
        seen[seen] = cover
        far, place, grain = far[cover], place[cover], grain[cover]
    colour = m.reflect((place @ u).astype(np.float32), (place @ v).astype(np.float32), grain)
    if m.opacity < 1.0:
        under = buffers.colour[y0:y1, x0:x1]
        under[seen] = under[seen] * (1 - m.opacity) + colour * m.opacity
        buffers.gloss[y0:y1, x0:x1][seen] = np.maximum(buffers.gloss[y0:y1, x0:x1][seen], m.gloss)
        return
    buffers.colour[y0:y1, x0:x1][seen] = colour
    buffers.depth[y0:y1, x0:x1][seen] = far
    buffers.normal[y0:y1, x0:x1][seen] = (normal if facing > 0 else -normal).astype(np.float32)
    buffers.gloss[y0:y1, x0:x1][seen] = m.gloss
    buffers.glow[y0:y1, x0:x1][seen] = m.glow
    buffers.floor[y0:y1, x0:x1][seen] = face.floor
    buffers.solid[y0:y1, x0:x1][seen] = face.solid


def _outline(points: npt.NDArray[np.float64], camera: Camera) -> npt.NDArray[np.float64] | None:
    """The face in pixels, cut off before the camera; None when all of it lies behind."""
    view = camera.to_view(points)
    kept: list[npt.NDArray[np.float64]] = []
    for a, b in zip(view, np.roll(view, -1, axis=0), strict=True):
        if a[2] >= NEAR:
            kept.append(a)
        if (a[2] >= NEAR) != (b[2] >= NEAR):
            kept.append(a + (b - a) * (NEAR - a[2]) / (b[2] - a[2]))
    if len(kept) < 3:
        return None
    cut = np.stack(kept)
    flat = cut[:, :2] * (camera.focal / cut[:, 2:3]) + (camera.width / 2, camera.height_px / 2)
    return np.clip(flat, -30000, 30000)
