"""The chance that a sampler misses an event, by length of the video, of the event, and by scorer.

    python benchmarks/sampler.py                        simulated curves, one minute to a day
    python benchmarks/sampler.py --rendered FOLDER      rendered videos with their truth, scored by `novelty`
    python benchmarks/sampler.py --runs 20              fewer runs of each, to look at

A simulated scorer gives every dense frame (two a second) a standard normal number, plus the same for the
frames of an event as makes its frame AUC what is said, squashed into [0, 1]. Its noise is `white`; `lasting`
(60 % of its variance has a correlation time of 2 s, as real curves have); or `bumps`: lasting, and every two
minutes something ordinary looks half to wholly like an event for 2 to 10 s. Events differ in strength by a
quarter. A near-perfect scorer gives 0.85 to 1 in events and up to 0.05 elsewhere.

`event-first` is told what `find_events` finds, as in `watch`. `oracle` is no sampler: it knows how long the
event is, and takes the N highest averages of exactly that length. What it misses, the curve does not show.
Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import NormalDist

import numpy as np

from holmesvau.ats.events import find_events
from holmesvau.ats.samplers import sample
from holmesvau.evaluate import ablation
from holmesvau.evaluate.ablation.coverage import METHODS
from holmesvau.evaluate.ablation.scans import Scans
from holmesvau.evaluate.answering import load_test_set
from holmesvau.evaluate.pipelines import PipelineOptions
from holmesvau.evaluate.resampling import BootstrapConfig
from holmesvau.types import AnomalyCurve

STRIDE = 0.5
FRAMES = (8, 16, 32)
MINUTES = (1, 5, 15, 60, 240, 1440)
EVENTS = ((2,), (10,), (60,), (10, 5, 30))
SEED = 1

GRID = np.linspace(-8, 8, 3201)
SQUASH = np.array([NormalDist().cdf(z) for z in GRID])
Range = tuple[int, int]
# By scorer, event, minutes and frames: the share each sampler misses.
Missed = dict[tuple[str, str, int, int], dict[str, float]]


@dataclass(frozen=True)
class SimulatedScorer:
    """Frame AUC 1 is the near-perfect one; `noise` is white, lasting or bumps."""

    auc: float
    noise: str = "white"

    def __str__(self) -> str:
        return "near-perfect" if self.auc == 1 else f"AUC {self.auc:g}, {self.noise}"

    def scores(self, num_dense: int, events: Sequence[Range], rng: np.random.Generator) -> np.ndarray:
        """A curve `[T]` float64 in [0, 1]."""
        if self.auc == 1:
            scores = rng.uniform(0, 0.05, num_dense)
            for start, end in events:
                scores[start:end] = rng.uniform(0.85, 1, end - start)
            return scores
        level = self._background(num_dense, rng)
        for start, end in events:
            level[start:end] += self._separation() * rng.normal(1, 0.25)
        noise = rng.normal(size=num_dense)
        if self.noise != "white":
            rho = np.exp(-STRIDE / 2)
            kernel = rho ** np.arange(32)
            slow = np.convolve(rng.normal(size=num_dense + 31), kernel, mode="valid") * np.sqrt(1 - rho**2)
            noise = np.sqrt(0.4) * noise + np.sqrt(0.6) * slow
        return np.interp(level + noise - 1.5, GRID, SQUASH)

    def _background(self, num_dense: int, rng: np.random.Generator) -> np.ndarray:
        level = np.zeros(num_dense)
        if self.noise == "bumps":
            for _ in range(rng.poisson(num_dense * STRIDE / 120)):
                start, length = rng.integers(num_dense), int(rng.uniform(2, 10) / STRIDE)
                level[start : start + length] = self._separation() * rng.uniform(0.5, 1)
        return level

    def _separation(self) -> float:
        """Standard deviations between an event's frames and others. In 5 % of the time there is a bump."""
        if self.noise != "bumps":
            return NormalDist().inv_cdf(self.auc) * 2**0.5
        low, high = 0.0, 6.0
        for _ in range(40):
            middle = (low + high) / 2
            inside = np.mean(
                [NormalDist().cdf(middle * (1 - part) / 2**0.5) for part in np.linspace(0.5, 1, 11)]
            )
            reached = 0.95 * NormalDist().cdf(middle / 2**0.5) + 0.05 * inside
            low, high = (middle, high) if reached < self.auc else (low, middle)
        return low


