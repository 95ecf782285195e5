"""What is odd about a file, as data: the quirks loaders survive and the findings of `data check`."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from holmesvau.errors import InputError

Severity = Literal["note", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("note", "warning", "error")


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding.

    `kind` is a stable name such as `clip-outside-event`; `place` is a video, a row or a file; `file` and the
    1-based `line` say where it is written. `message` is a sentence. `mended` is True when what was loaded, or
    the cleaned copy, differs from what is written so that it is no longer odd.
    """

    kind: str
    severity: Severity
    place: str
    message: str
    file: str = ""
    line: int | None = None
    mended: bool = False

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line is not None else self.file
        return ": ".join(part for part in (where, self.place, self.message) if part)


@dataclass(slots=True)
class Findings:
    """Collects the problems of one file while it is loaded.

    With a `collected` list, an entry that cannot be used is left out and reported there. Without one it
    raises, and everything milder goes to the log as one line when the file has been read.
    """

    file: str
    collected: list[Problem] | None
    found: list[Problem]

    def add(
        self,
        kind: str,
        severity: Severity,
        place: str,
        message: str,
        *,
        line: int | None = None,
        mended: bool = False,
    ) -> None:
        """Report something that was survived."""
        self.found.append(Problem(kind, severity, place, message, self.file, line, mended))

    def unusable(self, place: str, message: str, *, line: int | None) -> None:
        """Report an entry that has to be left out.

        Raises:
            InputError: when nobody collects problems.
        """
        problem = Problem("unusable-entry", "error", place, message, self.file, line)
        if self.collected is None:
            raise InputError(f"{problem} Mend the line, or pass `problems=[]` to load the rest without it.")
        self.found.append(problem)

    def hand_over(self) -> None:
        """Give the problems to whoever asked for them, or one line of them to the log."""
        if self.collected is not None:
            self.collected.extend(self.found)
        elif self.found:
            logging.getLogger(__name__).warning(
                "%s: %s. The first: %s Run `holmesvau data check` for all.",
                self.file,
                counted(self.found),
                self.found[0],
            )


def counted(problems: Sequence[Problem]) -> str:
    """`2 errors, 1 warning`, the most severe first; `no problems` for none."""
    numbers = Counter(problem.severity for problem in problems)
    parts = [f"{numbers[s]} {s}{'s' if numbers[s] > 1 else ''}" for s in reversed(SEVERITIES) if numbers[s]]
    return ", ".join(parts) or "no problems"
