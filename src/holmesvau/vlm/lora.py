"""Low-rank adaptation of linear layers (§4.3), small enough to need no further package at inference.

Shape legend: `r` rank, `I O` inputs and outputs of a layer.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import torch
from torch import nn


class LoraLinear(nn.Module):
    """A frozen linear layer plus `scale · B A`; `A[r, I]` random, `B[O, r]` zero at first, both float32."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.base = base
        self.scale = alpha / rank
        self.A = nn.Parameter(torch.empty(rank, base.in_features, device=base.weight.device))
        self.B = nn.Parameter(torch.zeros(base.out_features, rank, device=base.weight.device))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        base: torch.Tensor = self.base(x)
        # Scaled where it is narrow and added by the product itself: two passes over the output fewer.
        down = self.scale * nn.functional.linear(x, self.A.to(x.dtype))
        added = torch.addmm(base.flatten(0, -2), down.flatten(0, -2), self.B.to(x.dtype).T)
        return added.view(base.shape)


def attach(model: nn.Module, targets: Collection[str], *, rank: int, alpha: float) -> None:
    """Put a `LoraLinear` around every linear layer of `model` whose last name is in `targets`."""
    for path, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear) and path.rpartition(".")[2] in targets:
            _replace(model, path, LoraLinear(layer, rank, alpha))


def state(model: nn.Module) -> dict[str, torch.Tensor]:
    """The adaptation alone: `{path}.A` and `{path}.B` of every adapted layer."""
    return {
        f"{path}.{name}": getattr(layer, name).detach()
        for path, layer in model.named_modules()
        if isinstance(layer, LoraLinear)
        for name in ("A", "B")
    }


def restore(model: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Fill the attached adaptation with `state`'s tensors.

    Raises:
        KeyError: when one is missing or left over.
        RuntimeError: when one has another shape.
    """
    parameters = {
        f"{path}.{name}": getattr(layer, name)
        for path, layer in model.named_modules()
        if isinstance(layer, LoraLinear)
        for name in ("A", "B")
    }
    if parameters.keys() != tensors.keys():
        raise KeyError(min(parameters.keys() ^ tensors.keys()))
    with torch.no_grad():
        for name, parameter in parameters.items():
            if parameter.shape != tensors[name].shape:
                raise RuntimeError(f"{name} is {list(tensors[name].shape)}, not {list(parameter.shape)}")
            parameter.copy_(tensors[name])


def merge(model: nn.Module) -> None:
    """Add the adaptation to the weights, in float32, and take its layers away."""
    for path, layer in list(model.named_modules()):
        if isinstance(layer, LoraLinear):
            weight = layer.base.weight
            with torch.no_grad():
                weight.copy_(weight.float() + layer.scale * (layer.B @ layer.A))
            _replace(model, path, layer.base)


def _replace(model: nn.Module, path: str, layer: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(model.get_submodule(parent), name, layer)
