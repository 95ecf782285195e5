"""Texts from any OpenAI-compatible server, over the connection, retries and pictures of `vlm.endpoint`."""

from __future__ import annotations

import logging
import threading

import numpy as np

from holmesvau.engine.providers.protocol import Reply, Request, tokens_of
from holmesvau.engine.writing import WriterConfig
from holmesvau.errors import InputError, ModelError
from holmesvau.types import FrameBatch
from holmesvau.vlm.endpoint import Endpoint, load
from holmesvau.vlm.endpoint.chat import Completion
from holmesvau.vlm.endpoint.wire import Refused
from holmesvau.vlm.protocol import GenerationOptions, VisualTokens

log = logging.getLogger(__name__)

NOTHING = FrameBatch(np.zeros((0, 1, 1, 3), np.uint8), np.zeros(0, np.int64), np.zeros(0))


class Served:
    """A served model. A server that refuses a JSON schema is told in words from then on (`auto`).

    Raises:
        InputError: for an unusable address; ModelError: when the server refuses the key.
    """

    uses_scan = False

    def __init__(self, source: str, config: WriterConfig) -> None:
        url, mark, model = source.partition("#")
        limit = config.seconds
        own = f"total={limit}&first_word={limit}&side={config.side}&num_frames={config.frames}"
        # What is written behind the address goes before the settings.
        address, _, query = url.partition("?")
        self._endpoint: Endpoint = load(f"{address}?{own}{'&' + query if query else ''}{mark}{model}")
        self._config = config
        self._schemas = config.structured in ("auto", "schema")
        self._settling = threading.Lock()

    def write(self, request: Request) -> Reply:
        """The served model's text; see `Provider.write`."""
        frames = NOTHING if request.look is None else request.look()[0]
        visual = self._endpoint.encode(frames)
        options = GenerationOptions(
            max_new_tokens=request.max_tokens,
            temperature=request.temperature,
            repetition_penalty=request.repetition_penalty,
            seed=request.seed,
        )
        said = self._asked(request, visual, options)
        pictures = len(frames) * self._config.tokens_per_frame
        return Reply(
            text=said.text,
            model=said.model or self._endpoint.name,
            tokens_in=tokens_of(request.prompt) + pictures if said.tokens_in is None else said.tokens_in,
            tokens_out=tokens_of(said.text) if said.tokens_out is None else said.tokens_out,
            about={"cut": True} if said.cut else {},
        )

    def _asked(self, request: Request, visual: VisualTokens, options: GenerationOptions) -> Completion:
        if request.schema is None or not self._schemas:
            return self._endpoint.complete(visual, request.prompt, options=options)
        try:
            return self._endpoint.complete(visual, request.prompt, options=options, schema=request.schema)
        except ModelError as error:
            refused = error.__cause__
            if (
                self._config.structured == "schema"
                or not isinstance(refused, Refused)
                or refused.status not in (400, 404, 415, 422, 501)
            ):
                raise
        said = self._endpoint.complete(visual, request.prompt, options=options)
        with self._settling:
            if self._schemas:
                log.info("%r takes no JSON schema; it is told in words", self._endpoint)
            self._schemas = False
        return said


def checked(source: str) -> None:
    """Complain about an address that cannot be one, without asking anybody.

    Raises:
        InputError: when it is none.
    """
    if not source:
        raise InputError("endpoint: say where it is, for example endpoint:http://localhost:8000/v1#model")
    Endpoint(source.partition("#")[0].partition("?")[0])
