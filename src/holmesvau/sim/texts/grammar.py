"""The grammar: `[this|that]` is one of them, `{role}` a name, `{role:his}` its pronoun, `{at}` a word.

Whoever is named for the first time in a text is described ("a man in a red jacket"), later called back
("the man in red"). Alternatives may be nested and hold roles.
"""

from __future__ import annotations

import re
from typing import TypeVar

import numpy as np

from holmesvau.sim.scripts.truth import Happening, Noun

T = TypeVar("T")
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"(?P<article>\b[Aa] )?\{(?P<name>\w+)(?::(?P<form>his|him))?\}")


class Teller:
    """Writes one text: remembers who has been named in it."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self._named: set[tuple[int, str]] = set()

    def pick(self, *things: T) -> T:
        """One of the things."""
        return things[int(self.rng.integers(len(things)))]

    def clause(self, happening: Happening, template: str) -> str:
        """The template said, without a capital or a full stop."""
        text = template
        while "[" in text:
            text = _CHOICE.sub(lambda match: self.pick(*match[1].split("|")), text, count=1)
        return _SLOT.sub(lambda match: self._said(happening, match), text)

    def _said(self, happening: Happening, match: re.Match[str]) -> str:
        article, name = match["article"] or "", match["name"]
        if name in happening.words:
            word = happening.words[name]
            return ("an " if article and word[0] in "aeiou" else article) + word
        noun = happening.nouns[name]
        if match["form"]:
            return noun.his if match["form"] == "his" else noun.him
        return article + self._name(happening, name, noun)

    def _name(self, happening: Happening, role: str, noun: Noun) -> str:
        key = (id(happening.nouns), role)
        if key in self._named:
            return self.pick(*noun.short)
        self._named.add(key)
        return self.pick(*noun.full)


def sentence(clause: str) -> str:
    """A clause as a sentence: capital letter, full stop."""
    clause = clause.strip()
    return clause[0].upper() + clause[1:] + ("" if clause.endswith((".", "!", "?")) else ".")
