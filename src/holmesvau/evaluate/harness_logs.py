"""Sample logs of lmms-eval-like harnesses  ->  our text predictions.

Such a harness writes one JSON object a sample: `doc_id`, `target`, and the model's reply in `filtered_resps`
(or `resps`), a list or a list of lists; some put the task's own row into `doc`. Older ones write one JSON
document whose `logs` or `samples` is the list of samples.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holmesvau.errors import InputError
from holmesvau.evaluate.predictions import Complaints, lines
from holmesvau.hivau.files import read_text, write_text
from holmesvau.hivau.schema import Instruction


def import_log(
    path: str | Path, target: str | Path, *, rows: Sequence[Instruction] | None = None
) -> tuple[int, Path]:
    """Write the replies of a log as text predictions to `target`; how many, and where.

    A sample's id is that of its `doc` where it has one, otherwise its `doc_id`. Where `rows` are given and
    the samples have no `doc`, `doc_id` counts the rows from 0, as such harnesses do.

    Raises:
        InputError: when the file cannot be read, has no samples, or one of them has no id or no reply; the
            message has its line or place.
        OutputError: when the target cannot be written.
    """
    entries = _samples(path)
    if not entries:
        raise InputError(
            f"{path}: no samples. A log has a JSON object for each, with doc_id and filtered_resps."
        )
    converted = [_converted(entry, where, rows) for where, entry in entries]
    text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in converted)
    return len(converted), write_text(target, text)


def _samples(path: str | Path) -> list[tuple[str, dict[str, Any]]]:
    try:
        document = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError):
        document = None
    if isinstance(document, dict) and ("logs" in document or "samples" in document):
        document = document.get("logs", document.get("samples"))
        if isinstance(document, dict):
            document = [sample for samples in document.values() for sample in samples]
    if isinstance(document, list):
        if not all(isinstance(sample, dict) for sample in document):
            raise InputError(f"{path}: its samples are not all JSON objects.")
        return [(f"{path}: sample {place}", sample) for place, sample in enumerate(document)]
    complaints = Complaints(str(path))
    found = [(f"{path}:{number}", entry) for number, entry in lines(path, complaints)]
    complaints.settle("strict")
    return found


def _converted(entry: dict[str, Any], where: str, rows: Sequence[Instruction] | None) -> dict[str, Any]:
    doc = entry["doc"] if isinstance(entry.get("doc"), dict) else {}
    number: Any = doc.get("id", entry.get("doc_id", entry.get("id")))
    if isinstance(number, bool) or not isinstance(number, int | str):
        raise InputError(f"{where}: no id: doc_id or doc.id is wanted, found {number!r}.")
    if rows is not None and "id" not in doc and "doc_id" in entry:
        if not isinstance(number, int) or not 0 <= number < len(rows):
            raise InputError(
                f"{where}: doc_id {number!r} does not count the {len(rows)} rows of the test file."
            )
        number = rows[number].id
    reply = next(
        (entry[key] for key in ("filtered_resps", "resps", "pred", "response") if key in entry), None
    )
    while isinstance(reply, list) and reply:
        reply = reply[0]
    if not isinstance(reply, str):
        raise InputError(f"{where}: no reply of the model: filtered_resps or resps is wanted.")
    kept = {key: doc[key] for key in ("video", "task") if isinstance(doc.get(key), str)}
    return {"id": number, **kept, "answer": reply}
