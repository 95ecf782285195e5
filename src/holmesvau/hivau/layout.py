"""Where things lie under a root folder, as released (paper §3.2).

    raw_annotations/{ucf,xd}_database_{train,test}.json
    instruction/merge_instruction_{train,test}_final.jsonl
    {ucf-crime,xd-violence}/{videos,events,clips}/{train,test}/NAME[_E{i}[C{j}]].mp4

Events and clips count from 0. Names of XD-Violence hold `#` and `=`, which have no meaning in a path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from holmesvau.errors import InputError
from holmesvau.hivau.schema import Level

FOLDERS: dict[Level, str] = {"video": "videos", "event": "events", "clip": "clips"}
DATASETS = {"ucf": "ucf-crime", "xd": "xd-violence"}
_LEVELS = {folder: level for level, folder in FOLDERS.items()}
_NAMES: dict[Level, re.Pattern[str]] = {
    "video": re.compile(r"(?P<video>.+)"),
    "event": re.compile(r"(?P<video>.+)_E(?P<event>\d+)"),
    "clip": re.compile(r"(?P<video>.+)_E(?P<event>\d+)C(?P<clip>\d+)"),
}
_ANNOTATIONS = re.compile(r"(?P<dataset>.+)_database_(?P<split>[^_]+)\.json")
_INSTRUCTIONS = re.compile(r"merge_instruction_(?P<split>[^_]+)_final\.jsonl")


@dataclass(frozen=True, slots=True)
class Place:
    """A video, an event or a clip as its path names it: `event` and `clip` are numbers from 0, None above
    them.
    """

    dataset: str
    split: str
    video: str
    event: int | None = None
    clip: int | None = None
    suffix: str = ".mp4"

    @property
    def level(self) -> Level:
        """Which of the three granularities the path names."""
        if self.event is None:
            return "video"
        return "event" if self.clip is None else "clip"

    @property
    def path(self) -> str:
        """The released relative path, with forward slashes."""
        number = (
            "" if self.event is None else f"_E{self.event}" + ("" if self.clip is None else f"C{self.clip}")
        )
        return f"{self.dataset}/{FOLDERS[self.level]}/{self.split}/{self.video}{number}{self.suffix}"

    def whole(self) -> Place:
        """The video that this place is a part of."""
        return Place(self.dataset, self.split, self.video, suffix=self.suffix)


@dataclass(frozen=True, slots=True)
class AnnotationFile:
    """A file of raw annotations, with the dataset and split that its name tells: `ucf_database_test.json`."""

    path: Path
    dataset: str
    split: str

    def place(self, video: str, event: int | None = None, clip: int | None = None) -> Place:
        """Where a video of this file, or a part of it, lies under the root."""
        return Place(self.dataset, self.split, video, event, clip)


def parse(path: str) -> Place:
    """The place that a released relative path names.

    Raises:
        InputError: when the path does not follow the law, which the message spells out.
    """
    parts = PurePosixPath(path).parts
    if len(parts) >= 4 and parts[-3] in _LEVELS:
        name = PurePosixPath(parts[-1])
        level = _LEVELS[parts[-3]]
        match = _NAMES[level].fullmatch(name.stem)
        if match is not None and name.suffix:
            numbers = {key: int(value) for key, value in match.groupdict().items() if key != "video"}
            return Place("/".join(parts[:-3]), parts[-2], match["video"], **numbers, suffix=name.suffix)
    raise InputError(
        f"{path}: not a path of the dataset. Write DATASET/videos/SPLIT/NAME.mp4, "
        f"DATASET/events/SPLIT/NAME_E0.mp4 or DATASET/clips/SPLIT/NAME_E0C0.mp4."
    )


def annotation_file(path: str | Path) -> AnnotationFile:
    """What the name of an annotation file tells: dataset and split; both are empty when it tells nothing."""
    match = _ANNOTATIONS.fullmatch(Path(path).name)
    if match is None:
        return AnnotationFile(Path(path), "", "")
    return AnnotationFile(Path(path), DATASETS.get(match["dataset"], match["dataset"]), match["split"])


def annotation_files(root: str | Path) -> list[AnnotationFile]:
    """The annotation files under a root, in `raw_annotations/` or beside it, sorted; maybe none."""
    return [annotation_file(path) for path in _matching(Path(root), "raw_annotations", _ANNOTATIONS)]


def instruction_files(root: str | Path) -> list[Path]:
    """The instruction files under a root, in `instruction/` or beside it, sorted; maybe none."""
    return _matching(Path(root), "instruction", _INSTRUCTIONS)


def _matching(root: Path, folder: str, pattern: re.Pattern[str]) -> list[Path]:
    found = [path for place in (root / folder, root) if place.is_dir() for path in place.iterdir()]
    return sorted(path for path in found if pattern.fullmatch(path.name) and path.is_file())
