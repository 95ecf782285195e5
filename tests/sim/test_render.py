"""What is drawn: the same pixels for the same stage, in the right place, hidden by what stands before it."""

import hashlib
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from holmesvau.errors import InputError
from holmesvau.sim import scenes
from holmesvau.sim.render import Renderer
from holmesvau.sim.sheet import passers_by
from holmesvau.sim.track import Steps, stay
from holmesvau.sim.world import (
    ACTIONS,
    EFFECT_KINDS,
    Actor,
    ActorKind,
    Finish,
    Jolt,
    Light,
    LightChange,
    Look,
    Sensor,
    Stage,
    Weather,
)

QUIET = Sensor(noise=0.0, vignette=0.0, distortion=0.06)
SIZE = (320, 240)


def lively(seed: int = 3, **more: object) -> Stage:
    scene = scenes.build("street", seed)
    fields = {"duration": 8.0, "size": SIZE, "seed": seed, "actors": passers_by(scene, seed, duration=8.0)}
    return Stage(scene=scene, **(fields | more))  # type: ignore[arg-type]


def in_hall(*actors: Actor, **more: object) -> Stage:
    return Stage(
        scene=scenes.build("warehouse", 5), duration=10.0, size=SIZE, actors=actors, sensor=QUIET, **more
    )  # type: ignore[arg-type]


HALL = Renderer(in_hall())


def changed(renderer: Renderer, index: int) -> np.ndarray:
    """Pixels that differ from the empty scene."""
    return np.abs(renderer.drawn(index).astype(np.int16) - renderer.canvas.clean).max(-1) > 8


def digest(stage: Stage) -> str:
    renderer = Renderer(stage)
    return hashlib.sha256(b"".join(renderer.planes(k).tobytes() for k in (0, 60, 120))).hexdigest()


def test_the_same_stage_gives_the_same_pixels_in_any_order_and_process() -> None:
    stage = lively(light=Light(kind="night"), weather=Weather(kind="rain"), jolts=(Jolt(start=4, end=6),))
    renderer = Renderer(stage)
    forward = [renderer.planes(k).copy() for k in (0, 60, 120)]
    backward = [renderer.planes(k).copy() for k in (120, 60, 0)][::-1]
    for a, b in zip(forward, backward, strict=True):
        np.testing.assert_array_equal(a, b)
    code = (
        "from tests.sim.test_render import digest, lively\n"
        "from holmesvau.sim.world import *\n"
        "night, rain = Light(kind='night'), Weather(kind='rain')\n"
        "print(digest(lively(light=night, weather=rain, jolts=(Jolt(start=4, end=6),))))"
    )
    root = Path(__file__).parents[2]
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert other.stdout.strip() == hashlib.sha256(b"".join(p.tobytes() for p in forward)).hexdigest()


def test_another_seed_gives_other_grain() -> None:
    scene = scenes.build("corridor", 1)
    one, other = (
        Renderer(Stage(scene=scene, duration=1, size=(160, 90), seed=seed)).planes(5) for seed in (1, 2)
    )
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("action", ["walk", "lie", "hands_up", "crouch", "fall"])
def test_a_person_is_drawn_inside_the_box_and_nowhere_else(action: str) -> None:
    person = Actor(name="a", kind="person", track=stay(0, 10, 0.3, 7.0, heading=0.7, action=action))
    renderer = HALL
    renderer.stage_actors([person])
    where = changed(renderer, 10)
    box = renderer.box(person, 10 / 25)
    assert box is not None and where.sum() > 60
    left, top, right, bottom = box
    rows, columns = np.nonzero(where)
    shadow = 0.5 * renderer.camera.pixels_per_metre(0.3, 7.0)
    assert columns.min() >= left - shadow and columns.max() <= right + shadow
    assert rows.min() >= top - 2 and rows.max() <= bottom + shadow
    assert where[int((top + bottom) / 2) - 8 : int((top + bottom) / 2) + 8, int(left) : int(right)].any()


