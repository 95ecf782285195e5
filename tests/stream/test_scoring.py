"""Causal scores: nothing of the future, bounded memory, a normal that adapts, trust that is kept live."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from holmesvau.ats.classes import ClassNames
from holmesvau.ats.efficientnet import EfficientNetEncoder
from holmesvau.ats.familiarity import FILE, Familiarity
from holmesvau.ats.features import Encoded, Features
from holmesvau.ats.guarded import GuardedScorer
from holmesvau.ats.novelty import NoveltyScorer
from holmesvau.ats.urdmu import UrDmu, UrDmuScorer
from holmesvau.errors import ConfigError, InputError
from holmesvau.stream.alarms import AlarmConfig
from holmesvau.stream.camera import CameraConfig
from holmesvau.stream.classes import RecentClasses
from holmesvau.stream.describer import DescriberConfig
from holmesvau.stream.guard import Guard
from holmesvau.stream.inbox import Shot
from holmesvau.stream.novelty import CausalNovelty, CausalNoveltyConfig
from holmesvau.stream.record import AlarmMessage
from holmesvau.stream.scoring import CameraScorer, Scored, ScoringConfig
from holmesvau.stream.window import RunningTrust, WindowConfig
from tests.scenes import fixed_camera

STRIDE = 0.5


class Scene:
    """Cells `[7, 7, 32]` of a camera: a fixed look for each place, noise, and things put into places."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.base = self.rng.normal(size=(7, 7, 32))
        self.thing = self.rng.normal(size=(2, 3, 32))

    def cells(self, *, thing: tuple[int, int] | None = None, light: float = 0.0) -> np.ndarray:
        look = self.base + self.rng.normal(size=(7, 7, 32)) * 0.05 + light
        if thing is not None:
            row, column = thing
            look[row : row + 2, column : column + 3] = self.thing
        return look.astype(np.float16)


def scores(novelty: CausalNovelty, frames: list[np.ndarray], start: float = 0.0) -> np.ndarray:
    return np.array([novelty.score(cells, start + n * STRIDE, STRIDE) for n, cells in enumerate(frames)])


def test_score_knows_nothing_of_what_comes_after() -> None:
    scene = Scene()
    past = [scene.cells() for _ in range(120)] + [scene.cells(thing=(2, 2)) for _ in range(6)]
    one = scores(CausalNovelty(), [*past, *(scene.cells() for _ in range(40))])
    other = scores(CausalNovelty(), [*past, *(Scene(9).cells() for _ in range(40))])
    assert np.array_equal(one[: len(past)], other[: len(past)])
    assert one[120:126].max() > 0.6 and one[60:120].max() < 0.3


def test_nothing_is_abnormal_in_the_first_seconds_and_what_passes_again_is_normal() -> None:
    scene = Scene()
    frames = [scene.cells(thing=(2, 1) if n % 40 < 4 else None) for n in range(600)]
    novelty = CausalNovelty()
    found = scores(novelty, frames)
    assert found[:5].max() == 0.0
    # The first times it is news; after some minutes it is part of the place.
    assert found[-300:].max() < 0.5
    assert scores(novelty, [scene.cells(thing=(5, 4)) for _ in range(4)], start=300).max() > 0.6


def test_what_came_to_stay_becomes_normal_slowly() -> None:
    scene = Scene()
    calm = [scene.cells() for _ in range(240)]
    staying = [scene.cells(thing=(3, 3)) for _ in range(1200)]
    config = CausalNoveltyConfig(adapt_seconds=150, remembered=128)
    found = scores(CausalNovelty(config), [*calm, *staying])[240:]
    seconds = np.arange(len(found)) * STRIDE
    normal_after = seconds[np.flatnonzero(found >= 0.5)[-1]]
    assert found[seconds < 30].min() > 0.5 and 50 < normal_after < 400
    assert found[-200:].max() < 0.3


def test_slow_light_is_no_event_and_a_thing_in_new_light_is() -> None:
    scene = Scene()
    novelty = CausalNovelty(CausalNoveltyConfig(remembered=128))
    dawn = [scene.cells(light=n / 1000) for n in range(1000)]
    found = scores(novelty, dawn)
    assert found.max() < 0.5
    assert scores(novelty, [scene.cells(thing=(2, 2), light=1.0)] * 3, start=520).max() > 0.5


def test_view_that_comes_back_is_known_and_the_least_seen_is_forgotten() -> None:
    one, other = Scene(1), Scene(2)
    novelty = CausalNovelty(CausalNoveltyConfig(views=3))
    seconds = 0.0
    for scene in (one, other, one):
        found = scores(novelty, [scene.cells() for _ in range(150)], start=seconds)
        assert found.max() < 0.5
        seconds += 80.0
    assert novelty.num_views == 2
    # At once, not after a warm-up of its own.
    assert scores(novelty, [one.cells(thing=(2, 2)) for _ in range(3)], start=seconds).max() > 0.5
    for number in range(3, 12):
        scores(novelty, [Scene(number).cells() for _ in range(3)], start=seconds + number * 10)
    assert novelty.num_views == 3


