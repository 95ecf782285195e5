"""What a receiver of messages must be able to do."""

from __future__ import annotations

from typing import Protocol

from holmesvau.stream.outbox import Letter


class Undelivered(Exception):  # noqa: N818 - no error: the letter waits and is tried again
    """The receiver does not have the letter.

    `refused`: it answered, and does not want this one; another may pass. `wait` is how many seconds it asks
    to be left alone.
    """

    def __init__(self, reason: str, *, refused: bool = False, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.refused, self.wait = refused, wait


class Sink(Protocol):
    """A receiver. `name` says which letters are its own, also after a restart."""

    @property
    def name(self) -> str: ...

    def deliver(self, letter: Letter) -> None:
        """Return when the receiver has the letter, in bounded time.

        Raises:
            Undelivered: when it has not.
        """
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...
