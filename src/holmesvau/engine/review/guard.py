"""Who may talk to the review page's server: pages of its own, called by a name that is its own.

A page of any other site can send requests to this machine from its visitor's browser. Three things keep it
out. Its requests bear its `Origin`, or say in `Sec-Fetch-Site` that they come from elsewhere. Changes must be
JSON, which a foreign page may not send unasked. And a name that somebody lets point at this machine (DNS
rebinding) is not among the hosts that are answered.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Protocol

from holmesvau.errors import OutputError

KEY_FILE = "review.key"
# What a browser says of a request that a page of this server made, or a person.
_OWN_SITE = ("", "same-origin", "none")


class Headers(Protocol):
    """The headers of a request."""

    def get(self, name: str, default: str, /) -> str:
        """One of them, or what to take instead."""
        ...


class Guard:
    """Decides on requests to a server at `host` and `port`; beyond this machine they must show a key."""

    def __init__(self, host: str, port: int, key: str = "") -> None:
        self.key, self._port, self._open = key, port, not is_loopback(host)
        own = {"localhost", "127.0.0.1", "::1", host.lower()}
        if self._open:
            own.add(socket.gethostname().lower())
        self._hosts = own

    @property
    def cookie(self) -> str:
        """The name of the cookie that holds the key: browsers do not keep ports apart."""
        return f"holmesvau-review-{self._port}"

    def refusal(self, headers: Headers, *, navigating: bool = False) -> str:
        """Why a request is not answered; "" when it is. `navigating` is for the page itself, which a link
        may lead to.
        """
        host = headers.get("Host", "")
        if not self._is_own(host):
            return f"Host {host!r} is not this server's name. Use the address that the command printed."
        origin = headers.get("Origin", "")
        if origin and origin.lower() != f"http://{host.lower()}":
            return f"A page of {origin} may not use this server."
        if not navigating and headers.get("Sec-Fetch-Site", "") not in _OWN_SITE:
            return "A page of another site may not use this server."
        return ""

    def knows(self, headers: Headers, given: str) -> bool:
        """Whether a request shows the key, in its address or as a cookie; true where there is none."""
        if not self.key:
            return True
        try:
            cookie = SimpleCookie(headers.get("Cookie", "")).get(self.cookie)
        except CookieError:
            cookie = None
        shown = given or ("" if cookie is None else cookie.value)
        return secrets.compare_digest(shown.encode(), self.key.encode())

    def _is_own(self, host: str) -> bool:
        name, colon, port = host.lower().rpartition(":")
        if not colon or not port.isdigit():
            name, port = host.lower(), "80"
        if port != str(self._port):
            return False
        name = name.removeprefix("[").removesuffix("]")
        # A number is no name that could be made to point here.
        return name in self._hosts or (self._open and _is_number(name))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens there."""
    return host == "localhost" or (_is_number(host) and ipaddress.ip_address(host).is_loopback)


def kept_key(folder: Path) -> str:
    """The project's key, made when first needed: the same after a restart, readable by its owner alone.

    Raises:
        OutputError: when it cannot be kept.
    """
    path = folder / KEY_FILE
    try:
        try:
            number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_text(encoding="ascii").strip()
        with os.fdopen(number, "w", encoding="ascii") as file:
            file.write(key := secrets.token_urlsafe(24))
        return key
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(f"{path}: the key of the review page cannot be kept ({error}).") from error


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
