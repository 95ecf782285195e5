"""What packing saves in stage 2: CPU seconds a row of `tiny`, forward and back.

    python benchmarks/instruct.py [--frames 8] [--threads 1] [--rounds 3]

Random pictures, texts of the length of simulated CCTV's: judgement, description and analysis of a span, each
asked in two wordings.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from holmesvau.hivau.dataset import TextLaw
from holmesvau.hivau.instructions import pool
from holmesvau.hivau.schema import Instruction
from holmesvau.train.instruct.examples import Example
from holmesvau.train.instruct.models import TinyTrainable
from holmesvau.train.instruct.packing import batch, pack, passes
from holmesvau.train.instruct.trainable import Learner
from holmesvau.train.instruct.wording import Wording, targets
from holmesvau.vlm.tiny import Tiny

ANSWERS = {
    "judgement": "An anomaly exists in this part of the video: fighting.",
    "description": "A man in a red jacket walks towards a woman near the shop door. Then he pushes her and "
    "she falls to the ground. After that, two other people run to them and pull the man away. Finally, the "
    "woman gets up and walks away with one of them.",
    "analysis": "This is abnormal because one person attacks another without being provoked. Moreover, the "
    "woman is hurt when she falls, and others have to step in to stop the attack.",
}


def examples(wording: Wording, spans: int, frames: int) -> list[Example]:
    made = []
    for span in range(spans):
        for task, answer in ANSWERS.items():
            for question in pool("event", task)[:2]:  # type: ignore[arg-type]
                row = Instruction(len(made), "event", task, "", question, answer)  # type: ignore[arg-type]
                tail, labels = wording.tail(row, frames)
                index = np.arange(frames)
                made.append(Example(row, Path(str(span)), index, tail, targets(labels)))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    model = Tiny.create(device="cpu", dtype="bfloat16")
    trainable = TinyTrainable(model, train_projector=True)
    learner = Learner(trainable).train()
    wording = Wording(TextLaw(trainable.speaker.tokenizer, trainable.speaker.law))
    rows = examples(wording, 2, given.frames)
    seen = {
        "pictures": torch.randn(given.frames, model.config.views, 1280),
        "states": torch.randn(given.frames, model.config.state_width),
    }
    print("| rows | CPU s a row | wall s a row | tokens, padded | tokens a CPU second |")
    print("|---|---:|---:|---:|---:|")
    for name, together, tokens in (
        ("one by one", False, 1),
        ("side by side", False, 1200),
        ("packed by span", True, 1),
        ("packed, spans side by side", True, 1200),
    ):
        spent = []
        for _ in range(given.rounds + 1):
            processor, wall, done = time.process_time(), time.perf_counter(), 0
            for one in passes(pack(rows, wording, together=together, pass_tokens=4096), tokens):
                inputs = batch(one, wording, lambda example: seen)
                inputs.pop("skipped")
                learner(**inputs).backward()
                done += inputs["input_ids"].numel()
            spent.append((time.process_time() - processor, time.perf_counter() - wall))
        # The first round warms up.
        cpu, elapsed = np.median(spent[1:], axis=0)
        print(f"| {name} | {cpu / len(rows):.2f} | {elapsed / len(rows):.2f} | {done} | {done / cpu:.0f} |")


if __name__ == "__main__":
    main()
