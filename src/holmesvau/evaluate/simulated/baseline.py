"""Answers without looking: the most frequent training answer to each question about an event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from holmesvau.errors import InputError
from holmesvau.evaluate import ngrams
from holmesvau.evaluate.tokens import tokenize
from holmesvau.hivau.annotations import load_annotations
from holmesvau.hivau.schema import EventAnnotation, VideoAnnotation
from holmesvau.sim.dataset import DATASET
from holmesvau.sim.plan import Settings, plan
from holmesvau.sim.scenes import of_split

# What an event is asked, in this order (paper §3.2).
PARTS = ("judgement", "description", "analysis")
# The training texts where none are given: planned, not rendered. They cost a tenth of a second each.
PLANNED = Settings(
    seed=0,
    split="train",
    anomalous_share=1.0,
    scenes=of_split("train"),
)
PLANNED_VIDEOS = 60
# How many equally frequent answers are tried out against each other.
_TRIED = 40


def training_events(root: str | Path | None, *, planned: int = PLANNED_VIDEOS) -> list[EventAnnotation]:
    """The anomalous events of the training split under `root`; without one, those of `planned` videos.

    Raises:
        InputError: when `root` has no training split, or no event in it.
    """
    videos: Iterable[VideoAnnotation]
    if root is None:
        videos = (plan(PLANNED, number).annotation for number in range(planned))
    else:
        path = Path(root) / "raw_annotations" / f"{DATASET}_database_train.json"
        videos = load_annotations(path).values()
    events = [event for video in videos if video.is_anomalous for event in video.events]
    if not events:
        raise InputError(f"{root}: no anomalous event in its training split. Give another --train.")
    return events


def most_frequent(events: Sequence[EventAnnotation]) -> Mapping[str, str]:
    """For each part of an explanation the answer that most training events have.

    Descriptions are seldom equal. Of equally frequent answers the one is taken that is the best constant
    answer to the training events themselves (by CIDEr), so that the baseline is as strong as it can be; of
    more than 40 such, an even choice of 40 is tried.
    """
    chosen = {}
    for part in PARTS:
        texts = [getattr(event, part) for event in events]
        counts = Counter(texts)
        most = max(counts.values())
        tied = [text for text, count in counts.items() if count == most]
        tied = [tied[int(k)] for k in np.unique(np.linspace(0, len(tied) - 1, _TRIED).astype(int))]
        chosen[part] = tied[0] if len(tied) == 1 else _best(tied, texts)
    return chosen


def _best(candidates: Sequence[str], texts: Sequence[str]) -> str:
    against = [[tokenize(text)] for text in texts]
    worth = [ngrams.cider([tokenize(text)] * len(texts), against).mean() for text in candidates]
    return candidates[int(np.argmax(worth))]
