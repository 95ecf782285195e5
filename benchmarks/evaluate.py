"""How long evaluation takes: detection on 1.1 million frame labels, text on 3,339 pairs, both with intervals.

    python benchmarks/evaluate.py [--ucf UCF_Annotation.txt] [--rows merge_instruction_test_final.jsonl]

Without the released files, made-up ones of the same size are taken: 290 videos of 1,111,808 frames, of which
a thirteenth are abnormal, and 3,339 answers of the released lengths. Scores are one random number a frame
(the worst case: none equal) or one for 16 frames (what systems give). Prints Markdown.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from holmesvau import hivau
from holmesvau.evaluate import detection, text
from holmesvau.evaluate.curves import VideoPrediction
from holmesvau.evaluate.predictions import Coverage
from holmesvau.evaluate.resampling import BootstrapConfig
from holmesvau.evaluate.suite import evaluate_detection
from holmesvau.hivau import GroundTruth, Instruction, Interval

VIDEOS, FRAMES, PAIRS = 290, 1_111_808, 3_339
CLASSES = 13
WORDS = np.array([f"word{number}" for number in range(3_000)])
# Words an answer by task: caption, judgement, description, analysis.
LENGTHS = {"caption": 18, "judgement": 17, "description": 60, "analysis": 65}


def made_up_truth(random: np.random.Generator) -> list[GroundTruth]:
    shares = random.dirichlet(np.full(VIDEOS, 0.7))
    lengths = np.maximum(100, (shares * FRAMES).astype(int))
    lengths[-1] += max(0, FRAMES - int(lengths.sum()))
    videos = []
    for number, length in enumerate(lengths.tolist()):
        odd = number % 2 == 1
        label = (f"Class{number % CLASSES}",) if odd else ()
        spans = (Interval(length // 3, length // 3 + length // 6, label),) if odd else ()
        videos.append(GroundTruth(f"v{number}", f"v{number}.mp4", label, spans, length))
    return videos


def made_up_rows(random: np.random.Generator) -> list[Instruction]:
    tasks = random.choice(list(LENGTHS), PAIRS, p=[0.66, 0.13, 0.13, 0.08])
    rows = []
    for number, task in enumerate(tasks.tolist()):
        words = WORDS[random.zipf(1.4, LENGTHS[task]) % len(WORDS)]
        level = "clip" if task == "caption" else "event" if number % 2 else "video"
        place = f"own/videos/test/v{number % 340}.mp4"
        rows.append(Instruction(number, level, task, place, "What?", " ".join(words.tolist()) + "."))
    return rows


def answers_to(rows: list[Instruction], random: np.random.Generator) -> list[str]:
    """Each answer is the next row's reference with a third of its words gone: nothing is done quickly."""
    said = []
    for row in [*rows[1:], rows[0]]:
        words = np.array(row.answer.split() or ["none"])
        said.append(" ".join(words[random.random(len(words)) < 0.67].tolist()))
    return said


def timed(name: str, work: Callable[[], Any], aim: str = "") -> None:
    started, processor = time.perf_counter(), time.process_time()
    work()
    wall, spent = time.perf_counter() - started, time.process_time() - processor
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {name} | {wall:.1f} | {spent:.1f} | {memory:.0f} | {aim} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ucf", type=Path)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--resamples", type=int, default=1000)
    given = parser.parse_args()
    random = np.random.default_rng(0)
    config = BootstrapConfig(resamples=given.resamples)
    truth = hivau.ucf_crime.load(given.ucf, problems=[]) if given.ucf else made_up_truth(random)
    rows = hivau.load_instructions(given.rows, problems=[]) if given.rows else made_up_rows(random)
    labels = {video.name: video.frame_labels() for video in truth}
    fine = {name: random.random(len(part)) + 0.3 * part for name, part in labels.items()}
    coarse = {name: np.repeat(part[::16], 16)[: len(part)] for name, part in fine.items()}
    frames, odd = sum(map(len, labels.values())), sum(int(part.sum()) for part in labels.values())
    print(f"{len(labels)} videos, {frames:,} frames, {odd:,} abnormal; {len(rows):,} pairs;")
    print(f"{config.resamples} resamples\n")
    print("| what | s | processor s | peak MiB | aim |")
    print("|---|---:|---:|---:|---|")
    for name, scores in (("a score a frame", fine), ("a score for 16 frames", coarse)):
        timed(
            f"AUC and AP with intervals, {name}",
            lambda scores=scores: detection.frame_metrics(labels, scores, bootstrap=config),
            "60 s",
        )
    for name, scores in (("a score a frame", fine), ("a score for 16 frames", coarse)):
        predictions = {video: VideoPrediction(part, 30.0) for video, part in scores.items()}
        coverage = Coverage(len(truth), len(truth))
        timed(
            f"everything of `eval detection`, {name}",
            lambda predictions=predictions, coverage=coverage: evaluate_detection(
                truth, predictions, coverage, bootstrap=config
            ),
        )
    said, meant = answers_to(rows, random), [row.answer for row in rows]
    from holmesvau.evaluate import ngrams
    from holmesvau.evaluate.tokens import tokenize

    def figures() -> None:
        guesses, references = [tokenize(t) for t in said], [[tokenize(t)] for t in meant]
        ngrams.bleu(ngrams.bleu_counts(guesses, references).sum(0))
        ngrams.cider(guesses, references)
        ngrams.rouge_l(guesses, references)

    timed("BLEU, CIDEr, ROUGE-L of all pairs", figures, "10 s")
    timed(
        "the same with the approximated METEOR and intervals",
        lambda: text.score(said, meant, bootstrap=config),
    )
    timed(
        "everything of `eval text`: by level, task and both",
        lambda: text.score_rows(rows, said, bootstrap=config),
    )
    other = answers_to(rows, random)
    timed(
        "the paired test of `eval text --against`, likewise",
        lambda: text.compare_rows(rows, said, other, bootstrap=config),
    )


if __name__ == "__main__":
    main()
