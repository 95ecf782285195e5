"""The findings of `holmesvau data` as tables for people, on standard output."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from holmesvau.hivau.checks import CheckReport
    from holmesvau.hivau.schema import Level
    from holmesvau.hivau.statistics import Statistics

EXAMPLES = 3
STYLES = {"error": "bold red", "warning": "yellow", "note": ""}


def print_check(report: CheckReport, every: bool) -> None:
    """How many findings of each kind, then the first of each with their places, or all of them."""
    from rich.text import Text

    from holmesvau.hivau.problems import counted

    console = _console()
    console.print(", ".join(f"{number:,} {what}" for what, number in report.counts.items()))
    table = _table("", "severity", "kind", "found", *(["mended"] if report.written else []))
    for kind, found in report.by_kind().items():
        mended = [str(sum(problem.mended for problem in found))] if report.written else []
        severity = found[0].severity
        table.add_row(Text(severity, STYLES[severity]), kind, str(len(found)), *mended)
    if report.problems:
        console.print(table)
    for kind, found in report.by_kind().items():
        console.print(f"\n{kind}")
        for problem in found if every else found[:EXAMPLES]:
            console.print(f"  {problem}{' (mended)' if problem.mended else ''}")
        if len(found) > EXAMPLES and not every:
            console.print(f"  … and {len(found) - EXAMPLES} more (--all)")
    console.print(f"\n{counted(report.problems)}")
    for path in report.written:
        console.print(f"wrote {path}")


def print_stats(found: Statistics) -> None:
    """Counts, spreads and labels of a dataset."""
    console = _console()
    if found.annotated:
        console.print(_annotations(found), "")
    if found.rows:
        console.print(_rows(found), "")
    for title, values in (
        ("Seconds a span", found.seconds),
        ("Words an annotation", found.words),
        ("Words an answer", found.answers),
    ):
        if any(values.values()):
            console.print(_spreads(title, values), "")
    labels = _table("Videos by label", "label", "videos")
    for label, count in found.labels.most_common():
        labels.add_row(label, f"{count:,}")
    console.print(labels)


def _annotations(found: Statistics) -> Table:
    from holmesvau.hivau.schema import LEVELS

    table = _table("Annotations", "source", *(f"{level}s" for level in LEVELS))
    for dataset in sorted({dataset for dataset, _ in found.annotated}):
        table.add_row(dataset, *(f"{found.annotated[dataset, level]:,}" for level in LEVELS))
    return table


def _rows(found: Statistics) -> Table:
    datasets = sorted({dataset for dataset, _, _ in found.rows})
    table = _table("Instruction rows", "level and task", *(dataset or "other" for dataset in datasets), "all")
    sums = dict.fromkeys(datasets, 0)
    for level, task in dict.fromkeys((level, task) for _, level, task in found.rows):
        counts = {dataset: found.rows[dataset, level, task] for dataset in datasets}
        table.add_row(f"{level} {task}", *(f"{n:,}" for n in counts.values()), f"{sum(counts.values()):,}")
        sums = {dataset: sums[dataset] + counts[dataset] for dataset in datasets}
    table.add_row("all", *(f"{count:,}" for count in sums.values()), f"{sum(sums.values()):,}")
    return table


def _spreads(title: str, values: Mapping[Level, Sequence[float]]) -> Table:
    from holmesvau.hivau.schema import LEVELS
    from holmesvau.hivau.statistics import Spread

    table = _table(title, "level", "count", "mean", "least", "quarter", "median", "3 quarters", "most")
    for level in LEVELS:
        spread = Spread.of(values[level])
        if spread is not None:
            count, *numbers = dataclasses.astuple(spread)
            table.add_row(level, f"{count:,}", *(f"{number:,.1f}" for number in numbers))
    return table


def _table(title: str, *columns: str) -> Table:
    """A table without lines: what is not a number stands left, numbers right."""
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        is_text = number == 0 or column == "kind"
        table.add_column(column, justify="left" if is_text else "right")
    return table


def _console() -> Console:
    from rich.console import Console

    return Console(file=sys.stdout, soft_wrap=True, highlight=False, markup=False, emoji=False)
