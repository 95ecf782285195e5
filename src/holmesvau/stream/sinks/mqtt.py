"""Messages to an MQTT broker, quality of service 1: acknowledged by the broker, at least once."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from holmesvau.errors import ConfigError, MissingPartError
from holmesvau.stream.outbox import Letter
from holmesvau.stream.sinks.protocol import Undelivered

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class MqttConfig:
    """`url` is `mqtt://[USER@]HOST[:PORT][/PREFIX]`, or `mqtts://` for TLS; topics are `PREFIX/CAMERA/KIND`.

    `password_env` names the environment variable with the password. `timeout_seconds` for a connection, and
    for an acknowledgement.
    """

    url: str
    password_env: str = "HOLMESVAU_MQTT_PASSWORD"
    timeout_seconds: float = 10.0


class Mqtt:
    """Publishes each letter; it is delivered when the broker has acknowledged it.

    `PREFIX/status` holds `online` while a watch is connected and `offline` when it is gone (the broker says
    that itself when the watch is killed).

    Raises:
        MissingPartError: when the client library is not installed.
        ConfigError: when the address is none.
    """

    def __init__(self, config: MqttConfig) -> None:
        try:
            import paho.mqtt.client as mqtt
        except ImportError as error:
            raise MissingPartError(
                "Sending to an MQTT broker needs paho-mqtt. Install it with: pip install 'holmesvau[live]'"
            ) from error
        parts = urlsplit(config.url.strip())
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or port == -1 or parts.password:
            raise ConfigError(
                f"mqtt {parts.scheme}://{parts.hostname or ''}: write the broker as mqtt://HOST:1883/PREFIX "
                f"(mqtts:// for TLS), without a password: that comes from {config.password_env}."
            )
        self._config = config
        self._host, self._port = parts.hostname, port or (8883 if parts.scheme == "mqtts" else 1883)
        self._prefix = unquote(parts.path.strip("/")) or "holmesvau"
        if any(sign in self._prefix for sign in "+#\0"):
            raise ConfigError(f"mqtt {config.url}: a topic may not contain + or #.")
        self._mqtt = mqtt
        self._connected = threading.Event()
        self._user = unquote(parts.username) if parts.username else None
        self._tls = parts.scheme == "mqtts"
        self._client: Any = None
        self._refusal = ""

    @property
    def name(self) -> str:
        """The broker and the prefix of its topics."""
        return f"mqtt {self._host}:{self._port}/{self._prefix}"

    def deliver(self, letter: Letter) -> None:
        """Publish it and wait for the broker's acknowledgement."""
        client = self._connect()
        try:
            message = client.publish(self._topic(letter), letter.body.encode(), qos=1)
            message.wait_for_publish(self._config.timeout_seconds)
            arrived = message.is_published()
        except (RuntimeError, ValueError) as error:
            self._hang_up()
            raise Undelivered(f"the connection broke ({error})") from error
        if not arrived:
            self._hang_up()
            raise Undelivered(f"no acknowledgement within {self._config.timeout_seconds:g} s")

    def close(self) -> None:
        """Say goodbye to the broker."""
        if self._client is not None and self._client.is_connected():
            gone = self._client.publish(f"{self._prefix}/status", "offline", qos=1, retain=True)
            with contextlib.suppress(RuntimeError):
                gone.wait_for_publish(1.0)
        self._hang_up()

    def _topic(self, letter: Letter) -> str:
        told = json.loads(letter.body)
        # A camera's name must not make a topic of several levels, or a pattern.
        camera = "".join("-" if sign in "/+#\0" else sign for sign in told["camera"]["name"])
        return f"{self._prefix}/{camera}/{told['kind']}"

    def _connect(self) -> Any:
        """A client that is connected."""
        if self._client is not None and self._client.is_connected():
            return self._client
        self._hang_up()
        self._connected.clear()
        self._refusal = ""
        # A new one each time: an old one would send again what it still holds, beside the outbox's letter.
        self._client = client = self._new_client()
        try:
            client.connect(self._host, self._port, keepalive=30)
        except (OSError, ValueError) as error:
            self._client = None
            raise Undelivered(f"cannot be reached ({error})") from error
        client.loop_start()
        if not self._connected.wait(self._config.timeout_seconds) or self._refusal:
            self._hang_up()
            raise Undelivered(self._refusal or "the broker does not answer")
        return client

    def _new_client(self) -> Any:
        client = self._mqtt.Client(
            self._mqtt.CallbackAPIVersion.VERSION2,
            client_id=f"holmesvau-{uuid.uuid4().hex[:12]}",
            clean_session=True,
        )
        client.on_connect = self._on_connect
        client.will_set(f"{self._prefix}/status", "offline", qos=1, retain=True)
        client.connect_timeout = self._config.timeout_seconds
        if self._user is not None:
            client.username_pw_set(self._user, os.environ.get(self._config.password_env) or None)
        if self._tls:
            client.tls_set()
        return client

    def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def _on_connect(self, client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._refusal = f"the broker lets nobody in ({reason})"
        else:
            client.publish(f"{self._prefix}/status", "online", qos=1, retain=True)
        self._connected.set()
