"""CSV: one line for each video, event and clip (RFC 4180, UTF-8, a head line). Nothing is lost.

Of a table made elsewhere the columns `video`, `start` and `end` are needed; a line without `level` is an
event, and events without numbers are numbered as they come. `labels` are separated by semicolons.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holmesvau.errors import InputError
from holmesvau.hivau.files import read_text, write_text
from holmesvau.hivau.formats.protocol import Annotations, joined, number, parted, whole
from holmesvau.hivau.formats.rows import COLUMNS, TEXTS, Row, flatten, gather
from holmesvau.hivau.problems import Findings
from holmesvau.hivau.schema import LEVELS, Level, VideoAnnotation

# Captions and analyses are longer than the reader's own limit on hostile files.
_LONGEST_CELL = 1 << 24


@dataclass(frozen=True, slots=True)
class Csv:
    """See the module."""

    suffix: str = ".csv"
    folder: bool = False
    losses: tuple[str, ...] = ()

    def kept(self, video: VideoAnnotation) -> VideoAnnotation:
        """All of it."""
        return video

    def write(self, annotations: Annotations, path: Path) -> None:
        """One line a row, in the order of the annotations."""
        target = io.StringIO(newline="")
        lines = csv.writer(target)
        lines.writerow(COLUMNS)
        for row in flatten(annotations):
            lines.writerow([_cell(getattr(row, column)) for column in COLUMNS])
        write_text(path, target.getvalue())

    def read(self, path: Path, findings: Findings) -> dict[str, VideoAnnotation]:
        """Rows in any order, of this or a smaller table."""
        return gather(_rows(path, findings))


def _cell(value: Any) -> str:
    if isinstance(value, tuple):
        return joined(value)
    return "" if value is None else str(value)


def _rows(path: Path, findings: Findings) -> Iterator[tuple[str, Row]]:
    # A file's own line ends stay inside quoted cells only when nothing translates them.
    source = io.StringIO(read_text(path), newline="")
    before = csv.field_size_limit(_LONGEST_CELL)
    events: Counter[str] = Counter()
    try:
        lines = csv.DictReader(source, strict=True)
        missing = {"video", "start", "end"} - set(lines.fieldnames or ())
        if missing:
            raise InputError(
                f"{path}: no column {', '.join(sorted(missing))}. A table has at least video, start and end."
            )
        for cells in lines:
            where = f"{path}:{lines.line_num}"
            try:
                row = _row(cells, where, events)
            except InputError as error:
                findings.unusable(cells.get("video") or "", str(error), line=lines.line_num)
                continue
            yield where, row
    except csv.Error as error:
        raise InputError(f"{path}: not a table of comma-separated values ({error}).") from error
    finally:
        csv.field_size_limit(before)


def _row(cells: dict[str, str | None], where: str, events: Counter[str]) -> Row:
    given = {column: cells.get(column) or "" for column in COLUMNS}
    name, level = given["video"], _level(given["level"] or "event", where)
    if not name:
        raise InputError(f"{where}: no video is named.")
    event = _whole(given["event"], where)
    if level == "event" and event is None:
        event = events[name]
    if level == "event":
        events[name] += 1
    clip = _whole(given["clip"], where)
    if level == "clip" and (event is None or clip is None):
        raise InputError(f"{where}: a clip needs the numbers of its event and of itself.")
    return Row(
        video=name,
        level=level,
        event=None if level == "video" else event,
        clip=clip if level == "clip" else None,
        start=_number(given["start"], where),
        end=_number(given["end"], where),
        labels=parted(given["labels"]),
        n_frames=_whole(given["n_frames"], where) or 0,
        fps=_number(given["fps"], where) or 0,
        **{column: given[column] for column in TEXTS},
    )


def _level(value: str, where: str) -> Level:
    for level in LEVELS:
        if value == level:
            return level
    raise InputError(f"{where}: the level is {value!r}; there are {', '.join(LEVELS)}.")


def _number(cell: str, where: str) -> Any:
    """Whole numbers stay whole, so that released files come back to the byte."""
    if not cell.strip():
        return None
    try:
        value = int(cell) if cell.strip().isdecimal() else float(cell)
    except ValueError as error:
        raise InputError(f"{where}: {cell!r} is not a number.") from error
    return number(value, where)


def _whole(cell: str, where: str) -> int | None:
    value = _number(cell, where)
    return None if value is None else whole(value, where)
