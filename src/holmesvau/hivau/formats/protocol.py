"""What a format must be able to do, and what all of them share: checked values and one file a video."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from holmesvau.errors import InputError, OutputError
from holmesvau.hivau.files import read_text
from holmesvau.hivau.problems import Findings
from holmesvau.hivau.schema import VideoAnnotation
from holmesvau.types import Span

Annotations = Mapping[str, VideoAnnotation]

# What segments of normal videos are called where a format wants a name.
NORMAL = "Normal"
# What clips are called where events are called by their class.
CLIP = "clip"


class Format(Protocol):
    """One exchange format.

    `suffix` is the ending of its files; with `folder`, there is one for each video, in a folder. `losses` are
    sentences on what it cannot hold, and `kept` says the same by doing it: writing and reading a video gives
    `kept(video)`, no more and no less.
    """

    @property
    def suffix(self) -> str: ...
    @property
    def folder(self) -> bool: ...
    @property
    def losses(self) -> tuple[str, ...]: ...

    def kept(self, video: VideoAnnotation) -> VideoAnnotation:
        """The video as it comes back."""
        ...

    def write(self, annotations: Annotations, path: Path) -> None:
        """Write all videos.

        Raises:
            InputError: when a video cannot be expressed.
            OutputError: when the file or folder cannot be written.
        """
        ...

    def read(self, path: Path, findings: Findings) -> dict[str, VideoAnnotation]:
        """Read all videos; what has to be left out goes to `findings`.

        Raises:
            InputError: when this is not such a file, or part of it is unusable and nobody collects.
            MissingPartError: when a library that reads it is not installed.
        """
        ...


def classes(video: VideoAnnotation) -> tuple[str, ...]:
    """The anomaly classes of a video, each once.

    Raises:
        InputError: when one has a name that formats use for something else.
    """
    for label in video.labels:
        if label in (NORMAL, CLIP):
            raise InputError(
                f"{video.name}: an anomaly class is called {label!r}, which stands for "
                f"{'what is normal' if label == NORMAL else 'clips'} in exchange formats. Rename it."
            )
    return tuple(dict.fromkeys(video.labels))


def joined(labels: Iterable[str]) -> str:
    """Several labels as one text, with semicolons between them; `parted` undoes it."""
    listed, target = list(labels), io.StringIO(newline="")
    spaced = any(label != label.strip() for label in listed)
    # Spaces after a semicolon are a person's, unless they stand in quotes.
    quoting: Literal[0, 1] = csv.QUOTE_ALL if spaced else csv.QUOTE_MINIMAL
    csv.writer(target, delimiter=";", lineterminator="", quoting=quoting).writerow(listed)
    return target.getvalue()


def parted(labels: str) -> tuple[str, ...]:
    """The labels in a text that `joined`, or a person, wrote."""
    try:
        return tuple(next(csv.reader([labels], delimiter=";", skipinitialspace=True), ()))
    except csv.Error:
        return (labels,)


def read_json(path: Path) -> Any:
    """The value that a JSON file holds.

    Raises:
        InputError: when it cannot be read or is not JSON; the message has the line.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not JSON from column {error.colno} on.") from error
    except RecursionError as error:
        raise InputError(f"{path}: lists within lists without end.") from error


def dump_json(value: Any) -> str:
    """Text of a JSON file, for people to look into as well."""
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def mapping(value: Any, where: str) -> dict[str, Any]:
    """`value` if it is an object.

    Raises:
        InputError: when it is not.
    """
    if not isinstance(value, dict):
        raise InputError(f"{where}: an object belongs here, not {_shown(value)}.")
    return value


def sequence(value: Any, where: str) -> list[Any]:
    """`value` if it is a list.

    Raises:
        InputError: when it is not.
    """
    if not isinstance(value, list):
        raise InputError(f"{where}: a list belongs here, not {_shown(value)}.")
    return value


def text(value: Any, where: str) -> str:
    """`value` if it is text; "" for null.

    Raises:
        InputError: when it is something else.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(f"{where}: text belongs here, not {_shown(value)}.")
    return value


def number(value: Any, where: str) -> Any:
    """`value` if it is a finite number that is not negative.

    Raises:
        InputError: when it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise InputError(f"{where}: a number of 0 or more belongs here, not {_shown(value)}.")
    return value


def whole(value: Any, where: str) -> int:
    """`value` if it is a whole number that is not negative.

    Raises:
        InputError: when it is not.
    """
    if number(value, where) != int(value):
        raise InputError(f"{where}: a whole number belongs here, not {_shown(value)}.")
    return int(value)


def span(value: Any, where: str) -> Span:
    """`[start, end]` in seconds.

    Raises:
        InputError: when it is not.
    """
    bounds = sequence(value, where)
    if len(bounds) != 2:
        raise InputError(f"{where}: [start, end] belongs here, not {_shown(value)}.")
    start, end = (number(bound, where) for bound in bounds)
    if end < start:
        raise InputError(f"{where}: {start} to {end} s ends before it starts.")
    return Span(start, end)


def _shown(value: Any) -> str:
    printed = repr(value)
    return printed if len(printed) <= 60 else f"{printed[:59]}…"


def write_each(
    annotations: Annotations, folder: Path, suffix: str, write: Callable[[Path, VideoAnnotation], object]
) -> None:
    """One file a video in `folder`, made where it is missing: `write(path, video)` for each.

    Raises:
        InputError: when a video's name cannot be a file's, or `folder` is a file.
        OutputError: when the folder cannot be made.
    """
    for name in annotations:
        if not name or "/" in name or "\0" in name or name.startswith("."):
            raise InputError(f"{name!r}: this name of a video cannot be the name of a file.")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: a file; one file a video is written, so give the name of a folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: the folder cannot be made ({error.strerror or error}).") from error
    for name, video in annotations.items():
        write(folder / f"{name}{suffix}", video)


def each(path: Path, suffix: str) -> Iterator[tuple[str, Path]]:
    """The videos' names and files: of a folder, by name, or the one file that `path` is.

    Raises:
        InputError: when there are none.
    """
    if path.is_file():
        yield path.name.removesuffix(suffix), path
        return
    found = sorted(path.glob(f"*{suffix}")) if path.is_dir() else []
    if not found:
        raise InputError(f"{path}: no {suffix} files there. Give such a file or a folder of them.")
    for file in found:
        yield file.name.removesuffix(suffix), file
