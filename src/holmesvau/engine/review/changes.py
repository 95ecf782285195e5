"""What the page may ask to be changed, checked, and laid on the ledger; nobody writes over what they have not
seen.

A change says what the page showed (`seen`, of `versions`). When that is no longer so, the answer is a
`ConflictError` that names who has changed it, and nothing is done.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from holmesvau.engine.ledger import Ledger, Target
from holmesvau.engine.review import versions, views
from holmesvau.engine.review.history import last, sentence
from holmesvau.engine.review.room import Room
from holmesvau.errors import InputError
from holmesvau.types import Span


class ConflictError(InputError):
    """Somebody else was quicker: the sentence says who."""


class _Change(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False)
    who: str = Field(max_length=200)


class Begin(_Change):
    """An empty layer: nothing abnormal here."""

    do: Literal["begin"]
    video: str

    def apply(self, ledger: Ledger) -> str:
        """Does it; gives the video it was about."""
        ledger.begin(self.video, self.who)
        return self.video


class Adopt(_Change):
    """Begin with the events of another layer."""

    do: Literal["adopt"]
    video: str
    layer: str | None = None

    def apply(self, ledger: Ledger) -> str:
        """Does it; gives the video it was about."""
        ledger.adopt_events(self.video, self.who, self.layer)
        return self.video


class Add(_Change):
    """Mark an event; `adopt` names a layer to begin with where this person has none yet."""

    do: Literal["add"]
    video: str
    start: float
    end: float
    label: str = ""
    adopt: str | None = None
    event: str = ""

    def apply(self, ledger: Ledger) -> str:
        """Does it; gives the video it was about, and `event` is the new one's id."""
        _adopted(ledger, self.video, self.who, self.adopt)
        span = Span(self.start, self.end)
        self.event = ledger.add_event(self.video, self.who, span, self.label).id
        return self.video


class Alter(_Change):
    """Move an event, or give it another class; one of the layer `adopt` becomes this person's first."""

    do: Literal["alter"]
    video: str
    event: str
    start: float | None = None
    end: float | None = None
    label: str | None = None
    adopt: str | None = None
    seen: str = ""

    def apply(self, ledger: Ledger) -> str:
        """Does it; gives the video it was about."""
        _adopted(ledger, self.video, self.who, self.adopt)
        _event_as_seen(ledger, self.video, self.who, self.event, self.seen)
        if (self.start is None) != (self.end is None):
            raise InputError("Give both ends of an event, or neither.")
        span = None if self.start is None or self.end is None else Span(self.start, self.end)
        ledger.change_event(self.video, self.who, self.event, span=span, label=self.label)
        return self.video


class Remove(_Change):
    """Take an event out of this person's layer; `adopt` as in `Alter`."""

    do: Literal["remove"]
    video: str
    event: str
    adopt: str | None = None
    seen: str = ""

    def apply(self, ledger: Ledger) -> str:
        """Does it; gives the video it was about."""
        _adopted(ledger, self.video, self.who, self.adopt)
        _event_as_seen(ledger, self.video, self.who, self.event, self.seen)
        ledger.remove_event(self.video, self.who, self.event)
        return self.video


class Settle(_Change):
    """Decide whose events count; None leaves it open again."""

    do: Literal["settle"]
    video: str
    layer: str | None
    seen: str = ""

    def apply(self, ledger: Ledger) -> str:
        """Does it; gives the video it was about."""
        _video_as_seen(ledger, self.video, self.seen)
        ledger.settle(self.video, self.who, self.layer)
        return self.video


class Confirm(_Change):
    """The events that count are right and complete."""

    do: Literal["confirm"]
    video: str
    seen: str = ""

    def apply(self, ledger: Ledger) -> str:
        """Does it; gives the video it was about."""
        _video_as_seen(ledger, self.video, self.seen)
        ledger.confirm(self.video, self.who)
        return self.video


class LeaveOut(_Change):
    """Keep the video out of the dataset; with an empty reason, take it in again."""

    do: Literal["leave-out"]
    video: str
    reason: str

    def apply(self, ledger: Ledger) -> str:
        """Does it; gives the video it was about."""
        ledger.leave_out(self.video, self.who, self.reason)
        return self.video


class Write(_Change):
    """A person's words in the place of what stands there."""

    do: Literal["write"]
    address: str
    parts: dict[str, str]
    seen: str = ""

    def apply(self, ledger: Ledger) -> str:
        """Does it; gives the video it was about."""
        target = _text_as_seen(ledger, self.address, self.seen)
        ledger.write_text(target, self.parts, self.who)
        return target.video


