"""Is one run's text better than another's? Paired tests against doing by hand what they stand for."""

import numpy as np
import pytest

from holmesvau.errors import InputError
from holmesvau.evaluate import judgements, text
from holmesvau.evaluate.resampling import BootstrapConfig, draw
from tests.evaluate.test_text import ROWS

CONFIG = BootstrapConfig(resamples=60, seed=3)
FIGURES = {"bleu_1", "bleu_2", "bleu_3", "bleu_4", "bleu_sum", "cider", "rouge_l", "meteor"}
WORDS = ["man", "fire", "car", "street", "runs", "burns", "falls", "shop", "night", "camera"]


def sentences(count, seed):
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, 6)) for _ in range(count)]


def partly(meant, share, seed):
    """Answers of which a share are the reference, the others anything."""
    random = np.random.default_rng(seed)
    other = sentences(len(meant), seed + 100)
    return [right if random.random() < share else wrong for right, wrong in zip(meant, other, strict=True)]


@pytest.fixture(scope="module")
def runs():
    meant = sentences(24, 0)
    return meant, partly(meant, 0.8, 1), partly(meant, 0.2, 2)


def of(scores, name):
    return scores.bleu[int(name[-1]) - 1] if name[-1].isdigit() else getattr(scores, name)


def test_a_difference_is_that_of_the_figures_and_turns_with_the_runs(runs):
    meant, good, poor = runs
    found = text.compare(good, poor, meant, bootstrap=CONFIG)
    a, b = text.score(good, meant), text.score(poor, meant)
    assert set(found.figures) == FIGURES and (found.pairs, found.clusters) == (24, 24)
    turned = text.compare(poor, good, meant, bootstrap=CONFIG)
    for name, gap in found.figures.items():
        assert gap.value == pytest.approx(of(a, name) - of(b, name)) and gap.value > 0
        assert gap.interval.low < gap.value < gap.interval.high
        other = turned.figures[name]
        assert (other.value, other.p_value) == (pytest.approx(-gap.value), gap.p_value)
        assert other.interval.low == pytest.approx(-gap.interval.high)
    # Four fifths right against one fifth: no resampling sees it the other way round.
    assert found.figures["rouge_l"].p_value == pytest.approx(2 / 61)


def test_a_run_is_no_better_than_itself(runs):
    meant, good, _ = runs
    for gap in text.compare(good, good, meant, bootstrap=CONFIG).figures.values():
        assert (gap.value, gap.interval.low, gap.interval.high, gap.p_value) == (0, 0, 0, 1)


def test_each_resampling_is_a_test_set_in_which_videos_repeat(runs):
    meant, good, poor = (part[:12] for part in runs)
    clusters = [number // 3 for number in range(12)]
    found = text.compare(good, poor, meant, bootstrap=CONFIG, clusters=clusters)
    gaps = []
    for times in draw(4, CONFIG):
        rows = [row for row in range(12) for _ in range(times[clusters[row]])]
        a, b = (text.score([run[r] for r in rows], [meant[r] for r in rows]) for run in (good, poor))
        gaps.append([of(a, name) - of(b, name) for name in ("bleu_2", "bleu_sum", "meteor", "rouge_l")])
    low, high = np.quantile(gaps, [0.025, 0.975], axis=0)
    for place, name in enumerate(("bleu_2", "bleu_sum", "meteor", "rouge_l")):
        between = found.figures[name].interval
        assert (between.low, between.high) == pytest.approx((low[place], high[place]))
    assert found.clusters == 4


def test_copies_of_a_video_prove_nothing():
    meant = sentences(10, 5)
    good, poor = partly(meant, 0.6, 5), partly(meant, 0.4, 6)
    alone = text.compare(good, poor, meant, bootstrap=CONFIG).figures["rouge_l"]
    clusters = [number for number in range(10) for _ in range(15)]
    copied = [[run[number] for number in clusters] for run in (good, poor, meant)]
    together = text.compare(*copied, bootstrap=CONFIG, clusters=clusters).figures["rouge_l"]
    assert (together.p_value, together.interval.low) == (alone.p_value, pytest.approx(alone.interval.low))
    # As if rows of one video were independent, 150 of them would be proof.
    apart = text.compare(*copied, bootstrap=CONFIG).figures["rouge_l"]
    assert apart.p_value < alone.p_value
    assert apart.interval.high - apart.interval.low < 0.5 * (alone.interval.high - alone.interval.low)


def test_equal_systems_seldom_look_different():
    config = BootstrapConfig(resamples=40)
    called = 0
    for seed in range(60):
        meant = sentences(16, 1000 + seed)
        a, b = partly(meant, 0.5, 2 * seed), partly(meant, 0.5, 2 * seed + 1)
        called += text.compare(a, b, meant, bootstrap=config).figures["rouge_l"].p_value <= 0.1
    assert 0 < called <= 14  # 6 are expected of 60; 15 or more happen once in a thousand times


def test_rows_are_compared_by_level_and_task_and_judgements_too():
    good = ["a man lights a fire", "a man lights a fire", "a car", "An anomaly exists: Arson.", "No anomaly."]
    poor = ["a dog", "a dog", "a car", "No anomaly exists.", "An anomaly: Riot."]
    found = text.compare_rows(ROWS, good, poor, bootstrap=CONFIG)
    assert set(found.groups) == set(text.score_rows(ROWS, good).groups)
    assert (found.groups["clip"].pairs, found.groups["clip"].clusters) == (3, 2)
    a, b = (text.score_rows(ROWS, run).groups["clip"].rouge_l for run in (good, poor))
    assert found.groups["clip"].figures["rouge_l"].value == pytest.approx(a - b)
    once = text.compare_rows(ROWS, good, poor, duplicates="once", bootstrap=CONFIG)
    assert (once.groups["clip"].pairs, once.duplicates) == (2, "once")
    judged = found.judgements["judgement"]
    assert (judged.rows, judged.accuracy.value, judged.accuracy.p_value) == (2, 1, pytest.approx(2 / 61))
    assert judged.class_accuracy.value == judged.recall.value == judged.specificity.value == 1
    # One video alone: there is a difference, and nothing to say how sure it is.
    alone = found.judgements["event judgement"].accuracy
    assert (alone.value, alone.interval, alone.p_value) == (1, None, None)


def test_judgement_differences_pair_what_belongs_together():
    meant = ["An anomaly exists."] * 20
    first = ["An anomaly exists."] * 12 + ["No anomaly."] * 8
    second = ["An anomaly exists."] * 11 + ["No anomaly."] * 9
    gap = judgements.compare(first, second, meant, bootstrap=CONFIG).accuracy
    # They differ in one row of twenty, which every third resampling lacks: never the other way round.
    assert gap.value == pytest.approx(0.05) and gap.interval.low == 0 and 0.3 < gap.p_value <= 1
    assert judgements.compare(first, second, meant, bootstrap=CONFIG).specificity.p_value is None


def test_a_test_without_resamples_is_refused(runs):
    meant, good, poor = runs
    none = BootstrapConfig(resamples=0)
    for call in (
        lambda: text.compare(good, poor, meant, bootstrap=none),
        lambda: judgements.compare(good, poor, meant, bootstrap=none),
    ):
        with pytest.raises(InputError, match="needs resamples"):
            call()
    with pytest.raises(InputError, match="3 clusters for 24"):
        text.compare(good, poor, meant, bootstrap=CONFIG, clusters=[1, 2, 3])
    with pytest.raises(InputError, match="23 hypotheses"):
        text.compare(good, poor[1:], meant, bootstrap=CONFIG)
