"""From annotations to instruction rows (paper §3.2, third stage): each text gets a question it answers.

Clip -> caption; event and video -> judgement, description and, where something is abnormal, analysis.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from holmesvau.errors import InputError
from holmesvau.hivau import texts
from holmesvau.hivau.annotations import load_annotations
from holmesvau.hivau.instructions.questions import pool
from holmesvau.hivau.layout import AnnotationFile, Place
from holmesvau.hivau.problems import Findings, Problem
from holmesvau.hivau.schema import LEVELS, EventAnnotation, Instruction, Level, Task, VideoAnnotation
from holmesvau.types import Span

Mode = Literal["balanced", "as-released"]
_PARTS: tuple[Task, ...] = ("judgement", "description", "analysis")


@dataclass(frozen=True, kw_only=True)
class BuildConfig:
    """What becomes of the annotations.

    `mode` "balanced" asks each wording of a pool equally often, takes each clip's caption once, leaves out
    judgements that contradict their label, and tidies the white space of answers. "as-released" does what the
    public files show: caption rows come once for every event of their video, texts stay as they are, and
    wordings are drawn blindly.

    `clip`, `event` and `video` are the mixture C/E/V, in rows for each row there is: 0 leaves a level out,
    0.5 takes half of its rows, 2 asks each twice, in other words. `equal_verdicts` leaves out judgements of
    the more frequent verdict, at each level, until there are as many normal as abnormal ones. The same `seed`
    gives the same rows.
    """

    mode: Mode = "balanced"
    seed: int = 0
    clip: float = 1.0
    event: float = 1.0
    video: float = 1.0
    equal_verdicts: bool = False

    def __post_init__(self) -> None:
        if self.mode not in ("balanced", "as-released"):
            raise InputError(f"mode = {self.mode!r}: choose balanced or as-released.")
        for level in LEVELS:
            share = self.share(level)
            most = min(len(pool(level, task)) for task in (("caption",) if level == "clip" else _PARTS))
            if not (math.isfinite(share) and 0 <= share <= most):
                raise InputError(
                    f"{level} = {share}: give 0 to {most} rows for each {level} row there is; more would "
                    "repeat a question word for word."
                )

    def share(self, level: Level) -> float:
        """Rows for each row there is at a level."""
        shares: dict[Level, float] = {"clip": self.clip, "event": self.event, "video": self.video}
        return shares[level]


@dataclass(frozen=True, slots=True)
class _Text:
    """One text to ask for, before its question is chosen. `span` is None for a whole video."""

    place: Place
    task: Task
    answer: str
    span: Span | None
    is_anomalous: bool


_DEFAULTS = BuildConfig()


def build(
    annotations: Mapping[str, VideoAnnotation],
    *,
    dataset: str,
    split: str,
    config: BuildConfig = _DEFAULTS,
    problems: list[Problem] | None = None,
) -> list[Instruction]:
    """Instruction rows for annotated videos, video by video in their order, numbered from 0.

    `dataset` and `split` go into the paths of the rows (`ucf-crime/clips/train/NAME_E0C0.mp4`); the files
    need not exist. What was left out is appended to `problems`, or makes one warning in the log.

    Raises:
        InputError: when not one row comes out.
    """
    findings = Findings(f"{dataset} {split}", problems, [])
    found = [text for video in annotations.values() for text in _texts(video, dataset, split, config)]
    rows = _rows(_wanted(found, config, findings), config)
    findings.hand_over()
    if not rows:
        raise InputError(f"{dataset} {split}: {len(annotations)} videos give no rows with this mixture.")
    return rows


def build_from(
    files: Iterable[AnnotationFile],
    *,
    config: BuildConfig = _DEFAULTS,
    problems: list[Problem] | None = None,
) -> list[Instruction]:
    """Rows for several annotation files, one after the other, numbered through.

    Raises:
        InputError: when a file cannot be used, does not tell its dataset and split, or gives no rows.
    """
    rows: list[Instruction] = []
    for file in files:
        if not (file.dataset and file.split):
            raise InputError(
                f"{file.path}: the name does not tell dataset and split, as ucf_database_train.json does: "
                "say them."
            )
        annotations = load_annotations(file.path, problems=problems)
        rows += build(annotations, dataset=file.dataset, split=file.split, config=config, problems=problems)
    return [replace(row, id=number) for number, row in enumerate(rows)]


def _texts(video: VideoAnnotation, dataset: str, split: str, config: BuildConfig) -> Iterator[_Text]:
    """The texts of a video in the released order: its own, then of each event its own and the clips'."""

    def parts(of: VideoAnnotation | EventAnnotation, place: Place, span: Span | None) -> Iterator[_Text]:
        for task in _PARTS:
            if task != "analysis" or video.is_anomalous:
                yield _Text(place, task, getattr(of, task), span, video.is_anomalous)

    def captions(event: int) -> Iterator[_Text]:
        for number, clip in enumerate(video.events[event].clips):
            place = Place(dataset, split, video.name, event, number)
            yield _Text(place, "caption", clip.caption, clip.span, video.is_anomalous)

    yield from parts(video, Place(dataset, split, video.name), None)
    for number, event in enumerate(video.events):
        yield from parts(event, Place(dataset, split, video.name, number), event.span)
        repeated = config.mode == "as-released"
        for which in range(len(video.events)) if repeated else (number,):
            yield from captions(which)


