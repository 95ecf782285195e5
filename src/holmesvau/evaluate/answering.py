"""A model's answers to instruction rows, as text predictions: what Table 2 and the ablations are made of.

    ANSWERS.jsonl    {"id": 17, "video": …, "task": …, "answer": …, "frames": 16, "chosen": [0, 30, …], …}

Each video is scanned once, each set of frames encoded once; the answers so far are on disk, and an
interrupted call goes on after them. Samplers often choose the same frames: a question about frames that it
was asked about before (`Known`) is not asked again.
"""

from __future__ import annotations

import json
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import numpy as np

from holmesvau.ats.events import find_events
from holmesvau.ats.features import Features
from holmesvau.describe import SamplerConfig, Seen, choose
from holmesvau.errors import InputError, MissingPartError, OutputError
from holmesvau.hivau import layout
from holmesvau.hivau.annotations import load_annotations
from holmesvau.hivau.clips import Source, resolve
from holmesvau.hivau.instructions import load_instructions
from holmesvau.hivau.layout import Place
from holmesvau.hivau.schema import Instruction, VideoAnnotation
from holmesvau.holmes import Holmes
from holmesvau.types import AnomalyCurve, IndexArray, Span
from holmesvau.video import Video, open_video
from holmesvau.vlm.protocol import VisionLanguageModel, VisualTokens

Progress = Callable[[str, float, float | None], None]
ClipFrames = Literal["event", "own"]
# Sets of frames of one video whose tokens are kept: rows about the same one follow each other, nearly always.
_LOOKS_KEPT = 4


@dataclass(frozen=True, slots=True)
class TestSet:
    """Rows to answer, the annotations that say where events and clips lie, and the folder of the videos."""

    __test__ = False

    rows: tuple[Instruction, ...]
    annotations: Mapping[str, VideoAnnotation]
    root: Path


