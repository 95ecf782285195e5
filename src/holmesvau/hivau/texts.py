"""What is odd about one text: spaces, line breaks, characters, and a judgement that contradicts the label."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from holmesvau.hivau.problems import Severity
from holmesvau.vlm.judgement import parse_judgement

_LINE_BREAK = re.compile(r"\s*[\n\r\x85\u2028\u2029]\s*")
Finding = tuple[str, Severity, str]


def oddities(text: str, what: str) -> Iterator[Finding]:
    """`(kind, severity, sentence)` of each oddity in a text; `what` names it."""
    if not text.strip():
        yield "empty-text", "warning", f"The {what} is empty."
        return
    if text != text.strip():
        yield "outer-spaces", "note", f"The {what} begins or ends with spaces: {_shown(text)}."
    if _LINE_BREAK.search(text.strip()):
        yield "line-break", "note", f"The {what} holds a line break: {_shown(text)}."
    foreign = sorted({character for character in text if not character.isascii()})
    if foreign:
        yield "not-ascii", "note", f"The {what} is not ASCII: it holds {' '.join(foreign)}."
    alphabets = sorted({unicodedata.name(letter, "?").split()[0] for letter in text if letter.isalpha()})
    if len(alphabets) > 1:
        yield "mixed-alphabets", "note", f"The {what} mixes letters of {' and '.join(alphabets)}."


def contradicts(judgement: str, is_anomalous: bool) -> bool:
    """True when a judgement says the opposite of the label; one that says neither does not contradict."""
    said = parse_judgement(judgement).is_anomalous
    return said is not None and said != is_anomalous


def mended(text: str) -> str:
    """The text without outer spaces and with a space for each line break."""
    return _LINE_BREAK.sub(" ", text.strip())


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
