"""The chat protocol: a conversation about pictures as messages, and words out of what comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from holmesvau.vlm import prompts
from holmesvau.vlm.endpoint.clock import Unanswered
from holmesvau.vlm.endpoint.wire import DONE, TEMPORARY, Refused, complaint
from holmesvau.vlm.protocol import History


def messages(urls: Sequence[str], question: str, history: History = ()) -> list[dict[str, Any]]:
    """A conversation about pictures as the protocol's messages, by the law of `prompts`.

    Raises:
        InputError: when a question or an earlier answer contains a marker such as `<IMG_CONTEXT>`.
    """
    lines = prompts.frame_lines(len(urls), 1, start="", end="")
    said: list[dict[str, Any]] = []
    for number, turn in enumerate(prompts.conversation(question, lines, history)):
        said.append({"role": "user", "content": _content(turn.user, urls) if number == 0 else turn.user})
        if turn.reply is not None:
            said.append({"role": "assistant", "content": turn.reply})
    return said


def _content(user: str, urls: Sequence[str]) -> str | list[dict[str, Any]]:
    if not urls:
        return user
    *labels, question = user.split(prompts.IMAGE_TOKEN)
    parts: list[dict[str, Any]] = []
    for label, url in zip(labels, urls, strict=True):
        parts.append({"type": "text", "text": label})
        parts.append({"type": "image_url", "image_url": {"url": url}})
    return [*parts, {"type": "text", "text": question}]


def words(event: Any, clean: Callable[[str], str]) -> tuple[str, bool]:
    """The words in one value of a reply, and whether the answer ends with it; `clean` is the wire's.

    Raises:
        Unanswered: when it is an error of the server, or no part of an answer.
        Refused: when it is an error of the request.
    """
    if isinstance(event, dict) and event.get("error"):
        error = event["error"]
        told = f"reports an error: {clean(complaint(error))}"
        status = error.get("code") if isinstance(error, dict) else None
        if isinstance(status, int) and 400 <= status < 500 and status not in TEMPORARY:
            raise Refused(told, status)
        raise Unanswered(told)
    try:
        choices = event["choices"]
        if not choices:
            return "", False
        said = choices[0].get("delta") or choices[0].get("message") or {}
        text = said.get("content") or ""
        if not isinstance(text, str):
            raise TypeError
        return text, choices[0].get("finish_reason") is not None
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise Unanswered("sends JSON that is no answer") from error


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer and what it cost: tokens read and written, None where the server does not count.

    `model` is the name the server gives; `cut` tells that the answer ended at its longest.
    """

    text: str
    tokens_in: int | None
    tokens_out: int | None
    model: str
    cut: bool


def completion(events: Iterator[Any], clean: Callable[[str], str]) -> Completion:
    """The answer in the values of a reply: one, or the pieces of a server that streams all the same.

    Raises:
        Unanswered, Refused: as `words`, and `Unanswered` where it breaks off.
    """
    text, model, whole, cut = "", "", False, False
    usage: dict[str, Any] = {}
    for event in events:
        if event is DONE:
            whole = True
            break
        piece, ended = words(event, clean)
        text += piece
        model = str(event.get("model") or model)
        usage = event.get("usage") or usage
        choices = event["choices"]
        # Not all servers say why a whole message has ended.
        whole = whole or ended or bool(choices and choices[0].get("message"))
        cut = cut or bool(choices and choices[0].get("finish_reason") == "length")
    if not whole:
        raise Unanswered("breaks off its answer")
    counts = [usage.get(key) for key in ("prompt_tokens", "completion_tokens")]
    tokens_in, tokens_out = (count if isinstance(count, int) else None for count in counts)
    return Completion(text.strip(), tokens_in, tokens_out, model, cut)


def trimmed(pieces: Iterator[str]) -> Iterator[str]:
    """The same text without white space at its ends, which is held back until more follows."""
    held, begun = "", False
    for piece in pieces:
        text = held + piece if begun else (held + piece).lstrip()
        stable = text.rstrip()
        held = text[len(stable) :]
        if stable:
            begun = True
            yield stable
