"""What is wanted now: each text addressed by everything that it is made from.

The key of a piece of work is a hash of its inputs: the video's content, its seconds, the class, the words
below it, the filled prompt, who writes it and how. What is there under its key is done; what changed has
another key. So moving a boundary redoes the clips at it, their event and their video, and nothing else;
moving it back finds the former texts again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holmesvau import config as configuration
from holmesvau.engine import prompting
from holmesvau.engine.decouple import clip_spans
from holmesvau.engine.forms import asked_for
from holmesvau.engine.gates.language import NAMES
from holmesvau.engine.ledger import PROPOSED, LedgerEvent, LedgerVideo, Stage, Target, reading
from holmesvau.engine.ledger.connection import Connection
from holmesvau.engine.ledger.rows import LedgerText
from holmesvau.engine.prompting import Prompt
from holmesvau.engine.providers import check_name, tokens_of
from holmesvau.engine.writing import WriterConfig
from holmesvau.types import Span
from holmesvau.vlm import prompts as questions

if TYPE_CHECKING:
    from holmesvau.engine.project import Project

# Changes of what is computed from the same settings give new keys.
_VERSION = 1
UNWRITTEN = "Nobody has written this text yet."
STALE = "This was written for other boundaries, or for clips that were described otherwise."


class Planner:
    """Works out what is wanted of a project's videos.

    Raises:
        ConfigError: when a prompt cannot be used; InputError for a provider that there is not.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.config = project.config
        for writer in (self.config.caption, self.config.summary):
            check_name(writer.provider)
        self.prompts = prompting.load(project.prompts)
        if self.config.caption.provider.partition(":")[0] == "tiny":
            # The embedded model knows the one question that it was trained with.
            own = questions.QUESTIONS["clip"]["caption"]
            self.prompts["caption"] = Prompt("caption", "the model's own", own)
        settings = configuration.to_dict(self.config.decouple)
        for unrelated in ("confirm", "clips"):
            del settings[unrelated]
        self._decouple = key_of([settings, _file_state(self.config.decouple.import_file)])

    def note_prompts(self, ledger: Connection) -> None:
        """Keep the words of the prompts, so that each text can be traced to those that made it."""
        with ledger.writing():
            for prompt in self.prompts.values():
                row = {"digest": prompt.digest, "name": prompt.name, "version": prompt.version}
                ledger.insert("prompts", {**row, "text": prompt.text}, otherwise="IGNORE")

    def advance(self, ledger: Connection, name: str) -> None:
        """Make the ledger want of a video what it can have now, and open what people must decide."""
        with ledger.writing():
            wants = _Wants(ledger, self, reading.video(ledger, name))
            wants.gather()
            wants.settle()

    def decouple_key(self, video: LedgerVideo) -> str:
        """What the events of a video are made from: its file, what is known of it, how boundaries are
        found.
        """
        state = _file_state(str(self.project.path_of(video.path)))
        return key_of([video.name, state, video.labels, self._decouple])


