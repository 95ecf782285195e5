"""METEOR: an approximation that says it is one, without Java. The reference is `meteor_reference`.

Shape legend: `P` pairs.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np

from holmesvau.evaluate.meteor_reference import ALPHA, BETA, DELTA, GAMMA
from holmesvau.evaluate.ngrams import Words
from holmesvau.types import FloatArray

MeteorMethod = Literal["approximation", "reference"]
REFERENCE = "METEOR 1.5"
APPROXIMATION = "METEOR approximation (exact and stem matches only)"

_STEM_WEIGHT = 0.6
_FUNCTION_WORDS = frozenset(
    re.findall(
        r"\S+",
        """
        a an the this that these those of in on at by for from to with into onto over under and or but nor
        so as if than then while when where which who whom whose what is are was were be been being am do
        does did has have had having will would shall should can could may might must not no n't 's it its
        he him his she her they them their we us our you your i me my there here also very other some any
        all each both about after before between through during against up down out off again
        """,
    )
)


def approximation(hypotheses: Sequence[Words], references: Sequence[Sequence[Words]]) -> FloatArray:
    """METEOR's formula on exact and stem matches alone, of each pair: `float64[P]`.

    Synonyms and paraphrases find no match and the alignment is greedy (the longest common run first), so the
    figure is near METEOR's but is not it: never put it beside published ones without its name.
    """
    return np.array(
        [
            max(_score(hypothesis, reference) for reference in against)
            for hypothesis, against in zip(hypotheses, references, strict=True)
        ],
        np.float64,
    )


def _score(hypothesis: Words, reference: Words) -> float:
    runs = _aligned(tuple(map(stem, hypothesis)), tuple(map(stem, reference)))
    pairs = [(start + i, other + i) for start, other, length in runs for i in range(length)]
    if not pairs:
        return 0.0
    weights = [1.0 if hypothesis[i] == reference[j] else _STEM_WEIGHT for i, j in pairs]
    precision = sum(w * _worth(hypothesis[i]) for w, (i, _) in zip(weights, pairs, strict=True))
    precision /= sum(map(_worth, hypothesis))
    recall = sum(w * _worth(reference[j]) for w, (_, j) in zip(weights, pairs, strict=True))
    recall /= sum(map(_worth, reference))
    mean = precision * recall / (ALPHA * precision + (1 - ALPHA) * recall)
    whole = len(runs) == 1 and len(pairs) == len(hypothesis) == len(reference)
    penalty = 0.0 if whole else GAMMA * (len(runs) / len(pairs)) ** BETA
    return mean * (1 - penalty)


def _worth(word: str) -> float:
    return 1 - DELTA if word in _FUNCTION_WORDS else DELTA


def _aligned(first: Words, second: Words) -> list[tuple[int, int, int]]:
    """Runs `(start, other start, length)` that share no word, the longest first."""
    places: dict[str, list[int]] = {}
    for j, word in enumerate(second):
        places.setdefault(word, []).append(j)
    matches = {(i, j) for i, word in enumerate(first) for j in places.get(word, ())}
    heap = []
    for i, j in matches:
        if (i - 1, j - 1) not in matches:
            length = 1
            while (i + length, j + length) in matches:
                length += 1
            heap.append((-length, i, j))
    heapq.heapify(heap)
    taken: set[int] = set()
    taken_second: set[int] = set()
    runs = []
    while heap:
        length, i, j = heapq.heappop(heap)
        free = [k for k in range(-length) if i + k not in taken and j + k not in taken_second]
        if len(free) == -length:
            runs.append((i, j, -length))
            taken.update(range(i, i - length))
            taken_second.update(range(j, j - length))
        else:
            for start, end in _stretches(free):
                heapq.heappush(heap, (start - end, i + start, j + start))
    return runs


def _stretches(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Rising numbers as half-open stretches without gaps."""
    stretches: list[tuple[int, int]] = []
    for number in numbers:
        if stretches and stretches[-1][1] == number:
            stretches[-1] = (stretches[-1][0], number + 1)
        else:
            stretches.append((number, number + 1))
    return stretches


_ENDINGS = re.compile(r"(?:ations?|ings?|ed|ly|ies|ness|ments?|e?s|e)$")


@lru_cache(maxsize=16_384)
def stem(word: str) -> str:
    """A word without its commonest English ending, a vowel and three letters at least being left."""
    cut = _ENDINGS.sub("", word)
    if len(cut) < 3 or not re.search("[aeiouy]", cut):
        return word
    doubled = len(cut) > 3 and cut[-1] == cut[-2] and cut[-1] not in "lsz"
    return cut[:-1] if doubled else cut.removesuffix("i") if word.endswith("ies") else cut
