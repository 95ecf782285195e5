"""Messages as signed HTTP POST requests. The scheme and a receiver that checks it are in `docs/live.md`."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import ssl
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import holmesvau
from holmesvau.errors import ConfigError, InputError
from holmesvau.stream.outbox import Letter
from holmesvau.stream.sinks.protocol import Undelivered
from holmesvau.vlm.endpoint.clock import Clock, Limits, Unanswered
from holmesvau.vlm.endpoint.connection import Address, Reply, without_credentials

log = logging.getLogger(__name__)

SIGNATURE = "Holmesvau-Signature"
# Statuses of a receiver that is not well, though it answers: they say nothing about the letter.
_PASSING = frozenset({408, 409, 423, 425, 429})


@dataclass(frozen=True, kw_only=True)
class WebhookConfig:
    """Where to post messages. `secret_env` names the environment variable with the key of the signature.

    An answer may take `timeout_seconds` in all, however slowly it drips.
    """

    url: str
    secret_env: str = "HOLMESVAU_WEBHOOK_SECRET"
    timeout_seconds: float = 10.0


class Webhook:
    """Posts each letter; any 2xx means that the receiver has it.

    Raises:
        ConfigError: when the address is none.
    """

    def __init__(self, config: WebhookConfig) -> None:
        self._config = config
        try:
            self._address = Address(config.url)
        except InputError as error:
            raise ConfigError(
                f"webhook {without_credentials(config.url)}: no address. Write it like https://HOST/PATH."
            ) from error
        parts = urlsplit(config.url.strip())
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if self._address.had_credentials:
            raise ConfigError(
                f"webhook {without_credentials(config.url)}: a user and password in the address "
                "are not sent. Leave them out; the signature says who is speaking."
            )
        if not config.timeout_seconds > 0:
            raise ConfigError(f"webhook: timeout_seconds = {config.timeout_seconds}: give a positive number.")
        secret = os.environ.get(config.secret_env, "")
        self._secret = secret.encode()
        if not secret:
            log.warning(
                "%s: %s is not set: messages are sent without a signature", self.name, config.secret_env
            )
        self._tls = ssl.create_default_context() if self._address.secure else None

    @property
    def name(self) -> str:
        """The address, without what may be secret in it."""
        return f"webhook {self._config.url.strip().partition('?')[0]}"

    def deliver(self, letter: Letter) -> None:
        """Post it."""
        body = letter.body.encode()
        headers = {
            "Host": urlsplit(self._config.url).netloc,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "User-Agent": f"holmesvau/{holmesvau.__version__}",
            "Idempotency-Key": letter.key,
            "Connection": "close",
        }
        if self._secret:
            headers[SIGNATURE] = sign(body, self._secret, int(time.time()))
        limit = self._config.timeout_seconds
        clock = Clock(
            Limits(connect=limit, first_word=limit, silence=limit, total=limit), time.monotonic() + limit
        )
        try:
            with Reply(self._address, self._tls, clock) as reply:
                reply.ask("POST", self._path, body, headers)
                _judge(reply)
        except Unanswered as error:
            raise Undelivered(str(error)) from error

    def close(self) -> None:
        """Nothing is kept open."""


def sign(body: bytes, secret: bytes, at: int) -> str:
    """`t=SECONDS,v1=HEX`: HMAC-SHA256 over `SECONDS.BODY`, so that neither can be changed."""
    digest = hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def _judge(reply: Reply) -> None:
    if 200 <= reply.status < 300:
        return
    told = f"it answers with status {reply.status}"
    wait = reply.header("Retry-After")
    seconds = float(wait) if wait.isdigit() else 0.0
    refused = 300 <= reply.status < 500 and reply.status not in _PASSING
    raise Undelivered(told, refused=refused, wait=min(seconds, 600.0))
