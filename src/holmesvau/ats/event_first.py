"""The event-first sampler: every event gets a frame before the background gets its share.

The paper's sampler (§4.2) spreads `N` frames over the mass `s + τ`, so the background weighs `T·τ` and drowns
a short event in a long video. Here stretches that stand out of the curve are found first, at every length at
once: a moving average of `w` frames is compared with its own median and spread over the whole video, so that
a weak score held for a while counts as much as a strong one for an instant, and a scorer's noise, whatever
its colour, sets its own bar. Frames are then dealt to the events, to a little context around each, and to the
background, whose share does not grow with the length of the video.

Shape legend: `T` dense frames, `N` chosen frames.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from holmesvau.ats.spread import apart, inverse_transform
from holmesvau.types import FloatArray, IndexArray

# Dense frames `[start, end)`.
Range = tuple[int, int]

# A stretch whose mean does not rise this far above the background is calm, however even the background is.
LEAST_EXCESS = 0.1
# Least spread of a single normal score, beside 1 for independent noise: many equal scores must not shrink it
# to 0.
LEAST_SPREAD = 0.5
# Standard deviations a stretch must stand out beyond what chance alone lifts the best of its length to: at
# least so much to be looked at, and to be taken for an event.
CANDIDATE, EVENT = -1.0, 1.0
# Shares of the frames: at most this much for stretches that only may be events, at least that for the
# background.
DOUBTFUL_SHARE, BACKGROUND_SHARE = 0.75, 0.25
# Context before and after an event: its length beside the event's, and the weight of its frames beside the
# event's.
CONTEXT_LENGTH, CONTEXT_WEIGHT = 0.5, 0.25


@dataclass(frozen=True, slots=True)
class Stretch:
    """Dense frames `[start, end)` that stand `strength` standard deviations above the best of chance."""

    start: int
    end: int
    strength: float


def event_first(
    scores: FloatArray, num_frames: int, *, tau: float = 0.1, events: Sequence[tuple[int, int]] = ()
) -> IndexArray:
    """Choose frames so that no event is missed for the length of the video it happens in.

    Each event gets at least one frame, the strongest first where there are more events than frames; further
    frames go to events in proportion to score and duration and to their context just before and after.
    Stretches that are too weak to be called events get one frame each, of three quarters of the frames at
    most. The background gets what the events leave, and a quarter where they would leave less. Within an
    event, and outside of all, frames follow the density `s + tau`, so a calm video is covered evenly.
    Positions `[N]` are rising and distinct; all `T` when there are no more than `N`.
    """
    num_dense = len(scores)
    if num_dense <= num_frames:
        return np.arange(num_dense, dtype=np.int64)
    known = _heaviest_first(scores, events)
    doubtful: list[Range] = []
    for stretch in standing_out(scores, limit=num_frames):
        found = (stretch.start, stretch.end)
        if not any(_overlap(found, other) for other in known):
            (known if stretch.strength >= EVENT else doubtful).append(found)
    known = known[:num_frames]
    doubtful = doubtful[: min(num_frames - len(known), int(num_frames * DOUBTFUL_SHARE))]
    room = num_frames - len(known) - len(doubtful)
    background = min(room, round(num_frames * BACKGROUND_SHARE)) if known else room
    taken = np.zeros(num_dense, dtype=bool)
    if known:
        taken[_deal(scores, tau, known, len(known) + room - background)] = True
    for start, end in doubtful:
        taken[_densest(scores, start, end)] = True
    _cover(taken, scores + tau, [*known, *doubtful], num_frames)
    return np.flatnonzero(taken).astype(np.int64)


def standing_out(scores: FloatArray, limit: int) -> list[Stretch]:
    """Up to `limit` disjoint stretches that stand out of `scores[T]`, the strongest first.

    Averages of normal scores (quantiles of ranks, so that a scorer's own scale, skew and saturation do not
    matter) over 1, 2, 3, 4, 6, 8, 12, … frames are each measured in robust standard deviations of themselves;
    the strongest of any length comes first, and what touches it is left out.
    """
    excess = np.concatenate([[0.0], np.cumsum(scores - np.median(scores))])
    normal = np.concatenate([[0.0], np.cumsum(_normal_scores(scores))])
    peaks, noise = [], LEAST_SPREAD
    for width in _widths(len(scores)):
        found, noise = _peaks(normal, excess, width, noise)
        peaks.append(found)
    found = np.concatenate(peaks)
    found = found[np.lexsort((found["start"], -found["strength"]))]
    stretches: list[Stretch] = []
    while len(found) and len(stretches) < limit:
        best = Stretch(int(found["start"][0]), int(found["end"][0]), float(found["strength"][0]))
        stretches.append(best)
        # The windows' lengths are coarse: what is left of an event beside its window is not another event.
        margin = 1 + (best.end - best.start) // 4
        found = found[(found["start"] >= best.end + margin) | (found["end"] <= best.start - margin)]
    return stretches


def _widths(num_dense: int) -> list[int]:
    """Window lengths in frames, two an octave, up to an eighth of the video: of longer ones there are too few
    to know their spread.
    """
    longest = max(1, num_dense // 8)
    octaves = [2**k for k in range(longest.bit_length())]
    return [
        width for power in octaves for width in dict.fromkeys((power, power * 3 // 2)) if width <= longest
    ]


def _normal_scores(scores: FloatArray) -> FloatArray:
    """Each score replaced by the quantile of its rank in a standard normal distribution; equal scores stay
    equal.
    """
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - counts / 2) / len(scores)
    grid = np.linspace(-6, 6, 1201)
    quantiles: FloatArray = np.interp(rank, [NormalDist().cdf(z) for z in grid], grid)
    return quantiles[inverse]


def _peaks(
    normal: FloatArray, excess: FloatArray, width: int, noise: float
) -> tuple[np.ndarray[tuple[int], np.dtype[np.void]], float]:
    """The strongest window of `width` frames that begins in each block of `width` frames, where it stands
    out.

    `normal[T + 1]` and `excess[T + 1]` are cumulative sums of normal scores and of the scores above their
    median. `noise` is the spread of shorter windows times the root of their length; this length's is
    returned.
    """
    mean = (normal[width:] - normal[:-width]) / width
    # A quarter of the windows' length between samples loses nothing of their distribution. The spread is
    # taken below the median only: what stands above it are the events. Noise that lasts averages out more
    # slowly than independent noise, never faster.
    low, middle = np.quantile(mean[:: max(1, width // 4)], [0.1587, 0.5])
    noise = max(float(middle - low) * width**0.5, noise)
    blocks = -(-len(mean) // width)
    padded = np.full(blocks * width, -np.inf)
    padded[: len(mean)] = mean
    start = padded.reshape(blocks, width).argmax(axis=1) + np.arange(blocks) * width
    # Short windows are many, so that chance alone lifts the best of them higher.
    chance = np.sqrt(2 * np.log(max(1.0, len(mean) / width)))
    strength = (mean[start] - middle) * (width**0.5 / noise) - chance
    keep = (strength >= CANDIDATE) & (excess[start + width] - excess[start] >= LEAST_EXCESS * width)
    peaks = np.empty(
        int(keep.sum()), dtype=[("strength", np.float64), ("start", np.int64), ("end", np.int64)]
    )
    peaks["strength"], peaks["start"], peaks["end"] = strength[keep], start[keep], start[keep] + width
    return peaks, noise


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
            if side[0] < side[1] and not any(_overlap(side, other) for other in claims):
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


def _heaviest_first(scores: FloatArray, events: Sequence[Range]) -> list[Range]:
    """Overlapping ranges joined, then sorted by the score they hold."""
    joined: list[Range] = []
    for start, end in sorted(events):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return sorted(joined, key=lambda event: (-float(scores[event[0] : event[1]].sum()), event))


def _overlap(one: Range, other: Range) -> bool:
    return one[0] < other[1] and other[0] < one[1]
