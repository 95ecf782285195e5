"""METEOR 1.5 by its authors' Java program, kept as counts: a figure of any set of pairs is one of their sum.

The program aligns two texts and counts; what METEOR is of a corpus follows from the counts summed over it,
as BLEU does. So the alignment is asked for once a pair, and a bootstrap needs no Java.

Shape legend: `P` pairs, `C = 23` counts: words and function words of both sides (4), matched words of both
sides and their function words for each of 4 kinds of match (16), runs of matches, matched words of both
sides (3). "Sides" are the hypothesis and the reference, in this order.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import numpy as np

from holmesvau.errors import MissingPartError, ModelError
from holmesvau.evaluate.ngrams import Words
from holmesvau.types import FloatArray

COUNTS = 23
# METEOR 1.5 for English: what a match is worth that is exact, of the stem, a synonym, a paraphrase.
_KINDS = np.array([1.0, 0.6, 0.8, 0.6])
ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75


def counts(hypotheses: Sequence[Words], references: Sequence[Sequence[Words]]) -> FloatArray:
    """What the program counts in each pair, with the reference that suits best: `float64[P, 23]`.

    Raises:
        MissingPartError: when pycocoevalcap or Java is not installed.
        ModelError: when the program ends, or answers with something else.
    """
    try:
        from pycocoevalcap.meteor.meteor import Meteor
    except ImportError as error:
        raise MissingPartError(
            "The reference METEOR needs pycocoevalcap: pip install 'holmesvau[reference-metrics]', "
            "or take --meteor approximation."
        ) from error
    if shutil.which("java") is None:
        raise MissingPartError(
            "The reference METEOR needs Java, which is not on the path: install a Java runtime, "
            "or take --meteor approximation."
        )
    program = Meteor()
    try:
        # An empty text would shift the program's replies by a line.
        return _checked(
            [
                program._stat(" ".join(said) or ".", [" ".join(words) or "." for words in against])
                for said, against in zip(hypotheses, references, strict=True)
            ]
        )
    except OSError as error:
        raise ModelError(f"The reference METEOR's Java program ended early ({error}).") from error
    finally:
        for pipe in (program.meteor_p.stdout, program.meteor_p.stderr):
            pipe.close()


def parsed(lines: Sequence[str]) -> FloatArray:
    """The program's replies as counts, so that they may be summed: `float64[P, 23]`.

    A pair that matches from beginning to end has one run, which METEOR does not count: it has no gaps.

    Raises:
        ValueError: when a reply is not 23 numbers.
    """
    table = np.array([[float(word) for word in line.split()] for line in lines], np.float64)
    table = table.reshape(len(lines), COUNTS)
    whole = (table[:, 20] == 1) & (table[:, 21:] == table[:, :2]).all(1)
    table[whole, 20] = 0
    return table


def figure(totals: FloatArray) -> FloatArray:
    """METEOR from summed counts: `[..., 23] -> [...]`; equals the program's figure of those pairs."""
    length, function = totals[..., 0:2], totals[..., 2:4]
    matched = totals[..., 4:20].reshape(*totals.shape[:-1], 4, 2, 2)
    content_worth = DELTA * matched[..., 0, :] + (1 - DELTA) * matched[..., 1, :]
    found = np.einsum("...ks,k->...s", content_worth, _KINDS)
    there = DELTA * (length - function) + (1 - DELTA) * function
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = np.moveaxis(found / there, -1, 0)
        mean = precision * recall / (ALPHA * precision + (1 - ALPHA) * recall)
        runs = totals[..., 20] / (totals[..., 21:].sum(-1) / 2)
        scores: FloatArray = mean * (1 - GAMMA * runs**BETA)
    return np.nan_to_num(scores)


def _checked(lines: Sequence[str]) -> FloatArray:
    try:
        return parsed(lines)
    except ValueError as error:
        raise ModelError(
            f"The reference METEOR's Java program does not answer as version 1.5 does ({error}). Reinstall "
            "holmesvau[reference-metrics], or take --meteor approximation."
        ) from error
