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
from holmesvau.vlm.endpoint.model import SchemaForm
from holmesvau.vlm.endpoint.wire import Refused
from holmesvau.vlm.protocol import GenerationOptions, VisualTokens

log = logging.getLogger(__name__)

# How a server is told of a schema, one after another until it takes it; None is in words alone.
_FORMS: dict[str, tuple[SchemaForm | None, ...]] = {
    "auto": ("json_schema", "json_object", None),
    "schema": ("json_schema", "json_object"),
    "words": (None,),
    "headings": (None,),
}
# What servers answer that do not know a form.
_UNKNOWN_FORM = (400, 404, 415, 422, 500, 501)
NOTHING = FrameBatch(np.zeros((0, 1, 1, 3), np.uint8), np.zeros(0, np.int64), np.zeros(0))


class Served:
    """A served model. A server that refuses a JSON schema in one form is given it in the next from then on,
    and at last told in words (`auto`).

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
        self._forms = _FORMS[config.structured]
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
        if request.schema is None:
            return self._endpoint.complete(visual, request.prompt, options=options)
        forms = self._forms
        for number, form in enumerate(forms):
            try:
                said = self._complete(request, visual, options, form)
            except ModelError as error:
                refused = error.__cause__
                if number + 1 == len(forms) or not isinstance(refused, Refused):
                    raise
                if refused.status not in _UNKNOWN_FORM:
                    raise
                continue
            if number:
                self._settle(forms[number:])
            return said
        raise AssertionError("there is always a form")

    def _complete(
        self, request: Request, visual: VisualTokens, options: GenerationOptions, form: SchemaForm | None
    ) -> Completion:
        if form is None:
            return self._endpoint.complete(visual, request.prompt, options=options)
        return self._endpoint.complete(
            visual, request.prompt, options=options, schema=request.schema, form=form
        )

    def _settle(self, forms: tuple[SchemaForm | None, ...]) -> None:
        """Begin with the form that was taken from now on."""
        with self._settling:
            if len(forms) < len(self._forms):
                log.info("%r is told of the answer's form as %s", self._endpoint, forms[0] or "words")
                self._forms = forms


def checked(source: str) -> None:
    """Complain about an address that cannot be one, without asking anybody.

    Raises:
        InputError: when it is none.
    """
    if not source:
        raise InputError("endpoint: say where it is, for example endpoint:http://localhost:8000/v1#model")
    Endpoint(source.partition("#")[0].partition("?")[0])
