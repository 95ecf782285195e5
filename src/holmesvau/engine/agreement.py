"""How far annotators agree: their events by temporal overlap, their frames by Cohen's kappa.

Only layers of persons are compared, on the videos that both have marked. Whoever began with a copy of
another's events agrees with them by that; independent marks tell more.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, pairwise
from typing import Any

from holmesvau.engine.ledger import Ledger, LedgerEvent, LedgerVideo
from holmesvau.errors import InputError

# What a frame shows: the classes of the events around it; () is normal.
_Shown = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two annotators on the videos both have marked; a share is None where there is nothing to count.

    `events` are how many each has marked. `overlapping` of them lie over one of the other's, in pairs, with
    `mean_tiou` on average; those of at least the asked overlap are `matched`, and `f1` is their share of all.
    Of the matched, `boundary_seconds` is how far starts and ends lie apart on average, `same_class` how many
    bear the same class. `kappa` is Cohen's over `frames`, each of its class or normal; `kappa_abnormal` only
    tells abnormal from normal.
    """

    one: str
    other: str
    videos: int
    events: tuple[int, int]
    overlapping: int
    matched: int
    f1: float | None
    mean_tiou: float | None
    boundary_seconds: float | None
    same_class: float | None
    frames: int
    kappa: float | None
    kappa_abnormal: float | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """All pairs of annotators. `tiou` is the overlap from which on two events are the same."""

    tiou: float
    annotators: Mapping[str, int]
    pairs: Sequence[PairAgreement]

    def to_json(self) -> dict[str, Any]:
        """Plain values; `annotators` are names with the number of videos each has marked."""
        return asdict(self)


def agreement(ledger: Ledger, *, tiou: float = 0.5, video: str | None = None) -> Agreement:
    """How far each two annotators of a project, or of one video, agree.

    Raises:
        InputError: when `tiou` is not in (0, 1], or there is no such video.
    """
    if not 0 < tiou <= 1:
        raise InputError(f"tiou = {tiou}: give an overlap above 0, up to 1.")
    videos = ledger.videos() if video is None else [ledger.video(video)]
    marked: dict[str, dict[str, list[LedgerEvent]]] = {}
    for one in videos:
        layers = [layer for layer in ledger.layers(one.name) if not layer.startswith("@")]
        for layer in layers:
            found = [event for event in ledger.events(one.name, layer) if not event.normal]
            marked.setdefault(layer, {})[one.name] = found
    by_name = {one.name: one for one in videos}
    pairs = [
        _pair(one, other, marked[one], marked[other], by_name, tiou)
        for one, other in combinations(sorted(marked), 2)
        if marked[one].keys() & marked[other].keys()
    ]
    return Agreement(tiou, {name: len(marked[name]) for name in sorted(marked)}, tuple(pairs))


def _pair(
    one: str,
    other: str,
    first: Mapping[str, Sequence[LedgerEvent]],
    second: Mapping[str, Sequence[LedgerEvent]],
    videos: Mapping[str, LedgerVideo],
    tiou: float,
) -> PairAgreement:
    common = [name for name in videos if name in first and name in second]
    paired = [pair for name in common for pair in matches(first[name], second[name])]
    same = [(a, b) for a, b, overlap in paired if overlap >= tiou - 1e-9]
    counts: Counter[tuple[_Shown, _Shown]] = Counter()
    for name in common:
        counts.update(_frames(videos[name], first[name], second[name]))
    events = (sum(len(first[name]) for name in common), sum(len(second[name]) for name in common))
    edges = [abs(left - right) for a, b in same for left, right in zip(a.span, b.span, strict=True)]
    return PairAgreement(
        one=one,
        other=other,
        videos=len(common),
        events=events,
        overlapping=len(paired),
        matched=len(same),
        f1=2 * len(same) / sum(events) if sum(events) else None,
        mean_tiou=_mean([overlap for _, _, overlap in paired]),
        boundary_seconds=_mean(edges),
        same_class=_mean([float(a.label == b.label) for a, b in same]),
        frames=sum(counts.values()),
        kappa=kappa(counts),
        kappa_abnormal=kappa(_abnormal(counts)),
    )


def matches(
    first: Sequence[LedgerEvent], second: Sequence[LedgerEvent]
) -> list[tuple[LedgerEvent, LedgerEvent, float]]:
    """Events of two layers in pairs with their tIoU: those that overlap most first, each in one pair."""
    overlaps = sorted(
        ((a.span.iou(b.span), m, n) for m, a in enumerate(first) for n, b in enumerate(second)),
        key=lambda found: (-found[0], found[1], found[2]),
    )
    left, right = set(range(len(first))), set(range(len(second)))
    pairs = []
    for overlap, m, n in overlaps:
        if overlap > 0 and m in left and n in right:
            left.discard(m)
            right.discard(n)
            pairs.append((first[m], second[n], overlap))
    return pairs


def kappa(counts: Mapping[tuple[Any, Any], int]) -> float | None:
    """Cohen's kappa of what two have said, by pairs of answers; None when all agree by chance alone."""
    total = sum(counts.values())
    if not total:
        return None
    rows: Counter[Any] = Counter()
    columns: Counter[Any] = Counter()
    for (one, other), count in counts.items():
        rows[one] += count
        columns[other] += count
    observed = sum(count for (one, other), count in counts.items() if one == other) / total
    expected = sum(count * columns[answer] for answer, count in rows.items()) / total**2
    return None if expected >= 1 else (observed - expected) / (1 - expected)


def _frames(
    video: LedgerVideo, first: Sequence[LedgerEvent], second: Sequence[LedgerEvent]
) -> Counter[tuple[_Shown, _Shown]]:
    """How many frames show what to both. A frame stands for the middle of its share of the duration."""
    counts: Counter[tuple[_Shown, _Shown]] = Counter()
    if not video.n_frames or not video.duration:
        return counts
    edges = {0.0, video.duration}
    edges.update(edge for event in (*first, *second) for edge in event.span)
    for start, end in pairwise(sorted(edges)):
        middle = (start + end) / 2
        count = _before(video, end) - _before(video, start)
        if count:
            counts[_shown(first, middle), _shown(second, middle)] += count
    return counts


def _before(video: LedgerVideo, seconds: float) -> int:
    """How many frames have their middle before these seconds."""
    place = math.ceil(seconds * video.n_frames / video.duration - 0.5)
    return min(max(place, 0), video.n_frames)


def _shown(events: Iterable[LedgerEvent], seconds: float) -> _Shown:
    return tuple(sorted({event.label for event in events if seconds in event.span}))


def _abnormal(counts: Mapping[tuple[_Shown, _Shown], int]) -> Counter[tuple[bool, bool]]:
    found: Counter[tuple[bool, bool]] = Counter()
    for (one, other), count in counts.items():
        found[bool(one), bool(other)] += count
    return found


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
