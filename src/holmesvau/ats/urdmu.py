"""The anomaly scorer network UR-DMU (paper §4.2; its training losses are those of §4.3).

Class tokens -> conv1d -> a two-layer transformer whose heads see globally (dot product) and locally (fixed
weights that fall with distance) -> two memory banks, of normal and of anomalous prototypes -> head ->
sigmoid. State-dict keys are those of the released scorer.

Shape legend: `B` batch, `T` dense frames, `D` width of the class token, `C` 512 channels, `H` 4 heads of `d`
128, `M` 60 memory slots.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from holmesvau.ats.calibration import Calibration
from holmesvau.ats.classes import PREFIX, ClassHead, ClassNames
from holmesvau.ats.features import Features
from holmesvau.errors import InputError, ModelError
from holmesvau.types import ScoreArray

CHANNELS, HEADS, HEAD_WIDTH, DEPTH, SLOTS = 512, 4, 128, 2, 60
# Frames that see each other; longer videos are scored in windows of this length that overlap by so many
# frames.
WINDOW, OVERLAP = 1024, 256
# Windows scored at once without gradients: bounds the memory of a day of video.
WINDOWS_AT_ONCE = 4
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
        return self._through(features, lambda windows: self._score(windows)[..., None])[..., 0]

    def read(self, features: Tensor, head: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Scores `[B, T]` as `forward` gives them, and what `head` says of each frame's hidden state `[C]`.

        `head` takes `[B, T, C]` to `[B, T, K]`; in the overlap of windows its answers are cross-faded too.
        """

        def both(windows: Tensor) -> Tensor:
            hidden = self._hidden(windows)
            return torch.cat([self._score_hidden(hidden)[..., None], head(hidden)], dim=-1)

        values = self._through(features, both)
        return values[..., 0], values[..., 1:]

    def _through(self, features: Tensor, read: Callable[[Tensor], Tensor]) -> Tensor:
        """`read` as `[B, T, D]` -> `[B, T, K]`, window by window where there are many frames."""
        num_dense = features.shape[1]
        if num_dense <= WINDOW:
            return read(features)
        starts = window_starts(num_dense)
        total = weights = fade = None
        for first in range(0, len(starts), WINDOWS_AT_ONCE):
            batch = starts[first : first + WINDOWS_AT_ONCE]
            windows = read(torch.cat([features[:, start : start + WINDOW] for start in batch]))
            if total is None or weights is None or fade is None:
                total = windows.new_zeros(len(features), num_dense, windows.shape[-1])
                weights, fade = windows.new_zeros(num_dense, 1), _fade(windows)[:, None]
            for start, values in zip(batch, windows.split(len(features)), strict=True):
                place = slice(start, start + WINDOW)
                total[:, place] = total[:, place] + values * fade
                weights[place] += fade
        assert total is not None and weights is not None
        return total / weights

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
        return self._score_hidden(self._hidden(features))

    def _score_hidden(self, x: Tensor) -> Tensor:
        recall = self.encoder_mu(self.Amemory.recall(x)) + self.encoder_mu(self.Nmemory.recall(x))
        scores: Tensor = self.cls_head(torch.cat([x, recall], dim=-1)).squeeze(-1)
        return scores

    @property
    def _dtype(self) -> torch.dtype:
        return self.Amemory.memory_block.dtype


