"""Events that are rather a hard negative than an anomaly."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from holmesvau.ats import event_classes as module
from holmesvau.ats.classes import PREFIX, ClassHead, ClassNames, in_words
from holmesvau.ats.features import Features
from holmesvau.ats.harmless import ANOMALY_SHARE, harmless
from holmesvau.ats.novelty import NoveltyScorer
from holmesvau.ats.urdmu import UrDmu, UrDmuScorer
from holmesvau.types import AnomalyCurve, Span

NAMES = ClassNames(("Arson", "Fighting"), ("Hugging", "LightChange"))


def features_of(length: int) -> Features:
    index = np.arange(length)
    pooled = np.random.default_rng(3).normal(size=(length, 24)).astype(np.float16)
    return Features(index, index / 2, pooled, np.zeros((length, 1, 1, 1), np.float16), 0.5, "some-encoder")


def curve_of(features: Features, scores: np.ndarray) -> AnomalyCurve:
    return AnomalyCurve(features.seconds, scores.astype(np.float32), features.index, 0.5)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory) -> UrDmuScorer:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("scorer") / "anomaly_scorer.safetensors"
    head = {PREFIX + name: tensor for name, tensor in ClassHead(len(NAMES)).state_dict().items()}
    save_file({**UrDmu(24).state_dict(), **head}, path, metadata=NAMES.to_metadata())
    return UrDmuScorer(path)


class Told:
    """What the class head says of each frame, in place of what it has learnt."""

    def __init__(self, scorer: UrDmuScorer, probabilities: np.ndarray) -> None:
        self.probabilities = probabilities
        scorer.classify = self  # type: ignore[method-assign]
        self.seen: list[int] = []

    def __call__(self, features: Features):
        self.seen.append(len(features))
        return None, self.probabilities[features.index]


def test_the_classes_of_the_frames_that_stand_out_decide(scorer, monkeypatch):
    features = features_of(100)
    probabilities = np.full((100, len(NAMES)), 0.0)
    probabilities[:, 0] = 1.0
    probabilities[10:20] = (0.2, 0.1, 0.1, 0.1, 0.5)
    probabilities[40:50] = (0.1, 0.1, 0.5, 0.3, 0.0)
    # Calm frames at its ends that look like a hug do not make a fight one.
    probabilities[60:70] = (0.0, 0.0, 0.9, 0.1, 0.0)
    probabilities[70:80] = (0.1, 0.0, 0.0, 0.9, 0.0)
    # The class head sees nothing unusual where the score is high; a little more than half is not enough.
    probabilities[84:88] = (0.4, 0.3, 0.25, 0.05, 0.0)
    probabilities[90:94] = (0.35, 0.35, 0.3, 0.0, 0.0)
    scores = np.full(100, 0.9)
    scores[70:80] = 0.1
    spans = [Span(5, 10), Span(20, 25), Span(30, 40), Span(42, 44), Span(45, 47)]
    monkeypatch.setattr(scorer, "classify", None)
    told = Told(scorer, probabilities)
    assert harmless(scorer, features, curve_of(features, scores), spans) == [
        "LightChange", "", "", "Normal", "",
    ]  # fmt: skip
    assert told.seen == [100]
    assert harmless(scorer, features, curve_of(features, np.full(100, 0.5)), [Span(30, 40)]) == ["Hugging"]


def test_in_a_long_video_an_event_is_judged_from_what_is_around_it(scorer, monkeypatch):
    features = features_of(4000)
    probabilities = np.tile([0.1, 0.6, 0.1, 0.1, 0.1], (4000, 1))
    probabilities[3000:3010] = (0.0, 0.0, 0.1, 0.9, 0.0)
    monkeypatch.setattr(scorer, "classify", None)
    told = Told(scorer, probabilities)
    spans = [Span(0, 3), Span(1500, 1505), Span(1998, 2000)]
    assert harmless(scorer, features, curve_of(features, np.ones(4000)), spans) == ["", "Hugging", ""]
    assert told.seen == [6 + module.CONTEXT, 10 + 2 * module.CONTEXT, 4 + module.CONTEXT]


def test_the_real_head_is_asked(scorer):
    features = features_of(60)
    curve = curve_of(features, scorer.score(features))
    (found,) = harmless(scorer, features, curve, [Span(5, 20)])
    probabilities = scorer.classify(features)[1][10:40]
    weights = curve.scores[10:40] + 1e-6
    told = (probabilities * weights[:, None]).sum(0)
    assert bool(found) == (told[1:3].sum() < ANOMALY_SHARE * told.sum())


def test_a_scorer_without_such_classes_takes_nothing_for_harmless(scorer):
    features = features_of(20)
    curve = curve_of(features, np.ones(20))
    assert harmless(NoveltyScorer(), features, curve, [Span(0, 5), Span(6, 8)]) == ["", ""]
    assert harmless(None, features, curve, [Span(0, 5)]) == [""]
    assert harmless(scorer, features, curve, []) == []


def test_a_class_is_named_in_words():
    assert in_words("LightChange") == "light change" and in_words("Hugging") == "hugging"


def test_the_likeliest_anomaly_is_told_by_all_frames_of_an_event(scorer, monkeypatch):
    features = features_of(60)
    probabilities = np.full((60, len(NAMES)), 0.2)
    # One frame that is nearly sure does not outweigh the others, and a hard negative is not asked about.
    probabilities[10:20] = (0.0, 0.10, 0.15, 0.75, 0.0)
    probabilities[14] = (0.0, 0.40, 0.10, 0.50, 0.0)
    monkeypatch.setattr(scorer, "classify", None)
    Told(scorer, probabilities)
    curve = curve_of(features, np.full(60, 0.9))
    assert module.likeliest(scorer, features, curve, [Span(5, 10), Span(7, 7.2)]) == ["Fighting", "Arson"]
    assert module.likeliest(NoveltyScorer(), features, curve, [Span(5, 10)]) == [""]
    assert module.likeliest(scorer, features, curve, []) == []
    # An event that ends with the video still has a frame.
    assert len(module.likeliest(scorer, features, curve, [Span(29.9, 31)])) == 1
