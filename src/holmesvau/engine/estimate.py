"""What a run would ask for and cost, before anything is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from holmesvau.engine.decouple import clip_spans
from holmesvau.engine.ledger import STAGES, Ledger, LedgerVideo

if TYPE_CHECKING:
    from holmesvau.engine.project import Project

# What texts come to where none are there yet; from the ledger's own answers where there are some.
_TOKENS_OUT = {"caption": 45, "event": 150, "video": 200}


@dataclass(frozen=True, slots=True)
class StageEstimate:
    """Requests of a stage, one a text, the tokens they read and write, their price, and seconds of waiting.

    `seconds` None: nothing like it was done yet.
    """

    requests: int
    tokens_in: int
    tokens_out: int
    money: float
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """By stage, and in all. `unknown` are videos without confirmed events: what they need cannot be told yet.

    `tries` is how many requests a text has taken until now, which is counted in; 1 where none was asked for.
    """

    stages: Mapping[str, StageEstimate]
    unknown: int
    tries: Mapping[str, float]
    tokens: int
    money: float
    seconds: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def estimate(project: Project, ledger: Ledger) -> Estimate:
    """What is left to be asked of models, texts that others are made of included."""
    counts = _left(project, ledger)
    stages: dict[str, StageEstimate] = {}
    tries: dict[str, float] = {}
    for stage in STAGES[1:]:
        writer = project.config.writer(stage)
        assert writer is not None
        requests, tokens_in = counts.requests[stage], counts.tokens_in[stage]
        if writer.is_people:
            requests = tokens_in = 0
        each, seconds, often = _experience(ledger, stage)
        tries[stage] = often
        asked = round(requests * often)
        tokens_out = round(asked * each)
        tokens_in = round(tokens_in * often)
        wait = None if seconds is None else asked * seconds / writer.at_once
        stages[stage] = StageEstimate(asked, tokens_in, tokens_out, writer.money(tokens_in, tokens_out), wait)
    waits = [found.seconds for found in stages.values() if found.requests]
    return Estimate(
        stages=stages,
        unknown=counts.unknown,
        tries=tries,
        tokens=sum(found.tokens_in + found.tokens_out for found in stages.values()),
        money=sum(found.money for found in stages.values()),
        seconds=None if any(wait is None for wait in waits) else float(sum(wait or 0.0 for wait in waits)),
    )


@dataclass(slots=True)
class _Counts:
    requests: dict[str, int]
    tokens_in: dict[str, int]
    unknown: int = 0


def _left(project: Project, ledger: Ledger) -> _Counts:
    """Open items as they are planned, and the texts that will follow from them."""
    counts = _Counts(dict.fromkeys(STAGES, 0), dict.fromkeys(STAGES, 0))
    planned: dict[str, set[str]] = {}
    for row in ledger.rows(
        "SELECT wanted.video, wanted.stage, wanted.address, items.state, items.tokens, texts.who FROM wanted "
        "LEFT JOIN texts USING(address) JOIN items USING(key) WHERE wanted.stage != 'decouple'"
    ):
        planned.setdefault(row["video"], set()).add(row["address"])
        if row["state"] in ("open", "leased") and row["who"] is None:
            writer = project.config.writer(row["stage"])
            assert writer is not None
            counts.requests[row["stage"]] += 1
            counts.tokens_in[row["stage"]] += row["tokens"] - writer.max_tokens
    for video in ledger.videos():
        if ledger.decision(video.name).left_out or video.problem:
            continue
        there = planned.get(video.name, set())
        if not there:
            counts.unknown += 1
            continue
        _follow(project, ledger, video, there, counts)
    return counts


def _follow(project: Project, ledger: Ledger, of: LedgerVideo, there: set[str], counts: _Counts) -> None:
    """Add the summaries of a video that are not planned yet, because what they sum up is not there."""
    config = project.config.decouple
    video = of.name
    events = ledger.events(video)
    template = 250
    for event in events:
        if f"event:{event.id}:{video}" not in there:
            clips = len(clip_spans(event.span, video, config.clips, config.seed, of.clips))
            counts.requests["event"] += 1
            counts.tokens_in["event"] += template + clips * _TOKENS_OUT["caption"]
    if f"video::{video}" not in there and events:
        counts.requests["video"] += 1
        counts.tokens_in["video"] += template + len(events) * _TOKENS_OUT["event"]


def _experience(ledger: Ledger, stage: str) -> tuple[float, float | None, float]:
    """Tokens and seconds of an answer, and answers a text, by what was done so far."""
    row = ledger.row(
        "SELECT avg(answers.tokens_out) AS tokens, avg(answers.seconds) AS seconds, count(*) AS answers, "
        "count(DISTINCT answers.key) AS texts FROM answers JOIN items USING(key) WHERE items.stage = ?",
        (stage,),
    )
    assert row is not None
    if not row["answers"]:
        return float(_TOKENS_OUT[stage]), None, 1.0
    return float(row["tokens"]), float(row["seconds"]), row["answers"] / row["texts"]
