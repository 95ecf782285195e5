"""What the engine asks of whoever writes texts: one request, one reply, and what it cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from holmesvau.ats.features import Features
from holmesvau.hivau.schema import Level
from holmesvau.types import FrameBatch, Span

# A token of English text is about four characters; where a server counts, its count is taken.
CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, kw_only=True)
class Place:
    """Which stretch of which video a text is about; `label` "" for what is normal."""

    level: Level
    video: str
    span: Span
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One thing to write.

    `prompt` is all that is said in words. `look` fetches the frames, and the features of their video for
    models that read the scan; None for texts that are made of texts. `schema` is the JSON that is wanted.
    """

    place: Place
    prompt: str
    look: Callable[[], tuple[FrameBatch, Features | None]] | None = None
    schema: Mapping[str, Any] | None = None
    max_tokens: int = 400
    temperature: float = 0.0
    repetition_penalty: float = 1.0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back. Tokens are the server's count, or an estimate where it gives none."""

    text: str
    model: str
    tokens_in: int = 0
    tokens_out: int = 0
    about: Mapping[str, Any] = field(default_factory=dict)


class Provider(Protocol):
    """Writes texts. Called from several threads at a time."""

    @property
    def uses_scan(self) -> bool:
        """Whether `Request.look` should bring the features of the video."""
        ...

    def write(self, request: Request) -> Reply:
        """The text.

        Raises:
            ModelDownError: when none comes now.
            ModelError: when this one cannot be written.
            InputError: when the request is not usable.
        """
        ...


def tokens_of(text: str) -> int:
    """How many tokens a text has, about."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)
