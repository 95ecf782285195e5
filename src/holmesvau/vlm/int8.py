"""Linear layers in eight bits, for the CPU: half the memory of bfloat16, and integer arithmetic.

Weights are rounded once, with a scale for each row; activations as they come, with a scale for at most
`GROUP` of a token's: a language model has a few activations a hundred times larger than the rest, which would
otherwise round all the others to nothing. Sums are exact within a group, results float32.

What it gains and costs: `benchmarks/results/vlm.md`.
"""

from __future__ import annotations

import torch
from torch import nn


class Int8Linear(nn.Module):
    """`x[..., in] -> [..., out]` float32, standing in for `linear`, whose weights may have any precision."""

    weight: torch.Tensor
    scales: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight, scales = _rounded(linear.weight.detach().float())
        self.register_buffer("weight", weight)
        self.register_buffer("scales", scales[:, 0])
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().float())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        rows, scales = _rounded(x.reshape(-1, x.shape[-1]).float())
        # The public quantised layers of torch are on their way out; this is the product they are made of.
        out = torch._int_mm(rows, self.weight.t()).float().mul_(scales).mul_(self.scales)
        if self.bias is not None:
            out += self.bias
        return out.view(*x.shape[:-1], -1)


def quantize(module: nn.Module) -> None:
    """Replace every linear layer below `module` in place, one after another; other weights become float32.

    A layer's old weights are given back before the next is begun: the model is never held twice. Buffers
    keep their precision.
    """
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, Int8Linear(child))
        else:
            quantize(child)
    for name, parameter in list(module.named_parameters(recurse=False)):
        setattr(module, name, nn.Parameter(parameter.detach().float(), requires_grad=False))


def num_parameters(module: nn.Module) -> int:
    """How many numbers a module was trained with, those in eight bits included."""
    rounded = (layer for layer in module.modules() if isinstance(layer, Int8Linear))
    in_eight_bits = (part for layer in rounded for part in (layer.weight, layer.bias) if part is not None)
    return sum(part.numel() for part in (*module.parameters(), *in_eight_bits))


def _rounded(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`rows[R, C]` -> int8 `[R, C]` and the scales `[R, 1]` that bring them back."""
    scales = rows.abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny) / 127
    return (rows / scales).round_().to(torch.int8), scales
