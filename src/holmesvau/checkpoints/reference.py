"""InternVL2's forward pass on the released weights, in plain tensor algebra and float32.

Written from the formulas, without any modelling code of old or new transformers, so that a converted
checkpoint can be held against something that shares nothing with it. It is for checking, not for speed: there
is no cache.

Shape legend: `N` pictures, `S` places of the vision tower (class token first), `D` its width, `P` tokens a
picture, `W` width of the language model, `T` tokens, `V` words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Weights = Callable[[str], Tensor]


class Reference:
    """The released model as a function of its weights.

    `weights(name)` gives a released tensor in float32; it is asked for each when it is needed and nothing is
    kept. `text_layers` and `vision_layers` choose which layers run, in order; all of them by default.
    """

    def __init__(
        self,
        config: dict[str, Any],
        weights: Weights,
        *,
        text_layers: Sequence[int] | None = None,
        vision_layers: Sequence[int] | None = None,
    ) -> None:
        self.text, self.vision = config["llm_config"], config["vision_config"]
        self.shuffle = round(1 / config["downsample_ratio"])
        self.weights = weights
        self.text_layers = range(self.text["num_hidden_layers"]) if text_layers is None else text_layers
        self.vision_layers = (
            range(self.vision["num_hidden_layers"]) if vision_layers is None else vision_layers
        )

    def vision_states(self, pixels: Tensor) -> Tensor:
        """Pictures `[N, 3, side, side]` -> the tower's last states `[N, S, D]`, without a final norm."""
        name = "vision_model.embeddings."
        kernel, bias = (
            self.weights(f"{name}patch_embedding.weight"),
            self.weights(f"{name}patch_embedding.bias"),
        )
        patches = functional.conv2d(pixels, kernel, bias, stride=kernel.shape[-1]).flatten(2).transpose(1, 2)
        start = self.weights(f"{name}class_embedding").expand(len(pixels), 1, -1)
        states = torch.cat([start, patches], dim=1)
        states = states + self.weights(f"{name}position_embedding")[:, : states.shape[1]]
        for number in self.vision_layers:
            states = self._vision_layer(states, f"vision_model.encoder.layers.{number}.")
        return states

    def project(self, states: Tensor) -> Tensor:
        """`[N, S, D]` -> the tokens that the language model sees `[N, P, W]`: pixel shuffle, then a small
        MLP.
        """
        grid = round((states.shape[1] - 1) ** 0.5)
        cells = states[:, 1:].unflatten(
            1, (grid // self.shuffle, self.shuffle, grid // self.shuffle, self.shuffle)
        )
        tokens = cells.permute(0, 1, 3, 2, 4, 5).flatten(3).flatten(1, 2)
        normed = functional.layer_norm(
            tokens, tokens.shape[-1:], self.weights("mlp1.0.weight"), self.weights("mlp1.0.bias"), 1e-5
        )
        hidden = functional.gelu(self._linear(normed, "mlp1.1"))
        return self._linear(hidden, "mlp1.3")

    def logits(self, ids: Tensor, tokens: Tensor, image_token: int) -> Tensor:
        """Word ids `[T]` with the picture `tokens` `[N, P, W]` in the places of `image_token` -> `[T, V]`."""
        assert len(ids) <= self.text["max_position_embeddings"], "the rotary frequencies would change"
        states = self.weights("language_model.model.tok_embeddings.weight")[ids]
        states[ids == image_token] = tokens.flatten(0, 1)
        turn = self._rotations(len(ids))
        for number in self.text_layers:
            states = self._text_layer(states, f"language_model.model.layers.{number}.", turn)
        normed = self._rms_norm(states, "language_model.model.norm", self.text["rms_norm_eps"])
        return normed @ self.weights("language_model.output.weight").T

    def _vision_layer(self, states: Tensor, name: str) -> Tensor:
        states = states + self.weights(f"{name}ls1") * self._see(self._norm(states, f"{name}norm1"), name)
        inner = functional.gelu(self._linear(self._norm(states, f"{name}norm2"), f"{name}mlp.fc1"))
        return states + self.weights(f"{name}ls2") * self._linear(inner, f"{name}mlp.fc2")

    def _see(self, states: Tensor, name: str) -> Tensor:
        bias = self.weights(f"{name}attn.qkv.bias") if self.vision["qkv_bias"] else None
        parts = functional.linear(states, self.weights(f"{name}attn.qkv.weight"), bias).chunk(3, dim=-1)
        queries, keys, values = parts
        if self.vision["qk_normalization"]:
            queries = self._rms_norm(queries, f"{name}attn.q_norm", self.vision["layer_norm_eps"])
            keys = self._rms_norm(keys, f"{name}attn.k_norm", self.vision["layer_norm_eps"])
        heads = self.vision["num_attention_heads"]
        queries, keys, values = (
            part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (queries, keys, values)
        )
        weights = (queries @ keys.transpose(-1, -2) / queries.shape[-1] ** 0.5).softmax(dim=-1)
        return self._linear((weights @ values).transpose(1, 2).flatten(2), f"{name}attn.proj")

    def _norm(self, states: Tensor, name: str) -> Tensor:
        if self.vision["norm_type"] == "rms_norm":
            return self._rms_norm(states, name, self.vision["layer_norm_eps"])
        weight, bias = self.weights(f"{name}.weight"), self.weights(f"{name}.bias")
        return functional.layer_norm(states, states.shape[-1:], weight, bias, self.vision["layer_norm_eps"])

    def _text_layer(self, states: Tensor, name: str, turn: tuple[Tensor, Tensor]) -> Tensor:
        eps = self.text["rms_norm_eps"]
        kv_heads = self.text["num_key_value_heads"]
        groups = self.text["num_attention_heads"] // kv_heads
        normed = self._rms_norm(states, f"{name}attention_norm", eps)
        mixed = (normed @ self.weights(f"{name}attention.wqkv.weight").T).unflatten(
            -1, (kv_heads, groups + 2, -1)
        )
        queries = _rotate(mixed[:, :, :groups], turn)
        keys, values = _rotate(mixed[:, :, groups], turn), mixed[:, :, groups + 1]
        scores = torch.einsum("tkgd,skd->kgts", queries, keys) / queries.shape[-1] ** 0.5
        later = torch.ones(len(states), len(states), dtype=torch.bool).triu(1)
        weights = scores.masked_fill(later, -torch.inf).softmax(dim=-1)
        seen = torch.einsum("kgts,skd->tkgd", weights, values).flatten(1)
        states = states + seen @ self.weights(f"{name}attention.wo.weight").T
        normed = self._rms_norm(states, f"{name}ffn_norm", eps)
        gate = functional.silu(normed @ self.weights(f"{name}feed_forward.w1.weight").T)
        inner = gate * (normed @ self.weights(f"{name}feed_forward.w3.weight").T)
        return states + inner @ self.weights(f"{name}feed_forward.w2.weight").T

    def _rotations(self, length: int) -> tuple[Tensor, Tensor]:
        half = self.text["hidden_size"] // self.text["num_attention_heads"] // 2
        # Frequencies in float64: they are the one place where rounding would grow with the position.
        frequencies = self.text["rope_theta"] ** (-torch.arange(half, dtype=torch.float64) / half)
        angles = torch.arange(length, dtype=torch.float64)[:, None] * frequencies
        return angles.cos().float(), angles.sin().float()

    def _rms_norm(self, states: Tensor, name: str, eps: float) -> Tensor:
        return (
            states
            * (states.square().mean(dim=-1, keepdim=True) + eps).rsqrt()
            * self.weights(f"{name}.weight")
        )

    def _linear(self, states: Tensor, name: str) -> Tensor:
        return functional.linear(states, self.weights(f"{name}.weight"), self.weights(f"{name}.bias"))


def _rotate(heads: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary embedding of `[T, …, d]`: the first half of each head turns with the second."""
    shape = (len(heads), *[1] * (heads.ndim - 2), -1)
    cos, sin = (part.view(shape) for part in turn)
    first, second = heads.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)
