"""BLEU, CIDEr and ROUGE-L as pycocoevalcap 1.2 defines them, which the paper's Table 2 was made with.

A hypothesis is compared with one or more references, all as tuples of words. What a pair adds is kept by
pair, so that a resampling costs a product of matrices.

Shape legend: `P` pairs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from holmesvau.types import FloatArray

Words = tuple[str, ...]
ORDERS = 4
# Added to both sides of each ratio by the definition that is followed here.
_TINY, _SMALL = 1e-15, 1e-9
_CIDER_SIGMA = 6.0
_ROUGE_BETA = 1.2


def bleu_counts(hypotheses: Sequence[Words], references: Sequence[Sequence[Words]]) -> FloatArray:
    """What each pair adds to corpus BLEU: `float64[P, 10]`, 4 matches, 4 guesses, length, reference length.

    The reference length is that of the reference nearest in length, the shorter of two.
    """
    rows = []
    for hypothesis, against in zip(hypotheses, references, strict=True):
        most: Counter[Words] = Counter()
        for reference in against:
            most |= _grams(reference)
        matched = [0] * ORDERS
        for gram, count in _grams(hypothesis).items():
            matched[len(gram) - 1] += min(count, most[gram])
        length = len(hypothesis)
        guessed = [max(0, length - order) for order in range(ORDERS)]
        nearest = min((abs(len(reference) - length), len(reference)) for reference in against)[1]
        rows.append([*matched, *guessed, length, nearest])
    return np.array(rows, np.float64).reshape(-1, 2 * ORDERS + 2)


def bleu(totals: FloatArray) -> FloatArray:
    """Corpus BLEU-1..4 from summed counts: `[..., 10] -> [..., 4]`. Nothing guessed gives 0."""
    matched, guessed = totals[..., :ORDERS], totals[..., ORDERS : 2 * ORDERS]
    precision = np.cumprod((matched + _TINY) / (guessed + _SMALL), axis=-1)
    ratio = (totals[..., -2] + _TINY) / (totals[..., -1] + _SMALL)
    brevity = np.where(ratio < 1, np.exp(1 - 1 / np.minimum(ratio, 1)), 1.0)
    means: FloatArray = precision ** (1 / np.arange(1, ORDERS + 1))
    return np.where(totals[..., -2:-1] > 0, means * brevity[..., None], 0.0)


def cider(hypotheses: Sequence[Words], references: Sequence[Sequence[Words]]) -> FloatArray:
    """CIDEr-D of each pair: `float64[P]`. How rare an n-gram is, is counted over these pairs' references."""
    documents = Counter(gram for against in references for gram in {g for r in against for g in _grams(r)})
    weight = {gram: math.log(len(references)) - math.log(count) for gram, count in documents.items()}
    unseen = math.log(len(references)) if references else 0.0
    scores = []
    for hypothesis, against in zip(hypotheses, references, strict=True):
        guess = _vector(hypothesis, weight, unseen)
        similarities = [
            _similarity(guess, _vector(reference, weight, unseen), len(hypothesis) - len(reference))
            for reference in against
        ]
        scores.append(10 * sum(similarities) / len(similarities))
    return np.array(scores, np.float64)


def rouge_l(hypotheses: Sequence[Words], references: Sequence[Sequence[Words]]) -> FloatArray:
    """ROUGE-L (F with beta 1.2) of each pair: `float64[P]`; the best precision and recall over references."""
    scores = []
    for hypothesis, against in zip(hypotheses, references, strict=True):
        shared = [common_length(hypothesis, reference) for reference in against]
        # An empty text counts as one word that nothing shares.
        precision = max(shared) / max(len(hypothesis), 1)
        recall = max(n / max(len(reference), 1) for n, reference in zip(shared, against, strict=True))
        weighed = recall + _ROUGE_BETA**2 * precision
        scores.append((1 + _ROUGE_BETA**2) * precision * recall / weighed if weighed else 0.0)
    return np.array(scores, np.float64)


def common_length(first: Words, second: Words) -> int:
    """Length of the longest common subsequence, a row of the table at a time as the bits of one integer."""
    places: dict[str, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << place
    every = (1 << len(first)) - 1
    row = every
    for word in second:
        matches = row & places.get(word, 0)
        row = ((row + matches) | (row - matches)) & every
    return len(first) - row.bit_count()


def _grams(words: Words) -> Counter[Words]:
    return Counter(
        words[start : start + order]
        for order in range(1, ORDERS + 1)
        for start in range(len(words) - order + 1)
    )


def _vector(words: Words, weight: Mapping[Words, float], unseen: float) -> list[dict[Words, float]]:
    """Counts times rarity, by order."""
    vector: list[dict[Words, float]] = [{} for _ in range(ORDERS)]
    for gram, count in _grams(words).items():
        vector[len(gram) - 1][gram] = count * weight.get(gram, unseen)
    return vector


def _similarity(
    guess: Sequence[Mapping[Words, float]], reference: Sequence[Mapping[Words, float]], longer: int
) -> float:
    """Mean over orders of the clipped cosine, less for a difference in length of `longer` words."""
    total = 0.0
    for mine, theirs in zip(guess, reference, strict=True):
        norm = math.sqrt(sum(v * v for v in mine.values()) * sum(v * v for v in theirs.values()))
        if norm:
            total += sum(min(v, theirs[g]) * theirs[g] for g, v in mine.items() if g in theirs) / norm
    return total * math.exp(-(longer**2) / (2 * _CIDER_SIGMA**2)) / ORDERS
