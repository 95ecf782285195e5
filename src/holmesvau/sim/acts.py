"""What every action does with the joints over its phase: `ACTS[action](phase)` gives the angles of
`poses.joints`.

Angles in radians: `arm` and `thigh` swing forward (0 hangs down, pi/2 level, pi overhead), `out` and `splay`
open sideways, `elbow` and `knee` bend, `fore` turns the bent forearm inwards, `bend` and `twist` are the
spine's, `lean` and `roll` the whole body's. A pair is (left, right).
"""

from __future__ import annotations

import math
from collections.abc import Callable

Angle = float | tuple[float, float]
Pose = dict[str, Angle]


def pair(pose: Pose, name: str, default: float = 0.0) -> tuple[float, float]:
    """The left and right value of an angle."""
    value = pose.get(name, default)
    return value if isinstance(value, tuple) else (value, value)


def _gait(
    p: float, stride: float, flex: float, swing: float, elbow: float, bend: float = 0.04, **more: Angle
) -> Pose:
    """Two steps: the left heel lands at phase 0."""
    turn = math.tau * p
    knees = [0.08 + flex * max(0.0, -math.sin(a - 0.35)) ** 1.3 for a in (turn, turn + math.pi)]
    thighs = [
        stride * math.cos(a) + 0.06 + 0.25 * flex * max(0.0, -math.sin(a + 0.3))
        for a in (turn, turn + math.pi)
    ]
    pose: Pose = {
        "thigh": (thighs[0], thighs[1]),
        "knee": (knees[0], knees[1]),
        "foot": (0.25 * math.sin(turn), -0.25 * math.sin(turn)),
        "arm": (-swing * math.cos(turn), swing * math.cos(turn)),
        "elbow": elbow,
        "bend": bend,
        "twist": -0.10 * math.cos(turn),
        "roll": 0.02 * math.sin(turn),
    }
    return {**pose, **more}


def _wave(p: float, low: float, high: float, beats: float = 1.0) -> float:
    return low + (high - low) * (0.5 - 0.5 * math.cos(math.tau * p * beats))


def _hit(p: float, peak: float = 0.35) -> float:
    """A sharp out-and-back in a cycle: 0, up to 1 at `peak`, back to 0."""
    return (
        math.sin(math.pi * p / (2 * peak)) ** 2
        if p < peak
        else math.cos(math.pi * (p - peak) / (2 * (1 - peak))) ** 2
    )


def _keys(*keys: tuple[float, Pose]) -> Callable[[float], Pose]:
    """Poses at phases, run into each other smoothly."""
    names = sorted({name for _, pose in keys for name in pose})
    defaults = {"out": 0.1, "elbow": 0.18, "splay": 0.04, "knee": 0.05}

    def pose_at(p: float) -> Pose:
        after = next((k for k, (t, _) in enumerate(keys) if t >= p), len(keys) - 1)
        before = max(0, after - 1)
        (ta, a), (tb, b) = keys[before], keys[after]
        share = 0.0 if tb <= ta else min(1.0, max(0.0, (p - ta) / (tb - ta)))
        share = share * share * (3 - 2 * share)
        mixed: Pose = {}
        for name in names:
            (al, ar), (bl, br) = pair(a, name, defaults.get(name, 0)), pair(b, name, defaults.get(name, 0))
            mixed[name] = (al + (bl - al) * share, ar + (br - ar) * share)
        return mixed

    return pose_at


