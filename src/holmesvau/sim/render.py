"""The renderer: any frame of a stage, drawn from the plate and the states of its actors at that time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from holmesvau.errors import InputError
from holmesvau.sim import bodies, effects, figures, plate, shadows
from holmesvau.sim.background import Footage, backdrop, blend_in
from holmesvau.sim.camera import Camera
from holmesvau.sim.canvas import Canvas
from holmesvau.sim.lighting import Illumination
from holmesvau.sim.sensor import Develop
from holmesvau.sim.tones import Tones
from holmesvau.sim.world import EFFECT_KINDS, Actor, Stage, State

Picture = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]
Shown = tuple[float, Actor, State]


class Renderer:
    """Draws a stage. Building one paints the empty scene (about a second); each frame then takes
    milliseconds.

    Frames are a pure function of the stage and the index: any order, any number of processes, the same
    pixels.
    """

    def __init__(self, stage: Stage) -> None:
        cv2.setNumThreads(1)
        self.stage, self.camera = stage, stage.camera
        scene = stage.scene
        self.sensor = Develop(stage)
        self.footage: Footage | None = None
        self.light: Illumination
        self._grain = 0.0
        if stage.background:
            self.footage = Footage(stage.background, stage.size)
            self.plate, self.light, self._grain = backdrop(stage, self.footage)
        else:
            lamps = (*scene.lamps, *stage.light.lamps)
            self.light = Illumination(
                stage.light, stage.weather, scene.indoor, lamps, scene.solids, self.camera
            )
            painted = plate.paint(scene, self.camera, self.light)
            self.plate = plate.Plate(
                self.sensor.soften_plate(painted.picture), painted.distance, painted.fine
            )
        self.canvas = Canvas(self.plate)
        self.tones = Tones(self.light)
        self._timetable = Timetable(stage)
        self._ahead = self.camera.rotation[2][:2] / max(1e-6, float(np.hypot(*self.camera.rotation[2][:2])))

    def close(self) -> None:
        """Let the background footage go, where there is one."""
        if self.footage is not None:
            self.footage.close()

    def planes(self, index: int) -> Picture:
        """Frame `index` as `[H * 3 / 2, W]` uint8 I420: luma, then the two quarter-size chroma planes.

        Raises:
            InputError: when the stage has no such frame.
        """
        return self.sensor.frame(self.drawn(index), index)

    def frame(self, index: int) -> Picture:
        """Frame `index` as `[H, W, 3]` uint8 RGB, as it is handed to the encoder."""
        rgb: Picture = cv2.cvtColor(self.planes(index), cv2.COLOR_YUV2RGB_I420)
        return rgb

    def drawn(self, index: int) -> Picture:
        """Frame `index` before the camera's own marks, `[H, W, 4]` RGBA; valid until the next call."""
        if not 0 <= index < self.stage.num_frames:
            raise InputError(f"frame {index}: the stage has frames 0 to {self.stage.num_frames - 1}.")
        t = index / self.stage.fps
        if self.footage is None:
            self.canvas.restore()
        else:
            self.canvas.replace(self.footage.at(t))
        shown = self.shown(t)
        bones = [figures.in_world(s, a.look) if a.kind == "person" else None for _, a, s in shown]
        for (distance, actor, state), world in zip(shown, bones, strict=True):
            if actor.kind not in EFFECT_KINDS and state.z < 0.3:
                shadows.draw(self.canvas, self.camera, actor, state, self.tones, world, distance)
        for (distance, actor, state), world in zip(shown, bones, strict=True):
            self._draw(distance, actor, state, world)
        if self.footage is not None and shown:
            blend_in(
                self.canvas.frame,
                self.footage.at(t),
                self._grain,
                self.stage.sensor.softness,
                self.stage.seed + index,
            )
        return self.canvas.frame

    def shown(self, t: float) -> list[Shown]:
        """Who and what is there at `t` seconds with its distance ahead in metres, the farthest first."""
        found: list[Shown] = []
        for actor in self._timetable.at(t):
            state = actor.at(t)
            if state is not None:
                found.append((self.distance(state.x, state.y) + actor.layer, actor, state))
        found.sort(key=lambda item: -item[0])
        return _around_vehicles(found, self.camera)

    def stage_actors(self, actors: Sequence[Actor]) -> None:
        """Put others on the stage; the scene, its light and the camera stay as painted."""
        self.stage = replace(self.stage, actors=tuple(actors))
        self._timetable = Timetable(self.stage)

    def distance(self, x: float, y: float) -> float:
        """Level metres ahead of the camera, by which things hide each other."""
        return float((x - self.camera.x) * self._ahead[0] + (y - self.camera.y) * self._ahead[1])

    def box(self, actor: Actor, t: float) -> tuple[float, float, float, float] | None:
        """The actor's `(left, top, right, bottom)` pixels at `t` as drawn, before sway and jolts; None when
        not there.
        """
        state = actor.at(t)
        if state is None:
            return None
        if actor.kind == "person":
            points, grow = figures.in_world(state, actor.look), 0.14
        elif actor.kind in EFFECT_KINDS:
            size = effects.reach(actor.kind, state)
            return self.camera.box(state.x, state.y, 2 * size, size, state.z)
        elif actor.kind in ("bike", "motorbike", "dog"):
            return self.camera.box(state.x, state.y, 2.0, 1.1, state.z)
        else:
            points, grow = bodies.placed(bodies.mesh(actor.kind, actor.finish).points, state), 0.05
        pixels, depth = self.camera.project(points)
        edge = grow * self.camera.focal / max(0.3, float(depth.min()))
        (left, top), (right, bottom) = pixels.min(0) - edge, pixels.max(0) + edge
        return float(left), float(top), float(right), float(bottom)

    def _draw(self, distance: float, actor: Actor, state: State, world: Points | None) -> None:
        if distance < 0.6 and actor.kind not in EFFECT_KINDS:
            return
        if actor.kind == "person":
            figures.draw(self.canvas, self.camera, state, actor.look, self.tones, distance, world)
            if state.held == "torch":
                effects.torch_light(self.canvas, self.camera, state, self.light)
        elif actor.kind in EFFECT_KINDS:
            effects.draw(self.canvas, self.camera, actor, state, self.light, distance)
        else:
            bodies.draw(self.canvas, self.camera, actor, state, self.tones, distance)
            if (
                actor.finish.rider is not None
                and actor.kind in ("bike", "motorbike")
                and not state.extra.get("empty")
            ):
                rider = figures.riding(state, heavy=actor.kind == "motorbike")
                figures.draw(self.canvas, self.camera, rider, actor.finish.rider, self.tones, distance - 0.02)
            effects.vehicle_lights(self.canvas, self.camera, actor, state, self.light)


