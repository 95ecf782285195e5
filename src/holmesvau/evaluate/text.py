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

from holmesvau.errors import InputError
from holmesvau.evaluate import judgements, meteor_reference, pairs
from holmesvau.evaluate.judgements import JudgementDifferences, JudgementMetrics
from holmesvau.evaluate.meteor import APPROXIMATION, REFERENCE, MeteorMethod
from holmesvau.evaluate.pairs import FIGURES, Pairs
from holmesvau.evaluate.resampling import BootstrapConfig, Difference, Interval, difference, interval
from holmesvau.hivau.schema import LEVELS, TASKS, Instruction
from holmesvau.types import FloatArray

Weighting = Literal["as-released", "once"]
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class TextScores:
    """`bleu` is BLEU-1..4 and `bleu_sum` their sum; `meteor_method` says which METEOR `meteor` is.

    `intervals` has an entry for `bleu_1` … `bleu_4`, `bleu_sum`, `cider`, `rouge_l` and `meteor` when a
    bootstrap was wanted.
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


@dataclass(frozen=True, slots=True)
class TextDifferences:
    """Run A minus run B on the same pairs and the same resamples, by the names of `TextScores.intervals`."""

    pairs: int
    clusters: int
    meteor_method: str
    figures: Mapping[str, Difference]


@dataclass(frozen=True, slots=True)
class TextComparison:
    """Run A minus run B on the same rows; groups and `duplicates` are those of `TextReport`."""

    duplicates: Weighting
    groups: Mapping[str, TextDifferences]
    judgements: Mapping[str, JudgementDifferences]


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
        MissingPartError, ModelError: when the reference METEOR is wanted and not installed, or fails.
    """
    found = pairs.measured(hypotheses, references, meteor)
    return _scores(found, _clusters(clusters, len(found)), bootstrap)


def compare(
    hypotheses_a: Sequence[str],
    hypotheses_b: Sequence[str],
    references: Sequence[str | Sequence[str]],
    *,
    meteor: MeteorMethod = "approximation",
    bootstrap: BootstrapConfig | None = None,
    clusters: Sequence[Hashable] | None = None,
) -> TextDifferences:
    """Is run A better than run B? A paired bootstrap over clusters of the difference in every figure.

    Raises:
        InputError: as `score`, and when no resamples are wanted.
        MissingPartError, ModelError: as `score`.
    """
    first, second = (pairs.measured(said, references, meteor) for said in (hypotheses_a, hypotheses_b))
    return _differences(first, second, _clusters(clusters, len(first)), bootstrap)


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
        MissingPartError, ModelError: as `score`.
    """
    kept, found = _rows(rows, answers, duplicates, meteor)
    videos = [source_video(row) for row, _ in kept]
    groups = {}
    judged = {}
    for name, places in _places(kept).items():
        of = [videos[place] for place in places]
        groups[name] = _scores(found.only(places), of, bootstrap)
        if name.endswith("judgement"):
            said, meant = [kept[place][1] for place in places], [kept[place][0].answer for place in places]
            judged[name] = judgements.judgement_metrics(said, meant, clusters=of, bootstrap=bootstrap)
    alike = len({(row.video, row.task, row.answer) for row in rows})
    exact = len({(row.video, row.task, row.prompt, row.answer) for row in rows})
    return TextReport(duplicates, len(rows) - alike, len(rows) - exact, groups, judged)


def compare_rows(
    rows: Sequence[Instruction],
    answers_a: Sequence[str],
    answers_b: Sequence[str],
    *,
    duplicates: Weighting = "as-released",
    meteor: MeteorMethod = "approximation",
    bootstrap: BootstrapConfig | None = None,
) -> TextComparison:
    """`compare` of two runs' answers to the same rows, by level and by task, resampling source videos.

    Raises:
        InputError: as `score_rows`, and when no resamples are wanted.
        MissingPartError, ModelError: as `score`.
    """
    (kept, first), (others, second) = (
        _rows(rows, answers, duplicates, meteor) for answers in (answers_a, answers_b)
    )
    groups = {}
    judged = {}
    for name, places in _places(kept).items():
        of = [source_video(kept[place][0]) for place in places]
        groups[name] = _differences(first.only(places), second.only(places), of, bootstrap)
        if name.endswith("judgement"):
            judged[name] = judgements.compare(
                [kept[place][1] for place in places],
                [others[place][1] for place in places],
                [kept[place][0].answer for place in places],
                clusters=of,
                bootstrap=bootstrap,
            )
    return TextComparison(duplicates, groups, judged)


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


def _rows(
    rows: Sequence[Instruction], answers: Sequence[str], duplicates: Weighting, meteor: MeteorMethod
) -> tuple[list[tuple[Instruction, str]], Pairs]:
    """The rows that count with their answers, split and counted once for all groups."""
    if not rows or len(rows) != len(answers):
        raise InputError(f"{len(answers)} answers for {len(rows)} rows: give one for each, one at least.")
    kept = counted(rows, answers, duplicates)
    return kept, pairs.measured([text for _, text in kept], [row.answer for row, _ in kept], meteor)


def _places(kept: Sequence[tuple[Instruction, str]]) -> dict[str, list[int]]:
    """Where the rows of each group are."""
    members = grouped([(row, place) for place, (row, _) in enumerate(kept)])
    return {name: [place for _, place in some] for name, some in members.items()}


def _clusters(given: Sequence[Hashable] | None, count: int) -> Sequence[Hashable]:
    if given is None:
        return range(count)
    if len(given) != count:
        raise InputError(f"{len(given)} clusters for {count} hypotheses: give one for each.")
    return given


def _scores(found: Pairs, clusters: Sequence[Hashable], bootstrap: BootstrapConfig | None) -> TextScores:
    columns = found.columns()
    values = dict(zip(FIGURES, pairs.figures(columns.sum(0)).tolist(), strict=True))
    spread = {}
    if bootstrap is not None and bootstrap.resamples:
        (drawn,) = pairs.resampled([columns], clusters, bootstrap)
        between = {name: interval(drawn[:, place], bootstrap) for place, name in enumerate(FIGURES)}
        spread = {name: found for name, found in between.items() if found is not None}
    return TextScores(
        bleu=(values["bleu_1"], values["bleu_2"], values["bleu_3"], values["bleu_4"]),
        bleu_sum=values["bleu_sum"],
        cider=values["cider"],
        meteor=values["meteor"],
        rouge_l=values["rouge_l"],
        pairs=len(found),
        meteor_method=_meteor_method(found),
        intervals=spread,
    )


def _differences(
    first: Pairs, second: Pairs, clusters: Sequence[Hashable], bootstrap: BootstrapConfig | None
) -> TextDifferences:
    config = bootstrap or BootstrapConfig()
    if config.resamples == 0:
        raise InputError("A paired test needs resamples: give more than 0.")
    columns = [first.columns(), second.columns()]
    a, b = (pairs.figures(table.sum(0)) for table in columns)
    drawn_a, drawn_b = pairs.resampled(columns, clusters, config)
    gap: FloatArray = drawn_a - drawn_b
    found = {
        name: difference(float(a[place] - b[place]), gap[:, place], config)
        for place, name in enumerate(FIGURES)
    }
    return TextDifferences(len(first), len(set(clusters)), _meteor_method(first), found)


def _meteor_method(found: Pairs) -> str:
    return REFERENCE if found.meteor.shape[1] == meteor_reference.COUNTS else APPROXIMATION
