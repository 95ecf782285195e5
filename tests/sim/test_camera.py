"""The camera: from metres to pixels and back, for straight and bent lenses."""

import math

import numpy as np
import pytest

from holmesvau.errors import InputError
from holmesvau.sim.camera import Camera

CAMERAS = [
    Camera(height=5.0, tilt=0.42, fov=1.2),
    Camera(height=2.6, tilt=0.5, fov=1.5, pan=0.2, roll=0.03, width=320, height_px=240),
    Camera(height=7.0, tilt=0.45, fov=1.2, pan=-0.15, bend=0.08),
]


@pytest.mark.parametrize("camera", CAMERAS)
def test_floor_points_come_back_from_their_pixels(camera: Camera) -> None:
    rng = np.random.default_rng(3)
    spots = np.column_stack([rng.uniform(-2, 2, 50), rng.uniform(6, 18, 50), np.zeros(50)])
    pixels, depth = camera.project(spots)
    assert (depth > 0).all()
    np.testing.assert_allclose(camera.floor(pixels), spots[:, :2], atol=0.02)


def test_a_person_at_twenty_metres_is_smaller_than_at_five() -> None:
    camera = CAMERAS[0]
    near, far = camera.box(0, 5, 0.5, 1.75), camera.box(0, 20, 0.5, 1.75)
    assert (near[3] - near[1]) > 2.4 * (far[3] - far[1])


def test_the_same_view_at_half_the_size_has_half_the_pixels() -> None:
    large = CAMERAS[2]
    small = large.resized(320, 180)
    point = np.array([1.3, 9.0, 0.8])
    np.testing.assert_allclose(large.project(point)[0] / 2, small.project(point)[0], atol=1e-6)


def test_the_sky_meets_no_floor() -> None:
    camera = Camera(height=3.0, tilt=0.1, fov=1.3)
    assert np.isnan(camera.floor(np.array([320.0, 5.0]))).all()


@pytest.mark.parametrize("wrong", [{"height": 0.0}, {"fov": 3.2}, {"tilt": math.pi / 2}])
def test_a_camera_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="camera"):
        Camera(**{"height": 3.0, "tilt": 0.4, "fov": 1.2} | wrong)  # type: ignore[arg-type]