@dataclass(frozen=True, slots=True, eq=False)
class Scanned:
    """A video's curve with its events, and what the scan cost; `scan_seconds` is None where it was stored."""

    curve: AnomalyCurve
    events: tuple[Span, ...]
    seconds_of_video: float
    scan_seconds: float | None


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer. Only the first question about a set of frames waits for them to be decoded and encoded.

    `first_word_seconds` count from there. What was not measured is None. `chosen` are the frames chosen for
    the row's video or event, by number; a clip's own may be some of its event's.
    """

    row: Instruction
    text: str
    num_frames: int
    chosen: tuple[int, ...] = ()
    decode_seconds: float | None = None
    encode_seconds: float | None = None
    first_word_seconds: float | None = None


# What one pipeline answered to a row, by its id and the frames chosen for it.
Known = dict[tuple[int | str, tuple[int, ...]], Answered]


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    visual: VisualTokens
    decode_seconds: float | None
    encode_seconds: float | None


def load_test_set(root: str | Path, split: str = "test", *, videos: int | None = None) -> TestSet:
    """The rows and annotations of a split under `root` (`hivau.layout`), of its first `videos` videos or all.

    Raises:
        InputError: when there are no such files, or a file cannot be read.
    """
    root = Path(root)
    files = [path for path in layout.instruction_files(root) if f"_{split}_" in path.name]
    trees = [file.path for file in layout.annotation_files(root) if file.split == split]
    if not files or not trees:
        what = "rows (instruction/merge_instruction_…)" if not files else "annotations (raw_annotations/…)"
        raise InputError(f"{root}: has no {what} of the split {split!r}.")
    rows = [row for path in files for row in load_instructions(path)]
    annotations = {name: video for path in trees for name, video in load_annotations(path).items()}
    if len({row.id for row in rows}) < len(rows):
        raise InputError(
            f"{root}: rows of the split {split!r} share their ids. Evaluate its files one by one."
        )
    if videos is not None:
        first = list(dict.fromkeys(_video_of(row) for row in rows))[:videos]
        rows = [row for row in rows if _video_of(row) in set(first)]
    return TestSet(tuple(rows), annotations, root)


def scanned(holmes: Holmes, video: Video) -> Scanned:
    """Scan an open video and find its events, as `watch` does."""
    found = holmes.scored(video)
    cost = found.scan.decode_seconds + found.scan.encode_seconds + found.score_seconds
    return Scanned(
        found.curve,
        tuple(find_events(found.curve, holmes.config.events)),
        video.info.duration or 0.0,
        None if found.scan.cached else cost,
    )


def answer_rows(
    test: TestSet,
    holmes: Holmes,
    path: str | Path,
    *,
    sampler: SamplerConfig | None = None,
    clip_frames: ClipFrames = "event",
    scan: Callable[[Video], Scanned] | None = None,
    known: Known | None = None,
    progress: Progress | None = None,
) -> list[Answered]:
    """Answer all rows, in the order of the test set, writing each answer to `path` as it comes.

    `sampler` chooses the frames, of the whole video or of an event's span; by default as the pipeline is
    configured. A clip is shown those frames of its event that lie in it (`event`, as `watch` captions
    clips), or frames chosen for it alone (`own`, as cut clip files would have).

    `known` are answers of the same pipeline with the same `clip_frames`, by other samplers: they are taken
    where the frames are the same, with what was measured then, and this call's are added to them.

    Raises:
        MissingPartError: when the pipeline has no model that speaks.
        InputError, VideoError: when a row's video is not there, or cannot be read; the message names it.
        OutputError: when an answer cannot be written.
    """
    if holmes.model is None:
        raise MissingPartError(
            "No describing model is loaded, so rows cannot be answered. Give one: --model."
        )
    scan = scan or (lambda video: scanned(holmes, video))
    sampler = sampler or holmes.config.sampler
    path = Path(path)
    known = {} if known is None else known
    done = _read(path, test.rows)
    known |= {(each.row.id, each.chosen): each for each in done.values() if each.chosen}
    left = [row for row in test.rows if row.id not in done]
    sources = {row.id: resolve(row, test.annotations, test.root) for row in left}
    by_file = sorted(left, key=lambda row: str(sources[row.id].path))
    for file, rows in groupby(by_file, key=lambda row: sources[row.id].path):
        with open_video(file) as video:
            looking = _Looking(holmes, video, scan(video), sampler, clip_frames, test, known)
            for _, some in groupby(_by_place(rows), key=lambda row: row.video):
                answered = looking.answer(list(some), sources)
                _write(path, answered)
                done |= {each.row.id: each for each in answered}
                if progress is not None:
                    progress("answering rows", len(done), len(test.rows))
    return [done[row.id] for row in test.rows]


def known_answers(paths: Iterable[Path], test: TestSet) -> Known:
    """The answers that earlier calls wrote, with the frames they are about.

    Raises:
        InputError: when one is not an answer to a row of `test`.
    """
    found = [each for path in paths for each in _read(path, test.rows).values()]
    return {(each.row.id, each.chosen): each for each in found if each.chosen}


class _Looking:
    """One open video under questions."""

    def __init__(
        self,
        holmes: Holmes,
        video: Video,
        found: Scanned,
        sampler: SamplerConfig,
        clip_frames: ClipFrames,
        test: TestSet,
        known: Known,
    ) -> None:
        assert holmes.model is not None
        self._holmes, self._known = holmes, known
        self._model: VisionLanguageModel = holmes.model
        self._options = holmes.config.generation
        self._num_frames = sampler.num_frames or self._model.num_frames
        self._video, self._found, self._sampler = video, found, sampler
        self._clip_frames, self._test = clip_frames, test
        self._looks: OrderedDict[Span | None, _Look] = OrderedDict()

    @cached_property
    def _dense(self) -> Features | None:
        # From the store, where the scan has just put them.
        return self._holmes.scored(self._video).scan.features if self._model.uses_scan else None

    def answer(self, rows: Sequence[Instruction], sources: Mapping[int | str, Source]) -> list[Answered]:
        """Rows about one part of the video."""
        whole, within = self._shown(rows[0], sources[rows[0].id].span)
        chosen = tuple(self._chosen(whole).tolist())
        if all((row.id, chosen) in self._known for row in rows):
            return [replace(self._known[row.id, chosen], row=row) for row in rows]
        look = self._at(whole) if within is None else self._part(whole, within)
        visual = look.visual
        started = time.perf_counter()
        first, pieces = None, []
        for piece in self._model.stream(visual, rows[0].prompt, options=self._options):
            first = time.perf_counter() - started if first is None else first
            pieces.append(piece)
        texts = ["".join(pieces)]
        if len(rows) > 1:
            questions = [row.prompt for row in rows[1:]]
            texts += self._model.answer_many(visual, questions, options=self._options)
        times = (look.decode_seconds, look.encode_seconds, first)
        # As they are written: an answer that is read back equals one that was just given.
        rounded = [None if seconds is None else round(seconds, 6) for seconds in times]
        found = [Answered(row, text, len(visual), chosen) for row, text in zip(rows, texts, strict=True)]
        found[0] = Answered(rows[0], texts[0], len(visual), chosen, *rounded)
        self._known |= {(each.row.id, chosen): each for each in found}
        return found

    def _shown(self, row: Instruction, span: Span | None) -> tuple[Span | None, Span | None]:
        """The part whose frames are chosen for a row about `span`, and where it is shown only some of them.

        A clip is shown those of its event that lie in it. A clip file of its own is a video like any other.
        """
        place = layout.parse(row.video)
        if place.clip is None or span is None or self._clip_frames == "own" or place.event is None:
            return span, None
        return self._test.annotations[place.video].events[place.event].span, span

    def _part(self, whole: Span | None, within: Span) -> _Look:
        visual = self._at(whole).visual
        inside = np.flatnonzero((visual.seconds >= within.start) & (visual.seconds < within.end)).tolist()
        nearest = int(np.argmin(np.abs(visual.seconds - (within.start + within.end) / 2)))
        return _Look(visual.select(inside or [nearest]), None, None)

    def _at(self, span: Span | None) -> _Look:
        if span not in self._looks:
            index = self._chosen(span)
            decode = 0.0

            def fetch(wanted: IndexArray) -> Any:
                nonlocal decode
                started = time.perf_counter()
                batch = self._video.at(wanted)
                decode += time.perf_counter() - started
                return batch

            # A fresh one each: what encoding a set of frames takes is measured whole.
            seen = Seen(self._model, self._dense)
            started = time.perf_counter()
            visual = seen.look(index, fetch)
            self._looks[span] = _Look(visual, decode, time.perf_counter() - started - decode)
            while len(self._looks) > _LOOKS_KEPT:
                self._looks.popitem(last=False)
        self._looks.move_to_end(span)
        return self._looks[span]

    def _chosen(self, span: Span | None) -> IndexArray:
        events = self._found.events if span is None else ()
        return choose(self._found.curve, self._num_frames, self._sampler, span=span, events=events)


def _by_place(rows: Any) -> list[Instruction]:
    """An event before its clips, which are shown its frames; the rows of one part together."""

    def key(row: Instruction) -> tuple[str, int, int]:
        place: Place = layout.parse(row.video)
        event = -1 if place.event is None else place.event
        return place.video, event, -1 if place.clip is None else place.clip

    return sorted(rows, key=key)


def _video_of(row: Instruction) -> str:
    return layout.parse(row.video).whole().path


def _read(path: Path, rows: Sequence[Instruction]) -> dict[int | str, Answered]:
    """The answers of an earlier call; a last line that was cut off goes."""
    if not path.exists():
        return {}
    wanted = {row.id: row for row in rows}
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)
    done = {}
    for number, line in enumerate(data[:whole].splitlines(), start=1):
        try:
            entry = json.loads(line)
            row = wanted[entry["id"]]
            if entry["video"] != row.video:
                raise KeyError(entry["video"])
            times = [entry.get(key) for key in _TIMES]
            chosen = tuple(int(frame) for frame in entry.get("chosen", ()))
            done[row.id] = Answered(row, str(entry["answer"]), int(entry["frames"]), chosen, *times)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}:{number}: not an answer to a row of this test set. Give another file."
            ) from error
    return done


_TIMES = ("decode_seconds", "encode_seconds", "first_word_seconds")


def _write(path: Path, answered: Sequence[Answered]) -> None:
    lines = ""
    for each in answered:
        row = each.row
        entry: dict[str, Any] = {"id": row.id, "video": row.video, "task": row.task, "answer": each.text}
        entry |= {"frames": each.num_frames, "chosen": list(each.chosen)}
        times = {key: getattr(each, key) for key in _TIMES}
        entry |= {key: value for key, value in times.items() if value is not None}
        lines += json.dumps(entry, ensure_ascii=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}).") from error
