"""The ledger as people use it: look at videos, mark events, write texts, work off the queue, undo.

    with Ledger("project/ledger.sqlite") as ledger:
        ledger.adopt_events("camera-3", "ann")                  # begin with what was proposed
        ledger.change_event("camera-3", "ann", event.id, span=Span(12.04, 19.8), label="Fighting")
        ledger.confirm("camera-3", "ann")
        ledger.write_text(review.target, {"caption": "Two men push each other."}, "ann")

Every change takes the name of who makes it, is one transaction on the disk when the call returns, and is kept
with that name and the time. Instances may be shared between threads, the file between processes.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from holmesvau.engine.ledger import editing, reading
from holmesvau.engine.ledger.connection import Connection
from holmesvau.engine.ledger.editing import Change
from holmesvau.engine.ledger.rows import (
    PARTS,
    Decision,
    Edit,
    LedgerEvent,
    LedgerText,
    LedgerVideo,
    Review,
    ReviewState,
    Target,
)
from holmesvau.errors import InputError
from holmesvau.types import AnomalyCurve, Span

_LONGEST_LABEL = 60
_LONGEST_TEXT = 20_000


class Ledger(Connection):
    """A project's ledger; see the module. Times are seconds of the video, rounded to milliseconds."""

    # --- looking ---

    def videos(self) -> list[LedgerVideo]:
        """All videos, in the order of the project's list."""
        return reading.videos(self)

    def video(self, name: str) -> LedgerVideo:
        """One video; InputError when there is none of that name."""
        return reading.video(self, name)

    def curve(self, video: str) -> AnomalyCurve | None:
        """The anomaly curve of a video, None where it was not scored."""
        return reading.curve(self, video)

    def layers(self, video: str) -> list[str]:
        """Whose events there are: names of persons, then `@import`, `@proposals`, `@sampled`."""
        return reading.layers(self, video)

    def layer_of(self, video: str) -> str | None:
        """The layer whose events count: as decided, else the first person's, `@import`, `@proposals`."""
        return reading.layer_of(self, video)

    def decision(self, video: str) -> Decision:
        """What people decided on a video."""
        return reading.decision(self, video)

    def events(self, video: str, layer: str | None = None) -> list[LedgerEvent]:
        """The events of a layer in time; without `layer` those that count, for a normal video the sampled."""
        return reading.events(self, video, layer)

    def texts(self, video: str) -> list[LedgerText]:
        """The text of every clip, event and of the video itself, as it counts, whether it is there or not."""
        return reading.texts(self, video)

    def queue(self, *, video: str | None = None, state: ReviewState | None = "open") -> list[Review]:
        """What waits for people, by video and time; `state=None` gives the decided entries as well."""
        return reading.reviews(self, state=state, video=video)

    def review(self, number: int) -> Review:
        """One entry of the queue; InputError when there is none of that number."""
        found = reading.reviews(self, state=None, number=number)
        if not found:
            raise InputError(f"{number}: the queue has no such entry.")
        return found[0]

    def edits(self, *, video: str | None = None, who: str | None = None) -> list[Edit]:
        """All edits ever made, the oldest first."""
        return editing.edits(self, video=video, who=who)

    def target(self, address: str) -> Target:
        """The target that an address names; InputError when it names none of this project."""
        found = Target.parse(address)
        reading.video(self, found.video)
        return found

    # --- events ---

    def begin(self, video: str, who: str) -> None:
        """Make a person's layer, empty; one that is left empty says that the video is normal."""
        reading.video(self, video)
        with editing.edit(self, who, "begin", video) as change:
            self._begin(change, video, who)

    def adopt_events(self, video: str, who: str, layer: str | None = None) -> list[LedgerEvent]:
        """Copy the events of a layer (by default those that count) into a person's; gives those."""
        reading.video(self, video)
        with editing.edit(self, who, "adopt-events", video) as change:
            # Read first: a person's new layer is one that counts.
            found = reading.events(self, video, layer)
            self._begin(change, video, who)
            for event in found:
                if event.layer != who and not (event.normal and layer is None):
                    own = replace(event, layer=who)
                    change.put("events", (video, who, event.id), reading.event_row(own))
        return reading.events(self, video, who)

    def add_event(
        self, video: str, who: str, span: Span, label: str = "", *, normal: bool = False
    ) -> LedgerEvent:
        """Mark an event in a person's layer. `label` "" leaves its class open; `normal` is for stretches of a
        normal video.

        Raises:
            InputError: when the span is empty or reaches past the video, or the class is no class.
        """
        event = LedgerEvent(secrets.token_hex(6), video, who, self._span(video, span), label.strip(), normal)
        _check_label(event)
        with editing.edit(self, who, "add-event", video) as change:
            self._begin(change, video, who)
            change.put("events", (video, who, event.id), reading.event_row(event))
        return event

    def change_event(
        self, video: str, who: str, event: str, *, span: Span | None = None, label: str | None = None
    ) -> LedgerEvent:
        """Move an event of a person's layer, or give it another class.

        Raises:
            InputError: when that person's layer has no such event, or as `add_event`.
        """
        old = self._event(video, who, event)
        new = replace(
            old,
            span=old.span if span is None else self._span(video, span),
            label=old.label if label is None else label.strip(),
        )
        _check_label(new)
        with editing.edit(self, who, "change-event", video) as change:
            change.put("events", (video, who, event), reading.event_row(new))
        return new

    def remove_event(self, video: str, who: str, event: str) -> None:
        """Take an event out of a person's layer; InputError when it has none of that id."""
        self._event(video, who, event)
        with editing.edit(self, who, "remove-event", video) as change:
            change.put("events", (video, who, event), None)

    def settle(self, video: str, who: str, layer: str | None) -> None:
        """Decide whose events count (None: the usual order again); InputError for an unknown layer."""
        if layer is not None and layer not in reading.layers(self, video):
            raise InputError(f"{video}: nobody called {layer!r} has marked it.")
        self._decide("settle", video, who, layer=layer)

    def confirm(self, video: str, who: str) -> None:
        """Say that the events that count are right and complete; closes the video's entry in the queue.

        Events of a machine become the person's own by that: what a scorer would propose tomorrow does not
        change what was confirmed today.

        Raises:
            InputError: when an event that counts has no class yet.
        """
        open_ = [event for event in reading.events(self, video) if not (event.label or event.normal)]
        if open_:
            raise InputError(
                f"{video}: the event at {open_[0].span.start:.2f} s has no class yet. Give it one, or "
                "remove it."
            )
        layer = reading.layer_of(self, video)
        mine = layer is None or layer.startswith("@")
        self._decide(
            "confirm", video, who, own=layer if mine else None, confirmed_by=who, confirmed_at=time.time()
        )

    def leave_out(self, video: str, who: str, reason: str) -> None:
        """Keep a video out of the dataset; with an empty reason, take it in again."""
        self._decide("leave-out", video, who, left_out=reason.strip())

    # --- texts ---

    def write_text(self, target: Target, parts: Mapping[str, str], who: str) -> None:
        """Put a person's words in the place of a model's; closes what the queue has about them.

        Raises:
            InputError: when parts are missing, unknown or too long.
        """
        self._write(target, parts, who, "write-text", "written")

    def accept(self, review: int, who: str) -> None:
        """Let a text that failed a gate stand as it is, or confirm a video's events.

        Raises:
            InputError: when the entry is not open, or there is no text yet.
        """
        entry = self._open(review)
        if entry.kind == "boundaries":
            self.confirm(entry.target.video, who)
        elif not entry.parts:
            raise InputError(f"{review}: there is no text to accept yet. Write one.")
        else:
            self._write(entry.target, entry.parts, who, "accept", "accepted")

    def reject(self, review: int, who: str, reason: str) -> None:
        """Have the model write it again, knowing the reason; `send_back` of an entry of the queue.

        Raises:
            InputError: when the entry is not open or is about boundaries, or without a reason.
        """
        entry = self._open(review)
        if entry.kind == "boundaries":
            raise InputError(
                f"{review}: boundaries are not rejected: change the events, or leave the video out."
            )
        self.send_back(entry.target, who, reason)

    def send_back(self, target: Target, who: str, reason: str) -> None:
        """Have the model write a text again, knowing the reason; a person's text there is dropped.

        Raises:
            InputError: without a reason.
        """
        if not reason.strip():
            raise InputError("Say what is wrong with the text: the model is told.")
        row = {"video": target.video, "remark": reason.strip(), "who": who, "at": time.time()}
        with editing.edit(self, who, "send-back", target.video) as change:
            change.put("texts", (target.address,), None)
            change.put("remarks", (target.address,), {"address": target.address, **row})
            self._close(change, target.address, who, "rejected", reason.strip())

    # --- taking back ---

    def undo(self, who: str) -> Edit | None:
        """Take back that person's last edit; InputError when somebody has changed the same since."""
        return editing.undo(self, who)

    def redo(self, who: str) -> Edit | None:
        """Do again what that person undid last; InputError when somebody has changed the same since."""
        return editing.redo(self, who)

    # --- parts of the above ---

    def _has_layer(self, video: str, who: str) -> bool:
        return editing.current(self, "layers", (video, who)) is not None

    def _begin(self, change: Change, video: str, who: str) -> None:
        if editing.current(self, "layers", (video, who)) is None:
            change.put("layers", (video, who), {"video": video, "layer": who, "begun": time.time()})

    def _event(self, video: str, who: str, event: str) -> LedgerEvent:
        row = editing.current(self, "events", (video, who, event))
        if row is None:
            raise InputError(f"{video}: {who} has no event {event}. Adopt the events first (adopt_events).")
        return reading.event(row)

    def _span(self, video: str, span: Span) -> Span:
        found = reading.video(self, video)
        end = span.end
        # A player's end may lie a rounding past the video's.
        if found.duration and end > found.duration:
            if end > found.duration + 0.5:
                raise InputError(f"{video}: {end:.3f} s lies past its end at {found.duration:.3f} s.")
            end = found.duration
        rounded = Span(round(span.start, 3), round(end, 3))
        if rounded.duration <= 0:
            raise InputError(f"{video}: an event from {span.start:.3f} to {span.end:.3f} s has no length.")
        return rounded

    def _decide(self, action: str, video: str, who: str, *, own: str | None = None, **values: Any) -> None:
        """Set what is decided on a video; events of the layer `own` are copied into the person's."""
        reading.video(self, video)
        fresh = {"layer": None, "confirmed_by": "", "confirmed_at": None, "left_out": ""}
        with editing.edit(self, who, action, video) as change:
            if action == "confirm" and not self._has_layer(video, who):
                found = [] if own is None else reading.events(self, video, own)
                if own is not None or reading.layer_of(self, video) is None:
                    self._begin(change, video, who)
                for event in found:
                    change.put("events", (video, who, event.id), reading.event_row(replace(event, layer=who)))
            old = editing.current(self, "decisions", (video,))
            change.put("decisions", (video,), {"video": video, **(old or fresh), **values})
            if action != "settle":
                self._close(change, Target("video", video).address, who, "accepted", "", kind="boundaries")

    def _write(
        self, target: Target, parts: Mapping[str, str], who: str, action: str, state: ReviewState
    ) -> None:
        checked = _checked(target, parts)
        reading.video(self, target.video)
        wanted = self.row("SELECT basis FROM wanted WHERE address = ?", (target.address,))
        row = {
            **reading.columns(target),
            "parts": checked,
            "who": who,
            "at": time.time(),
            "basis": wanted["basis"] if wanted is not None else "",
        }
        with editing.edit(self, who, action, target.video) as change:
            change.put("texts", (target.address,), row)
            self._close(change, target.address, who, state, "")

    def _close(
        self, change: Change, address: str, who: str, state: ReviewState, note: str, *, kind: str = "text"
    ) -> None:
        rows = self.rows(
            "SELECT id FROM reviews WHERE address = ? AND kind = ? AND state = 'open'", (address, kind)
        )
        for row in rows:
            decided = {"state": state, "who": who, "decided_at": time.time(), "note": note}
            change.put("reviews", (row["id"],), decided)

    def _open(self, review: int) -> Review:
        entry = self.review(review)
        if entry.state != "open":
            raise InputError(f"{review}: was {entry.state} by {entry.who or 'the engine'} already.")
        return entry


def _check_label(event: LedgerEvent) -> None:
    if (
        event.label in ("Normal", "clip")
        or len(event.label) > _LONGEST_LABEL
        or not event.label.isprintable()
    ):
        raise InputError(
            f"{event.label!r} is no class: give up to {_LONGEST_LABEL} printable characters, and not "
            "Normal or clip."
        )


def _checked(target: Target, parts: Mapping[str, str]) -> str:
    """The parts of a text as they are kept."""
    known = PARTS[target.level]
    unknown = parts.keys() - set(known)
    if unknown:
        raise InputError(
            f"A text of a {target.level} has {', '.join(known)}, not {', '.join(sorted(unknown))}."
        )
    whole = {part: " ".join(parts.get(part, "").split()) for part in known}
    if not whole[known[0]]:
        raise InputError(f"{target.address}: the {known[0]} is empty. Write it, or send the text back.")
    if max(map(len, whole.values())) > _LONGEST_TEXT:
        raise InputError(f"{target.address}: more than {_LONGEST_TEXT} characters. Write less.")
    return json.dumps(whole, ensure_ascii=False)
