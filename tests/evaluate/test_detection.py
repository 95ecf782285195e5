"""Frame figures against scikit-learn and against definitions written out by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holmesvau import hivau
from holmesvau.errors import InputError
from holmesvau.evaluate import detection
from holmesvau.evaluate.resampling import BootstrapConfig

QUICK = BootstrapConfig(resamples=200)


@st.composite
def labelled_frames(draw):
    labels = draw(st.lists(st.integers(0, 1), min_size=2, max_size=60))
    # Few levels, so that most scores are tied.
    scores = draw(st.lists(st.integers(-2, 4), min_size=len(labels), max_size=len(labels)))
    return np.array(labels), np.array(scores) / 4


@settings(max_examples=150, deadline=None)
@given(labelled_frames())
def test_equals_scikit_learn_with_ties(frames):
    metrics = pytest.importorskip("sklearn.metrics")
    labels, scores = frames
    found = detection.frame_metrics(labels, scores)
    if labels.all() or not labels.any():
        assert np.isnan(found.auc) and (np.isnan(found.ap) or labels.all())
    else:
        assert found.auc == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-12)
        assert found.ap == pytest.approx(metrics.average_precision_score(labels, scores), abs=1e-12)


def random_set(seed, videos=12, frames=80, levels=9):
    random = np.random.default_rng(seed)
    labels, scores = {}, {}
    for number in range(videos):
        label = np.zeros(frames, np.uint8)
        if number % 3:
            label[20 : 20 + 5 * number] = 1
        labels[f"v{number}"] = label
        scores[f"v{number}"] = random.integers(0, levels, frames) / levels + 0.2 * label
    return labels, scores


def test_weighted_videos_count_as_often_as_repeated_ones():
    from holmesvau.evaluate.ranking import Ranking, areas

    labels, scores = random_set(0)
    counts = np.array([0, 3, 1, 0, 2, 1, 1, 0, 1, 2, 0, 1])
    ranking = Ranking(list(labels.values()), list(scores.values()))
    repeated = areas(
        np.concatenate([np.tile(part, n) for part, n in zip(labels.values(), counts, strict=True)]),
        np.concatenate([np.tile(part, n) for part, n in zip(scores.values(), counts, strict=True)]),
    )
    assert ranking.areas(counts) == pytest.approx(repeated, abs=1e-12)
    only_normal = np.zeros(12, np.int64)
    only_normal[0] = 5
    assert np.isnan(ranking.areas(only_normal)).all()


def test_whole_set_macro_classes_and_videos_by_hand():
    metrics = pytest.importorskip("sklearn.metrics")
    labels, scores = random_set(1)
    found = detection.frame_metrics(labels, scores)
    flat = np.concatenate(list(labels.values())), np.concatenate(list(scores.values()))
    assert found.auc == pytest.approx(metrics.roc_auc_score(*flat))
    assert (found.frames, found.abnormal_frames, found.videos) == (960, flat[0].sum(), 12)
    abnormal = [video for video in labels if labels[video].any()]
    macro = detection.macro_metrics(found.per_video)
    assert macro.auc_videos == macro.ap_videos == len(abnormal) == 8
    assert macro.auc == pytest.approx(
        np.mean([metrics.roc_auc_score(labels[v], scores[v]) for v in abnormal])
    )
    classes = {video: ("Arson",) if video in abnormal[:3] else ("Riot", "Abuse") for video in abnormal}
    classes |= {video: () for video in labels if video not in abnormal}
    by_class = detection.class_metrics(labels, scores, classes)
    assert list(by_class) == ["Abuse", "Arson", "Riot"] and by_class["Abuse"].alone.videos == 5
    arson = [np.concatenate([of[v] for v in abnormal[:3]]) for of in (labels, scores)]
    assert by_class["Arson"].alone.ap == pytest.approx(metrics.average_precision_score(*arson))
    wide = [np.concatenate([of[v] for v in labels if "Riot" not in classes[v]]) for of in (labels, scores)]
    assert by_class["Arson"].with_normal.auc == pytest.approx(metrics.roc_auc_score(*wide))


def test_video_level_takes_maximum_and_top_mean():
    assert detection.top_mean(np.arange(32.0)) == pytest.approx((31 + 30 + 29) / 3)
    assert detection.top_mean(np.array([0.5])) == 0.5
    # A single frame's spike fools the maximum and not the top-k mean.
    spike, steady = np.zeros(160), np.zeros(160)
    spike[3], steady[20:60] = 1.0, 0.8
    found = detection.video_metrics({"calm": False, "fire": True}, {"calm": spike, "fire": steady})
    assert (found["maximum"].auc, found["top-k mean"].auc) == (0.0, 1.0)


def test_interval_holds_the_value_repeats_and_is_of_videos():
    labels, scores = random_set(2)
    found = detection.frame_metrics(labels, scores, bootstrap=QUICK)
    assert found.auc_interval.low < found.auc < found.auc_interval.high
    again = detection.frame_metrics(labels, scores, bootstrap=QUICK)
    assert (found.auc_interval, found.ap_interval) == (again.auc_interval, again.ap_interval)
    # The same frames cut into one-frame videos look far surer than they are.
    cut = [
        {f"{v}-{i}": part[i : i + 1] for v, part in of.items() for i in range(len(part))}
        for of in (labels, scores)
    ]
    alone = detection.frame_metrics(*cut, bootstrap=QUICK)
    assert alone.auc == found.auc
    assert alone.ap_interval.high - alone.ap_interval.low < found.ap_interval.high - found.ap_interval.low


def test_resamples_without_abnormal_videos_are_counted():
    labels = {"a": np.array([0, 1]), "b": np.array([0, 0])}
    found = detection.frame_metrics(labels, {"a": [0.1, 0.2], "b": [0.0, 0.3]}, bootstrap=QUICK)
    assert 20 < found.auc_interval.undefined < 80  # a quarter of the drawings are b, b


def test_paired_test_sees_a_small_steady_gain_and_no_gain():
    labels, scores = random_set(3)
    better = {video: scores[video] + 0.1 * labels[video] for video in scores}
    gain = detection.compare(labels, better, scores, bootstrap=QUICK)
    assert gain.auc.value > 0 and gain.auc.interval.low > 0 and gain.auc.p_value == pytest.approx(2 / 201)
    loss = detection.compare(labels, scores, better, bootstrap=QUICK)
    assert loss.ap.value == -gain.ap.value and loss.ap.p_value == gain.ap.p_value
    same = detection.compare(labels, scores, scores, bootstrap=QUICK)
    assert same.auc.value == 0 and same.auc.p_value == 1
    random = np.random.default_rng(9)
    noisy = [{v: scores[v] + random.normal(0, 0.05, 80) for v in scores} for _ in range(2)]
    chance = detection.compare(labels, *noisy, bootstrap=QUICK).auc
    assert chance.p_value > 0.05 and chance.interval.low < 0 < chance.interval.high


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 1], [0.1], "same number of frames"),
        ([0, 2], [0.1, 0.2], "must be 0"),
        ([0, 1], [0.1, np.nan], "frame 1 is nan"),
        ({"a": [0, 1]}, {"b": [0.1, 0.2]}, "a: has only labels or only scores"),
        ({"a": [0, 1]}, [0.1, 0.2], "both"),
    ],
)
def test_unusable_arrays_are_refused_by_name(labels, scores, message):
    with pytest.raises(InputError, match=message):
        detection.frame_metrics(labels, scores)


def test_intervals_of_frames_of_unknown_videos_are_refused():
    with pytest.raises(InputError, match="mappings"):
        detection.frame_metrics([0, 1], [0.1, 0.2], bootstrap=QUICK)


def test_released_list_random_scores_are_chance(shared):
    truth = hivau.ucf_crime.load(shared / "data/ground_truth/UCF_Annotation.txt", problems=[])
    labels = {video.name: video.frame_labels() for video in truth}
    random = np.random.default_rng(0)
    found = detection.frame_metrics(labels, {name: random.random(len(x)) for name, x in labels.items()})
    assert (found.videos, found.frames, found.abnormal_frames) == (290, 1_111_808, 84_182)
    assert found.auc == pytest.approx(0.5, abs=0.01)
    assert found.ap == pytest.approx(84_182 / 1_111_808, abs=0.005)


def test_every_pair_of_ranks_on_all_tiny_sets():
    for labels in itertools.product((0, 1), repeat=4):
        for scores in itertools.product((0, 1, 2), repeat=4):
            pairs = [
                (a > b) + (a == b) / 2
                for a, x in zip(scores, labels, strict=True)
                if x
                for b, y in zip(scores, labels, strict=True)
                if not y
            ]
            found = detection.frame_metrics(np.array(labels), np.array(scores)).auc
            assert found == pytest.approx(np.mean(pairs)) if pairs else np.isnan(found)


def test_one_video_alone_has_no_interval():
    labels, scores = {"a": np.array([0, 1, 0])}, {"a": [0.1, 0.2, 0.3]}
    found = detection.frame_metrics(labels, scores, bootstrap=QUICK)
    assert found.auc == 0.5 and found.auc_interval is None and found.ap_interval is None
    assert detection.compare(labels, scores, scores, bootstrap=QUICK).auc.p_value is None
