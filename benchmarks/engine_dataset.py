"""From raw files to a dataset that trains, by one command and one sitting of review, with real models.

    python benchmarks/engine_dataset.py --work WORK [--real robbery.mp4] [--server URL#MODEL] [--report FILE]

Renders simulated videos, makes a project of them and of a real one, and serves its review page with `--work`.
The sitting is a script that makes the calls of the page, as somebody would who knows the videos: events are
put where the truth has them, and texts that a gate has refused are written anew from the truth. Captions
are by `tiny`, summaries by a server of the OpenAI protocol (`examples/serve_smollm2.py` without `--server`).
Then the instructions are checked, and `tiny-smoke` is trained on them. Prints Markdown.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from holmesvau import hivau
from holmesvau.hivau.schema import EventAnnotation, VideoAnnotation
from holmesvau.types import Clip, Span
from scan import machine

SEED = 905
WHO = "ann"
HERE = Path(__file__).parent
COMMAND = [sys.executable, "-m", "holmesvau"]
FIGURES = ("auc", "ap", "val_loss", "steps", "rows", "train_videos", "seconds")
LONGEST_SITTING, LONGEST_HINDRANCE = 3 * 3600.0, 900.0
SMOKE = """base = "tiny-smoke"
[data]
roots = ["{root}"]
hold_out = 0.35
simulated = {{ train_videos = 0, val_videos = 0 }}
"""


def robbery() -> VideoAnnotation:
    """What a person sees in `robbery.mp4`: a film of a flat that is broken into."""
    first = "A man in a dark hoodie with the hood up walks through the flat and looks around."
    second = "The man in the dark hoodie is in the flat again and carries things away."
    told = [(Span(31, 48), first), (Span(64, 79), second)]
    judgement = "Yes, there is an anomaly in this {}, namely burglary."
    analysis = "Somebody who hides his face takes things out of a flat where nobody is at home."
    events = tuple(
        EventAnnotation(
            span,
            (Clip(span, words),),
            judgement=judgement.format("part of the video"),
            description=words,
            analysis=analysis,
        )
        for span, words in told
    )
    return VideoAnnotation(
        "robbery", 0, 0.0, ("Burglary",), events,
        judgement=judgement.format("video"), description=f"{first} {second}", analysis=analysis,
    )  # fmt: skip


@dataclass
class Sitting:
    """Somebody who knows the videos at the review page; `done` counts what they do."""

    url: str
    truth: Mapping[str, VideoAnnotation]
    done: Counter[str] = field(default_factory=Counter)

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url.rstrip("/") + path) as reply:
            return json.load(reply)

    def change(self, **body: Any) -> dict[str, Any]:
        self.done[body["do"]] += 1
        request = urllib.request.Request(
            f"{self.url.rstrip('/')}/api/change",
            json.dumps(body | {"who": WHO}).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{body}: {error.read().decode()}") from error

    def until_nothing_waits(self) -> None:
        """Work off the queue as it fills, until the models have nothing left to do either."""
        well = time.monotonic()
        ends = well + LONGEST_SITTING
        while time.monotonic() < ends:
            shown = self.get("/api/project")
            for entry in shown["queue"]:
                self.decide(entry)
            work = shown["work"]
            # A busy server is waited for: work is tried again after a minute.
            if work["state"] != "hindered":
                well = time.monotonic()
            elif time.monotonic() > well + LONGEST_HINDRANCE:
                raise SystemExit(work["reason"])
            if not shown["queue"] and not shown["to_do"] and work["state"] == "idle":
                return
            time.sleep(1.0)
        raise SystemExit("The sitting took too long.")

    def decide(self, entry: Mapping[str, Any]) -> None:
        video = self.get(f"/api/video?name={quote(entry['video'])}")
        known = self.truth[entry["video"]]
        if entry["kind"] == "boundaries":
            self.mark(video, known)
            return
        text = next((t for t in video["texts"] if t["address"] == entry["address"]), None)
        if text is None or text["review"] is None:
            return
        parts = words(known, text, video["counts"])
        self.change(do="write", address=entry["address"], parts=parts, seen=text["version"])

    def mark(self, video: Mapping[str, Any], known: VideoAnnotation) -> None:
        """Move the events that are there to where the truth has them; remove others, add what is missing."""
        name = video["name"]
        wanted = list(known.events) if known.is_anomalous else []
        if abnormal(video):
            video = self.change(do="adopt", video=name, layer=video["counting"])["video"]
        elif wanted:
            self.change(do="begin", video=name)
            video["counts"] = []
        free = abnormal(video)
        for event in wanted:
            span = Span(round(event.span.start, 3), round(event.span.end, 3))
            place = {"video": name, "start": span.start, "end": span.end, "label": label_of(known, event)}
            found = [e for e in free if span.intersect(Span(e["start"], e["end"])) > 0]
            if not found:
                self.change(do="add", **place)
                continue
            own = max(found, key=lambda e: span.intersect(Span(e["start"], e["end"])))
            free.remove(own)
            self.change(do="alter", event=own["id"], seen=own["version"], **place)
        for own in free:
            self.change(do="remove", video=name, event=own["id"], seen=own["version"])
        seen = self.get(f"/api/video?name={quote(name)}")["counts_version"]
        self.change(do="confirm", video=name, seen=seen)


def abnormal(video: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The events that count, without the stretches that are sampled of what is normal."""
    return [event for event in video["counts"] if not event["normal"]]


