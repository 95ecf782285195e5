"""What telling an hour costs at each granularity, and whether budgets are kept.

    python benchmarks/granularity.py [--hours 1] [--events 20] [--out FILE]

A rendered hour, a scorer that knows where its events are, and an InternVL of a few megabytes with random
weights: its words are noise, but the calls, the tokens (a byte each, four to five times as many as a trained
tokenizer's) and what a budget leaves undone are real. Scanning comes before and is not counted.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import synthetic
import vlm
from holmesvau import Holmes
from holmesvau.ats.efficientnet import EfficientNetEncoder
from holmesvau.config import load
from holmesvau.holmes import HolmesConfig
from holmesvau.types import Report
from holmesvau.vlm import internvl
from scan import machine

SETTINGS = ["scan.every_seconds=2", "events.smooth_seconds=0", "generation.max_new_tokens=48"]
SHARES = (0.1, 0.3, 0.6)


class Truth:
    """Scores of an hour whose events are known."""

    name, input_width = "truth", None

    def __init__(self, seconds: float, events: int) -> None:
        rng = np.random.default_rng(1)
        places = (np.arange(events) + rng.uniform(0.1, 0.7, events)) * seconds / events
        self.events = [
            (start, start + length, score)
            for start, length, score in zip(
                places, rng.uniform(4, 40, events), rng.uniform(0.55, 0.95, events), strict=True
            )
        ]

    def score(self, features: Any) -> np.ndarray:
        scores = np.full(len(features), 0.05, np.float32)
        for start, end, score in self.events:
            scores[(features.seconds >= start) & (features.seconds < end)] = score
        return scores


def watch(model: Any, scorer: Truth, video: Path, *settings: str) -> tuple[Report, float]:
    """The report, and the processor seconds of everything after the scan."""
    config = load(HolmesConfig, None, [*SETTINGS, *settings])
    holmes = Holmes(EfficientNetEncoder(), scorer, model, config=config)
    began = time.process_time()
    report = holmes.watch(video)
    return report, time.process_time() - began


def row(name: str, report: Report, cpu: float, budget: str = "") -> str:
    used = report.model["used"]
    tokens = used["prompt_tokens"] + used["answer_tokens"]
    told = sum(bool(event.summary.description) for event in report.events)
    captions = sum(len(event.clips) for event in report.events)
    chapters = sum(bool(chapter.summary.description) for chapter in report.chapters)
    cells = [
        *(
            name,
            budget,
            used["calls"],
            f"{used['prompt_tokens']:,}",
            f"{used['answer_tokens']:,}",
            f"{tokens:,}",
        ),
        *(f"{report.timing['generate']:.1f}", f"{cpu:.1f}", f"{told}/{len(report.events)}", captions),
        *(f"{chapters}/{len(report.chapters)}", "yes" if report.summary.judgement else "no"),
    ]
    return f"| {' | '.join(map(str, cells))} |"


def table(video: Path, model: Any, scorer: Truth) -> list[str]:
    watch(model, scorer, video)
    whole, cpu = watch(model, scorer, video)
    used = whole.model["used"]
    tokens, seconds = used["prompt_tokens"] + used["answer_tokens"], whole.timing["generate"]
    rows = [row("clip", whole, cpu)]
    for level in ("event", "video"):
        rows.append(row(level, *watch(model, scorer, video, f"describe.granularity={level}")))
    for share in SHARES:
        budget = int(tokens * share)
        given = watch(model, scorer, video, f"describe.budget_tokens={budget}")
        rows.append(row("clip", *given, f"{budget:,} tokens"))
    for share in SHARES:
        budget = round(seconds * share, 1)
        given = watch(model, scorer, video, f"describe.budget_seconds={budget}")
        rows.append(row("clip", *given, f"{budget:g} s"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--hours", type=int, default=1)
    parser.add_argument("--events", type=int, default=20)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HOLMESVAU_CACHE"] = folder
        video = synthetic.render(
            Path(folder) / "hours.mp4", 3600 * arguments.hours, width=320, height=180, fps=10
        )
        checkpoint = Path(folder) / "checkpoint"
        checkpoint.mkdir()
        vlm.write_checkpoint(checkpoint, small=True)
        model = internvl.load(checkpoint, dtype="float32")
        rows = table(video, model, Truth(3600.0 * arguments.hours, arguments.events))
    heads = (
        *("granularity", "budget", "calls", "prompt tokens", "answer tokens", "tokens", "seconds", "CPU s"),
        *("events told", "captions", "chapters told", "whole"),
    )
    lines = [f"{machine()}, one thread.", "", f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *rows]
    text = "\n".join(lines) + "\n"
    if arguments.out:
        arguments.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
