"""What becomes of an outcome: kept, judged against what is there, and followed by what it makes possible."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Literal

from holmesvau.engine.gates import GatesConfig, Verdict, likeness
from holmesvau.engine.gates.words import likeness as alike
from holmesvau.engine.gates.words import words
from holmesvau.engine.ledger import Ledger, reading
from holmesvau.engine.plan import Planner
from holmesvau.engine.project import ProjectConfig
from holmesvau.engine.work import Decoupled, Undone, Written, provider_of
from holmesvau.types import Span

_State = Literal["done", "open", "people", "failed"]


def written(
    ledger: Ledger, config: ProjectConfig, owner: str, outcome: Written, item: Any, ours: bool
) -> None:
    """Keep an answer, paid for in any case; and let the item be done, tried again or put to people."""
    stage = item["stage"] if item is not None else ""
    provider = provider_of(stage)
    writer = config.writer(stage)
    money = writer.money(outcome.tokens_in, outcome.tokens_out) if writer is not None else 0.0
    verdicts = list(outcome.verdicts)
    if (
        outcome.parts is not None
        and "near-duplicate" not in config.gates.off
        and not (writer is not None and writer.is_file)
    ):
        verdicts.append(_new(ledger, config.gates, outcome, stage))
    tries = (item["tries"] if item is not None else 0) + 1
    answer = ledger.insert(
        "answers",
        {
            "key": outcome.key,
            "try": tries,
            "parts": None if outcome.parts is None else json.dumps(outcome.parts, ensure_ascii=False),
            "raw": outcome.raw,
            "problem": "",
            "provider": outcome.provider,
            "model": outcome.model,
            "prompt": outcome.prompt,
            "tokens_in": outcome.tokens_in,
            "tokens_out": outcome.tokens_out,
            "money": money,
            "seconds": outcome.seconds,
            "at": time.time(),
            "worker": owner,
        },
    )
    for verdict in verdicts:
        row = {"answer": answer, "gate": verdict.gate, "passed": verdict.passed}
        ledger.insert("verdicts", {**row, "message": verdict.message})
    ledger.insert("spent", {"provider": provider}, otherwise="IGNORE")
    ledger.run(
        "UPDATE spent SET tokens = tokens + ?, money = money + ?, requests = requests + 1 WHERE provider = ?",
        (outcome.tokens_in + outcome.tokens_out, money, provider),
    )
    if not ours or writer is None:
        return
    passed = all(verdict.passed for verdict in verdicts)
    # A file says the same however often it is asked.
    most = 1 if writer.is_file else writer.tries
    state: _State = "done" if passed else "open" if tries < most else "people"
    _state(ledger, outcome.key, state, tries=tries, answer=answer)
    if passed and outcome.parts is not None and _told_apart(config.gates, outcome.parts):
        for band in likeness.bands(_whole(outcome.parts)):
            ledger.insert("likeness", {"band": band, "answer": answer, "stage": stage})


def _new(ledger: Ledger, config: GatesConfig, outcome: Written, stage: str) -> Verdict:
    """Whether the same was not said of another place already."""
    assert outcome.parts is not None
    text = _whole(outcome.parts)
    if not _told_apart(config, outcome.parts):
        return Verdict("near-duplicate", True)
    bands = likeness.bands(text)
    rows = ledger.rows(
        f"""SELECT DISTINCT answers.parts, items.payload FROM likeness
            JOIN answers ON answers.id = likeness.answer JOIN items ON items.key = answers.key
            WHERE likeness.stage = ? AND likeness.band IN ({",".join("?" * len(bands))})
                  AND items.key != ?""",
        (stage, *bands, outcome.key),
    )
    mine = ledger.row("SELECT payload FROM items WHERE key = ?", (outcome.key,))
    place = json.loads(mine["payload"]) if mine is not None else {}
    for row in rows:
        other = json.loads(row["payload"])
        if _apart(place, other) and alike(text, _whole(json.loads(row["parts"]))) >= config.near_duplicate:
            where = f"{other['video']} from {other['span'][0]:.1f} to {other['span'][1]:.1f} s"
            return Verdict("near-duplicate", False, f"It says the same as was said of {where}.")
    return Verdict("near-duplicate", True)


def decoupled(ledger: Ledger, outcome: Decoupled) -> None:
    """Put the machines' layers in the place of their former ones."""
    name, info = outcome.video, outcome.info
    for layer in (row["layer"] for row in ledger.rows("SELECT layer FROM layers WHERE video = ?", (name,))):
        if layer.startswith("@"):
            ledger.run("DELETE FROM layers WHERE video = ? AND layer = ?", (name, layer))
            ledger.run("DELETE FROM events WHERE video = ? AND layer = ?", (name, layer))
    for layer, events in outcome.layers.items():
        ledger.insert("layers", {"video": name, "layer": layer, "begun": time.time()})
        for event in events:
            ledger.insert("events", reading.event_row(event))
    ledger.run(
        "UPDATE videos SET content = ?, n_frames = ?, fps = ?, duration = ?, width = ?, height = ?, "
        "problem = '', decoupled = ?, clips = ? WHERE name = ?",
        (outcome.content, info.num_frames or 0, info.fps, info.duration or 0.0, info.width, info.height,
         outcome.key, json.dumps([list(clip) for clip in outcome.clips]), name),
    )  # fmt: skip
    if outcome.curve is not None:
        ledger.insert("curves", reading.curve_row(name, outcome.curve), otherwise="REPLACE")
    _state(ledger, outcome.key, "done")


