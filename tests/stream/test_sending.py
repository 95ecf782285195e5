"""From the outbox to real receivers that fail, hang and die: nothing is lost, what is doubled is marked."""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import jsonschema
import pytest

from holmesvau.errors import ConfigError, MissingPartError, OutputError
from holmesvau.stream import outbox as outboxes
from holmesvau.stream.backoff import Backoff
from holmesvau.stream.outbox import Outbox
from holmesvau.stream.record import from_text, json_schema, to_text, updated
from holmesvau.stream.sinks import Delivery, JsonLines, Mqtt, MqttConfig, Sink, Webhook, WebhookConfig
from tests.stream.conftest import Broker, Receiver, free_port, until
from tests.stream.messages import alarm

ROOT = Path(__file__).parents[2]
HURRY = Backoff(first=0.02, longest=0.05)


def delivering(sink: Sink, outbox: Outbox) -> Delivery:
    delivery = Delivery(sink, outbox, HURRY)
    delivery.start()
    return delivery


# --- the document ---


def test_schema_in_the_repository_is_the_one_that_is_written() -> None:
    kept = json.loads((ROOT / "schemas" / "alarm.schema.json").read_text())
    assert kept == json_schema()
    message = alarm()
    jsonschema.validate(json.loads(to_text(message)), kept)
    ended = updated(message, "ended", 0.0, state="ended", end=message.peak)
    jsonschema.validate(json.loads(to_text(ended)), kept)
    assert ended.sequence == 1 and ended.key == f"{message.id}:1" and from_text(to_text(ended)) == ended


# --- the outbox ---


