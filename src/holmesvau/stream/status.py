"""The counters of a live watch as plain JSON values: what `status.json` holds of its parts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from holmesvau.stream.describer import Describer
from holmesvau.stream.guard import Guard
from holmesvau.stream.outbox import Outbox
from holmesvau.stream.sinks import Delivery


def of_camera(guard: Guard, dropped: int, now: float) -> dict[str, Any]:
    """A camera's; `dropped` pictures did not reach the scorer, `now` is `time.monotonic()`."""
    camera, recorder, latest = guard.camera, guard.recorder, guard.latest
    return {
        "name": guard.part.name,
        "state": camera.state,
        "reason": camera.reason,
        "score": None if latest is None else round(latest.score, 4),
        "scorer": None if latest is None else latest.scorer,
        "seconds": None if latest is None else round(latest.seconds, 3),
        "silent_seconds": round(now - camera.last_frame, 1),
        "frames": camera.frames,
        "scored": camera.shots - dropped,
        "dropped": dropped,
        "connections": camera.connections,
        "clock_jumps": camera.timeline.jumps,
        "decoder_errors": camera.decoder_errors,
        "bugs": camera.bugs,
        "alarms": guard.raised,
        "held_back": guard.held_back,
        "unsettled": guard.unsettled,
        "clips": 0 if recorder is None else recorder.written,
        "clips_failed": 0 if recorder is None else recorder.failed,
        "clip_bytes_dropped": 0 if recorder is None else recorder.dropped_bytes,
    }


def of_model(describer: Describer) -> dict[str, Any]:
    """The describing model's."""
    return {
        "waiting": describer.waiting,
        "described": describer.described,
        "dropped": describer.dropped,
        "failures": describer.failures,
    }


def of_sink(delivery: Delivery, outbox: Outbox) -> dict[str, Any]:
    """A receiver's."""
    return {
        "name": delivery.name,
        "sent": delivery.sent,
        "waiting": outbox.waiting(delivery.name),
        "parked": outbox.parked(delivery.name),
        "failures": delivery.failures,
        "last_failure": delivery.last_failure,
    }


def resident_bytes() -> int:
    """Memory that this process holds now; 0 where the system does not tell."""
    pages = Path("/proc/self/statm")
    return int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if pages.exists() else 0
