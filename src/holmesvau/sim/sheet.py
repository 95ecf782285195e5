"""Contact sheets: pictures to look at of every scene, light, weather, action, vehicle, thing and effect."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

from holmesvau.errors import InputError, OutputError
from holmesvau.sim import scenes
from holmesvau.sim.looks import CLOTHES, random_look
from holmesvau.sim.render import Renderer
from holmesvau.sim.scenes.kit import CAR_COLOURS
from holmesvau.sim.track import Steps, stay
from holmesvau.sim.world import (
    ACTIONS,
    Actor,
    Finish,
    Held,
    Light,
    LightKind,
    Scene,
    Sensor,
    Stage,
    State,
    Weather,
)

Picture = npt.NDArray[np.uint8]
Sheet = Literal["scenes", "weather", "actions", "vehicles", "things", "effects"]
CELL = (320, 180)


def contact_sheet(
    out_dir: str | Path, *, sheets: Sequence[Sheet] = get_args(Sheet), seed: int = 1
) -> list[Path]:
    """Draw the named sheets as PNG files `sheet-NAME.png` in `out_dir` and return their paths.

    Raises:
        InputError: when a sheet has an unknown name.
        OutputError: when a file cannot be written.
    """
    unknown = [name for name in sheets if name not in _SHEETS]
    if unknown:
        raise InputError(f"No contact sheet is called {unknown[0]!r}; there are {', '.join(_SHEETS)}.")
    folder = Path(out_dir)
    paths = []
    for name in sheets:
        columns, cells = _SHEETS[name](seed)
        paths.append(save(tiled(cells, columns), folder / f"sheet-{name}.png"))
    return paths


def save(picture: Picture, path: Path) -> Path:
    """Write an RGB picture as PNG.

    Raises:
        OutputError: when that fails.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())
    except OSError as error:
        raise OutputError(
            f"{path}: the sheet cannot be written ({error}). Give a folder with room to write."
        ) from error
    return path


