"""What stage 2 needs of a model, and the loss that all models share (paper §4.3).

Shape legend: `F` frames, `P` tokens a frame, `W` width of the language model, `B` packs, `L` tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from holmesvau.ats.features import Features
from holmesvau.train.instruct.packing import sight
from holmesvau.types import FrameBatch, IndexArray
from holmesvau.vlm.speaker import Speaker, scatter

Prepared = dict[str, npt.NDArray[Any]]


class Trainable(Protocol):
    """A model with a LoRA on its language model; everything else but maybe the projector is frozen.

    `network` holds all its parameters, `speaker` its language model, tokenizer and prompt law.
    `fingerprint` changes with the numbers of `prepare`; None means that they are not worth keeping on disk.
    `autocast` is whether the passes run under bfloat16 autocast.
    """

    @property
    def network(self) -> nn.Module: ...
    @property
    def speaker(self) -> Speaker: ...
    @property
    def num_frames(self) -> int: ...
    @property
    def fingerprint(self) -> str | None: ...
    @property
    def autocast(self) -> bool: ...

    def prepare(self, frames: FrameBatch, dense: Features | None) -> Prepared:
        """What the frozen part makes of `F` frames, each by itself: arrays of `F` rows.

        `dense` are the stored features of the frames' video, for models that look at what is around them.
        """
        ...

    def known(self, index: IndexArray, dense: Features | None) -> Prepared | None:
        """What `prepare` gives for the frames `index[F]`, where `dense` has all it needs; else None."""
        ...

    def embed(self, pictures: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Prepared frames -> `[F, P, W]`; gradients reach the projector where it is trained."""
        ...

    def projector_parameters(self) -> list[nn.Parameter]:
        """Those of the trained parameters that belong to the projector."""
        ...

    def state(self) -> dict[str, torch.Tensor]:
        """The trained parameters, by name."""
        ...

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Put back what `state` gave."""
        ...

    def save(self, folder: Path) -> None:
        """Write the trained parts as the pipeline loads them."""
        ...


class Learner(nn.Module):
    """The loss of a `Trainable` as a module, which processes can share gradients through."""

    def __init__(self, trainable: Trainable) -> None:
        super().__init__()
        self.trainable = trainable
        self.network = trainable.network

    def train(self, mode: bool = True) -> Learner:
        """Only the language model is ever in training mode: what is frozen has no dropout of its own."""
        super().train(False)
        self.training = mode
        self.trainable.speaker.decoder.body.train(mode)
        return self

    def forward(
        self,
        input_ids: torch.Tensor,
        position_ids: torch.Tensor,
        segments: torch.Tensor,
        labels: torch.Tensor,
        pictures: Mapping[str, torch.Tensor],
    ) -> torch.Tensor:
        """Sum of the cross-entropy (nats) over the places of `labels[B, L]` that count (`packing.batch`)."""
        if not len(input_ids):
            return self._nothing()
        speaker = self.trainable.speaker
        decoder = speaker.decoder
        visual = self.trainable.embed(pictures)
        embeds, _ = scatter(decoder.embed, input_ids.flatten(), speaker.law.image_id, visual)
        hidden = decoder.body(
            inputs_embeds=embeds.view(*input_ids.shape, -1),
            attention_mask=_mask(decoder.body, sight(segments), embeds.dtype),
            position_ids=position_ids,
            use_cache=False,
        ).last_hidden_state
        # The head is wide: only the places that count go through it.
        counted = labels >= 0
        logits = decoder.head(hidden[counted])
        return nn.functional.cross_entropy(logits.float(), labels[counted], reduction="sum")

    def _nothing(self) -> torch.Tensor:
        """The loss of a pass without rows: 0, with a gradient for every parameter, as processes expect."""
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        return torch.stack([parameter.flatten()[0].float() * 0 for parameter in trained]).sum()


def _mask(body: Any, seen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """`seen` as this kind of attention wants it: eager attention adds, the others select."""
    if body.config._attn_implementation != "eager":
        return seen
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill(~seen, torch.finfo(dtype).min)


def trained_tensors(network: nn.Module) -> dict[str, torch.Tensor]:
    """The parameters of `network` that get gradients, by name."""
    return {name: p.detach() for name, p in network.named_parameters() if p.requires_grad}


def put_back(network: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Undo what training changed since `trained_tensors`.

    Raises:
        KeyError: when a parameter is missing or left over.
    """
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    if trained.keys() != state.keys():
        raise KeyError(min(trained.keys() ^ state.keys()))
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(state[name])


def as_tensors(prepared: Prepared) -> dict[str, torch.Tensor]:
    """The same numbers for torch."""
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in prepared.items()}
