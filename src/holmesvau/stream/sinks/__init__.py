"""Where messages go: one file a kind of receiver, and the thread that keeps trying."""

from __future__ import annotations

from holmesvau.stream.sinks.delivery import Delivery
from holmesvau.stream.sinks.jsonl import JsonLines
from holmesvau.stream.sinks.mqtt import Mqtt, MqttConfig
from holmesvau.stream.sinks.protocol import Sink, Undelivered
from holmesvau.stream.sinks.webhook import Webhook, WebhookConfig

__all__ = [
    "Delivery",
    "JsonLines",
    "Mqtt",
    "MqttConfig",
    "Sink",
    "Undelivered",
    "Webhook",
    "WebhookConfig",
]
