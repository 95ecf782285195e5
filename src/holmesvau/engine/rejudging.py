"""Other limits, same answers: what models have said already is judged anew when the gates change, and asked
of nobody.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from holmesvau import config as configuration
from holmesvau.engine.gates import GATES_VERSION, Subject, Verdict
from holmesvau.engine.ledger import Ledger
from holmesvau.engine.plan import key_of
from holmesvau.engine.project import ProjectConfig
from holmesvau.engine.writer import judged, subject_of

log = logging.getLogger(__name__)

_NOTE = "gates"


def rejudge(ledger: Ledger, config: ProjectConfig) -> int:
    """Judge all answers by the gates as they are now, where those that judged them were others.

    A text whose answer passes now is done; one whose answer does not is tried again or put to people. Gives
    the number of texts whose state has changed. Whether something was said of another place already is not
    asked again: that depends on the order in which texts came.
    """
    now = key_of([GATES_VERSION, configuration.to_dict(config.gates)])
    with ledger.writing():
        row = ledger.row("SELECT value FROM notes WHERE name = ?", (_NOTE,))
        ledger.insert("notes", {"name": _NOTE, "value": now}, otherwise="REPLACE")
        if row is not None and row["value"] == now:
            return 0
        changed = 0
        for item in ledger.rows(
            "SELECT items.*, prompts.text AS template FROM items "
            "LEFT JOIN prompts ON prompts.digest = json_extract(items.payload, '$.template') "
            "WHERE items.tries > 0 AND items.state IN ('done', 'people', 'open')"
        ):
            changed += _item(ledger, config, dict(item))
    if changed:
        log.info("the gates have changed: %d texts stand otherwise than before", changed)
    return changed


def _item(ledger: Ledger, config: ProjectConfig, item: dict[str, Any]) -> bool:
    """Judge the answers of an item; whether its state has changed."""
    writer = config.writer(item["stage"])
    if writer is None or writer.is_file:
        return False
    subject = subject_of(json.loads(item["payload"]), item["template"] or "")
    answers = ledger.rows("SELECT id, raw FROM answers WHERE key = ? ORDER BY id", (item["key"],))
    passed = [answer["id"] for answer in answers if _answer(ledger, config, answer, subject)]
    if passed:
        state, chosen = "done", passed[0]
    else:
        state, chosen = ("open" if item["tries"] < writer.tries else "people"), answers[-1]["id"]
    if (state, chosen) == (item["state"], item["answer"]):
        return False
    ledger.run("UPDATE items SET state = ?, answer = ? WHERE key = ?", (state, chosen, item["key"]))
    return True


def _answer(ledger: Ledger, config: ProjectConfig, answer: Any, subject: Subject) -> bool:
    """Judge one answer; whether it passes."""
    parts, verdicts = judged(answer["raw"], subject, config)
    kept = ledger.row(
        "SELECT passed, message FROM verdicts WHERE answer = ? AND gate = 'near-duplicate'", (answer["id"],)
    )
    if kept is not None and "near-duplicate" not in config.gates.off:
        verdicts.append(Verdict("near-duplicate", bool(kept["passed"]), kept["message"]))
    ledger.run("DELETE FROM verdicts WHERE answer = ?", (answer["id"],))
    for verdict in verdicts:
        row = {"answer": answer["id"], "gate": verdict.gate, "passed": verdict.passed}
        ledger.insert("verdicts", {**row, "message": verdict.message})
    said = None if parts is None else json.dumps(parts, ensure_ascii=False)
    ledger.run("UPDATE answers SET parts = ? WHERE id = ?", (said, answer["id"]))
    return all(verdict.passed for verdict in verdicts)
