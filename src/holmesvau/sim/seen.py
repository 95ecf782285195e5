"""Who and what is where in the picture at a time: what the simulator knows and no annotation tells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from holmesvau.sim.plan import Plan
from holmesvau.sim.world import ActorKind

# Metres above the floor: of a person's chest and head, of the middle of anything else.
CHEST, HEAD, MIDDLE = 1.0, 1.7, 0.4
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Seen:
    """An actor in the picture. Points are shares of the picture's width and height, from the top left.

    `middle` is a person's chest; `feet` and `head` are of persons, elsewhere the middle again. `action` and
    `held` are empty for whatever is no person; `label` is the class of the anomaly that it takes part in at
    that time, else empty.
    """

    name: str
    kind: ActorKind
    action: str
    held: str
    label: str
    middle: Point
    feet: Point
    head: Point


def seen(planned: Plan, seconds: float, size: tuple[int, int]) -> list[Seen]:
    """All actors whose middle lies in the picture of `size` (width, height), whatever hides them.

    A camera that sways or is shaken is taken to stand still.
    """
    width, height = size
    camera = planned.stage.scene.camera.resized(width, height)
    labels = {
        actor.name: happening.label
        for happening in planned.anomalies
        if happening.start <= seconds <= happening.end
        for actor in happening.actors
    }
    found = []
    for actor in planned.stage.actors:
        state = actor.at(seconds)
        if state is None:
            continue
        person = actor.kind == "person"
        above = (CHEST, 0.0, HEAD) if person else (MIDDLE,) * 3
        middle, feet, head = (
            (float(x) / width, float(y) / height)
            for (x, y), _ in (camera.project(np.array([state.x, state.y, state.z + up])) for up in above)
        )
        if in_picture(middle):
            action, held = (state.action, state.held) if person else ("", "")
            label = labels.get(actor.name, "")
            found.append(Seen(actor.name, actor.kind, action, held, label, middle, feet, head))
    return found


def in_picture(point: Point) -> bool:
    """Whether a point lies within the picture's borders."""
    return 0 <= point[0] <= 1 and 0 <= point[1] <= 1
