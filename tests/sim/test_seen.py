"""Who is where in the picture: against the pixels, and against the plan."""

import json
from collections import Counter

import numpy as np
import pytest

from holmesvau import sim
from holmesvau.errors import InputError
from holmesvau.sim.plan import Settings, plan
from holmesvau.sim.seen import seen
from holmesvau.video import open_video

SIZE = (320, 240)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    made = tmp_path_factory.mktemp("seen")
    sim.generate(
        made, 3, seed=5, split="train", duration=12.0, size=SIZE, fps=4.0, anomalous_share=1.0, workers=1
    )
    return made


def test_plans_come_back_as_they_were_rendered(root):
    found = list(sim.load_plans(root, "train"))
    records = json.loads((root / "sim_train.json").read_text())["videos"]
    assert [planned.name for planned in found] == list(records)
    assert all(planned.record["digest"] == records[planned.name]["digest"] for planned in found)
    assert all(planned.stage.actors and planned.anomalies for planned in found)


def test_a_split_of_another_simulator_is_refused(root, tmp_path):
    told = json.loads((root / "sim_train.json").read_text())
    next(iter(told["videos"].values()))["digest"] = "0" * 32
    (tmp_path / "sim_train.json").write_text(json.dumps(told))
    with pytest.raises(InputError, match="another version of the simulator"):
        list(sim.load_plans(tmp_path, "train"))
    with pytest.raises(InputError, match="sim generate"):
        list(sim.load_plans(tmp_path, "val"))


def test_where_an_actor_is_seen_the_picture_changes(root):
    # What moves from one frame to the next is where somebody who walks is: the pixels know it too.
    inside, outside = [], []
    for planned in sim.load_plans(root, "train"):
        with open_video(root / "sim/videos/train" / f"{planned.name}.mp4") as video:
            frames = np.concatenate([batch.frames for batch in video.frames(every=1)]).astype(np.float32)
        for row in range(1, len(frames)):
            moved = np.abs(frames[row] - frames[row - 1]).mean(2)
            near = np.zeros(moved.shape, bool)
            for one in seen(planned, row / 4.0, SIZE):
                if one.action in ("walk", "run"):
                    top, bottom = sorted((one.head[1] * SIZE[1], one.feet[1] * SIZE[1]))
                    x, half = one.middle[0] * SIZE[0], max(3.0, 0.25 * (bottom - top))
                    rows = slice(max(0, int(top)), max(0, int(bottom)) + 1)
                    near[rows, max(0, int(x - half)) : int(x + half) + 1] = True
            if near.any():
                inside.append(moved[near].mean())
                outside.append(moved[~near].mean())
    assert len(inside) > 20
    assert np.mean(inside) > 3 * np.mean(outside)


def test_takes_part_only_while_the_anomaly_lasts():
    settings = Settings(
        seed=2, split="train", duration=(30.0, 30.0), classes=("Fighting",), anomalous_share=1.0
    )
    planned = plan(settings, 0)
    (fight,) = planned.anomalies[:1]
    names = {actor.name for actor in fight.actors}
    labels = Counter()
    for seconds in np.arange(fight.start + 0.1, fight.end, 0.5):
        for one in seen(planned, float(seconds), SIZE):
            labels[(one.name in names, one.label)] += 1
    assert labels[True, "Fighting"] > 0
    assert not labels[True, ""] and not labels[False, "Fighting"]
    before = max(0.0, fight.start - 0.5)
    assert all(one.label != "Fighting" for one in seen(planned, before, SIZE))
