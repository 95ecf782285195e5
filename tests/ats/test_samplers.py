"""Samplers: the laws all of them keep, the published one to the index, and who misses a short event."""

import json
import time
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holmesvau import registry
from holmesvau.ats.samplers import sample, sample_curve
from holmesvau.ats.spread import apart
from holmesvau.ats.standing_out import standing_out
from holmesvau.errors import InputError
from holmesvau.types import AnomalyCurve, Span

DISTINCT = ["uniform", "topk", "density", "event-first"]

scores_lists = st.one_of(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=300),
    st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=300),
    st.integers(1, 300).map(lambda n: [0.3] * n),
)


def test_every_published_choice_is_reproduced_to_the_index(shared):
    reference = json.loads((shared / "parity" / "ats-reference.json").read_text())
    assert len(reference["cases"]) == 504
    for case in reference["cases"]:
        scores = np.array(reference["curves"][case["curve"]], dtype=np.float32)
        chosen = sample(scores, case["num_frames"], method="density-reference", tau=reference["tau"])
        assert chosen.tolist() == case["indices"], case["curve"]


def test_all_samplers_are_registered():
    assert set(DISTINCT) | {"density-reference"} <= set(registry.names("samplers"))


@pytest.mark.parametrize("method", DISTINCT)
@given(scores=scores_lists, num_frames=st.integers(1, 40), tau=st.sampled_from([0.0, 0.1, 3.0]))
def test_frames_are_distinct_rising_within_the_video_and_as_many_as_wanted(method, scores, num_frames, tau):
    chosen = sample(scores, num_frames, method=method, tau=tau)
    assert chosen.dtype == np.int64
    assert len(chosen) == min(num_frames, len(scores))
    assert (np.diff(chosen) > 0).all()
    assert chosen[0] >= 0 and chosen[-1] < len(scores)
    assert np.array_equal(chosen, sample(scores, num_frames, method=method, tau=tau))