def test_a_walker_moves_across_the_picture_with_the_state() -> None:
    person = Actor(name="a", kind="person", track=Steps(0, -1.5, 8).go((1.5, 8), speed=0.5).track())
    renderer = HALL
    renderer.stage_actors([person])
    for index in (10, 70, 130):
        state = person.at(index / 25)
        assert state is not None
        (u, _), _ = renderer.camera.project(np.array([state.x, state.y, 0.9]))
        assert abs(np.nonzero(changed(renderer, index))[1].mean() - u) < 8


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_every_action_can_be_drawn_at_every_phase(action: str) -> None:
    person = Actor(name="a", kind="person", track=stay(0, 10, 0.0, 7.0, action=action))
    HALL.stage_actors([person])
    for index in (0, 20, 60, 200):
        assert changed(HALL, index).sum() > 50


@pytest.mark.parametrize(
    "kind", ["car", "van", "police car", "bike", "motorbike", "dog", "bag", "box", "door", "trolley"]
)
@pytest.mark.parametrize("heading", [0.0, 1.0, math.pi, -1.2])
def test_vehicles_and_things_are_drawn_where_they_stand(kind: ActorKind, heading: float) -> None:
    thing = Actor(
        name="t", kind=kind, track=stay(0, 10, 0, 9.5, heading=heading), finish=Finish(colour=(150, 20, 20))
    )
    HALL.stage_actors([thing])
    where = changed(HALL, 5)
    box = HALL.box(thing, 0.2)
    assert box is not None and where.sum() > 25
    rows, columns = np.nonzero(where)
    assert box[0] - 12 <= columns.mean() <= box[2] + 12 and box[1] - 12 <= rows.mean() <= box[3] + 12


def shown(**look: object) -> np.ndarray:
    """What somebody who walks in the middle of the hall covers."""
    track = Steps(0.0, 2, 9.0).go((-2, 9.0)).track()
    HALL.stage_actors([Actor(name="a", kind="person", track=track, look=Look(**look))])  # type: ignore[arg-type]
    return changed(HALL, 30)


def test_an_open_umbrella_is_over_the_head_and_wider_than_the_shoulders() -> None:
    bare, open_one, closed = (
        shown(carried=carried, carried_colour=(200, 30, 30)) for carried in ("", "open umbrella", "umbrella")
    )
    head = int(np.nonzero(bare.any(1))[0][0])
    assert open_one[:head].sum() > 40 and not bare[:head].any() and not closed[:head].any()
    widths = [np.ptp(np.nonzero(mask.any(0))[0]) for mask in (bare[: head + 12], open_one[: head + 2])]
    assert widths[1] > 1.5 * widths[0]
    shown(carried="umbrella", carried_colour=(220, 20, 20), bottom=(30, 30, 80))
    frame = HALL.drawn(30)[..., :3].astype(np.int16)
    assert ((frame[..., 0] - frame[..., 1] > 80)[head + 20 :]).sum() > 4, "it hangs at the side"


def test_police_officers_are_told_by_a_bright_vest() -> None:
    shown(person="police officer", top_kind="uniform", top=(34, 42, 78), bottom=(26, 30, 48))
    frame = HALL.drawn(30)[..., :3].astype(np.int16)
    bright = (frame[..., 1] > 110) & (frame[..., 1] - frame[..., 2] > 60)
    assert (bright & changed(HALL, 30)).sum() > 20


@pytest.mark.parametrize("kind", sorted(EFFECT_KINDS))
def test_effects_change_the_picture_near_where_they_are(kind: ActorKind) -> None:
    wall = 1.0 if kind in ("glass", "graffiti") else 0.0
    finish = Finish(colour=(160, 30, 60))
    effect = Actor(
        name=kind,
        kind=kind,
        track=stay(0, 10, 0, 10, z=1.0 if wall else 0.0, wall=wall, size=1.2, strength=1.0),
        finish=finish,
    )
    HALL.stage_actors([effect])
    where = changed(HALL, 40)
    box = HALL.box(effect, 1.6)
    assert box is not None and where.sum() > 4
    rows, columns = np.nonzero(where)
    inside = (columns >= box[0]) & (columns <= box[2]) & (rows >= box[1] - 5) & (rows <= box[3] + 5)
    assert inside.mean() > 0.95


