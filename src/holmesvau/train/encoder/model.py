"""EfficientNet-Lite0 while it learns what is in a window, and the pictures it learns from.

Shape legend: `B` windows, `P` 128 pixels, `A` acts that are learnt, `K` classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from holmesvau.ats.efficientnet import CHANNELS, EfficientNetLite0

# How far a picture's contrast, brightness and each colour may be off, how often it is grey, and how much of
# its side is cut off at most.
CONTRAST, BRIGHTNESS, COLOUR, GREY, CUT = 0.25, 20.0, 0.15, 0.15, 0.25


class LearningEncoder(nn.Module):
    """The network with two heads on its class token: what is in the window, and the anomaly's class."""

    def __init__(self, num_acts: int, num_classes: int, *, first_block: int, dropout: float) -> None:
        super().__init__()
        self.network = EfficientNetLite0()
        self.first_block = first_block
        for block in self.network.blocks[first_block:]:
            block.requires_grad_(True)
        self.dropout = nn.Dropout(dropout)
        self.acts = nn.Linear(CHANNELS, num_acts)
        self.classes = nn.Linear(CHANNELS, num_classes)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `[B, A]` and `[B, K]` of `pictures[B, P, P, 3]`, uint8 or float in 0..255."""
        token = self.dropout(self.network(pictures).mean((2, 3)))
        return self.acts(token), self.classes(token)

    def trained(self) -> list[nn.Parameter]:
        """The network's parameters that learn."""
        return [parameter for parameter in self.network.parameters() if parameter.requires_grad]

    def heads(self) -> list[nn.Parameter]:
        """The parameters that are new."""
        return [*self.acts.parameters(), *self.classes.parameters()]


def altered(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """`pictures[B, P, P, 3]` uint8 as other cameras have them: mirrored, cut, in other light, grey."""
    count, side = pictures.shape[:2]

    def drawn(*shape: int, low: float = -1.0) -> Tensor:
        return torch.rand(shape, generator=generator) * (1 - low) + low

    x = pictures.float()
    mirrored = drawn(count) < 0
    x[mirrored] = x[mirrored].flip(2)
    gain = (1 + CONTRAST * drawn(count, 1, 1, 1)) * (1 + COLOUR * drawn(count, 1, 1, 3))
    x = (x - 128) * gain + 128 + BRIGHTNESS * drawn(count, 1, 1, 1)
    grey = drawn(count, low=0.0) < GREY
    x[grey] = x[grey].mean(3, keepdim=True)
    kept = 1 - CUT * drawn(count, low=0.0)
    part = torch.zeros(count, 2, 3)
    part[:, 0, 0] = part[:, 1, 1] = kept
    part[:, :, 2] = (1 - kept)[:, None] * drawn(count, 2)
    grid = F.affine_grid(part, [count, 3, side, side], align_corners=False)
    shown = F.grid_sample(x.permute(0, 3, 1, 2), grid, align_corners=False, padding_mode="border")
    return shown.permute(0, 2, 3, 1).clamp(0, 255)
