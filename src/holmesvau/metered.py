"""A model under account: every question is counted, and none is begun that the budget does not pay for.

Tokens are those of every prompt, pictures and notes included, and of every answer, as a server counts them:
two questions about the same frames cost the frames twice. Seconds are those of describing, frames included.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from holmesvau.ats.features import Features
from holmesvau.errors import ConfigError, ModelDownError
from holmesvau.types import FrameBatch, IndexArray
from holmesvau.vlm.prompts import unmarked
from holmesvau.vlm.protocol import (
    AnswersTogether,
    GenerationOptions,
    History,
    VisionLanguageModel,
    VisualTokens,
)

# An answer is not begun with room for less than the longest so far, or this many tokens before there is one.
FIRST_ANSWER_TOKENS = 64
SHORTEST_ANSWER_TOKENS = 16
# Clocks and time-outs of a connection agree to within this.
CLOCK_SECONDS = 0.02
# How much the last cost counts against those before it, in what the next one is expected to cost.
NEWEST_SHARE = 0.3


class BudgetSpent(Exception):  # noqa: N818 - no error: what remains is reported without words
    """What is left of the budget does not pay for what comes next."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much describing may cost; None is no limit.

    Raises:
        ConfigError: when a limit is not above 0.
    """

    seconds: float | None = None
    tokens: int | None = None

    def __post_init__(self) -> None:
        for name in ("seconds", "tokens"):
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise ConfigError(f"budget_{name} = {limit}: give a number above 0, or leave it out.")

    def __str__(self) -> str:
        limits = [f"{self.seconds:g} s"] if self.seconds is not None else []
        limits += [f"{self.tokens:,} tokens"] if self.tokens is not None else []
        return " and ".join(limits) or "no limit"


class Metered:
    """A model whose use is counted from now on, as a `VisionLanguageModel`.

    With a budget of seconds or tokens, a question that it does not pay for raises `BudgetSpent`, as does one
    that is not answered in time; `spent` then stays true.
    """

    def __init__(self, model: VisionLanguageModel, budget: Budget | None = None) -> None:
        self._model = model
        self._budget = budget or Budget()
        self._started = time.perf_counter()
        self._share = 1.0
        # Seconds a frame, and a call of so many questions with frames or without, are expected to take.
        self._rates: dict[Any, float] = {}
        self._longest = 0
        self.calls = self.prompt_spent = self.answer_spent = 0
        self.spent = False
        self.uses_scan, self.summarises = model.uses_scan, model.summarises

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def num_frames(self) -> int:
        return self._model.num_frames

    @property
    def max_tokens(self) -> int:
        return self._model.max_tokens

    def info(self) -> dict[str, Any]:
        """The model's own, with what was asked of it since."""
        used = {
            "calls": self.calls,
            "prompt_tokens": self.prompt_spent,
            "answer_tokens": self.answer_spent,
            "seconds": round(self._elapsed(), 3),
        }
        return {**self._model.info(), "used": used}

    @property
    def together(self) -> bool:
        """Whether questions about different frames may be asked together.

        With a budget they are asked one after another: what was paid for must not be lost.
        """
        return self._budget == Budget() and isinstance(self._model, AnswersTogether)

    @contextmanager
    def within(self, share: float) -> Iterator[None]:
        """Nothing is begun in the `with` block that this share of the whole budget does not pay for."""
        outer, self._share = self._share, min(share, self._share)
        try:
            yield
        finally:
            self._share = outer

    def prompt_tokens(self, question: str, num_frames: int = 0, history: History = ()) -> int:
        return self._model.prompt_tokens(question, num_frames, history)

    def encode(self, frames: FrameBatch, dense: Features | None = None) -> VisualTokens:
        """See frames, where there is time for it.

        Raises:
            BudgetSpent: when there is not.
        """
        with self._per_frame("encode", len(frames)):
            return self._model.encode(frames, dense) if self.uses_scan else self._model.encode(frames)

    def fetch(self, index: IndexArray, at: Callable[[IndexArray], FrameBatch]) -> FrameBatch:
        """The frames that `at` gets from a video, where there is time for it.

        Raises:
            BudgetSpent: when there is not.
        """
        with self._per_frame("fetch", len(index)):
            return at(index)

    def answer(
        self,
        visual: VisualTokens,
        question: str,
        *,
        history: History = (),
        options: GenerationOptions | None = None,
    ) -> str:
        """The whole answer to one question.

        Raises:
            BudgetSpent: when the budget does not pay for it.
        """
        prompt = self.prompt_tokens(question, len(visual), history)
        kind = (1, len(visual) > 0)
        fitting = self._begin(kind, prompt, 1, options)
        with self._timed(kind):
            text = self._model.answer(visual, question, history=history, options=fitting)
        return self._counted([text])[0]

    def answer_many(
        self, visual: VisualTokens, questions: Sequence[str], *, options: GenerationOptions | None = None
    ) -> list[str]:
        """Answers to several questions about the same frames; see `answer`."""
        kind = (len(questions), len(visual) > 0)
        prompt = sum(self.prompt_tokens(question, len(visual)) for question in questions)
        fitting = self._begin(kind, prompt, len(questions), options)
        with self._timed(kind):
            texts = self._model.answer_many(visual, questions, options=fitting)
        return self._counted(texts)

    def answer_each(
        self, asked: Sequence[tuple[VisualTokens, str]], *, options: GenerationOptions | None = None
    ) -> list[str]:
        """Answers to questions about frames of their own, for a model and a budget that are `together`."""
        assert isinstance(self._model, AnswersTogether)
        prompt = sum(self.prompt_tokens(question, len(visual)) for visual, question in asked)
        kind = ("each", len(asked))
        fitting = self._begin(kind, prompt, len(asked), options)
        with self._timed(kind):
            texts = self._model.answer_each(asked, options=fitting)
        return self._counted(texts)

    def stream(
        self,
        visual: VisualTokens,
        question: str,
        *,
        history: History = (),
        options: GenerationOptions | None = None,
    ) -> Iterator[str]:
        """The whole answer in one piece: whether it is paid for is known at its end."""
        yield self.answer(visual, question, history=history, options=options)

    def _begin(
        self, kind: Any, prompt: int, questions: int, options: GenerationOptions | None
    ) -> GenerationOptions:
        """The options with what is left of the budget as their limits."""
        options = options or GenerationOptions()
        expected = max(SHORTEST_ANSWER_TOKENS, self._longest or FIRST_ANSWER_TOKENS)
        expected = min(expected, options.max_new_tokens)
        self._require(self._rates.get(kind, 0.0), prompt + questions * expected)
        if self._budget.tokens is not None:
            room = (self._budget.tokens - self.prompt_spent - self.answer_spent - prompt) // questions
            options = replace(options, max_new_tokens=min(options.max_new_tokens, room))
        if self._budget.seconds is not None:
            left = max(1e-3, self._budget.seconds - self._elapsed())
            options = replace(options, max_seconds=min(left, options.max_seconds or math.inf))
        self.calls += questions
        self.prompt_spent += prompt
        return options

    def _counted(self, texts: list[str]) -> list[str]:
        empty = self._model.prompt_tokens("")
        lengths = [self._model.prompt_tokens(unmarked(text)) - empty for text in texts]
        self.answer_spent += sum(lengths)
        self._longest = max([self._longest, *lengths])
        # Whatever came by then may have been cut off in the middle.
        self._refuse_unless(not self._late())
        return texts

    @contextmanager
    def _timed(self, kind: Any) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        except ModelDownError:
            # A server that was not given the time to answer is not down.
            self._refuse_unless(not self._late())
            raise
        self._learn(kind, time.perf_counter() - began)

    @contextmanager
    def _per_frame(self, kind: str, frames: int) -> Iterator[None]:
        self._require(self._rates.get(kind, 0.0) * frames, 0)
        began = time.perf_counter()
        yield
        if frames:
            self._learn(kind, (time.perf_counter() - began) / frames)

    def _learn(self, kind: Any, seconds: float) -> None:
        known = self._rates.get(kind, seconds)
        self._rates[kind] = known + NEWEST_SHARE * (seconds - known)

    def _require(self, seconds: float, tokens: int) -> None:
        left = self._seconds_left()
        self._refuse_unless(left > 0 and seconds <= left and tokens <= self._tokens_left())

    def _refuse_unless(self, paid: bool) -> None:
        if not paid:
            self.spent = True
            raise BudgetSpent

    def _late(self) -> bool:
        limit = self._budget.seconds
        return limit is not None and self._elapsed() >= limit - CLOCK_SECONDS

    def _elapsed(self) -> float:
        return time.perf_counter() - self._started

    def _seconds_left(self) -> float:
        limit = self._budget.seconds
        return math.inf if limit is None else limit * self._share - self._elapsed()

    def _tokens_left(self) -> float:
        limit = self._budget.tokens
        spent = self.prompt_spent + self.answer_spent
        return math.inf if limit is None else limit * self._share - spent
