"""The scorer while it learns, and what becomes of it: plain weights that any UR-DMU code loads.

Shape legend: `B` batch, `T` dense frames, `D` width of the class token, `C` 512 channels, `K` classes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from holmesvau.ats.classes import PREFIX, ClassHead, ClassNames
from holmesvau.ats.looking import PREFIX as LOOKING
from holmesvau.ats.looking import Looking
from holmesvau.ats.urdmu import CHANNELS, UrDmu, UrDmuOutputs
from holmesvau.ats.urdmu_scorer import UrDmuScorer, taken
from holmesvau.errors import InputError
from holmesvau.train.scorer.examples import Batch

_CONVOLUTION = "embedding.conv_1.0."


class LearningScorer(nn.Module):
    """A UR-DMU network with a class head (`num_classes` 0: none), learning on normalised features.

    `mean[D]` and `deviation[D]` are those of the training features. The normalisation is not in the data but
    in the first convolution, which is what makes `plain` weights for features as they are score exactly as
    this network does, at the borders of a video too. With `looks`, an encoder's views go through `Looking`
    first, which normalises them itself.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, mean: Tensor, deviation: Tensor, *, num_classes: int, dropout: float, looks: bool = False
    ) -> None:
        super().__init__()
        self.looking = Looking(dropout=dropout) if looks else None
        if self.looking is not None:
            self.looking.normalise(mean, deviation)
            mean, deviation = torch.zeros(self.looking.width), torch.ones(self.looking.width)
        self.learning = _Learning(UrDmu(len(mean), dropout=dropout))
        self.class_head = ClassHead(num_classes, dropout=dropout) if num_classes else None
        self.register_buffer("mean", mean.float(), persistent=False)
        self.register_buffer("deviation", deviation.float(), persistent=False)

    def forward(self, batch: Batch, noise: Tensor) -> tuple[UrDmuOutputs, Tensor | None]:
        """What the losses need of a batch, and the logits of its classes `[B, T, K]`."""
        tokens = batch.features
        if self.looking is not None:
            tokens = self.looking(tokens) * batch.mask[..., None]
        outputs: UrDmuOutputs = functional_call(
            self.learning,
            {f"network.{name}": tensor for name, tensor in self._convolution().items()},
            (tokens, batch.normal),
            {"mask": batch.mask, "noise": noise},
        )
        return outputs, None if self.class_head is None else self.class_head(outputs.embeddings)

    def forward_in(self, precision: str, batch: Batch, noise: Tensor) -> tuple[UrDmuOutputs, Tensor | None]:
        """`forward` with its multiplications in `precision`; what it gives is float32."""
        device = batch.features.device.type
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
            outputs, logits = self(batch, noise)
        whole = UrDmuOutputs(*(getattr(outputs, name).float() for name in UrDmuOutputs.__slots__))
        return whole, None if logits is None else logits.float()

    @torch.no_grad()
    def go_on_from(self, before: UrDmuScorer, names: ClassNames) -> None:
        """Take over a trained scorer's weights; a class of `names` that it knows keeps its row of the head.

        Raises:
            InputError: when it reads other features.
        """
        width = len(self.mean) if self.looking is None else len(self.looking.mean)
        if (before.looking is None) != (self.looking is None) or before.input_width != width:
            raise InputError(
                f"{before.path}: this scorer reads features of width {before.input_width}, and here they "
                f"have {width}. Start from one that was trained with the same encoder."
            )
        self.learning.network.load_state_dict(before.network.state_dict())
        convolution = self.learning.network.embedding.conv_1[0]
        assert isinstance(convolution, nn.Conv1d) and convolution.bias is not None
        # The file has the normalisation in this layer: `_convolution` the other way round.
        convolution.bias += (convolution.weight * self.mean[:, None]).sum((1, 2))
        convolution.weight *= self.deviation[:, None]
        if self.looking is not None and before.looking is not None:
            self.looking.load_state_dict(before.looking.state_dict())
        if self.class_head is not None and before.class_head is not None and before.class_names is not None:
            _take_classes(self.class_head, names, before.class_head, before.class_names)

    def plain(self) -> dict[str, Tensor]:
        """The weights as a scorer's file has them, for features as the encoder gives them."""
        with torch.no_grad():
            state = {**self.learning.network.state_dict(), **self._convolution()}
            if self.class_head is not None:
                state |= {PREFIX + name: tensor for name, tensor in self.class_head.state_dict().items()}
            if self.looking is not None:
                state |= {LOOKING + name: tensor for name, tensor in self.looking.state_dict().items()}
        return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}

    def _convolution(self) -> dict[str, Tensor]:
        convolution = self.learning.network.embedding.conv_1[0]
        assert isinstance(convolution, nn.Conv1d) and convolution.bias is not None
        weight = convolution.weight / self.deviation[:, None]
        shift = (weight * self.mean[:, None]).sum((1, 2))
        return {_CONVOLUTION + "weight": weight, _CONVOLUTION + "bias": convolution.bias - shift}


def _take_classes(mine: ClassHead, names: ClassNames, theirs: ClassHead, known: ClassNames) -> None:
    """All layers of a trained head, and of its last one the rows of the classes that both have."""
    mine.mlp[:-1].load_state_dict(theirs.mlp[:-1].state_dict())
    shared = [name for name in names.all if name in known.all]
    here, there = ([of.all.index(name) for name in shared] for of in (names, known))
    for parameter, trained in zip(mine.mlp[-1].parameters(), theirs.mlp[-1].parameters(), strict=True):
        parameter[here] = trained[there]


class _Learning(nn.Module):
    """`forward_train` where `functional_call` looks for `forward`."""

    def __init__(self, network: UrDmu) -> None:
        super().__init__()
        self.network = network

    def forward(self, *arguments: Any, **options: Any) -> UrDmuOutputs:
        return self.network.forward_train(*arguments, **options)


class Reader:
    """Scores and classes by plain weights, as `UrDmuScorer` will give them."""

    def __init__(self, weights: dict[str, Tensor], num_classes: int, device: str) -> None:
        rest = dict(weights)
        head, looking = taken(rest, PREFIX), taken(rest, LOOKING)
        self._network = UrDmu(rest[_CONVOLUTION + "weight"].shape[1])
        self._network.load_state_dict(rest)
        self._head = ClassHead(num_classes) if head else None
        if self._head is not None:
            self._head.load_state_dict(head)
            self._head.to(device).eval()
        self._looking = Looking() if looking else None
        if self._looking is not None:
            self._looking.load_state_dict(looking)
            self._looking.to(device).eval()
        self._network.to(device).eval()
        self._device = device

    @torch.inference_mode()
    def __call__(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Scores `[T]` of `features[T, D]` and, with a class head, log-probabilities `[T, K]`; on the CPU."""
        tokens = features[None].to(self._device)
        tokens = tokens if self._looking is None else self._looking(tokens)
        if self._head is None:
            return self._network(tokens)[0].float().cpu(), None
        scores, logits = self._network.read(tokens, self._head)
        return scores[0].float().cpu(), logits[0].float().log_softmax(-1).cpu()


def noise_for(batch_videos: int, length: int, generator: torch.Generator) -> Tensor:
    """What the normal memory's recall is sampled with, `[B, T, C]`."""
    return torch.randn(batch_videos, length, CHANNELS, generator=generator)
