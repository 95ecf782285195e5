"""Familiarity: distances of known and unknown features, one pass over many arrays, what is refused."""

import numpy as np
import pytest

from holmesvau.ats.familiarity import NOISE, Familiarity
from holmesvau.errors import InputError, ModelError

WIDTH = 48


def videos(count: int, seed: int, *, frames: int = 60, shift: float = 0.0, spread: float = 1.0):
    """Features with a few strong directions, unequal scales and a far-off mean; each video has a place."""
    shared = np.random.default_rng(99)
    mixing = shared.normal(size=(5, WIDTH))
    scales = shared.uniform(0.01, 3.0, WIDTH)
    generator = np.random.default_rng(seed)
    for _ in range(count):
        place = generator.normal(size=5)
        hidden = place + 0.3 * generator.normal(size=(frames, 5))
        own = hidden @ mixing + 0.4 * generator.normal(size=(frames, WIDTH)) + shift
        yield (own * spread * scales + 1000.0).astype(np.float32)


@pytest.fixture(scope="module")
def known() -> Familiarity:
    return Familiarity.fit(videos(200, 0), directions=5).calibrated(videos(400, 1))


def test_training_frames_lie_at_1(known):
    distances = np.concatenate([known.frame_distances(video) for video in videos(200, 0)])
    assert np.sqrt(np.square(distances).mean()) == pytest.approx(1.0, abs=0.05)


def test_unseen_videos_of_the_same_kind_are_familiar_and_others_are_not(known):
    assert np.mean([known.is_familiar(video) for video in videos(200, 2)]) > 0.95
    assert not any(known.is_familiar(video) for video in videos(50, 3, shift=6.0))
    # Another mixture of the same features, as loud and around the same mean.
    generator = np.random.default_rng(4)
    for video in videos(20, 5):
        mixed = (video - known.mean) @ np.linalg.qr(generator.normal(size=(WIDTH, WIDTH)))[0] + known.mean
        assert not known.is_familiar(mixed)


def test_a_short_event_does_not_make_a_familiar_scene_unfamiliar(known):
    *_, video = videos(3, 6)
    assert known.is_familiar(video)
    video[20:30] += 50.0
    assert known.is_familiar(video) and known.frame_distances(video)[25] > known.limit


def test_the_description_is_that_of_all_frames_at_once(known):
    together = np.concatenate(list(videos(200, 0))).astype(np.float64)
    assert np.allclose(known.mean, together.mean(0), rtol=0, atol=1e-6)
    assert np.allclose(known.deviation, together.std(0), rtol=1e-6)
    spectrum = np.linalg.eigvalsh(np.corrcoef(together.T))[::-1]
    assert np.allclose(known.variances, spectrum[:5] + NOISE, rtol=1e-6)
    assert known.rest == pytest.approx(spectrum[5:].sum() + NOISE * (WIDTH - 5), rel=1e-6)


def test_a_feature_that_never_varies_does_not_decide(known):
    def flat(found):
        for video in found:
            yield np.concatenate([video, np.full((len(video), 1), 3.0, np.float32)], axis=1)

    fitted = Familiarity.fit(flat(videos(200, 0)), directions=5).calibrated(flat(videos(100, 1)))
    *_, video = flat(videos(3, 6))
    assert fitted.is_familiar(video)
    video[:, -1] += 1e-4
    assert fitted.is_familiar(video)


def test_it_comes_back_from_its_file(known, tmp_path):
    path = known.save(tmp_path / "familiarity.safetensors")
    again = Familiarity.load(path)
    assert again.limit == pytest.approx(known.limit, rel=1e-6)
    (video,) = videos(1, 8)
    assert again.distance(video) == pytest.approx(known.distance(video), rel=1e-3)
    assert len(again.video_distances) == 400 and path.stat().st_size < 20_000


def test_the_limit_is_the_share_asked_for(known):
    strict = known.calibrated(videos(400, 1), within=0.5)
    assert strict.limit == pytest.approx(np.median(strict.video_distances)) and strict.limit < known.limit


def test_what_is_refused(known, tmp_path):
    with pytest.raises(InputError, match="0 frames"):
        Familiarity.fit([])
    with pytest.raises(InputError, match="48 and 3"):
        Familiarity.fit([np.zeros((4, WIDTH)), np.zeros((4, 3))])
    with pytest.raises(InputError, match=r"got \(4, 3\)"):
        known.frame_distances(np.zeros((4, 3)))
    with pytest.raises(InputError, match="without frames"):
        known.distance(np.zeros((0, WIDTH)))
    with pytest.raises(InputError, match="No videos"):
        known.calibrated([])
    with pytest.raises(InputError, match=r"within = 0"):
        known.calibrated(videos(2, 1), within=0)
    (tmp_path / "x.safetensors").write_bytes(b"no")
    with pytest.raises(ModelError, match="cannot be read"):
        Familiarity.load(tmp_path / "x.safetensors")
    from safetensors.numpy import save_file

    save_file({"mean": np.zeros(3)}, tmp_path / "y.safetensors")
    with pytest.raises(ModelError, match="lacks deviation"):
        Familiarity.load(tmp_path / "y.safetensors")


def test_a_few_directions_of_many_features_are_those_of_the_whole_covariance():
    rng = np.random.default_rng(5)
    strengths = 1 / np.arange(1, 401)
    frames = rng.standard_normal((3000, 400)) * strengths @ np.linalg.qr(rng.standard_normal((400, 400)))[0]
    fitted = Familiarity.fit([frames[:1000], frames[1000:]], directions=6)
    scaled = (frames - frames.mean(0)) / frames.std(0)
    variances, vectors = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    assert fitted.variances - NOISE == pytest.approx(variances[::-1][:6], rel=0.02)
    assert abs(fitted.directions[0] @ vectors[:, -1]) > 0.999
    assert fitted.rest == pytest.approx(variances[::-1][6:].sum() + NOISE * 394, rel=0.02)


def test_only_the_leading_features_are_looked_at():
    rng = np.random.default_rng(6)
    known = rng.standard_normal((500, 8))
    fitted = Familiarity.fit([known], directions=2, leading=5)
    odd = known.copy()
    odd[:, 6] += 50
    assert fitted.width == 8 and fitted.directions.shape == (2, 5)
    assert fitted.distance(odd) == pytest.approx(fitted.distance(known))
    odd[:, 1] += 50
    assert fitted.distance(odd) > 5 * fitted.distance(known)
