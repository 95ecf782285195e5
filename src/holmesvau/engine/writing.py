"""Who writes the texts, how hard they are driven and what they may cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from holmesvau.errors import InputError

PEOPLE = "people"


@dataclass(frozen=True, kw_only=True)
class WriterConfig:
    """The provider of captions, or of summaries.

    `provider`: `endpoint:URL#MODEL` (any OpenAI-compatible server), `internvl:FOLDER`, `tiny`, `smollm2`
    (text alone), `imported:FILE` (annotations in any format), `replay:FILE` (what was recorded), or `people`.
    `at_once` requests are on the way together and at most `per_minute` requests and `tokens_per_minute` begin
    (0: no limit), over all workers. An item may take `seconds` with all its attempts at an answer; an answer
    that fails a gate is asked for again, `tries` times in all, then people are asked. `frames` pictures of
    `side` pixels go with a caption. `structured`: whether the server is given a JSON schema (`schema`), is
    only told in words (`words`, or for small models as `headings`), or is given one until it refuses
    every form of it (`auto`). Prices are money for a million tokens. `record` is a file that keeps every
    request with its reply.
    """

    provider: str = PEOPLE
    at_once: int = 4
    per_minute: float = 0.0
    tokens_per_minute: int = 0
    seconds: float = 300.0
    tries: int = 3
    max_tokens: int = 400
    temperature: float = 0.0
    retry_temperature: float = 0.7
    repetition_penalty: float = 1.0
    frames: int = 8
    side: int = 448
    tokens_per_frame: int = 256
    structured: Literal["auto", "schema", "words", "headings"] = "auto"
    price_in: float = 0.0
    price_out: float = 0.0
    record: str = ""

    def __post_init__(self) -> None:
        for key, least in (("at_once", 1), ("tries", 1), ("max_tokens", 1), ("frames", 1), ("side", 16)):
            if getattr(self, key) < least:
                raise InputError(f"{key} = {getattr(self, key)}: give {least} or more.")
        for key in ("per_minute", "tokens_per_minute", "price_in", "price_out"):
            if getattr(self, key) < 0:
                raise InputError(f"{key} = {getattr(self, key)}: give 0 or more.")
        if self.seconds <= 0:
            raise InputError(f"seconds = {self.seconds}: give the seconds that an item may take.")

    @property
    def is_people(self) -> bool:
        """Whether persons write, and no model."""
        return self.provider == PEOPLE

    @property
    def is_file(self) -> bool:
        """Whether texts are taken from annotations that somebody else has made."""
        return self.provider.startswith("imported:")

    def money(self, tokens_in: int, tokens_out: int) -> float:
        """What so many tokens cost."""
        return (tokens_in * self.price_in + tokens_out * self.price_out) / 1e6


@dataclass(frozen=True, kw_only=True)
class BudgetConfig:
    """What all runs of a project may use together; 0 is no limit. Work under way is counted by estimate."""

    tokens: int = 0
    money: float = 0.0

    def __post_init__(self) -> None:
        if self.tokens < 0 or self.money < 0:
            raise InputError("budget: give tokens and money of 0 (no limit) or more.")
