"""Scripts against the pixels: what moves, burns, falls or stops in the frames does so when the truth says."""

from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import pytest

from holmesvau.sim import scenes
from holmesvau.sim.render import Renderer
from holmesvau.sim.scripts import ANOMALIES, NEGATIVES, NORMAL, SUITED, Cue
from holmesvau.sim.scripts.cue import NoRoomError
from holmesvau.sim.scripts.floor import Floor
from holmesvau.sim.world import Sensor, Stage

SIZE, RATE = (320, 180), 8.0
QUIET = Sensor(noise=0.0, vignette=0.0, distortion=0.0)
SCRIPTS = {**ANOMALIES, **NEGATIVES, **NORMAL}


@cache
def scene_and_floor(name, seed):
    scene = scenes.build(name, seed)
    return scene, Floor(scene)


def staged(label, *, scene=None, seconds=4.0, tries=48):
    """The script in the first scene that has room for it, two seconds after its first beat's start."""
    names = [n for n in scenes.NAMES if label not in ANOMALIES or label in SUITED[n]]
    for attempt in range(tries):
        built, floor = scene_and_floor(scene or names[attempt % len(names)], 3 + attempt // len(names))
        rng = np.random.default_rng([attempt, 5])
        cue = Cue(floor, rng, split="train", seconds=seconds, grey=False, dark=False, name=label)
        try:
            happening = SCRIPTS[label](cue)
        except NoRoomError:
            continue
        return happening.moved(2.0 - happening.start), built
    raise AssertionError(f"{label} found no room in {tries} tries")


def filmed(happening, scene, until=1.0):
    """Luma and colour of every frame, drawn without noise, and their times."""
    stage = Stage(
        scene=scene,
        duration=happening.end + until,
        fps=RATE,
        size=SIZE,
        sensor=QUIET,
        actors=happening.actors,
        jolts=happening.jolts,
        light_changes=happening.light_changes,
    )
    renderer = Renderer(stage)
    frames = np.stack([renderer.frame(k) for k in range(stage.num_frames)])
    renderer.stage_actors([])
    return frames, np.arange(stage.num_frames) / RATE, renderer.frame(0)


def moving(frames):
    """Pixels that differ from the frame before: `[T]`, 0 for the first."""
    luma = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]).astype(np.int16)
    return np.concatenate([[0], (np.abs(np.diff(luma, axis=0)) > 14).sum((1, 2))])


@pytest.mark.parametrize("label", sorted(ANOMALIES))
def test_something_moves_in_every_act_and_the_camera_sees_it(label):
    happening, scene = staged(label)
    frames, times, _ = filmed(happening, scene)
    motion = moving(frames)
    for beat in happening.beats:
        inside = motion[(times > beat.start) & (times < beat.end)]
        if beat.phase == "act" and len(inside):
            assert inside.max() >= 6, (
                f"{label} in the {scene.name}: nothing moves from {beat.start} to {beat.end}"
            )


@pytest.mark.parametrize("label", ["Arson", "Explosion"])
def test_what_burns_burns_inside_the_span_and_not_before(label):
    happening, scene = staged(label)
    frames, times, empty = filmed(happening, scene, until=6.0)

    def flames(frame):
        red, _, blue = (frame[..., k].astype(np.int16) - empty[..., k] for k in range(3))
        return int(((red > 25) & (red - blue > 25)).sum())

    burning = np.array([flames(frame) for frame in frames])
    within = (times >= happening.start) & (times < happening.end)
    assert burning[within].max() > 40
    lit = times[burning > 0.4 * burning.max()]
    assert happening.start <= lit.min() and lit.max() < happening.end + 0.3


def test_a_fallen_person_lies_in_the_aftermath_and_stands_before():
    happening, scene = staged("Fall", scene="platform", seconds=4.0)
    frames, times, empty = filmed(happening, scene)

    def shape(t):
        luma = cv2.absdiff(frames[np.searchsorted(times, t)], empty).max(-1) > 26
        rows, columns = np.nonzero(luma)
        return np.ptp(rows) / max(1, np.ptp(columns))

    act, aftermath = happening.beats[0], happening.beats[-1]
    assert shape(act.start - 0.25) > 1.3
    assert shape((aftermath.start + aftermath.end) / 2) < 0.75 * shape(act.start - 0.25)


def test_cars_stop_after_a_collision():
    happening, scene = staged("RoadAccidents", scene="street")
    frames, times, _ = filmed(happening, scene)
    motion = moving(frames)
    act = next(beat for beat in happening.beats if beat.phase == "act")
    before = motion[(times > act.start - 1.0) & (times < act.start)]
    after = motion[(times > act.end + 1.0) & (times < happening.end)]
    assert np.median(after) < 0.35 * np.median(before)


def test_a_smashed_or_sprayed_place_stays_changed():
    happening, scene = staged("Vandalism", scene="street")
    frames, times, empty = filmed(happening, scene, until=0.0)
    changed = np.array([(cv2.absdiff(frame, empty).max(-1) > 18).sum() for frame in frames])
    assert changed[times > happening.end - 0.3].min() > 8, "the damage is still seen when nobody is left"


def test_the_light_changes_only_in_its_span():
    happening, scene = staged("LightChange")
    frames, times, empty = filmed(happening, scene)
    level = frames.mean((1, 2, 3)) / empty.mean()
    inside = (times > happening.start + 0.5) & (times < happening.end - 0.5)
    outside = (times < happening.start) | (times >= happening.end)
    assert np.abs(level[inside] - 1).min() > 0.1
    assert np.abs(level[outside] - 1).max() < 0.02


@pytest.mark.parametrize("label", sorted(SCRIPTS))
def test_every_script_plays_and_its_beats_follow_in_order(label):
    happening, _ = staged(label)
    assert 1.0 <= happening.end - happening.start < 90
    assert all(beat.end > beat.start and beat.texts for beat in happening.beats)
    assert happening.actors or label in ("LightChange", "CameraShake")
    assert happening.kind == (
        "anomaly" if label in ANOMALIES else "hard negative" if label in NEGATIVES else "normal"
    )
    if label in ANOMALIES:
        assert happening.label == label and len(happening.reasons) >= 3
        phases = [beat.phase for beat in happening.beats]
        assert phases == sorted(phases, key=["approach", "act", "aftermath"].index)
        assert {"act", "aftermath"} <= set(phases)


def test_ways_lead_round_furniture():
    _, floor = scene_and_floor("shop", 3)
    door, counter = floor.scene.place("entrance").xy, floor.scene.place("behind shelf 1").xy
    points = [door, *floor.way(door, counter)]
    assert points[-1] == counter
    for a, b in pairwise(points[1:-1]):
        assert floor.is_clear(a, b)
