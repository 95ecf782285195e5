"""The plan of one video: its scene, light and camera, what happens when, and the truth in words and frames.

A plan is a pure function of the settings and the video's number: the same on any machine and for any number
of processes. Nothing is rendered here.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np

from holmesvau.errors import InputError
from holmesvau.hivau.schema import VideoAnnotation
from holmesvau.sim import scenes
from holmesvau.sim.scripts import ANOMALIES, NEGATIVES, NORMAL, SUITED, Cue, Happening, Script, wardrobe
from holmesvau.sim.scripts.cue import SCENE_WORDS, NoRoomError
from holmesvau.sim.scripts.floor import Floor
from holmesvau.sim.surroundings import draw_light, draw_sensor, draw_weather
from holmesvau.sim.texts.annotate import Footage, annotate
from holmesvau.sim.world import EFFECT_KINDS, Light, Scene, Sensor, Stage, Weather
from holmesvau.types import Span

# Scenes of different splits are built from seeds that no other split uses.
_SEEDS = {"train": 0, "val": 1_000_000, "test": 2_000_000}
# The name of the scene that is one's own footage.
OWN = "footage"
# Seconds between two ordinary things, on average.
_PACE = {
    "crossing": 4.0, "street": 5.0, "car park": 8.0, "shop": 9.0,
    "corridor": 10.0, "platform": 7.0, "warehouse": 12.0, "living room": 16.0,
    "lobby": 8.0, "alley": 11.0, "park": 7.0, "office": 12.0,
    "supermarket": 8.0, "petrol station": 8.0, "garage": 10.0, "yard": 8.0, "cafe": 9.0,
    OWN: 20.0,
}  # fmt: skip
_SHARES = {
    "passing": 4.0, "driving": 4.0, "waiting": 2.0, "talking": 1.2, "shopping": 2.5, "queueing": 1.0,
    "cycling": 1.0, "dog walk": 0.8, "parking": 1.5, "working": 3.0,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the videos are to be like.

    `duration` is seconds, or a lowest and a highest number of them; `size` pixels; `scenes` and `classes`
    limit what is drawn from; `background` is a video or picture to stage things in instead;
    `anomalous_share` of the videos hold anomalies, at most `events` in every hour that is begun.
    """

    seed: int
    split: str = "train"
    duration: tuple[float, float] = (20.0, 60.0)
    size: tuple[int, int] = (320, 240)
    fps: float = 15.0
    anomalous_share: float = 0.5
    scenes: tuple[str, ...] = scenes.NAMES
    classes: tuple[str, ...] = tuple(ANOMALIES)
    events: int = 3
    busy: float = 1.0
    background: str = ""

    def __post_init__(self) -> None:
        wardrobe.check_split(self.split)
        low, high = self.duration
        if not (math.isfinite(high) and 5.0 <= low <= high <= 90_000):
            raise InputError(f"duration {low:g} to {high:g} s: give 5 seconds to 25 hours.")
        if not 0.0 <= self.anomalous_share <= 1.0:
            raise InputError(f"anomalous_share {self.anomalous_share}: give a share from 0 to 1.")
        if not 0.0 <= self.busy <= 10.0:
            raise InputError(f"busy {self.busy}: give 0 (nobody else is there) to 10.")
        if self.events < 1:
            raise InputError(f"events {self.events}: give the most anomalies an hour, 1 or more.")
        for name in self.scenes:
            if name not in scenes.NAMES and not (self.background and name == OWN):
                raise InputError(f"No scene is called {name!r}; there are {', '.join(scenes.NAMES)}.")
        for label in self.classes:
            if label not in ANOMALIES:
                raise InputError(f"No anomaly is called {label!r}; there are {', '.join(ANOMALIES)}.")
        if self.seed < 0:
            raise InputError(f"seed {self.seed}: give a whole number from 0 on.")
        suited = {label for name in self.scenes for label in SUITED[name]} & set(self.classes)
        if not self.scenes or (self.anomalous_share > 0 and not suited):
            raise InputError(
                "None of the chosen classes can happen in the chosen scenes. Allow more of either."
            )


