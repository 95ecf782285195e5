"""The anomaly scorer network UR-DMU (paper §4.2; its training losses are those of §4.3).

Class tokens -> conv1d -> a two-layer transformer whose heads see globally (dot product) and locally (fixed
weights that fall with distance) -> two memory banks, of normal and of anomalous prototypes -> head ->
sigmoid. State-dict keys are those of the released scorer.

Shape legend: `B` batch, `T` dense frames, `D` width of the class token, `C` 512 channels, `H` 4 heads of `d`
128, `M` 60 memory slots.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from holmesvau.ats.windows import WINDOW, cross_faded, window_starts
from holmesvau.errors import InputError

if TYPE_CHECKING:
    from holmesvau.ats.urdmu_scorer import UrDmuScorer

__all__ = ["CHANNELS", "WINDOW", "UrDmu", "UrDmuOutputs", "UrDmuScorer", "local_mean", "window_starts"]

CHANNELS, HEADS, HEAD_WIDTH, DEPTH, SLOTS = 512, 4, 128, 2, 60
# exp(-51 / e) < 1e-8: further frames have no say in the local half.
REACH = 51
LOCAL_BLOCK = 128


@dataclass(frozen=True, slots=True)
class UrDmuOutputs:
    """What the weakly supervised losses of UR-DMU are computed from (§4.3).

    `scores[B, T]`; `embeddings[B, T, C]` after the transformer; how strongly each frame resembles the
    `anomaly` and `normal` memories, `*_attention[B, T]` in (0, 1); what the memories recall, encoded,
    `*_latent[B, T, C]` (the normal one sampled for normal videos); mean and log-variance `normal_mean`,
    `normal_log_variance` `[B, T, C]`.
    """

    scores: Tensor
    embeddings: Tensor
    anomaly_attention: Tensor
    normal_attention: Tensor
    anomaly_latent: Tensor
    normal_latent: Tensor
    normal_mean: Tensor
    normal_log_variance: Tensor


class UrDmu(nn.Module):
    """The scorer network for class tokens of width `input_size`; 6.49 M parameters at 1024.

    Up to 1,024 frames it is the full published network. The published one builds `T × T` maps, which for a
    day is 420 GB; longer videos are therefore scored in windows of 1,024 frames that overlap by 256, and in
    the overlap the two scores are cross-faded. What this changes: a frame attends to the 1,024 frames of its
    window (9 minutes at 30 frames a second and a stride of 16) instead of to the whole video. The local half
    reaches 51 frames and is not changed by it but within 51 frames of a window's border, where cross-fading
    gives it little weight.

    Measured on two CPU cores: 1,000 frames in 0.8 s, 10,000 in 2.3 s, 160,000 (a day) in 41 s with 1.2 GiB.

    As torch has it, a new module is in training mode, with dropout; call `.eval()` before scoring.
    """

    def __init__(self, input_size: int = 1024, *, dropout: float = 0.5) -> None:
        super().__init__()
        self.input_size = input_size
        self.embedding = _Embedding(input_size)
        self.self_attn = _Transformer(dropout)
        self.Amemory = _Memory()
        self.Nmemory = _Memory()
        self.encoder_mu = nn.Sequential(nn.Linear(CHANNELS, CHANNELS))
        self.encoder_var = nn.Sequential(nn.Linear(CHANNELS, CHANNELS))
        self.cls_head = _Head()

    def forward(self, features: Tensor) -> Tensor:
        """Anomaly scores `[B, T]` in [0, 1] of class tokens `features[B, T, D]`, any float type.

        Raises:
            InputError: when `features` does not have that shape.
        """
        if features.ndim != 3 or features.shape[-1] != self.input_size or not features.shape[1]:
            raise InputError(
                f"UrDmu wants features [B, T, {self.input_size}] with T >= 1, got {tuple(features.shape)}."
            )
        pieces = self.stream(features.shape[1], lambda place: features[:, place])
        return torch.cat([values for _, values in pieces], dim=1)[..., 0]

    def read(self, features: Tensor, head: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Scores `[B, T]` as `forward` gives them, and what `head` says of each frame's hidden state `[C]`.

        `head` takes `[B, T, C]` to `[B, T, K]`; in the overlap of windows its answers are cross-faded too.
        """
        pieces = self.stream(features.shape[1], lambda place: features[:, place], head)
        values = torch.cat([values for _, values in pieces], dim=1)
        return values[..., 0], values[..., 1:]

    def stream(
        self,
        num_dense: int,
        read: Callable[[slice], Tensor],
        head: Callable[[Tensor], Tensor] | None = None,
    ) -> Iterator[tuple[slice, Tensor]]:
        """`forward` or, with a `head`, `read` of `T` frames that need not be in memory, piece by piece.

        `read(place)` gives the class tokens `[B, n, D]` of some dense frames. Each answer is a place and what
        is said of it, `[B, n, 1 + K]`: the score, then what the head says.
        """

        def both(tokens: Tensor) -> Tensor:
            if head is None:
                return self._score(tokens)[..., None]
            hidden = self._hidden(tokens)
            return torch.cat([self.score_hidden(hidden)[..., None], head(hidden)], dim=-1)

        def windows(places: list[slice]) -> tuple[Tensor, ...]:
            tokens = torch.cat([read(place) for place in places])
            return both(tokens).split(len(tokens) // len(places))

        return cross_faded(num_dense, windows)

    def forward_train(
        self,
        features: Tensor,
        normal: Tensor,
        *,
        mask: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> UrDmuOutputs:
        """Scores with all that the losses need, for videos `features[B, T, D]` of at most 1,024 frames.

        `normal[B]` is True for normal videos: what the normal memory recalls of them is sampled from its
        latent distribution, as the original does while training, with `noise[B, T, C]` (drawn when None).
        `mask[B, T]` is True for the frames that a video has, which come first; those behind must hold zeros
        and change nothing in the outputs of the others.

        Raises:
            InputError: when shapes do not fit or a video is longer than 1,024 frames.
        """
        if features.ndim != 3 or features.shape[1] > WINDOW or normal.shape != features.shape[:1]:
            raise InputError(
                f"Training wants features [B, T <= {WINDOW}, {self.input_size}] and normal [B], got "
                f"{tuple(features.shape)} and {tuple(normal.shape)}."
            )
        x = self.self_attn(self.embedding(features.to(self._dtype)), mask)
        anomaly_attention, anomaly_recall = self.Amemory(x)
        normal_attention, normal_recall = self.Nmemory(x)
        mean, log_variance = self.encoder_mu(normal_recall), self.encoder_var(normal_recall)
        noise = torch.randn_like(mean) if noise is None else noise
        anomaly_latent = self.encoder_mu(anomaly_recall)
        spread = noise * torch.exp(log_variance / 2)
        normal_latent = mean + spread * normal.to(mean.dtype)[:, None, None]
        scores = self.cls_head(torch.cat([x, anomaly_latent + normal_latent], dim=-1)).squeeze(-1)
        return UrDmuOutputs(
            scores, x, anomaly_attention, normal_attention, anomaly_latent, normal_latent, mean, log_variance
        )

    def _hidden(self, features: Tensor) -> Tensor:
        hidden: Tensor = self.self_attn(self.embedding(features.to(self._dtype)))
        return hidden

    def _score(self, features: Tensor) -> Tensor:
        return self.score_hidden(self._hidden(features))

    def score_hidden(self, x: Tensor) -> Tensor:
        """Scores `[B, T]` of hidden states `[B, T, C]`."""
        recall = self.encoder_mu(self.Amemory.recall(x)) + self.encoder_mu(self.Nmemory.recall(x))
        scores: Tensor = self.cls_head(torch.cat([x, recall], dim=-1)).squeeze(-1)
        return scores

    @property
    def _dtype(self) -> torch.dtype:
        return self.Amemory.memory_block.dtype


class _Embedding(nn.Module):
    """`[B, T, D]` -> `[B, T, C]`: each frame with its two neighbours."""

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.conv_1 = nn.Sequential(nn.Conv1d(input_size, CHANNELS, kernel_size=3, padding=1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv_1(x.transpose(1, 2)).transpose(1, 2)
        return y


class _Transformer(nn.Module):
    """Two pre-norm layers of attention and feed-forward, with residuals; `[B, T, C]` -> `[B, T, C]`."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList([_PreNorm(_GlobalLocalAttention(dropout)), _PreNorm(_FeedForward(dropout))])
            for _ in range(DEPTH)
        )

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for layer in self.layers:
            assert isinstance(layer, nn.ModuleList)
            attention, feed_forward = layer
            x = x + attention(x, mask)
            x = x + feed_forward(x)
        return x


class _PreNorm(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(CHANNELS)
        self.fn = inner

    def forward(self, x: Tensor, *rest: Tensor | None) -> Tensor:
        y: Tensor = self.fn(self.norm(x), *rest)
        return y


class _FeedForward(nn.Module):
    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(CHANNELS, CHANNELS),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(CHANNELS, CHANNELS),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.net(x)
        return y


class _GlobalLocalAttention(nn.Module):
    """Each head gives `2d` numbers a frame: softmax attention over all frames, and a fixed local mean."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.to_qkv = nn.Linear(CHANNELS, 4 * HEADS * HEAD_WIDTH, bias=False)
        self.to_out = nn.Sequential(nn.Linear(2 * HEADS * HEAD_WIDTH, CHANNELS), nn.Dropout(dropout))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        queries, keys, values, local = self.to_qkv(x).chunk(4, dim=-1)
        queries, keys, values = (
            part.unflatten(-1, (HEADS, HEAD_WIDTH)).transpose(1, 2) for part in (queries, keys, values)
        )
        seen = None if mask is None else mask[:, None, None, :]
        attended = F.scaled_dot_product_attention(queries, keys, values, attn_mask=seen).transpose(1, 2)
        near = local_mean(local, mask).unflatten(-1, (HEADS, HEAD_WIDTH))
        y: Tensor = self.to_out(torch.cat([attended, near], dim=-1).flatten(-2))
        return y


def local_mean(x: Tensor, mask: Tensor | None = None) -> Tensor:
    """`y_i = Σ_j w_ij x_j` over `x[B, T, C]` with `w_ij = exp(-|i - j| / e) / Σ_k exp(-|k - j| / e)`.

    Normalised by column `j`, as the published code's broadcasting has it: near the borders the weights of a
    row do not sum to 1. Weights below 1e-8 of the largest are left out, which makes it a convolution; it is
    written as a banded matrix product over blocks of frames, on CPU several times faster than a depthwise
    convolution. Each video ends with the last True of its `mask[B, T]`.
    """
    num_dense = x.shape[1]
    if mask is not None:
        x = x * mask[..., None]
    x = x / column_sums(num_dense, x, mask)[..., None]
    blocks = -(-num_dense // LOCAL_BLOCK)
    padded = F.pad(x, (0, 0, REACH, blocks * LOCAL_BLOCK - num_dense + REACH))
    bands = padded.unfold(1, LOCAL_BLOCK + 2 * REACH, LOCAL_BLOCK)
    rows = torch.arange(LOCAL_BLOCK, device=x.device)[:, None] + REACH
    columns = torch.arange(LOCAL_BLOCK + 2 * REACH, device=x.device)[None, :]
    distance = (rows - columns).abs()
    weights = torch.exp(-distance.to(x.dtype) / math.e) * (distance <= REACH)
    mixed = torch.matmul(bands, weights.T)
    return mixed.transpose(2, 3).flatten(1, 2)[:, :num_dense]


def column_sums(num_dense: int, like: Tensor, mask: Tensor | None = None) -> Tensor:
    """`Σ_k exp(-|k - j| / e)` of each column `j`: `[T]`, or `[B, T]` with a `mask[B, T]`."""
    place = torch.arange(num_dense, dtype=like.dtype, device=like.device)
    behind = num_dense - 1 - place
    if mask is not None:
        behind = (mask.sum(1, keepdim=True) - 1 - place).clamp(min=0)
    return _column_half(place) + _column_half(behind) + 1.0


def _column_half(neighbours: Tensor) -> Tensor:
    """`Σ exp(-k / e)` for `k` = 1 … `neighbours`: the weight a frame gives to one side of it."""
    ratio = math.exp(-1 / math.e)
    return ratio * (1 - ratio**neighbours) / (1 - ratio)


class _Memory(nn.Module):
    """`M` learned prototypes; a frame recalls them by sigmoid similarity."""

    def __init__(self) -> None:
        super().__init__()
        self.memory_block = nn.Parameter(torch.empty(SLOTS, CHANNELS))
        nn.init.uniform_(self.memory_block, -(CHANNELS**-0.5), CHANNELS**-0.5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """How strongly each frame fires, `[B, T]` (the mean of its 4 nearest slots), and what it recalls `[B,
        T, C]`.
        """
        similarity = self._similarity(x)
        return similarity.topk(SLOTS // 16 + 1, dim=-1).values.mean(-1), similarity @ self.memory_block

    def recall(self, x: Tensor) -> Tensor:
        """What each frame recalls, `[B, T, C]`."""
        return self._similarity(x) @ self.memory_block

    def _similarity(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x @ self.memory_block.T / CHANNELS**0.5)


class _Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(2 * CHANNELS, 128), nn.ReLU(), nn.Linear(128, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.mlp(x)
        return y


def __getattr__(name: str) -> Any:
    # The scorer's first home: entry points and others name it here.
    if name == "UrDmuScorer":
        from holmesvau.ats.urdmu_scorer import UrDmuScorer

        return UrDmuScorer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
