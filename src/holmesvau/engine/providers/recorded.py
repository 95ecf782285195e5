"""What a provider was asked and said, kept; and the same again without it, for tests and audits."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

from holmesvau.engine.providers.protocol import Provider, Reply, Request
from holmesvau.errors import ModelError
from holmesvau.types import FrameBatch
from holmesvau.vlm.record import Record


class Recorded:
    """Keeps every request with its reply in a file (`vlm.record`) before the reply is used.

    Raises:
        InputError: when the file is there and is no record.
    """

    def __init__(self, provider: Provider, path: str | Path) -> None:
        self._provider = provider
        self._record = Record(path)
        self._turn = threading.Lock()

    @property
    def uses_scan(self) -> bool:
        return self._provider.uses_scan

    def write(self, request: Request) -> Reply:
        """The provider's text, which is on the disk when this returns."""
        seen, pictures = _looked_once(request)
        reply = self._provider.write(seen)
        entry = {
            "prompt": request.prompt,
            "answer": reply.text,
            "model": reply.model,
            "tokens_in": reply.tokens_in,
            "tokens_out": reply.tokens_out,
        }
        with self._turn:
            self._record.keep([{**entry, "pictures": pictures} if pictures else entry])
        return reply


class Replayed:
    """Gives the replies of a record, with the tokens they took then.

    Raises:
        InputError: when the file is not there or is no record.
    """

    def __init__(self, path: str | Path, *, uses_scan: bool = False) -> None:
        from holmesvau.errors import InputError

        if not Path(path).is_file():
            raise InputError(f'{path}: no such record. Make one with `record = "{path}"`.')
        self._record = Record(path)
        self.uses_scan = uses_scan

    def write(self, request: Request) -> Reply:
        """The recorded text.

        Raises:
            ModelError: when the record does not have this prompt about these pictures.
        """
        _, pictures = _looked_once(request)
        entry = self._record.find(request.prompt, pictures)
        if entry is None:
            raise ModelError(
                f"{self._record.path}: has no reply to this prompt about {request.place.video}: it was "
                "recorded for other videos, boundaries, prompts or texts."
            )
        return Reply(
            text=entry["answer"],
            model=str(entry.get("model", "")),
            tokens_in=int(entry.get("tokens_in", 0)),
            tokens_out=int(entry.get("tokens_out", 0)),
        )


def _looked_once(request: Request) -> tuple[Request, list[str]]:
    """The request with its frames fetched, and their hashes."""
    if request.look is None:
        return request, []
    from dataclasses import replace

    seen = request.look()
    return replace(request, look=lambda: seen), hashes(seen[0])


def hashes(frames: FrameBatch) -> list[str]:
    """A hash of each frame's pixels."""
    return [hashlib.blake2b(frame.tobytes(), digest_size=12).hexdigest() for frame in frames.frames]