def test_graffiti_is_seen_on_a_door_in_a_wall_that_runs_towards_the_camera() -> None:
    scene = scenes.build("corridor", 3)
    door = next(place for place in scene.of_kind("door") if abs(math.cos(place.heading)) > 0.9)
    x, y = door.x + 0.42 * math.cos(door.heading), door.y + 0.42 * math.sin(door.heading)
    track = stay(0, 10, x, y, z=door.z, heading=door.heading, wall=1.0, size=1.3, strength=1.0)
    tag = Actor(name="a", kind="graffiti", track=track, finish=Finish(colour=(200, 30, 30)), layer=0.3)
    renderer = Renderer(Stage(scene=scene, duration=10.0, size=SIZE, actors=(tag,), sensor=QUIET))
    assert changed(renderer, 10).sum() > 20


def test_a_person_behind_a_car_is_hidden_and_one_before_it_is_not() -> None:
    car = Actor(
        name="c", kind="van", track=stay(0, 10, 0, 9, heading=0.0), finish=Finish(colour=(240, 240, 240))
    )
    red = Look(
        height=1.6, top=(250, 0, 0), bottom=(250, 0, 0), skin=(250, 0, 0), hair=(250, 0, 0), shoes=(250, 0, 0)
    )
    behind = Actor(name="b", kind="person", track=stay(0, 10, 0, 10.6), look=red)
    before = Actor(name="f", kind="person", track=stay(0, 10, 0, 7.4), look=red)

    def redness(*actors: Actor) -> int:
        HALL.stage_actors(actors)
        frame = HALL.drawn(5).astype(np.int16)
        return int(((frame[..., 0] > 80) & (frame[..., 0] > frame[..., 1] + 60)).sum())

    empty = redness(car)
    assert redness(behind) > empty + 100
    assert redness(car, behind) - empty < 0.35 * (redness(behind) - empty)
    assert redness(car, before) > empty + 150


def test_a_painted_shelf_hides_who_stands_behind_it() -> None:
    scene = scenes.build("shop", 3)
    place = scene.place("behind shelf 1")
    renderer = Renderer(Stage(scene=scene, duration=2, size=SIZE, sensor=QUIET))
    person = Actor(name="p", kind="person", track=stay(0, 2, place.x, place.y))
    renderer.stage_actors([person])
    seen = changed(renderer, 3).sum()
    renderer.plate.distance[:] = 1e9
    renderer.canvas = type(renderer.canvas)(renderer.plate)
    assert seen < 0.97 * changed(renderer, 3).sum()


def test_light_changes_and_jolts_are_seen_in_their_time_only() -> None:
    stage = in_hall(light_changes=(LightChange(start=2, end=4, factor=0.4),), jolts=(Jolt(start=6, end=8),))
    renderer = Renderer(stage)
    still = renderer.frame(0).astype(np.int16)
    dark, shaken, after = renderer.frame(75), renderer.frame(155).astype(np.int16), renderer.frame(225)
    assert dark.mean() < 0.7 * still.mean()
    assert np.abs(shaken - still).mean() > 2
    np.testing.assert_array_equal(after, still)


def test_the_clock_runs_with_the_video() -> None:
    stage = in_hall()
    ticking = Renderer(
        Stage(scene=stage.scene, duration=10, size=SIZE, sensor=Sensor(noise=0, clock="2031-03-02T23:14:05"))
    )
    assert np.array_equal(ticking.planes(0), ticking.planes(24))
    assert not np.array_equal(ticking.planes(0), ticking.planes(25))


def test_frames_that_are_not_there_are_refused() -> None:
    with pytest.raises(InputError, match="frame 250"):
        HALL.planes(250)


@pytest.mark.parametrize("wrong", [{"size": (321, 240)}, {"duration": 0.0}, {"fps": 0.5}])
def test_impossible_stages_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Stage(**({"scene": scenes.build("shop", 1), "duration": 1.0} | wrong))  # type: ignore[arg-type]