def test_memory_does_not_grow() -> None:
    scene = Scene()
    novelty = CausalNovelty(CausalNoveltyConfig(remembered=64, usual_seconds=60, horizon_seconds=120))
    sizes = []
    for hour in range(3):
        scores(novelty, [scene.cells() for _ in range(400)], start=hour * 200.0)
        sizes.append(novelty.num_bytes)
    assert sizes[1] == sizes[2] < 1 << 20


def test_unusable_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="adapt_seconds"):
        CausalNoveltyConfig(adapt_seconds=0)
    with pytest.raises(ConfigError, match="frames"):
        WindowConfig(frames=1)


# --- trained scorers ---


class Given:
    """An encoder whose features are the test's: picture number -> features."""

    name, fingerprint, width, cells_shape, memory, batch_size = "given", "given", 16, (2, 2, 4), 0, 1

    def __init__(self, pooled: np.ndarray, cells: np.ndarray) -> None:
        self.pooled, self.all_cells = pooled, cells
        self._next = -1

    def frame_size(self, width: int, height: int) -> None:
        return None

    def encode(self, frames: np.ndarray, before: np.ndarray | None = None) -> Encoded:
        self._next += 1
        return Encoded(self.pooled[self._next][None], self.all_cells[self._next][None])


def shots(count: int):
    picture = np.zeros((1, 1, 3), np.uint8)
    return (Shot(0, n * 8, n * STRIDE, 0.0, 0.0, picture) for n in range(count))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> GuardedScorer:
    folder = tmp_path_factory.mktemp("scorer")
    torch.manual_seed(0)
    save_file(UrDmu(16).state_dict(), folder / "anomaly_scorer.safetensors")
    rng = np.random.default_rng(0)
    known = Familiarity.fit([rng.normal(size=(60, 16)) for _ in range(20)], 4)
    known.calibrated([rng.normal(size=(60, 16)) for _ in range(20)]).save(folder / FILE)
    made = GuardedScorer.beside(UrDmuScorer(folder / "anomaly_scorer.safetensors"))
    assert made is not None
    return made


