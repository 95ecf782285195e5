"""Words as the text figures count them: Penn-Treebank-like, lower case, without punctuation.

The published figures come from a Java tokenizer. This one gives the same tokens on HIVAU-70k's texts; it
makes no claim for the corners of the Penn Treebank that descriptions of videos never reach (nested quotes,
smileys).
Brackets become `-lrb-` and the like, and stay: so they do in the published figures.
"""

from __future__ import annotations

import re
from functools import lru_cache

_MARKS = "'`\".?!,:;-"
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_QUOTES = str.maketrans({"’": "'", "‘": "`", "“": '"', "”": '"', "–": "-", "—": "-", "…": "."})
# Their full stop belongs to them.
_SHORTENED = (
    r"(?:mr|mrs|ms|dr|prof|gen|col|capt|lt|sgt|sen|rep|gov|rev|st|jr|sr|vs|etc|inc|ltd|co|corp|dept|mt"
    r"|jan|feb|apr|aug|sept?|oct|nov|dec|[ap]\.m|e\.g|i\.e|(?:[a-z]\.)+[a-z]|[b-hj-z](?=\.\s+\w))\.(?!\w)"
)
_WORD = r"[^\W_]+(?:[_-]+[^\W_]+)*"
_TOKEN = re.compile(
    r"(?P<address>[\w.+-]+@[\w-]+(?:\.[\w-]+)+|(?:https?://|www\.)[^\s\"'(),]+)"
    rf"|(?P<shortened>\b{_SHORTENED})"
    # "1.4-second" is one word, "1.0s-2.3s" the three 1.0s-2 .3 s: so has the tokenizer of the figures.
    r"|(?P<measure>\b\d+\.\d+[^\W\d_]*(?:-[^\W_]+)+)"
    r"|(?P<number>\d+(?:[.,:/-]\d+)+|\.\d+)"
    r"|(?P<split>\bcan(?=not\b)|\b(?:gon|wan)(?=na\b)|\b[^\W_]+?(?=n't\b)|n't\b|'(?:s|re|ve|ll|d|m)\b)"
    r"|(?P<elided>\b(?:c|j|l|o|qu)'[^\W\d_]{2,})"
    rf"|(?P<word>{_WORD}(?:/{_WORD})*)"
    r"|(?P<dots>\.{2,}|-{2,})|(?P<mark>[^\s\w]|_)"
)


@lru_cache(maxsize=16_384)
def tokenize(text: str) -> tuple[str, ...]:
    """The words of a text, in order; none for a text of punctuation alone."""
    found = (match[0] for match in _TOKEN.finditer(text.lower().translate(_QUOTES)))
    return tuple(_BRACKETS.get(token, token) for token in found if token.strip(_MARKS))