class _Wants:
    """What is wanted of one video, gathered and then compared with what the ledger has."""

    def __init__(self, ledger: Connection, planner: Planner, video: LedgerVideo) -> None:
        self.ledger, self.planner, self.video = ledger, planner, video
        self.config = planner.config
        self.wanted: dict[str, tuple[Target, Stage, str, str]] = {}
        self.items: list[dict[str, Any]] = []
        self.reviews: list[tuple[Target, str, str, str, str]] = []
        self.remarks = {
            row["address"]: row["remark"]
            for row in ledger.rows("SELECT * FROM remarks WHERE video = ?", (video.name,))
        }

    def gather(self) -> None:
        """All that is wanted, as far as what it is made from is there."""
        decision = reading.decision(self.ledger, self.video.name)
        if decision.left_out:
            return
        key = self.planner.decouple_key(self.video)
        if key != self.video.decoupled:
            self._decouple(key)
            return
        events = reading.events(self.ledger, self.video.name)
        if reason := self._unconfirmed(events, bool(decision.confirmed_by)):
            self.reviews.append((Target("video", self.video.name), "boundaries", "", "confirm", reason))
            return
        standing: list[tuple[LedgerEvent, LedgerText | None]] = []
        for event in events:
            captions = self._captions(event)
            text = None if captions is None else self._event(event, captions)
            standing.append((event, text))
        if standing and all(text is not None for _, text in standing):
            self._video([(event, text) for event, text in standing if text is not None])

    def settle(self) -> None:
        """Write it down: what is new is to be done, what is no longer wanted waits for nothing."""
        name = self.video.name
        there = {
            row["address"]: row for row in self.ledger.rows("SELECT * FROM wanted WHERE video = ?", (name,))
        }
        for address in there.keys() - self.wanted.keys():
            self.ledger.run("DELETE FROM wanted WHERE address = ?", (address,))
        for address, (target, stage, key, basis) in self.wanted.items():
            old = there.get(address)
            if old is None or (old["key"], old["basis"]) != (key, basis):
                row = {**reading.columns(target), "stage": stage, "key": key, "basis": basis}
                self.ledger.insert("wanted", row, otherwise="REPLACE")
        for item in self.items:
            self.ledger.insert("items", item, otherwise="IGNORE")
        self._queue()

    # --- the stages ---

    def _decouple(self, key: str) -> None:
        target = Target("video", self.video.name)
        payload = {"stage": "decouple", "video": self.video.name, "labels": self.video.labels, "key": key}
        self.wanted[f"decouple:{target.address}"] = (target, "decouple", key, "")
        self.items.append(self._item(key, "decouple", "decouple", payload, 0, 0.0))
        # Done before, and then for something else: layers are not kept by what they were made from.
        self.ledger.run("UPDATE items SET state = 'open' WHERE key = ? AND state = 'done'", (key,))

    def _unconfirmed(self, events: Sequence[LedgerEvent], confirmed: bool) -> str:
        """Why a person must look at the events first; "" when none must."""
        layer = reading.layer_of(self.ledger, self.video.name)
        if layer is None:
            return "Nobody has marked events yet."
        open_ = [event for event in events if not (event.label or event.normal)]
        if open_:
            return (
                f"{len(open_)} of {len(events)} events have no class yet, the first at "
                f"{open_[0].span.start:.1f} s."
            )
        if confirmed or self.config.decouple.confirm == "none":
            return ""
        if not layer.startswith("@"):
            return f"{layer} has begun to mark events; they are not confirmed yet."
        if self.config.decouple.confirm == "all" or layer == PROPOSED:
            count = sum(not event.normal for event in events)
            return f"{count} events were found, none of them confirmed by a person."
        return ""

    def _captions(self, event: LedgerEvent) -> list[str] | None:
        """The captions of an event's clips, all of them; None while one is waited for."""
        config = self.config.decouple
        spans = clip_spans(event.span, self.video.name, config.clips, config.seed, self.video.clips)
        found = []
        for span in spans:
            target = Target("clip", self.video.name, span=span)
            prompt = self.planner.prompts["caption"]
            filled = prompt.filled(duration=_seconds(span), language=self._language(), label=event.label)
            # What is seen in a clip does not depend on what its event is called.
            text = self._text(
                target, "caption", self.config.caption, prompt, filled, span=span, normal=False, labels=[],
                basis=[self.video.content],
            )  # fmt: skip
            found.append(text)
        texts = [text.parts["caption"] for text in found if text is not None]
        return texts if len(texts) == len(spans) else None

    def _event(self, event: LedgerEvent, captions: Sequence[str]) -> LedgerText | None:
        prompt = self.planner.prompts["event-normal" if event.normal else "event"]
        filled = prompt.filled(
            duration=_seconds(event.span),
            language=self._language(),
            label=event.label,
            captions=_numbered(captions),
        )
        labels = [event.label] if event.label else []
        return self._text(
            Target("event", self.video.name, event.id), "event", self.config.summary, prompt, filled,
            span=event.span, normal=event.normal, labels=labels, sources=captions,
            basis=[list(event.span), labels, list(captions)],
        )  # fmt: skip

    def _video(self, events: Sequence[tuple[LedgerEvent, LedgerText]]) -> None:
        labels = list(dict.fromkeys(event.label for event, _ in events if event.label and not event.normal))
        summaries = [" ".join(part for part in text.parts.values() if part) for _, text in events]
        prompt = self.planner.prompts["video" if labels else "video-normal"]
        span = Span(0.0, self.video.duration)
        filled = prompt.filled(
            duration=_seconds(span),
            language=self._language(),
            label=", ".join(labels),
            events=_numbered(summaries),
        )
        self._text(
            Target("video", self.video.name), "video", self.config.summary, prompt, filled, span=span,
            normal=not labels, labels=labels, sources=summaries, basis=[labels, summaries],
        )  # fmt: skip

    def _text(
        self,
        target: Target,
        stage: Stage,
        writer: WriterConfig,
        prompt: Prompt,
        filled: str,
        *,
        span: Span,
        normal: bool,
        labels: Sequence[str],
        basis: Sequence[Any],
        sources: Sequence[str] = (),
    ) -> LedgerText | None:
        """Want a text; gives it when it stands, and opens what is for people."""
        if stage != "caption":
            filled += asked_for(normal, headings=writer.structured == "headings")
        remark = self.remarks.get(target.address, "")
        if remark:
            filled += "\n\n" + self.planner.prompts["retry"].filled(reason=remark)
        payload = {
            "stage": stage,
            "level": target.level,
            "video": target.video,
            "content": self.video.content if stage == "caption" else "",
            "event": target.event if stage == "event" else "",
            "span": list(span),
            "labels": list(labels),
            "normal": normal,
            "sources": list(sources),
            "prompt": filled,
            "template": prompt.digest,
            "language": self.config.language,
            "writer": writer_identity(writer),
        }
        key = key_of(payload)
        self.wanted[target.address] = (target, stage, key, key_of(basis))
        pictures = writer.frames * writer.tokens_per_frame if stage == "caption" else 0
        tokens_in = tokens_of(filled) + pictures
        money = writer.money(tokens_in, writer.max_tokens)
        provider = "caption" if stage == "caption" else "summary"
        item = self._item(key, stage, provider, payload, tokens_in + writer.max_tokens, money)
        if writer.is_people:
            item["state"] = "people"
        self.items.append(item)
        return self._standing(target, key, key_of(basis), writer)

    def _standing(self, target: Target, key: str, basis: str, writer: WriterConfig) -> LedgerText | None:
        own = self.ledger.row("SELECT * FROM texts WHERE address = ?", (target.address,))
        if own is not None:
            if own["basis"] not in ("", basis):
                self.reviews.append((target, "text", key, "stale", STALE))
                return None
            return LedgerText(target, json.loads(own["parts"]), "standing", own["who"], key=key)
        row = self.ledger.row(
            "SELECT items.state, items.problem, answers.parts, answers.id FROM items LEFT JOIN answers "
            "ON answers.id = items.answer WHERE items.key = ?",
            (key,),
        )
        state = row["state"] if row is not None else "people" if writer.is_people else "open"
        if state == "done" and row is not None:
            return LedgerText(target, json.loads(row["parts"]), "standing", key=key)
        if state == "people":
            gate, reason = self._refused(row)
            self.reviews.append((target, "text", key, gate, reason))
        return None

    def _refused(self, row: Any) -> tuple[str, str]:
        if row is None or row["id"] is None:
            return "people", (row["problem"] if row is not None else "") or UNWRITTEN
        failed = self.ledger.row(
            "SELECT gate, message FROM verdicts WHERE answer = ? AND passed = 0", (row["id"],)
        )
        return (failed["gate"], failed["message"]) if failed is not None else ("people", UNWRITTEN)

    # --- the ledger's side ---

    def _queue(self) -> None:
        """Open entries that are not there, withdraw those that have become needless."""
        rows = self.ledger.rows(
            "SELECT * FROM reviews WHERE video = ? AND state = 'open'", (self.video.name,)
        )
        wanted = {(target.address, kind, key): (target, gate, reason)
                  for target, kind, key, gate, reason in self.reviews}  # fmt: skip
        for row in rows:
            place = (row["address"], row["kind"], row["key"])
            found = wanted.pop(place, None)
            if found is None:
                self.ledger.run(
                    "UPDATE reviews SET state = 'withdrawn', decided_at = ? WHERE id = ?",
                    (time.time(), row["id"]),
                )
            elif (row["gate"], row["reason"]) != found[1:]:
                self.ledger.run(
                    "UPDATE reviews SET gate = ?, reason = ? WHERE id = ?", (*found[1:], row["id"])
                )
        for (_, kind, key), (target, gate, reason) in wanted.items():
            entry = {**reading.columns(target), "kind": kind, "key": key, "gate": gate, "reason": reason}
            self.ledger.insert("reviews", {**entry, "opened_at": time.time(), "state": "open"})

    def _item(
        self, key: str, stage: Stage, provider: str, payload: Mapping[str, Any], tokens: int, money: float
    ) -> dict[str, Any]:
        return {
            "key": key,
            "stage": stage,
            "provider": provider,
            "payload": json.dumps(payload, ensure_ascii=False),
            "tokens": tokens,
            "money": money,
            "state": "open",
            "made_at": time.time(),
        }

    def _language(self) -> str:
        return NAMES.get(self.config.language, self.config.language)


