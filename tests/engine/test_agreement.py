"""How far annotators agree, held against counting frame by frame."""

import numpy as np
import pytest

from holmesvau import engine
from holmesvau.engine.agreement import kappa, matches
from holmesvau.engine.ledger import LedgerEvent
from holmesvau.errors import InputError
from holmesvau.types import Span


def marked(*events: tuple[float, float, str], layer: str = "ann") -> list[LedgerEvent]:
    return [
        LedgerEvent(f"{layer}{n}", "v", layer, Span(start, end), label)
        for n, (start, end, label) in enumerate(events)
    ]


@pytest.fixture
def ledger(tmp_path):
    """Three videos of 100 frames in 20 s, marked by nobody."""
    with engine.Ledger(tmp_path / "ledger.sqlite") as ledger:
        with ledger.writing():
            for position, name in enumerate(("one", "two", "three")):
                row = {"name": name, "position": position, "path": f"{name}.mp4", "labels": "null"}
                ledger.insert("videos", row | {"n_frames": 100, "fps": 5.0, "duration": 20.0})
        yield ledger


def test_events_are_paired_by_overlap_each_once():
    first = marked((0, 10, "A"), (20, 30, "B"))
    second = marked((1, 9, "A"), (8, 22, "A"), (21, 30, "C"), layer="ben")
    found = [(a.id, b.id, round(overlap, 3)) for a, b, overlap in matches(first, second)]
    assert found == [("ann1", "ben2", 0.9), ("ann0", "ben0", 0.8)]


def test_kappa_is_cohens_and_none_where_nothing_else_was_to_be_expected():
    # The usual textbook case: of 50 proposals two readers agree on 20 yes and 15 no.
    assert kappa({(1, 1): 20, (1, 0): 5, (0, 1): 10, (0, 0): 15}) == pytest.approx(0.4)
    rng = np.random.default_rng(0)
    table = rng.integers(1, 50, (4, 4))
    shares = table / table.sum()
    chance = (shares.sum(0) * shares.sum(1)).sum()
    counts = {(m, n): int(table[m, n]) for m in range(4) for n in range(4)}
    assert kappa(counts) == pytest.approx((np.trace(shares) - chance) / (1 - chance))
    assert kappa({("normal", "normal"): 50}) is None and kappa({}) is None
    assert kappa({("a", "b"): 5, ("b", "a"): 5}) == -1


def test_frames_are_counted_as_they_lie(ledger):
    """The exact count by edges equals looking at the middle of every frame."""
    ledger.add_event("one", "ann", Span(2.03, 9.9), "Fighting")
    ledger.add_event("one", "ann", Span(8, 12), "Arson")
    ledger.add_event("one", "ben", Span(3, 11.5), "Fighting")
    ledger.begin("two", "ann")
    ledger.begin("two", "ben")
    ledger.add_event("three", "ann", Span(0, 5), "Arson")  # ben has not marked it

    (pair,) = engine.agreement(ledger).pairs
    middles = (np.arange(100) + 0.5) * 0.2
    seen = []
    for who in ("ann", "ben"):
        marks = [ledger.events(name, who) for name in ("one", "two")]
        seen.append(
            [tuple(sorted({e.label for e in found if t in e.span})) for found in marks for t in middles]
        )
    by_frame: dict[tuple[object, object], int] = {}
    for shown in zip(*seen, strict=True):
        by_frame[shown] = by_frame.get(shown, 0) + 1
    assert (pair.one, pair.other, pair.videos, pair.frames) == ("ann", "ben", 2, 200)
    assert pair.kappa == pytest.approx(kappa(by_frame)) and 0.5 < pair.kappa < 1
    abnormal = sum(bool(a) == bool(b) for a, b in zip(*seen, strict=True)) / 200
    assert pair.kappa < pair.kappa_abnormal < abnormal
    assert pair.events == (2, 1) and pair.matched == 1 and pair.f1 == pytest.approx(2 / 3)
    assert pair.mean_tiou == pytest.approx((9.9 - 3) / (11.5 - 2.03))
    assert pair.boundary_seconds == pytest.approx((0.97 + 1.6) / 2) and pair.same_class == 1
    assert engine.agreement(ledger, tiou=0.8).pairs[0].matched == 0


def test_two_who_have_marked_no_video_together_are_no_pair(ledger):
    ledger.begin("one", "ann")
    ledger.begin("two", "ben")
    found = engine.agreement(ledger)
    assert found.pairs == () and found.annotators == {"ann": 1, "ben": 1}
    ledger.begin("one", "ben")
    (pair,) = engine.agreement(ledger, video="one").pairs
    assert pair.f1 is None and pair.kappa is None and pair.frames == 100
    with pytest.raises(InputError, match="tiou = 0"):
        engine.agreement(ledger, tiou=0)
    with pytest.raises(InputError, match="no such video"):
        engine.agreement(ledger, video="four")
