"""The ledger as it counts now: whose events, which texts, what waits for people."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import numpy as np

from holmesvau.engine.ledger.connection import Connection
from holmesvau.engine.ledger.rows import (
    IMPORTED,
    PROPOSED,
    SAMPLED,
    Decision,
    LedgerEvent,
    LedgerText,
    LedgerVideo,
    Review,
    Target,
    TextState,
)
from holmesvau.errors import InputError
from holmesvau.types import AnomalyCurve, Span


def videos(connection: Connection) -> list[LedgerVideo]:
    """All videos, in the order of the project's list."""
    return [_video(row) for row in connection.rows("SELECT * FROM videos ORDER BY position, name")]


def video(connection: Connection, name: str) -> LedgerVideo:
    """One video.

    Raises:
        InputError: when the project has none of that name.
    """
    row = connection.row("SELECT * FROM videos WHERE name = ?", (name,))
    if row is None:
        raise InputError(f"{name}: the project has no such video.")
    return _video(row)


def curve(connection: Connection, name: str) -> AnomalyCurve | None:
    """The anomaly curve of a video, None where it was not scored."""
    row = connection.row("SELECT * FROM curves WHERE video = ?", (name,))
    if row is None:
        return None
    return AnomalyCurve(
        np.frombuffer(row["seconds"], np.float64),
        np.frombuffer(row["scores"], np.float32),
        np.frombuffer(row["frames"], np.int64),
        row["stride_seconds"],
        row["scorer"],
    )


def decision(connection: Connection, name: str) -> Decision:
    """What people decided on a video; a `Decision` of nothing where they have not."""
    row = connection.row("SELECT * FROM decisions WHERE video = ?", (name,))
    if row is None:
        return Decision(name)
    return Decision(row["video"], row["layer"], row["confirmed_by"], row["confirmed_at"], row["left_out"])


def layers(connection: Connection, name: str) -> list[str]:
    """The layers of a video: those of persons in the order they were begun, then those of machines."""
    rows = connection.rows("SELECT layer FROM layers WHERE video = ? ORDER BY begun, layer", (name,))
    found = [row["layer"] for row in rows]
    return [layer for layer in found if not layer.startswith("@")] + [
        layer for layer in (IMPORTED, PROPOSED, SAMPLED) if layer in found
    ]


def layer_of(connection: Connection, name: str) -> str | None:
    """The layer whose events count: the one decided on, else the person's begun first, the import, the
    proposals. None where there is none yet.
    """
    decided = decision(connection, name).layer
    there = layers(connection, name)
    if decided in there:
        return decided
    return next((layer for layer in there if layer != SAMPLED), None)


def events(connection: Connection, name: str, layer: str | None = None) -> list[LedgerEvent]:
    """The events of a layer in time, or without `layer` those that count.

    Where the layer that counts has none, the video is normal, and the stretches sampled from it count.
    """
    if layer is not None:
        return _events(connection, name, layer)
    counting = layer_of(connection, name)
    if counting is None:
        return []
    return _events(connection, name, counting) or _events(connection, name, SAMPLED)


def texts(connection: Connection, name: str) -> list[LedgerText]:
    """The text of every target of a video that is wanted, as it counts: the video's, events', clips'."""
    rows = connection.rows(
        """SELECT wanted.*, texts.parts AS own, texts.who AS who, texts.at AS own_at,
                  texts.basis AS own_basis,
                  items.state AS item_state, answers.parts AS said, answers.model AS model,
                  answers.prompt AS prompt, answers.at AS said_at
           FROM wanted LEFT JOIN texts USING(address) LEFT JOIN items USING(key)
                LEFT JOIN answers ON answers.id = items.answer
           WHERE wanted.video = ? AND wanted.stage != 'decouple'
           ORDER BY wanted.level = 'clip', wanted.level = 'event', wanted.start, wanted.end""",
        (name,),
    )
    return [_text(row) for row in rows]


