"""The live watch against the truth: causal curve beside offline one, alarm delay, false alarms an hour.

    python benchmarks/live.py                             small: 10 videos of 5 minutes, one normal hour
    python benchmarks/live.py --normal-hours 10 --write   the whole one
    python benchmarks/live.py --normal-hours 6 --piece-hours 1    six places
    python benchmarks/live.py --scorer anomaly_scorer.safetensors --encoder efficientnet-lite0-fovea

Simulated videos are played through `LiveWatch`, as fast as they can be scored, with the reader, the scorer,
the alarms and the outbox of a real watch. One camera watches one video from its first second, which it has
never seen: the first minute of each is the camera's first. What is rendered is kept in --work for the next
run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from holmesvau import sim
from holmesvau.ats.scan import ScanConfig
from holmesvau.evaluate.detection import frame_metrics
from holmesvau.evaluate.simulated.truth import SimulatedVideo, load
from holmesvau.holmes import Holmes, HolmesConfig
from holmesvau.stream.camera import CameraConfig
from holmesvau.stream.record import AlarmMessage, Message
from holmesvau.stream.recorder import ClipConfig
from holmesvau.stream.scoring import Scored
from holmesvau.stream.watch import LiveConfig, LiveWatch
from holmesvau.types import Span

RESULTS = Path(__file__).parent / "results" / "live.md"
# A camera's first seconds, in which nothing is known of it.
FIRST_SECONDS = 60.0


@dataclass(frozen=True)
class Alarm:
    """An alarm in the video's seconds: when it began, when it was raised, when it ended.

    `label` is what the scorer took it for in its first message.
    """

    start: float
    raised: float
    end: float
    label: str


@dataclass(frozen=True)
class Watched:
    """What a live watch made of one video."""

    seconds: np.ndarray
    scores: np.ndarray
    alarms: list[Alarm]
    memory_mib: list[float]
    slowest: float
    cpu: float


def watch(holmes: Holmes, video: SimulatedVideo, folder: Path) -> Watched:
    curve: list[Scored] = []
    memory: list[float] = []
    raised: dict[str, tuple[float, str]] = {}
    alarms: dict[str, Alarm] = {}
    every = max(1, int(video.duration / 0.5 / 20))

    def score(_name: str, scored: Scored) -> None:
        curve.append(scored)
        if len(curve) % every == 0:
            memory.append(watching.status()["memory_mib"])

    def message(told: Message) -> None:
        if not isinstance(told, AlarmMessage):
            return
        if told.kind == "alarm":
            raised[told.id] = told.curve.seconds[-1], told.label
        end = told.end.seconds if told.end else video.duration
        when, label = raised[told.id]
        alarms[told.id] = Alarm(told.start.seconds, when, end, label)

    config = LiveConfig(
        camera=(CameraConfig(source=str(video.path), name="sim", speed=0.0),),
        clips=ClipConfig(enabled=False),
    )
    began = time.process_time()
    watching = LiveWatch(
        holmes.encoder, holmes.scorer, None, config, folder, on_message=message, on_score=score
    )
    watching.run()
    return Watched(
        np.array([scored.seconds for scored in curve]),
        np.array([scored.score for scored in curve]),
        list(alarms.values()),
        memory,
        watching.status()["slowest_seconds"],
        time.process_time() - began,
    )


def held(video: SimulatedVideo, seconds: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """A score for every frame: that of the last scored one."""
    frames = np.arange(video.num_frames) / video.fps
    return scores[np.maximum(np.searchsorted(seconds, frames + 1e-3, side="right") - 1, 0)].astype(np.float64)


def areas(videos: list[SimulatedVideo], curves: dict[str, np.ndarray], skip: float) -> tuple[float, float]:
    first = {video.name: int(skip * video.fps) for video in videos}
    labels = {video.name: video.frames.frame_labels()[first[video.name] :] for video in videos}
    scores = {name: curve[first[name] :] for name, curve in curves.items()}
    found = frame_metrics(labels, scores)
    return found.auc, found.ap


def delays(videos: list[SimulatedVideo], watched: dict[str, Watched]) -> tuple[list[float], int, int, int]:
    """Seconds from an event's start to its alarm; events in all; alarms beside events; those of negatives."""
    late, events, beside, negatives = [], 0, 0, 0
    for video in videos:
        alarms = watched[video.name].alarms
        used: set[int] = set()
        for event in video.events:
            events += 1
            # An alarm that was on before the event is no answer to it, unless it is still on.
            hits = [
                (max(0.0, alarm.raised - event.span.start), number)
                for number, alarm in enumerate(alarms)
                if Span(alarm.start, max(alarm.end, alarm.raised)).intersect(event.span) > 0
            ]
            used |= {number for _, number in hits}
            if hits:
                late.append(min(hits)[0])
        for number, alarm in enumerate(alarms):
            if number not in used:
                beside += 1
                spans = [negative.span for negative in video.hard_negatives]
                negatives += any(Span(alarm.start, alarm.end).intersect(span) > 0 for span in spans)
    return late, events, beside, negatives


def rightly_called(videos: list[SimulatedVideo], watched: dict[str, Watched]) -> tuple[int, int]:
    """How many events' first alarms were called by the event's class at once, of those called anything."""
    right = total = 0
    for video in videos:
        for event in video.events:
            hits = [
                alarm
                for alarm in watched[video.name].alarms
                if Span(alarm.start, max(alarm.end, alarm.raised)).intersect(event.span) > 0
            ]
            if hits and any(alarm.label for alarm in hits):
                total += 1
                right += min(hits, key=lambda alarm: alarm.raised).label == event.label
    return right, total


