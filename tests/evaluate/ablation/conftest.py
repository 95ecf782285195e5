"""A small random InternVL that says a few words, and a test set of two simulated videos."""

import dataclasses

import pytest

from holmesvau.config import from_dict
from holmesvau.evaluate.answering import load_test_set
from holmesvau.evaluate.pipelines import PipelineOptions
from holmesvau.holmes import HolmesConfig
from tests.vlm.conftest import llama_folder, make_checkpoint

__all__ = ["llama_folder", "make_checkpoint"]

SHORT = from_dict(
    HolmesConfig,
    {"generation": {"max_new_tokens": 6}, "sampler": {"num_frames": 4}, "scan": {"cache": False}},
)


@pytest.fixture(scope="session")
def options(llama_folder):
    return PipelineOptions(
        model=str(llama_folder), scorer="novelty", device="cpu", dtype="float32", config=SHORT
    )


@pytest.fixture(scope="session")
def holmes(options):
    return options.load()


@pytest.fixture(scope="session")
def test_set(finished):
    """Of each video the whole, its first event and that event's first clip."""
    whole = load_test_set(finished[0])
    rows = [row for row in whole.rows if row.task != "analysis" and "_E1" not in row.video]
    kept = [row for row in rows if row.level != "clip" or row.video.endswith("_E0C0.mp4")]
    return dataclasses.replace(whole, rows=tuple(kept))
