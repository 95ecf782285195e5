"""The score of the newest frame of a window that slides along: what stays the same is kept.

A live source asks a `UrDmuScorer` for one score a picture, of a window that differs from the one before in
its ends. What the network makes of a frame alone (its token, its embedding, the queries, keys and values of
the first layer) stays; of the second layer, the memories and the head only the newest frame is wanted. The
score is the one that `UrDmuScorer.score` gives the last frame of the window, to rounding.

Shape legend: `W` frames of the window, `E` width of a token, `C` 512 channels, `H` 4 heads of `d` 128, `K`
classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from holmesvau.ats.features import HalfArray
from holmesvau.ats.urdmu import CHANNELS, HEAD_WIDTH, HEADS, REACH, column_sums, local_mean
from holmesvau.ats.urdmu_scorer import UrDmuScorer


@dataclass(frozen=True, slots=True, eq=False)
class Newest:
    """What is said of the newest picture: its score in [0, 1] and, by a scorer that tells classes, their
    probabilities `classes[K]` float32.
    """

    score: float
    classes: npt.NDArray[np.float32] | None = None


class SlidingScorer:
    """The scores of a source's pictures, one by one, each among the `frames` before it.

    Three to four times as fast as scoring every window as a whole (`benchmarks/results/live.md`). What it
    keeps is bounded: a token and 2,048 numbers a frame of the window.
    """

    def __init__(self, scorer: UrDmuScorer, frames: int) -> None:
        self._scorer, self._frames = scorer, frames
        network = scorer.network
        (self._attention, self._forward), (self._last_attention, self._last_forward) = _layers(network)
        memory = network.Amemory.memory_block
        self._tokens = memory.new_empty(0, network.input_size)
        self._embedded, self._mixed = memory.new_empty(0, CHANNELS), memory.new_empty(0, 4 * CHANNELS)

    @property
    def name(self) -> str:
        """The scorer's."""
        return self._scorer.name

    @torch.inference_mode()
    def take(self, pooled: HalfArray) -> None:
        """One more picture, with the class token `pooled[D]`: the window moves on by one frame.

        Raises:
            InputError: when the features are of another width.
        """
        token = self._scorer.token(pooled)
        self._tokens = torch.cat([self._tokens, token[None]])[-self._frames :]
        count = len(self._tokens)
        kept, changed = max(0, len(self._embedded) - count + 1), sorted({0, max(0, count - 2), count - 1})
        self._embedded = F.pad(self._embedded[kept:], (0, 0, 0, 1))
        self._mixed = F.pad(self._mixed[kept:], (0, 0, 0, 1))
        # An embedding depends on the two neighbours: the oldest frame has lost one, the last but one got one.
        self._embedded[-2:] = self._embed(self._tokens[-3:])[-2:]
        self._embedded[0] = self._embed(self._tokens[:2])[0]
        self._mixed[changed] = self._attention.fn.to_qkv(self._attention.norm(self._embedded[changed]))

    @torch.inference_mode()
    def newest(self) -> Newest:
        """What the scorer says of the newest picture; one must have been taken."""
        hidden = self._last_layer(self._first_layer())
        score = float(self._scorer.network.score_hidden(hidden[None])[0, 0])
        head = self._scorer.class_head
        return Newest(score, None if head is None else head(hidden)[0].float().softmax(-1).cpu().numpy())

    def _embed(self, tokens: Tensor) -> Tensor:
        embedded: Tensor = self._scorer.network.embedding(tokens[None])[0]
        return embedded

    def _first_layer(self) -> Tensor:
        """All frames after the first layer, `[W, C]`."""
        queries, keys, values, local = self._mixed[None].chunk(4, dim=-1)
        attended = F.scaled_dot_product_attention(_heads(queries), _heads(keys), _heads(values))
        y = self._attention.fn.to_out(_joined(attended, local_mean(local)))[0]
        x = self._embedded + y
        out: Tensor = x + self._forward(x)
        return out

    def _last_layer(self, x: Tensor) -> Tensor:
        """The newest frame after the second layer, `[1, C]`."""
        mix, normed = self._last_attention.fn.to_qkv.weight, self._last_attention.norm(x)
        queries = F.linear(normed[-1:], mix[:CHANNELS])[None]
        keys, values = F.linear(normed, mix[CHANNELS : 3 * CHANNELS])[None].chunk(2, dim=-1)
        attended = F.scaled_dot_product_attention(_heads(queries), _heads(keys), _heads(values))
        near = min(len(x), REACH + 1)
        local = F.linear(normed[-near:], mix[3 * CHANNELS :])
        distance = torch.arange(near - 1, -1, -1, dtype=x.dtype, device=x.device)
        weights = torch.exp(-distance / math.e) / column_sums(len(x), x)[-near:]
        y = self._last_attention.fn.to_out(_joined(attended, (weights @ local)[None, None]))[0]
        newest = x[-1:] + y
        out: Tensor = newest + self._last_forward(newest)
        return out


def _layers(network: nn.Module) -> list[list[Any]]:
    """The attention and the feed-forward half of each of the two layers."""
    transformer: Any = network.self_attn
    return [list(layer) for layer in transformer.layers]


def _heads(x: Tensor) -> Tensor:
    """`[1, n, C]` -> `[1, H, n, d]`."""
    return x.unflatten(-1, (HEADS, HEAD_WIDTH)).transpose(1, 2)


def _joined(attended: Tensor, near: Tensor) -> Tensor:
    """Both halves of each head side by side: `[1, H, n, d]`, `[1, n, C]` -> `[1, n, 2C]`."""
    return torch.cat([attended.transpose(1, 2), near.unflatten(-1, (HEADS, HEAD_WIDTH))], dim=-1).flatten(-2)
