"""What the pipeline asks of a model that sees and speaks, whatever runs behind it.

Shape legend: `N` chosen frames, `P` tokens a frame, `W` width of the language model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from holmesvau.ats.features import Features
from holmesvau.types import FloatArray, FrameBatch, IndexArray

# Earlier turns of a conversation about the same frames: (question, answer) pairs.
History = Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class GenerationOptions:
    """How an answer is generated. Greedy by default, so that the same video gives the same words.

    After `max_seconds` an answer ends as after `max_new_tokens`, with what has been said; a served model that
    is not done by then counts as one that does not answer.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    seed: int = 0
    max_seconds: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class VisualTokens:
    """Frames as a model keeps them after encoding once: ask as many questions as you like.

    `index[N]` and `seconds[N]` say which frames they are; `tokens` has `N` rows and is the model's own
    business (projected features `[N, P, W]` for local models, pictures for an endpoint).
    """

    index: IndexArray
    seconds: FloatArray
    tokens: Any

    def __len__(self) -> int:
        return len(self.index)

    def select(self, rows: Sequence[int]) -> VisualTokens:
        """Only these rows, in this order, without encoding again."""
        picked = np.asarray(rows, dtype=np.int64)
        tokens = [self.tokens[i] for i in rows] if isinstance(self.tokens, list) else self.tokens[picked]
        return VisualTokens(self.index[picked], self.seconds[picked], tokens)


def join(parts: Sequence[VisualTokens]) -> VisualTokens:
    """Several encoded groups of frames as one, in the order given."""
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0].tokens, list):
        tokens: Any = [token for part in parts for token in part.tokens]
    else:
        import torch

        tokens = torch.cat([part.tokens for part in parts])
    return VisualTokens(
        np.concatenate([part.index for part in parts]),
        np.concatenate([part.seconds for part in parts]),
        tokens,
    )


class VisionLanguageModel(Protocol):
    """A model that answers questions about frames."""

    @property
    def name(self) -> str: ...

    @property
    def num_frames(self) -> int:
        """How many frames it was trained to see at once (16 in the paper)."""
        ...

    @property
    def uses_scan(self) -> bool:
        """Whether it reads, beside the frames, what the scan has kept of their video."""
        ...

    @property
    def summarises(self) -> bool:
        """Whether it can be told what was seen and asked about that, with few frames or none.

        A model that was only trained to look is not asked to read: its texts are then put together by rules.
        """
        ...

    @property
    def max_tokens(self) -> int:
        """How many tokens it holds at once, prompt and answer together."""
        ...

    def prompt_tokens(self, question: str, num_frames: int = 0, history: History = ()) -> int:
        """How many tokens the whole prompt of a question takes; an estimate where only a server knows."""
        ...

    def info(self) -> dict[str, Any]:
        """What goes into `report.json` under `model`: name, backend, dtype, device, parameters, source."""
        ...

    def encode(self, frames: FrameBatch, dense: Features | None = None) -> VisualTokens:
        """See `N` frames once; `dense` are the features of their video, for models with `uses_scan`."""
        ...

    def answer(
        self,
        visual: VisualTokens,
        question: str,
        *,
        history: History = (),
        options: GenerationOptions | None = None,
    ) -> str:
        """The whole answer to one question."""
        ...

    def answer_many(
        self, visual: VisualTokens, questions: Sequence[str], *, options: GenerationOptions | None = None
    ) -> list[str]:
        """Answers to several questions about the same frames, in order, as one batch where that is faster."""
        ...

    def stream(
        self,
        visual: VisualTokens,
        question: str,
        *,
        history: History = (),
        options: GenerationOptions | None = None,
    ) -> Iterator[str]:
        """The answer in pieces as they are generated; joined, they are what `answer` returns."""
        ...


@runtime_checkable
class AnswersTogether(Protocol):
    """What a model can do besides: answer questions about different frames in little more time than one."""

    def answer_each(
        self, asked: Sequence[tuple[VisualTokens, str]], *, options: GenerationOptions | None = None
    ) -> list[str]:
        """Answers in the order of the questions; those about the same frames stand together."""
        ...
