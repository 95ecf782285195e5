"""The losses of stage 1 (paper §4.3): Eq. 5 on frame labels, UR-DMU's on video labels, classes.

The paper prints the arguments of Eq. 5 the wrong way round; it is -Σ ŷ log s + (1 - ŷ) log(1 - s), with the
score `s` and the label `ŷ`. Every video of a batch counts alike, whatever its length, so that the mean over
processes is the loss of their batches put together.

Shape legend: `B` videos in a batch, `A` anomalous and `N` normal ones, `T` dense frames, `C` channels, `K`
classes. `mask[B, T]` is True for the frames that a video has.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from holmesvau.ats.urdmu import UrDmuOutputs
from holmesvau.train.scorer.config import Losses
from holmesvau.train.scorer.examples import UNKNOWN, Batch

# How far the memories should pull anomalous and normal latents apart, as published.
MAGNITUDE = 100.0


def total(
    outputs: UrDmuOutputs,
    logits: Tensor | None,
    batch: Batch,
    weights: Losses,
    class_weights: Tensor | None = None,
    anomalies: slice | None = None,
) -> dict[str, Tensor]:
    """The parts of the loss, unweighted, under their names in `Losses`, and their weighted sum as `loss`.

    `anomalies` is where the anomalies are among the classes (`ClassNames.anomalous`).
    """
    parts = {}
    if weights.frame:
        parts["frame"] = frame_loss(outputs.scores, batch.labels, batch.mask)
    if weights.weak:
        parts |= weak_losses(outputs, batch.normal, batch.mask)
    if weights.classes and logits is not None:
        parts["classes"] = class_loss(logits, batch.classes, class_weights)
        if weights.events and anomalies is not None:
            parts["events"] = event_loss(logits, batch.classes, anomalies)
    loss = torch.stack([value * _weight(weights, name) for name, value in parts.items()]).sum()
    return {"loss": loss, **parts}


def _weight(weights: Losses, name: str) -> float:
    """`weak` scales what is learnt from video labels as a whole, each of its parts has a weight within."""
    if name in ("memory", "triplet", "divergence", "magnitude"):
        return weights.weak * float(getattr(weights, name))
    return float(getattr(weights, name))


def frame_loss(scores: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Eq. 5: binary cross-entropy of `scores[B, T]` against `labels[B, T]`, mean over frames and videos."""
    return _video_mean(F.binary_cross_entropy(scores, labels, reduction="none"), mask)


def weak_losses(outputs: UrDmuOutputs, normal: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """UR-DMU's losses from video labels `normal[B]`, of as many normal as anomalous videos.

    A video is judged by the mean of its top `T // 16 + 1` frames. `weak` is the cross-entropy of that of its
    scores. `memory`: in anomalous videos the anomaly memory fires somewhere and the normal memory misses
    somewhere; in normal ones the normal memory fires and the anomaly memory is silent everywhere. `triplet`:
    the frames most like the normal memory are alike in both kinds of videos and unlike those of anomalies.
    `divergence` keeps what the normal memory recalls near a standard normal; `magnitude` parts the lengths
    of what is recalled. The published code sums the divergence over frames, which depends on the video's
    length; here it is the sum over channels, a frame's Kullback-Leibler divergence, and the mean over frames.
    """
    anomalous = ~normal
    a_mask, n_mask = mask[anomalous], mask[normal]
    a_fires = outputs.anomaly_attention[anomalous]
    a_usual, n_usual = outputs.normal_attention[anomalous], outputs.normal_attention[normal]
    a_top, n_top = top(a_fires, a_mask), top(n_usual, n_mask)
    score = (outputs.scores * top(outputs.scores, mask)).sum(1)
    memory = (
        _all((a_fires * a_top).sum(1), 1.0)
        + _all(((1 - a_usual) * top(1 - a_usual, a_mask)).sum(1), 1.0)
        + _video_mean(_ones(n_usual), n_mask)
        + _video_mean(_zeros(outputs.anomaly_attention[normal]), n_mask)
    )
    embeddings = outputs.embeddings
    triplet = F.triplet_margin_loss(
        F.normalize(_pooled(embeddings[normal], n_top), dim=-1),
        F.normalize(_pooled(embeddings[anomalous], top(a_usual, a_mask)), dim=-1),
        F.normalize(_pooled(embeddings[anomalous], a_top), dim=-1),
        margin=1.0,
    )
    mean, log_variance = outputs.normal_mean[normal], outputs.normal_log_variance[normal]
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1)
    abnormal_length = _pooled(outputs.anomaly_latent[anomalous], a_top).norm(dim=-1)
    normal_length = _pooled(outputs.normal_latent[normal], n_top).norm(dim=-1)
    return {
        "weak": F.binary_cross_entropy(score.clamp(0, 1), anomalous.to(score.dtype)),
        "memory": memory,
        "triplet": triplet,
        "divergence": _video_mean(divergence, n_mask),
        "magnitude": F.relu(MAGNITUDE - abnormal_length + normal_length).mean(),
    }


