"""From a data set to examples: rows with the frames that the frozen scorer and sampler choose for them.

The choice is `describe.choose`'s on the stored scan, as in `watch`, so that the model learns on what it will
be shown (paper §4.2, §4.3).
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from holmesvau.ats.features import Features
from holmesvau.errors import HolmesError, InputError, VideoError
from holmesvau.hivau import layout
from holmesvau.hivau.annotations import load_annotations
from holmesvau.hivau.clips import Source, resolve, span_of
from holmesvau.hivau.dataset import OnError, Skipped, failed
from holmesvau.hivau.frames import Scanned
from holmesvau.hivau.instructions import build, load_instructions
from holmesvau.hivau.instructions.compose import BuildConfig
from holmesvau.hivau.schema import LEVELS, Instruction, VideoAnnotation
from holmesvau.train.data import DataConfig, Split
from holmesvau.train.instruct.wording import Tokens, Wording, targets
from holmesvau.types import IndexArray, Span
from holmesvau.video import Video, open_video

log = logging.getLogger(__name__)

ClipFrames = Literal["event", "own"]


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """An instruction row with what is needed to find its pictures."""

    row: Instruction
    root: Path
    annotations: Mapping[str, VideoAnnotation]

    def source(self) -> Source:
        """See `hivau.resolve`."""
        return resolve(self.row, self.annotations, self.root)

    def event_span(self) -> Span | None:
        """The span of the event that a clip is a part of."""
        place = layout.parse(self.row.video)
        return span_of(layout.Place(place.dataset, place.split, place.video, place.event), self.annotations)


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A row that can be trained on.

    `index[N]` are its frames in the file at `path`; `tail[T]` are the tokens after the pictures and
    `targets[T]` what is to be said at each of them, -100 where nothing counts.
    """

    row: Instruction
    path: Path
    index: IndexArray
    tail: Tokens
    targets: Tokens

    @property
    def frames_key(self) -> tuple[str, bytes]:
        """Equal for examples that show the same frames."""
        return str(self.path), self.index.tobytes()

    @property
    def num_learned(self) -> int:
        """How many tokens count in the loss."""
        return int((self.targets >= 0).sum())


@dataclass(slots=True)
class Gathered:
    """Examples in the order of their rows, and the rows that gave none, with the reason."""

    examples: list[Example] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


class FrameChooser(Protocol):
    """Which frames stand for a row; `FramesOfScan` in a run."""

    def __call__(self, row: Row, source: Source, video: Video) -> IndexArray: ...


class FramesOfScan:
    """By the scorer's curve, as the pipeline chooses; `clip_frames` as in `InstructTraining`."""

    def __init__(self, scanned: Scanned, clip_frames: ClipFrames) -> None:
        self.scanned, self.clip_frames = scanned, clip_frames

    def __call__(self, row: Row, source: Source, video: Video) -> IndexArray:
        """See `FrameChooser`.

        Raises:
            InputError: when the span lies outside the video, or it was not scanned.
        """
        if row.row.level == "clip" and self.clip_frames == "event" and source.span is not None:
            whole = self.scanned(source.path, video, row.event_span()).index
            inside = np.intersect1d(whole, video.within(source.span))
            return inside if len(inside) else self._nearest(whole, source)
        return self.scanned(source.path, video, source.span).index

    def dense(self, path: Path) -> Features | None:
        """The stored features of a file."""
        return self.scanned.features_of(path)

    def _nearest(self, index: IndexArray, source: Source) -> IndexArray:
        """The one frame nearest to the middle of a span that none lies in, as `describe` takes it."""
        assert source.span is not None
        found = self.scanned.scan_of(source.path)
        assert found is not None
        seconds = np.interp(index, found[1].index, found[1].seconds)
        middle = (source.span.start + source.span.end) / 2
        return index[[int(np.argmin(np.abs(seconds - middle)))]]


