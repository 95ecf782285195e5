"""Our rows beside the published ones, as Markdown, LaTeX, CSV or JSON (the paper's Tables 1 to 4)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from holmesvau.errors import InputError
from holmesvau.evaluate.meteor import REFERENCE
from holmesvau.evaluate.published import (
    CAPTIONS,
    COLUMNS,
    DECIMALS,
    LEVELS_SHOWN,
    NOTES,
    ROWS,
    Number,
    Row,
)
from holmesvau.hivau.files import read_text

Form = Literal["markdown", "latex", "csv", "json"]
OURS = "ours"


@dataclass(frozen=True, slots=True)
class Table:
    """Published rows and ours; `notes` say what our figures leave out or name differently."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    decimals: tuple[int, ...]
    notes: tuple[str, ...] = ()

    def render(self, form: Form, *, intervals: bool = False) -> str:
        """The table as text, ending in a newline; our figures with `intervals` if wanted (JSON has them)."""
        return _FORMS[form](self, intervals)


# A figure and its interval.
Figure = tuple[float | None, tuple[float, float] | None]


def detection_table(
    name: str, *, ucf: Mapping[str, Any] | None = None, xd: Mapping[str, Any] | None = None
) -> Table:
    """Table 1 with three rows of ours, from the JSON of `eval detection` on either test set, or on both.

    The paper's "on the video level" may mean frames of all videos together, the mean over videos, or one
    score a video: there is a row for each.
    """
    readings = (
        ("all frames", ("frames",)),
        ("mean over videos", ("macro",)),
        ("one score a video", ("video_level", "maximum")),
    )
    rows = [
        _ours(f"{name}, {what}", [_percent(xd, (*path, "ap")), _percent(ucf, (*path, "auc"))])
        for what, path in readings
    ]
    notes = [
        f"{of}: {note}" for of, report in (("XD-Violence", xd), ("UCF-Crime", ucf)) for note in _left(report)
    ]
    return _table("1", rows, notes)


def text_table(name: str, report: Mapping[str, Any]) -> Table:
    """Table 2 with our row, from the JSON of `eval text`.

    A METEOR that is not the published metric gets a note.
    """
    groups = _at(report, ("groups",))
    figures = [
        _text(groups, level, key)
        for key in ("bleu_sum", "cider", "meteor", "rouge_l")
        for level in LEVELS_SHOWN
    ]
    methods = {_at(group, ("meteor_method",)) for group in groups.values()}
    notes = [f"Our METEOR is a {method}." for method in sorted(methods - {REFERENCE})]
    notes += [f"Repeated rows count {_at(report, ('duplicates',))}.", *_left(report)]
    return _table("2", [_ours(name, figures)], notes)


def study_table(name: str, number: Number, report: Mapping[str, Any]) -> Table:
    """Table 3 or 4 with a row of ours for each cell, from the JSON of `eval ablation`.

    Raises:
        InputError: when the report is of a study that repeats another table.
    """
    if _at(report, ("table",)) != number:
        raise InputError(
            f"The report is of the study {_at(report, ('study',))}, which is not Table {number}."
        )
    rows = []
    for cell in _at(report, ("cells",)):
        text = _at(cell, ("text",))
        levels = LEVELS_SHOWN if number == "3" else ("video",)
        figures = [_text(text, level, key) for key in ("bleu_sum", "cider") for level in levels]
        if number == "4":
            figures.append((_at(cell, ("latency", "first_word")), None))
        rows.append(_ours(f"{name}, {_at(cell, ('name',))}", figures))
    notes = list(_at(report, ("notes",)))
    if number == "4":
        scans = {_at(cell, ("latency", "scan_per_minute")) for cell in _at(report, ("cells",))} - {None}
        if scans:
            notes.append(
                f"Our dense scan, left out of the latency, takes {max(scans):.2f} s for a minute of video."
            )
    return _table(number, rows, notes)


def published(number: Number) -> Table:
    """A table of the paper without a row of ours."""
    return _table(number, [], [])


def load_report(path: str | Path) -> dict[str, Any]:
    """The JSON that `holmesvau eval detection`, `text` or `ablation` printed with `--json`.

    Raises:
        InputError: when the file cannot be read or is not that.
    """
    try:
        report = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}:{error.lineno}: not JSON ({error.msg}). Give a report of --json."
        ) from error
    if not isinstance(report, dict) or not ({"frames", "groups", "cells"} & report.keys()):
        raise InputError(f"{path}: not a report of `holmesvau eval detection`, `text` or `ablation --json`.")
    return report


