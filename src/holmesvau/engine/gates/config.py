"""The gates by name, their limits, and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from holmesvau.errors import InputError

Gate = Literal[
    "form", "empty", "copied", "too-long", "language", "contradiction", "unsupported", "out-of-span",
    "near-duplicate",
]  # fmt: skip
GATES: tuple[Gate, ...] = get_args(Gate)
# Raised when a gate judges otherwise than before: answers are then judged anew.
GATES_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class GatesConfig:
    """Limits of the gates; those in `off` are not asked.

    Words at most: `caption_words`, `judgement_words`, `description_words`, `analysis_words`; a text of fewer
    than `least_words` is empty. `copied` is the share of a text's runs of six words that may stand in the
    prompt's own sentences. `unsupported` is the share of a summary's content words that no clip needs to have
    said; claims of weighty things (weapons, fire, blood, police …) must always stand in one, or follow from
    the class. `near_duplicate` is the likeness (of runs of three words, 0 to 1) from which two texts of
    different places are the same; texts of fewer than `near_duplicate_words` may be alike.
    """

    off: tuple[Gate, ...] = ()
    least_words: int = 3
    caption_words: int = 80
    judgement_words: int = 50
    description_words: int = 160
    analysis_words: int = 160
    copied: float = 0.5
    unsupported: float = 0.5
    near_duplicate: float = 0.9
    near_duplicate_words: int = 12

    def __post_init__(self) -> None:
        for key in ("copied", "unsupported", "near_duplicate"):
            if not 0 <= getattr(self, key) <= 1:
                raise InputError(f"gates.{key} = {getattr(self, key)}: give a share from 0 to 1.")
        for key in ("caption_words", "judgement_words", "description_words", "analysis_words"):
            if getattr(self, key) < self.least_words:
                raise InputError(f"gates.{key} = {getattr(self, key)}: give at least least_words.")

    def most_words(self, part: str) -> int:
        """How many words a part may have."""
        most: int = getattr(self, f"{part}_words")
        return most


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gate says of a text; `message` is a sentence about what is wrong, "" when it passes."""

    gate: Gate
    passed: bool
    message: str = ""
