"""`instruction/*.jsonl`  <->  `Instruction`: test rows (`anwser`, so spelt) and training conversations.

What is written back from an unmended file equals it byte for byte when the form is the file's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from holmesvau.errors import InputError
from holmesvau.hivau import layout
from holmesvau.hivau.files import read_text, write_text
from holmesvau.hivau.problems import Findings, Problem
from holmesvau.hivau.schema import LEVELS, TASKS, Instruction

RowForm = Literal["test", "train"]
VIDEO_MARK = "<video>\n"
_COMMON = ("id", "type", "task", "video")
_TEST, _TRAIN = {*_COMMON, "prompt", "anwser", "answer"}, {*_COMMON, "conversations"}


def load_instructions(path: str | Path, *, problems: list[Problem] | None = None) -> list[Instruction]:
    """Read a JSONL file of instruction rows, in the order of the file, in either released shape.

    Test rows carry `prompt` and `anwser` (or `answer`), training rows `conversations`, whose `<video>` mark
    is taken off the question. A row that is odd but usable is kept and appended to `problems` with its line;
    one that is not usable is left out and appended. Without `problems` the first kind makes one warning in
    the log, the second raises.

    Raises:
        InputError: when the file cannot be read, holds no rows, or, without `problems`, when a row is
        unusable.
    """
    findings = Findings(str(path), problems, [])
    rows = [row for _, row in numbered(path, findings)]
    findings.hand_over()
    if not rows and not findings.found:
        raise InputError(f"{path}: no rows. A file of instructions has one JSON object on each line.")
    return rows


def numbered(path: str | Path, findings: Findings) -> Iterator[tuple[int, Instruction]]:
    """The rows of a file, each with its 1-based line; what is odd goes to `findings`.

    Raises:
        InputError: when the file cannot be read, or when a row is unusable and nobody collects problems.
    """
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            row = _read(line, number, findings)
            if row is not None:
                yield number, row


def write_instructions(rows: Iterable[Instruction], path: str | Path, *, form: RowForm = "test") -> Path:
    """Write rows in the released form: `test` (`prompt`, `anwser`) or `train` (`conversations`).

    Raises:
        OutputError: when the file cannot be written; nothing half-written is left.
    """
    return write_text(path, dump(rows, form=form))


def dump(rows: Iterable[Instruction], *, form: RowForm = "test") -> str:
    """The text of a file of instruction rows in the released form: UTF-8, one object a line, a newline after
    each.
    """
    return "".join(json.dumps(_released(row, form), ensure_ascii=False) + "\n" for row in rows)


def form_of(path: str | Path) -> RowForm:
    """The shape of the first row of a file: what to write it back as."""
    first = next((line for line in read_text(path).split("\n") if line.strip()), "{}")
    return "train" if '"conversations"' in first and '"prompt"' not in first else "test"


def _released(row: Instruction, form: RowForm) -> dict[str, Any]:
    common = {"id": row.id, "type": row.level, "task": row.task, "video": row.video}
    if form == "test":
        return {**common, "prompt": row.prompt, "anwser": row.answer}
    turns = [{"from": "human", "value": VIDEO_MARK + row.prompt}, {"from": "gpt", "value": row.answer}]
    return {**common, "conversations": turns}


def _read(line: str, number: int, findings: Findings) -> Instruction | None:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        findings.unusable(
            "", f"The line is not JSON ({getattr(error, 'msg', 'too deeply nested')}).", line=number
        )
        return None
    if not isinstance(row, dict):
        findings.unusable("", "The line is JSON but not an object.", line=number)
        return None
    name = f"row {row.get('id', '?')}"
    complaint = _complaint(row)
    texts = None if complaint else _texts(row, name, number, findings)
    if texts is None:
        findings.unusable(
            name, complaint or "It has neither prompt and answer nor a conversation.", line=number
        )
        return None
    unknown = row.keys() - (_TRAIN if "conversations" in row else _TEST)
    if unknown:
        message = f"{', '.join(sorted(unknown))}: not part of the format and not kept."
        findings.add("unknown-key", "warning", name, message, line=number)
    _check_path(row, name, number, findings)
    return Instruction(row["id"], row["type"], row["task"], row["video"], *texts)


def _complaint(row: Mapping[str, Any]) -> str:
    """Why the part that both shapes share cannot be used; "" when it can."""
    missing = [key for key in _COMMON if key not in row]
    if missing:
        return f"It has no {', '.join(missing)}."
    if not isinstance(row["id"], int | str) or not isinstance(row["video"], str):
        return f"Its id and video are {row['id']!r} and {row['video']!r}; a number and a path are wanted."
    if row["type"] not in LEVELS:
        return f"Its type is {row['type']!r}; there are {', '.join(LEVELS)}."
    if row["task"] not in TASKS:
        return f"Its task is {row['task']!r}; there are {', '.join(TASKS)}."
    return ""


def _texts(row: Mapping[str, Any], name: str, line: int, findings: Findings) -> tuple[str, str] | None:
    if "conversations" in row:
        return _turns(row["conversations"], name, line, findings)
    prompt, answer = row.get("prompt"), row.get("anwser", row.get("answer"))
    if not isinstance(prompt, str) or not isinstance(answer, str):
        return None
    if "anwser" in row and "answer" in row and row["anwser"] != row["answer"]:
        message = "It has both an anwser and another answer; the first counts."
        findings.add("two-answers", "warning", name, message, line=line)
    return prompt, answer


def _turns(turns: Any, name: str, line: int, findings: Findings) -> tuple[str, str] | None:
    try:
        speakers = [turn["from"] for turn in turns]
        values = [turn["value"] for turn in turns]
    except (TypeError, KeyError):
        return None
    if speakers[:2] != ["human", "gpt"] or not all(isinstance(value, str) for value in values[:2]):
        return None
    if len(turns) > 2:
        message = f"The conversation has {len(turns)} turns; the first question and answer are kept."
        findings.add("long-conversation", "warning", name, message, line=line)
    prompt, answer = values[:2]
    if not prompt.startswith(VIDEO_MARK):
        message = f"The question does not begin with {VIDEO_MARK!r}: where the frames go is not said."
        findings.add("no-video-mark", "warning", name, message, line=line)
        prompt = prompt.replace("<video>", "").strip("\n")
    return prompt.removeprefix(VIDEO_MARK), answer


def _check_path(row: Mapping[str, Any], name: str, line: int, findings: Findings) -> None:
    try:
        place = layout.parse(row["video"])
    except InputError as error:
        findings.add("unlawful-path", "error", name, str(error), line=line)
        return
    if place.level != row["type"]:
        message = f"Its type is {row['type']} and its path names a {place.level}: {row['video']}."
        findings.add("level-contradicts-path", "error", name, message, line=line)