def _wanted(found: list[_Text], config: BuildConfig, findings: Findings) -> list[_Text]:
    """Without the texts that there is nothing to learn from."""
    present = _without(
        found,
        lambda text: not text.answer.strip(),
        lambda text: findings.add("empty-text", "note", text.place.path, f"The {text.task} is empty."),
    )
    if config.mode == "balanced":
        present = [replace(text, answer=" ".join(texts.mended(text.answer).split())) for text in present]
        present = _without(
            present,
            lambda text: text.task == "judgement" and texts.contradicts(text.answer, text.is_anomalous),
            lambda text: findings.add(
                "answer-contradicts-label",
                "warning",
                text.place.path,
                f"The judgement {text.answer!r} contradicts the label: left out.",
            ),
        )
        seen: set[tuple[object, ...]] = set()
        present = _without(
            present,
            lambda text: not _is_new(text, seen),
            lambda text: findings.add(
                "duplicate-row",
                "note",
                text.place.path,
                f"The same {text.task} of the same seconds: left out.",
            ),
        )
    return _equal_verdicts(present, config) if config.equal_verdicts else present


def _without(
    found: list[_Text], unwanted: Callable[[_Text], bool], report: Callable[[_Text], None]
) -> list[_Text]:
    kept = []
    for text in found:
        if unwanted(text):
            report(text)
        else:
            kept.append(text)
    return kept


def _is_new(text: _Text, seen: set[tuple[object, ...]]) -> bool:
    key = (text.place.whole().path, text.place.level, text.task, text.span, text.answer)
    is_new = key not in seen
    seen.add(key)
    return is_new


def _equal_verdicts(found: list[_Text], config: BuildConfig) -> list[_Text]:
    dropped: set[int] = set()
    for level in LEVELS:
        judged = [
            (number, text.is_anomalous)
            for number, text in enumerate(found)
            if text.task == "judgement" and text.place.level == level
        ]
        sides = [[number for number, verdict in judged if verdict is side] for side in (True, False)]
        most, least = sorted(sides, key=len, reverse=True)
        chance = random.Random(f"{config.seed} verdicts {level}")
        dropped.update(chance.sample(most, len(most) - len(least)))
    return [text for number, text in enumerate(found) if number not in dropped]


def _rows(found: list[_Text], config: BuildConfig) -> list[Instruction]:
    """Each text as often as the mixture wants it, each time with another question."""
    groups: dict[tuple[Level, Task], list[int]] = {}
    for number, text in enumerate(found):
        groups.setdefault((text.place.level, text.task), []).append(number)
    asked: dict[int, list[str]] = {}
    for (level, task), numbers in groups.items():
        # A stream of its own, so that the mixture of one level does not change the rows of another.
        chance = random.Random(f"{config.seed} {level} {task}")
        asked |= _questions(numbers, pool(level, task), config.share(level), config.mode, chance)
    pairs = [(text, question) for number, text in enumerate(found) for question in asked[number]]
    return [
        Instruction(number, text.place.level, text.task, text.place.path, question, text.answer)
        for number, (text, question) in enumerate(pairs)
    ]


def _questions(
    numbers: list[int], wordings: tuple[str, ...], share: float, mode: Mode, chance: random.Random
) -> dict[int, list[str]]:
    """`share` questions a number on average; no number gets one twice."""
    whole = math.floor(share)
    more = set(chance.sample(numbers, round((share - whole) * len(numbers))))
    often = {number: whole + (number in more) for number in numbers}
    if mode == "as-released":
        return {number: chance.sample(wordings, times) for number, times in often.items()}
    # Going round the pool asks each wording equally often; in shuffled order, none follows a video's events.
    order, turn = chance.sample(numbers, len(numbers)), 0
    ring = chance.sample(wordings, len(wordings))
    asked = {}
    for number in order:
        asked[number] = [ring[(turn + step) % len(ring)] for step in range(often[number])]
        turn += often[number]
    return asked
