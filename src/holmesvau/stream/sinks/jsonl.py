"""One message a line in a file of one's own."""

from __future__ import annotations

import json
import os
from pathlib import Path

from holmesvau.errors import OutputError
from holmesvau.stream.outbox import Letter
from holmesvau.stream.sinks.protocol import Undelivered

# A letter that goes out twice stands near the end of the file: after a kill, only this much is looked at.
_TAIL_BYTES = 1 << 20


class JsonLines:
    """Appends to `path`, flushed to the disk line by line; no line is written twice or half.

    What a kill left half-written is cut off at the start, and the letter comes again from the outbox.

    Raises:
        OutputError: when the file cannot be written.
    """

    name = "jsonl"

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab+")
            self._keys = self._mend()
        except OSError as error:
            raise OutputError(
                f"{path}: cannot be written ({error.strerror}). Give another file with --jsonl."
            ) from error

    def deliver(self, letter: Letter) -> None:
        """Append the letter unless it stands there already."""
        if letter.key in self._keys:
            return
        try:
            self._file.write(letter.body.encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise Undelivered(f"{self.path}: {error.strerror}") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _mend(self) -> set[str]:
        """Cut off a half line; the keys of the last lines."""
        size = self._file.seek(0, os.SEEK_END)
        start = max(0, size - _TAIL_BYTES)
        self._file.seek(start)
        tail = self._file.read()
        whole = tail[: tail.rfind(b"\n") + 1]
        if len(whole) < len(tail):
            self._file.truncate(start + len(whole))
        lines = whole.split(b"\n")[1 if start else 0 :]
        return {json.loads(line).get("key", "") for line in lines if line.strip()}
