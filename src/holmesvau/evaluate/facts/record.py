"""Everything a judge is asked and says, as JSON lines: a run goes on where it stopped, or runs without judge.

{"prompt": "You check …", "answer": "{\\"facts\\": …}", "judge": "qwen3-8b"}
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from holmesvau.errors import InputError, OutputError
from holmesvau.evaluate.facts.judge import Ask
from holmesvau.types import FrameBatch
from holmesvau.vlm.protocol import GenerationOptions, VisionLanguageModel

log = logging.getLogger(__name__)

# Asked together; what was answered is on disk before the next are asked.
AT_ONCE = 16
LONGEST_REPLY = GenerationOptions(max_new_tokens=2048)


def asker(model: VisionLanguageModel, options: GenerationOptions = LONGEST_REPLY) -> Ask:
    """Any describing model as a judge: it is shown no frames and answers in words."""
    nothing = FrameBatch(np.zeros((0, 1, 1, 3), np.uint8), np.zeros(0, np.int64), np.zeros(0))
    visual = model.encode(nothing)

    def ask(prompts: Sequence[str]) -> list[str]:
        return model.answer_many(visual, prompts, options=options)

    return ask


class Recorder:
    """Answers from a file of earlier replies and, where there is a judge, asks for what it does not have.

    With `ask`, new replies are appended to `path` as they come. Without, the file must have them all.

    Raises:
        InputError: when the file cannot be read, or a line of it is not of that form. The last line alone may
            be cut off, by a run that was stopped: with a judge it is asked for again.
    """

    def __init__(self, path: str | Path | None, ask: Ask | None = None, *, judge: str = "") -> None:
        if path is None and ask is None:
            raise InputError("A judge is needed, or a record of what one has said.")
        self.path = None if path is None else Path(path)
        self.asked = 0
        self._ask, self._judge = ask, judge
        self._known: dict[str, str] = {}
        if self.path is not None and (ask is None or self.path.exists()):
            self._read(self.path)

    def __call__(self, prompts: Sequence[str]) -> list[str]:
        """A reply to each prompt; equal prompts are asked once.

        Raises:
            InputError: without a judge, when the record lacks a prompt.
            OutputError: when the record cannot be written.
        """
        missing = list(dict.fromkeys(prompt for prompt in prompts if prompt not in self._known))
        if missing and self._ask is None:
            raise InputError(
                f"{self.path}: has no reply to {len(missing)} of {len(prompts)} prompts, the first about "
                f"{_subject(missing[0])}. It was recorded for other answers: give a judge with --judge."
            )
        for start in range(0, len(missing), AT_ONCE):
            assert self._ask is not None
            some = missing[start : start + AT_ONCE]
            replies = self._ask(some)
            self._keep(dict(zip(some, replies, strict=True)))
            log.info("the judge has answered %d of %d prompts", start + len(some), len(missing))
        return [self._known[prompt] for prompt in prompts]

    def _keep(self, replies: dict[str, str]) -> None:
        self._known |= replies
        self.asked += len(replies)
        if self.path is None:
            return
        lines = "".join(
            json.dumps({"prompt": prompt, "answer": answer, "judge": self._judge}, ensure_ascii=False) + "\n"
            for prompt, answer in replies.items()
        )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written ({error.strerror or error}).") from error

    def _read(self, path: Path) -> None:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from error
        whole = data.rfind(b"\n") + 1
        for number, line in enumerate(data[:whole].splitlines(), start=1):
            try:
                entry = json.loads(line)
                self._known.setdefault(str(entry["prompt"]), str(entry["answer"]))
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"{path}:{number}: not a prompt with its answer. Delete the line."
                ) from error
        if whole < len(data):
            log.warning("%s: its last line is cut off and not used", path)
            if self._ask is not None:
                # What is appended must begin a line of its own.
                os.truncate(path, whole)


def _subject(prompt: str) -> str:
    line = prompt.rpartition("Text: ")[2]
    return line if len(line) <= 80 else f"{line[:80]} …"
