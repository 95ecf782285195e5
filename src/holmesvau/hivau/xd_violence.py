"""Frame labels of XD-Violence's test videos, from its list `name s1 e1 s2 e2 …` and the classes in the names.

The list has the anomalous videos only, 500 of 800, and no frame counts: give `num_frames` to `load` for all
videos, or to `frame_labels` for one. Numbers are half-open intervals from frame 0. A name ends in `_label_`
and up to three classes, such as `B4-0-0` or `B2-B6-G`; the list does not say which interval is of which
class.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from holmesvau.errors import InputError
from holmesvau.hivau.files import read_text
from holmesvau.hivau.ground_truth import GroundTruth, Interval, clipped, pairs

CLASSES = {
    "B1": "Fighting",
    "B2": "Shooting",
    "B4": "Riot",
    "B5": "Abuse",
    "B6": "Car accident",
    "G": "Explosion",
}
NORMAL = "A"
_LABEL = re.compile(r".*_label_(?P<codes>[A-Z0-9-]+)", re.DOTALL)


def labels(name: str) -> tuple[str, ...]:
    """The anomaly classes that a video's name tells, in its order; none for a `_label_A` video.

    Raises:
        InputError: when the name tells no class or one that the dataset does not have.
    """
    match = _LABEL.fullmatch(name.removesuffix(".mp4"))
    if match is None:
        raise InputError(f"{name}: the name does not end in `_label_` and classes, such as `_label_B4-0-0`.")
    codes = [code for code in match["codes"].split("-") if code != "0"]
    if codes == [NORMAL]:
        return ()
    unknown = [code for code in codes if code not in CLASSES]
    if unknown or not codes:
        raise InputError(
            f"{name}: {match['codes']!r} is no list of classes; there are {NORMAL}, {', '.join(CLASSES)}."
        )
    return tuple(dict.fromkeys(CLASSES[code] for code in codes))


def load(path: str | Path, *, num_frames: Mapping[str, int] | None = None) -> list[GroundTruth]:
    """Read the list, in its order.

    `num_frames` tells the frames of videos by name: intervals are then clipped, and the normal videos in it,
    which the list leaves out, are added at the end, so that the counts of all 800 videos give the whole test
    set.

    Raises:
        InputError: when the file cannot be read, a line or a name is not of that form, a video stands twice,
        or
            `num_frames` has an anomalous video that the list does not have.
    """
    frames = num_frames or {}
    videos: dict[str, GroundTruth] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            where = f"{path}:{number}"
            name, *numbers = line.split()
            if name in videos:
                raise InputError(f"{where}: {name} stands twice.")
            videos[name] = _video(name, numbers, frames.get(name), where)
    if not videos:
        raise InputError(
            f"{path}: no videos. Each line names a video and the starts and ends of its intervals."
        )
    for name in frames:
        if name not in videos:
            if labels(name):
                raise InputError(f"{name}: an anomalous video, but {path} has no intervals of it.")
            videos[name] = GroundTruth(name, name, (), (), frames[name])
    return list(videos.values())


def _video(name: str, numbers: list[str], num_frames: int | None, where: str) -> GroundTruth:
    try:
        classes = labels(name)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    intervals: tuple[Interval, ...] = tuple(pairs(numbers, classes, where))
    if intervals and not classes:
        raise InputError(f"{where}: {name} is normal by its name and has abnormal intervals.")
    if num_frames is not None:
        intervals = clipped(list(intervals), num_frames)
    return GroundTruth(name, name, classes, intervals, num_frames)
