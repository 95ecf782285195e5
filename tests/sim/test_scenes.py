"""Every scene, at every light, from several seeds."""

from typing import get_args

import numpy as np
import pytest

from holmesvau.errors import InputError
from holmesvau.sim import materials, scenes
from holmesvau.sim.render import Renderer
from holmesvau.sim.world import Light, LightKind, Sensor, Stage


@pytest.mark.parametrize("name", scenes.NAMES)
def test_scripts_find_what_they_need_in_every_layout(name: str) -> None:
    for seed in range(15):
        scene = scenes.build(name, seed)
        assert {"entrance", "exit"} <= set(scene.places)
        floor = scene.regions["floor"]
        (x0, y0), (x1, _), (_, y1), _ = floor.corners
        assert x1 - x0 > 0.8 and y1 - y0 > 0.4
        assert floor.contains(*floor.centre)
        assert scene.camera.sees(*floor.centre), seed
        assert len(scene.routes["through"].points) >= 2
        assert all(place.phrase for place in scene.places.values())


@pytest.mark.parametrize("name", scenes.NAMES)
def test_a_seed_gives_one_layout_and_another_seed_another(name: str) -> None:
    assert scenes.build(name, 4) == scenes.build(name, 4)
    assert scenes.build(name, 4).camera != scenes.build(name, 5).camera


@pytest.mark.parametrize("name", scenes.NAMES)
def test_every_light_gives_a_picture_with_detail_of_its_own(name: str) -> None:
    scene = scenes.build(name, 2)
    pictures = {}
    for kind in get_args(LightKind):
        stage = Stage(
            scene=scene, duration=1, size=(128, 72), light=Light(kind=kind), sensor=Sensor(noise=0.0)
        )
        pictures[kind] = Renderer(stage).frame(0).astype(np.int16)
        assert pictures[kind].std() > 6, kind
    grey = pictures["infrared"]
    assert np.abs(grey[..., 0] - grey[..., 1]).max() <= 2
    assert pictures["day"].mean() > pictures["night"].mean() + 5
    assert np.abs(pictures["day"] - pictures["dusk"]).mean() > 3


def test_an_unknown_scene_names_the_nearest() -> None:
    with pytest.raises(InputError, match="Did you mean warehouse"):
        scenes.build("warehous", 1)


def test_noise_keeps_a_few_tiles_however_many_materials_there_are() -> None:
    places = np.linspace(0, 30, 50)
    for seed in range(0, 60_000, 600):
        materials.noise(places, places, seed)
    assert materials._tile.cache_info().currsize <= materials.TILES