def undone(ledger: Ledger, outcome: Undone, stage: str) -> None:
    """Open it again, or put it to people: a text that no model writes can still be written by a person."""
    state: _State = "open" if outcome.again else "failed" if stage == "decouple" else "people"
    _state(ledger, outcome.key, state, problem=outcome.problem)
    ledger.run(
        "UPDATE videos SET problem = ? WHERE name IN "
        "(SELECT video FROM wanted WHERE key = ? AND stage = 'decouple')",
        ("" if outcome.again else outcome.problem, outcome.key),
    )


def _state(ledger: Ledger, key: str, state: _State, **more: Any) -> None:
    values = {"state": state, "owner": "", "problem": "", "ended_at": time.time(), **more}
    names = ", ".join(f"{name} = ?" for name in values)
    ledger.run(f"UPDATE items SET {names} WHERE key = ?", (*values.values(), key))


def go_on(ledger: Ledger, planner: Planner, key: str) -> None:
    """Where nothing of a video's stage is left to do, see what can be done next."""
    item = ledger.row("SELECT stage, state FROM items WHERE key = ?", (key,))
    if item is not None and (item["stage"], item["state"]) == ("video", "done"):
        # Nothing is made of a video's text, and nobody has to be asked.
        return
    rows = ledger.rows("SELECT DISTINCT video, stage FROM wanted WHERE key = ?", (key,))
    for row in rows:
        left = ledger.row(
            "SELECT 1 FROM wanted JOIN items USING(key) WHERE wanted.video = ? AND wanted.stage = ? "
            "AND NOT EXISTS (SELECT 1 FROM texts WHERE texts.address = wanted.address) "
            "AND state IN ('open', 'leased') LIMIT 1",
            (row["video"], row["stage"]),
        )
        if left is None:
            planner.advance(ledger, row["video"])


def _told_apart(config: GatesConfig, parts: Mapping[str, str]) -> bool:
    """Whether a text is long enough to be compared with others, and is to be."""
    return "near-duplicate" not in config.off and len(words(_whole(parts))) >= config.near_duplicate_words


def _whole(parts: Mapping[str, str]) -> str:
    return " ".join(parts.values())


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two places are so different that they should not be described alike: what is still goes on."""
    if one.get("video") != other["video"]:
        return True
    first, second = Span(*one["span"]), Span(*other["span"])
    gap = max(first.start, second.start) - min(first.end, second.end)
    return gap > 0.01 and one.get("labels") != other["labels"]