def class_loss(logits: Tensor, classes: Tensor, weights: Tensor | None) -> Tensor:
    """Cross-entropy of `logits[B, T, K]` against `classes[B, T]`; frames of an unknown class do not count."""
    each = F.cross_entropy(
        logits.transpose(1, 2), classes, weight=weights, ignore_index=UNKNOWN, reduction="none"
    )
    return _video_mean(each, classes != UNKNOWN)


def event_loss(logits: Tensor, classes: Tensor, anomalies: slice) -> Tensor:
    """Cross-entropy of each event's class, by the mean of its frames' log-probabilities among `anomalies`.

    Of `logits[B, T, K]` and `classes[B, T]`; the events of one class in a video count as one. Mean over the
    events of a video, then over videos; one without events counts 0.
    """
    told = logits.log_softmax(-1)[..., anomalies]
    of_videos = []
    for video, labels in zip(told, classes - anomalies.start, strict=True):
        events = [number for number in labels.unique().tolist() if 0 <= number < told.shape[-1]]
        means = [video[labels == number].mean(0) for number in events]
        wanted = torch.tensor(events, device=labels.device)
        of_videos.append(F.cross_entropy(torch.stack(means), wanted) if events else video.new_zeros(()))
    return torch.stack(of_videos).mean()


def class_weights(counts: Tensor, balance: float) -> Tensor:
    """Weights `[K]` by the frames of each class to the power `-balance`; their mean over frames is 1."""
    weights = counts.clamp(min=1).double().pow(-balance)
    return (weights * counts.sum() / (weights * counts).sum()).float()


def top(values: Tensor, mask: Tensor) -> Tensor:
    """Weights `[B, T]` of each video's top-k mean: 1/k at its k = T // 16 + 1 highest values, 0 elsewhere."""
    order = values.detach().masked_fill(~mask, -torch.inf).argsort(stable=True, dim=1, descending=True)
    count = mask.sum(1, keepdim=True) // 16 + 1
    ranked = (torch.arange(values.shape[1], device=values.device) < count).to(values.dtype) / count
    return torch.zeros_like(values).scatter(1, order, ranked)


def _pooled(values: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean `[B, C]` of `values[B, T, C]`."""
    return (weights[:, None] @ values)[:, 0]


def _video_mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean over each video's frames, then over videos; a video without frames counts 0."""
    return ((values * mask).sum(1) / mask.sum(1).clamp(min=1)).mean()


def _all(values: Tensor, wanted: float) -> Tensor:
    return F.binary_cross_entropy(values.clamp(0, 1), torch.full_like(values, wanted))


def _ones(values: Tensor) -> Tensor:
    return F.binary_cross_entropy(values, torch.ones_like(values), reduction="none")


def _zeros(values: Tensor) -> Tensor:
    return F.binary_cross_entropy(values, torch.zeros_like(values), reduction="none")
