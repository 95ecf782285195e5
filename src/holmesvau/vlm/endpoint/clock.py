"""How long a server may take, and what it is called when no answer comes."""

from __future__ import annotations

import time
from dataclasses import dataclass


class Unanswered(Exception):  # noqa: N818 - no error yet: it may be tried again
    """No answer this time.

    `wait` is how many seconds the server asks to be left alone, `again` whether trying again may help.
    """

    def __init__(self, reason: str, *, wait: float | None = None, again: bool = True) -> None:
        super().__init__(reason)
        self.wait = wait
        self.again = again


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Seconds: for a connection, until the first word, between two words, and for everything together."""

    connect: float
    first_word: float
    silence: float
    total: float


class Clock:
    """How long the request under way may still block. `end` (of `time.monotonic()`) bounds all attempts."""

    def __init__(self, limits: Limits, end: float) -> None:
        self._limits, self._end = limits, end
        self._started = time.monotonic()
        self._speaking = False

    def began(self) -> None:
        """The first word has come: from now on only silence counts, and the end."""
        self._speaking = True

    def connecting(self) -> float:
        """Seconds left to connect."""
        return self._positive(min(self._limits.connect, self._end - time.monotonic()))

    def left(self) -> float:
        """Seconds that one read or write may take now.

        Raises:
            TimeoutError: when there are none left.
        """
        now = time.monotonic()
        waiting = self._limits.silence if self._speaking else self._started + self._limits.first_word - now
        return self._positive(min(waiting, self._end - now))

    def late(self) -> Unanswered:
        """What to say when the time is up. Asking a slow server again would only make it slower."""
        if time.monotonic() >= self._end:
            return Unanswered(f"is not done within {self._limits.total:.4g} s", again=False)
        if self._speaking:
            return Unanswered(f"falls silent for {self._limits.silence:g} s in its answer", again=False)
        return Unanswered(f"says no word within {self._limits.first_word:g} s", again=False)

    @staticmethod
    def _positive(seconds: float) -> float:
        if seconds <= 0:
            raise TimeoutError
        return seconds