def rows_of(
    data: DataConfig, roots: Sequence[Path], split: Split, mixture: BuildConfig, *, written: bool
) -> list[Row]:
    """The rows of a split, root by root, in the mixture wanted.

    Raises:
        InputError: when no rows come out.
    """
    rows: list[Row] = []
    for root in roots:
        name = data.split_of(split)
        files = [file for file in layout.annotation_files(root) if file.split == name]
        if not files:
            continue
        known = {
            file.dataset: {
                video: annotation
                for video, annotation in load_annotations(file.path).items()
                if data.takes(split, video)
            }
            for file in files
        }
        if written:
            rows += _written(root, name, known, mixture)
            continue
        for dataset, videos in known.items():
            built = build(videos, dataset=dataset, split=name, config=mixture) if videos else []
            rows += [Row(row, root, videos) for row in built]
    if not rows:
        raise InputError(f"{', '.join(map(str, roots))}: no rows of the split {split!r} with this mixture.")
    return rows


def _written(
    root: Path, split: str, known: Mapping[str, Mapping[str, VideoAnnotation]], mixture: BuildConfig
) -> list[Row]:
    """The rows of the instruction files whose videos are among those known, in the mixture's shares."""
    files = [path for path in layout.instruction_files(root) if f"_{split}_" in path.name]
    if not files:
        raise InputError(f"{root}: no instruction file of the split {split!r}; set instruct.written = false.")
    found = []
    for path in files:
        for row in load_instructions(path):
            place = layout.parse(row.video)
            if place.video in known.get(place.dataset, {}):
                found.append(Row(row, root, known[place.dataset]))
    for level in LEVELS:
        share = mixture.share(level)
        if share > 1:
            raise InputError(f"instruct.mixture.{level} = {share}: written rows are taken once at most.")
        numbers = [number for number, one in enumerate(found) if one.row.level == level]
        chance = random.Random(f"{mixture.seed} written {level}")
        left_out = set(chance.sample(numbers, len(numbers) - round(share * len(numbers))))
        found = [one for number, one in enumerate(found) if number not in left_out]
    return found


def sample_rows(rows: Sequence[Row], count: int, seed: int) -> list[Row]:
    """The rows of so many videos that there are `count` or a few more, drawn by the seed alone.

    Whole videos, because their rows share frames and so cost less than as many rows of all videos.
    """
    videos: dict[str, list[int]] = {}
    for number, one in enumerate(rows):
        videos.setdefault(layout.parse(one.row.video).whole().path, []).append(number)
    taken: list[int] = []
    for video in random.Random(seed).sample(sorted(videos), len(videos)):
        if len(taken) >= count:
            break
        taken += videos[video]
    return [rows[number] for number in sorted(taken)]


def gather(
    rows: Iterable[Row],
    chooser: FrameChooser,
    wording: Wording,
    *,
    on_error: OnError,
    progress: Callable[[int], None] | None = None,
) -> Gathered:
    """Choose frames and write prompts. Nothing is decoded.

    Raises:
        HolmesError: with `on_error="raise"`, for the first row that cannot be trained on; it names the row.
    """
    gathered = Gathered()
    done = 0
    for video, group in groupby(_with_sources(rows, gathered, on_error), key=lambda pair: pair[1].path):
        pairs = list(group)
        _of_one_video(video, pairs, chooser, wording, gathered, on_error)
        done += len(pairs)
        if progress is not None:
            progress(done)
    return gathered


def _with_sources(rows: Iterable[Row], gathered: Gathered, on_error: OnError) -> Iterator[tuple[Row, Source]]:
    for row in rows:
        try:
            source = row.source()
        except (InputError, VideoError) as error:
            gathered.skipped.append(failed(row.row, error, on_error))
            continue
        yield row, source


def _of_one_video(
    path: Path,
    pairs: list[tuple[Row, Source]],
    chooser: FrameChooser,
    wording: Wording,
    gathered: Gathered,
    on_error: OnError,
) -> None:
    try:
        video = open_video(path)
    except HolmesError as error:
        gathered.skipped += [failed(row.row, error, on_error) for row, _ in pairs]
        return
    with video:
        for row, source in pairs:
            try:
                index = chooser(row, source, video)
                tail, labels = wording.tail(row.row, len(index))
            except (InputError, VideoError) as error:
                gathered.skipped.append(failed(row.row, error, on_error))
                continue
            gathered.examples.append(Example(row.row, path, index, tail, targets(labels)))
