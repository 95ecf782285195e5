"""Keeps trying: one thread a sink takes its letters from the outbox, oldest first, until each is accepted."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time

from holmesvau.stream.backoff import Backoff
from holmesvau.stream.outbox import Letter, Outbox
from holmesvau.stream.sinks.protocol import Sink, Undelivered

log = logging.getLogger(__name__)

# A letter the receiver answers with "I do not want this" so many times is kept, but not tried any more.
REFUSALS = 5


class Delivery:
    """The letters of one sink. A receiver that is away or hangs is left alone for longer and longer.

    A letter that is refused goes behind the others, and is parked in the outbox after 5 refusals. Counters:
    `sent`, `failures`.
    """

    def __init__(self, sink: Sink, outbox: Outbox, backoff: Backoff | None = None) -> None:
        self.sent = self.failures = 0
        self.last_failure = ""
        self._sink, self._outbox = sink, outbox
        self._backoff = backoff or Backoff()
        self._stopped = threading.Event()
        self._finish_by = float("inf")
        self._thread = threading.Thread(target=self._run, name=f"holmesvau-{sink.name}", daemon=True)

    @property
    def name(self) -> str:
        """The sink's."""
        return self._sink.name

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def finish(self, seconds: float) -> int:
        """Deliver what waits for at most `seconds` more, then stop; how many letters are left."""
        self._finish_by = time.monotonic() + seconds
        self._stopped.set()
        self._outbox.wake()
        if self._thread.is_alive():
            self._thread.join(seconds + 1.0)
        return self._outbox.waiting(self.name)

    def _run(self) -> None:
        in_a_row = 0
        try:
            while time.monotonic() < self._finish_by:
                letter = self._outbox.wait(self.name, 0.0 if self._stopped.is_set() else 1.0)
                if letter is None:
                    if self._stopped.is_set():
                        return
                    continue
                pause = self._attempt(letter, in_a_row)
                in_a_row = in_a_row + 1 if pause else 0
                if pause:
                    self._rest(pause)
        except sqlite3.Error:
            # The outbox was closed on a delivery that outlived its time; the letter stays in it.
            if not self._stopped.is_set():
                raise
        finally:
            with contextlib.suppress(OSError):
                self._sink.close()

    def _attempt(self, letter: Letter, in_a_row: int) -> float:
        """Seconds to rest before the next attempt; 0 when all is well."""
        try:
            self._sink.deliver(letter)
        except Undelivered as error:
            self.failures += 1
            # Each reason once: a receiver that is away for a night would fill the log.
            fresh = str(error) != self.last_failure
            self.last_failure = str(error)
            pause = max(error.wait, self._backoff.after(in_a_row + 1))
            if error.refused:
                park = letter.refusals + 1 >= REFUSALS
                self._outbox.refused(letter, str(error), park=park)
                kept = "; it is not tried again" if park else ""
                log.warning("%s refuses message %s: %s%s", self.name, letter.key, error, kept)
                return pause
            level = logging.WARNING if fresh else logging.DEBUG
            log.log(level, "%s: message %s waits (%s)", self.name, letter.key, error)
            return pause
        except Exception as error:
            # A sink's own fault must not end its letters' journey; the traceback goes to the log.
            self.failures += 1
            self.last_failure = f"{type(error).__name__}: {error}"
            log.exception("%s: message %s waits", self.name, letter.key)
            return self._backoff.after(in_a_row + 1)
        self._outbox.delivered(letter)
        self.sent += 1
        self.last_failure = ""
        return 0.0

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        if self._stopped.is_set():
            # At the end there is one more try, not a long wait.
            time.sleep(max(0.0, min(until, self._finish_by) - time.monotonic()))
        else:
            self._stopped.wait(seconds)
