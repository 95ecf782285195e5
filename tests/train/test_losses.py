"""The losses of stage 1: against a plain reading of METHOD's formulas, and that padding changes nothing."""

import math

import pytest
import torch
from torch.nn import functional as F

from holmesvau.ats.urdmu import UrDmu, UrDmuOutputs
from holmesvau.errors import ConfigError
from holmesvau.train.scorer.config import Losses
from holmesvau.train.scorer.examples import UNKNOWN, Batch
from holmesvau.train.scorer.losses import (
    class_loss,
    class_weights,
    event_loss,
    frame_loss,
    top,
    total,
    weak_losses,
)

LENGTHS = (40, 23, 17, 31)
NORMAL = torch.tensor([True, True, False, False])


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return UrDmu(24, dropout=0.0).train()


def padded(parts) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)


@pytest.fixture(scope="module")
def videos():
    torch.manual_seed(1)
    return [torch.randn(length, 24) for length in LENGTHS]


@pytest.fixture(scope="module")
def noise():
    torch.manual_seed(2)
    return [torch.randn(length, 512) for length in LENGTHS]


@pytest.fixture(scope="module")
def outputs(network, videos, noise):
    mask = padded([torch.ones(length, dtype=torch.bool) for length in LENGTHS])
    return network.forward_train(padded(videos), NORMAL, mask=mask, noise=padded(noise)), mask


def test_padding_changes_nothing_of_a_video(network, videos, noise, outputs):
    together, _ = outputs
    for row, (video, own) in enumerate(zip(videos, noise, strict=True)):
        alone = network.forward_train(video[None], NORMAL[row : row + 1], noise=own[None])
        for name in UrDmuOutputs.__slots__:
            found = getattr(together, name)[row, : len(video)]
            assert torch.allclose(found, getattr(alone, name)[0], atol=2e-5), name


def test_the_training_pass_scores_as_the_scorer_does(network, videos, outputs):
    # For an anomalous video nothing is sampled.
    with torch.no_grad():
        assert torch.allclose(network(videos[2][None])[0], outputs[0].scores[2, : LENGTHS[2]], atol=1e-5)


def test_frame_loss_is_equation_5_the_right_way_round():
    scores = torch.tensor([[0.9, 0.2, 0.3], [0.6, 0.5, 0.5]])
    labels = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    mask = torch.tensor([[True, True, True], [True, False, False]])
    first = -(math.log(0.9) + math.log(0.8) + math.log(0.3)) / 3
    second = -math.log(0.4)
    assert frame_loss(scores, labels, mask).item() == pytest.approx((first + second) / 2, rel=1e-6)


def plain_weak(found: UrDmuOutputs) -> dict[str, float]:
    """One video after the other, with lists and means, as METHOD section 3 says it."""

    def bce(values, wanted):
        return F.binary_cross_entropy(values, torch.full_like(values, wanted))

    def best(values, count):
        return values.sort(descending=True).indices[:count]

    sums = dict.fromkeys(("weak", "memory", "triplet", "divergence", "magnitude"), 0.0)
    anchors, positives, negatives = [], [], []
    latent = {"anomalous": [], "normal": []}
    for row, length in enumerate(LENGTHS):
        k = length // 16 + 1
        part = {name: getattr(found, name)[row, :length] for name in UrDmuOutputs.__slots__}
        video_score = part["scores"][best(part["scores"], k)].mean()
        sums["weak"] += bce(video_score, 0.0 if NORMAL[row] else 1.0) / 4
        like_normal = best(part["normal_attention"], k)
        if NORMAL[row]:
            sums["memory"] += bce(part["normal_attention"], 1.0) / 2 + bce(part["anomaly_attention"], 0.0) / 2
            anchors.append(part["embeddings"][like_normal].mean(0))
            latent["normal"].append(part["normal_latent"][like_normal].mean(0).norm())
            mean, variance = part["normal_mean"], part["normal_log_variance"].exp()
            sums["divergence"] += (0.5 * (mean**2 + variance - 1 - variance.log()).sum(-1)).mean() / 2
        else:
            fires = best(part["anomaly_attention"], k)
            misses = 1 - part["normal_attention"]
            sums["memory"] += bce(part["anomaly_attention"][fires].mean(), 1.0) / 2
            sums["memory"] += bce(misses[best(misses, k)].mean(), 1.0) / 2
            positives.append(part["embeddings"][like_normal].mean(0))
            negatives.append(part["embeddings"][fires].mean(0))
            latent["anomalous"].append(part["anomaly_latent"][fires].mean(0).norm())
    for three in zip(anchors, positives, negatives, strict=True):
        anchor, positive, negative = (v / v.norm() for v in three)
        near, far = (anchor - positive).norm(), (anchor - negative).norm()
        sums["triplet"] += max(0.0, near - far + 1) / 2
    for abnormal, normal in zip(latent["anomalous"], latent["normal"], strict=True):
        sums["magnitude"] += max(0.0, 100 - abnormal + normal) / 2
    return {name: float(torch.as_tensor(value).detach()) for name, value in sums.items()}


