"""Reading a judgement: does a model's sentence say that there is an anomaly, and of which class?

Models answer in free text (§3.2). The classes are those of UCF-Crime and XD-Violence, under UCF-Crime's names
where both have them, and the simulator's Fall.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Class name -> the words that name it, as a regular expression.
CLASSES: dict[str, str] = {
    "Abuse": r"abus(?:e|es|ed|ing|ive)",
    "Arrest": r"arrest(?:s|ed|ing)?",
    "Arson": r"arson(?:ist)?|fire[- ]?setting|set(?:s|ting)? (?:\w+ ){0,4}on fire",
    "Assault": r"assault(?:s|ed|ing)?",
    "Burglary": r"burglar(?:y|ies|s)?|break(?:ing)?[- ]in(?:to)?\b",
    "Explosion": r"explosions?|explod(?:e|es|ed|ing)",
    # The noun alone: people also fall in fights, and night falls.
    "Fall": r"(?:(?<=\ba )|(?<=[:,] )|(?<=\bnamely )|(?<=specifically ))fall\b",
    "Fighting": r"fight(?:s|ing)?|brawl(?:s|ing)?|physical altercation",
    "RoadAccidents": r"(?:road|car|traffic|vehicle|vehicular)[ -]?(?:traffic )?(?:accident|crash|collision)",
    "Robbery": r"robber(?:y|ies|s)?|robbing|robbed",
    "Shooting": r"shooting|gun ?(?:fire|shots?|fight)|shoots|shot at",
    "Shoplifting": r"shop[- ]?lift(?:ing|er|ers|s)?",
    "Stealing": r"steal(?:s|ing)?|stole|theft|thief|thieves",
    "Vandalism": r"vandal(?:ism|i[sz]ing|i[sz]ed|s)?",
    "Riot": r"riot(?:s|ing|ers)?",
}
_CLASS_PATTERNS = {name: re.compile(rf"\b(?:{words})", re.IGNORECASE) for name, words in CLASSES.items()}

_ODD = r"(?:anomal\w*|abnormal\w*|unusual\w*|suspicious\w*|irregular\w*|out of the ordinary)"
_DENIAL = r"(?:\b(?:no|not|without|never|nothing|none|neither|free (?:of|from)|absence of|lacks?)|n[’']t)\b"
# A denial and, within the same clause, the thing denied ("there are no signs of any anomaly"), or the other
# way round ("anomalies are not present").
_DENIED = re.compile(
    rf"{_DENIAL}[^.;:,!?]{{0,60}}?\b{_ODD}"
    rf"|\b{_ODD}[^.;,!?]{{0,40}}?\b(?:is|are|was|were|do|does|has|have|can)(?:n[’']t|not|\s+(?:not|absent|no))\b",
    re.IGNORECASE,
)
_DENIES = re.compile(_DENIAL, re.IGNORECASE)
_AFFIRMED = re.compile(rf"\b{_ODD}", re.IGNORECASE)
_EXISTS = re.compile(rf"\b{_ODD}\s+(?:exists?|(?:is|are) (?:present|seen|detected))\b", re.IGNORECASE)
_NORMAL = re.compile(r"\b(?:normal|ordinary|routine|usual)\b", re.IGNORECASE)
_YES_OR_NO = re.compile(r"\s*(yes|no)\b\s*[.,;:!-]?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`is_anomalous` is None when the sentence does not say; `label` is a key of `CLASSES`, or None."""

    is_anomalous: bool | None
    label: str | None


def parse_judgement(text: str) -> Verdict:
    """What a judgement says. Tolerant of wording: it looks for denial, affirmation and the names of classes.

    A class named inside a denial ("no shooting is seen") is no label. Where several are named, the first is.
    """
    verdict = _is_anomalous(text)
    label = None if verdict is False else _first_class(text)
    if (
        verdict is None
        and label is not None
        and not re.search(r"\b(?:no|not|without)\b|n't\b", text, re.IGNORECASE)
    ):
        verdict = True
    return Verdict(verdict, label if verdict else None)


def _is_anomalous(text: str) -> bool | None:
    answer = _YES_OR_NO.match(text)
    # "No anomaly exists" begins with a determiner, not with an answer: only "No." and "No, …" settle it.
    if answer and (answer[1].lower() == "yes" or answer[0].rstrip()[-1] in ".,;:!-"):
        return answer[1].lower() == "yes"
    if _DENIED.search(text):
        # "There is no doubt: an anomaly exists" affirms after all.
        return bool(_EXISTS.search(_DENIED.sub(" ", text)))
    if _AFFIRMED.search(text):
        return True
    return False if _NORMAL.search(text) and _first_class(text) is None else None


def _first_class(text: str) -> str | None:
    found = [
        (match.start(), name) for name, pattern in _CLASS_PATTERNS.items() if (match := pattern.search(text))
    ]
    return min(found, key=lambda place: place[0])[1] if found else None
