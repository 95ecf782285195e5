"""Frame labels of UCF-Crime's 290 test videos, from its list `path frames class s1 e1 s2 e2` (-1 stands for
none).

The list's numbers are read as half-open intervals from frame 0, as the field does in slicing
`labels[start:end]`. Released: 1,111,808 frames; the intervals as written sum to 84,189, of which 7 frames in
five videos lie past the end, so 84,182 frames are abnormal. (Ends taken as inclusive would give 84,331.)
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from holmesvau.errors import InputError
from holmesvau.hivau.files import read_text
from holmesvau.hivau.ground_truth import GroundTruth, Interval, clipped, pairs
from holmesvau.hivau.problems import Findings, Problem

CLASSES = (
    "Abuse",
    "Arrest",
    "Arson",
    "Assault",
    "Burglary",
    "Explosion",
    "Fighting",
    "RoadAccidents",
    "Robbery",
    "Shooting",
    "Shoplifting",
    "Stealing",
    "Vandalism",
)
NORMAL = "Normal"


def load(path: str | Path, *, problems: list[Problem] | None = None) -> list[GroundTruth]:
    """Read the list, in its order. Intervals past the end are clipped and reported in `problems`.

    Raises:
        InputError: when the file cannot be read or a line is not of that form; the message has the line.
    """
    findings = Findings(str(path), [] if problems is None else problems, [])
    videos = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            videos.append(_read(line.split(), number, findings))
    findings.hand_over()
    if not videos:
        raise InputError(
            f"{path}: no videos. Each line names a path, its frames, its class and two intervals."
        )
    return videos


def _read(fields: list[str], line: int, findings: Findings) -> GroundTruth:
    where = f"{findings.file}:{line}"
    if len(fields) < 3 or not fields[1].isdecimal():
        raise InputError(f"{where}: not of the form `path frames class start end …`.")
    path, num_frames, label = fields[0], int(fields[1]), fields[2]
    labels = () if label == NORMAL else (label,)
    intervals = pairs(fields[3:], labels, where)
    if intervals and not labels:
        raise InputError(f"{where}: a {NORMAL} video has no abnormal frames, this one has {fields[3:5]}.")
    name = PurePosixPath(path).stem
    _report(name, intervals, num_frames, line, findings)
    return GroundTruth(name, path, labels, clipped(intervals, num_frames), num_frames)


def _report(name: str, intervals: list[Interval], num_frames: int, line: int, findings: Findings) -> None:
    for interval in intervals:
        over = interval.end - num_frames
        if over > 0:
            message = (
                f"The interval {interval.start}-{interval.end} goes {over} frames past the end: cut there."
            )
            findings.add("interval-past-end", "note", name, message, line=line, mended=True)
