"""What is odd about instruction rows: repeats, texts, and what the annotations say instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from holmesvau.errors import InputError
from holmesvau.hivau import layout, texts
from holmesvau.hivau.checks.trees import classes_by_name
from holmesvau.hivau.clips import span_of
from holmesvau.hivau.layout import Place
from holmesvau.hivau.problems import Findings, Severity
from holmesvau.hivau.schema import TASKS, Instruction, VideoAnnotation

# The annotations at hand: (dataset, split) -> video name -> annotation.
Datasets = Mapping[tuple[str, str], Mapping[str, VideoAnnotation]]
Finding = tuple[str, Severity, str]


def check_rows(rows: Sequence[tuple[int, Instruction]], annotated: Datasets, findings: Findings) -> None:
    """Report everything that is odd about the rows of one file, each given with its line."""
    first_at: dict[Instruction, int] = {}
    answered_at: dict[tuple[str, str, str], int] = {}
    ids: dict[int | str, int] = {}
    for line, row in rows:
        for kind, severity, message in (
            *_repeats(row, line, first_at, answered_at, ids),
            *_row(row, annotated),
        ):
            findings.add(kind, severity, f"row {row.id}", message, line=line)
    _without_annotations(rows, annotated, findings)


def without_id(row: Instruction) -> Instruction:
    """The row as compared with others: two that differ by their number only are the same."""
    return Instruction(0, row.level, row.task, row.video, row.prompt, row.answer)


def _repeats(
    row: Instruction,
    line: int,
    first_at: dict[Instruction, int],
    answered_at: dict[tuple[str, str, str], int],
    ids: dict[int | str, int],
) -> Iterator[Finding]:
    if row.id in ids:
        yield "duplicate-id", "warning", f"Line {ids[row.id]} has the same id."
    ids.setdefault(row.id, line)
    content, answer = without_id(row), (row.video, row.task, row.answer)
    if content in first_at:
        yield "duplicate-row", "warning", f"Line {first_at[content]} is the same but for its id: {row.video}."
    elif answer in answered_at:
        message = f"Line {answered_at[answer]} has the same answer about {row.video}, asked otherwise."
        yield "repeated-answer", "note", message
    first_at.setdefault(content, line)
    answered_at.setdefault(answer, line)


def _row(row: Instruction, annotated: Datasets) -> Iterator[Finding]:
    yield from texts.oddities(row.answer, "answer")
    yield from texts.oddities(row.prompt, "prompt")
    if (row.task == TASKS[0]) != (row.level == "clip"):
        yield (
            "odd-task",
            "warning",
            f"A {row.level} is not asked for its {row.task}: clips have captions, the rest not.",
        )
    try:
        place = layout.parse(row.video)
    except InputError:
        return  # the loader has reported the path
    videos = annotated.get((place.dataset, place.split))
    video = videos.get(place.video) if videos is not None else None
    if row.task == "judgement":
        yield from _judgement(row, place, video)
    if videos is not None:
        yield from _annotation(row, place, videos)


def _judgement(row: Instruction, place: Place, video: VideoAnnotation | None) -> Iterator[Finding]:
    classes = video.labels if video is not None else classes_by_name(place.dataset, place.video)
    if classes is not None and texts.contradicts(row.answer, bool(classes)):
        label = ", ".join(classes) or "normal"
        yield "answer-contradicts-label", "warning", f"{row.video} is {label} and the answer: {row.answer}"


def _annotation(row: Instruction, place: Place, videos: Mapping[str, VideoAnnotation]) -> Iterator[Finding]:
    if place.video not in videos:
        yield "unknown-video", "error", f"The annotations have no video {place.video!r}."
        return
    try:
        span_of(place, videos)
    except InputError as error:
        yield "unknown-part", "error", str(error)
        return
    written = annotated_text(row, place, videos[place.video])
    if written is not None and written != row.answer:
        yield "answer-differs", "warning", f"The annotation of {row.video} has another {row.task}: {written}"


def annotated_text(row: Instruction, place: Place, video: VideoAnnotation) -> str | None:
    """What the annotation has for a row's task; None when that level has no such text."""
    if place.event is None:
        return None if row.task == "caption" else getattr(video, row.task)
    event = video.events[place.event]
    if place.clip is None:
        return None if row.task == "caption" else getattr(event, row.task)
    return event.clips[place.clip].caption if row.task == "caption" else None


def _without_annotations(
    rows: Sequence[tuple[int, Instruction]], annotated: Datasets, findings: Findings
) -> None:
    counts: dict[tuple[str, str], int] = {}
    for _, row in rows:
        try:
            place = layout.parse(row.video)
        except InputError:
            continue
        if (place.dataset, place.split) not in annotated:
            counts[place.dataset, place.split] = counts.get((place.dataset, place.split), 0) + 1
    for (dataset, split), count in counts.items():
        message = f"{count} rows could not be compared: no annotations of it are at hand."
        findings.add("no-annotations", "note", f"{dataset} {split}", message)
