"""One request under way over HTTP: where it goes, and a connection that keeps to the clock."""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

from holmesvau.errors import InputError
from holmesvau.vlm.endpoint.clock import Clock, Unanswered

# A reply longer than this is no answer: a server gone wrong must not fill the memory.
LONGEST_REPLY = 16 << 20

_BROKEN = (OSError, http.client.HTTPException)


class Address:
    """The address of a server; credentials written into it are dropped.

    Raises:
        InputError: when it is no http(s) address.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except ValueError as error:
            raise InputError(f"{without_credentials(url)}: not an address ({error}).") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(
                f"{without_credentials(url)}: not the address of a server. "
                "Write it like http://localhost:8000/v1."
            )
        self.secure = parts.scheme == "https"
        self.host, self.port = parts.hostname, port or (443 if self.secure else 80)
        self.had_credentials = "@" in parts.netloc
        # What people copy from a server's greeting lacks the path, or has too much of it.
        path = parts.path.rstrip("/").removesuffix("/chat/completions")
        self.path = quote(path or "/v1", safe="/%:~")
        self._text = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{self.path}"

    @property
    def is_local(self) -> bool:
        """Whether what is sent stays on this machine."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    def __str__(self) -> str:
        return self._text


def without_credentials(text: str) -> str:
    """`text` with the user and password of every address in it taken out."""
    return re.sub(r"(?<=://)[^/?#\s]*@", "", text)


class Reply:
    """One request under way: its connection, held to the clock, and what comes back."""

    def __init__(self, address: Address, tls: ssl.SSLContext | None, clock: Clock) -> None:
        self._clock = clock
        self._connection = (
            http.client.HTTPConnection(address.host, address.port)
            if tls is None
            else http.client.HTTPSConnection(address.host, address.port, context=tls)
        )
        self._response: http.client.HTTPResponse | None = None

    def ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> None:
        """Send the request and read the reply's head."""
        self._connect()
        try:
            self._send(method, path, body, headers)
            self._response = self._connection.getresponse()
        except TimeoutError as error:
            raise self._clock.late() from error
        except _BROKEN as error:
            raise Unanswered(f"closes the connection without an answer ({_named(error)})") from error

    def _connect(self) -> None:
        try:
            limit = self._clock.connecting()
        except TimeoutError as error:
            raise self._clock.late() from error
        try:
            self._connection.timeout = limit
            self._connection.connect()
        except TimeoutError as error:
            raise Unanswered(f"accepts no connection within {limit:.3g} s") from error
        except ssl.SSLCertVerificationError as error:
            raise Unanswered(
                f"has a certificate that cannot be trusted ({error.verify_message})", again=False
            ) from error
        except OSError as error:
            raise Unanswered(f"cannot be reached ({_named(error)})") from error
        self._connection.sock = _TimedSocket(self._connection.sock, self._clock)

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> None:
        self._connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            self._connection.putheader(name, value)
        self._connection.endheaders()
        if body is not None:
            try:
                self._connection.send(body)
            except (BrokenPipeError, ConnectionResetError):
                # A server that will not read so much says so and closes: its answer can still be read.
                return

    @property
    def status(self) -> int:
        """HTTP's."""
        assert self._response is not None
        return self._response.status

    @property
    def kind(self) -> str:
        """The content type, without its parameters."""
        return self.header("Content-Type").partition(";")[0].strip().lower()

    def header(self, name: str) -> str:
        """A header of the reply, "" where there is none."""
        assert self._response is not None
        return self._response.getheader(name) or ""

    def chunks(self) -> Iterator[bytes]:
        """The body as it arrives.

        Raises:
            Unanswered: when it is late, is cut off or does not end.
        """
        assert self._response is not None
        length = self.header("Content-Length")
        expected = int(length) if length.isdigit() else None
        received = 0
        while expected is None or received < expected:
            try:
                chunk = self._response.read1(1 << 16)
            except TimeoutError as error:
                raise self._clock.late() from error
            except _BROKEN as error:
                raise Unanswered(f"breaks off its answer ({_named(error)})") from error
            received += len(chunk)
            if received > LONGEST_REPLY:
                raise Unanswered(f"sends more than {LONGEST_REPLY >> 20} MB as an answer", again=False)
            if not chunk:
                if expected is not None:
                    raise Unanswered(f"breaks off its answer ({received} of {expected} bytes came)")
                return
            yield chunk

    def close(self) -> None:
        """Hang up, also in the middle of an answer."""
        if self._response is not None:
            self._response.close()
        self._connection.close()

    def __enter__(self) -> Reply:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _TimedSocket:
    """As much of a socket as `http.client` uses, asking the clock before it blocks.

    A socket's own time limit starts anew with every byte: a server that drips would never be late.
    """

    def __init__(self, plain: socket.socket, clock: Clock) -> None:
        self._plain, self._clock = plain, clock

    def sendall(self, data: bytes) -> None:
        self._plain.settimeout(self._clock.left())
        self._plain.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        assert mode == "rb"
        return io.BufferedReader(_TimedReader(self._plain, self._clock))

    def close(self) -> None:
        self._plain.close()


class _TimedReader(io.RawIOBase):
    def __init__(self, plain: socket.socket, clock: Clock) -> None:
        self._plain, self._clock = plain, clock
        # The socket stays open for as long as this file of it does.
        self._file = plain.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._plain.settimeout(self._clock.left())
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


def _named(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
