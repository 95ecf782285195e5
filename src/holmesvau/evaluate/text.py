"""Figures for explanations (paper §5.1, Table 2): BLEU, CIDEr, METEOR, ROUGE-L, by level and task.

The paper's "BLEU" is the sum of BLEU-1..4. BLEU is a figure of the whole corpus, the others are means over
pairs, and CIDEr counts how rare words are within the rows that are scored together, so that the figure of all
rows is no mean of the levels'.

Shape legend: `P` pairs.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import numpy as np

from holmesvau.errors import InputError
from holmesvau.evaluate import meteor as meteors
from holmesvau.evaluate import ngrams
from holmesvau.evaluate.judgements import JudgementMetrics, judgement_metrics
from holmesvau.evaluate.meteor import MeteorMethod
from holmesvau.evaluate.resampling import BootstrapConfig, CountArray, Interval, interval, statistics
from holmesvau.evaluate.tokens import tokenize
from holmesvau.hivau.schema import LEVELS, TASKS, Instruction
from holmesvau.types import FloatArray

Weighting = Literal["as-released", "once"]
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class TextScores:
    """`bleu` is BLEU-1..4 and `bleu_sum` their sum; `meteor_method` says which METEOR `meteor` is.

    `intervals` has an entry for `bleu_1` … `bleu_4`, `bleu_sum`, `cider`, `rouge_l` and the approximated
    `meteor` when a bootstrap was wanted. The reference METEOR, a program of its own, has none.
    """

    bleu: tuple[float, float, float, float]
    bleu_sum: float
    cider: float
    meteor: float
    rouge_l: float
    pairs: int
    meteor_method: str
    intervals: Mapping[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TextReport:
    """Figures of a test file. `groups` has `all`, each level, each task and each `level task` that has rows.

    `duplicates` is how rows count that repeat another's video, task and answer: `as-released`, every time, or
    `once`, the first time. `repeated` is how many such repetitions the file has; `repeated_exactly` how many
    of them repeat the question as well.
    """

    duplicates: Weighting
    repeated: int
    repeated_exactly: int
    groups: Mapping[str, TextScores]
    judgements: Mapping[str, JudgementMetrics]


def score(
    hypotheses: Sequence[str],
    references: Sequence[str | Sequence[str]],
    *,
    meteor: MeteorMethod = "approximation",
    bootstrap: BootstrapConfig | None = None,
    clusters: Sequence[Hashable] | None = None,
) -> TextScores:
    """Score texts against one reference each, or several.

    `clusters[P]` says which pairs belong together (rows on one video) where intervals are wanted; by default
    each pair stands alone.

    Raises:
        InputError: when there are no pairs, the lengths differ or a hypothesis has no reference.
        MissingPartError: when the reference METEOR is wanted and not installed.
    """
    if not len(hypotheses) or len(hypotheses) != len(references):
        raise InputError(
            f"{len(hypotheses)} hypotheses and {len(references)} references: give as many, and one at least."
        )
    if clusters is not None and len(clusters) != len(hypotheses):
        raise InputError(f"{len(clusters)} clusters for {len(hypotheses)} hypotheses: give one for each.")
    said = [tokenize(text) for text in hypotheses]
    meant = [
        [tokenize(text) for text in ([against] if isinstance(against, str) else against)]
        for against in references
    ]
    if not all(meant):
        raise InputError(f"Hypothesis {meant.index([])} has no reference: give one at least.")
    counts = ngrams.bleu_counts(said, meant)
    columns = {"cider": ngrams.cider(said, meant), "rouge_l": ngrams.rouge_l(said, meant)}
    if meteor == "approximation":
        columns["meteor"] = meteors.approximation(said, meant)
    bleu = ngrams.bleu(counts.sum(0)).tolist()
    return TextScores(
        bleu=(bleu[0], bleu[1], bleu[2], bleu[3]),
        bleu_sum=sum(bleu),
        cider=float(columns["cider"].mean()),
        meteor=float(columns["meteor"].mean()) if "meteor" in columns else meteors.reference(said, meant),
        rouge_l=float(columns["rouge_l"].mean()),
        pairs=len(said),
        meteor_method=meteors.REFERENCE if meteor == "reference" else meteors.APPROXIMATION,
        intervals=_intervals(counts, columns, clusters or range(len(said)), bootstrap),
    )


def score_rows(
    rows: Sequence[Instruction],
    answers: Sequence[str],
    *,
    duplicates: Weighting = "as-released",
    meteor: MeteorMethod = "approximation",
    bootstrap: BootstrapConfig | None = None,
) -> TextReport:
    """Score `answers[i]` against `rows[i].answer` by level and by task; intervals resample source videos.

    Raises:
        InputError: when there are no rows or the lengths differ.
        MissingPartError: as `score`.
    """
    if not rows or len(rows) != len(answers):
        raise InputError(f"{len(answers)} answers for {len(rows)} rows: give one for each, one at least.")
    groups = {}
    judged = {}
    for name, members in grouped(counted(rows, answers, duplicates)).items():
        said = [answer for _, answer in members]
        meant = [row.answer for row, _ in members]
        videos = [source_video(row) for row, _ in members]
        groups[name] = score(said, meant, meteor=meteor, bootstrap=bootstrap, clusters=videos)
        if name.endswith("judgement"):
            judged[name] = judgement_metrics(said, meant, clusters=videos, bootstrap=bootstrap)
    alike = len({(row.video, row.task, row.answer) for row in rows})
    exact = len({(row.video, row.task, row.prompt, row.answer) for row in rows})
    return TextReport(duplicates, len(rows) - alike, len(rows) - exact, groups, judged)


def counted(
    rows: Sequence[Instruction], answers: Sequence[str], duplicates: Weighting
) -> list[tuple[Instruction, str]]:
    """The rows that count, with their answers: all, or the first of each video, task and reference."""
    pairs = list(zip(rows, answers, strict=True))
    if duplicates == "as-released":
        return pairs
    first: dict[tuple[str, str, str], tuple[Instruction, str]] = {}
    for row, answer in pairs:
        first.setdefault((row.video, row.task, row.answer), (row, answer))
    return list(first.values())


def source_video(row: Instruction) -> str:
    """The video a row is about, whichever part of it it asks for; its path where that follows no law."""
    from holmesvau.hivau import layout

    try:
        return layout.parse(row.video).whole().path
    except InputError:
        return row.video


def grouped(kept: Sequence[tuple[Instruction, Value]]) -> dict[str, list[tuple[Instruction, Value]]]:
    """`all`, each level, each task and each `level task` that has rows, with its members."""
    names = ["all", *LEVELS, *TASKS, *(f"{level} {task}" for level in LEVELS for task in TASKS)]
    groups: dict[str, list[tuple[Instruction, Value]]] = {name: [] for name in names}
    for row, value in kept:
        for name in ("all", row.level, row.task, f"{row.level} {row.task}"):
            groups[name].append((row, value))
    return {name: members for name, members in groups.items() if members}


def _intervals(
    counts: FloatArray,
    columns: Mapping[str, FloatArray],
    clusters: Sequence[Hashable],
    bootstrap: BootstrapConfig | None,
) -> dict[str, Interval]:
    """Sums by cluster are resampled: what a pair is worth, CIDEr's rarity included, stays as it is."""
    if bootstrap is None or bootstrap.resamples == 0:
        return {}
    numbers = {cluster: number for number, cluster in enumerate(dict.fromkeys(clusters))}
    table = np.column_stack([counts, np.ones(len(counts)), *columns.values()])
    sums = np.zeros((len(numbers), table.shape[1]))
    np.add.at(sums, [numbers[cluster] for cluster in clusters], table)

    def figures(weights: CountArray) -> tuple[float, ...]:
        drawn: FloatArray = weights.astype(np.float64) @ sums
        bleu = ngrams.bleu(drawn[: counts.shape[1]])
        return (
            *bleu.tolist(),
            float(bleu.sum()),
            *(drawn[counts.shape[1] + 1 :] / drawn[counts.shape[1]]).tolist(),
        )

    resampled = statistics(figures, len(numbers), bootstrap)
    names = ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "bleu_sum", *columns]
    found = {name: interval(resampled[:, place], bootstrap) for place, name in enumerate(names)}
    return {name: between for name, between in found.items() if between is not None}
