"""What the page is shown: the project with its queue, and one video with everything that is known of it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holmesvau.engine.agreement import agreement
from holmesvau.engine.ledger import Ledger, LedgerEvent, LedgerText, LedgerVideo, Review
from holmesvau.engine.review import versions
from holmesvau.engine.review.history import history
from holmesvau.engine.review.room import Room
from holmesvau.engine.run import to_do
from holmesvau.report.curve import decimated

# The page shows so many entries of the queue at once, the first ones; it is told how many there are.
MOST_ENTRIES = 1000


def project(room: Room) -> dict[str, Any]:
    """The project: videos, queue, classes, and what is at work beside the page."""
    ledger, config, home = room.ledger, room.project.config, room.project.folder.resolve()
    queue = ledger.queue()
    open_: dict[str, int] = defaultdict(int)
    for entry in queue:
        open_[entry.target.video] += 1
    people: dict[str, list[str]] = defaultdict(list)
    for row in ledger.rows("SELECT video, layer FROM layers WHERE layer NOT LIKE '@%' ORDER BY begun"):
        people[row["video"]].append(row["layer"])
    decided = {row["video"]: row for row in ledger.rows("SELECT * FROM decisions")}
    names = {row["who"] for row in ledger.rows("SELECT DISTINCT who FROM edits")}
    return {
        "name": home.name,
        # What a browser keeps drafts by.
        "id": hashlib.blake2b(str(home).encode(), digest_size=8).hexdigest(),
        "version": room.version(),
        "who": room.who,
        "annotators": sorted(names),
        "classes": list(config.classes),
        "videos": [
            {
                "name": video.name,
                "duration": video.duration,
                "problem": video.problem,
                "known": bool(video.decoupled),
                "open": open_.get(video.name, 0),
                "annotators": people.get(video.name, []),
                "confirmed_by": decided[video.name]["confirmed_by"] if video.name in decided else "",
                "left_out": decided[video.name]["left_out"] if video.name in decided else "",
            }
            for video in ledger.videos()
        ],
        "open": len(queue),
        "to_do": to_do(ledger),
        "work": None if room.beside is None else {"state": room.beside.state, "reason": room.beside.reason},
        "queue": _entries(ledger, queue[:MOST_ENTRIES]),
    }


def video(room: Room, name: str) -> dict[str, Any]:
    """One video: curve, layers, texts, decisions, queue, history, agreement.

    Raises:
        InputError: when the project has none of that name.
    """
    ledger = room.ledger
    found = ledger.video(name)
    decision = ledger.decision(name)
    counting = ledger.layer_of(name)
    reviews = ledger.queue(video=name)
    boundaries = next((entry for entry in reviews if entry.kind == "boundaries"), None)
    by_address = {entry.target.address: entry for entry in reviews if entry.kind == "text"}
    path = room.project.path_of(found.path)
    return {
        "version": room.version(),
        **_facts(found, path),
        "curve": _curve(ledger, name),
        "layers": [_layer(ledger, name, layer, counting) for layer in ledger.layers(name)],
        "counting": counting,
        "counts": [_event(event) for event in ledger.events(name)],
        "counts_version": versions.of_video(ledger, name),
        "decision": {
            "layer": decision.layer,
            "confirmed_by": decision.confirmed_by,
            "confirmed_at": decision.confirmed_at,
            "left_out": decision.left_out,
        },
        "boundaries": None if boundaries is None else _entry(boundaries),
        "texts": [_text(text, by_address.get(text.target.address)) for text in ledger.texts(name)],
        "history": history(ledger, name),
        "agreement": agreement(ledger, video=name).to_json(),
    }


def text(ledger: Ledger, address: str) -> LedgerText | None:
    """The text of a target as it counts, None where none is wanted."""
    target = ledger.target(address)
    return next((text for text in ledger.texts(target.video) if text.target == target), None)


def _facts(video: LedgerVideo, path: Path) -> dict[str, Any]:
    return {
        "name": video.name,
        "file": path.name,
        "content": video.content,
        "labels": None if video.labels is None else list(video.labels),
        "duration": video.duration,
        "frames": video.n_frames,
        "fps": video.fps,
        "problem": video.problem,
        "known": bool(video.decoupled),
    }


def _curve(ledger: Ledger, name: str) -> dict[str, Any] | None:
    curve = ledger.curve(name)
    if curve is None or not len(curve):
        return None
    keep = decimated(curve)
    return {
        "seconds": [round(float(value), 3) for value in curve.seconds[keep]],
        "scores": [round(float(value), 4) for value in curve.scores[keep]],
        "gap": 2.5 * max(curve.stride_seconds, float(curve.seconds[-1]) / max(1, len(keep))),
        "scorer": curve.scorer,
    }


def _layer(ledger: Ledger, video: str, layer: str, counting: str | None) -> dict[str, Any]:
    return {
        "name": layer,
        "person": not layer.startswith("@"),
        "counts": layer == counting,
        "events": [_event(event) for event in ledger.events(video, layer)],
    }


def _event(event: LedgerEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "layer": event.layer,
        "start": event.span.start,
        "end": event.span.end,
        "label": event.label,
        "normal": event.normal,
        "score": event.score,
        "version": versions.of_event(event),
    }


def _text(text: LedgerText, review: Review | None) -> dict[str, Any]:
    target = text.target
    return {
        "address": target.address,
        "level": target.level,
        "event": target.event,
        "start": None if target.span is None else target.span.start,
        "end": None if target.span is None else target.span.end,
        "parts": dict(text.parts),
        "state": text.state,
        "who": text.who,
        "model": text.model,
        "at": text.at,
        "version": versions.of_text(text),
        "review": None if review is None else _entry(review),
    }


def _entries(ledger: Ledger, entries: Sequence[Review]) -> list[dict[str, Any]]:
    """Entries, those about events with the seconds of the events."""
    spans = {
        (video, event.id): event.span
        for video in {entry.target.video for entry in entries if entry.target.level == "event"}
        for event in ledger.events(video)
    }
    shown = []
    for entry in entries:
        start, end = spans.get((entry.target.video, entry.target.event), (None, None))
        shown.append(_entry(entry) | ({} if start is None else {"start": start, "end": end}))
    return shown


def _entry(entry: Review) -> dict[str, Any]:
    target = entry.target
    return {
        "id": entry.id,
        "kind": entry.kind,
        "video": target.video,
        "address": target.address,
        "level": target.level,
        "event": target.event,
        "start": None if target.span is None else target.span.start,
        "end": None if target.span is None else target.span.end,
        "gate": entry.gate,
        "reason": entry.reason,
        "written": bool(entry.parts),
    }