class Accept(_Change):
    """Let a text that failed a gate stand as it is."""

    do: Literal["accept"]
    review: int
    seen: str = ""

    def apply(self, ledger: Ledger) -> str:
        """Does it; gives the video it was about."""
        entry = ledger.review(self.review)
        if entry.kind == "boundaries":
            _video_as_seen(ledger, entry.target.video, self.seen)
        else:
            _text_as_seen(ledger, entry.target.address, self.seen)
        ledger.accept(self.review, self.who)
        return entry.target.video


class SendBack(_Change):
    """Have a model write it again, knowing the reason."""

    do: Literal["send-back"]
    address: str
    reason: str
    seen: str = ""

    def apply(self, ledger: Ledger) -> str:
        """Does it; gives the video it was about."""
        target = _text_as_seen(ledger, self.address, self.seen)
        ledger.send_back(target, self.who, self.reason)
        return target.video


class Reject(_Change):
    """`SendBack` of an entry of the queue."""

    do: Literal["reject"]
    review: int
    reason: str

    def apply(self, ledger: Ledger) -> str:
        """Does it; gives the video it was about."""
        ledger.reject(self.review, self.who, self.reason)
        return ledger.review(self.review).target.video


class Undo(_Change):
    """Take back this person's last edit."""

    do: Literal["undo", "redo"]
    told: str = ""

    def apply(self, ledger: Ledger) -> str:
        """Does it; gives the video it was about, and `told` says what it was."""
        edit = ledger.undo(self.who) if self.do == "undo" else ledger.redo(self.who)
        if edit is None:
            raise InputError(f"{self.who} has nothing to {self.do}.")
        row = ledger.row("SELECT changes FROM edits WHERE id = ?", (edit.id,))
        assert row is not None
        self.told = sentence(edit.action, edit.kind, json.loads(row["changes"]))
        return edit.video


_ANY: TypeAdapter[Any] = TypeAdapter(
    Annotated[
        Begin | Adopt | Add | Alter | Remove | Settle | Confirm | LeaveOut | Write | Accept | SendBack
        | Reject | Undo,
        Field(discriminator="do"),
    ]
)  # fmt: skip


def change(room: Room, body: Mapping[str, Any]) -> dict[str, Any]:
    """Do what the page asks; it is on the disk when this returns.

    The answer names the video, says what a new event is called or what was undone, and brings the video as
    it is now.

    Raises:
        ConflictError: when what the page showed has been changed by somebody since.
        InputError: when it cannot be done, or the request is none.
    """
    try:
        asked = _ANY.validate_python(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the request"
        raise InputError(f"{where}: {first['msg'][0].lower()}{first['msg'][1:]}.") from error
    ledger = room.ledger
    with ledger.writing(durable=True):
        video = asked.apply(ledger)
    warning = room.advance(video)
    return {
        "video": views.video(room, video),
        "event": getattr(asked, "event", ""),
        "told": getattr(asked, "told", ""),
        "warning": warning,
        "saved_at": time.time(),
    }


def _adopted(ledger: Ledger, video: str, who: str, layer: str | None) -> None:
    """Begin a person's layer with a copy of another, where they have none yet."""
    if layer is not None and layer != who and who not in ledger.layers(video):
        ledger.adopt_events(video, who, layer)


def _event_as_seen(ledger: Ledger, video: str, who: str, event: str, seen: str) -> None:
    there = {found.id: found for found in ledger.events(video, who)}
    if event not in there:
        if seen:
            raise ConflictError(
                f"This event is no longer in the layer of {who}: "
                f"{_by(ledger, video, 'events', event)} removed it. Nothing was changed."
            )
        return
    if seen and versions.of_event(there[event]) != seen:
        raise ConflictError(
            f"{_by(ledger, video, 'events', event)} changed this event after it was shown here. It is "
            "shown as it is now; nothing was changed."
        )


def _video_as_seen(ledger: Ledger, video: str, seen: str) -> None:
    ledger.video(video)
    if seen and versions.of_video(ledger, video) != seen:
        raise ConflictError(
            f"{_by(ledger, video, '')} changed the events that count, or what is decided on them, after "
            "they were shown here. Look again, then decide."
        )


def _text_as_seen(ledger: Ledger, address: str, seen: str) -> Target:
    target = ledger.target(address)
    if seen:
        text = views.text(ledger, address)
        if versions.of_text(text) != seen:
            by = _by(ledger, target.video, "texts", address)
            raise ConflictError(
                f"{by} changed this text after it was shown here. Their words are shown beside yours; "
                "save again to put yours in their place."
            )
    return target


def _by(ledger: Ledger, video: str, table: str, key: str = "") -> str:
    """Who changed it and when, for the beginning of a sentence."""
    found = last(ledger, video, table, key)
    if found is None:
        return "A run of the engine"
    who, at = found
    return f"{who} (at {time.strftime('%H:%M:%S', time.localtime(at))})"
