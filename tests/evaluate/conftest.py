"""Two small simulated videos, rendered and watched once for all tests of evaluation."""

import pytest

from holmesvau.config import from_dict
from holmesvau.evaluate.pipelines import PipelineOptions
from holmesvau.evaluate.simulated.baseline import PLANNED
from holmesvau.evaluate.simulated.run import run
from holmesvau.hivau import write_annotations
from holmesvau.holmes import HolmesConfig
from holmesvau.sim.plan import plan

NO_WORDS = PipelineOptions(
    model="none", scorer="novelty", config=from_dict(HolmesConfig, {"scan": {"cache": False}})
)
SMALL = {"duration": 8.0, "size": (96, 72), "fps": 10.0, "workers": 1}


@pytest.fixture(scope="session")
def train(tmp_path_factory):
    """A folder with training annotations alone: nothing of it is rendered."""
    root = tmp_path_factory.mktemp("train")
    planned = [plan(PLANNED, number).annotation for number in range(2)]
    target = root / "raw_annotations" / "sim_database_train.json"
    write_annotations({annotation.name: annotation for annotation in planned}, target)
    return root


@pytest.fixture(scope="session")
def finished(tmp_path_factory, train):
    """The folder, and what `run` found in it."""
    root = tmp_path_factory.mktemp("sim")
    return root, run(root, 2, 77, NO_WORDS, train=train, **SMALL)
