"""Does a sampler give an event one frame at all? On staged hours that nobody renders, and on rendered videos.

    python benchmarks/samplers.py [--minutes 1 5 30 60 240] [--videos 20] [--rendered 12] [--out FOLDER]

The first have curves of the truth and noise (`evaluate.ablation.noisy_truth`); the second are rendered, five
minutes each, scanned by EfficientNet-Lite0 and scored by `novelty`. Prints Markdown.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from holmesvau import sim
from holmesvau.evaluate import ablation
from holmesvau.evaluate.ablation.coverage import METHODS, CoverageReport
from holmesvau.evaluate.ablation.scans import Scans
from holmesvau.evaluate.answering import load_test_set
from holmesvau.evaluate.pipelines import PipelineOptions
from holmesvau.evaluate.resampling import BootstrapConfig

FRAMES = (8, 16, 32)
SEED = 90_001
NO_WORDS = PipelineOptions(model="none", scorer="novelty")


def table(report: CoverageReport) -> str:
    lines = []
    for count in FRAMES:
        lines += [f"\n{count} frames chosen:\n"]
        lines += [f"| curves | hours | frame AUC | events | {' | '.join(METHODS)} |"]
        lines += [f"|---|---:|---:|---:|{'---:|' * len(METHODS)}"]
        for source, auc in report.frame_auc.items():
            cells = [
                next(c for c in report.cells if (c.source, c.num_frames, c.method) == (source, count, m))
                for m in METHODS
            ]
            shares = []
            for cell in cells:
                low, high = (100 * cell.share,) * 2
                if cell.share_interval is not None:
                    low, high = 100 * cell.share_interval.low, 100 * cell.share_interval.high
                shares.append(f"{100 * cell.share:.0f} [{low:.0f}, {high:.0f}]")
            hours = f"{report.hours[source]:.1f}"
            lines += [f"| {source} | {hours} | {auc:.3f} | {cells[0].events} | {' | '.join(shares)} |"]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=int, nargs="+", default=[1, 5, 30, 60, 240])
    parser.add_argument("--videos", type=int, default=20)
    parser.add_argument("--rendered", type=int, default=12)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--workers", type=int)
    given = parser.parse_args()
    sources = [ablation.noisy_truth(given.videos, minutes, seed=SEED) for minutes in given.minutes]
    if given.rendered:
        with ExitStack() as stack:
            root = given.out or Path(stack.enter_context(TemporaryDirectory()))
            sim.generate(
                root,
                given.rendered,
                SEED,
                split="test",
                duration=300.0,
                size=(160, 120),
                fps=10.0,
                anomalous_share=1.0,
                workers=given.workers,
            )
            scans = Scans(root / "scans", NO_WORDS.load())
            sources.append(ablation.scored(load_test_set(root), scans))
    report = ablation.coverage(sources, frames=FRAMES, bootstrap=BootstrapConfig())
    print("Share of events, per cent, that have at least one of the chosen frames in them [95 % interval].")
    print(table(report))


if __name__ == "__main__":
    main()
