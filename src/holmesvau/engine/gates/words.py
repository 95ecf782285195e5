"""Texts as words: their runs, their stems, and the words that say nothing by themselves."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

_FUNCTION_WORDS = """
    a about above across after again against all along also although am among an and another any anyone
    anything apart are around as at away back be because been before began behind being below beside besides
    between beyond both but by can cannot close could did do does doing done down during each either else end
    ends even event events ever every everyone everything few first for from further had has have having he
    her here hers him his how however i if in inside into is it its itself just last later least less like
    many may me might more most much must my near nearby neither next no nobody none nor not nothing now of
    off on once one ones only onto or other others our out outside over own part parts past perhaps rather
    s second seems seen several shall she should shown shows side similar since so some somebody someone
    something soon still such than that the their them themselves then there these they thing things third
    this those through throughout thus to together too toward towards two under until up upon us very video
    was way we well were what when where whether which while who whom whose why will with within without
    would yet you your
"""
# What a summary says because it is one: the class and the fact that it is abnormal are given, not seen.
_OF_SUMMARIES = """
    abnormal abnormality activity anomalies anomalous anomaly behavior behaviour calm camera cause caused
    causes clip clips consequence course dangerous description during everyday exist exists evidence exhibit
    illegal incident life picture quiet
    indicate indicates involve involves involving judge judged likely normal normally occur occurred occurs
    ordinary place possible possibly probably reason result resulting routine safety scene sequence show
    situation specifically sudden suddenly suggest suggests suspicious take takes place time typical typically
    unusual usual violation footage surveillance recording contains contain class classified clearly
"""
_UNTOLD = frozenset(f"{_FUNCTION_WORDS} {_OF_SUMMARIES}".split())


def words(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation."""
    return [word.replace("’", "'") for word in _WORD.findall(text.lower())]


def runs(text: str, length: int) -> set[tuple[str, ...]]:
    """All runs of so many words; the whole text as one run where it is shorter."""
    found = words(text)
    if len(found) <= length:
        return {tuple(found)} if found else set()
    return {tuple(found[start : start + length]) for start in range(len(found) - length + 1)}


def likeness(one: str, other: str) -> float:
    """The share of runs of three words that two texts have in common, 0 to 1 (Jaccard)."""
    first, second = runs(one, 3), runs(other, 3)
    return len(first & second) / len(first | second) if first or second else 0.0


def content_stems(text: str) -> set[str]:
    """The stems of the words that say something of what is seen."""
    return {
        stem(word) for word in words(text) if word not in _UNTOLD and len(word) > 2 and not word.isdigit()
    }


_ENDINGS = (
    "ations",
    "ation",
    "ingly",
    "edly",
    "ings",
    "ing",
    "ness",
    "ies",
    "ied",
    "ers",
    "ed",
    "er",
    "es",
    "ly",
    "s",
)


def stem(word: str) -> str:
    """A word without its ending, roughly: `walks`, `walked` and `walking` are one."""
    plain = word.removesuffix("'s").removesuffix("'")
    for ending in _ENDINGS:
        if plain.endswith(ending) and len(plain) - len(ending) >= 3:
            plain = plain[: -len(ending)]
            break
    if len(plain) > 3 and plain[-1] == plain[-2]:
        plain = plain[:-1]
    return plain.rstrip("eiy") if len(plain) > 3 else plain