@dataclass(frozen=True)
class Plan:
    """One video before it is rendered: the stage, its annotation, the side record, and its anomalies."""

    name: str
    stage: Stage
    annotation: VideoAnnotation
    record: Mapping[str, Any]
    anomalies: tuple[Happening, ...] = ()


def plan(settings: Settings, number: int) -> Plan:
    """The plan of video `number` of these settings.

    Raises:
        InputError: when no anomaly of the chosen classes finds room in the chosen scenes.
    """
    anomalous = math.floor((number + 1) * settings.anomalous_share) > math.floor(
        number * settings.anomalous_share
    )
    for attempt in range(12):
        rng = np.random.default_rng([settings.seed, _SEEDS[settings.split], number, attempt])
        label = _label(settings, number, attempt) if anomalous else ""
        made = _planned(settings, number, label, rng)
        if made is not None:
            return made
    raise InputError(
        f"Video {number}: no anomaly of {', '.join(settings.classes)} finds room in "
        f"{', '.join(settings.scenes)} within {settings.duration[1]:g} s. Allow more classes or scenes."
    )


def _label(settings: Settings, number: int, attempt: int) -> str:
    """Classes in turn, each round in another order, so that all come equally often."""
    possible = [c for c in settings.classes if any(c in SUITED[name] for name in settings.scenes)]
    which = math.floor((number + 1) * settings.anomalous_share) - 1
    turn, place = divmod(which, len(possible))
    order = np.random.default_rng([settings.seed, 17, turn]).permutation(len(possible))
    # After some tries the class gives way to its neighbours, rather than the video.
    return possible[int(order[(place + attempt // 6) % len(possible)])]


def _planned(settings: Settings, number: int, label: str, rng: np.random.Generator) -> Plan | None:
    suited = [name for name in settings.scenes if not label or label in SUITED[name]]
    chosen = suited[int(rng.integers(len(suited)))]
    scene_seed = _SEEDS[settings.split] + int(rng.integers(1_000_000))
    scene = _own(settings.background) if settings.background else scenes.build(chosen, scene_seed)
    low, high = settings.duration
    duration = low * (high / low) ** float(rng.uniform())
    duration = max(1, round(duration * settings.fps)) / settings.fps
    light = Light() if settings.background else draw_light(scene, label, rng)
    weather = draw_weather(scene, rng)
    timeline = Timeline(settings, scene, light, weather, duration, rng)
    if label:
        timeline.put_anomalies(label)
        if not timeline.anomalies:
            return None
    timeline.put_negatives()
    timeline.put_ordinary()
    stage = Stage(
        scene=scene,
        duration=duration,
        fps=settings.fps,
        size=settings.size,
        seed=int(rng.integers(1 << 30)),
        light=light,
        weather=weather,
        sensor=Sensor(crf=24) if settings.background else draw_sensor(light, rng),
        actors=tuple(
            actor for h in timeline.all for actor in h.actors if actor.end > 0 and actor.start < duration
        ),
        jolts=tuple(jolt for h in timeline.all for jolt in h.jolts),
        light_changes=tuple(change for h in timeline.all for change in h.light_changes),
        background=settings.background,
    )
    name = f"{settings.split}_{settings.seed}_{number:05d}"
    footage = Footage(
        name=name,
        num_frames=stage.num_frames,
        fps=settings.fps,
        here=SCENE_WORDS[scene.name][0],
        when={"dusk": " at dusk", "night": " at night", "infrared": " at night, in infrared light"}.get(
            light.kind, "" if scene.indoor else " by day"
        ),
        anybody=lambda span: bool(settings.background) or _anybody(stage, span),
    )
    annotation = annotate(footage, timeline.anomalies, timeline.ordinary, rng)
    record = _record(name, stage, annotation, timeline)
    return Plan(name, stage, annotation, record, tuple(timeline.anomalies))


class Timeline:
    """What happens in one video, put one after another so that nobody walks through anybody's deed."""

    def __init__(
        self,
        settings: Settings,
        scene: Scene,
        light: Light,
        weather: Weather,
        duration: float,
        rng: np.random.Generator,
    ) -> None:
        self.settings, self.scene, self.light, self.duration, self.rng = settings, scene, light, duration, rng
        self._wet = weather.kind == "rain" and not settings.background
        self.floor = Floor(scene)
        self.anomalies: list[Happening] = []
        self.negatives: list[Happening] = []
        self.normal: list[Happening] = []
        self._count = 0

    @property
    def ordinary(self) -> list[Happening]:
        """What is not abnormal."""
        return [*self.negatives, *self.normal]

    @property
    def all(self) -> list[Happening]:
        """Everything, anomalies first."""
        return [*self.anomalies, *self.negatives, *self.normal]

    def _staged(self, script: Script, seconds: float) -> Happening | None:
        self._count += 1
        cue = Cue(
            self.floor,
            np.random.default_rng(self.rng.integers(1 << 62)),
            split=self.settings.split,
            seconds=seconds,
            grey=self.light.kind == "infrared",
            dark=self.light.kind != "day",
            wet=self._wet,
            name=f"{self._count}",
        )
        try:
            return script(cue)
        except NoRoomError:
            return None

    def put_anomalies(self, label: str) -> None:
        """One anomaly of the class; in longer videos up to `settings.events` an hour, each in its part."""
        number = self._many(min(1 + int(self.duration // 50), self.settings.events))
        slot = self.duration / number
        for k in range(number):
            suited = [c for c in SUITED[self.scene.name] if c in self.settings.classes]
            wanted = label if k == 0 else suited[int(self.rng.integers(len(suited)))]
            placed = self._placed(ANOMALIES[wanted], k * slot, slot)
            if placed is not None:
                self.anomalies.append(placed)
            elif k == 0:
                return

    def _many(self, most: int) -> int:
        """A number from 1 on, up to `most` in every hour that is begun."""
        hours = math.ceil(self.duration / 3600)
        if hours == 1:
            return int(self.rng.integers(1, most + 1))
        return max(1, int(self.rng.integers(0, most + 1, hours).sum()))

    def _placed(self, script: Script, start: float, length: float) -> Happening | None:
        """The script somewhere in the part, with calm before it where there is time."""
        seconds = 2.0 * (max(1.2, min(60.0, length * 0.4) / 2.0)) ** float(self.rng.uniform())
        for _ in range(8):
            staged = self._staged(script, seconds)
            if staged is None:
                continue
            room = length * 0.94 - staged.span_length
            if room >= 0:
                begin = start + 0.04 * length + float(self.rng.uniform(0.15, 1.0)) * room
                return staged.moved(begin - staged.start).cut(self.duration)
            seconds = max(2.0, seconds * 0.5)
        if staged is not None and start + length >= self.duration - 1e-6:
            begin = start + float(self.rng.uniform(0.1, 0.3)) * length
            return staged.moved(begin - staged.start).cut(self.duration)
        return None

    def put_negatives(self) -> None:
        """Hard negatives where no anomaly is, more in normal videos than in anomalous ones."""
        stretches = math.ceil(self.duration / 300)
        wanted = int(self.rng.integers(0, 2 if self.anomalies else 3, stretches).sum())
        wanted = min(wanted, int(self.duration // 15) if self.anomalies else 1 + int(self.duration // 20))
        names = list(NEGATIVES)
        for _ in range(wanted * 6):
            if len(self.negatives) >= wanted:
                break
            staged = self._staged(
                NEGATIVES[names[int(self.rng.integers(len(names)))]], float(self.rng.uniform(2, 10))
            )
            if staged is None or staged.span_length > self.duration * 0.8:
                continue
            begin = float(self.rng.uniform(0.05, 0.9)) * (self.duration - staged.span_length)
            moved = staged.moved(begin - staged.start)
            if all(
                moved.end + 3 < h.start or moved.start - 3 > h.end for h in [*self.anomalies, *self.negatives]
            ):
                self.negatives.append(moved.cut(self.duration))

    def put_ordinary(self) -> None:
        """Ordinary life from before the beginning to the end, at the scene's pace."""
        if self.settings.busy <= 0:
            return
        pace = _PACE[self.scene.name] / self.settings.busy * float(self.rng.uniform(0.6, 1.8))
        names = list(NORMAL)
        weights = np.array([_SHARES[name] for name in names])
        t = -15.0
        recent: list[Happening] = []
        while t < self.duration:
            name = names[int(self.rng.choice(len(names), p=weights / weights.sum()))]
            staged = self._staged(NORMAL[name], 3.0 * 10 ** float(self.rng.uniform()))
            if staged is None:
                weights[names.index(name)] *= 0.6
                t += 0.5
                continue
            staged = staged.moved(t - staged.start)
            if staged.end > 0.3 and not self._collides(staged, [*self.anomalies, *self.negatives, *recent]):
                recent = [h for h in recent if h.end > t - 60] + [staged]
                # Of what is seen for a moment only, at either end, no beat may be left.
                with suppress(ValueError):
                    self.normal.append(staged.cut(self.duration))
            t += float(self.rng.exponential(pace)) + 0.3

    def _collides(self, new: Happening, others: Sequence[Happening]) -> bool:
        """Whether one of them walks through a disc of floor that another has taken at the time."""
        first, last = new.presence
        for other in others:
            begun, gone = other.presence
            if first > gone + 6 or last < begun - 6:
                continue
            if other.label == "Burglary" and new.start < other.end + 6 and new.end > other.start - 6:
                return True
            if _crosses(new, other, 2.0) or _crosses(other, new, 0.5):
                return True
        return False


def _crosses(walker: Happening, holder: Happening, wait: float) -> bool:
    start, end = holder.start - wait, holder.end + holder.lingers + wait
    for actor in walker.actors:
        t, last = max(actor.start, start), min(actor.end, end)
        while t < last and holder.busy:
            state = actor.at(t)
            if state is not None and any(math.hypot(state.x - x, state.y - y) < r for x, y, r in holder.busy):
                return True
            t += 0.6
    return False


@cache
def _own(path: str) -> Scene:
    """The scene around one's own footage: looked at once a process."""
    from holmesvau.sim.background import scene_of

    return scene_of(path)


def _anybody(stage: Stage, span: Span) -> bool:
    """Whether the camera sees a person or a vehicle at some time of the span."""
    for actor in stage.actors:
        if actor.kind in EFFECT_KINDS or actor.end < span.start or actor.start > span.end:
            continue
        for t in np.arange(max(span.start, actor.start), min(span.end, actor.end), 0.3):
            state = actor.at(float(t))
            if state is not None and stage.scene.camera.sees(state.x, state.y, -0.05):
                return True
    return False


def _record(name: str, stage: Stage, annotation: VideoAnnotation, timeline: Timeline) -> dict[str, Any]:
    """What the released format has no room for: exact frames, phases, hard negatives, the scene."""
    fps = stage.fps

    def noted(happening: Happening) -> dict[str, Any]:
        span = happening.span
        return {
            "label": happening.label,
            "start": round(span.start, 3),
            "end": round(span.end, 3),
            "frames": [round(span.start * fps), min(stage.num_frames, round(span.end * fps))],
            "phases": [[b.phase, round(b.start, 3), round(b.end, 3)] for b in happening.beats],
        }

    record: dict[str, Any] = {
        "name": name,
        "num_frames": stage.num_frames,
        "fps": fps,
        "size": list(stage.size),
        "scene": stage.scene.name,
        "scene_seed": stage.scene.seed,
        "light": stage.light.kind,
        "weather": "none" if stage.scene.indoor else stage.weather.kind,
        "events": [noted(h) for h in sorted(timeline.anomalies, key=lambda h: h.start)],
        "hard_negatives": [noted(h) for h in sorted(timeline.negatives, key=lambda h: h.start)],
    }
    return {**record, "digest": _digest(stage, annotation)}


def _digest(stage: Stage, annotation: VideoAnnotation) -> str:
    """A fingerprint of everything that the pixels and the texts depend on."""
    told = hashlib.sha256(repr((asdict(annotation), stage.light, stage.weather, stage.sensor)).encode())
    told.update(
        repr((stage.scene.name, stage.scene.seed, stage.size, stage.fps, stage.duration, stage.seed)).encode()
    )
    for actor in stage.actors:
        told.update(
            repr((actor.name, actor.kind, actor.track, actor.look, actor.finish, actor.layer)).encode()
        )
    return told.hexdigest()[:32]