def offline(holmes: Holmes, video: SimulatedVideo) -> np.ndarray:
    curve = holmes.score(video.path)
    return held(video, curve.seconds, curve.scores)


def run(arguments: argparse.Namespace, work: Path) -> dict[str, str]:
    size = (arguments.width, arguments.width * 3 // 4)
    shared: dict[str, Any] = {
        "split": "test", "size": size, "fps": arguments.fps, "workers": 1, "busy": arguments.busy,
    }  # fmt: skip
    events_root, normal_root = work / "events", work / "normal"
    sim.generate(
        events_root, arguments.videos, seed=arguments.seed, duration=arguments.seconds,
        anomalous_share=1.0, **shared,
    )  # fmt: skip
    each = min(arguments.normal_hours, arguments.piece_hours)
    count = max(1, round(arguments.normal_hours / each))
    sim.generate(
        normal_root, count, seed=arguments.seed + 1, duration=each * 3600, anomalous_share=0.0, **shared
    )
    holmes = Holmes.from_pretrained(
        "none", encoder=arguments.encoder, scorer=arguments.scorer,
        config=HolmesConfig(scan=ScanConfig(cache=False)),
    )  # fmt: skip
    eventful, normal = load(events_root, "test"), load(normal_root, "test")
    watched = {}
    for number, video in enumerate([*eventful, *normal]):
        watched[video.name if video in eventful else f"normal-{video.name}"] = watch(
            holmes, video, work / f"out-{os.getpid()}-{number}"
        )
        print(f"{video.name}: {video.duration:.0f} s watched", file=sys.stderr)
    return figures(holmes, eventful, normal, watched)


def figures(
    holmes: Holmes,
    eventful: list[SimulatedVideo],
    normal: list[SimulatedVideo],
    watched: dict[str, Watched],
) -> dict[str, str]:
    causal = {v.name: held(v, watched[v.name].seconds, watched[v.name].scores) for v in eventful}
    whole = {video.name: offline(holmes, video) for video in eventful}
    late, events, beside, negatives = delays(eventful, watched)
    right, total = rightly_called(eventful, watched)
    hours = sum(video.duration for video in eventful) / 3600
    calm = [watched[f"normal-{video.name}"] for video in normal]
    calm_hours = sum(video.duration for video in normal) / 3600
    false = sum(len(each.alarms) for each in calm)
    settled = sum(alarm.start >= FIRST_SECONDS for each in calm for alarm in each.alarms)
    memory = max(calm, key=lambda each: len(each.memory_mib)).memory_mib
    scored = sum(len(each.scores) for each in watched.values())
    cpu = sum(each.cpu for each in watched.values())
    rows = {}
    for skip, named in ((0.0, "from the first second"), (FIRST_SECONDS, "without the first minute")):
        (auc, ap), (other, other_ap) = areas(eventful, causal, skip), areas(eventful, whole, skip)
        rows[f"frame AUC / AP, causal, {named}"] = f"{auc:.3f} / {ap:.3f}"
        rows[f"frame AUC / AP, offline, {named}"] = f"{other:.3f} / {other_ap:.3f}"
    quantiles = np.quantile(late, [0.5, 0.9]) if late else (float("nan"),) * 2
    found = f"{len(late)} of {events}"
    return rows | {
        "events with an alarm": found,
        "called by its class in the first message": f"{right} of {total}",
        "alarm delay, median / 90 %, seconds": f"{quantiles[0]:.1f} / {quantiles[1]:.1f}",
        "alarms beside events (of these on hard negatives), an hour": f"{beside / hours:.1f} ({negatives})",
        "hours of normal video": f"{calm_hours:.2f}",
        "false alarms an hour on normal video": f"{false / calm_hours:.2f} ({false})",
        "the same after a camera's first minute": f"{settled / calm_hours:.2f} ({settled})",
        "memory on the longest normal video, MiB, at 1/4, 1/2, 1": " / ".join(
            f"{memory[min(len(memory) - 1, int(part * len(memory)))]:.0f}" for part in (0.25, 0.5, 1.0)
        ),
        "CPU, milliseconds a scored frame, reading included": f"{cpu / scored * 1000:.1f}",
    }


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next(
        (line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor()
    )
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return f"{model}, {os.cpu_count()} cores, shared with other work; commit {commit.stdout.strip()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--videos", type=int, default=10, help="videos with anomalies")
    parser.add_argument("--seconds", type=float, default=300.0, help="length of each")
    parser.add_argument(
        "--normal-hours", type=float, default=1.0, help="normal video, each piece a place of its own"
    )
    parser.add_argument("--piece-hours", type=float, default=10.0, help="the longest piece")
    parser.add_argument("--width", type=int, default=320, help="pixels; the height is three quarters of it")
    parser.add_argument("--fps", type=float, default=8.0)
    parser.add_argument("--busy", type=float, default=1.0, help="how much ordinary life there is")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--scorer", help="novelty, or a file of scorer weights")
    parser.add_argument("--encoder")
    parser.add_argument("--work", type=Path, help="keep videos and outboxes here")
    parser.add_argument("--write", action="store_true", help=f"keep the table in {RESULTS.name}")
    arguments = parser.parse_args()
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        rows = run(arguments, arguments.work or Path(folder))
    given = " ".join(sys.argv[1:])
    table = "\n".join(["| | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows.items())])
    print(
        f"{machine()}; `python benchmarks/live.py {given}`; {time.process_time() - began:.0f} CPU seconds.\n"
    )
    print(table)
    print(json.dumps(rows), file=sys.stderr)
    if arguments.write:
        text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# The live watch\n"
        RESULTS.write_text(
            f"{text}\n{machine()}; `python benchmarks/live.py {given}`.\n\n{table}\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
