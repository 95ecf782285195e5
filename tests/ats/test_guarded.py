import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from holmesvau.ats.familiarity import FILE, Familiarity
from holmesvau.ats.features import Features
from holmesvau.ats.guarded import GuardedScorer
from holmesvau.ats.novelty import NoveltyScorer
from holmesvau.ats.urdmu import UrDmu, UrDmuScorer
from holmesvau.errors import ModelError


def video(rng: np.random.Generator, centre: float, length: int = 60) -> Features:
    pooled = (centre + rng.normal(size=(length, 16))).astype(np.float16)
    cells = rng.normal(size=(length, 2, 2, 4)).astype(np.float16)
    index = np.arange(length)
    return Features(index, index / 2, pooled, cells, 0.5, "random")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory) -> GuardedScorer:
    """A random scorer trained, as it were, on features around 0."""
    folder = tmp_path_factory.mktemp("scorer")
    torch.manual_seed(0)
    save_file(UrDmu(16).state_dict(), folder / "anomaly_scorer.safetensors")
    rng = np.random.default_rng(0)
    known = Familiarity.fit([video(rng, 0).pooled for _ in range(20)], 4)
    known.calibrated([video(rng, 0).pooled for _ in range(20)]).save(folder / FILE)
    made = GuardedScorer.beside(UrDmuScorer(folder / "anomaly_scorer.safetensors"))
    assert made is not None
    return made


def test_what_is_like_the_training_is_scored_by_the_trained_scorer(guarded):
    features = video(np.random.default_rng(1), 0)
    trust = guarded.trust(features)
    assert trust.is_familiar and trust.scorer == "urdmu"
    assert np.array_equal(guarded.score(features), guarded.trained.score(features))


def test_what_is_not_is_scored_without_training(guarded):
    features = video(np.random.default_rng(1), 6)
    trust = guarded.trust(features)
    assert not trust.is_familiar and trust.scorer == "novelty" and trust.distance > trust.limit
    assert np.array_equal(guarded.score(features), NoveltyScorer().score(features))
    assert not np.array_equal(guarded.score(features), guarded.trained.score(features))


def test_states_of_a_scorer_without_classes_are_its_hidden_states_and_scores(guarded):
    features = video(np.random.default_rng(1), 0)
    states = guarded.trained.states(features)
    assert states.shape == (60, 512 + 1)
    assert states[:, 512] == pytest.approx(guarded.trained.score(features), abs=2e-3)


def test_without_its_familiarity_a_scorer_is_not_guarded(guarded, tmp_path):
    (tmp_path / "scorer.safetensors").write_bytes(guarded.trained.path.read_bytes())
    scorer = UrDmuScorer(tmp_path / "scorer.safetensors")
    assert GuardedScorer.beside(scorer) is None
    (tmp_path / FILE).write_bytes(b"rubbish")
    with pytest.raises(ModelError, match="cannot be read"):
        GuardedScorer.beside(scorer)


def test_a_video_without_frames_is_nobodys_fault(guarded):
    assert len(guarded.score(video(np.random.default_rng(1), 0, length=0))) == 0
