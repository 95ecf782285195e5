"""A judge that is asked once: what it has said is kept (`vlm.record`), so that a run goes on where it
stopped, or runs without it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from holmesvau.errors import InputError
from holmesvau.evaluate.facts.judge import Ask
from holmesvau.types import FrameBatch
from holmesvau.vlm.protocol import GenerationOptions, VisionLanguageModel
from holmesvau.vlm.record import Record

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
        InputError: when the file cannot be read, or a line of it is not of that form (`vlm.record`).
    """

    def __init__(self, path: str | Path | None, ask: Ask | None = None, *, judge: str = "") -> None:
        if path is None and ask is None:
            raise InputError("A judge is needed, or a record of what one has said.")
        self.path = None if path is None else Path(path)
        self.asked = 0
        self._ask, self._judge = ask, judge
        if self.path is not None and ask is None and not self.path.exists():
            raise InputError(f"{self.path}: cannot be read (No such file or directory).")
        self._record = None if self.path is None else Record(self.path)
        self._said: dict[str, str] = {}

    def __call__(self, prompts: Sequence[str]) -> list[str]:
        """A reply to each prompt; equal prompts are asked once.

        Raises:
            InputError: without a judge, when the record lacks a prompt.
            OutputError: when the record cannot be written.
        """
        missing = [prompt for prompt in dict.fromkeys(prompts) if self._known(prompt) is None]
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
        return [self._known(prompt) or "" for prompt in prompts]

    def _known(self, prompt: str) -> str | None:
        entry = None if self._record is None else self._record.find(prompt)
        return self._said.get(prompt) if entry is None else entry["answer"]

    def _keep(self, replies: dict[str, str]) -> None:
        self._said |= replies
        self.asked += len(replies)
        if self._record is not None:
            self._record.keep(
                {"prompt": prompt, "answer": answer, "judge": self._judge}
                for prompt, answer in replies.items()
            )


def _subject(prompt: str) -> str:
    line = prompt.rpartition("Text: ")[2]
    return line if len(line) <= 80 else f"{line[:80]} …"