def _table(number: Number, ours: Sequence[Row], notes: Sequence[str]) -> Table:
    rows = (*ROWS[number], *ours)
    given = DECIMALS[number]
    decimals = tuple(given[min(place, len(given) - 1)] for place in range(len(COLUMNS[number])))
    return Table(CAPTIONS[number], COLUMNS[number], rows, decimals, (*NOTES.get(number, ()), *notes))


def _ours(name: str, figures: Sequence[Figure]) -> Row:
    return Row(name, tuple(value for value, _ in figures), OURS, tuple(between for _, between in figures))


def _text(groups: Mapping[str, Any], level: str, key: str) -> Figure:
    if level not in groups:
        return None, None
    return _at(groups, (level, key)), _between(groups[level].get("intervals", {}).get(key))


def _percent(report: Mapping[str, Any] | None, path: Sequence[str]) -> Figure:
    value = None if report is None else _at(report, path)
    if report is None or value is None:
        return None, None
    return 100 * value, _between(_at(report, path[:-1]).get(f"{path[-1]}_interval"), 100)


def _between(found: Mapping[str, float] | None, factor: float = 1) -> tuple[float, float] | None:
    return None if not found else (factor * found["low"], factor * found["high"])


def _left(report: Mapping[str, Any] | None) -> list[str]:
    if report is None:
        return []
    used, wanted = _at(report, ("coverage", "used")), _at(report, ("coverage", "wanted"))
    return [f"{used} of {wanted} are scored, the others were left out."] if used != wanted else []


def _at(report: Any, path: Sequence[str]) -> Any:
    for key in path:
        if not isinstance(report, Mapping) or key not in report:
            raise InputError(
                f"The report has no {'.'.join(path)}: is it of another command, or an older one?"
            )
        report = report[key]
    return report


def _cells(table: Table, row: Row, intervals: bool) -> list[str]:
    cells = []
    spread = row.intervals if intervals and row.intervals else (None,) * len(row.figures)
    for value, between, decimals in zip(row.figures, spread, table.decimals, strict=True):
        text = "—" if value is None else f"{value:.{decimals}f}"
        if between is not None:
            text += f" [{between[0]:.{decimals}f}, {between[1]:.{decimals}f}]"
        cells.append(text)
    return cells


def _markdown(table: Table, intervals: bool) -> str:
    lines = [
        table.caption,
        "",
        f"| method | {' | '.join(table.columns)} | source |",
        f"|---|{'---:|' * len(table.columns)}---|",
    ]
    for row in table.rows:
        cells = " | ".join(_cells(table, row, intervals))
        method = f"**{row.method}**" if row.source == OURS else row.method
        lines.append(f"| {method} | {cells} | {row.source} |")
    return "\n".join([*lines, *(f"\n{note}" for note in table.notes)]) + "\n"


def _latex(table: Table, intervals: bool) -> str:
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_escaped(table.caption)}}}",
        rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
        r"\hline",
        " & ".join(["Method", *map(_escaped, table.columns)]) + r" \\",
        r"\hline",
    ]
    previous = "paper"
    for row in table.rows:
        if row.source != previous:
            lines.append(r"\hline")
        previous = row.source
        cells = [cell.replace("—", "--") for cell in _cells(table, row, intervals)]
        lines.append(" & ".join([_escaped(row.method), *cells]) + r" \\")
    lines += [
        r"\hline",
        r"\end{tabular}",
        *(rf"\par {_escaped(note)}" for note in table.notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _csv(table: Table, intervals: bool) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    bounds = [f"{column} {bound}" for column in table.columns for bound in ("low", "high")]
    writer.writerow(["method", *table.columns, "source", *(bounds if intervals else [])])
    for row in table.rows:
        places = zip(row.figures, table.decimals, strict=True)
        values = ["" if value is None else round(value, decimals + 2) for value, decimals in places]
        spread = row.intervals or (None,) * len(row.figures)
        ends = [end for between in spread for end in (between or ("", ""))]
        writer.writerow([row.method, *values, row.source, *(ends if intervals else [])])
    return text.getvalue()


def _json(table: Table, intervals: bool) -> str:
    rows: list[dict[str, Any]] = []
    for row in table.rows:
        figures = dict(zip(table.columns, row.figures, strict=True))
        rows.append({"method": row.method, "source": row.source, "figures": figures})
        if row.intervals:
            rows[-1]["intervals"] = dict(zip(table.columns, row.intervals, strict=True))
    document = {"caption": table.caption, "rows": rows, "notes": list(table.notes)}
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "—": "--"}
_SPECIAL |= {character: f"\\{character}" for character in "&%$#_{}"}


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in text)


_FORMS: dict[Form, Callable[[Table, bool], str]] = {
    "markdown": _markdown,
    "latex": _latex,
    "csv": _csv,
    "json": _json,
}
