"""The share of the references' facts that answers state, by kind of fact and by group of rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from holmesvau.errors import InputError
from holmesvau.evaluate.facts.judge import KINDS, Fact, Failure, Judge, Verdict
from holmesvau.evaluate.resampling import BootstrapConfig, CountArray, Interval, interval, statistics
from holmesvau.evaluate.text import grouped, source_video
from holmesvau.hivau.problems import Problem
from holmesvau.hivau.schema import Instruction


@dataclass(frozen=True, slots=True)
class FactScores:
    """Of `facts` facts in the references of `rows` rows, the shares that the answers state and contradict.

    NaN without facts. The intervals resample source videos.
    """

    rows: int
    facts: int
    stated: float
    contradicted: float
    stated_interval: Interval | None = None
    contradicted_interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class FactReport:
    """Figures of all rows, each level, each task (`groups`), and of each kind of fact (`kinds`).

    `left_out` are the ids of rows without a usable reply of the judge, `problems` say why.
    """

    groups: Mapping[str, FactScores]
    kinds: Mapping[str, FactScores]
    wanted: int
    left_out: tuple[str, ...]
    failures: Mapping[str, int]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    """A judged row: its video, and of each fact its kind and verdict."""

    video: str
    judged: tuple[tuple[str, Verdict], ...]


def score_rows(
    rows: Sequence[Instruction],
    answers: Sequence[str],
    judge: Judge,
    *,
    bootstrap: BootstrapConfig | None = None,
) -> FactReport:
    """Have `judge` list the facts of each row's reference and check them in `answers[i]`.

    Raises:
        InputError: when there are no rows or the lengths differ.
        ModelError: when the judge cannot be asked.
    """
    if not rows or len(rows) != len(answers):
        raise InputError(f"{len(answers)} answers for {len(rows)} rows: give one for each, one at least.")
    references = list(dict.fromkeys(row.answer for row in rows))
    listed = dict(zip(references, judge.extract(references), strict=True))
    failed: dict[int, Failure] = {}
    usable: list[int] = []
    facts: list[tuple[Fact, ...]] = []
    for number, row in enumerate(rows):
        found = listed[row.answer]
        if isinstance(found, Failure):
            failed[number] = found
        else:
            usable.append(number)
            facts.append(found)
    judged: dict[int, _Row] = {}
    checked = judge.check(facts, [answers[number] for number in usable])
    for number, some, verdicts in zip(usable, facts, checked, strict=True):
        if isinstance(verdicts, Failure):
            failed[number] = verdicts
        else:
            kinds = [fact.kind for fact in some]
            judged[number] = _Row(source_video(rows[number]), tuple(zip(kinds, verdicts, strict=True)))
    members = grouped([(row, number) for number, row in enumerate(rows)])
    groups = {
        name: [judged[number] for _, number in some if number in judged] for name, some in members.items()
    }
    every = list(judged.values())
    by_kind = {kind: [_only(row, kind) for row in every] for kind in KINDS}
    return FactReport(
        groups={name: _scores(some, bootstrap) for name, some in groups.items()},
        kinds={
            kind: _scores([row for row in some if row.judged], bootstrap) for kind, some in by_kind.items()
        },
        wanted=len(rows),
        left_out=tuple(str(rows[number].id) for number in sorted(failed)),
        failures=dict(Counter(failure.kind for failure in failed.values())),
        problems=tuple(
            Problem(f"judge-{failed[n].kind}", "error", f"row {rows[n].id}", failed[n].message)
            for n in sorted(failed)
        ),
    )


def _only(row: _Row, kind: str) -> _Row:
    return _Row(row.video, tuple(pair for pair in row.judged if pair[0] == kind))


def _scores(rows: Sequence[_Row], bootstrap: BootstrapConfig | None) -> FactScores:
    numbers = {video: number for number, video in enumerate(dict.fromkeys(row.video for row in rows))}
    # By video: facts, stated, contradicted.
    tally = np.zeros((len(numbers), 3), np.int64)
    for row in rows:
        verdicts = [verdict for _, verdict in row.judged]
        tally[numbers[row.video]] += (
            len(verdicts), verdicts.count("stated"), verdicts.count("contradicted"),
        )  # fmt: skip
    facts, stated, contradicted = tally.sum(0).tolist()
    spread: list[Interval | None] = [None, None]
    if bootstrap is not None and bootstrap.resamples and facts:

        def figures(weights: CountArray) -> tuple[float, ...]:
            drawn = (weights @ tally).tolist()
            return _share(drawn[1], drawn[0]), _share(drawn[2], drawn[0])

        resampled = statistics(figures, len(numbers), bootstrap)
        spread = [interval(resampled[:, place], bootstrap) for place in range(2)]
    return FactScores(len(rows), facts, _share(stated, facts), _share(contradicted, facts), *spread)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