def advance(project: Project, ledger: Connection, video: str) -> None:
    """Work out anew what is wanted of a video, after its events or texts were changed."""
    Planner(project).advance(ledger, video)


def key_of(value: Any) -> str:
    """The address of what is made from `value`, which JSON can hold."""
    text = json.dumps([_VERSION, value], sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def writer_identity(writer: WriterConfig) -> dict[str, Any]:
    """Who writes and how: where a server of the same model stands makes no difference."""
    provider = writer.provider
    kind, _, source = provider.partition(":")
    if kind == "endpoint" and "#" in source:
        provider = f"endpoint#{source.partition('#')[2]}"
    elif kind in ("imported", "replay"):
        provider = f"{kind}:{_file_state(source)}"
    return {
        "provider": provider,
        "max_tokens": writer.max_tokens,
        "temperature": writer.temperature,
        "repetition_penalty": writer.repetition_penalty,
        "frames": writer.frames,
        "side": writer.side,
    }


def _file_state(path: str) -> list[Any]:
    """What tells that a file is the same: its place, size and time; only its place where it is not to be
    seen.
    """
    if not path:
        return []
    try:
        state = Path(path).stat()
    except OSError:
        return [path]
    return [path, state.st_size, state.st_mtime_ns]


def _numbered(texts: Iterable[str]) -> str:
    return "\n".join(f"{number}. {text}" for number, text in enumerate(texts, start=1))


def _seconds(span: Span) -> str:
    return f"{span.duration:.1f}"