SCORERS = (
    SimulatedScorer(1),
    *(SimulatedScorer(auc, noise) for auc in (0.9, 0.8) for noise in ("white", "lasting", "bumps")),
)


def found(scores: np.ndarray) -> list[Range]:
    """What the pipeline takes for events, as dense frames."""
    count = len(scores)
    curve = AnomalyCurve(
        np.arange(count) * STRIDE, scores.astype(np.float32), np.arange(count), STRIDE, "simulated"
    )
    ranges = [(round(span.start / STRIDE), round(span.end / STRIDE)) for span in find_events(curve)]
    return [(start, end) for start, end in ranges if start < end]


def placed(num_dense: int, lengths: Sequence[int], rng: np.random.Generator) -> list[Range]:
    """Events of these lengths, a second apart at least."""
    lengths = [min(length, max(1, num_dense // (2 * len(lengths)))) for length in lengths]
    free = num_dense - sum(lengths) - 2 * len(lengths)
    gaps = np.sort(rng.integers(0, free + 1, len(lengths)))
    events, used = [], 0
    for gap, length in zip(gaps, lengths, strict=True):
        events.append((int(gap) + used, int(gap) + used + length))
        used += length + 2
    return events


def oracle(scores: np.ndarray, length: int, num_frames: int) -> np.ndarray:
    """The middles of the highest, disjoint averages over `length` frames."""
    held = np.concatenate([[0.0], np.cumsum(scores)])
    mean = held[length:] - held[:-length]
    chosen: list[int] = []
    # The highest that begins in each block of the event's length: others overlap it or come after it.
    blocks = -(-len(mean) // length)
    padded = np.pad(mean, (0, blocks * length - len(mean)), constant_values=-np.inf).reshape(blocks, length)
    starts = padded.argmax(axis=1) + np.arange(blocks) * length
    for start in starts[np.argsort(-mean[starts])][: 20 * num_frames].tolist():
        if all(abs(start - other) >= length for other in chosen):
            chosen.append(start)
        if len(chosen) == num_frames:
            break
    return np.array(chosen) + length // 2


def missed(
    scorer: SimulatedScorer, minutes: int, lengths: Sequence[int], runs: int, seed: int
) -> tuple[dict[tuple[str, int], int], int]:
    """How many events each (sampler, frames) misses, and of how many."""
    num_dense, total = round(minutes * 60 / STRIDE), 0
    tally = dict.fromkeys(((method, count) for method in (*METHODS, "oracle") for count in FRAMES), 0)
    for run in range(runs):
        rng = np.random.default_rng([seed, minutes, run, *lengths])
        events = placed(num_dense, [round(length / STRIDE) for length in lengths], rng)
        scores = scorer.scores(num_dense, events, rng)
        total += len(events)
        told = found(scores)
        for method, count in tally:
            if method == "oracle":
                chosen = oracle(scores, events[0][1] - events[0][0], count) if len(events) == 1 else None
            else:
                chosen = sample(scores, count, method=method, events=told if method == "event-first" else ())
            for start, end in events:
                tally[method, count] += chosen is None or not ((chosen >= start) & (chosen < end)).any()
    return tally, total


def simulated(runs: int) -> Missed:
    """Shares of events without a frame, by scorer, event, minutes and frames; by sampler."""
    shares: Missed = {}
    for scorer, lengths, minutes in product(SCORERS, EVENTS, MINUTES):
        tally, total = missed(scorer, minutes, lengths, runs if minutes < 1440 else max(10, runs // 4), SEED)
        print(scorer, lengths, minutes, file=sys.stderr, flush=True)
        for frames in FRAMES:
            shares[str(scorer), "+".join(map(str, lengths)), minutes, frames] = {
                method: tally[method, frames] / total for method in (*METHODS, "oracle")
            }
    return shares


def tables(shares: Missed) -> str:
    """The paper's sampler beside ours, at every length; then all samplers, for one event."""
    lines, names = [], [f"{m} min" if m < 60 else f"{m // 60} h" for m in MINUTES]
    rows = list(dict.fromkeys((scorer, event) for scorer, event, _, _ in shares))
    for frames in FRAMES:
        lines += [f"\nN = {frames}, density / event-first / oracle:\n"]
        lines += [f"| scorer | event | {' | '.join(names)} |", "|---|---|" + "---:|" * len(names)]
        for scorer, event in rows:
            cells = [shares[scorer, event, minutes, frames] for minutes in MINUTES]
            told = [f"{c['density']:.2f} / {c['event-first']:.2f}" for c in cells]
            if "+" not in event:
                told = [f"{text} / {c['oracle']:.2f}" for text, c in zip(told, cells, strict=True)]
            lines += [f"| {scorer} | {event} s | {' | '.join(told)} |"]
    lines += ["\nAn event of 10 s, 16 frames:\n", f"| scorer | video | {' | '.join(METHODS)} | oracle |"]
    lines += ["|---|---:|" + "---:|" * (len(METHODS) + 1)]
    for scorer, (minutes, name) in product(SCORERS, zip(MINUTES, names, strict=True)):
        cell = shares[str(scorer), "10", minutes, 16]
        told = [f"{cell[method]:.2f}" for method in (*METHODS, "oracle")]
        lines += [f"| {scorer} | {name} | {' | '.join(told)} |"]
    return "\n".join(lines)


def goals(runs: int) -> None:
    """The two goals of the project, with as many runs as they take, at 16 frames."""
    print("\nAn event of 10 s, 16 frames, frame AUC 0.9, more runs:\n")
    print("| noise | video | events | density | event-first | oracle |\n|---|---:|---:|---:|---:|---:|")
    for noise, minutes in product(("white", "lasting", "bumps"), (60, 240)):
        tally, total = missed(SimulatedScorer(0.9, noise), minutes, (10,), 10 * runs, SEED + 1)
        told = [f"{tally[method, 16] / total:.3f}" for method in ("density", "event-first", "oracle")]
        print(f"| {noise} | {minutes // 60} h | {total} | {' | '.join(told)} |", flush=True)
    near, lost = SimulatedScorer(1), 0
    for run in range(runs * 80):
        rng = np.random.default_rng([SEED, 1440, run])
        events = placed(172_800, [20], rng)
        chosen = sample(near.scores(172_800, events, rng), 16)
        lost += not ((chosen >= events[0][0]) & (chosen < events[0][1])).any()
    print(f"\nNear-perfect scorer, 24 h, an event of 10 s, 16 frames: missed {lost} of {runs * 80}.")
    scores = SimulatedScorer(0.9, "bumps").scores(172_800, [], np.random.default_rng(0))
    told, began = found(scores), time.process_time()
    sample(scores, 32, events=told)
    print(f"24 h (172,800 dense frames) sampled in {time.process_time() - began:.2f} CPU seconds.")


def rendered(folder: Path) -> None:
    """Frames in the events of rendered videos, by their `novelty` curves."""
    scans = Scans(folder / "scans", PipelineOptions(model="none", scorer="novelty").load())
    source = ablation.scored(load_test_set(folder), scans)
    report = ablation.coverage([source], frames=FRAMES, bootstrap=BootstrapConfig())
    auc = report.frame_auc[source.source]
    print(
        f"\n{folder.name}: {len(source.curves)} rendered videos, {source.hours:.1f} h, frame AUC {auc:.3f}.\n"
    )
    print(f"| N | {' | '.join(METHODS)} |\n|---:|" + "---:|" * len(METHODS))
    for count in FRAMES:
        cells = [cell for cell in report.cells if cell.num_frames == count]
        told = []
        for cell in cells:
            assert cell.share_interval is not None
            low, high = 100 * cell.share_interval.low, 100 * cell.share_interval.high
            told.append(f"{cell.seen} of {cell.events} [{low:.0f}, {high:.0f} %]")
        print(f"| {count} | {' | '.join(told)} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument(
        "--rendered", type=Path, help="a folder of `sim.generate`, instead of simulated curves"
    )
    given = parser.parse_args()
    if given.rendered is not None:
        rendered(given.rendered)
        return
    print("Share of events without a chosen frame.")
    print(tables(simulated(given.runs)))
    goals(given.runs)


if __name__ == "__main__":
    main()
