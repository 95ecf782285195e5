"""Everything a model is asked and says, as JSON lines: what was recorded once can be had again without it.

{"prompt": "You check …", "answer": "{\\"facts\\": …}", "judge": "qwen3-8b"}

Pictures stand in it by their hashes. Several processes may append to one file.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from holmesvau.errors import InputError, OutputError

log = logging.getLogger(__name__)

_CHUNK = 1 << 16


class Record:
    """The entries of a file by what was asked; where one stands twice, the first counts.

    Raises:
        InputError: when the file is there and cannot be read, or a line of it is no entry. The last line
            alone may be cut off, by a process that was stopped: it is not used, and `keep` takes it away.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._known: dict[tuple[str, tuple[str, ...]], dict[str, Any]] = {}
        if self.path.exists():
            self._read()

    def __len__(self) -> int:
        return len(self._known)

    def find(self, prompt: str, pictures: Sequence[str] = ()) -> dict[str, Any] | None:
        """The entry of a prompt, with the hashes of its pictures; None where there is none."""
        return self._known.get((prompt, tuple(pictures)))

    def keep(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Append entries (`prompt`, `answer`, maybe `pictures`, and what else is to be known); they are on
        the disk when this returns.

        Raises:
            OutputError: when the file cannot be written.
        """
        fresh = [dict(entry) for entry in entries]
        for entry in fresh:
            self._known.setdefault(_key(entry), entry)
        lines = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in fresh)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                _end_at_a_line(file)
                file.write(lines.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written ({error.strerror or error}).") from error

    def _read(self) -> None:
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror or error}).") from error
        whole = data.rfind(b"\n") + 1
        for number, line in enumerate(data[:whole].splitlines(), start=1):
            try:
                entry = json.loads(line)
                self._known.setdefault(_key(entry), {**entry, "answer": str(entry["answer"])})
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"{self.path}:{number}: not a prompt with its answer. Delete the line."
                ) from error
        if whole < len(data):
            log.warning("%s: its last line is cut off and not used", self.path)


def _key(entry: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return str(entry["prompt"]), tuple(str(picture) for picture in entry.get("pictures", ()))


def _end_at_a_line(file: BinaryIO) -> None:
    """Cut off what a stopped process has left of a line: what is appended must begin one of its own."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - _CHUNK)
        file.seek(start)
        if newline := file.read(end - start).rfind(b"\n") + 1:
            end = start + newline
            break
        end = start
    file.truncate(end)
    file.seek(0, os.SEEK_END)
