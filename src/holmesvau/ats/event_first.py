"""The event-first sampler: every event gets a frame before the background gets its share.

The paper's sampler (§4.2) spreads `N` frames over the mass `s + τ`, so the background weighs `T·τ` and drowns
a short event in a long video. Here stretches that stand out of the curve are found first (`standing_out`).
In a long video frames are then dealt to the events, to a little context around each, and to the background,
whose share does not grow with the length of the video. In a short one the paper's frames are close enough to
be a net that little slips through, whatever the scorer thinks of it: there they are kept, and only those that
the net can spare move to events it has missed.

Shape legend: `T` dense frames, `N` chosen frames.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from holmesvau.ats.spread import apart, inverse_transform
from holmesvau.ats.standing_out import EVENT, Landscape, Stretch
from holmesvau.types import FloatArray, IndexArray

# Dense frames `[start, end)`.
Range = tuple[int, int]

# Shares of the frames: at most this much for stretches that only may be events, at least that for the
# background.
DOUBTFUL_SHARE, BACKGROUND_SHARE = 0.75, 0.25
# Context before and after an event: its length beside the event's, and the weight of its frames beside the
# event's.
CONTEXT_LENGTH, CONTEXT_WEIGHT = 0.5, 0.25
# Where there is a chosen frame for every so many dense frames (50 s of a scan by half-seconds), they are a
# net.
NET = 100
# Of these at most this share moves to given events for their own sake, the rest as far as they stand out: of
# the many that a weak scorer calls events in five minutes most are none.
SURE_SHARE = 0.5
# Worth more than any hole in the net.
SURE = 1e6
# Events that no stretch stands for, in a video: what a net is for, and how far stretches are not trusted.
# Their lengths, each as likely as the others, are 2 s to a minute of a scan by half-seconds.
HIDDEN = 1.0
HIDDEN_LENGTHS = np.array([4, 8, 16, 32, 64, 128])


def event_first(
    scores: FloatArray, num_frames: int, *, tau: float = 0.1, events: Sequence[tuple[int, int]] = ()
) -> IndexArray:
    """Choose frames so that no event is missed for the length of the video it happens in.

    Each event gets at least one frame, the strongest first where there are more events than frames; those
    given in `events` come before those that are found here. In a long video further frames go to events in
    proportion to score and duration and to their context just before and after; stretches that are too weak
    to be called events get one frame each, of three quarters of the frames at most; the background gets what
    the events leave, and a quarter where they would leave less. In a short one all frames follow the density
    `s + tau` but those that must move for an event to be seen. Positions `[N]` are rising and distinct; all
    `T` when there are no more than `N`.
    """
    num_dense = len(scores)
    if num_dense <= num_frames:
        return np.arange(num_dense, dtype=np.int64)
    landscape = Landscape(scores)
    given = _strongest_first([landscape.of(start, end) for start, end in _joined(events)])
    found = landscape.standing_out(num_frames)
    if num_dense <= NET * num_frames:
        return _mended_net(scores, tau, num_frames, given, found)
    if len(given) > num_frames:
        own = [stretch for stretch in found if not any(_overlap(stretch, other) for other in given)]
        given, found = _strongest_first([*given, *own])[:num_frames], []
    return _dealt(scores, tau, num_frames, given, found)


def _dealt(
    scores: FloatArray, tau: float, num_frames: int, given: list[Stretch], found: list[Stretch]
) -> IndexArray:
    """A long video: events first, then their context, what may be events, and the background."""
    found = [part for stretch in found for part in _beside(stretch, given)]
    events = [*given, *(stretch for stretch in found if stretch.strength >= EVENT)][:num_frames]
    doubtful = [stretch for stretch in found if stretch.strength < EVENT]
    doubtful = doubtful[: min(num_frames - len(events), int(num_frames * DOUBTFUL_SHARE))]
    room = num_frames - len(events) - len(doubtful)
    background = min(room, round(num_frames * BACKGROUND_SHARE)) if events else room
    taken = np.zeros(len(scores), dtype=bool)
    if events:
        taken[_deal(scores, tau, _ranges(events), len(events) + room - background)] = True
    for start, end in _ranges(doubtful):
        taken[_densest(scores, start, end)] = True
    _cover(taken, scores + tau, _ranges([*events, *doubtful]), num_frames)
    return np.flatnonzero(taken).astype(np.int64)


def _mended_net(
    scores: FloatArray, tau: float, num_frames: int, given: list[Stretch], found: list[Stretch]
) -> IndexArray:
    """A short video: the frames of the density, of which the most dispensable ones move to what they miss."""
    held = np.concatenate([[0.0], np.cumsum(scores + tau)])
    chosen = apart(inverse_transform(scores + tau, num_frames), len(scores))
    sure = max(1, int(num_frames * SURE_SHARE))
    worth = [SURE * (number < sure) + stretch.likely for number, stretch in enumerate(given)]
    worth += [stretch.likely for stretch in found]
    wanted = sorted(zip(worth, [*given, *found], strict=True), key=lambda pair: -pair[0])
    for value, stretch in wanted:
        within = _inside(chosen, stretch)
        if _inside(chosen, stretch, core=True).any() or (value > SURE and within.sum() > 1):
            continue
        loss = HIDDEN * _holes(chosen, held)
        for other_value, other in wanted:
            inside = _inside(chosen, other, core=True)
            inside = inside if inside.any() else _inside(chosen, other)
            if other is not stretch and inside.sum() == 1:
                loss[inside] += other_value
        # A frame at its border only moves inwards.
        loss[within] = np.minimum(loss[within], 0.0) if within.sum() == 1 else loss[within]
        spare = int(loss.argmin())
        place = _densest(scores, *_heart(stretch, found))
        if loss[spare] < value and place not in chosen:
            chosen[spare] = place
            chosen.sort()
    return chosen


def _heart(stretch: Stretch, found: Sequence[Stretch]) -> Range:
    """What of a stretch stands out the most: its part of the strongest of those found in it."""
    for other in found:
        if _overlap(stretch, other):
            return max(stretch.start, other.start), min(stretch.end, other.end)
    return stretch.start, stretch.end


def _beside(stretch: Stretch, given: Sequence[Stretch]) -> list[Stretch]:
    """The longest part of a stretch that no given event covers; none where that is not most of it."""
    edges = [stretch.start, *(edge for other in _ranges(given) for edge in other), stretch.end]
    edges = sorted({min(max(edge, stretch.start), stretch.end) for edge in edges})
    free = [
        Stretch(start, end, stretch.strength)
        for start, end in pairwise(edges)
        if 2 * (end - start) > stretch.end - stretch.start
    ]
    return [part for part in free if not any(_overlap(part, other) for other in given)]


def _holes(chosen: IndexArray, held: FloatArray) -> FloatArray:
    """For each of `chosen[N]`, how likely a hidden event is one that it alone sees.

    Events are of all the hidden lengths, and hide where the density is: `held[T + 1]` is its cumulative sum.
    """
    num_dense = len(held) - 1
    lengths = np.unique(np.minimum(HIDDEN_LENGTHS, num_dense))
    bounded = np.concatenate([[-1], chosen, [num_dense]])
    before, own, after = (part[:, None] for part in (bounded[:-2], chosen, bounded[2:]))
    first = np.maximum(before + 1, own - lengths + 1)
    last = np.minimum(own, after - lengths)
    shares = np.maximum(last - first + 1, 0) / (num_dense - lengths + 1)
    dense = (held[bounded[2:]] - held[bounded[:-2] + 1]) / (bounded[2:] - bounded[:-2] - 1)
    weighted: FloatArray = shares.mean(axis=1) * dense * (num_dense / max(float(held[-1]), 1e-9))
    return weighted


def _densest(scores: FloatArray, start: int, end: int) -> int:
    """The middle of the quarter of `[start, end)` that holds the most score."""
    width = max(1, (end - start) // 4)
    held = np.concatenate([[0.0], np.cumsum(scores[start:end])])
    return start + int((held[width:] - held[:-width]).argmax()) + width // 2


def _deal(scores: FloatArray, tau: float, events: Sequence[Range], num_frames: int) -> IndexArray:
    """Share `num_frames` among events and the context around them: one frame an event, the rest by highest
    averages.
    """
    claims = list(events)
    weights = [float((scores[start:end] + tau).sum()) for start, end in events]
    for (start, end), weight in zip(events, list(weights), strict=True):
        length = max(1, round((end - start) * CONTEXT_LENGTH))
        for side in ((max(0, start - length), start), (end, min(len(scores), end + length))):
            if side[0] < side[1] and not any(side[0] < end and start < side[1] for start, end in claims):
                claims.append(side)
                weights.append(CONTEXT_WEIGHT * weight * (side[1] - side[0]) / (end - start))
    shares = [1] * len(events) + [0] * (len(claims) - len(events))
    queue = [
        (-weight / (share + 1), i) for i, (weight, share) in enumerate(zip(weights, shares, strict=True))
    ]
    queue = [(average, i) for average, i in queue if shares[i] < claims[i][1] - claims[i][0]]
    heapq.heapify(queue)
    for _ in range(num_frames - len(events)):
        if not queue:
            break
        _, i = heapq.heappop(queue)
        shares[i] += 1
        if shares[i] < claims[i][1] - claims[i][0]:
            heapq.heappush(queue, (-weights[i] / (shares[i] + 1), i))
    placed = [
        start + apart(inverse_transform(scores[start:end] + tau, share), end - start)
        for (start, end), share in zip(claims, shares, strict=True)
        if share
    ]
    return np.concatenate(placed)


def _cover(taken: npt.NDArray[np.bool_], mass: FloatArray, events: Sequence[Range], num_frames: int) -> None:
    """Fill `taken[T]` up to `num_frames` from outside the events by `mass[T]`, then from what is left inside
    them.
    """
    outside = ~taken
    for start, end in events:
        outside[start:end] = False
    for allowed in (outside, np.ones_like(taken)):
        free = np.flatnonzero(allowed & ~taken)
        missing = min(num_frames - int(taken.sum()), len(free))
        if missing:
            taken[free[apart(inverse_transform(mass[free], missing), len(free))]] = True


def _joined(events: Sequence[Range]) -> list[Range]:
    """Overlapping ranges as one."""
    joined: list[Range] = []
    for start, end in sorted(events):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _strongest_first(stretches: Sequence[Stretch]) -> list[Stretch]:
    return sorted(stretches, key=lambda stretch: (-stretch.strength, stretch.start))


def _ranges(stretches: Sequence[Stretch]) -> list[Range]:
    return [(stretch.start, stretch.end) for stretch in stretches]


def _inside(chosen: IndexArray, stretch: Stretch, *, core: bool = False) -> npt.NDArray[np.bool_]:
    """Which of the frames lie in a stretch or, since its borders are not sure, in the middle half of it."""
    border = (stretch.end - stretch.start) // 4 if core else 0
    inside: npt.NDArray[np.bool_] = (chosen >= stretch.start + border) & (chosen < stretch.end - border)
    return inside


def _overlap(one: Stretch, other: Stretch) -> bool:
    return one.start < other.end and other.start < one.end
