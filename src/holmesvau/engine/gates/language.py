"""Is a text in the language it should be in? By its letters, and by the small words it is held together
with.
"""

from __future__ import annotations

import unicodedata
from collections import Counter

from holmesvau.engine.gates.words import words

# The most frequent small words of a language that few others share.
_LISTS = {
    "en": "the a of and to in is it that with as was on are by this be from or an at not he she they his out",
    "de": "der die und das den ist von zu mit ein eine auf nicht sich dem im des er sie wird",
    "fr": "le la les et des est un une du en dans que qui pour sur au pas avec il elle",
    "es": "el la los las y de en un una que por con para del se es al su como hay",
    "it": "il la di che e un una per con del della in nel si è sono le gli al non",
    "pt": "o a os as de e um uma que em para com do da no na se não por ao",
    "nl": "de het een en van in is op te dat met voor niet zijn aan er door wordt ze hij",
}
_SMALL = {code: frozenset(listed.split()) for code, listed in _LISTS.items()}
_LANGUAGES_OF = {
    word: tuple(code for code, small in _SMALL.items() if word in small)
    for word in frozenset().union(*_SMALL.values())
}
_SCRIPTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_SMALL, ("LATIN",)),
    "zh": ("CJK",),
    "ja": ("CJK", "HIRAGANA", "KATAKANA"),
    "ko": ("HANGUL",),
    "ru": ("CYRILLIC",),
    "uk": ("CYRILLIC",),
    "ar": ("ARABIC",),
    "hi": ("DEVANAGARI",),
    "el": ("GREEK",),
}
NAMES = {
    "ar": "Arabic", "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "fr": "French",
    "hi": "Hindi", "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "pt": "Portuguese",
    "ru": "Russian", "uk": "Ukrainian", "zh": "Chinese",
}  # fmt: skip
# Foreign letters are names and signs up to this share.
_FOREIGN = 0.2
# Shorter texts hold too few small words to tell.
_LEAST_WORDS = 8


def foreign(text: str, language: str) -> str:
    """What speaks against a text being in a language, as a sentence; "" when nothing does.

    A language without a list here is judged by nothing.
    """
    scripts = _SCRIPTS.get(language)
    if scripts is None:
        return ""
    return _other_letters(text, language, scripts) or _other_words(text, language)


def _other_letters(text: str, language: str, scripts: tuple[str, ...]) -> str:
    letters = Counter(unicodedata.name(letter, "?").split()[0] for letter in text if letter.isalpha())
    total = sum(letters.values())
    strange = total - sum(count for script, count in letters.items() if script in scripts)
    if total and strange / total > _FOREIGN:
        return f"It is not written in {NAMES[language]}."
    return ""


def _other_words(text: str, language: str) -> str:
    found = words(text)
    if language not in _SMALL or len(found) < _LEAST_WORDS:
        return ""
    shares = Counter(code for word in found for code in _LANGUAGES_OF.get(word, ()))
    best = max(_SMALL, key=lambda code: (shares[code], code == language))
    if best != language and shares[best] >= 2 * max(1, shares[language]):
        return f"It is written in {NAMES[best]} and should be in {NAMES[language]}."
    if shares[language] == 0 and len(found) >= 2 * _LEAST_WORDS:
        return f"It does not read like {NAMES[language]}."
    return ""
