"""Rows a second that reach training: spans of whole videos beside event and clip files cut beforehand.

    python benchmarks/dataset.py [--videos 3] [--minutes 1 10] [--write]

Rows are as in HIVAU-70k: three for each event, one for each clip; a row is 16 even frames at 448x448. The
spans lie on keyframes, so that the files hold the very same pictures: the digest of all rows' pictures must
be equal, or this ends with an error. Every measurement is a process of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from torch.utils.data import DataLoader

from holmesvau import hivau
from holmesvau.hivau import Instruction, layout
from holmesvau.hivau.dataset import Collator, InstructionDataset
from holmesvau.hivau.frames import Uniform
from holmesvau.hivau.split import parts, split
from scan import machine, table
from split import make

Figures = dict[str, float | str]
RESULTS = Path(__file__).parent / "results" / "dataset.md"
SIZE = (448, 448)
BATCH = 6
NOTES = """Virtual clips cost no more than files: the differences go both ways and are as large as between two
runs of the same thing on a busy machine. Rows of longer videos cost more in every column because their
events are longer here: 16 frames then lie in as many groups of pictures, each decoded from its keyframe. In
order, rows of one video share its open file and its index; shuffled, a file is opened and indexed again
when it is no longer among the last four. The time of cutting is not in this table: `split.md` has it. Where
the load above is higher than the number of cores, compare CPU milliseconds, not rows a second."""


def rows_of(root: Path) -> list[Instruction]:
    (file,) = layout.annotation_files(root)
    rows = []
    for video in hivau.load_annotations(file.path).values():
        for part in parts(file, video, ("event", "clip")):
            level = layout.parse(part.path).level
            tasks = ("judgement", "description", "analysis") if level == "event" else ("caption",)
            rows += [
                Instruction(len(rows) + n, level, task, part.path, "?", "!") for n, task in enumerate(tasks)
            ]
    return rows


def child(root: Path, files: Path, workers: int, shuffled: bool) -> Figures:
    (file,) = layout.annotation_files(root)
    annotations = hivau.load_annotations(file.path)
    rows = rows_of(root)
    if shuffled:
        random.Random(0).shuffle(rows)
    dataset = InstructionDataset(rows, annotations, files, chooser=Uniform(num_frames=16), size=SIZE)
    loader = DataLoader(dataset, batch_size=BATCH, num_workers=workers, collate_fn=Collator())
    digests = {}
    started, used = time.perf_counter(), cpu()
    for batch in loader:
        for row, pictures in zip(batch.rows, batch.by_row(batch.pictures), strict=True):
            digests[int(row.id)] = hashlib.blake2b(pictures.numpy().tobytes()).digest()
    wall = time.perf_counter() - started
    del loader
    whole = hashlib.blake2b(b"".join(digests[number] for number in sorted(digests))).hexdigest()
    return {"rows": len(digests), "wall": wall, "cpu": cpu() - used, "digest": whole}


def cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def measured(root: Path, files: Path, workers: int, shuffled: bool) -> Figures:
    command = [sys.executable, __file__, "--child", str(root), str(files), str(workers), str(int(shuffled))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def compare(folder: Path, videos: int, minutes: int, repeats: int) -> dict[str, dict[str, str]]:
    """Columns of the table for videos of one length."""
    make(folder, videos, minutes * 60)
    root, files = folder / "aligned", folder / "files"
    report = split(root, out=files, jobs=1)
    assert not report.problems and not report.encoded, report
    columns: dict[str, dict[str, str]] = {}
    digests = set()
    for shuffled in (False, True):
        for name, place in (("files", files), ("virtual", root)):
            column = columns[f"{minutes} min, {'shuffled' if shuffled else 'in order'}, {name}"] = {}
            for workers in (0, 2):
                runs = [measured(root, place, workers, shuffled) for _ in range(repeats)]
                digests |= {run["digest"] for run in runs}
                rows = float(runs[0]["rows"])
                pace = statistics.median(rows / float(run["wall"]) for run in runs)
                cost = statistics.median(float(run["cpu"]) / rows for run in runs)
                column["rows"] = f"{rows:.0f}"
                column[f"rows a second, {workers} workers"] = f"{pace:.1f}"
                column[f"CPU ms a row, {workers} workers"] = f"{1000 * cost:.0f}"
    if len(digests) != 1:
        raise SystemExit("The rows' pictures differ: the ways are not comparable.")
    for column in columns.values():
        column["digest of all pictures"] = f"`{digests.copy().pop()[:8]}`"
    return columns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=6)
    parser.add_argument("--minutes", type=int, nargs="+", default=[1, 10], help="lengths of the videos")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--write", action="store_true", help=f"keep the table in {RESULTS.name}")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        root, files, workers, shuffled = arguments.child
        print(json.dumps(child(Path(root), Path(files), int(workers), shuffled == "1")))
        return
    started = machine()
    columns: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as name:
        for minutes in arguments.minutes:
            folder = Path(name) / str(minutes)
            folder.mkdir()
            columns |= compare(folder, arguments.videos, minutes, arguments.repeats)
    rows = table(columns)
    print(rows)
    if arguments.write:
        command = " ".join(["python benchmarks/dataset.py", *sys.argv[1:]])
        explained = f"{(__doc__ or '').splitlines()[0]}\n\n{started}; `{command}`."
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(f"# Feeding rows\n\n{explained}\n\n{rows}\n\n{NOTES}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
