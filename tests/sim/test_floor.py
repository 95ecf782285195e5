"""Ways around furniture: no wall is crossed, and ways that are kept are as good as those searched."""

import pytest

from holmesvau.sim import scenes
from holmesvau.sim.scripts import floor as floors
from holmesvau.sim.scripts.floor import Floor


def costs(floor, start, cells):
    """What a way costs and whether its cells lie beside one another and are free."""
    spent, here = 0.0, start
    for there in cells:
        steps = dict(floor._beside(here))
        assert there in steps, "every cell lies beside the one before and is free"
        spent += steps[there] * floor._cost[there]
        here = there
    return spent


@pytest.mark.parametrize("name", ["shop", "living room", "warehouse"])
def test_a_kept_way_costs_as_much_as_a_searched_one(monkeypatch, name):
    scene = scenes.build(name, 4)
    searched, kept = Floor(scene), Floor(scene)
    door = searched.ways_in[0]
    goal = searched._nearest(door)
    monkeypatch.setattr(floors, "OFTEN", 10**9)
    spots = [searched._nearest(place.xy) for place in scene.places.values()]
    asked = [(a, b) for spot in spots if spot != goal for a, b in ((spot, goal), (goal, spot))]
    plain = [searched._shortest(a, b) for a, b in asked]
    monkeypatch.setattr(floors, "OFTEN", 0)
    for (a, b), cells in zip(asked, plain, strict=True):
        again = kept._shortest(a, b)
        assert again[-1] == cells[-1] == b
        assert costs(kept, a, again) == pytest.approx(costs(searched, a, cells))


def test_a_way_to_where_nobody_can_go_is_straight(monkeypatch):
    floor = Floor(scenes.build("shop", 4))
    floor._cost[:, 10] = float("inf")
    low, high = floor._point((5, 3)), floor._point((5, 20))
    for often in (10**9, 0):
        monkeypatch.setattr(floors, "OFTEN", often)
        assert floor.way(low, high) == (high,)
