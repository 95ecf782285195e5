"""Poses of an articulated body: joint angles for every action, run through the bones once and kept as tables.

Body axes: x forward, y left, z up; a person of 1.75 m. Angles in radians: `arm` and `thigh` swing forward (0
hangs down, pi/2 level, pi overhead), `out` and `splay` open sideways, `elbow` and `knee` bend, `fore` turns
the bent forearm inwards, `bend` and `twist` are the spine's, `lean` and `roll` the whole body's. A pair is
(left, right).
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from holmesvau.sim.acts import ACTS, Pose, pair
from holmesvau.sim.world import ACTIONS

Floats = npt.NDArray[np.float64]

JOINTS = (
    "pelvis", "chest", "neck", "head", "shoulder_l", "shoulder_r", "elbow_l", "elbow_r", "wrist_l", "wrist_r",
    "hand_l", "hand_r", "hip_l", "hip_r", "knee_l", "knee_r", "ankle_l", "ankle_r", "toe_l", "toe_r",
    "face", "crown", "nape", "load", "brim", "hem_l", "hem_r",
)  # fmt: skip
J = {name: k for k, name in enumerate(JOINTS)}
_ROUND = {
    "pelvis": 0.13, "chest": 0.12, "head": 0.11, "elbow_l": 0.05, "elbow_r": 0.05, "hand_l": 0.04, "hand_r":
    0.04, "knee_l": 0.07, "knee_r": 0.07, "ankle_l": 0.06, "ankle_r": 0.06, "toe_l": 0.03, "toe_r": 0.03,
}  # fmt: skip
SAMPLES = 32
STANDING = 1.75


def _about(axis: int, angle: float) -> Floats:
    c, s = math.cos(angle), math.sin(angle)
    turn = np.eye(3)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    turn[i, i] = turn[j, j] = c
    turn[i, j], turn[j, i] = -s, s
    return turn


def _one(pose: Pose, name: str) -> float:
    return pair(pose, name)[0]


def joints(pose: Pose) -> Floats:
    """`[J, 3]` metres, standing or lying on z = 0."""
    at: dict[str, Floats] = {}
    root = _about(2, _one(pose, "turn")) @ _about(1, _one(pose, "lean")) @ _about(0, _one(pose, "roll"))
    up, zero = np.array([0.0, 0.0, 1.0]), np.zeros(3)
    chest = (
        root @ _about(2, _one(pose, "twist")) @ _about(1, _one(pose, "bend")) @ _about(0, _one(pose, "side"))
    )
    at["pelvis"] = zero
    at["chest"] = 0.22 * (root @ up) + 0.28 * (chest @ up)
    at["neck"] = at["chest"] + 0.07 * (chest @ up)
    head = chest @ _about(2, _one(pose, "look")) @ _about(1, _one(pose, "nod"))
    at["head"] = at["neck"] + head @ np.array([0.025, 0, 0.135])
    at["face"] = at["head"] + head @ np.array([0.045, 0, -0.02])
    at["crown"] = at["head"] + head @ np.array([-0.02, 0, 0.035])
    at["nape"] = at["head"] + head @ np.array([-0.075, 0, -0.17])
    at["brim"] = at["head"] + head @ np.array([0.13, 0, 0.05])
    at["load"] = at["chest"] + chest @ np.array([-0.19, 0, -0.17])
    for k, (side, s) in enumerate((("l", 1.0), ("r", -1.0))):
        arm, out = pair(pose, "arm")[k], pair(pose, "out", 0.1)[k]
        at[f"shoulder_{side}"] = at["chest"] + chest @ np.array([0, 0.185 * s, -0.02])
        upper = chest @ _about(1, -arm) @ _about(0, s * out)
        lower = upper @ _about(2, -s * pair(pose, "fore")[k]) @ _about(1, -pair(pose, "elbow", 0.18)[k])
        at[f"elbow_{side}"] = at[f"shoulder_{side}"] - 0.285 * (upper @ up)
        at[f"wrist_{side}"] = at[f"elbow_{side}"] - 0.25 * (lower @ up)
        at[f"hand_{side}"] = at[f"wrist_{side}"] - 0.085 * (lower @ up)
        thigh, splay = pair(pose, "thigh")[k], pair(pose, "splay", 0.04)[k]
        leg = root @ _about(1, -thigh) @ _about(0, s * splay)
        shin = leg @ _about(1, pair(pose, "knee", 0.05)[k])
        at[f"hip_{side}"] = root @ np.array([0, 0.09 * s, -0.03])
        at[f"knee_{side}"] = at[f"hip_{side}"] - 0.43 * (leg @ up)
        at[f"hem_{side}"] = at[f"hip_{side}"] - 0.27 * (leg @ up) + root @ np.array([0, 0.05 * s, 0])
        at[f"ankle_{side}"] = at[f"knee_{side}"] - 0.42 * (shin @ up)
        foot = shin @ _about(1, pair(pose, "foot")[k])
        at[f"toe_{side}"] = at[f"ankle_{side}"] + foot @ np.array([0.17, 0.02 * s, -0.05])
    body = np.stack([at[name] for name in JOINTS])
    low = min(body[J[name], 2] - radius for name, radius in _ROUND.items())
    body[:, 2] += _one(pose, "lift") - low
    return body


@cache
def table(action: str) -> Floats:
    """`[SAMPLES + 1, J, 3]` joints over the phases 0 to 1 of an action."""
    act = ACTS[action]
    return np.stack([joints(act(k / SAMPLES)) for k in range(SAMPLES + 1)])


def posed(action: str, phase: float) -> Floats:
    """`[J, 3]` joints of an action at a phase: between the two nearest samples."""
    poses = table(action)
    at = (phase % 1.0 if ACTIONS[action].cyclic else min(max(phase, 0.0), 1.0)) * SAMPLES
    k = min(int(at), SAMPLES - 1)
    return poses[k] + (poses[k + 1] - poses[k]) * (at - k)
