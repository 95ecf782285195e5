"""A row's prompt as tokens, cut where its pictures end (paper §4.1, §4.3).

What stands before the cut depends on the number of frames alone, so rows about the same frames begin with
the same tokens and may share them (`packing`). The cut is the one that `vlm.speaker` makes when it answers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from holmesvau.errors import InputError
from holmesvau.hivau.dataset import IGNORED, TextLaw
from holmesvau.hivau.schema import Instruction

Tokens = npt.NDArray[np.int64]


class Wording:
    """Prompts of one model: `prefix(N)` for any `N` frames, and the tail of each row."""

    def __init__(self, text: TextLaw) -> None:
        self._text = text
        self._prefixes: dict[int, Tokens] = {}

    @property
    def image_id(self) -> int:
        """The token that stands for pictures."""
        return self._text.law.image_id

    @property
    def padding_id(self) -> int:
        """What shorter sequences are filled up with; it is never looked at."""
        padding: Any = self._text.tokenizer.pad_token_id
        return 0 if padding is None else int(padding)

    def prefix(self, num_frames: int) -> Tokens:
        """All tokens up to the last picture's, `[L]`, the same for every question."""
        if num_frames not in self._prefixes:
            asked = self._text.law.prompt("", num_frames)
            ids = self._text.tokenizer(asked, add_special_tokens=self._text.law.special_tokens)["input_ids"]
            self._prefixes[num_frames] = self._cut(ids)[0]
        return self._prefixes[num_frames]

    def tail(self, row: Instruction, num_frames: int) -> tuple[Tokens, Tokens]:
        """What follows: tokens `[T]` and what is to be learned there `[T]`, -100 before the answer.

        Raises:
            InputError: when the row has more tokens than allowed, or holds a mark of pictures or turns.
        """
        # Where pictures end, a special token stands: what comes after it is split into the same tokens
        # however many pictures there are.
        ids, labels = self._text.tokens(row, 1)
        before, after = self._cut(ids)
        total = len(self.prefix(num_frames)) + len(after)
        if total > self._text.max_tokens:
            raise InputError(
                f"{total} tokens ({num_frames} frames of {self._text.law.tokens_per_frame}) are more than "
                f"{self._text.max_tokens}. Choose fewer frames, or allow more tokens."
            )
        return after, np.asarray(labels[len(before) :], dtype=np.int64)

    def _cut(self, ids: list[int]) -> tuple[Tokens, Tokens]:
        tokens = np.asarray(ids, dtype=np.int64)
        after = int(np.flatnonzero(tokens == self.image_id)[-1]) + 1
        return tokens[:after], tokens[after:]


def targets(labels: Tokens) -> Tokens:
    """What each place of a tail has to say: the label of the next one; the last says nothing."""
    return np.append(labels[1:], IGNORED)
