"""Parquet: the rows of `formats.csv` in typed columns. Needs `pip install holmesvau[data]`.

Nothing is lost; whole numbers of seconds come back as decimals of the same value.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holmesvau.errors import InputError, MissingPartError
from holmesvau.hivau.files import write_bytes
from holmesvau.hivau.formats.protocol import Annotations
from holmesvau.hivau.formats.rows import COLUMNS, TEXTS, Row, flatten, gather
from holmesvau.hivau.problems import Findings
from holmesvau.hivau.schema import LEVELS, VideoAnnotation

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Parquet:
    """See the module."""

    suffix: str = ".parquet"
    folder: bool = False
    losses: tuple[str, ...] = ()

    def kept(self, video: VideoAnnotation) -> VideoAnnotation:
        """All of it."""
        return video

    def write(self, annotations: Annotations, path: Path) -> None:
        """One row group for all, compressed."""
        arrow, parquet = _libraries()
        rows = list(flatten(annotations))
        columns = {column: [_plain(getattr(row, column)) for row in rows] for column in COLUMNS}
        table = arrow.table(columns, schema=_schema(arrow))
        target = io.BytesIO()
        parquet.write_table(table, target)
        write_bytes(path, target.getvalue())

    def read(self, path: Path, findings: Findings) -> dict[str, VideoAnnotation]:
        """Rows in any order; the file must have all columns."""
        return gather(_rows(path))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _schema(arrow: Any) -> Any:
    kinds = {
        "event": arrow.int32(),
        "clip": arrow.int32(),
        "start": arrow.float64(),
        "end": arrow.float64(),
        "labels": arrow.list_(arrow.string()),
        "n_frames": arrow.int64(),
        "fps": arrow.float64(),
    }
    return arrow.schema([(column, kinds.get(column, arrow.string())) for column in COLUMNS])


def _rows(path: Path) -> Iterator[tuple[str, Row]]:
    arrow, parquet = _libraries()
    try:
        with parquet.ParquetFile(path) as file:
            missing = set(COLUMNS) - set(file.schema_arrow.names)
            if missing:
                raise InputError(f"{path}: no column {', '.join(sorted(missing))}.")
            number = 0
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=list(COLUMNS)):
                for cells in batch.cast(_schema(arrow)).to_pylist():
                    number += 1
                    yield _row(cells, f"{path}, row {number}")
    except (OSError, arrow.ArrowException) as error:
        raise InputError(f"{path}: not a readable Parquet file of annotations ({error}).") from error


def _row(cells: dict[str, Any], where: str) -> tuple[str, Row]:
    if not cells["video"] or cells["level"] not in LEVELS:
        raise InputError(f"{where}: video {cells['video']!r} and level {cells['level']!r} are not usable.")
    texts = {key: cells[key] or "" for key in TEXTS}
    of_video = {
        "labels": tuple(cells["labels"] or ()),
        "n_frames": cells["n_frames"] or 0,
        "fps": cells["fps"] or 0.0,
    }
    return where, Row(**{**cells, **texts, **of_video})


def _libraries() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingPartError(
            "Parquet files need pyarrow, which is not installed: pip install holmesvau[data]"
        ) from error
    return pyarrow, pyarrow.parquet
