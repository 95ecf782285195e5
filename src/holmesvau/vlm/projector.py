"""From a picture's map of features to a few tokens of the language model: the projector of `tiny` (§4.1).

Shape legend: `N` frames, `P` tokens a frame, `C` channels of the map, `W` width of the language model,
`g` cells a side of the map.
"""

from __future__ import annotations

import torch
from torch import nn

# How much likelier a cell of its own region is to be pooled than another, at the start, as a logit.
_OWN_REGION = 4.0


class Projector(nn.Module):
    """`forward(maps[N, g, g, C]) -> [N, P, W]` with `P = regions² + 1`: regions of a picture, then all of it.

    Pooling weights over the cells are learned; they start at even regions and, for the last token, at the
    mean, which is EfficientNet's class token. Then come layer norm, two linear layers, and what marks each of
    the P places.
    """

    def __init__(self, channels: int, width: int, *, grid: int = 7, regions: int = 3) -> None:
        super().__init__()
        self.pooling = nn.Parameter(_even_regions(grid, regions))
        self.norm = nn.LayerNorm(channels)
        self.linear_1 = nn.Linear(channels, width)
        self.act = nn.GELU()
        self.linear_2 = nn.Linear(width, width)
        self.place = nn.Parameter(torch.zeros(regions * regions + 1, width))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        cells = maps.flatten(1, 2).to(self.pooling.dtype)
        pooled = self.pooling.softmax(dim=-1) @ cells
        tokens: torch.Tensor = self.linear_2(self.act(self.linear_1(self.norm(pooled)))) + self.place
        return tokens


def _even_regions(grid: int, regions: int) -> torch.Tensor:
    """Pooling logits `[P, g·g]`: overlapping even regions in reading order, then the whole picture."""
    edges = [(i * grid // regions, -(-(i + 1) * grid // regions)) for i in range(regions)]
    logits = torch.zeros(regions * regions + 1, grid, grid)
    for row, (top, bottom) in enumerate(edges):
        for column, (left, right) in enumerate(edges):
            logits[row * regions + column, top:bottom, left:right] = _OWN_REGION
    return logits.flatten(1)
