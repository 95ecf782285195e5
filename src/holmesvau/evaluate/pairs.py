"""Pairs of texts, each split and counted once: the figures of any group of them, and of any resampling, are
figures of sums.

Shape legend: `P` pairs, `K` clusters, `C` columns, `F` figures (`FIGURES`).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from holmesvau.errors import InputError
from holmesvau.evaluate import meteor, meteor_reference, ngrams
from holmesvau.evaluate.meteor import MeteorMethod
from holmesvau.evaluate.ngrams import Words
from holmesvau.evaluate.resampling import BootstrapConfig, CountArray, statistics
from holmesvau.evaluate.tokens import tokenize
from holmesvau.types import FloatArray

# What a resampling of pairs has: the order of the columns of `figures`.
FIGURES = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "bleu_sum", "cider", "rouge_l", "meteor")
_BLEU = 2 * ngrams.ORDERS + 2


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """A run's texts beside their references. Except for CIDEr, a pair's columns are its own in every group.

    `meteor[P, 1]` is the approximation of each pair, `meteor[P, 23]` what the reference counts.
    """

    said: tuple[Words, ...]
    meant: tuple[tuple[Words, ...], ...]
    bleu: FloatArray
    rouge_l: FloatArray
    meteor: FloatArray

    def __len__(self) -> int:
        return len(self.said)

    def only(self, places: Sequence[int]) -> Pairs:
        """Some of them."""
        return Pairs(
            tuple(self.said[place] for place in places),
            tuple(self.meant[place] for place in places),
            *(column[list(places)] for column in (self.bleu, self.rouge_l, self.meteor)),
        )

    def columns(self) -> FloatArray:
        """`[P, C]`, to be summed. How rare words are, for CIDEr, is counted in these pairs' references."""
        cider = ngrams.cider(self.said, self.meant)
        return np.column_stack([self.bleu, np.ones(len(self)), cider, self.rouge_l, self.meteor])


def measured(
    hypotheses: Sequence[str], references: Sequence[str | Sequence[str]], method: MeteorMethod
) -> Pairs:
    """Split and count texts against one reference each, or several.

    Raises:
        InputError: when there are no pairs, the lengths differ or a hypothesis has no reference.
        MissingPartError, ModelError: when the reference METEOR is wanted and not there, or fails.
    """
    if not len(hypotheses) or len(hypotheses) != len(references):
        raise InputError(
            f"{len(hypotheses)} hypotheses and {len(references)} references: give as many, and one at least."
        )
    said = tuple(tokenize(text) for text in hypotheses)
    meant = tuple(
        tuple(tokenize(text) for text in ([against] if isinstance(against, str) else against))
        for against in references
    )
    if not all(meant):
        raise InputError(f"Hypothesis {meant.index(())} has no reference: give one at least.")
    if method == "reference":
        found = meteor_reference.counts(said, meant)
    else:
        found = meteor.approximation(said, meant)[:, None]
    return Pairs(said, meant, ngrams.bleu_counts(said, meant), ngrams.rouge_l(said, meant), found)


def figures(totals: FloatArray) -> FloatArray:
    """Summed columns `[..., C]` as figures `[..., F]`; NaN where no pair was summed."""
    bleu = ngrams.bleu(totals[..., :_BLEU])
    with np.errstate(invalid="ignore", divide="ignore"):
        means = totals[..., _BLEU + 1 :] / totals[..., _BLEU : _BLEU + 1]
    by_pair, told = means[..., :2], means[..., 2:]
    if told.shape[-1] == meteor_reference.COUNTS:
        told = meteor_reference.figure(totals[..., _BLEU + 3 :])[..., None]
    return np.concatenate([bleu, bleu.sum(-1, keepdims=True), by_pair, told], axis=-1)


def resampled(
    columns: Sequence[FloatArray], clusters: Sequence[Hashable], config: BootstrapConfig
) -> list[FloatArray]:
    """The figures of every resampling of clusters, `[resamples, F]`, of each run on the same resamples.

    `columns[run][P, C]` are summed by cluster: what a pair is worth, CIDEr's rarity included, stays as it is.
    """
    numbers = {cluster: number for number, cluster in enumerate(dict.fromkeys(clusters))}
    of_pair = [numbers[cluster] for cluster in clusters]
    sums = [np.zeros((len(numbers), table.shape[1])) for table in columns]
    for total, table in zip(sums, columns, strict=True):
        np.add.at(total, of_pair, table)

    def compute(weights: CountArray) -> tuple[float, ...]:
        times = weights.astype(np.float64)
        return tuple(np.concatenate([figures(times @ total) for total in sums]).tolist())

    found = statistics(compute, len(numbers), config)
    return [found[:, start : start + len(FIGURES)] for start in range(0, found.shape[1], len(FIGURES))]
