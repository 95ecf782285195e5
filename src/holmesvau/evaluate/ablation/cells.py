"""Cells of a study: trained or loaded, answered, measured, kept by what they are made of.

FOLDER/models/NAME-KEY/        what a cell trained, and beside it a note when that was done
FOLDER/scans/…                curves, with what the scan cost (`scans`)
FOLDER/cells/NAME-KEY.jsonl   its answers, as text predictions (`answering`)

KEY is a fingerprint of settings, weights, code, rows and pixels: a study that is repeated goes on where it
stopped, and one with other data or another model begins anew beside it. Its second part leaves the sampler
and the levels out: cells that share it know each other's answers about the same frames.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from holmesvau import config as configuration
from holmesvau.describe import SamplerConfig, choose
from holmesvau.errors import InputError
from holmesvau.evaluate.ablation.contrasts import Contrast, contrast
from holmesvau.evaluate.ablation.coverage import holds
from holmesvau.evaluate.ablation.scans import Scans
from holmesvau.evaluate.ablation.studies import Cell, Study
from holmesvau.evaluate.answering import Answered, ClipFrames, Known, TestSet, answer_rows, known_answers
from holmesvau.evaluate.judgements import JudgementMetrics, judgement_metrics
from holmesvau.evaluate.pipelines import PipelineOptions, content, digest
from holmesvau.evaluate.resampling import BootstrapConfig, CountArray
from holmesvau.evaluate.text import TextScores, grouped, score, source_video
from holmesvau.hivau.clips import resolve
from holmesvau.hivau.files import read_text, write_text
from holmesvau.holmes import Holmes

Progress = Callable[[str, float, float | None], None]


@dataclass(frozen=True, slots=True)
class Trained:
    """What a cell's training left: the options of a pipeline that has it, where they are not the study's."""

    model: str | None = None
    adapter: str | None = None
    encoder: str | None = None
    scorer: str | None = None


# Settings laid over a recipe, and the folder for the run.
Train = Callable[[Sequence[str], Path], Trained]


@dataclass(frozen=True, slots=True)
class Trainer:
    """How cells are trained: `train`, and what the settings are laid over (`recipe`, for the cells' keys).

    `name` is what the report calls the models.
    """

    train: Train
    recipe: str
    name: str = "trained"


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds, the medians over sets of frames; None where nothing was measured.

    `first_word` is what the paper's first-token latency is: encoding the chosen frames, and the model until
    its first word; `encode` and `answer` are its parts. `decode` is what fetching the frames adds, and
    `scan_per_minute` what the paper leaves out: the dense scan of a minute of video.
    """

    first_word: float | None
    encode: float | None
    answer: float | None
    decode: float | None
    scan_per_minute: float | None


@dataclass(frozen=True, slots=True)
class CellReport:
    """A measured cell: figures of each level shown, and how many of the `events` are `seen` in a frame.

    `judgements` are by level, where there are rows that ask for one.
    """

    name: str
    published: str | None
    text: Mapping[str, TextScores]
    rows: int
    num_frames: float
    latency: Latency
    events: int
    seen: int
    judgements: Mapping[str, JudgementMetrics]


@dataclass(frozen=True, slots=True)
class StudyReport:
    """All cells of a study; `contrasts` set some beside each other, `notes` say what a figure lacks."""

    study: str
    title: str
    table: Literal["3", "4"] | None
    levels: tuple[str, ...]
    model: str
    videos: int
    cells: tuple[CellReport, ...]
    notes: tuple[str, ...] = ()
    contrasts: tuple[Contrast, ...] = ()


def run(
    study: Study,
    test: TestSet,
    options: PipelineOptions,
    folder: str | Path,
    *,
    trainer: Trainer | None = None,
    clip_frames: ClipFrames = "event",
    bootstrap: BootstrapConfig | None = None,
    progress: Progress | None = None,
) -> StudyReport:
    """Measure every cell of a study on a test set's rows of the levels it shows.

    Cells that train nothing share the pipeline of `options`; the others load what `trainer` makes. Cells that
    are to be set beside each other (`Study.contrasts`) are where a bootstrap is wanted.

    Raises:
        InputError: when cells must be trained and nobody says how, or no row is of a level shown.
        HolmesError: as training, loading and answering raise.
    """
    folder = Path(folder)
    rows = tuple(row for row in test.rows if row.level in study.levels)
    if not rows:
        raise InputError(f"{test.root}: has no rows of the level {' or '.join(study.levels)}.")
    shown = replace(test, rows=rows)
    data, every = data_fingerprint(shown), data_fingerprint(test)
    pipelines = _Pipelines(options, folder, trainer)
    reports = []
    answered: dict[str, list[Answered]] = {}
    seen: dict[str, CountArray] = {}
    known: dict[str, Known] = {}
    for cell in study.cells:
        mine, holmes = pipelines.of(cell)
        sampler = cell.sampler or options.config.sampler
        key = digest([data, mine, configuration.to_dict(sampler), clip_frames])
        family = digest([every, mine, clip_frames])[:8]
        path = folder / "cells" / f"{_file_name(cell.name)}-{key[:12]}-{family}.jsonl"
        if family not in known:
            known[family] = known_answers(sorted(path.parent.glob(f"*-{family}.jsonl")), test)
        scans = Scans(folder / "scans" / mine, holmes)
        answers = answer_rows(
            shown,
            holmes,
            path,
            sampler=sampler,
            clip_frames=clip_frames,
            scan=scans,
            known=known[family],
            progress=_named(progress, cell),
        )
        whole = replace(sampler, num_frames=sampler.num_frames or holmes.num_frames)
        answered[cell.name], seen[cell.name] = answers, _seen(scans, shown, whole)
        covered = seen[cell.name].sum(0).tolist()
        reports.append(_report(cell, study, answers, scans.per_minute(_videos(shown)), covered, bootstrap))
    videos = len({source_video(row) for row in rows})
    notes = tuple(_notes(reports, study))
    model = trainer.name if trainer is not None and study.cells[0].training else options.model
    contrasts = []
    if bootstrap is not None and bootstrap.resamples:
        for names in study.contrasts:
            pair = (answered[names[0]], answered[names[1]]), (seen[names[0]], seen[names[1]])
            contrasts.append(contrast(names, *pair, study.levels, bootstrap))
    return StudyReport(
        study.name,
        study.title,
        study.table,
        study.levels,
        model,
        videos,
        tuple(reports),
        notes,
        tuple(contrasts),
    )


def data_fingerprint(test: TestSet) -> str:
    """A fingerprint of the rows, the annotated spans and the files that are watched."""
    sources = [resolve(row, test.annotations, test.root) for row in test.rows]
    files = {str(source.path): "" for source in sources}
    rows = [
        [row.id, row.level, row.task, row.video, row.prompt, row.answer, source.span and tuple(source.span)]
        for row, source in zip(test.rows, sources, strict=True)
    ]
    return digest([rows, {name: content(Path(name)) for name in files}])


class _Pipelines:
    """The pipeline of a cell and its fingerprint; the one last used is kept."""

    def __init__(self, options: PipelineOptions, folder: Path, trainer: Trainer | None) -> None:
        self._options, self._folder, self._trainer = options, folder, trainer
        self._last: tuple[str, Holmes] | None = None

    def of(self, cell: Cell) -> tuple[str, Holmes]:
        """See the class."""
        options = self._options
        if cell.training:
            if self._trainer is None:
                raise InputError(f"{cell.name}: this cell must be trained. Give a recipe with --recipe.")
            key = digest([self._trainer.recipe, cell.training])
            where = self._folder / "models" / f"{_file_name(cell.name)}-{key[:12]}"
            made = self._trained(cell, where)
            given = {key: value for key, value in asdict(made).items() if value is not None}
            options = replace(options, **given)
        mine = options.fingerprint()
        if self._last is None or self._last[0] != mine:
            self._last = None
            self._last = mine, options.load()
        return self._last

    def _trained(self, cell: Cell, where: Path) -> Trained:
        """What the cell's training left, trained now unless a note says that it is done."""
        assert self._trainer is not None
        note = where.with_name(f"{where.name}.json")
        if note.is_file():
            try:
                return configuration.from_dict(Trained, json.loads(read_text(note)), where=str(note))
            except ValueError as error:
                raise InputError(f"{note}: not a note of training ({error}). Delete it.") from error
        made = self._trainer.train(cell.training, where)
        write_text(note, json.dumps(asdict(made)))
        return made


def _seen(scans: Scans, test: TestSet, sampler: SamplerConfig) -> CountArray:
    """How many anomalies each whole video has, and how many of them get a frame: `int64[V, 2]`."""
    assert sampler.num_frames is not None
    found = []
    for path in _videos(test):
        video = test.annotations.get(path.stem)
        if video is None or not video.is_anomalous:
            continue
        one = scans.of(path)
        index = choose(one.curve, sampler.num_frames, sampler, events=one.events)
        chosen = one.curve.seconds[np.searchsorted(one.curve.index, index)]
        found.append((len(video.events), sum(holds(event.span, chosen) > 0 for event in video.events)))
    return np.array(found, np.int64).reshape(-1, 2)


def _videos(test: TestSet) -> list[Path]:
    """The whole videos that rows are about, where they are there."""
    paths = (test.root / name for name in dict.fromkeys(source_video(row) for row in test.rows))
    return [path for path in paths if path.is_file()]


def _report(
    cell: Cell,
    study: Study,
    answers: Sequence[Answered],
    scan_per_minute: float | None,
    covered: Sequence[int],
    bootstrap: BootstrapConfig | None,
) -> CellReport:
    text, judged = {}, {}
    for level, members in grouped([(each.row, each) for each in answers]).items():
        if level.endswith(" judgement"):
            judged[level.removesuffix(" judgement")] = judgement_metrics(
                [each.text for _, each in members],
                [row.answer for row, _ in members],
                bootstrap=bootstrap,
                clusters=[source_video(row) for row, _ in members],
            )
        if level in study.levels:
            text[level] = score(
                [each.text for _, each in members],
                [row.answer for row, _ in members],
                bootstrap=bootstrap,
                clusters=[source_video(row) for row, _ in members],
            )
    measured = [each for each in answers if each.encode_seconds is not None]
    latency = Latency(
        _median([each.encode_seconds, each.first_word_seconds] for each in measured),
        _median([each.encode_seconds] for each in measured),
        _median([each.first_word_seconds] for each in measured),
        _median([each.decode_seconds] for each in measured),
        scan_per_minute,
    )
    shown = float(np.mean([each.num_frames for each in answers]))
    events, seen = covered
    return CellReport(cell.name, cell.published, text, len(answers), shown, latency, events, seen, judged)


def _median(sums: Iterable[Sequence[float | None]]) -> float | None:
    """The median of sums of seconds, in milliseconds, over those of which every part was measured."""
    whole = [sum(part for part in parts if part is not None) for parts in sums if None not in parts]
    return 1000 * float(np.median(whole)) if whole else None


def _notes(reports: Sequence[CellReport], study: Study) -> list[str]:
    notes = []
    if study.table is None:
        notes.append("The paper shows this as a figure without numbers: there is nothing to set beside it.")
    if any(report.latency.scan_per_minute is None for report in reports):
        notes.append(
            "The scan's cost is missing where the features were stored already; --no-cache measures it."
        )
    if len(reports[0].text) < len(study.levels):
        missing = [level for level in study.levels if level not in reports[0].text]
        notes.append(f"There are no rows of the level {' and '.join(missing)}.")
    return notes


def _named(progress: Progress | None, cell: Cell) -> Progress | None:
    if progress is None:
        return None
    return lambda stage, done, total: progress(f"{cell.name}: {stage}", done, total)


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9+]+", "-", name).strip("-")
