"""Stated spans against decoded MP4 files: `benchmarks/sim_truth.py` reads only pixels and the truth."""

import importlib.util
import sys
from pathlib import Path

import pytest

from holmesvau.sim import generate

MEASURES = Path(__file__).parents[2] / "benchmarks" / "sim_truth.py"
# Each with a seed: by day, at dusk, at night, in the rain.
STAGED = {"Shooting": 2, "Explosion": 8, "Arson": 5, "Riot": 8, "Fighting": 8, "RoadAccidents": 1}
BEGINS = [
    ("Shooting", "first flash", -0.2, 0.4),
    ("Explosion", "blast", -0.2, 0.6),
    ("Arson", "fire", 0.0, 4.0),
    ("Riot", "fire", -0.2, 2.5),
]


@pytest.fixture(scope="module")
def truth():
    spec = importlib.util.spec_from_file_location("sim_truth", MEASURES)
    module = importlib.util.module_from_spec(spec)
    sys.modules["sim_truth"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def watched(truth, tmp_path_factory):
    """By class: what the pixels show of one video of it, and its event."""
    found = {}
    for label, seed in STAGED.items():
        root = tmp_path_factory.mktemp(label)
        generate(
            root, 1, seed, duration=14.0, size=(192, 144), fps=10.0, anomalous_share=1.0, classes=(label,),
            scenes=("street", "car park"), busy=0.0, workers=1,
        )  # fmt: skip
        (video,) = truth.load(root, ["train"]).values()
        found[label] = truth.look(video["path"]), video["events"][0]
    return found


@pytest.mark.parametrize(("label", "what", "earliest", "latest"), BEGINS)
def test_what_is_seen_begins_when_the_act_is_stated_to(truth, watched, label, what, earliest, latest):
    seen, event = watched[label]
    assert earliest <= truth.bounds(seen, event)[what] <= latest
    late = truth.bounds(seen, truth.shifted(event, 5.0)).get(what, 99.0)
    assert not earliest <= late <= latest, "spans that are five seconds off are found out"


@pytest.mark.parametrize(
    ("promise", "kept_by"),
    [
        ("burns", ("Arson", "Explosion", "Riot")),
        ("flashes", ("Shooting",)),
        ("sweeps", ("Explosion",)),
    ],
)
def test_classes_keep_their_promises_and_others_do_not(truth, watched, promise, kept_by):
    measure = getattr(truth, promise)
    values = {label: measure(seen, event) for label, (seen, event) in watched.items()}
    # Fires flicker, which is no claim about flashes, and blasts flash.
    free = {"flashes": ("Arson", "Explosion", "Riot")}.get(promise, ())
    others = [value for label, value in values.items() if label not in (*kept_by, *free)]
    assert min(values[label] for label in kept_by) > 2 * max(0.0005, *others), values


def test_a_fight_keeps_one_place_moving_and_the_time_around_it_does_not(truth, watched):
    seen, event = watched["Fighting"]
    over = {**event, "phases": [["act", event["end"] + 0.2, len(seen.sweep) / seen.fps]]}
    assert truth.stays_put(seen, event) > 1.5 * truth.stays_put(seen, over)


def test_traffic_stops_with_the_impact(truth, watched):
    seen, event = watched["RoadAccidents"]
    assert truth.stops(seen, event) > 0.004
    assert truth.stops(seen, truth.shifted(event, 3.0)) < 0.5 * truth.stops(seen, event)
