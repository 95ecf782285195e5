"""Predictions as JSONL, of any system (`schemas/*-prediction.schema.json`), matched with the test set.

What does not fit is named, and nothing is dropped silently. Strictly, any of it is an error. Leniently it is
mended where that changes little (`mended`), and what cannot be used is left out and listed with the figure.

Detection, one video a line, scores of dense frames with their frame numbers or times, or of all frames:

    {"video": "Abuse028_x264", "scores": [0.1, …], "index": [0, 16, …], "events": [{"start": 1.5, "end": 4}]}

Text, one row of the instruction file a line:

    {"id": 17, "answer": "An anomaly exists: Arson."}
"""

from __future__ import annotations

import difflib
import json
import math
from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from holmesvau.errors import InputError
from holmesvau.hivau.files import read_text
from holmesvau.hivau.problems import Problem, Severity
from holmesvau.hivau.schema import Instruction

Mode = Literal["strict", "lenient"]
MODES: tuple[Mode, ...] = get_args(Mode)
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a figure is about: `used` of `wanted` videos or rows, those left out, and all that was odd."""

    wanted: int
    used: int
    left_out: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        if not self.left_out:
            return f"all {self.wanted:,}"
        return f"{self.used:,} of {self.wanted:,}, {len(self.left_out):,} left out"


@dataclass(slots=True)
class Complaints:
    """Collects what is odd about one file of predictions."""

    file: str
    found: list[Problem] = field(default_factory=list)

    def add(
        self, kind: str, place: str, message: str, line: int | None = None, *, mended: bool = False
    ) -> None:
        """Report it: a warning where it was mended, otherwise an error."""
        severity: Severity = "warning" if mended else "error"
        self.found.append(Problem(kind, severity, place, message, self.file, line, mended))

    def settle(self, mode: Mode) -> None:
        """Strictly, end here when anything was found.

        Raises:
            InputError: listing how many of each kind, and the first few, with their lines.
        """
        if mode == "strict" and self.found:
            raise InputError(
                f"{self.file}: does not fit the test set ({self._counts()}). Mend it, or take --lenient, "
                f"which says what it leaves out.{self._first()}"
            )

    def nothing_usable(self, what: str) -> InputError:
        """The error to raise when leaving out what is odd leaves nothing; `what` is what a line should be."""
        odd = f" ({self._counts()})" if self.found else ""
        return InputError(f"{self.file}: not one of its lines is {what}{odd}.{self._first()}")

    def _counts(self) -> str:
        kinds = Counter(problem.kind for problem in self.found)
        return ", ".join(f"{count} {kind}" for kind, count in kinds.items())

    def _first(self) -> str:
        first = "".join(f"\n  {problem}" for problem in self.found[:_SHOWN])
        return first + (f"\n  … and {len(self.found) - _SHOWN} more" if len(self.found) > _SHOWN else "")


def shown(value: Any) -> str:
    """A value as the file has it: `null`, `NaN`, `"0.1"`."""
    return json.dumps(value, ensure_ascii=False, default=str)


def lines(path: str | Path, complaints: Complaints) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of a file with their 1-based lines; other lines are complained of.

    Raises:
        InputError: when the file cannot be read.
    """
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (json.JSONDecodeError, RecursionError):
            complaints.add("unreadable-line", "", "The line is not JSON.", number)
            continue
        if isinstance(entry, dict):
            yield number, entry
        else:
            complaints.add("unreadable-line", "", "The line is JSON but not an object.", number)


def load_answers(
    path: str | Path, rows: Sequence[Instruction], *, mode: Mode = "strict"
) -> tuple[list[Instruction], list[str], Coverage]:
    """The rows that have an answer, their answers, and what was odd.

    Leniently, an empty answer counts as the empty text that it is, of several for an id the first counts,
    answers to unknown rows are ignored and rows without an answer are left out.

    Raises:
        InputError: when there are no rows or their ids are not unique, the file cannot be read, no row has an
            answer, or, strictly, anything is odd.
    """
    complaints = Complaints(str(path))
    if not rows:
        raise InputError("The test file has no rows: there is nothing to answer.")
    wanted = {str(row.id): row for row in rows}
    if len(wanted) != len(rows):
        raise InputError(f"{len(rows) - len(wanted)} rows of the test file share their id with another.")
    found: dict[str, str] = {}
    for line, entry in lines(path, complaints):
        name = _text_id(entry, line, complaints)
        if name is None:
            continue
        if name not in wanted:
            unexpected(name, wanted, "row", line, complaints)
        elif name in found:
            message = "A second answer for this id; the first counts."
            complaints.add("duplicate-id", f"row {name}", message, line, mended=True)
        elif not _contradicts(entry, wanted[name], line, complaints):
            answer = _answer(entry, name, line, complaints)
            if answer is not None:
                found[name] = answer
    missing = [name for name in wanted if name not in found]
    for name in missing:
        row = wanted[name]
        message = f"No usable answer ({row.level} {row.task}, {row.video})."
        complaints.add("missing", f"row {name}", message)
    complaints.settle(mode)
    if not found:
        raise complaints.nothing_usable("a usable answer to a row of the test file")
    kept = [row for name, row in wanted.items() if name in found]
    coverage = Coverage(len(rows), len(kept), tuple(missing), tuple(complaints.found))
    return kept, [found[str(row.id)] for row in kept], coverage


def unexpected(
    name: str, wanted: Collection[str] | Mapping[str, object], what: str, line: int, complaints: Complaints
) -> None:
    """Complain of a prediction for something that the test set does not have."""
    near = difflib.get_close_matches(name, list(wanted), n=1, cutoff=0.8) if what == "video" else []
    hint = f" Did you mean {near[0]}?" if near else ""
    complaints.add("extra", f"{what} {name}", f"Not in the test set; ignored.{hint}", line, mended=True)


def is_number(value: Any) -> bool:
    """True for a finite JSON number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _text_id(entry: Mapping[str, Any], line: int, complaints: Complaints) -> str | None:
    value: Hashable = entry.get("id")
    if isinstance(value, int | str) and not isinstance(value, bool):
        return str(value)
    complaints.add("no-id", "", f"Its id is {shown(value)}; a whole number or a text is wanted.", line)
    return None


def _contradicts(entry: Mapping[str, Any], row: Instruction, line: int, complaints: Complaints) -> bool:
    """True when the line tells another video or task than the row of its id: then the ids are wrong."""
    for key, own in (("video", row.video), ("task", row.task)):
        if key in entry and entry[key] != own:
            message = (
                f"Its {key} is {entry[key]!r}, that row's is {own!r}: are these the ids of another file?"
            )
            complaints.add("wrong-id", f"row {row.id}", message, line)
            return True
    return False


def _answer(entry: Mapping[str, Any], name: str, line: int, complaints: Complaints) -> str | None:
    answer = entry.get("answer")
    if not isinstance(answer, str):
        message = f"Its answer is {shown(answer)}; a text is wanted."
        if "answer" not in entry:
            message = f'It has no "answer"; its keys are {", ".join(entry)}.'
        complaints.add("no-answer", f"row {name}", message, line)
        return None
    if not answer.strip():
        message = "The answer is empty; it counts as an empty text."
        complaints.add("empty-answer", f"row {name}", message, line, mended=True)
    return answer
