"""What the ledger holds, as values: videos, events, texts, the queue for people, and edits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from holmesvau.errors import InputError
from holmesvau.hivau.schema import Level
from holmesvau.types import Span

Stage = Literal["decouple", "caption", "event", "video"]
STAGES: tuple[Stage, ...] = ("decouple", "caption", "event", "video")

# Layers that no person made. Those of persons bear their names, which do not begin with "@".
IMPORTED, PROPOSED, SAMPLED = "@import", "@proposals", "@sampled"
PARTS: dict[Level, tuple[str, ...]] = {
    "clip": ("caption",),
    "event": ("judgement", "description", "analysis"),
    "video": ("judgement", "description", "analysis"),
}


@dataclass(frozen=True, slots=True)
class Target:
    """What a text is about: a stretch of a video (`clip`), an event by its id, or a video.

    A clip is known by its seconds alone, so that a text outlives events being drawn anew around it.
    """

    level: Level
    video: str
    event: str = ""
    span: Span | None = None

    @property
    def address(self) -> str:
        """The same as one string, which names it in the ledger and on the review page."""
        if self.level == "clip":
            assert self.span is not None
            return f"clip:{self.span.start:.3f}-{self.span.end:.3f}:{self.video}"
        return f"event:{self.event}:{self.video}" if self.level == "event" else f"video::{self.video}"

    @classmethod
    def parse(cls, address: str) -> Target:
        """The target of an address.

        Raises:
            InputError: when it is no address.
        """
        level, _, rest = address.partition(":")
        middle, colon, video = rest.partition(":")
        try:
            if not colon or not video:
                raise ValueError
            if level == "clip":
                start, end = (float(bound) for bound in middle.split("-"))
                return cls("clip", video, span=Span(start, end))
            if (level, bool(middle)) not in (("event", True), ("video", False)):
                raise ValueError
            return cls("event" if middle else "video", video, middle)
        except ValueError as error:
            raise InputError(f"{address!r}: not the address of a clip, an event or a video.") from error


@dataclass(frozen=True, slots=True)
class LedgerVideo:
    """A video of the project. `labels` are the classes its list gives, None where it gives none.

    `labels` is () for a video that is said to be normal. `content` is the file's hash, "" and the numbers 0
    until it was looked at; `problem` is why it cannot be used. `decoupled` is what its events were made by;
    `clips` are those that an imported file has cut it into.
    """

    name: str
    path: str
    labels: tuple[str, ...] | None
    content: str = ""
    n_frames: int = 0
    fps: float = 0.0
    duration: float = 0.0
    width: int = 0
    height: int = 0
    problem: str = ""
    decoupled: str = ""
    clips: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """A marked stretch in one layer of a video; the same event keeps its id in every layer.

    `label` is its class, "" when nobody has said one. `normal` tells a stretch of a normal video that is
    described like an event (§3.2). `score` is the scorer's, for proposals.
    """

    id: str
    video: str
    layer: str
    span: Span
    label: str = ""
    normal: bool = False
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What people decided on a video: whose layer counts (None: see `Ledger.layer_of`), that its events are
    right (`confirmed_by`, at that Unix time), or that it is left out of the dataset, and why.
    """

    video: str
    layer: str | None = None
    confirmed_by: str = ""
    confirmed_at: float | None = None
    left_out: str = ""


TextState = Literal["waiting", "standing", "failed", "stale"]


@dataclass(frozen=True, slots=True)
class LedgerText:
    """The text of a target as it counts now.

    `parts` is `{"caption": …}`, or `judgement`, `description` and `analysis`; empty while it is waited for.
    `who` is the person who wrote or accepted it, "" for a model's. `model` and `prompt` (its digest) made it.
    States: `waiting` for a model; `standing`; `failed` at a gate and open for people, with the failing text
    in `parts`; `stale`: a person's text whose event or clips have changed since. `key` addresses the work.
    """

    target: Target
    parts: Mapping[str, str]
    state: TextState
    who: str = ""
    model: str = ""
    prompt: str = ""
    at: float | None = None
    key: str = ""


ReviewKind = Literal["boundaries", "text"]
ReviewState = Literal["open", "accepted", "rejected", "written", "withdrawn"]


@dataclass(frozen=True, slots=True)
class Review:
    """One entry of the queue for people: a video's boundaries, or a text that failed a gate.

    `parts` is the failing text, empty where there is none yet. `reason` is a sentence; `gate` names what
    found it. A machine withdraws an entry that has become needless, because its boundaries moved.
    """

    id: int
    kind: ReviewKind
    target: Target
    gate: str
    reason: str
    parts: Mapping[str, str]
    state: ReviewState
    opened_at: float
    who: str = ""
    decided_at: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change by a person, as kept forever. `undone` tells that a later edit took it back.

    `action` names what was done (`add-event`, `write-text`, …), `kind` whether it was done, undone or redone.
    """

    id: int
    at: float
    who: str
    action: str
    video: str
    kind: Literal["edit", "undo", "redo"]
    undone: bool
