"""Is one cell of a study better than another? Paired tests on the same rows and the same resampled videos.

Shape legend: `V` videos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from holmesvau.evaluate import judgements
from holmesvau.evaluate.answering import Answered
from holmesvau.evaluate.judgements import JudgementDifferences
from holmesvau.evaluate.resampling import BootstrapConfig, CountArray, Difference, difference, statistics
from holmesvau.evaluate.text import TextDifferences, compare, grouped, source_video


@dataclass(frozen=True, slots=True)
class Contrast:
    """Cell `better` minus cell `worse`, as the paper or we would have it.

    `text` and `judgements` are by level; `seen` is the difference in the share of events that get a frame
    (None without events). Of `rows`, `same_frames` were shown exactly the same frames in both cells, and so
    have the same answer: where they are many, a test of words can hardly tell the samplers apart.
    """

    better: str
    worse: str
    text: Mapping[str, TextDifferences]
    judgements: Mapping[str, JudgementDifferences]
    seen: Difference | None
    rows: int
    same_frames: int


def contrast(
    names: tuple[str, str],
    answers: tuple[Sequence[Answered], Sequence[Answered]],
    seen: tuple[CountArray, CountArray],
    levels: Sequence[str],
    bootstrap: BootstrapConfig,
) -> Contrast:
    """Compare two cells' answers to the same rows, and `seen[V, 2]`: their events, and those with a frame."""
    first, second = answers
    text, judged = {}, {}
    pairs = [(a.row, (a.text, b.text)) for a, b in zip(first, second, strict=True)]
    for level, members in grouped(pairs).items():
        said = [a for _, (a, _) in members], [b for _, (_, b) in members]
        meant = [row.answer for row, _ in members]
        videos = [source_video(row) for row, _ in members]
        if level in levels:
            text[level] = compare(*said, meant, bootstrap=bootstrap, clusters=videos)
        if level.endswith(" judgement"):
            name = level.removesuffix(" judgement")
            judged[name] = judgements.compare(*said, meant, bootstrap=bootstrap, clusters=videos)
    same = sum(a.chosen == b.chosen and bool(a.chosen) for a, b in zip(first, second, strict=True))
    return Contrast(*names, text, judged, _gap(*seen, bootstrap), len(first), same)


def _gap(first: CountArray, second: CountArray, bootstrap: BootstrapConfig) -> Difference | None:
    """The difference in the share of events seen."""
    if not first[:, 0].sum():
        return None

    def share(weights: CountArray) -> tuple[float, ...]:
        events, a, b = (weights @ np.column_stack([first, second[:, 1]])).tolist()
        return ((a - b) / events if events else float("nan"),)

    (value,) = share(np.ones(len(first), np.int64))
    return difference(value, statistics(share, len(first), bootstrap)[:, 0], bootstrap)