def test_weak_losses_equal_the_plain_reading_of_the_method(outputs):
    found = weak_losses(outputs[0], NORMAL, outputs[1])
    for name, value in plain_weak(outputs[0]).items():
        assert found[name].item() == pytest.approx(value, rel=1e-4), name


def test_the_total_has_the_published_weights_and_every_part_can_be_switched_off(outputs):
    labels = torch.zeros(4, 40)
    batch = Batch(torch.zeros(4, 40, 24), outputs[1], labels, labels.long(), NORMAL)
    parts = total(outputs[0], None, batch, Losses())
    weak = plain_weak(outputs[0])
    published = weak["weak"] + 0.1 * weak["memory"] + 0.1 * weak["triplet"]
    published += 0.001 * weak["divergence"] + 0.0001 * weak["magnitude"]
    assert parts["loss"].item() == pytest.approx(parts["frame"].item() + published, rel=1e-4)
    assert set(total(outputs[0], None, batch, Losses(weak=0))) == {"loss", "frame"}
    assert "frame" not in total(outputs[0], None, batch, Losses(frame=0))


def test_top_weights_take_the_highest_frames_of_each_length_and_none_of_the_padding():
    values = torch.tensor([[0.1, 0.9, 0.3] + [0.2] * 13 + [0.8], [0.5, 0.4] + [1.0] * 15])
    mask = torch.arange(17) < torch.tensor([[17], [2]])
    weights = top(values, mask)
    assert weights[0].nonzero().flatten().tolist() == [1, 16] and weights[0, 1] == 0.5
    assert weights[1].nonzero().flatten().tolist() == [0] and weights[1, 0] == 1


def test_frames_of_an_unknown_class_do_not_count():
    logits = torch.randn(2, 3, 4)
    classes = torch.tensor([[0, 2, UNKNOWN], [UNKNOWN] * 3])
    wanted = F.cross_entropy(logits[0, :2], classes[0, :2]) / 2
    assert class_loss(logits, classes, None).item() == pytest.approx(wanted.item(), rel=1e-6)


def test_class_weights_favour_rare_classes_and_are_1_on_average():
    counts = torch.tensor([900, 90, 10])
    weights = class_weights(counts, 0.5)
    assert weights[2] / weights[0] == pytest.approx(90**0.5, rel=1e-5)
    assert (weights * counts).sum() / 1000 == pytest.approx(1.0, rel=1e-6)
    assert torch.allclose(class_weights(counts, 0.0), torch.ones(3))


def test_an_events_class_is_judged_by_the_mean_of_its_frames_among_the_anomalies():
    torch.manual_seed(4)
    logits = torch.randn(3, 6, 5)
    # Normal 0, anomalies 1-3, a hard negative 4; the third video has no event that is known.
    classes = torch.tensor([[0, 2, 2, 0, 3, 2], [1, 1, 1, 1, 1, 1], [0, 4, 4, UNKNOWN, UNKNOWN, 0]])

    def plain(video: int, frames: list[int], wanted: int) -> float:
        told = logits[video].log_softmax(-1)[frames].mean(0)[1:4]
        return float(F.cross_entropy(told, torch.tensor(wanted - 1)))

    first = (plain(0, [1, 2, 5], 2) + plain(0, [4], 3)) / 2
    second = plain(1, [0, 1, 2, 3, 4, 5], 1)
    found = event_loss(logits, classes, slice(1, 4))
    assert found.item() == pytest.approx((first + second) / 3, rel=1e-5)
    # The whole is as much as the halves that two processes have.
    halves = [event_loss(logits[part], classes[part], slice(1, 4)) for part in (slice(2), slice(1, 3))]
    assert halves[0].item() == pytest.approx((first + second) / 2, rel=1e-5)
    assert event_loss(logits[2:], classes[2:], slice(1, 4)).item() == 0


def test_the_event_loss_is_a_part_of_the_total_and_needs_the_class_head(outputs):
    labels = torch.zeros(4, 40)
    classes = torch.ones(4, 40, dtype=torch.long)
    batch = Batch(torch.zeros(4, 40, 24), outputs[1], labels, classes, NORMAL)
    logits = torch.randn(4, 40, 3, generator=torch.Generator().manual_seed(1))
    weights = Losses(weak=0, classes=1.0, events=2.0)
    parts = total(outputs[0], logits, batch, weights, anomalies=slice(1, 3))
    assert parts["events"].item() > 0
    whole = parts["frame"] + parts["classes"] + 2 * parts["events"]
    assert parts["loss"].item() == pytest.approx(whole.item(), rel=1e-5)
    with pytest.raises(ConfigError, match=r"scorer\.losses\.classes"):
        Losses(events=1.0)
