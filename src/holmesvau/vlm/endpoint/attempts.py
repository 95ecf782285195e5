"""Attempts at an answer: what passes is tried again, what does not becomes a sentence about what to do."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from holmesvau.errors import ModelDownError, ModelError
from holmesvau.vlm.endpoint.clock import Limits, Unanswered
from holmesvau.vlm.endpoint.connection import Address
from holmesvau.vlm.endpoint.wire import Refused
from holmesvau.vlm.protocol import GenerationOptions

log = logging.getLogger(__name__)

# The first is ours, for those who have both.
KEY_VARIABLES = ("HOLMESVAU_API_KEY", "OPENAI_API_KEY")

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class EndpointConfig:
    """How a server is asked. Written behind its address: `http://localhost:8000/v1?first_word=600#name`.

    `num_frames` the model sees at once, `context` tokens it holds; `side` in pixels and `square`: stretched,
    as the InternVL family sees frames, which also keeps servers from cutting them into tiles; `quality` of
    the JPEG.
    `max_request_mb` bounds the pictures of one request. Seconds: `connect`, `first_word`, `silence` between
    two words, `total` for an answer with all its attempts. Failures are tried again `retries` times after
    about `pause`, twice that and so on; longer than `longest_pause` no server is waited for. `at_once`
    questions are on the way together.
    """

    num_frames: int = 16
    context: int = 8192
    side: int = 448
    square: bool = True
    quality: int = 90
    max_request_mb: float = 16.0
    connect: float = 10.0
    first_word: float = 300.0
    silence: float = 60.0
    total: float = 900.0
    retries: int = 4
    pause: float = 0.5
    longest_pause: float = 60.0
    at_once: int = 4

    @property
    def limits(self) -> Limits:
        """The time limits of one answer."""
        return Limits(
            connect=self.connect, first_word=self.first_word, silence=self.silence, total=self.total
        )

    def within(self, options: GenerationOptions | None) -> Limits:
        """The limits of an answer that these options may give less time."""
        seconds = None if options is None else options.max_seconds
        return self.limits if seconds is None else replace(self.limits, total=min(self.total, seconds))


class Attempts:
    """Asks a server as often as `config` allows. `end` is a time of `time.monotonic()` that bounds them all.

    Raises (all methods):
        ModelDownError: when no answer comes, or not in time.
        ModelError: when the server refuses.
    """

    def __init__(self, address: Address, config: EndpointConfig) -> None:
        self._address = address
        self._config = config

    def result(self, work: Callable[[float], T], seconds: float | None = None) -> T:
        """What `work(end)` gives, tried again while that may help; `seconds` may shorten the time for it."""
        end = self._end(seconds)
        attempt = 0
        while True:
            try:
                return work(end)
            except Unanswered as reason:
                self._pause(attempt, reason, end)
            except Refused as reason:
                raise self.refused(reason) from reason
            attempt += 1

    def stream(self, pieces: Callable[[float], Iterator[str]], seconds: float | None = None) -> Iterator[str]:
        """What `pieces(end)` gives. After a break it is asked for again, and goes on where it broke off."""
        end = self._end(seconds)
        given = ""
        for attempt in range(self._config.retries + 1):
            said = ""
            try:
                for piece in pieces(end):
                    said += piece
                    if len(said) > len(given) and said.startswith(given):
                        fresh, given = said[len(given) :], said
                        yield fresh
                    elif not given.startswith(said):
                        break
            except Unanswered as reason:
                self._pause(attempt, reason, end)
                continue
            except Refused as reason:
                raise self.refused(reason) from reason
            if said == given:
                return
            raise ModelDownError(
                f"{self._address}: the server broke off in the middle of an answer and then gave another "
                "one. Ask again."
            )

    def _pause(self, attempt: int, reason: Unanswered, end: float) -> None:
        """Wait before the next attempt.

        Raises:
            ModelDownError: when there is none, or it would come too late.
        """
        # Half of it by chance, so that many clients do not come back all at once.
        wait = self._config.pause * 2**attempt * random.uniform(0.5, 1.0)
        wait = max(wait, reason.wait or 0.0)
        last = not reason.again or attempt >= self._config.retries
        if last or wait > self._config.longest_pause or time.monotonic() + wait > end:
            asks = f" and asks to wait {reason.wait:g} s" if reason.wait else ""
            tried = f" ({attempt + 1} attempts)" if attempt else ""
            raise ModelDownError(
                f"{self._address}: the server {reason}{asks}{tried}. See whether it runs, then try again."
            ) from reason
        log.warning("%s: the server %s; trying again in %.1f s", self._address, reason, wait)
        time.sleep(wait)

    def _end(self, seconds: float | None = None) -> float:
        total = self._config.total
        return time.monotonic() + (total if seconds is None else min(seconds, total))

    def refused(self, reason: Refused) -> ModelError:
        """A refusal as an error that says what to do about it."""
        match reason.status:
            case 401 | 403:
                hint = f"Set {KEY_VARIABLES[0]} to a key that it accepts."
            case 404 | 405:
                hint = "See whether the address is right (most end in /v1), and the model's name (#NAME)."
            case 413:
                hint = "Send fewer frames (sampler.num_frames), or smaller ones (?max_request_mb=…)."
            case 400 | 422:
                hint = (
                    "Where the frames are too many for its context, choose fewer (sampler.num_frames) "
                    "or start it with a longer one."
                )
            case _:
                hint = "Give the address and name of a model that it serves."
        return ModelError(f"{self._address}: the server {reason}. {hint}")


def together(work: Callable[[str], str], items: Sequence[str], at_once: int) -> list[str]:
    """`work` of each item, in order. The first error is raised when those under way are done."""
    results: dict[int, str] = {}
    errors: list[BaseException] = []
    waiting = iter(enumerate(items))
    taking = threading.Lock()

    def run() -> None:
        while not errors:
            with taking:
                number, item = next(waiting, (None, ""))
            if number is None:
                return
            try:
                results[number] = work(item)
            except BaseException as error:  # noqa: BLE001 - raised again below, in the caller's thread
                errors.append(error)

    # Daemons: Ctrl-C must not have to wait for a server that hangs.
    workers = [threading.Thread(target=run, daemon=True) for _ in range(min(max(1, at_once), len(items)))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise errors[0]
    return [results[number] for number in range(len(items))]