def tiled(cells: Sequence[tuple[str, Picture]], columns: int) -> Picture:
    """Named pictures of one size in rows, each with its name below."""
    height, width = cells[0][1].shape[:2]
    rows = math.ceil(len(cells) / columns)
    sheet = np.full((rows * (height + 18), columns * (width + 4), 3), 24, np.uint8)
    for k, (name, picture) in enumerate(cells):
        y, x = (k // columns) * (height + 18), (k % columns) * (width + 4)
        sheet[y : y + height, x : x + width] = picture
        cv2.putText(
            sheet,
            name,
            (x + 4, y + height + 13),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.4,
            (230, 230, 230),
            1,
            cv2.LINE_AA,
        )
    return sheet


def passers_by(
    scene: Scene, seed: int, *, duration: float, people: int = 5, lights: bool = False
) -> list[Actor]:
    """People and cars who go along the routes of a scene, over and over: something to look at and to time."""
    rng = np.random.default_rng([seed, 31])
    actors: list[Actor] = []
    walks = [route for route in scene.routes.values() if route.kind == "walk"]
    for k in range(people):
        route = walks[k % len(walks)]
        points = route.points if rng.random() < 0.5 else route.points[::-1]
        aside = float(rng.uniform(-0.35, 0.35))
        speed, start = float(rng.uniform(1.1, 1.5)), -float(rng.uniform(0.1, 0.8)) * route.length / 1.3
        number = 0
        while start < duration:
            steps = Steps(start, points[0][0], points[0][1] + aside)
            steps.go(*[(x, y + aside) for x, y in points[1:]], speed=speed)
            if steps.t > 0:
                look = random_look(rng)
                actors.append(
                    Actor(
                        name=f"walker {k}.{number}",
                        kind="person",
                        track=steps.track(),
                        start=start,
                        end=steps.t,
                        look=look,
                    )
                )
            start, number = steps.t + float(rng.uniform(0.5, 3.0)), number + 1
    for k, route in enumerate([r for r in scene.routes.values() if r.kind == "drive"][:2]):
        start, number = -float(rng.uniform(0.3, 0.6)) * route.length / 8, 0
        while start < duration:
            name = str(rng.choice(list(CAR_COLOURS)))
            finish = Finish(
                colour=CAR_COLOURS[name],
                name=name,
                variant=str(rng.choice(["saloon", "suv", "hatchback", "taxi"])),
            )
            steps = Steps(start, *route.points[0]).set(lights=float(lights)).go(*route.points[1:], speed=8.0)
            actors.append(
                Actor(
                    name=f"car {k}.{number}",
                    kind="car",
                    track=steps.track(),
                    start=start,
                    end=steps.t,
                    finish=finish,
                )
            )
            start, number = steps.t + float(rng.uniform(1.0, 8.0)), number + 1
    return actors


def _view(name: str, seed: int, light: LightKind, weather: Weather | None = None) -> Picture:
    scene = scenes.build(name, seed)
    stage = Stage(
        scene=scene,
        duration=20.0,
        size=CELL,
        seed=seed,
        light=Light(kind=light),
        weather=weather or Weather(),
        sensor=Sensor(clock="2031-03-02T23:14:05"),
        actors=passers_by(scene, seed, duration=20.0, lights=light != "day"),
    )
    return Renderer(stage).frame(60)


def _scenes(seed: int) -> tuple[int, list[tuple[str, Picture]]]:
    lights: tuple[LightKind, ...] = get_args(LightKind)
    return 4, [
        (f"{name}, {light}", _view(name, seed + k, light))
        for name in scenes.NAMES
        for k, light in enumerate(lights)
    ]


def _weather(seed: int) -> tuple[int, list[tuple[str, Picture]]]:
    cells = []
    for name in ("crossing", "street", "car park"):
        for kind, light in (("overcast", "day"), ("rain", "night"), ("snow", "dusk"), ("fog", "day")):
            weather = Weather(kind=kind, amount=0.7)  # type: ignore[arg-type]
            cells.append((f"{name}, {kind}, {light}", _view(name, seed + 5, light, weather)))  # type: ignore[arg-type]
    return 4, cells


_IN_HAND: dict[str, Held] = {
    "aim": "gun", "shoot": "gun", "strike": "bat", "carry": "box", "spray": "spray can", "pry": "crowbar",
    "phone": "phone", "throw": "bottle", "conceal": "item", "grab": "item", "search": "bag",
}  # fmt: skip


def _close_ups(
    actors: Sequence[Actor], names: Sequence[str], crop: tuple[float, float, float], times: Sequence[float]
) -> list[tuple[str, Picture]]:
    """Each actor alone in an empty hall, cut out around `(y, width, height)` metres."""
    scene = scenes.build("warehouse", 5)
    stage = Stage(
        scene=scene, duration=10.0, size=(960, 540), actors=(), sensor=Sensor(noise=1.0, distortion=0.0)
    )
    renderer = Renderer(stage)
    y, width, height = crop
    scale = renderer.camera.pixels_per_metre(0.0, y)
    (u, v), _ = renderer.camera.project(np.array([0.0, y, height * 0.42]))
    half_w, half_h = round(width * scale / 2), round(height * scale / 2)
    cells = []
    for actor, name, t in zip(actors, names, times, strict=True):
        renderer.stage_actors([actor])
        picture = renderer.frame(round(t * stage.fps))
        padded = cv2.copyMakeBorder(picture, half_h, half_h, half_w, half_w, cv2.BORDER_REPLICATE)
        cells.append(
            (
                name,
                np.ascontiguousarray(
                    padded[round(v) : round(v) + 2 * half_h, round(u) : round(u) + 2 * half_w]
                ),
            )
        )
    return cells


def _actions(seed: int) -> tuple[int, list[tuple[str, Picture]]]:
    rng = np.random.default_rng([seed, 5])
    actors, names = [], []
    for number, (action, motion) in enumerate(ACTIONS.items()):
        for phase in (0.1, 0.45, 0.75 if motion.cyclic else 1.0):
            state = State(
                x=0.0,
                y=6.2,
                heading=-1.1 + 0.8 * (number % 4),
                action=action,
                phase=phase,
                held=_IN_HAND.get(action, ""),
            )
            actors.append(Actor(name=action, kind="person", track=_fixed(state), look=random_look(rng)))
            names.append(f"{action} {phase:.2f}")
    return 15, _close_ups(actors, names, (6.2, 2.6, 2.6), [1.0] * len(actors))


def _fixed(state: State) -> Callable[[float], State]:
    return lambda _: state


def _vehicles(seed: int) -> tuple[int, list[tuple[str, Picture]]]:
    rng = np.random.default_rng([seed, 6])
    kinds = [("car", v) for v in ("hatchback", "saloon", "suv", "taxi")] + [
        ("van", "van"),
        ("van", "truck"),
        ("police car", ""),
    ]
    kinds += [("bike", ""), ("motorbike", ""), ("dog", "large"), ("dog", "small")]
    actors, names = [], []
    for kind, variant in kinds:
        for turn in (-0.5, 0.4, -1.3, 1.7):
            name = str(rng.choice(list(CAR_COLOURS)))
            rider = random_look(rng) if kind in ("bike", "motorbike") else None
            finish = Finish(
                colour=(120, 88, 56) if kind == "dog" else CAR_COLOURS[name],
                name=name,
                variant=variant,
                rider=rider,
            )
            track = stay(
                0, 10, 0.0, 9.0, heading=turn, action="walk", lights=float(turn > 1), beacon=float(turn > 1)
            )
            actors.append(Actor(name=f"{kind} {variant}", kind=kind, track=track, finish=finish))  # type: ignore[arg-type]
            names.append(f"{kind} {variant}")
    return 8, _close_ups(actors, names, (9.0, 6.4, 4.0), [1.0] * len(actors))


def _things(seed: int) -> tuple[int, list[tuple[str, Picture]]]:
    rng = np.random.default_rng([seed, 7])
    actors, names = [], []
    for kind in ("bag", "suitcase", "box", "item", "door", "trolley", "bin", "bottle", "cash", "weapon"):
        for tilt in (0.0, 1.5):
            name = str(rng.choice(list(CLOTHES)))
            track = stay(
                0,
                10,
                0.0,
                5.5,
                heading=0.5,
                tilt=0.0 if kind == "door" else tilt,
                open=float(tilt > 0) if kind == "door" else 0.0,
            )
            actors.append(
                Actor(name=kind, kind=kind, track=track, finish=Finish(colour=CLOTHES[name], name=name))
            )
            names.append(kind)
    return 10, _close_ups(actors, names, (5.5, 2.4, 2.4), [1.0] * len(actors))


def _effects(seed: int) -> tuple[int, list[tuple[str, Picture]]]:
    actors, names, times = [], [], []
    for kind in ("fire", "smoke", "tear gas", "explosion", "flash", "sparks", "glass", "graffiti", "spill"):
        for t in (0.12, 0.8, 2.0, 6.0):
            wall = 1.0 if kind in ("glass", "graffiti") and t < 1.9 else 0.0
            track = stay(
                0,
                10,
                0.0,
                9.0,
                heading=math.pi / 2,
                z=1.2 if wall or kind == "flash" else 0.0,
                wall=wall,
                size=1.2,
                strength=min(1.0, 0.3 + t / 2),
            )
            actors.append(
                Actor(
                    name=f"{kind} {seed}",
                    kind=kind,
                    track=track,
                    finish=Finish(colour=(128, 132, 138) if kind == "smoke" else (150, 30, 60)),
                )
            )
            names.append(f"{kind} {t:.1f} s")
            times.append(t)
    return 8, _close_ups(actors, names, (9.0, 7.0, 5.5), times)


_SHEETS: dict[str, Callable[[int], tuple[int, list[tuple[str, Picture]]]]] = {
    "scenes": _scenes,
    "weather": _weather,
    "actions": _actions,
    "vehicles": _vehicles,
    "things": _things,
    "effects": _effects,
}