def label_of(known: VideoAnnotation, event: EventAnnotation) -> str:
    """The class of an event: the one that its judgement names, else the video's."""
    said = event.judgement.lower()
    named = [label for label in known.labels if label.lower() in said]
    return (named or list(known.labels))[0]


def words(
    known: VideoAnnotation, text: Mapping[str, Any], events: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """What somebody who knows the video writes there."""
    if text["level"] == "video":
        return parts_of(known, "video")
    span = Span(text["start"], text["end"]) if text["start"] is not None else None
    if span is None:
        (found,) = [event for event in events if event["id"] == text["event"]]
        span = Span(found["start"], found["end"])
    if text["level"] == "clip":
        clips = [clip for event in known.events for clip in event.clips]
        nearest = max(clips, key=lambda clip: (span.intersect(clip.span), -abs(clip.span.start - span.start)))
        return {"caption": nearest.caption}
    return parts_of(max(known.events, key=lambda event: span.intersect(event.span)), "part of the video")


def parts_of(of: EventAnnotation | VideoAnnotation, what: str) -> dict[str, str]:
    judgement = of.judgement or f"No, there is no anomaly in this {what}."
    found = {"judgement": judgement, "description": of.description or "Nothing out of the ordinary happens."}
    return found | ({"analysis": of.analysis} if of.analysis else {})


@contextlib.contextmanager
def served(address: str) -> Iterator[str]:
    """The model's server: the one that is named, or one of the embedded language model."""
    if address:
        yield address
        return
    process = subprocess.Popen(
        [sys.executable, str(HERE.parent / "examples/serve_smollm2.py"), "--port", "8123"]
    )
    try:
        yield "http://127.0.0.1:8123/v1#smollm2"
    finally:
        process.terminate()
        process.wait()


def holmesvau(*arguments: str, fine: Sequence[int] = (0,)) -> str:
    """What a command prints; it may end with one of the exit codes `fine`."""
    print("holmesvau", *arguments, file=sys.stderr, flush=True)
    done = subprocess.run([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in fine:
        raise SystemExit(f"exit code {done.returncode}")
    return done.stdout


def sit(
    project: Path, truth: Mapping[str, VideoAnnotation], settings: Sequence[str]
) -> tuple[Counter[str], float]:
    """The command with its page, and the sitting at it."""
    sets = [part for one in settings for part in ("--set", one)]
    command = [
        *COMMAND,
        "annotate",
        "review",
        str(project),
        "--work",
        "--json",
        "--port",
        "0",
        "--no-browser",
        *sets,
    ]
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            sitting = Sitting(json.loads(process.stdout.readline())["url"], truth)
            sitting.until_nothing_waits()
        finally:
            process.terminate()
            process.wait()
    return sitting.done, time.monotonic() - began


def page(
    given: argparse.Namespace,
    status: Mapping[str, Any],
    done: Counter[str],
    seconds: float,
    lines: Sequence[str],
) -> str:
    """The report in Markdown."""
    did = ", ".join(f"{do} {count}" for do, count in sorted(done.items()))
    told = [
        machine(),
        "",
        f"`python benchmarks/engine_dataset.py --videos {given.videos}"
        + (f" --server {given.server}" if given.server else "")
        + "".join(f" --set {one}" for one in given.set)
        + "`",
        "",
        f"{status['complete']} of {status['videos']} videos complete after one sitting of "
        f"{seconds / 60:.0f} minutes, the models' time included. The person: {did}.",
        "",
        "| texts | wanted | passed at once | passed in the end | to people | by people in the end |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for stage, rate in status["texts"].items():
        part = status["stages"][stage]
        told.append(
            f"| {stage} | {part['wanted']} | {rate['at_once']} of {rate['texts']} | {rate['in_the_end']} "
            f"({rate['in_the_end'] / max(1, rate['texts']):.0%}) | {rate['to_people']} | {part['written']} |"
        )
    told += ["", "| gate | " + " | ".join(status["gates"]) + " |", "|---|" + "---:|" * len(status["gates"])]
    for gate in next(iter(status["gates"].values()), {}):
        cells = []
        for stage in status["gates"]:
            found = status["gates"][stage].get(gate)
            cells.append("–" if found is None else f"{found['passed']} of {found['judged']}")
        told.append(f"| {gate} | " + " | ".join(cells) + " |")
    spent = status["spent"]
    told += ["", f"Spent: {spent['requests']:,.0f} requests, {spent['tokens']:,.0f} tokens.", "", *lines]
    return "\n".join(told) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="From raw files to a dataset that trains.")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--videos", type=int, default=40)
    parser.add_argument("--real", type=Path, help="robbery.mp4, as the sitting knows that film")
    parser.add_argument("--server", default="", help="URL#MODEL of a server of the OpenAI protocol")
    parser.add_argument("--set", action="append", default=[], help="a setting of the project")
    parser.add_argument("--report", type=Path)
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    data, project = given.work / "data", given.work / "project"
    holmesvau("sim", "generate", str(data), "-n", str(given.videos), "--seed", str(SEED), "--split", "train",
              "--duration", "12-24", "--size", "320x240", "--fps", "8", "--quiet")  # fmt: skip
    truth = dict(hivau.load_annotations(data / "raw_annotations" / "sim_database_train.json"))
    real = [str(given.real)] if given.real else []
    if given.real:
        truth[given.real.stem] = robbery()
    with served(given.server) as address:
        if not project.exists():
            films = [str(data / "sim" / "videos"), *real]
            writers = ["--caption", "tiny", "--summary", f"endpoint:{address}"]
            holmesvau("annotate", "init", str(project), *films, *writers, "--dataset", "mixed")
        done, seconds = sit(project, truth, given.set)
    status = json.loads(holmesvau("annotate", "status", str(project), "--json"))
    lines = trained(given.work, project / "dataset")
    told = page(given, status, done, seconds, lines)
    print(told)
    if given.report:
        given.report.write_text(told, encoding="utf-8")


def trained(work: Path, root: Path) -> list[str]:
    """Check the dataset, and train both stages of `tiny-smoke` on it."""
    # 4: there are warnings.
    checked = holmesvau("data", "check", str(root), fine=(0, 4)).strip().splitlines()
    recipe = work / "smoke.toml"
    recipe.write_text(SMOKE.format(root=root), encoding="utf-8")
    lines = ["`holmesvau data check`:", "", "```", *checked, "```", ""]
    for stage in ("scorer", "instruct"):
        found = json.loads(
            holmesvau("train", stage, str(recipe), "--out", str(work / "run" / stage), "--json")
        )
        told = {key: value for key, value in found.items() if key in FIGURES and value is not None}
        figures = ", ".join(f"{key} {value:.3g}" for key, value in told.items())
        lines.append(f"`holmesvau train {stage}`: {figures}.")
    return lines


if __name__ == "__main__":
    main()