STAND: Pose = {"arm": 0.03, "out": 0.1, "elbow": 0.2, "splay": 0.07}
CROUCH: Pose = {
    "thigh": (1.9, 1.6),
    "knee": (2.2, 2.0),
    "bend": 0.35,
    "lean": 0.15,
    "arm": 0.7,
    "elbow": 0.9,
    "foot": 0.3,
}
KNEEL: Pose = {
    "thigh": (0.05, 1.5),
    "knee": (1.6, 1.55),
    "arm": 0.4,
    "elbow": 0.7,
    "bend": 0.2,
    "foot": (-0.9, 0.0),
}
LIE: Pose = {
    "lean": -1.5,
    "out": (0.5, 0.8),
    "arm": (0.0, 0.3),
    "thigh": (0.05, 0.35),
    "knee": (0.1, 0.6),
    "splay": 0.15,
}
PRONE: Pose = {
    "lean": 1.5,
    "arm": (2.4, 0.3),
    "out": (0.6, 0.4),
    "elbow": (0.7, 0.3),
    "thigh": (0.0, 0.25),
    "knee": (0.1, 0.5),
    "splay": 0.15,
    "foot": 1.0,
}
SIT: Pose = {"thigh": 1.5, "knee": 1.5, "arm": 0.45, "elbow": 0.8, "bend": 0.05, "lean": -0.08, "splay": 0.12}
SIT_FLOOR: Pose = {"thigh": 1.6, "knee": 1.5, "arm": 0.8, "elbow": 0.7, "bend": 0.4, "foot": -0.3}
AIM: Pose = {
    "arm": (1.35, 1.5),
    "fore": (0.5, 0.0),
    "out": (-0.25, 0.0),
    "elbow": (0.5, 0.08),
    "splay": 0.14,
    "thigh": (0.2, -0.15),
    "knee": 0.15,
}
GUARD: Pose = {
    "arm": (0.9, 0.7),
    "elbow": (1.7, 1.9),
    "fore": 0.3,
    "thigh": (0.35, -0.25),
    "knee": (0.3, 0.3),
    "splay": 0.1,
    "bend": 0.15,
}
FLOOR_REACH: Pose = {
    "bend": 1.0,
    "lean": 0.5,
    "thigh": (1.1, 0.8),
    "knee": (1.0, 0.9),
    "arm": (0.6, 1.3),
    "elbow": 0.15,
    "nod": -0.3,
}
UP: Pose = {"arm": 2.75, "out": 0.35, "elbow": 0.35, "splay": 0.08}

