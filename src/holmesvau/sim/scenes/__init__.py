"""Places: `build(name, seed)` makes one of the named scenes with its own layout, textures and view by
seed.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from importlib import import_module

from holmesvau.errors import InputError
from holmesvau.sim.world import Scene

NAMES = (
    "crossing", "street", "car park", "shop", "corridor", "platform", "warehouse", "living room",
    "lobby", "alley", "park", "office", "supermarket", "petrol station", "garage", "yard", "cafe",
)  # fmt: skip
# Seen in tests only: what is learnt in other kinds of places can be tried in those.
HELD_OUT = ("corridor", "platform")
# Seen in training alone. The more kinds of places a model knows, the less a new one confuses it; tests have
# the same places as before there were these.
TRAINING = ("lobby", "alley", "park", "office", "supermarket", "petrol station", "garage", "yard")
# Seen in validation alone, so that what is chosen by it is chosen for places that are new.
VALIDATION = ("cafe",)
_ABSENT = {"train": HELD_OUT + VALIDATION, "val": HELD_OUT, "test": TRAINING + VALIDATION}


def of_split(split: str) -> tuple[str, ...]:
    """The kinds of places that videos of a split have."""
    return tuple(name for name in NAMES if name not in _ABSENT.get(split, ()))


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