def test_letters_are_there_after_a_restart_until_they_are_delivered(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    first, second = alarm(), alarm()
    box = Outbox(path, ["a", "b"])
    box.put(first, settled=False)
    box.put(second)
    box.put(second)  # the same message is the same letter
    letter = box.next("a")
    assert letter is not None and letter.key == first.key
    box.delivered(letter)
    box.close()
    box = Outbox(path, ["a", "b"])
    assert (box.waiting("a"), box.waiting("b")) == (1, 2)
    assert [message.id for message in box.open_alarms()] == [first.id]
    box.put(updated(first, "interrupted", 0.0, state="interrupted"))
    assert box.open_alarms() == []
    box.close()


def test_refused_letters_let_the_others_pass_and_are_parked(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox.sqlite", ["a"])
    bad, good = alarm(), alarm()
    box.put(bad)
    box.put(good)
    letter = box.next("a")
    assert letter is not None and letter.key == bad.key
    box.refused(letter, "status 400", park=False)
    following = box.next("a")
    assert following is not None and following.key == good.key
    box.refused(letter, "status 400", park=True)
    assert (box.waiting("a"), box.parked("a")) == (1, 1)
    box.close()


def test_full_outbox_drops_the_oldest_update_before_any_alarm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = Outbox(tmp_path / "outbox.sqlite", ["a"], limit=3)
    first = alarm()
    box.put(first)
    box.put(updated(first, "ended", 0.0))
    for _ in range(3):
        box.put(alarm())
    assert box.waiting("a") == 3 and box.dropped == 2
    kinds = []
    while (letter := box.next("a")) is not None:
        kinds.append(json.loads(letter.body)["kind"])
        box.delivered(letter)
    assert kinds == ["alarm"] * 3 and "the oldest updates go" in caplog.text
    box.close()


def test_one_outbox_serves_one_watch_and_no_older_version(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    box = Outbox(path, ["a"])
    with pytest.raises(OutputError, match="another `holmesvau live`"):
        Outbox(path, ["a"])
    box.close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(OutputError, match="newer version"):
        Outbox(path, ["a"])
    path.write_bytes(b"this is no database, whatever its name says" * 99)
    with pytest.raises(OutputError, match="cannot be used"):
        Outbox(path, ["a"])


def test_migrations_are_applied_once_in_order_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "outbox.sqlite"
    box = Outbox(path, ["a"])
    message = alarm()
    box.put(message)
    box.close()
    later = (*outboxes.MIGRATIONS, "ALTER TABLE letters ADD COLUMN extra TEXT NOT NULL DEFAULT 'x'")
    monkeypatch.setattr(outboxes, "MIGRATIONS", (*later, "CREATE TABLE half (a); CREATE TABLE half (a)"))
    with pytest.raises(OutputError, match="half"):
        Outbox(path, ["a"])
    db = sqlite3.connect(path)
    # The migration that failed left nothing; the one before it stands.
    assert db.execute("PRAGMA user_version").fetchone() == (2,)
    assert db.execute("SELECT key, extra FROM letters").fetchall() == [(message.key, "x")]
    assert not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'half'").fetchall()
    db.close()
    monkeypatch.setattr(outboxes, "MIGRATIONS", later)
    box = Outbox(path, ["a"])
    assert box.waiting("a") == 1
    box.close()


# --- a file ---


def test_lines_are_whole_and_not_doubled_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "alarms.jsonl"
    box = Outbox(tmp_path / "outbox.sqlite", ["jsonl"])
    first, second = alarm(), alarm()
    box.put(first)
    box.put(second)
    one, sink = box.next("jsonl"), JsonLines(path)
    assert one is not None
    # Killed after the line was written and before the letter was deleted, and once in the middle of a line.
    sink.deliver(one)
    sink.close()
    with path.open("ab") as file:
        file.write(to_text(second).encode()[:40])
    delivery = delivering(JsonLines(path), box)
    until(lambda: box.waiting("jsonl") == 0)
    assert delivery.finish(1.0) == 0
    assert [json.loads(line)["key"] for line in path.read_text().splitlines()] == [first.key, second.key]
    box.close()


# --- a webhook ---


def test_receiver_that_fails_hangs_and_hangs_up_gets_every_message(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLMESVAU_WEBHOOK_SECRET", "a secret")
    receiver.moods += ["500", "hang", "close", "503", "429"]
    sink = Webhook(WebhookConfig(url=receiver.url, timeout_seconds=0.3))
    box = Outbox(tmp_path / "outbox.sqlite", [sink.name])
    messages = [alarm() for _ in range(3)]
    for message in messages:
        box.put(message)
    delivery = delivering(sink, box)
    until(lambda: box.waiting(sink.name) == 0)
    assert receiver.keys() == [message.key for message in messages]
    assert delivery.failures == 5 and delivery.sent == 3
    # Every attempt bears the key of its message and a signature that the receiver can check.
    assert {head["Idempotency-Key"] for head, _ in receiver.requests[:6]} == {messages[0].key}
    for head, body in receiver.requests:
        at, given = (part.partition("=")[2] for part in head["Holmesvau-Signature"].split(","))
        expected = hmac.new(b"a secret", f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(given, expected) and abs(int(at) - time.time()) < 60
    assert delivery.finish(1.0) == 0
    box.close()


def test_message_that_is_refused_is_parked_and_the_next_one_passes(
    tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    sink = Webhook(WebhookConfig(url=receiver.url))
    assert "without a signature" in caplog.text
    box = Outbox(tmp_path / "outbox.sqlite", [sink.name])
    receiver.moods += ["400", "200", "400", "404", "301", "400"]
    bad, good = alarm(), alarm()
    box.put(bad)
    box.put(good)
    delivery = delivering(sink, box)
    # It is parked a moment before that is logged.
    until(lambda: box.parked(sink.name) == 1 and "not tried again" in caplog.text)
    assert receiver.keys() == [good.key]
    assert "Holmesvau-Signature" not in receiver.requests[0][0]
    assert delivery.finish(1.0) == 0
    box.close()


def test_receiver_that_is_away_costs_no_message_and_the_end_is_in_time(tmp_path: Path) -> None:
    sink = Webhook(WebhookConfig(url=f"http://127.0.0.1:{free_port()}/"))
    box = Outbox(tmp_path / "outbox.sqlite", [sink.name])
    box.put(alarm())
    delivery = delivering(sink, box)
    until(lambda: delivery.failures >= 3)
    assert "cannot be reached" in delivery.last_failure
    began = time.monotonic()
    assert delivery.finish(0.3) == 1 and time.monotonic() - began < 2.0
    box.close()


def test_addresses_that_are_none_are_refused() -> None:
    for url in ("ftp://host/", "host", "http://"):
        with pytest.raises(ConfigError, match="Write it like https://"):
            Webhook(WebhookConfig(url=url))
    with pytest.raises(ConfigError, match="not sent") as caught:
        Webhook(WebhookConfig(url="https://guard:secret@host/alarms"))
    assert "secret" not in str(caught.value)
    for url in ("http://host", "mqtt://", "mqtt://guard:secret@host", "mqtt://host:x", "mqtt://host/a/+/b"):
        with pytest.raises(ConfigError) as caught:
            Mqtt(MqttConfig(url=url))
        assert "secret" not in str(caught.value)


# --- a broker ---


class Subscriber:
    """Listens with a client of its own."""

    def __init__(self, port: int, topic: str) -> None:
        import paho.mqtt.client as mqtt

        self.heard: list[tuple[str, bytes]] = []
        self.ready = threading.Event()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self.client.on_message = lambda _c, _d, message: self.heard.append((message.topic, message.payload))
        self.client.on_subscribe = lambda *_: self.ready.set()
        self.client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self.ready.wait(5)

    def messages(self) -> list[tuple[str, bytes]]:
        return [(topic, payload) for topic, payload in self.heard if not topic.endswith("/status")]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def test_broker_that_dies_and_comes_back_gets_every_message(tmp_path: Path, broker: Broker) -> None:
    sink = Mqtt(MqttConfig(url=f"mqtt://127.0.0.1:{broker.port}/site/7", timeout_seconds=2.0))
    box = Outbox(tmp_path / "outbox.sqlite", [sink.name])
    first, second = alarm("front/door +"), alarm()
    subscriber = Subscriber(broker.port, "site/#")
    box.put(first)
    delivery = delivering(sink, box)
    until(subscriber.messages)
    assert ("site/7/status", b"online") in subscriber.heard
    subscriber.close()
    broker.kill()
    box.put(second)
    until(lambda: delivery.failures >= 2)
    assert box.waiting(sink.name) == 1
    broker.start()
    until(lambda: box.waiting(sink.name) == 0)
    again = Subscriber(broker.port, "site/#")
    third = alarm()
    box.put(third)
    until(again.messages)
    assert delivery.finish(2.0) == 0
    until(lambda: ("site/7/status", b"offline") in again.heard)
    again.close()
    heard = [(topic, json.loads(body)["key"]) for topic, body in subscriber.messages() + again.messages()]
    assert heard == [("site/7/front-door -/alarm", first.key), ("site/7/gate/alarm", third.key)]
    box.close()


def test_without_the_client_library_it_is_named() -> None:
    code = (
        "import sys; sys.modules['paho'] = None\n"
        "from holmesvau.stream.sinks.mqtt import Mqtt, MqttConfig\n"
        "from holmesvau.errors import MissingPartError\n"
        "try: Mqtt(MqttConfig(url='mqtt://host'))\n"
        "except MissingPartError as error: print(error)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "holmesvau[live]" in told.stdout and MissingPartError.exit_code == 3
