"""The learning scorer and what is saved of it; batches; labels; the learning rate."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from holmesvau.ats.classes import ClassHead, ClassNames
from holmesvau.ats.features import Features
from holmesvau.ats.foveal import FovealEncoder
from holmesvau.ats.urdmu import CHANNELS, WINDOW, UrDmuScorer
from holmesvau.errors import ConfigError, InputError, ModelError
from holmesvau.train.recipes import load
from holmesvau.train.scorer import losses
from holmesvau.train.scorer.config import Losses, Optimisation, ScorerTraining
from holmesvau.train.scorer.examples import UNKNOWN, Batch, Batches, Example, class_names, frames_of, labelled
from holmesvau.train.scorer.model import LearningScorer, Reader
from holmesvau.train.scorer.training import learning_rate
from holmesvau.train.videos import Stretch, TrainingVideo
from holmesvau.types import Span

NAMES = ClassNames(("Arson", "Fighting"), ("Hug",))


def features_of(pooled: np.ndarray) -> Features:
    index = np.arange(len(pooled))
    cells = np.zeros((len(pooled), 1, 1, 1), np.float16)
    return Features(index, index / 2, pooled.astype(np.float16), cells, 0.5, "some-encoder")


def example(frames: int, *, events=(), negatives=(), labels=None, width: int = 8) -> Example:
    labels = tuple(event.label for event in events) if labels is None else labels
    video = TrainingVideo("a.mp4", "a.mp4", labels, tuple(events), tuple(negatives), None, None)
    pooled = np.full((frames, width), frames, np.float32)
    return labelled(video, features_of(pooled), NAMES)


def stretch(start: float, end: float, label: str) -> Stretch:
    return Stretch(Span(start, end), label)


@pytest.fixture(scope="module")
def learnt():
    torch.manual_seed(0)
    mean, deviation = torch.rand(24) * 3, torch.rand(24) + 0.1
    scorer = LearningScorer(mean, deviation, num_classes=len(NAMES), dropout=0.3)
    with torch.no_grad():
        for parameter in scorer.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    return scorer


def test_the_plain_weights_score_as_the_learning_network_does_borders_included(learnt):
    features = torch.rand(2, 30, 24) * 4
    nothing = torch.zeros(2, 30)
    batch = Batch(features, nothing == 0, nothing, nothing.long(), torch.tensor([False, False]))
    learnt.eval()
    with torch.no_grad():
        outputs, logits = learnt(batch, torch.zeros(2, 30, 512))
    reader = Reader(learnt.plain(), len(NAMES), "cpu")
    for row in range(2):
        scores, logarithms = reader(features[row])
        assert torch.allclose(scores, outputs.scores[row], atol=1e-5)
        assert torch.allclose(logarithms, logits[row].log_softmax(-1), atol=1e-4)


def test_the_scorer_reads_its_class_head_and_cross_fades_it_on_long_videos(learnt, tmp_path):
    path = tmp_path / "scorer.safetensors"
    save_file(learnt.plain(), path, metadata=NAMES.to_metadata())
    scorer = UrDmuScorer(path)
    assert scorer.class_names == NAMES and scorer.class_names.all == ("Normal", "Arson", "Fighting", "Hug")
    generator = np.random.default_rng(0)
    for frames in (1, 40, WINDOW + 700):
        features = features_of(generator.random((frames, 24)))
        scores, probabilities = scorer.classify(features)
        assert np.allclose(scores, scorer.score(features), atol=1e-5)
        assert probabilities.shape == (frames, 4) and np.allclose(probabilities.sum(1), 1, atol=1e-4)
    assert scorer.classify(features_of(np.zeros((0, 24))))[1].shape == (0, 4)


def test_a_head_without_names_and_a_scorer_without_a_head_say_so(learnt, tmp_path):
    save_file(learnt.plain(), tmp_path / "nameless.safetensors")
    with pytest.raises(ModelError, match="does not name its classes"):
        UrDmuScorer(tmp_path / "nameless.safetensors")
    save_file(learnt.plain(), tmp_path / "other.safetensors", metadata=ClassNames(("A",)).to_metadata())
    with pytest.raises(ModelError, match="class head cannot be used"):
        UrDmuScorer(tmp_path / "other.safetensors")
    bare = {key: value for key, value in learnt.plain().items() if not key.startswith("class_head.")}
    save_file(bare, tmp_path / "bare.safetensors")
    scorer = UrDmuScorer(tmp_path / "bare.safetensors")
    assert scorer.class_names is None
    with pytest.raises(ModelError, match="without a class head"):
        scorer.classify(features_of(np.zeros((3, 24))))


def test_views_are_looked_at_as_learnt_whatever_stands_behind_a_video(tmp_path):
    torch.manual_seed(4)
    width = FovealEncoder.width
    tokens = 3 * torch.rand(20, width)
    learning = LearningScorer(
        tokens.mean(0), tokens.std(0), num_classes=len(NAMES), dropout=0.3, looks=True
    ).eval()
    path = tmp_path / "looking.safetensors"
    save_file(learning.plain(), path, metadata=NAMES.to_metadata())
    features = features_of(tokens[:12].numpy())
    scorer = UrDmuScorer(path)
    assert scorer.input_width == width
    alone = torch.from_numpy(features.pooled).float()
    scores, logarithms = Reader(learning.plain(), len(NAMES), "cpu")(alone)
    assert np.allclose(scorer.score(features), scores.numpy(), atol=1e-6)
    assert np.allclose(scorer.classify(features)[1], logarithms.exp().numpy(), atol=1e-5)
    # Beside a longer video the frames behind its end are zeros, which Looking makes something of.
    mask = torch.ones(2, 20, dtype=torch.bool)
    mask[0, 12:] = False
    padded = torch.stack([torch.cat([alone, torch.zeros(8, width)]), tokens])
    batch = Batch(padded, mask, mask.float(), mask.long(), torch.tensor([True, False]))
    with torch.no_grad():
        _, logits = learning(batch, torch.zeros(2, 20, CHANNELS))
    assert np.allclose(logits[0, :12].log_softmax(-1).numpy(), logarithms.numpy(), atol=1e-4)


@pytest.mark.parametrize("looks", [False, True], ids=["plain", "views"])
def test_training_goes_on_from_a_trained_scorer_and_keeps_the_classes_that_both_know(looks, learnt, tmp_path):
    torch.manual_seed(5)
    width = FovealEncoder.width if looks else 24
    if looks:
        learnt = LearningScorer(torch.rand(width), torch.rand(width), num_classes=4, dropout=0.3, looks=True)
    path = tmp_path / "trained.safetensors"
    save_file(learnt.plain(), path, metadata=NAMES.to_metadata())
    trained = UrDmuScorer(path)

    def goes_on(names: ClassNames) -> dict[str, torch.Tensor]:
        # The features of other videos have another mean and deviation.
        other = LearningScorer(
            torch.rand(width), 0.5 + torch.rand(width), num_classes=len(names), dropout=0.5, looks=looks
        )
        other.go_on_from(trained, names)
        return other.plain()

    before, same = learnt.plain(), goes_on(NAMES)
    assert before.keys() == same.keys()
    assert all(torch.allclose(before[name], same[name], atol=1e-5) for name in before)
    fewer = goes_on(ClassNames(("Fighting", "Theft"), ("Hug",)))
    rows = "class_head.mlp.4.weight"
    assert torch.equal(fewer[rows][[0, 1, 3]], before[rows][[0, 2, 3]])
    assert not torch.allclose(fewer[rows][2], before[rows][1])
    narrow = LearningScorer(torch.zeros(9), torch.ones(9), num_classes=4, dropout=0.0)
    with pytest.raises(InputError, match=f"features of width {width}, and here they have 9"):
        narrow.go_on_from(trained, NAMES)


def test_gradients_reach_every_weight(learnt):
    learnt.train()
    batch = Batch(
        torch.rand(4, 20, 24),
        torch.ones(4, 20, dtype=torch.bool),
        torch.rand(4, 20).round(),
        torch.randint(0, 4, (4, 20)),
        torch.tensor([True, True, False, False]),
    )
    outputs, logits = learnt(batch, torch.randn(4, 20, 512))
    losses.total(outputs, logits, batch, Losses(classes=1.0))["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in learnt.parameters())
    assert isinstance(learnt.class_head, ClassHead)


def test_in_bfloat16_it_learns_the_same_and_keeps_its_weights_whole(learnt):
    learnt.eval()
    mask = torch.ones(2, 20, dtype=torch.bool)
    batch = Batch(torch.rand(2, 20, 24), mask, mask.float(), mask.long(), torch.tensor([True, False]))
    noise = torch.randn(2, 20, CHANNELS)
    exact, exact_logits = learnt.forward_in("float32", batch, noise)
    rounded, logits = learnt.forward_in("bfloat16", batch, noise)
    assert rounded.scores.dtype == logits.dtype == torch.float32
    assert not torch.equal(rounded.scores, exact.scores)
    assert torch.allclose(rounded.scores, exact.scores, atol=0.02)
    assert torch.allclose(logits, exact_logits, atol=0.1)
    learnt.zero_grad()
    losses.total(rounded, logits, batch, Losses(classes=1.0))["loss"].backward()
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in learnt.parameters() if p.grad is not None)


def test_frames_take_their_labels_by_time():
    found = example(
        40,
        events=[stretch(5.0, 8.0, "Arson"), stretch(12.1, 12.3, "Fighting"), stretch(15.0, 16.0, "")],
        negatives=[stretch(1.0, 3.0, "Hug"), stretch(7.0, 9.0, "Hug")],
    )
    assert np.flatnonzero(found.labels).tolist() == [*range(10, 16), 24, 30, 31]
    # 12.1-12.3 s lies between two dense frames: the one before stands for it.
    assert (
        found.classes[24] == 2
        and (found.classes[10:16] == 1).all()
        and (found.classes[30:32] == UNKNOWN).all()
    )
    assert np.flatnonzero(found.hard).tolist() == [2, 3, 4, 5, 16, 17]
    assert (found.classes[2:6] == 3).all() and found.classes[0] == 0


def test_classes_are_those_that_the_videos_show():
    videos = [
        example(4, events=[stretch(0, 1, "B"), stretch(1, 2, "")], negatives=[stretch(0, 1, "hug")]).video,
        example(4, events=[stretch(0, 1, "A")], negatives=[stretch(0, 1, "A")]).video,
    ]
    assert class_names(videos, hard_negatives=True) == ClassNames(("A", "B"), ("hug",))
    assert class_names(videos, hard_negatives=False) == ClassNames(("A", "B"))


def config(**changes) -> ScorerTraining:
    return ScorerTraining(**{"batch_videos": 4, "window": 16} | changes)


def test_every_video_is_seen_once_before_any_is_seen_again():
    normal = [example(10 + number) for number in range(6)]
    anomalous = [example(30 + number, events=[stretch(3, 5, "Arson")]) for number in range(4)]
    batches = Batches(normal, anomalous, config())
    assert batches.steps == 3
    seen = [batches.at(step) for step in range(6)]
    for batch in seen:
        assert batch.normal.tolist() == [True, True, False, False]
        assert (batch.mask.sum(1) > 0).all() and batch.features[~batch.mask].abs().sum() == 0
    # Features hold the video's number of frames: which video a row is.
    shown = [int(batch.features[row, 0, 0]) for batch in seen for row in range(2)]
    assert sorted(shown[:6]) == sorted(shown[6:]) == list(range(10, 16))
    shown = [int(batch.features[row, 0, 0]) for batch in seen for row in (2, 3)]
    assert sorted(shown[:4]) == sorted(shown[4:8]) == list(range(30, 34))


def test_a_window_of_an_anomalous_video_shows_the_anomaly():
    anomalous = [example(500, events=[stretch(200, 201, "Arson")])]
    batches = Batches([example(500)], anomalous, config(batch_videos=8))
    labels = torch.cat([batches.at(step).labels[4:] for step in range(20)])
    assert (labels.sum(1) > 0).all()
    # And not always at the same place of the window.
    assert len(set(labels.argmax(1).tolist())) > 8


def test_with_video_labels_only_a_window_is_from_the_whole_video():
    long = example(1600, events=[stretch(700, 701, "Arson")])
    long.features.pooled[:, 0] = np.arange(1600)
    batches = Batches([long], [long], config(losses=Losses(frame=0)))
    shown = batches.at(0).features[0, :, 0]
    assert (shown.diff() > 0).all() and shown[0] < 100 and shown[-1] >= 1500


def test_processes_share_a_batch_without_overlap_and_agree_on_its_length():
    normal, anomalous = [example(9), example(12)], [example(14, labels=("A",)), example(11, labels=("A",))]
    batches = Batches(normal, anomalous, config())
    whole, parts = batches.at(5), [batches.at(5, rank, 2) for rank in range(2)]
    assert all(part.mask.shape == (2, whole.mask.shape[1]) for part in parts)
    rows = [0, 2], [1, 3]
    for part, own in zip(parts, rows, strict=True):
        assert torch.equal(part.features, whole.features[own]) and torch.equal(part.normal, whole.normal[own])


def test_weak_supervision_needs_both_kinds_of_videos():
    with pytest.raises(InputError, match=r"4 and 0\..*losses\.weak=0"):
        Batches([example(5)] * 4, [], config())
    batches = Batches([], [example(5, labels=("A",))] * 4, config(losses=Losses(weak=0)))
    assert batches.kinds == 1 and batches.at(0).mask.shape == (4, 5)


def test_no_more_frames_are_described_than_asked():
    found = [example(100) for _ in range(10)]
    assert sum(map(len, frames_of(found, 1000))) == 1000
    assert 200 <= sum(map(len, frames_of(found, 300))) <= 300


def test_the_learning_rate_rises_then_falls_by_a_cosine():
    cosine = Optimisation(learning_rate=1.0, schedule="cosine", warm_up=0.1)
    rates = [learning_rate(cosine, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(1 / 11) and rates[10] == 1.0 and rates[55] == pytest.approx(0.5)
    assert (np.diff(rates[:11]) > 0).all() and (np.diff(rates[10:]) < 0).all() and rates[-1] < 0.001
    assert learning_rate(Optimisation(learning_rate=0.3), 99, 100) == 0.3


def test_the_paper_s_recipe_is_the_paper_s():
    recipe = load("holmesvau-2b").scorer
    assert (
        recipe.optimisation.learning_rate == 1e-4
        and recipe.scan.every == 16
        and recipe.encoder == "internvit"
    )


def test_a_window_in_another_scene_keeps_what_changes_in_it_and_its_motion():
    generator = np.random.default_rng(2)

    def shown(level: float) -> Example:
        made = example(12, labels=("A",) if level > 5 else ())
        made.features.pooled[:] = generator.normal(level, 1, made.features.pooled.shape)
        return made

    normal, anomalous = [shown(0), shown(2)], [shown(10), shown(20)]
    plain = Batches(normal, anomalous, config(batch_videos=4), 5)
    moving = Batches(normal, anomalous, config(batch_videos=4, other_scenes=1.0), 5)
    means = [float(e.features.pooled[:, :5].astype(np.float32).mean()) for e in normal + anomalous]
    far = []
    for step in range(30):
        before, after = plain.at(step), moving.at(step)
        assert torch.equal(before.labels, after.labels) and torch.equal(before.mask, after.mask)
        assert torch.equal(before.features[..., 5:], after.features[..., 5:])
        still = before.features[..., :5] - before.features[..., :5].mean(1, keepdim=True)
        moved = after.features[..., :5] - after.features[..., :5].mean(1, keepdim=True)
        assert torch.allclose(still, moved, atol=2e-2)
        level = after.features[..., :5].mean((1, 2))
        assert (level > min(means) - 0.1).all() and (level < max(means) + 0.1).all()
        far += (level - before.features[..., :5].mean((1, 2))).abs().tolist()
        # Processes that share the batch move their videos to the same scenes.
        parts = [moving.at(step, rank, 2) for rank in range(2)]
        assert torch.equal(parts[0].features, after.features[[0, 2]])
        assert torch.equal(parts[1].features, after.features[[1, 3]])
    assert max(far) > 10 and np.median(far) > 0.5
    assert torch.equal(
        Batches(normal, anomalous, config(batch_videos=4), 5).at(3).features, plain.at(3).features
    )


def test_a_video_at_another_tempo_has_its_frames_in_order_and_its_labels_with_them():
    def counting(total: int, abnormal: slice) -> Example:
        made = example(total, labels=("A",), events=())
        made.features.pooled[:] = np.arange(total)[:, None] % 2048
        made.labels[:] = 0
        made.labels[abnormal] = 1
        return made

    long, short = counting(200, slice(150, 153)), counting(12, slice(4, 8))
    calm = example(40)
    batches = Batches([calm], [long, short], config(batch_videos=4, window=32, tempo=2.0), None)
    plain = Batches([calm], [long, short], config(batch_videos=4, window=32), None)
    lengths, gaps = [], set()
    for step in range(60):
        batch = batches.at(step)
        for features, mask, labels, normal in zip(
            batch.features, batch.mask, batch.labels, batch.normal, strict=True
        ):
            if normal:
                continue
            frames = features[mask][:, 0].numpy()
            steps = np.diff(frames)
            assert steps.min(initial=0) >= 0 and steps.max(initial=0) <= 2 and labels[mask].any()
            gaps |= set(steps.astype(int).tolist())
            if frames.max() > 11:
                assert len(frames) == 32
                np.testing.assert_array_equal(labels[mask], (frames >= 150) & (frames < 153))
            else:
                lengths.append(len(frames))
                assert frames[0] == 0 and frames[-1] >= 9
    assert gaps == {0, 1, 2} and min(lengths) < 9 and max(lengths) > 18
    assert torch.equal(plain.at(3).mask, Batches([calm], [long, short], plain._config, None).at(3).mask)
    for wrong in (0.5, 5.0):
        with pytest.raises(ConfigError, match="tempo"):
            config(tempo=wrong)
