"""The paper's Tables 1 to 4 on simulated CCTV, by this project's own commands: which sampler, how many
frames, which levels, and what a paired test says of each claim.

    python benchmarks/tables.py --work WORK                    60 videos, 8 frames
    python benchmarks/tables.py --work WORK --minutes 15       as far as 15 minutes go
    python benchmarks/tables.py --work WORK --videos 6         a small one, to see that it works
    python benchmarks/tables.py --work WORK --frames 8,4,16    more numbers of frames, in this order
    python benchmarks/tables.py --work WORK --recipe tiny      Table 3 and the LoRA's rank: trains every cell
    python benchmarks/tables.py --work WORK --report FILE      also writes the page to FILE

Everything is kept in WORK: the same command goes on where it stopped, and what is there costs nothing. Two
commands run side by side, a core each. Prints Markdown, with every command that was run.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from threading import Lock
from typing import Any

import tables_page
from holmesvau.evaluate.pipelines import PipelineOptions, digest
from scan import machine

SEED = 4712
METHODS = ("event-first", "density", "uniform", "topk")
PLANNED = "1,5,30,120"


@dataclass
class Runner:
    """Commands run in WORK, what each has cost over all calls, and which did not get their turn.

    `pipeline` is a fingerprint of what is evaluated, `ends` when to stop (a time of the monotonic clock).
    """

    work: Path
    ends: float | None
    pipeline: str
    spent: dict[str, list[float]] = field(default_factory=dict)
    undone: list[str] = field(default_factory=list)
    one: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.work.mkdir(parents=True, exist_ok=True)
        if self._costs.exists():
            self.spent = json.loads(self._costs.read_text())
        mark = self.work / "pipeline"
        if not mark.exists() or mark.read_text() != self.pipeline:
            # Reports of other weights or code must not stand beside new ones; answers know whose they are.
            for old in (*self.work.glob("*.json"), *self.work.glob("*.jsonl"), *self.work.glob("done/*")):
                old.unlink()
            self.spent = {key: cost for key, cost in self.spent.items() if key.startswith("sim ")}
            mark.write_text(self.pipeline)

    @property
    def _costs(self) -> Path:
        return self.work / "costs.json"

    def beside(self, *commands: tuple[str, str | None]) -> None:
        """Run several at once: (arguments, file of its standard output or None)."""
        with ThreadPoolExecutor(len(commands)) as pool:
            list(pool.map(lambda command: self.run(*command), commands))

    def run(self, arguments: str, output: str | None = None) -> bool:
        """Run one unless it was finished before; False when time ran out.

        `output` appears when it is whole. Ends the program when a command fails.
        """
        done = self.work / "done" / digest(arguments)
        if done.exists() and (output is None or (self.work / output).exists()):
            return True
        left = None if self.ends is None else self.ends - time.monotonic()
        if left is not None and left <= 0:
            self.undone.append(arguments)
            return False
        part = self.work / f"{output or 'last'}.part"
        print(f"holmesvau {arguments}", file=sys.stderr, flush=True)
        started = time.monotonic()
        with part.open("w", encoding="utf-8") as file:
            program = [sys.executable, "-m", "holmesvau", *shlex.split(arguments), "--quiet"]
            process = Popen(program if takes_quiet(arguments) else program[:-1], stdout=file, cwd=self.work)
            code, cpu = waited(process, left)
        with self.one:
            cost = self.spent.setdefault(arguments, [0.0, 0.0])
            cost[0] += cpu
            cost[1] += time.monotonic() - started
            self._costs.write_text(json.dumps(self.spent, indent=1))
        if code is None:
            self.undone.append(arguments)
            return False
        if code:
            raise SystemExit(f"holmesvau {arguments}: exit code {code}")
        if output is not None:
            part.replace(self.work / output)
        done.parent.mkdir(exist_ok=True)
        done.write_text(arguments + "\n")
        return True

    def report(self, name: str) -> dict[str, Any] | None:
        """A JSON report, if it is there."""
        path = self.work / name
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def waited(process: Popen[bytes], seconds: float | None) -> tuple[int | None, float]:
    """The exit code (None when the time was over and it was stopped) and its processor seconds."""
    ends = None if seconds is None else time.monotonic() + seconds
    stopped = False
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return None if stopped else process.returncode, usage.ru_utime + usage.ru_stime
        if ends is not None and time.monotonic() > ends and not stopped:
            process.terminate()
            stopped = True
        time.sleep(0.2)


def takes_quiet(arguments: str) -> bool:
    return arguments.split(maxsplit=1)[0] in ("sim", "score") or arguments.startswith("eval ablation")


def cell(method: str, frames: int) -> str:
    """As `holmesvau eval ablation` calls it."""
    return f"{method}, N = {frames}"


def study(given: argparse.Namespace, cells: Iterable[str], frames: Sequence[int], levels: str = "") -> str:
    """The command that answers some cells."""
    chosen = " ".join(f"--cell {shlex.quote(name)}" for name in cells)
    numbers = ",".join(map(str, frames))
    more = f" --levels {levels}" if levels else ""
    return (
        f"eval ablation samplers --data data --model {given.model} --out cells --frames {numbers}"
        f" {chosen}{more} --resamples {given.resamples} --json"
    )


def work(runner: Runner, given: argparse.Namespace, frames: Sequence[int]) -> None:
    """Everything, the most sensible cells first."""
    rendered = f"sim generate data -n {given.videos} --seed {SEED} --split test --duration {given.duration}"
    if not runner.run(rendered):
        return
    files = sorted((runner.work / "data/sim/videos/test").glob("*.mp4"))[: given.videos]
    videos = " ".join(shlex.quote(str(file.relative_to(runner.work))) for file in files)
    runner.beside(
        (f"score {videos} --model {given.model} --json", "tiny.jsonl"),
        (f"score {videos} --model none --json", "novelty.jsonl"),
    )
    if all((runner.work / name).exists() for name in ("tiny.jsonl", "novelty.jsonl")):
        both = f"--sim data --resamples {given.resamples} --json"
        runner.run(f"eval detection tiny.jsonl --against novelty.jsonl {both}", "detection.json")
        runner.run(f"eval detection novelty.jsonl {both}", "novelty.json")
    best = frames[0]
    whole = study(given, [cell("event-first", best)], [best], "clip,event,video")
    runner.beside(
        (study(given, [cell("uniform", best), cell("topk", best)], [best]), "side.json"),
        (whole, "whole.json"),
    )
    answers = sorted((runner.work / "cells/cells").glob(f"event-first-N-{best}-*.jsonl"))
    if runner.report("whole.json") and answers:
        longest = max(answers, key=lambda path: (len(path.read_bytes().splitlines()), path.stat().st_mtime))
        rows = "--rows data/instruction/merge_instruction_test_final.jsonl"
        place = longest.relative_to(runner.work)
        runner.run(f"eval text {place} {rows} --resamples {given.resamples} --json", "text.json")
    finished = []
    for count in frames:
        if count != best:
            pairs = METHODS[:2], METHODS[2:]
            runner.beside(
                *((study(given, [cell(m, count) for m in pair], [count]), f"side-{pair[0]}-{count}.json")
                  for pair in pairs)
            )  # fmt: skip
        finished.append(count)
        names = [cell(method, number) for number in finished for method in METHODS]
        command = study(given, names, finished).removesuffix(" --json")
        if not runner.run(f"{command} --planned {PLANNED} --json", "samplers.json"):
            break
    if given.recipe:
        shared = f"--data data --recipe {given.recipe} --out trained --resamples {given.resamples} --json"
        some = f" --videos {given.trained_videos}" if given.trained_videos else ""
        sets = "".join(f" --train-set {shlex.quote(one)}" for one in given.train_set)
        only = "".join(f" --cell {shlex.quote(one)}" for one in given.trained_cell)
        runner.run(f"eval ablation levels {shared}{some}{sets}{only}", "levels.json")
        if not given.trained_cell:
            runner.run(f"eval ablation lora-rank {shared}{some}{sets} --ranks 8,16,32", "ranks.json")


def named(arguments: Sequence[str]) -> list[str]:
    """The options without folders of this machine."""
    given = list(arguments)
    for option in ("--work", "--report"):
        if option in given:
            given[given.index(option) + 1] = option.strip("-").upper()
    return given


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="Where everything is kept.")
    parser.add_argument("--videos", type=int, default=60)
    parser.add_argument("--duration", default="20-60")
    parser.add_argument("--frames", default="8", help="Numbers of frames; Table 2 is of the first.")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--minutes", type=float, help="Stop after so many; the same command goes on.")
    parser.add_argument(
        "--recipe", help="Also train Table 3 and the ranks: tiny (hours), tiny-smoke (to see)."
    )
    parser.add_argument("--train-set", action="append", default=[], help="One setting of the recipe.")
    parser.add_argument("--trained-cell", action="append", default=[], help="Only this cell of Table 3.")
    parser.add_argument(
        "--trained-videos", type=int, help="Trained cells answer rows of so many videos only."
    )
    parser.add_argument("--report", type=Path, help="Also write the page here.")
    given = parser.parse_args()
    frames = [int(part) for part in given.frames.split(",")]
    # Two commands run side by side: each on half the cores.
    threads = max(1, (os.cpu_count() or 2) // 2)
    os.environ |= {"OMP_NUM_THREADS": str(threads)}
    ends = None if given.minutes is None else time.monotonic() + 60 * given.minutes
    runner = Runner(given.work.resolve(), ends, PipelineOptions(model=given.model).fingerprint())
    work(runner, given, frames)
    told = tables_page.Told(
        command=f"python benchmarks/tables.py {shlex.join(named(sys.argv[1:]))}",
        machine=machine(),
        model=given.model,
        videos=given.videos,
        duration=given.duration,
        seed=SEED,
        frames=frames[0],
        resamples=given.resamples,
        recipe=given.recipe or "",
        costs=runner.spent,
        undone=runner.undone,
    )
    text = tables_page.page(told, runner.report)
    if given.report:
        given.report.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
