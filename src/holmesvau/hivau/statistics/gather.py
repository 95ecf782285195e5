"""What the paper's Figure 3 shows, of any dataset: counts, lengths of spans, words per annotation, labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from holmesvau.errors import InputError
from holmesvau.hivau import layout
from holmesvau.hivau.annotations import load_annotations
from holmesvau.hivau.checks.trees import classes_by_name
from holmesvau.hivau.instructions import load_instructions
from holmesvau.hivau.problems import Problem
from holmesvau.hivau.schema import LEVELS, EventAnnotation, Instruction, Level, Task, VideoAnnotation

NORMAL = "normal"


@dataclass(frozen=True, slots=True)
class Spread:
    """How a quantity is spread, in its own unit."""

    count: int
    mean: float
    minimum: float
    quarter: float
    median: float
    three_quarters: float
    maximum: float

    @staticmethod
    def of(values: npt.ArrayLike) -> Spread | None:
        """The spread of at least one value; None of none."""
        array = np.asarray(values, np.float64)
        if not len(array):
            return None
        low, quarter, middle, three_quarters, high = np.quantile(array, (0, 0.25, 0.5, 0.75, 1))
        numbers = (float(number) for number in (array.mean(), low, quarter, middle, three_quarters, high))
        return Spread(len(array), *numbers)


@dataclass(frozen=True, slots=True)
class Statistics:
    """A dataset in numbers. All counters are by name; levels are clip, event and video.

    `annotated[dataset, level]` counts what the annotations hold and `rows[dataset, level, task]` the
    instructions. `seconds[level]` are the lengths of all spans, `words[level]` the words of all annotations
    (captions of clips, summaries above), `answers[level]` the words of all answers. `labels` counts videos by
    class, those without one as normal; a video of several classes counts for each.
    """

    files: tuple[Path, ...]
    annotated: Counter[tuple[str, Level]] = field(default_factory=Counter)
    rows: Counter[tuple[str, Level, Task]] = field(default_factory=Counter)
    seconds: Mapping[Level, list[float]] = field(default_factory=lambda: {level: [] for level in LEVELS})
    words: Mapping[Level, list[int]] = field(default_factory=lambda: {level: [] for level in LEVELS})
    answers: Mapping[Level, list[int]] = field(default_factory=lambda: {level: [] for level in LEVELS})
    labels: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The numbers as plain values."""
        return {
            "files": [str(path) for path in self.files],
            "annotated": [
                {"dataset": dataset, "level": level, "count": count}
                for (dataset, level), count in self.annotated.items()
            ],
            "rows": [
                {"dataset": dataset, "level": level, "task": task, "count": count}
                for (dataset, level, task), count in self.rows.items()
            ],
            "seconds": {level: _plain(values) for level, values in self.seconds.items()},
            "words": {level: _plain(values) for level, values in self.words.items()},
            "answer_words": {level: _plain(values) for level, values in self.answers.items()},
            "labels": dict(self.labels.most_common()),
            "problems": len(self.problems),
        }


def stats(path: str | Path) -> Statistics:
    """Count and measure a dataset's folder, or one file of annotations (.json) or instructions (.jsonl).

    What the loaders complain of is in `problems`.

    Raises:
        InputError: when there is nothing to count or a file cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        trees, rows = layout.annotation_files(path), layout.instruction_files(path)
    else:
        is_rows = path.suffix == ".jsonl"
        trees, rows = ([], [path]) if is_rows else ([layout.annotation_file(path)], [])
    if not trees and not rows:
        raise InputError(
            f"{path}: no dataset. Give a root with raw_annotations/ or instruction/, or one file."
        )
    found = Statistics((*(file.path for file in trees), *rows))
    known: set[tuple[str, str]] = set()
    for file in trees:
        dataset = file.dataset or file.path.stem
        for video in load_annotations(file.path, problems=found.problems).values():
            known.add((dataset, video.name))
            _count_video(video, dataset, found)
    for file_of_rows in rows:
        _count_rows(load_instructions(file_of_rows, problems=found.problems), known, found)
    return found


def _count_video(video: VideoAnnotation, dataset: str, found: Statistics) -> None:
    found.labels.update(video.labels or (NORMAL,))
    found.annotated[dataset, "clip"] += sum(len(event.clips) for event in video.events)
    found.annotated[dataset, "event"] += len(video.events)
    found.annotated[dataset, "video"] += 1
    if video.duration is not None:
        found.seconds["video"].append(video.duration)
    found.words["video"] += _words(video)
    for event in video.events:
        found.seconds["event"].append(event.span.duration)
        found.words["event"] += _words(event)
        for clip in event.clips:
            found.seconds["clip"].append(clip.span.duration)
            if clip.caption.strip():
                found.words["clip"].append(len(clip.caption.split()))


def _words(of: VideoAnnotation | EventAnnotation) -> Iterator[int]:
    """The words of the whole summary, or of its parts where there is no whole; nothing where nobody wrote
    any.
    """
    text = of.summary or " ".join((of.judgement, of.description, of.analysis))
    if text.strip():
        yield len(text.split())


def _count_rows(rows: list[Instruction], known: set[tuple[str, str]], found: Statistics) -> None:
    """Count rows; their videos count for the labels as well where no annotation has counted them."""
    for row in rows:
        try:
            place = layout.parse(row.video)
        except InputError:
            found.rows["", row.level, row.task] += 1
        else:
            found.rows[place.dataset, row.level, row.task] += 1
            if (place.dataset, place.video) not in known:
                known.add((place.dataset, place.video))
                classes = classes_by_name(place.dataset, place.video)
                if classes is not None:
                    found.labels.update(classes or (NORMAL,))
        found.answers[row.level].append(len(row.answer.split()))


def _plain(values: list[float] | list[int]) -> dict[str, float] | None:
    spread = Spread.of(values)
    if spread is None:
        return None
    names = ("count", "mean", "minimum", "quarter", "median", "three_quarters", "maximum")
    return {name: round(getattr(spread, name), 3) for name in names}
