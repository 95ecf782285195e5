"""Claims that no clip has made: weighty things that must have been seen, and too many words of one's own."""

from __future__ import annotations

import re
from collections.abc import Sequence

from holmesvau.engine.gates.words import content_stems, words
from holmesvau.vlm.judgement import CLASSES

# What changes an event's meaning, by the words that say it. Each must be seen in a clip, or be the class
# itself.
_WEIGHTY: dict[str, str] = {
    "a firearm": r"(?:shot|hand)?guns?|pistols?|rifles?|firearms?|revolvers?|shoot\w*|gun(?:fire|shots?)",
    "a blade": r"knif(?:e|es)|knives|machetes?|blades?|daggers?|stab\w*",
    "a blunt weapon": r"bats?|clubs?|batons?|hammers?|crowbars?",
    "fire": r"fires?|flames?|burn\w*|ablaze|arson\w*|ignit\w*",
    "smoke": r"smok(?:e|es|ing|y)",
    "an explosion": r"explo\w+|blasts?|bombs?|detonat\w+|grenades?",
    "blood": r"blood\w*|bleed\w*",
    "death": r"dead|death\w*|kill\w*|murder\w*|corpses?|dies|died|dying",
    "police": r"polic\w+|officers?|cops?",
    "an ambulance": r"ambulances?|paramedics?|medics?",
    "a child": r"child|children|kids?|boys?|girls?|bab(?:y|ies)|infants?|toddlers?",
    "an animal": r"dogs?|cats?|animals?|horses?|cows?",
    "a car": r"cars?(?! parks?)|vehicles?|trucks?|vans?|bus(?:es)?|suvs?|taxis?|lorr(?:y|ies)|sedans?",
    "a motorcycle": r"motorcycles?|motorbikes?|scooters?|mopeds?",
    "a bicycle": r"bicycles?|bikes?|cyclists?",
    "theft": r"steal\w*|stole\w*|thief|thieves|theft|robb\w+|loot\w*|burgl\w+|shoplift\w*",
    "drugs or drink": r"drugs?|drunk\w*|alcohol\w*|intoxicat\w*",
    "money": r"money|cash|banknotes?|wallets?|purses?",
}
# Which of them a class says by itself.
_IMPLIED: dict[str, frozenset[str]] = {
    "Arson": frozenset({"fire", "smoke"}),
    "Explosion": frozenset({"an explosion", "fire", "smoke"}),
    "Shooting": frozenset({"a firearm"}),
    "Robbery": frozenset({"theft"}),
    "Burglary": frozenset({"theft"}),
    "Stealing": frozenset({"theft"}),
    "Shoplifting": frozenset({"theft"}),
    "Arrest": frozenset({"police"}),
    "RoadAccidents": frozenset({"a car"}),
}
_PATTERNS = {name: re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE) for name, pattern in _WEIGHTY.items()}
_DENIED = re.compile(r"\b(?:no|not|without|never|nobody|none|neither)\b[^.;:!?]*", re.IGNORECASE)


def unseen(text: str, clips: Sequence[str], labels: Sequence[str]) -> list[str]:
    """The weighty things that a text claims and no clip does, nor the classes; denials claim nothing."""
    claimed = _DENIED.sub(" ", text)
    told = "\n".join(clips)
    implied = {name for label in labels for name in _IMPLIED.get(label, ())}
    return [
        name
        for name, pattern in _PATTERNS.items()
        if name not in implied and pattern.search(claimed) and not pattern.search(told)
    ]


def own_share(text: str, clips: Sequence[str], labels: Sequence[str]) -> tuple[float, list[str]]:
    """The share of a text's content words that no clip has, and those words; 0 where it has under four."""
    said = content_stems(text)
    told: set[str] = set().union(*(content_stems(clip) for clip in clips)) if clips else set()
    told |= {found for label in labels for found in content_stems(_spaced(label))}
    # A class is named by the words that `parse_judgement` knows it by.
    patterns = [re.compile(CLASSES[label], re.IGNORECASE) for label in labels if label in CLASSES]
    named = {
        found for word in words(text) if any(p.match(word) for p in patterns) for found in content_stems(word)
    }
    own = sorted(said - told - named)
    return (len(own) / len(said) if len(said) >= 4 else 0.0), own


def _spaced(label: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label)