@given(
    scores=scores_lists.filter(lambda scores: len(scores) > 8),
    bounds=st.lists(st.tuples(st.integers(0, 299), st.integers(1, 60)), max_size=30),
    num_frames=st.integers(1, 40),
)
def test_every_given_event_gets_a_frame_as_long_as_half_of_them_last(scores, bounds, num_frames):
    events = [(a, min(a + w, len(scores))) for a, w in bounds if a < len(scores)]
    chosen = sample(scores, num_frames, events=events)
    assert len(chosen) == min(num_frames, len(scores))
    if len(events) <= max(1, num_frames // 2):
        for start, end in events:
            joined = [(a, b) for a, b in events if a < end and start < b]
            assert any(((chosen >= a) & (chosen < b)).any() for a, b in joined)


@given(positions=st.lists(st.integers(0, 60), min_size=1, max_size=40).map(sorted), beyond=st.integers(0, 30))
def test_apart_moves_positions_no_further_than_needed(positions, beyond):
    num_dense = max(positions[-1] + 1, len(positions)) + beyond
    moved = apart(np.array(positions), num_dense)
    assert (np.diff(moved) > 0).all() and moved[0] >= 0 and moved[-1] < num_dense
    if len(set(positions)) == len(positions):
        assert moved.tolist() == positions


@pytest.mark.parametrize("method", ["uniform", "density", "event-first"])
def test_a_calm_video_is_covered_evenly(method):
    chosen = sample(np.full(1600, 0.02), 16, method=method)
    assert chosen.tolist() == list(range(50, 1600, 100))


def test_a_nearly_calm_video_is_covered_from_end_to_end():
    scores = np.random.default_rng(0).uniform(0, 0.05, 20_000)
    chosen = sample(scores, 16)
    assert np.diff(np.concatenate([[0], chosen, [20_000]])).max() < 1.2 * 20_000 / 16


def test_density_puts_points_in_the_middles_of_equal_mass():
    # mass 1.0 in each of the frames 4..7 and nothing elsewhere: 4 points, one each
    scores = np.array([0, 0, 0, 0, 1, 1, 1, 1, 0, 0], dtype=float)
    assert sample(scores, 4, method="density", tau=0).tolist() == [4, 5, 6, 7]
    assert sample(np.ones(100), 4, method="density").tolist() == [12, 37, 62, 87]


def test_topk_takes_the_highest():
    assert sample([0.1, 0.9, 0.3, 0.9, 0.2], 2, method="topk").tolist() == [1, 3]
    assert sample([0.1, 0.9, 0.3, 0.8, 0.9], 3, method="topk").tolist() == [1, 3, 4]


def test_an_event_of_one_frame_is_seen_in_a_day():
    scores = np.full(172_800, 0.02)
    scores[100_003] = 0.95
    assert 100_003 in sample(scores, 16)


def test_every_one_of_several_events_is_seen_beside_a_long_one_and_the_background():
    scores = np.full(50_000, 0.03)
    events = [(4_000, 9_000), (12_000, 12_004), (30_000, 30_020), (41_000, 41_200)]
    for start, end in events:
        scores[start:end] = 0.8
    chosen = sample(scores, 16)
    for start, end in events:
        assert ((chosen >= start) & (chosen < end)).any(), (start, end)
    assert ((chosen > 12_100) & (chosen < 29_900)).any()


def test_the_strongest_events_come_first_where_there_are_more_than_frames():
    scores = np.full(5_000, 0.02)
    for k in range(20):
        scores[200 * k + 100 : 200 * k + 110] = 0.95 if k in (3, 8, 15) else 0.4
    chosen = sample(scores, 3)
    assert [int(position) // 200 for position in chosen] == [3, 8, 15]


def test_frames_around_an_event_are_seen_too():
    scores = np.full(4_000, 0.02)
    scores[2_000:2_040] = 0.9
    chosen = sample(scores, 16)
    assert ((chosen >= 1_980) & (chosen < 2_000)).any()
    assert ((chosen >= 2_040) & (chosen < 2_060)).any()


def noisy_curve(rng, num_dense, event, *, colour=0.0, sharp=False):
    """A scorer of frame AUC 0.9 (normal distributions 1.81 apart) whose noise lasts for 1 / (1 - colour)
    frames.
    """
    kernel = colour ** np.arange(64)
    noise = np.convolve(rng.normal(size=num_dense) * np.sqrt(1 - colour**2), kernel)[:num_dense]
    noise[event[0] : event[1]] += 1.812
    grid = np.linspace(-8, 8, 1601)
    return np.interp((noise - 1.5) * 1.5 if sharp else noise - 0.9, grid, [NormalDist().cdf(z) for z in grid])


@pytest.mark.parametrize(
    ("hours", "colour", "sharp"), [(1, 0.0, False), (1, 0.5, False), (1, 0.0, True), (4, 0.5, True)]
)
def test_event_first_misses_five_times_fewer_short_events_than_density(hours, colour, sharp):
    rng = np.random.default_rng(7)
    num_dense, missed, runs = int(hours * 3600 / 0.533), {"density": 0, "event-first": 0}, 60
    for _ in range(runs):
        start = int(rng.integers(0, num_dense - 19))
        scores = noisy_curve(rng, num_dense, (start, start + 19), colour=colour, sharp=sharp)
        for method in missed:
            chosen = sample(scores, 16, method=method)
            missed[method] += not ((chosen >= start) & (chosen < start + 19)).any()
    assert missed["density"] > 0.7 * runs
    assert missed["event-first"] * 5 <= missed["density"], missed


@given(
    num_dense=st.integers(1, 20_000),
    num_frames=st.integers(1, 40),
    place=st.floats(0, 1),
    length=st.integers(1, 120),
    level=st.floats(0, 0.3),
    told=st.booleans(),
)
def test_an_event_that_stands_out_is_seen_wherever_and_however_long_it_is(
    num_dense, num_frames, place, length, level, told
):
    length = min(length, max(1, num_dense // 8))
    start = int(place * (num_dense - length))
    scores = np.full(num_dense, level)
    scores[start : start + length] = 0.95
    chosen = sample(scores, num_frames, events=[(start, start + length)] if told else [])
    if num_dense >= 16 or told:
        assert ((chosen >= start) & (chosen < start + length)).any()


@pytest.mark.parametrize("num_frames", [8, 16, 32])
@pytest.mark.parametrize("separation", [1.812, 0.742])
def test_in_five_minutes_event_first_is_no_worse_than_density(num_frames, separation):
    """Scorers of frame AUC 0.9 and 0.7 whose noise lasts, told of many events that are none."""
    rng = np.random.default_rng(11)
    missed, events, grid = {"density": 0, "event-first": 0}, 0, np.linspace(-8, 8, 1601)
    squash = [NormalDist().cdf(z) for z in grid]
    for _ in range(60):
        noise = np.convolve(rng.normal(size=663) * 0.8, 0.6 ** np.arange(64), mode="valid")
        starts = rng.integers(0, 560, 3)
        for start, length in zip(starts, (10, 20, 40), strict=True):
            noise[start : start + length] += separation
        scores = np.interp(noise - 1.5, grid, squash)
        high = np.flatnonzero(np.diff(np.concatenate([[0], scores > 0.5, [0]]).astype(int)))
        told = [(int(a), int(b)) for a, b in zip(high[::2], high[1::2], strict=True)]
        for method in missed:
            chosen = sample(scores, num_frames, method=method, events=told)
            for start, length in zip(starts, (10, 20, 40), strict=True):
                events += method == "density"
                missed[method] += not ((chosen >= start) & (chosen < start + length)).any()
    assert events == 180
    assert missed["event-first"] <= missed["density"] + 2, missed


def test_the_net_of_a_calm_short_video_is_the_densitys():
    scores = np.random.default_rng(2).uniform(0, 0.08, 600)
    assert np.array_equal(sample(scores, 16), sample(scores, 16, method="density"))


def test_what_surely_is_an_event_moves_a_frame_that_the_net_can_spare():
    scores = np.random.default_rng(2).uniform(0, 0.08, 600)
    scores[222:225] = 0.9
    density, ours = sample(scores, 16, method="density"), sample(scores, 16)
    assert not ((density >= 222) & (density < 225)).any()
    assert ((ours >= 222) & (ours < 225)).any()
    assert len(set(ours.tolist()) & set(density.tolist())) == 15


def test_a_good_scorer_never_misses_ten_seconds_in_a_day():
    rng = np.random.default_rng(1)
    background = rng.uniform(0, 0.05, 172_800)
    for _ in range(20):
        start = int(rng.integers(0, len(background) - 20))
        scores = background.copy()
        scores[start : start + 20] = rng.uniform(0.85, 1, 20)
        chosen = sample(scores, 16)
        assert ((chosen >= start) & (chosen < start + 20)).any()


def test_a_day_is_sampled_in_the_blink_of_an_eye():
    scores = np.random.default_rng(0).uniform(0, 1, 172_800)
    durations = []
    for _ in range(3):
        began = time.perf_counter()
        sample(scores, 16)
        durations.append(time.perf_counter() - began)
    assert min(durations) < 1.0


def test_what_stands_out_does_not_depend_on_the_scale_of_the_scores():
    rng = np.random.default_rng(5)
    scores = noisy_curve(rng, 4_000, (1_000, 1_030))
    squeezed = 0.4 + 0.6 * scores**3
    assert standing_out(scores, 1)[0].start == standing_out(squeezed, 1)[0].start


def test_curve_sampling_answers_with_frames_and_times_and_knows_events_in_seconds():
    seconds = np.arange(1_000) * 0.5
    curve = AnomalyCurve(seconds, np.full(1_000, 0.1, np.float32), np.arange(1_000) * 15, 0.5)
    selection = sample_curve(curve, 8, events=[Span(100.2, 101.1)])
    assert selection.method == "event-first"
    assert np.array_equal(selection.index, np.rint(selection.seconds * 30).astype(int))
    # The score at 100.0 s stands for [100.0, 100.5) and so belongs to the event.
    assert ((selection.seconds >= 100) & (selection.seconds < 101.1)).any()
    assert len(selection) == 8


@pytest.mark.parametrize("method", [*DISTINCT, "density-reference"])
def test_wrong_scores_are_refused_with_their_value(method):
    for scores, message in [
        ([0.1, float("nan")], "dense frame 1 is nan"),
        ([float("inf"), 0.1], "dense frame 0 is inf"),
        ([0.1, 1.5], r"dense frame 1 is 1\.5"),
        ([-0.2, 0.5], r"dense frame 0 is -0\.2"),
        ([], "empty"),
        ([[0.1, 0.2]], r"values\.shape = \(1, 2\)"),
        (["high"], "not numbers"),
    ]:
        with pytest.raises(InputError, match=message):
            sample(scores, 4, method=method)


@pytest.mark.parametrize("num_frames", [0, -3, 2.5, True])
def test_a_wrong_number_of_frames_is_refused(num_frames):
    with pytest.raises(InputError, match=f"num_frames = {num_frames}"):
        sample([0.1, 0.2], num_frames)


@pytest.mark.parametrize("tau", [-0.1, float("nan"), float("inf")])
def test_a_wrong_tau_is_refused(tau):
    with pytest.raises(InputError, match=f"tau = {tau}"):
        sample([0.1, 0.2], 1, tau=tau)


@pytest.mark.parametrize("event", [(-1, 2), (2, 2), (1, 9)])
def test_an_event_outside_the_curve_is_refused(event):
    with pytest.raises(InputError, match="not a range"):
        sample([0.1] * 4, 2, events=[event])


def test_an_unknown_method_is_refused_with_those_there_are():
    with pytest.raises(InputError, match="event-first"):
        sample([0.1, 0.2], 1, method="event-frist")
