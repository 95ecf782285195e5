"""JSON values asked of a server, one or many, whatever shape its refusals and failures have.

Nothing here knows of models. What goes wrong is one of two things: `Refused` (asking again would not help) or
`Unanswered` (it might). Their texts go on from "the server", and hold no key and no credentials.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from holmesvau.vlm.endpoint.clock import Clock, Unanswered
from holmesvau.vlm.endpoint.connection import Address, Reply, without_credentials

LONGEST_COMPLAINT = 300
TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})


class Refused(Exception):  # noqa: N818 - becomes a `HolmesError` that says what to do
    """The server answers, and says no. `status` is HTTP's."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.status = status


class _Done:
    """What `Wire.events` gives last where the server says that this was all."""


DONE = _Done()


class Wire:
    """Sends requests to one server. `key` goes into the header and nowhere else."""

    def __init__(self, address: Address, key: str | None) -> None:
        self._address = address
        self._key = key
        self._tls = ssl.create_default_context() if address.secure else None

    def get(self, path: str, clock: Clock) -> Any:
        """The JSON value at `path`.

        Raises:
            Unanswered: when none comes.
            Refused: when the server says no.
        """
        with self._exchange("GET", path, None, clock) as reply:
            return self._json(b"".join(reply.chunks()))

    def events(self, path: str, body: bytes, clock: Clock) -> Iterator[Any]:
        """The JSON values sent back one by one, and `DONE`; a single one where the server does not stream.

        A reply without `DONE` has ended all the same: whether it was whole is for the caller to judge.

        Raises:
            Unanswered: when the reply does not come, is cut off or is no JSON.
            Refused: when the server says no.
        """
        with self._exchange("POST", path, body, clock) as reply:
            if reply.kind != "text/event-stream":
                yield self._json(b"".join(reply.chunks()))
                return
            for data in event_data(reply.chunks()):
                if data == b"[DONE]":
                    yield DONE
                    return
                yield self._json(data)

    def clean(self, text: str) -> str:
        """One short line of what a server said, which may repeat what must not be shown."""
        if self._key is not None:
            text = text.replace(self._key, "***")
        line = " ".join(without_credentials(text).split())
        return line if len(line) <= LONGEST_COMPLAINT else f"{line[:LONGEST_COMPLAINT]} …"

    def _exchange(self, method: str, path: str, body: bytes | None, clock: Clock) -> Reply:
        reply = Reply(self._address, self._tls, clock)
        try:
            reply.ask(method, self._address.path + path, body, self._headers(body))
            self._judge(reply)
        except BaseException:
            reply.close()
            raise
        return reply

    def _headers(self, body: bytes | None) -> dict[str, str]:
        headers = {"Accept": "text/event-stream, application/json", "Connection": "close"}
        if body is not None:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        return headers

    def _judge(self, reply: Reply) -> None:
        status = reply.status
        if 200 <= status < 300:
            return
        if 300 <= status < 400:
            raise Refused(f"sends on to {self.clean(reply.header('Location'))}", status)
        try:
            said = self._complaint(b"".join(reply.chunks()))
        except Unanswered:
            said = ""
        told = f"answers {status}: {said}" if said else f"answers {status}"
        # A server that stumbles over what a request asks for will do so again, whatever number it gives that.
        if status in TEMPORARY and not (status == 500 and "response_format" in said):
            raise Unanswered(told, wait=retry_after(reply.header("Retry-After")))
        raise Refused(told, status)

    def _json(self, data: bytes) -> Any:
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            start = self.clean(data[:60].decode("utf-8", "replace"))
            raise Unanswered(f"sends what is not JSON ({start!r})") from error

    def _complaint(self, data: bytes) -> str:
        text = data.decode("utf-8", "replace")
        try:
            return self.clean(complaint(json.loads(text)))
        except (ValueError, RecursionError):
            # A page for a browser says nothing in one line.
            return "" if text.lstrip().startswith("<") else self.clean(text)


def event_data(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """What follows `data:` in each line of a stream of server-sent events. One line is one event here."""
    line = bytearray()
    for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            line += part
            if line.startswith(b"data:"):
                yield bytes(line[5:]).strip()
            line.clear()
        line += rest
    if line.startswith(b"data:"):
        yield bytes(line[5:]).strip()


def complaint(value: Any) -> str:
    """What an error says, in any of the shapes that servers give it."""
    if isinstance(value, dict):
        for key in ("error", "message", "detail"):
            if value.get(key):
                return complaint(value[key])
    return value if isinstance(value, str) else json.dumps(value)


def retry_after(text: str) -> float | None:
    """Seconds to wait, from a `Retry-After` header: a number of seconds or a date."""
    if re.fullmatch(r"\s*\d{1,9}(\.\d+)?\s*", text):
        return float(text)
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