class UrDmuScorer:
    """Scores a video's class tokens with a trained `UrDmu`, in eval mode: the same features give the same
    scores.

    `path` is a `.safetensors` file or a released `.pth`, whose state dict is read without running any code in
    it. A scorer that was trained with a class head keeps it under `class_head.*` in the same file:
    `class_names` are then its classes, else None.

    Raises:
        ModelError: when the file is missing, damaged, or holds another network.
    """

    name = "urdmu"

    def __init__(self, path: str | Path, *, device: str | torch.device = "cpu") -> None:
        self.path = Path(path)
        state = _read_state(self.path)
        head = {name.removeprefix(PREFIX): state.pop(name) for name in list(state) if name.startswith(PREFIX)}
        kernel = state.get("embedding.conv_1.0.weight")
        if kernel is None or kernel.ndim != 3:
            raise ModelError(
                f"{self.path}: these are not the weights of a UR-DMU scorer (no embedding.conv_1.0.weight). "
                "Give an anomaly scorer's .safetensors or .pth."
            )
        with torch.device("meta"):
            self.network = UrDmu(int(kernel.shape[1]))
        expected = {name: tuple(tensor.shape) for name, tensor in self.network.state_dict().items()}
        _refuse_other_shapes(
            self.path, expected, {name: tuple(tensor.shape) for name, tensor in state.items()}
        )
        self.network.load_state_dict({name: tensor.float() for name, tensor in state.items()}, assign=True)
        self.network.to(device).eval().requires_grad_(False)
        self._device = torch.device(device)
        # What the confidence of its events is worth, where training has found that out.
        self.calibration = Calibration.of_scorer(self.path)
        self.class_names: ClassNames | None = None
        self.class_head: ClassHead | None = None
        if head:
            self.class_names, self.class_head = _read_head(self.path, head)
            self.class_head.to(device).eval().requires_grad_(False)

    @property
    def input_width(self) -> int | None:
        """Width `D` of the class tokens it was trained on, read from the weights."""
        return self.network.input_size

    def score(self, features: Features) -> ScoreArray:
        """Scores `[T]` float32 of `features.pooled[T, D]`.

        Raises:
            InputError: when the features are of another width.
        """
        self._refuse_other_width(features)
        if not len(features):
            return np.empty(0, dtype=np.float32)
        with torch.inference_mode():
            tokens = torch.tensor(features.pooled, device=self._device)
            scores = self.network(tokens[None])[0]
        result: ScoreArray = scores.float().cpu().numpy()
        return result

    def classify(self, features: Features) -> tuple[ScoreArray, npt.NDArray[np.float32]]:
        """Scores `[T]` and, of the classes `class_names.all`, probabilities `[T, K]`, both float32.

        Raises:
            InputError: when the features are of another width.
            ModelError: when the scorer has no class head.
        """
        self._refuse_other_width(features)
        if self.class_names is None or self.class_head is None:
            raise ModelError(f"{self.path}: this scorer was trained without a class head.")
        if not len(features):
            return np.empty(0, np.float32), np.empty((0, len(self.class_names)), np.float32)
        scores, logits = self._read(features, self.class_head)
        return scores.float().cpu().numpy(), logits.float().softmax(-1).cpu().numpy()

    def states(self, features: Features) -> npt.NDArray[np.float16]:
        """What the scorer makes of each frame among the others: `[T, C + 1 + K]` float16.

        Hidden states, the score, and the probabilities of the classes where there is a class head.

        Raises:
            InputError: when the features are of another width.
        """
        self._refuse_other_width(features)
        head = self.class_head
        num_classes = 0 if self.class_names is None else len(self.class_names)
        if not len(features):
            return np.empty((0, CHANNELS + 1 + num_classes), np.float16)

        def told(hidden: Tensor) -> Tensor:
            return hidden if head is None else torch.cat([hidden, head(hidden).softmax(-1)], dim=-1)

        scores, rest = self._read(features, told)
        whole = torch.cat([rest[:, :CHANNELS], scores[:, None], rest[:, CHANNELS:]], dim=-1)
        states: npt.NDArray[np.float16] = whole.half().cpu().numpy()
        return states

    @torch.inference_mode()
    def _read(self, features: Features, head: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Scores `[T]`, and what `head` says of each frame `[T, K]`."""
        tokens = torch.tensor(features.pooled, device=self._device)
        scores, said = self.network.read(tokens[None], head)
        return scores[0], said[0]

    def _refuse_other_width(self, features: Features) -> None:
        if features.pooled.shape[1] != self.input_width:
            raise InputError(
                f"The scorer {self.path.name} was trained on class tokens of width {self.input_width}, but "
                f"{features.encoder} gives {features.pooled.shape[1]}. Use the encoder it was trained with."
            )


def window_starts(num_dense: int) -> list[int]:
    """First frames of the windows that cover `T` > 1,024 frames; the last one ends with the video."""
    starts = list(range(0, num_dense - WINDOW, WINDOW - OVERLAP))
    return [*starts, num_dense - WINDOW]


def _fade(like: Tensor) -> Tensor:
    """Weights `[WINDOW]` that rise linearly over the overlap, stay at 1 and fall; never 0."""
    place = torch.arange(WINDOW, dtype=like.dtype, device=like.device)
    return (torch.minimum(place, WINDOW - 1 - place) + 0.5).div(OVERLAP).clamp(max=1.0)


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
    place = torch.arange(num_dense, dtype=x.dtype, device=x.device)
    behind = num_dense - 1 - place
    if mask is not None:
        behind = (mask.sum(1, keepdim=True) - 1 - place).clamp(min=0)
        x = x * mask[..., None]
    x = x / (_column_half(place) + _column_half(behind) + 1.0)[..., None]
    blocks = -(-num_dense // LOCAL_BLOCK)
    padded = F.pad(x, (0, 0, REACH, blocks * LOCAL_BLOCK - num_dense + REACH))
    bands = padded.unfold(1, LOCAL_BLOCK + 2 * REACH, LOCAL_BLOCK)
    rows = torch.arange(LOCAL_BLOCK, device=x.device)[:, None] + REACH
    columns = torch.arange(LOCAL_BLOCK + 2 * REACH, device=x.device)[None, :]
    distance = (rows - columns).abs()
    weights = torch.exp(-distance.to(x.dtype) / math.e) * (distance <= REACH)
    mixed = torch.matmul(bands, weights.T)
    return mixed.transpose(2, 3).flatten(1, 2)[:, :num_dense]


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


def _read_state(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ModelError(f"{path}: no such file. Give an anomaly scorer's .safetensors or .pth.")
    state: Any
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelError(f"{path}: the scorer's weights cannot be read ({error}).") from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ModelError(
            f"{path}: there is no table of weights in it. Give an anomaly scorer's .safetensors or .pth."
        )
    # Weights saved from a network spread over several GPUs carry this prefix.
    return {str(name).removeprefix("module."): tensor for name, tensor in state.items()}


def _read_head(path: Path, state: dict[str, Tensor]) -> tuple[ClassNames, ClassHead]:
    from safetensors import safe_open

    try:
        with safe_open(path, "pt") as file:
            names = ClassNames.from_metadata(file.metadata())
        head = ClassHead(len(names))
        head.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    except (RuntimeError, ModelError, OSError) as error:
        raise ModelError(f"{path}: its class head cannot be used ({error}).") from error
    return names, head


def _refuse_other_shapes(
    path: Path, expected: dict[str, tuple[int, ...]], found: dict[str, tuple[int, ...]]
) -> None:
    missing, foreign = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    if missing or foreign:
        problems = [
            f"{what} {', '.join(names[:3])}"
            for what, names in (("lacks", missing), ("has", foreign))
            if names
        ]
        raise ModelError(f"{path}: these are not the weights of a UR-DMU scorer ({'; '.join(problems)}).")
    for name, shape in expected.items():
        if found[name] != shape:
            raise ModelError(f"{path}: {name} has shape {found[name]}, a UR-DMU scorer's has {shape}.")
