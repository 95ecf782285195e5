"""Marks of what somebody was looking at, so that nobody writes over what they have not seen."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from holmesvau.engine.ledger import Ledger, LedgerEvent, LedgerText


def of_event(event: LedgerEvent) -> str:
    """Changes with its span and its class."""
    return _mark([list(event.span), event.label, event.normal])


def of_text(text: LedgerText | None) -> str:
    """Changes with the words and who has said them."""
    return _mark(None if text is None else [dict(text.parts), text.who, text.model])


def of_video(ledger: Ledger, video: str) -> str:
    """Changes with the events that count, and with what was decided on the video."""
    decision = ledger.decision(video)
    events = [[event.id, *event.span, event.label, event.normal] for event in ledger.events(video)]
    return _mark([events, ledger.layer_of(video), decision.confirmed_by, decision.left_out])


def _mark(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()
