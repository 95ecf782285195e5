"""What people have done, as sentences: each edit with what it was before and what it became."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from holmesvau.clock import clock
from holmesvau.engine.ledger import Ledger, Target

_Made = tuple[str, list[Any], dict[str, Any] | None, dict[str, Any] | None]
_SHOWN_WORDS = 12


def history(ledger: Ledger, video: str, *, most: int = 200) -> list[dict[str, Any]]:
    """The last edits of a video, the newest first: id, at, who, action, kind, undone, and a sentence."""
    rows = ledger.rows("SELECT * FROM edits WHERE video = ? ORDER BY id DESC LIMIT ?", (video, most))
    return [
        {
            "id": row["id"],
            "at": row["at"],
            "who": row["who"],
            "action": row["action"],
            "kind": row["kind"],
            "undone": row["undone_by"] is not None,
            "text": sentence(row["action"], row["kind"], json.loads(row["changes"])),
        }
        for row in rows
    ]


def last(ledger: Ledger, video: str, table: str, key: str = "") -> tuple[str, float] | None:
    """Who last changed a video, in one table and row of it where those are given, and when."""
    rows = ledger.rows(
        "SELECT who, at, changes FROM edits WHERE video = ? ORDER BY id DESC LIMIT 500", (video,)
    )
    for row in rows:
        made = json.loads(row["changes"])
        if any((not table or one[0] == table) and (not key or key in one[1]) for one in made):
            return row["who"], row["at"]
    return None


def sentence(action: str, kind: str, changes: Sequence[_Made]) -> str:
    """An edit in words. What was undone is told by what it did at first."""
    made = list(changes)
    if kind == "undo":
        made = [(table, key, after, before) for table, key, before, after in reversed(made)]
    told = _TOLD.get(action, _other)(action, made)
    return {"undo": "took back: ", "redo": "did again: "}.get(kind, "") + told


def _begin(_: str, __: Sequence[_Made]) -> str:
    return "began, with no events"


def _adopt(_: str, made: Sequence[_Made]) -> str:
    count = sum(table == "events" for table, *_ in made)
    return f"took over {_number(count, 'event')}"


def _events(action: str, made: Sequence[_Made]) -> str:
    for table, _, before, after in made:
        if table != "events":
            continue
        if before is None and after is not None:
            return f"marked {_span(after)}{_called(after)}"
        if after is None and before is not None:
            return f"removed {_span(before)}{_called(before)}"
        if before is not None and after is not None:
            return " and ".join(_differences(before, after)) or "changed nothing"
    return _other(action, made)


def _differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    found = []
    if (before["start"], before["end"]) != (after["start"], after["end"]):
        found.append(f"moved {_span(before)} to {_span(after)}")
    if before["label"] != after["label"]:
        place = "" if found else f"{_span(after)} "
        was = f" (was {before['label']})" if before["label"] else ""
        found.append(f"called {place or 'it '}{after['label'] or 'nothing yet'}{was}")
    return found


def _text(action: str, made: Sequence[_Made]) -> str:
    verb = "let stand" if action == "accept" else "wrote"
    for table, key, _, after in made:
        if table == "texts" and after is not None:
            words = " ".join(json.loads(after["parts"]).values()).split()
            shown = " ".join(words[:_SHOWN_WORDS]) + (" …" if len(words) > _SHOWN_WORDS else "")
            return f"{verb} {_place(key[0])}: “{shown}”"
    return f"{verb} a text again"


def _send_back(_: str, made: Sequence[_Made]) -> str:
    for table, key, _before, after in made:
        if table == "remarks" and after is not None:
            return f"sent back {_place(key[0])}: {after['remark']}"
    return "sent a text back"


def _confirm(_: str, made: Sequence[_Made]) -> str:
    count = sum(table == "events" for table, *_ in made)
    return "confirmed the events" + (f", {_number(count, 'event')} of a machine" if count else "")


def _settle(_: str, made: Sequence[_Made]) -> str:
    for table, _key, _before, after in made:
        if table == "decisions" and after is not None and after["layer"]:
            return f"decided that the events of {after['layer']} count"
    return "left open again whose events count"


def _leave_out(_: str, made: Sequence[_Made]) -> str:
    for table, _key, _before, after in made:
        if table == "decisions" and after is not None and after["left_out"]:
            return f"left the video out: {after['left_out']}"
    return "took the video in again"


def _other(action: str, _: Sequence[_Made]) -> str:
    return action.replace("-", " ")


_TOLD = {
    "begin": _begin,
    "adopt-events": _adopt,
    "add-event": _events,
    "change-event": _events,
    "remove-event": _events,
    "write-text": _text,
    "accept": _text,
    "send-back": _send_back,
    "confirm": _confirm,
    "settle": _settle,
    "leave-out": _leave_out,
}


def _span(row: dict[str, Any]) -> str:
    return f"{clock(row['start'], 2)}–{clock(row['end'], 2)}"


def _called(row: dict[str, Any]) -> str:
    return f" as {row['label']}" if row["label"] else ""


def _place(address: str) -> str:
    target = Target.parse(address)
    if target.span is not None:
        return f"the caption of {clock(target.span.start, 1)}–{clock(target.span.end, 1)}"
    return "the text of an event" if target.level == "event" else "the text of the video"


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
