"""From the views of a frame to one token of it: which of the places where something moves is worth a look.

Stands before the scorer's network (paper §4.2) where the encoder has several views (`ats.foveal`). All views
go through the same layer, so what is learnt of a blow in one window is known in every other; attention over
the views finds the one that matters, in whatever window it is.

Shape legend: `T` dense frames, `V` views, `C` channels of a view, `S` numbers of motion, `E` width of the
token.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from holmesvau.ats import fovea
from holmesvau.ats.efficientnet import CHANNELS
from holmesvau.ats.foveal import VIEWS

PREFIX = "looking."
WIDTH, ATTENTION, NUMBERS = 192, 64, 64
# Deviations beyond which a feature says no more: a class token unlike all others must not drown the rest.
LARGEST = 6.0
# Where the whole picture's view is: its middle, and all of its height.
_WHOLE = (0.5, 0.5, 1.0)


class Looking(nn.Module):
    """`forward(tokens[..., T, V·C + S]) -> [..., T, E]`, with the tokens of `ats.foveal.FovealEncoder`.

    `mean` and `deviation`, `[V·C + S]`, are those of the training's tokens, and part of the weights.
    """

    mean: Tensor
    deviation: Tensor
    whole: Tensor

    def __init__(self, *, width: int = WIDTH, dropout: float = 0.0) -> None:
        super().__init__()
        self.width = 2 * width + NUMBERS
        size = VIEWS * CHANNELS + fovea.MOTION
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("deviation", torch.ones(size))
        self.register_buffer("whole", torch.tensor([_WHOLE]), persistent=False)
        self.view = nn.Sequential(
            nn.Dropout(dropout * 0.4), nn.Linear(CHANNELS, width), nn.LayerNorm(width), nn.ReLU()
        )
        self.place = nn.Linear(3, width)
        self.which = nn.Parameter(torch.zeros(VIEWS, width))
        self.attention = nn.Sequential(nn.Linear(width, ATTENTION), nn.Tanh(), nn.Linear(ATTENTION, 1))
        self.numbers = nn.Sequential(nn.Linear(fovea.MOTION, NUMBERS), nn.ReLU())

    def forward(self, tokens: Tensor) -> Tensor:
        """The tokens `[..., T, E]` of frames."""
        numbers = tokens[..., VIEWS * CHANNELS :]
        scaled = ((tokens - self.mean) / self.deviation).clamp(-LARGEST, LARGEST)
        views = self.view(scaled[..., : VIEWS * CHANNELS].unflatten(-1, (VIEWS, CHANNELS)))
        views = views + self.place(self._places(numbers)) + self.which
        weights = self.attention(views).softmax(dim=-2)
        return torch.cat(
            [
                (weights * views).sum(-2),
                views.amax(-2),
                self.numbers(scaled[..., VIEWS * CHANNELS :]),
            ],
            dim=-1,
        )

    def normalise(self, mean: Tensor, deviation: Tensor) -> None:
        """Take over the training's; windows share theirs, since each may hold what the others do."""
        mean, deviation = mean.float().clone(), deviation.float().clone()
        for numbers in (mean, deviation):
            windows = numbers[CHANNELS : VIEWS * CHANNELS].view(VIEWS - 1, CHANNELS)
            windows[:] = windows.mean(0)
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)

    def _places(self, numbers: Tensor) -> Tensor:
        """`[..., V, 3]`: middle and height of each view."""
        found = torch.stack([numbers[..., place] for place in fovea.PLACES], dim=-2)
        return torch.cat([self.whole.expand(*found.shape[:-2], 1, 3), found], dim=-2)
