"""From what the encoder and the scorer know of a frame to a few tokens of the language model (§4.1).

Shape legend: `N` frames, `V` views of a frame, `P` tokens a frame, `C` channels of the encoder, `S` numbers
about the frame in its time, `K` classes among them, `W` width of the language model.
"""

from __future__ import annotations

import torch
from torch import nn


class Projector(nn.Module):
    """`forward(pictures[N, V, C], states[N, S]) -> [N, P, W]`: views of a frame, then its place in time.

    Views and state go through two layers each. `classes` says where among the `S` numbers the scorer's `K`
    class probabilities stand; they become one more token, the mean of the classes' `words[K, W]`. What marks
    each of the P places is added.
    """

    def __init__(
        self, channels: int, state_width: int, width: int, *, views: int, classes: slice = slice(0, 0)
    ) -> None:
        super().__init__()
        self.picture_norm = nn.LayerNorm(channels)
        self.picture_1 = nn.Linear(channels, width)
        self.picture_2 = nn.Linear(width, width)
        self.state_norm = nn.LayerNorm(state_width)
        self.state_1 = nn.Linear(state_width, width)
        self.state_2 = nn.Linear(width, width)
        self.act = nn.GELU()
        self._classes = classes
        num_classes = classes.stop - classes.start
        self.words = nn.Parameter(torch.zeros(num_classes, width)) if num_classes else None
        self.place = nn.Parameter(torch.zeros(views + 1 + bool(num_classes), width))

    def forward(self, pictures: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        states = states.to(self.place.dtype)
        pictures = self.picture_norm(pictures.to(self.place.dtype))
        seen = self.picture_2(self.act(self.picture_1(pictures)))
        known = self.state_2(self.act(self.state_1(self.state_norm(states))))
        tokens = [seen, known[:, None]]
        if self.words is not None:
            tokens.append((states[:, self._classes] @ self.words)[:, None])
        return torch.cat(tokens, dim=1) + self.place
