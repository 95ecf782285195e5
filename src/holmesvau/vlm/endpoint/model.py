"""A model behind any OpenAI-compatible server (vLLM, SGLang, llama.cpp, transformers serve).

Frames travel as JPEG, each after its `Frame{i}: ` (§4.1); finding and choosing them stays on this machine.
An answer is streamed. What passes is tried again with growing pauses: a connection that breaks, an error of
the server, too many requests. What has been given out is never given out twice. When the server stays down
a `ModelDownError` says so, and `watch` reports without words what it found.

Keys come from the environment alone and appear in no message, log or report.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import parse_qsl

from holmesvau import config as configuration
from holmesvau.ats.features import Features
from holmesvau.errors import InputError, ModelError
from holmesvau.types import FrameBatch
from holmesvau.vlm.endpoint import chat, pictures
from holmesvau.vlm.endpoint.attempts import KEY_VARIABLES, Attempts, EndpointConfig, together
from holmesvau.vlm.endpoint.clock import Clock, Limits, Unanswered
from holmesvau.vlm.endpoint.connection import Address
from holmesvau.vlm.endpoint.wire import DONE, Refused, Wire
from holmesvau.vlm.protocol import GenerationOptions, History, VisualTokens

log = logging.getLogger(__name__)

# How a server is told of a JSON schema.
SchemaForm = Literal["json_schema", "json_object"]

# What a picture and a turn are taken to cost where only the server knows: the InternVL family's 256 tokens,
# the marks around a message, and four bytes of text a token.
PICTURE_TOKENS, TURN_TOKENS, BYTES_A_TOKEN = 256, 8, 4

# Whether a server is there is asked before the scan: a wrong key should not be found out an hour later.
FIRST_LOOK = Limits(connect=5, first_word=10, silence=10, total=10)


class Endpoint:
    """A served model, as a `VisionLanguageModel`. Safe to share between threads.

    `model` is its name there; None asks the server, which must serve exactly one.

    Raises:
        InputError: when `url` is no address, or the environment holds a key that cannot be sent.
    """

    uses_scan = False
    summarises = True

    def __init__(self, url: str, model: str | None = None, *, config: EndpointConfig | None = None) -> None:
        self.config = config or EndpointConfig()
        self._address = Address(url)
        self._model = model
        self._naming = threading.Lock()
        key = _key()
        self._wire = Wire(self._address, key)
        self._attempts = Attempts(self._address, self.config)
        if self._address.had_credentials:
            log.warning(
                "%s: the user and password in the address are not used; set %s instead",
                self._address,
                KEY_VARIABLES[0],
            )
        if key is not None and not self._address.secure and not self._address.is_local:
            log.warning("%s: the key is sent unencrypted; use https", self._address)

    def __repr__(self) -> str:
        return f"Endpoint({str(self._address)!r}, model={self._model!r})"

    @property
    def name(self) -> str:
        """The model's name at the server; its address until that is known."""
        return self._model or str(self._address)

    @property
    def num_frames(self) -> int:
        return self.config.num_frames

    @property
    def max_tokens(self) -> int:
        return self.config.context

    def prompt_tokens(self, question: str, num_frames: int = 0, history: History = ()) -> int:
        """An estimate: the server's tokenizer is not here."""
        texts = [question, *(text for turn in history for text in turn)]
        words = sum(-(-len(text.encode()) // BYTES_A_TOKEN) + TURN_TOKENS for text in texts)
        return words + num_frames * PICTURE_TOKENS

    def info(self) -> dict[str, Any]:
        return {"name": self.name, "backend": "endpoint", "source": str(self._address)}

    def encode(self, frames: FrameBatch, dense: Features | None = None) -> VisualTokens:
        """Frames of any size -> `tokens`, a list of `N` JPEG files. Nothing is sent yet."""
        settings = self.config
        files = [
            pictures.encode(frame, settings.side, square=settings.square, quality=settings.quality)
            for frame in frames.frames
        ]
        return VisualTokens(frames.index, frames.seconds, files)

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
            ModelDownError: when the server does not answer, or not in time.
            ModelError: when it refuses: the key, the model's name, the size of the request.
            InputError: when the frames do not fit into a request, or a text is not usable.
        """
        body = self._body(visual, question, history, options)
        limits = self.config.within(options)
        return self._attempts.result(
            lambda end: "".join(self._words(body, end, limits)), limits.total
        ).strip()

    def answer_many(
        self, visual: VisualTokens, questions: Sequence[str], *, options: GenerationOptions | None = None
    ) -> list[str]:
        """Answers in the order of the questions, `at_once` of which are on the way together; see `answer`."""

        def one(question: str) -> str:
            return self.answer(visual, question, options=options)

        return together(one, questions, self.config.at_once)

    def complete(
        self,
        visual: VisualTokens,
        question: str,
        *,
        options: GenerationOptions | None = None,
        schema: Mapping[str, Any] | None = None,
        form: SchemaForm = "json_schema",
    ) -> chat.Completion:
        """The whole answer with the tokens it took, not streamed: its first word comes with its last.

        With `schema` the server is told to answer in JSON of that schema (`response_format`), in the `form`
        that most servers know, or as `json_object` with the schema beside it (llama.cpp's).

        Raises:
            ModelDownError, ModelError, InputError: see `answer`.
        """
        more: dict[str, Any] = {"stream": False}
        if schema is not None:
            more["response_format"] = _response_format(schema, form)
        body = self._body(visual, question, (), options, more)

        def ask(end: float) -> chat.Completion:
            events = self._wire.events("/chat/completions", body, Clock(self.config.limits, end))
            return chat.completion(events, self._wire.clean)

        return self._attempts.result(ask)

    def stream(
        self,
        visual: VisualTokens,
        question: str,
        *,
        history: History = (),
        options: GenerationOptions | None = None,
    ) -> Iterator[str]:
        """The answer in pieces as they come. The connection is closed when the consumer stops.

        Raises:
            ModelDownError: also where the answer broke off and the server then began another one.
            ModelError, InputError: see `answer`.
        """
        body = self._body(visual, question, history, options)
        limits = self.config.within(options)
        return chat.trimmed(self._attempts.stream(lambda end: self._words(body, end, limits), limits.total))

    def find(self) -> None:
        """See whether the server is there, takes the key and has the model. That it is down is only logged.

        Raises:
            ModelError: when it refuses, or the model must be named.
        """
        try:
            names = self._names(FIRST_LOOK, time.monotonic() + FIRST_LOOK.total)
        except Unanswered as reason:
            log.warning("%s: the server %s; no words until it answers", self._address, reason)
        except Refused as reason:
            # Not every server lists its models; one that knows the name needs no list.
            if self._model is None or reason.status in (401, 403):
                raise self._attempts.refused(reason) from reason
        else:
            if self._model is None:
                self._model = self._only(names)

    def _named(self) -> str:
        with self._naming:
            if self._model is None:
                self._model = self._only(
                    self._attempts.result(lambda end: self._names(self.config.limits, end))
                )
            return self._model

    def _names(self, limits: Limits, end: float) -> list[str]:
        listed = self._wire.get("/models", Clock(limits, end))
        try:
            return [str(entry["id"]) for entry in listed["data"]]
        except (KeyError, TypeError) as error:
            raise Unanswered("sends no list of models") from error

    def _only(self, names: list[str]) -> str:
        if len(names) == 1:
            return names[0]
        served = (
            f"serves {len(names)} models ({self._wire.clean(', '.join(names))})" if names else "lists none"
        )
        raise ModelError(
            f"{self._address}: which model is not clear, the server {served}. "
            f"Name it: --model endpoint:{self._address}#NAME"
        )

    def _body(
        self,
        visual: VisualTokens,
        question: str,
        history: History,
        options: GenerationOptions | None,
        more: Mapping[str, Any] = MappingProxyType({}),
    ) -> bytes:
        options = options or GenerationOptions()
        asked: dict[str, Any] = {
            "model": self._named(),
            "messages": chat.messages(self._fitted(visual.tokens), question, history),
            "stream": True,
            "max_tokens": options.max_new_tokens,
            "temperature": options.temperature,
        }
        # Left out where they say nothing: the stricter servers refuse what they do not know.
        if options.top_p != 1.0:
            asked["top_p"] = options.top_p
        if options.temperature > 0:
            asked["seed"] = options.seed
        if options.repetition_penalty != 1.0:
            asked["repetition_penalty"] = options.repetition_penalty
        return json.dumps({**asked, **more}).encode()

    def _fitted(self, files: Sequence[bytes]) -> list[str]:
        limit = self.config.max_request_mb
        fitted = pictures.fit(files, int(limit * 1e6))
        if fitted is None:
            raise InputError(
                f"{len(files)} frames do not fit into a request of {limit:g} MB (max_request_mb), not even "
                "at half their size: choose fewer frames, or allow larger requests."
            )
        if fitted.step is not None:
            log.warning(
                "%d frames are sent at %.0f %% of their size and JPEG quality %d to fit into %g MB "
                "(max_request_mb)",
                len(files),
                fitted.step[0] * 100,
                fitted.step[1],
                limit,
            )
        return fitted.urls

    def _words(self, body: bytes, end: float, limits: Limits) -> Iterator[str]:
        """The pieces of one attempt at an answer that came whole.

        Raises:
            Unanswered, Refused: as `Wire.events`, and where what came is no answer or was cut off.
        """
        clock = Clock(limits, end)
        whole = False
        for event in self._wire.events("/chat/completions", body, clock):
            if event is DONE:
                return
            words, ended = chat.words(event, self._wire.clean)
            whole = whole or ended
            if words:
                clock.began()
                yield words
        if not whole:
            raise Unanswered("breaks off its answer")


def _response_format(schema: Mapping[str, Any], form: SchemaForm) -> dict[str, Any]:
    if form == "json_object":
        return {"type": "json_object", "schema": dict(schema)}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(schema), "strict": True}}


def load(
    source: str | None,
    *,
    device: str | None = None,
    dtype: str | None = None,
    device_map: str | dict[str, Any] | None = None,
    adapter: str | Path | None = None,
) -> Endpoint:
    """The model behind an address such as `http://localhost:8000/v1?num_frames=8#name`.

    The path `/v1` and the name may be left out, the name where the server has only one model. Settings are
    those of `EndpointConfig`. `device` is for the parts that run here.

    Raises:
        InputError: for no or an unusable address, an unknown setting, or an option that is for the server.
        ModelError: when the server refuses the key, or the model must be named.
    """
    if not source:
        raise InputError("--model endpoint: say where it is, for example endpoint:http://localhost:8000/v1")
    theirs = {"dtype": dtype, "device_map": device_map, "adapter": adapter}
    for option, value in theirs.items():
        if value is not None:
            raise InputError(
                f"{option}={value!r} is the server's business: start it with the model you want."
            )
    url, _, model = source.partition("#")
    url, _, query = url.partition("?")
    settings = dict(parse_qsl(query, keep_blank_values=True))
    endpoint = Endpoint(
        url, model or None, config=configuration.from_dict(EndpointConfig, settings, where=str(Address(url)))
    )
    endpoint.find()
    return endpoint


def _key() -> str | None:
    for variable in KEY_VARIABLES:
        key = os.environ.get(variable, "").strip()
        if key and not (key.isascii() and key.isprintable()):
            raise InputError(f"{variable}: the key holds characters that cannot be sent. Copy it again.")
        if key:
            return key
    return None
