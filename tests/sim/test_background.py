"""One's own footage as the stage."""

import math
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from holmesvau.errors import VideoError
from holmesvau.sim.background import Footage, grain_of, guess_camera, scene_of, usual_size
from holmesvau.sim.camera import Camera
from holmesvau.sim.render import Renderer
from holmesvau.sim.track import stay
from holmesvau.sim.world import Actor, Look, Sensor, Stage

VTEST = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")


def footage(path: Path, frames: np.ndarray) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "8"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def wall(level: int, count: int = 12) -> np.ndarray:
    rng = np.random.default_rng(2)
    return np.clip(level + rng.normal(0, 2, (count, 180, 320, 3)), 0, 255).astype(np.uint8)


def person(y: float = 7.0) -> Actor:
    return Actor(name="a", kind="person", track=stay(0, 5, 0, y), look=Look(top=(200, 40, 40)))


@pytest.mark.parametrize("kind", ["picture", "video"])
def test_actors_are_laid_onto_the_footage_and_the_rest_is_untouched(tmp_path: Path, kind: str) -> None:
    frames = wall(140)
    if kind == "picture":
        path = tmp_path / "room.png"
        path.write_bytes(cv2.imencode(".png", frames[0])[1].tobytes())
    else:
        path = footage(tmp_path / "room.mp4", frames)
    scene = scene_of(path, camera=Camera(height=4, tilt=0.4, fov=1.1))
    stage = Stage(
        scene=scene,
        duration=4,
        fps=10,
        size=(320, 180),
        actors=(person(),),
        background=str(path),
        sensor=Sensor(),
    )
    renderer = Renderer(stage)
    drawn = renderer.drawn(25)[..., :3].astype(np.int16)
    assert renderer.footage is not None
    apart = np.abs(drawn - renderer.footage.at(2.5)).max(-1) > 0
    left, top, right, bottom = renderer.box(stage.actors[0], 2.5) or (0, 0, 0, 0)
    rows, columns = np.nonzero(apart)
    assert len(rows) > 200
    assert (
        columns.min() > left - 15
        and columns.max() < right + 15
        and rows.min() > top - 4
        and rows.max() < bottom + 12
    )
    renderer.close()


def test_actors_are_as_dark_as_the_footage(tmp_path: Path) -> None:
    means = []
    for level in (60, 180):
        path = footage(tmp_path / f"{level}.mp4", wall(level))
        scene = scene_of(path, camera=Camera(height=4, tilt=0.4, fov=1.1))
        renderer = Renderer(
            Stage(scene=scene, duration=4, size=(320, 180), actors=(person(),), background=str(path))
        )
        (u, v), _ = renderer.camera.project(np.array([0, 7.0, 1.2]))
        means.append(renderer.drawn(3)[int(v) - 3 : int(v) + 3, int(u) - 2 : int(u) + 2, 0].mean())
    assert means[1] > 1.5 * means[0]


def test_grain_is_measured() -> None:
    rng = np.random.default_rng(1)
    for sigma in (1.0, 4.0):
        noisy = np.clip(128 + rng.normal(0, sigma, (4, 120, 160)), 0, 255).astype(np.uint8)
        assert grain_of(np.repeat(noisy[..., None], 3, -1)) == pytest.approx(sigma, rel=0.35)


@pytest.mark.parametrize(("height", "tilt"), [(4.0, 0.42), (6.5, 0.5), (3.2, 0.3)])
def test_the_floor_is_guessed_from_people_of_ordinary_height(height: float, tilt: float) -> None:
    camera = Camera(height=height, tilt=tilt, fov=1.05)
    rng = np.random.default_rng(4)
    frames = np.full((48, 360, 640, 3), 120, np.uint8)
    for frame in frames:
        for _ in range(2):
            x, y = rng.uniform(-3, 3), rng.uniform(height * 1.3, height * 4)
            ends, depth = camera.project(np.array([[x, y, 0.0], [x, y, 1.7]]))
            half = 0.22 * camera.focal / depth[0]
            cv2.rectangle(
                frame,
                (int(ends[1, 0] - half), int(ends[1, 1])),
                (int(ends[0, 0] + half), int(ends[0, 1])),
                (30, 30, 30),
                -1,
            )
    guess = guess_camera(frames)
    for y in (height * 1.6, height * 3):
        truth = camera.box(0, y, 0.4, 1.7)
        spot = guess.floor(np.array([320.0, camera.project(np.array([0.0, y, 0.0]))[0][1]]))
        seen = guess.box(float(spot[0]), float(spot[1]), 0.4, 1.7)
        assert (seen[3] - seen[1]) / (truth[3] - truth[1]) == pytest.approx(1.0, abs=0.3)


def test_footage_runs_over_and_over_and_can_go_back(tmp_path: Path) -> None:
    ramp = np.stack([np.full((96, 128, 3), 20 + 15 * k, np.uint8) for k in range(10)])
    source = Footage(footage(tmp_path / "ramp.mp4", ramp), (128, 96))
    levels = [int(source.at(t).mean()) for t in (0.0, 0.5, 0.9, 1.0, 0.2, 2.5)]
    source.close()
    assert levels[0] == pytest.approx(20, abs=6) and levels[2] == pytest.approx(155, abs=6)
    assert abs(levels[3] - levels[0]) <= 1 and abs(levels[5] - levels[1]) <= 1
    assert levels[4] == pytest.approx(50, abs=6)


def test_what_is_no_footage_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "note.png"
    text.write_text("not a picture")
    with pytest.raises(VideoError, match="picture"):
        scene_of(text)
    with pytest.raises(VideoError):
        scene_of(tmp_path / "missing.mp4")


@pytest.mark.skipif(not VTEST.exists(), reason="Debian's opencv-doc is not installed")
def test_vtest_gets_a_camera_that_fits_its_walkers() -> None:
    scene = scene_of(VTEST)
    assert usual_size(VTEST) == (768, 576)
    assert 4.0 < scene.camera.height < 10.0 and 0.3 < scene.camera.tilt < 0.7
    assert math.isfinite(scene.regions["floor"].centre[1])
