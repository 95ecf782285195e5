"""Places: `build(name, seed)` makes one of the named scenes with its own layout, textures and view by
seed.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from importlib import import_module

from holmesvau.errors import InputError
from holmesvau.sim.world import Scene

NAMES = ("crossing", "street", "car park", "shop", "corridor", "platform", "warehouse", "living room")
# Seen in tests only: what is learnt in the six others can be tried in kinds of places never seen in training.
HELD_OUT = ("corridor", "platform")


def build(name: str, seed: int) -> Scene:
    """The scene of that name; the seed decides its layout, materials and camera.

    Every scene has places named "entrance" and "exit", regions named "floor" and a walking route named
    "through".

    Raises:
        InputError: when no scene has that name; the message lists them.
    """
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise InputError(f"No scene is called {name!r}; there are {', '.join(NAMES)}.{hint}")
    make: Callable[[int], Scene] = import_module(f"{__name__}.{name.replace(' ', '_')}").build
    return make(seed)