ACTS: dict[str, Callable[[float], Pose]] = {
    "walk": lambda p: _gait(p, 0.42, 0.75, 0.38, 0.35),
    "run": lambda p: _gait(p, 0.78, 1.6, 0.95, 1.5, 0.22, lift=0.06 * abs(math.sin(math.tau * p)), lean=0.12),
    "sneak": lambda p: _gait(
        p,
        0.4,
        0.7,
        0.15,
        1.0,
        0.5,
        lean=0.15,
        thigh=(0.5 + 0.4 * math.cos(math.tau * p), 0.5 - 0.4 * math.cos(math.tau * p)),
        knee=(0.8 - 0.3 * math.sin(math.tau * p), 0.8 + 0.3 * math.sin(math.tau * p)),
        arm=(0.5, 0.4),
    ),
    "carry": lambda p: _gait(p, 0.36, 0.7, 0.0, 1.45, -0.06, arm=(0.35, 0.35), fore=0.15),
    "drag": lambda p: _gait(p, 0.35, 0.6, 0.0, 0.25, 0.65, arm=(0.55, 0.55), lean=0.1, out=0.05),
    "push_cart": lambda p: _gait(p, 0.38, 0.7, 0.0, 0.9, 0.15, arm=(0.75, 0.75)),
    "crawl": lambda p: {
        "lean": 1.35,
        "arm": (1.5 + 0.4 * math.cos(math.tau * p), 1.5 - 0.4 * math.cos(math.tau * p)),
        "thigh": (1.3 - 0.35 * math.cos(math.tau * p), 1.3 + 0.35 * math.cos(math.tau * p)),
        "knee": 1.5,
        "nod": -0.8,
        "elbow": 0.2,
        "foot": 1.2,
    },
    "stagger": lambda p: _gait(
        p, 0.32, 0.6, 0.25, 0.5, 0.35, side=0.22 * math.sin(math.tau * p), arm=(0.4, -0.1), nod=0.4
    ),
    "handcuffed": lambda p: _gait(
        p, 0.34, 0.65, 0.0, 0.75, 0.25, arm=(-0.55, -0.55), fore=1.25, nod=0.35, out=0.05
    ),
    "led_away": lambda p: {
        **_gait(p, 0.36, 0.65, 0.25, 0.4, 0.05),
        "arm": (0.9, 0.25 * math.cos(math.tau * p)),
        "elbow": (0.5, 0.3),
    },
    "hands_up_walk": lambda p: _gait(p, 0.34, 0.65, 0.0, 0.35, 0.0, arm=(2.75, 2.75), out=0.35),
    "ride": lambda p: {
        "thigh": (1.15 + 0.35 * math.sin(math.tau * p), 1.15 - 0.35 * math.sin(math.tau * p)),
        "knee": (1.25 - 0.4 * math.sin(math.tau * p), 1.25 + 0.4 * math.sin(math.tau * p)),
        "bend": 0.35,
        "lean": 0.25,
        "arm": 1.05,
        "elbow": 0.25,
        "nod": -0.4,
    },
    "stand": lambda p: {
        **STAND,
        "roll": 0.015 * math.sin(math.tau * p),
        "bend": 0.02 + 0.015 * math.sin(math.tau * p),
        "look": 0.15 * math.sin(math.tau * p),
    },
    "talk": lambda p: {
        **STAND,
        "arm": (0.15, _wave(p, 0.3, 0.75)),
        "elbow": (0.3, _wave(p, 1.0, 1.6)),
        "nod": 0.08 * math.sin(2 * math.tau * p),
        "fore": 0.3,
    },
    "phone": lambda p: {
        **STAND,
        "arm": (0.1, 0.65),
        "elbow": (0.3, 2.2),
        "fore": (0.0, 0.1),
        "nod": 0.15,
        "look": 0.12 * math.sin(math.tau * p),
    },
    "wave": lambda p: {**STAND, "arm": (0.1, 2.6), "out": (0.1, _wave(p, 0.1, 0.7)), "elbow": (0.2, 0.4)},
    "cheer": lambda p: {
        **UP,
        "elbow": _wave(p, 0.1, 0.9),
        "lift": 0.10 * max(0.0, math.sin(math.tau * p)),
        "knee": 0.2,
        "thigh": 0.1,
    },
    "look_around": lambda p: {
        **STAND,
        "look": 1.1 * math.sin(math.tau * p),
        "twist": 0.3 * math.sin(math.tau * p),
    },
    "browse": lambda p: {
        **STAND,
        "arm": (0.1, _wave(p, 0.1, 1.4)),
        "elbow": (0.2, _wave(p, 0.3, 0.6)),
        "nod": 0.25 * math.cos(math.tau * p),
        "look": 0.35 * math.sin(math.tau * p),
    },
    "punch": lambda p: {
        **GUARD,
        "arm": (0.9, 0.7 + 0.85 * _hit(p)),
        "elbow": (1.7, 1.9 - 1.8 * _hit(p)),
        "twist": 0.55 * _hit(p),
        "bend": 0.15 + 0.15 * _hit(p),
        "lean": 0.12 * _hit(p),
    },
    "kick": lambda p: {
        **GUARD,
        "thigh": (-0.05, -0.35 + 1.75 * _hit(p)),
        "knee": (0.25, 1.0 - 0.8 * _hit(p)),
        "lean": -0.22 * _hit(p),
    },
    "strike": lambda p: {
        **GUARD,
        "arm": (0.7, 2.9 - 2.0 * _hit(p, 0.5)),
        "elbow": (1.2, 1.1 - 0.9 * _hit(p, 0.5)),
        "bend": -0.1 + 0.6 * _hit(p, 0.5),
        "twist": 0.3 * _hit(p, 0.5),
        "thigh": (0.4, -0.3),
    },
    "push": lambda p: {
        "arm": 1.25,
        "elbow": 1.5 - 1.35 * _hit(p),
        "thigh": (0.35, -0.3),
        "knee": (0.4, 0.2),
        "lean": 0.10 + 0.15 * _hit(p),
        "out": 0.0,
    },
    "grapple": lambda p: {
        "arm": 1.15 + 0.2 * math.sin(math.tau * p),
        "elbow": 0.7 + 0.3 * math.cos(math.tau * p),
        "bend": 0.3,
        "twist": 0.3 * math.sin(math.tau * p),
        "thigh": (0.4, -0.3),
        "knee": (0.5, 0.4),
        "side": 0.12 * math.cos(math.tau * p),
    },
    "cower": lambda p: {
        **CROUCH,
        "arm": 2.3,
        "elbow": 2.1,
        "bend": 0.7,
        "nod": 0.5,
        "fore": 0.4,
        "side": 0.04 * math.sin(math.tau * p),
    },
    "shake": lambda p: {**STAND, "arm": (0.2, 1.0), "elbow": (0.3, 1.2 + 0.35 * math.sin(2 * math.tau * p))},
    "spray": lambda p: {
        **STAND,
        "arm": (0.1, 1.55 + 0.35 * math.sin(math.tau * p)),
        "elbow": (0.2, 0.35),
        "out": (0.1, 0.2 * math.sin(math.tau * 2 * p)),
        "twist": 0.2 * math.sin(math.tau * p),
    },
    "pry": lambda p: {
        **GUARD,
        "arm": 0.9,
        "elbow": 0.7,
        "bend": 0.35,
        "lean": 0.15 * math.sin(math.tau * p),
        "fore": 0.2,
    },
    "aim": lambda p: {**AIM, "twist": 0.05 * math.sin(math.tau * p)},
    "shoot": lambda p: {
        **AIM,
        "arm": (1.35 + 0.25 * math.exp(-8 * p), 1.5 + 0.3 * math.exp(-8 * p)),
        "lean": -0.05 * math.exp(-8 * p),
    },
    "hands_up": lambda p: {**UP, "bend": 0.03 * math.sin(math.tau * p)},
    "hug": lambda p: {
        "arm": 1.2,
        "fore": 0.7,
        "elbow": 0.9,
        "out": 0.25,
        "bend": 0.12,
        "roll": 0.04 * math.sin(math.tau * p),
    },
    "crouch": lambda p: {**CROUCH, "nod": 0.1 * math.sin(math.tau * p)},
    "kneel": lambda p: {**KNEEL, "nod": 0.1 * math.sin(math.tau * p)},
    "search": lambda p: {
        "bend": 0.55,
        "arm": (0.8 + 0.25 * math.sin(math.tau * p), 0.8 - 0.25 * math.sin(math.tau * p)),
        "elbow": (0.6, 0.6),
        "thigh": 0.25,
        "knee": 0.35,
        "nod": 0.3,
    },
    "sit": lambda p: {**SIT, "nod": 0.1 * math.sin(math.tau * p)},
    "sit_floor": lambda p: {**SIT_FLOOR, "nod": 0.15 * math.sin(math.tau * p)},
    "lie": lambda p: {**LIE, "nod": 0.03 * math.sin(math.tau * p)},
    "lie_prone": lambda p: {**PRONE, "nod": 0.03 * math.sin(math.tau * p)},
    "writhe": lambda p: {
        **LIE,
        "roll": 0.5 * math.sin(math.tau * p),
        "thigh": (0.7 + 0.4 * math.sin(math.tau * p), 0.8),
        "knee": (1.1, 1.2 + 0.4 * math.cos(math.tau * p)),
        "arm": 0.6,
        "elbow": 1.4,
        "fore": 0.6,
    },
    "choke": lambda p: {
        "arm": 1.4,
        "out": -0.12,
        "elbow": 0.25 + 0.15 * math.sin(math.tau * p),
        "bend": 0.2,
        "thigh": (0.4, -0.3),
        "knee": 0.3,
        "lean": 0.1,
    },
    "stomp": lambda p: {
        **GUARD,
        "thigh": (0.05, 1.2 - 1.1 * _hit(p, 0.5)),
        "knee": (0.15, 1.3 - 1.2 * _hit(p, 0.5)),
        "bend": 0.3,
    },
    "fall": _keys(
        (0, STAND),
        (0.35, {"lean": 0.5, "knee": 0.5, "thigh": 0.3, "arm": 1.2, "elbow": 0.3, "bend": 0.2}),
        (0.85, {**PRONE, "arm": (2.2, 1.2)}),
        (1, PRONE),
    ),
    "fall_back": _keys(
        (0, STAND),
        (0.35, {"lean": -0.45, "knee": 0.5, "thigh": 0.4, "arm": 0.9, "out": 0.6}),
        (0.85, {**LIE, "thigh": 0.6, "knee": 0.7}),
        (1, LIE),
    ),
    "collapse": _keys(
        (0, STAND),
        (0.4, {"thigh": 0.5, "knee": 1.5, "bend": 0.4, "lean": 0.1, "nod": 0.4, "foot": -0.6}),
        (0.6, {"thigh": 0.1, "knee": 1.5, "bend": 0.5, "lean": 0.35, "nod": 0.5, "foot": -0.8}),
        (1, PRONE),
    ),
    "get_up": _keys(
        (0, PRONE),
        (0.35, {"lean": 1.2, "arm": 1.4, "thigh": 1.3, "knee": 1.6, "elbow": 0.3, "foot": 0.8}),
        (0.65, {**KNEEL, "bend": 0.5}),
        (1, STAND),
    ),
    "sit_down": _keys((0, STAND), (0.6, {"thigh": 1.0, "knee": 1.2, "bend": 0.6, "arm": 0.5}), (1, SIT)),
    "stand_up": _keys((0, SIT), (0.4, {"thigh": 1.0, "knee": 1.2, "bend": 0.7, "arm": 0.5}), (1, STAND)),
    "kneel_down": _keys((0, STAND), (1, KNEEL)),
    "reach": _keys(
        (0, STAND),
        (0.6, {**STAND, "arm": (0.1, 1.45), "elbow": (0.2, 0.15), "bend": 0.12, "twist": 0.2}),
        (1, {**STAND, "arm": (0.1, 1.45), "elbow": (0.2, 0.15), "bend": 0.12, "twist": 0.2}),
    ),
    "grab": _keys(
        (0, STAND),
        (0.45, {**STAND, "arm": (0.2, 1.5), "elbow": (0.2, 0.1), "bend": 0.25, "twist": 0.3}),
        (1, {**STAND, "arm": (0.2, 0.35), "elbow": (0.3, 1.7), "fore": 0.4}),
    ),
    "pick_up": _keys((0, STAND), (0.4, FLOOR_REACH), (0.55, FLOOR_REACH), (1, STAND)),
    "put_down": _keys((0, STAND), (0.45, FLOOR_REACH), (0.6, FLOOR_REACH), (1, STAND)),
    "throw": _keys(
        (0, {**GUARD, "arm": (1.0, 2.2), "elbow": (0.5, 1.8), "twist": -0.6, "bend": -0.15}),
        (0.35, {**GUARD, "arm": (1.0, 2.9), "elbow": (0.5, 1.6), "twist": -0.6, "bend": -0.2}),
        (0.6, {**GUARD, "arm": (0.0, 1.3), "elbow": 0.1, "twist": 0.5, "bend": 0.35}),
        (1, STAND),
    ),
    "conceal": _keys(
        (0, {**STAND, "arm": (0.3, 0.5), "elbow": (0.8, 1.4)}),
        (0.5, {**STAND, "arm": (0.35, 0.2), "elbow": (1.6, 1.9), "fore": 0.9, "nod": 0.4, "bend": 0.2}),
        (0.8, {**STAND, "arm": (0.35, 0.15), "elbow": (1.6, 1.7), "fore": 0.9, "nod": 0.3, "bend": 0.2}),
        (1, STAND),
    ),
    "snatch": _keys(
        (0, STAND),
        (0.4, {**GUARD, "arm": (0.3, 1.5), "elbow": (0.4, 0.05), "lean": 0.25, "twist": 0.4}),
        (1, {**STAND, "arm": (0.3, 0.1), "elbow": (0.6, 1.8), "twist": -0.4}),
    ),
    "stumble": _keys(
        (0, STAND),
        (0.4, {"lean": 0.45, "thigh": (1.0, -0.3), "knee": (0.8, 0.5), "arm": (1.3, 0.8), "out": 0.5}),
        (1, STAND),
    ),
    "flinch": _keys(
        (0, STAND),
        (0.3, {"arm": 1.6, "elbow": 2.0, "bend": 0.4, "knee": 0.6, "thigh": 0.4, "nod": 0.4, "fore": 0.3}),
        (1, STAND),
    ),
    "climb": _keys(
        (0, {"arm": 2.7, "elbow": 0.2}),
        (
            0.5,
            {
                "arm": (2.2, 2.6),
                "elbow": 0.8,
                "thigh": (1.6, 0.1),
                "knee": (1.8, 0.2),
                "lift": 0.4,
                "lean": 0.1,
            },
        ),
        (1, {"thigh": (1.2, 0.3), "knee": (1.0, 0.4), "bend": 0.6, "arm": 0.8, "lift": 0.9}),
    ),
    "jump": _keys(
        (0, {**CROUCH, "thigh": 0.9, "knee": 1.2}),
        (0.4, {**UP, "lift": 0.4, "foot": 0.5}),
        (0.8, {"knee": 0.5, "thigh": 0.4}),
        (1, STAND),
    ),
}