class Timetable:
    """Which actors may be there at a time, found without asking all of them."""

    def __init__(self, stage: Stage) -> None:
        self._slots: dict[int, list[Actor]] = {}
        self._always: list[Actor] = []
        self._length = 10.0
        slots = math.ceil(stage.duration / self._length)
        for actor in stage.actors:
            if actor.start >= stage.duration or actor.end <= 0:
                continue
            first = max(0, int(actor.start // self._length))
            last = min(slots - 1, int(min(actor.end, stage.duration) // self._length))
            if last - first > 360:
                self._always.append(actor)
                continue
            for slot in range(first, last + 1):
                self._slots.setdefault(slot, []).append(actor)

    def at(self, t: float) -> Iterator[Actor]:
        """The actors whose span may hold `t`."""
        yield from self._always
        yield from self._slots.get(int(t // self._length), ())


def _around_vehicles(found: list[Shown], camera: Camera) -> list[Shown]:
    """Move whoever stands beside a long vehicle to the right side of it in the painting order."""
    for vehicle in [item for item in found if item[1].kind in bodies.MESH_VEHICLES]:
        _, actor, state = vehicle
        mesh = bodies.mesh(actor.kind, actor.finish)
        place = next(k for k, item in enumerate(found) if item is vehicle)
        before: list[Shown] = []
        after: list[Shown] = []
        for k, item in enumerate(found):
            if item is vehicle:
                continue
            far = math.hypot(item[2].x - state.x, item[2].y - state.y) > mesh.half_length + 3.0
            hides = (
                k > place
                if far or item[1].kind in bodies.MESH_VEHICLES
                else _is_before(item[2], state, mesh, camera)
            )
            (after if hides else before).append(item)
        if any(item is not other for item, other in zip([*before, vehicle, *after], found, strict=True)):
            found = [*before, vehicle, *after]
    return found


def _is_before(state: State, vehicle: State, mesh: bodies.Mesh, camera: Camera) -> bool:
    """Whether something stands on the camera's side of a vehicle."""
    c, s = math.cos(vehicle.heading), math.sin(vehicle.heading)

    def local(x: float, y: float) -> tuple[float, float]:
        dx, dy = x - vehicle.x, y - vehicle.y
        return c * dx + s * dy, c * dy - s * dx

    (u, v), (eye_u, eye_v) = local(state.x, state.y), local(camera.x, camera.y)
    if abs(v) >= mesh.half_width and abs(eye_v) > mesh.half_width:
        return v * eye_v > 0
    if abs(u) >= mesh.half_length * 0.9:
        return u * eye_u > 0
    return u * eye_u + v * eye_v > 0
