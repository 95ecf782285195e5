"""From the ledger to HIVAU (paper §3.2): annotations, instruction rows, and a root that trains."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from holmesvau.engine.decouple import clip_spans
from holmesvau.engine.ledger import Ledger, LedgerEvent, LedgerText, LedgerVideo, Target
from holmesvau.errors import InputError, OutputError
from holmesvau.hivau.annotations import dump
from holmesvau.hivau.files import write_text
from holmesvau.hivau.instructions import build
from holmesvau.hivau.instructions.rows import dump as dump_rows
from holmesvau.hivau.layout import Place
from holmesvau.hivau.problems import Problem
from holmesvau.hivau.schema import EventAnnotation, Instruction, VideoAnnotation
from holmesvau.types import Clip

if TYPE_CHECKING:
    from holmesvau.engine.project import Project


def completed(project: Project, ledger: Ledger, *, partial: bool = False) -> dict[str, VideoAnnotation]:
    """The videos all of whose texts stand; with `partial` also the others, with what they have by now."""
    found = {}
    for video in ledger.videos():
        if video.decoupled and not ledger.decision(video.name).left_out:
            annotation, complete = _annotation(project, ledger, video)
            if complete or partial:
                found[video.name] = annotation
    return found


@dataclass(frozen=True, slots=True)
class Dataset:
    """What was written: the root, how many videos and rows, and whether any of it changed."""

    root: Path
    annotations: Path
    instructions: Path
    videos: int
    rows: int
    changed: bool


def write_dataset(
    project: Project, ledger: Ledger, *, problems: list[Problem] | None = None
) -> Dataset | None:
    """The complete videos as a root in HIVAU-70k's layout, with instruction rows; None when there are none.

    The videos are linked, not copied. Files whose content is the same stay untouched.

    Raises:
        OutputError: when it cannot be written.
    """
    complete = completed(project, ledger)
    if not complete:
        return None
    config, root = project.config, project.dataset
    tree = root / "raw_annotations" / f"{config.dataset}_database_{config.split}.json"
    rows_file = root / "instruction" / f"merge_instruction_{config.split}_final.jsonl"
    rows = _rows(project, complete, [] if problems is None else problems)
    changed = _write(tree, dump(complete))
    changed |= _write(rows_file, dump_rows(rows, form="test" if config.split == "test" else "train"))
    by_name = {video.name: video for video in ledger.videos()}
    for name in complete:
        _link(root / Place(config.dataset, config.split, name).path, project.path_of(by_name[name].path))
    return Dataset(root, tree, rows_file, len(complete), len(rows), changed)


def _rows(
    project: Project, complete: Mapping[str, VideoAnnotation], problems: list[Problem]
) -> list[Instruction]:
    config = project.config
    return build(
        complete, dataset=config.dataset, split=config.split, config=config.instruct, problems=problems
    )


def _annotation(project: Project, ledger: Ledger, video: LedgerVideo) -> tuple[VideoAnnotation, bool]:
    """A video as its annotation has it by now, and whether all of its texts stand."""
    texts = {text.target.address: text for text in ledger.texts(video.name) if text.state == "standing"}
    events = ledger.events(video.name)
    made = [_event(project, video, event, texts) for event in events]
    own = texts.get(Target("video", video.name).address)
    labels = tuple(dict.fromkeys(event.label for event in events if event.label and not event.normal))
    parts = {} if own is None else dict(own.parts)
    annotation = VideoAnnotation(
        name=video.name,
        n_frames=video.n_frames,
        fps=video.fps,
        labels=labels,
        events=tuple(event for event, _ in made),
        summary=_summary(parts),
        **_kept(parts, bool(labels)),
    )
    return annotation, bool(made) and own is not None and all(complete for _, complete in made)


def _event(
    project: Project, video: LedgerVideo, event: LedgerEvent, texts: Mapping[str, LedgerText]
) -> tuple[EventAnnotation, bool]:
    config = project.config.decouple
    clips, complete = [], True
    for span in clip_spans(event.span, video.name, config.clips, config.seed, video.clips):
        text = texts.get(Target("clip", video.name, span=span).address)
        complete = complete and text is not None
        clips.append(Clip(span, "" if text is None else text.parts["caption"]))
    own = texts.get(Target("event", video.name, event.id).address)
    parts = {} if own is None else dict(own.parts)
    made = EventAnnotation(
        span=event.span,
        clips=tuple(clips),
        summary=_summary(parts),
        **_kept(parts, not event.normal),
    )
    return made, complete and own is not None


def _kept(parts: Mapping[str, str], abnormal: bool) -> dict[str, str]:
    """The parts of a summary; what is normal has no analysis (§3.2)."""
    names = ("judgement", "description", "analysis") if abnormal else ("judgement", "description")
    return {name: parts.get(name, "") for name in names}


def _summary(parts: Mapping[str, str]) -> str:
    return " ".join(text for text in parts.values() if text)


def _write(path: Path, text: str) -> bool:
    """Write a file unless it holds just that; whether it was written."""
    try:
        if path.read_text(encoding="utf-8") == text:
            return False
    except (OSError, UnicodeDecodeError):
        pass
    write_text(path, text)
    return True


def _link(link: Path, video: Path) -> None:
    target = video.resolve()
    try:
        if link.is_symlink() and link.readlink() == target:
            return
        link.parent.mkdir(parents=True, exist_ok=True)
        fresh = link.with_name(f".{link.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        fresh.replace(link)
    except OSError as error:
        raise OutputError(f"{link}: the video cannot be linked ({error.strerror or error}).") from error


def require(found: Mapping[str, VideoAnnotation]) -> None:
    """Complain where there is nothing to write.

    Raises:
        InputError: saying what to do.
    """
    if not found:
        raise InputError(
            "No video is complete yet: `holmesvau annotate status` says what is missing, --partial exports "
            "what there is."
        )