def reviews(
    connection: Connection, *, state: str | None = "open", video: str | None = None, number: int | None = None
) -> list[Review]:
    """The queue for people, by video and time; with `state=None` also what was decided."""
    rows = connection.rows(
        """SELECT reviews.*, answers.parts AS said, texts.parts AS own FROM reviews
                  LEFT JOIN texts ON texts.address = reviews.address AND reviews.kind = 'text'
                  LEFT JOIN items USING(key) LEFT JOIN answers ON answers.id = items.answer
                  LEFT JOIN videos ON videos.name = reviews.video
           WHERE (?1 IS NULL OR reviews.state = ?1) AND (?2 IS NULL OR reviews.video = ?2)
                 AND (?3 IS NULL OR reviews.id = ?3)
           ORDER BY videos.position, reviews.kind, reviews.level = 'video', reviews.level = 'event',
                    reviews.start, reviews.id""",
        (state, video, number),
    )
    return [_review(row) for row in rows]


def target(row: sqlite3.Row) -> Target:
    """The target that a row of `wanted`, `texts` or `reviews` names."""
    span = None if row["start"] is None else Span(row["start"], row["end"])
    return Target(row["level"], row["video"], row["event"], span)


def columns(of: Target) -> dict[str, Any]:
    """A target as the columns of a row."""
    start, end = (None, None) if of.span is None else of.span
    return {
        "address": of.address,
        "level": of.level,
        "video": of.video,
        "event": of.event,
        "start": start,
        "end": end,
    }


def _events(connection: Connection, name: str, layer: str) -> list[LedgerEvent]:
    rows = connection.rows(
        "SELECT * FROM events WHERE video = ? AND layer = ? ORDER BY start, end, id", (name, layer)
    )
    return [event(dict(row)) for row in rows]


def event(row: dict[str, Any]) -> LedgerEvent:
    """A row of `events`."""
    return LedgerEvent(
        row["id"],
        row["video"],
        row["layer"],
        Span(row["start"], row["end"]),
        row["label"],
        bool(row["normal"]),
        row["score"],
    )


def event_row(of: LedgerEvent) -> dict[str, Any]:
    """An event as a row of `events`."""
    return {
        "video": of.video,
        "layer": of.layer,
        "id": of.id,
        "start": of.span.start,
        "end": of.span.end,
        "label": of.label,
        "normal": int(of.normal),
        "score": of.score,
    }


def _video(row: sqlite3.Row) -> LedgerVideo:
    values = {key: row[key] for key in row.keys() if key not in ("position", "labels", "clips")}  # noqa: SIM118
    labels = json.loads(row["labels"])
    return LedgerVideo(
        **values,
        labels=None if labels is None else tuple(labels),
        clips=tuple(Span(*clip) for clip in json.loads(row["clips"])),
    )


def _text(row: sqlite3.Row) -> LedgerText:
    if row["own"] is not None:
        # A person's text rests on what it was written for.
        state: TextState = "standing" if row["own_basis"] in ("", row["basis"]) else "stale"
        return LedgerText(
            target(row), json.loads(row["own"]), state, row["who"], at=row["own_at"], key=row["key"]
        )
    said = json.loads(row["said"]) if row["said"] else {}
    states: dict[str | None, TextState] = {"done": "standing", "people": "failed"}
    state = states.get(row["item_state"], "waiting")
    return LedgerText(
        target(row),
        said,
        state,
        model=row["model"] or "",
        prompt=row["prompt"] or "",
        at=row["said_at"],
        key=row["key"],
    )


def _review(row: sqlite3.Row) -> Review:
    # A person's text that has gone stale is what the entry is about.
    words = row["own"] or row["said"]
    parts = json.loads(words) if words else {}
    return Review(
        row["id"],
        row["kind"],
        target(row),
        row["gate"],
        row["reason"],
        parts,
        row["state"],
        row["opened_at"],
        row["who"],
        row["decided_at"],
        row["note"],
    )


def curve_row(video: str, of: AnomalyCurve) -> dict[str, Any]:
    """A curve as a row of `curves`."""
    return {
        "video": video,
        "seconds": np.ascontiguousarray(of.seconds, np.float64).tobytes(),
        "scores": np.ascontiguousarray(of.scores, np.float32).tobytes(),
        "frames": np.ascontiguousarray(of.index, np.int64).tobytes(),
        "stride_seconds": of.stride_seconds,
        "scorer": of.scorer,
    }