def features(length: int, centre: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    pooled = (centre + 0.8 * rng.normal(size=(length, 16))).astype(np.float16)
    return pooled, rng.normal(size=(length, 2, 2, 4)).astype(np.float16)


def test_trained_scorer_gives_the_newest_score_of_its_window(guarded: GuardedScorer) -> None:
    pooled, cells = features(50)
    config = ScoringConfig(window=WindowConfig(frames=20))
    live = CameraScorer(Given(pooled, cells), guarded.trained, config)
    seconds = np.arange(50) * STRIDE
    for now, shot in enumerate(shots(50)):
        found = live.see(shot)
        seen = slice(max(0, now - 19), now + 1)
        window = Features(np.arange(50)[seen], seconds[seen], pooled[seen], cells[seen], STRIDE, "given")
        assert found.score == pytest.approx(guarded.trained.score(window)[-1], abs=1e-5)
        assert found.scorer == "urdmu"
    assert len(live.window()) == 20 and live.window().index[-1] == 49 * 8


def test_trust_is_decided_on_what_was_seen_and_novelty_has_learnt_meanwhile(guarded: GuardedScorer) -> None:
    familiar, cells = features(60)
    foreign, _ = features(120, centre=6.0)
    pooled = np.concatenate([familiar, foreign, familiar])
    everything = np.concatenate([cells, cells, cells, cells])
    config = ScoringConfig(window=WindowConfig(frames=20, trusted_over=40))
    live = CameraScorer(Given(pooled, everything), guarded, config)
    found = [live.see(shot) for shot in shots(240)]
    assert all(one.trust is not None for one in found)
    told = [one.scorer for one in found]
    # The median of 40 frames gives way after about 20 foreign ones.
    assert set(told[:60]) == {"urdmu"} and set(told[100:180]) == {"novelty"} and set(told[-15:]) == {"urdmu"}
    assert 15 <= told.index("novelty") - 60 <= 25
    alone = CausalNovelty()
    expected = [alone.score(everything[n], n * STRIDE, STRIDE) for n in range(240)]
    assert [one.score for one in found[100:180]] == expected[100:180]


def test_camera_at_the_limit_does_not_change_its_scorer_with_every_picture() -> None:
    class Known:
        """Distances as they are given."""

        limit = 1.0

        def frame_distances(self, pooled: np.ndarray) -> np.ndarray:
            return pooled[:, 0]

    trust = RunningTrust(Known(), 1)  # type: ignore[arg-type]
    told = [trust.see(np.array([d]), "a", "b").scorer for d in (1.02, 0.99, 1.01, 1.04, 1.06, 1.04, 1.0)]
    assert told == ["b", "a", "a", "a", "b", "b", "a"]


def test_encoder_with_a_memory_sees_one_by_one_what_a_scan_sees_in_batches() -> None:
    from holmesvau.ats.foveal import FovealEncoder

    encoder = FovealEncoder(threads=1)
    frames = np.stack(list(fixed_camera(8, fps=2, odd=(5, 8))))
    at_once = encoder.encode(frames)
    live = CameraScorer(encoder, NoveltyScorer(), ScoringConfig())
    for number, frame in enumerate(frames):
        live.see(Shot(0, number, number * STRIDE, 0.0, 0.0, frame))
    assert np.array_equal(live.window().pooled, at_once.pooled)
    assert np.array_equal(live.window().cells, at_once.cells)


def test_fire_in_a_fixed_camera_stands_out(encoder: EfficientNetEncoder) -> None:
    live = CameraScorer(encoder, NoveltyScorer(), ScoringConfig())
    found = []
    for number, frame in enumerate(fixed_camera(70, fps=2, odd=(60, 66))):
        found.append(live.see(Shot(0, number, number * STRIDE, 0.0, 0.0, frame)).score)
    assert max(found[120:132]) > 0.5 and max(found[:120]) < 0.5


def test_weights_of_any_place_are_found(guarded: GuardedScorer, tmp_path: Path) -> None:
    # A trained scorer without its familiarity is believed everywhere, and needs no cells.
    pooled, cells = features(5)
    live = CameraScorer(Given(pooled, cells), guarded.trained, ScoringConfig())
    assert [live.see(shot).trust for shot in shots(5)] == [None] * 5


def test_the_class_of_the_last_moments_is_what_they_score_highest_in() -> None:
    names = ClassNames(("Fighting", "Fall"), ("Embrace",))
    recent = RecentClasses(names)
    assert recent.likeliest(0.0) == ""
    fighting, fall = (np.array(told, np.float32) for told in ([0.1, 0.7, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1]))
    for number in range(8):
        recent.see(number * STRIDE, 0.1 if number < 5 else 0.9, fall if number < 5 else fighting)
    assert recent.likeliest(0.0) == recent.likeliest(2.5) == "Fighting"
    assert recent.likeliest(0.0, 2.0) == "Fall" and recent.likeliest(10.0) == ""
    recent.see(4.0, 0.9, None)
    assert recent.likeliest(4.0) == ""
    # What looks like an anomaly and is none names no alarm, however likely it is.
    embrace = RecentClasses(names)
    embrace.see(0.0, 0.6, np.array([0.0, 0.05, 0.15, 0.8], np.float32))
    assert embrace.likeliest(0.0) == "Fall"
    nameless = RecentClasses(None)
    nameless.see(0.0, 0.9, fall)
    assert nameless.likeliest(0.0) == ""


def test_scorer_of_other_features_is_refused_before_the_first_picture(guarded: GuardedScorer) -> None:
    pooled, cells = features(3)
    encoder = Given(pooled, cells)
    encoder.width = 24
    with pytest.raises(InputError, match="was trained on class tokens of width 16"):
        CameraScorer(encoder, guarded.trained, ScoringConfig())


# --- a camera's guard ---


class Calling:
    """A scorer that calls something a fall every minute and once, higher, a fight."""

    class_names = ClassNames(("Fighting", "Fall"))

    def see(self, shot: Shot) -> Scored:
        second = shot.seconds % 60
        fight, fall = 1800 <= shot.seconds < 1810, 20 <= second < 26
        score = 0.6 if fight else 0.7 + 0.0001 * (shot.seconds % 7) if fall else 0.05
        classes = np.array([0.1, 0.8 if fight else 0.1, 0.1 if fight else 0.8], np.float32)
        return Scored(shot.index, shot.seconds, score, "urdmu", None, classes)


@pytest.mark.parametrize("an_hour", [3.0, 0.0])
def test_guard_holds_back_what_a_camera_raises_all_the_time_and_nothing_else(an_hour: float) -> None:
    told: list[AlarmMessage] = []
    camera = SimpleNamespace(
        config=CameraConfig(source="gate.mp4", name="gate"), source=SimpleNamespace(name="gate")
    )
    guard = Guard(
        camera, Calling(), AlarmConfig(usual_an_hour=an_hour), DescriberConfig(), STRIDE,  # type: ignore[arg-type]
        recorder=None, emit=lambda message, _: told.append(message), ask=None,
    )  # fmt: skip
    for shot in shots(round(3600 / STRIDE)):
        guard.see(shot)
    raised = [message.label for message in told if message.reason == "raised"]
    assert raised.count("Fighting") == 1 and len(raised) == guard.raised
    assert len(raised) + guard.held_back == 61
    assert raised.count("Fall") == 60 if not an_hour else 3 <= raised.count("Fall") < 20
