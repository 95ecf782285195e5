"""From what the encoder and the scorer know of a frame to a few tokens of the language model (§4.1).

Shape legend: `N` frames, `P` tokens a frame, `C` channels of the encoder, `S` numbers about the frame in its
time, `W` width of the language model.
"""

from __future__ import annotations

import torch
from torch import nn


class Projector(nn.Module):
    """`forward(pictures[N, P - 1, C], states[N, S]) -> [N, P, W]`: views of a frame, then its place in time.

    Views and state go through two layers each, and what marks each of the P places is added.
    """

    def __init__(self, channels: int, state_width: int, width: int, *, views: int) -> None:
        super().__init__()
        self.picture_norm = nn.LayerNorm(channels)
        self.picture_1 = nn.Linear(channels, width)
        self.picture_2 = nn.Linear(width, width)
        self.state_norm = nn.LayerNorm(state_width)
        self.state_1 = nn.Linear(state_width, width)
        self.state_2 = nn.Linear(width, width)
        self.act = nn.GELU()
        self.place = nn.Parameter(torch.zeros(views + 1, width))

    def forward(self, pictures: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        pictures = self.picture_norm(pictures.to(self.place.dtype))
        states = self.state_norm(states.to(self.place.dtype))
        seen = self.picture_2(self.act(self.picture_1(pictures)))
        known = self.state_2(self.act(self.state_1(states)))
        return torch.cat([seen, known[:, None]], dim=1) + self.place
