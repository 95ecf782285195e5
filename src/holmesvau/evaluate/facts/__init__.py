"""Do answers state the facts? Who, what, where, when and of which class, judged by a language model.

N-gram figures reward wording. Here a judge lists the facts of each reference once, and then says of each fact
whether an answer states it, contradicts it or leaves it out (`judge`). What the judge was asked and what it
said is recorded, so that a run can be repeated without it (`record`). A reply that does not keep the agreed
form is counted and named, and its row left out: nothing is guessed (`scores`).
"""

from __future__ import annotations

from holmesvau.evaluate.facts.judge import KINDS, Fact, Judge, Kind, Verdict
from holmesvau.evaluate.facts.record import Recorder, asker
from holmesvau.evaluate.facts.scores import FactReport, FactScores, score_rows

__all__ = [
    "KINDS",
    "Fact",
    "FactReport",
    "FactScores",
    "Judge",
    "Kind",
    "Recorder",
    "Verdict",
    "asker",
    "score_rows",
]
