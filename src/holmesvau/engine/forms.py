"""The form of an answer, at the border: JSON of a schema where a server keeps to one, words that are read
tolerantly where it does not.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from holmesvau.hivau.schema import Level

Sentences = Annotated[str, Field(min_length=1, max_length=4000)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Abnormal(_Form):
    """The three parts of a summary (§3.2)."""

    judgement: Sentences
    description: Sentences
    analysis: Sentences


class Normal(_Form):
    """A summary of what is normal has no analysis (§3.2)."""

    judgement: Sentences
    description: Sentences


class Misshapen(Exception):  # noqa: N818 - becomes the verdict of a gate
    """The answer is not of its form. The text says in a sentence what is wrong, for the model as well."""


_PARTS = {True: ("judgement", "description"), False: ("judgement", "description", "analysis")}


def asked_for(normal: bool, *, headings: bool) -> str:
    """What a prompt ends with: the form of the answer in words, as JSON or as lines behind headings."""
    if headings:
        lines = "\n".join(f"{part.title()}: …" for part in _PARTS[normal])
        return f"\n\nReply with these lines alone, each completed:\n{lines}"
    fields = ", ".join(f'"{part}": "…"' for part in _PARTS[normal])
    return f"\n\nReply with JSON alone, in this form:\n{{{fields}}}"


_HEADING = re.compile(
    r"^[\s#>*_\-\d.)\"']*(?P<part>judge?ment|description|analysis)[\s*_\"']*[:\-–—][\s*_]*",
    re.IGNORECASE | re.MULTILINE,
)
_FENCE = re.compile(r"```(?:\w+)?")


def form(normal: bool) -> type[Abnormal] | type[Normal]:
    """The form of a summary."""
    return Normal if normal else Abnormal


@cache
def schema(normal: bool) -> dict[str, Any]:
    """The JSON schema of a summary, without what servers do not know.

    The greatest length is checked afterwards: llama.cpp writes a rule of its grammar for every letter that a
    string may have, and its Python server dies of 4,000.
    """
    fields = {
        name: {"type": "string", "minLength": 1} for name in form(normal).model_json_schema()["properties"]
    }
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def read(reply: str, level: Level, *, normal: bool) -> dict[str, str]:
    """The parts of an answer: `caption`, or those of a summary, each as one line.

    Raises:
        Misshapen: when they cannot be told.
    """
    if level == "clip":
        return {"caption": _line(_unquoted(reply))}
    values = _json(reply) or _headed(reply)
    if values is None:
        raise Misshapen(
            "It is neither the JSON that was asked for, nor has it the parts judgement, description"
            f"{'' if normal else ' and analysis'}."
        )
    # What is normal needs no analysis: one that is given all the same does no harm.
    known = form(normal).model_fields
    given = {_spelt(key): value for key, value in values.items()}
    try:
        found = form(normal).model_validate({key: value for key, value in given.items() if key in known})
    except ValidationError as error:
        first = error.errors()[0]
        raise Misshapen(f"{'.'.join(map(str, first['loc']))}: {first['msg']}.") from error
    return {key: _line(value) for key, value in found.model_dump().items()}


def _json(reply: str) -> dict[str, Any] | None:
    """The object in a reply: models put fences or a sentence around it, or forget its last brace."""
    text = _FENCE.sub("", reply)
    start = text.find("{")
    if start < 0:
        return None
    decoder = json.JSONDecoder(strict=False)
    for tail in ("", "}", '"}'):
        try:
            value, _ = decoder.raw_decode(text[start:].rstrip() + tail)
        except (json.JSONDecodeError, RecursionError):
            continue
        return value if isinstance(value, dict) else None
    return None


def _headed(reply: str) -> dict[str, Any] | None:
    """Parts that stand behind their names, one after the other."""
    marks = list(_HEADING.finditer(reply))
    found: dict[str, Any] = {}
    for number, mark in enumerate(marks):
        end = marks[number + 1].start() if number + 1 < len(marks) else len(reply)
        # A model that goes on asks itself again: what it says first counts.
        found.setdefault(_spelt(mark["part"]), _unquoted(reply[mark.end() : end]))
    return found or None


def _spelt(part: str) -> str:
    lower = part.strip().lower()
    return "judgement" if lower == "judgment" else lower


def _unquoted(text: str) -> str:
    stripped = text.strip().strip("*").strip()
    if len(stripped) > 1 and stripped[0] == stripped[-1] == '"' and '"' not in stripped[1:-1]:
        return stripped[1:-1]
    return stripped


def _line(text: str) -> str:
    return " ".join(text.split())
