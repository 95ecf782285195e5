"""Looking a dataset over: every file of annotations and instructions under a root, and the footage they speak
of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from holmesvau.errors import InputError, OutputError
from holmesvau.hivau import layout
from holmesvau.hivau.annotations import dump, numbered
from holmesvau.hivau.checks.footage import Progress, check_files
from holmesvau.hivau.checks.mend import mended_rows, mended_video
from holmesvau.hivau.checks.questions import check_rows
from holmesvau.hivau.checks.trees import check_video
from holmesvau.hivau.files import write_text
from holmesvau.hivau.instructions import rows as rows_file
from holmesvau.hivau.layout import AnnotationFile
from holmesvau.hivau.problems import SEVERITIES, Findings, Problem, Severity
from holmesvau.hivau.schema import Instruction, VideoAnnotation


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found.

    `counts` says how much was looked at: files, videos, events, clips, rows. `written` are the files of the
    cleaned copy; a problem that it no longer has is `mended`.
    """

    root: Path
    files: tuple[Path, ...]
    counts: Mapping[str, int]
    problems: tuple[Problem, ...]
    written: tuple[Path, ...] = ()

    @property
    def severity(self) -> Severity | None:
        """The worst severity among the problems that no copy has mended; None when there are none."""
        left = {problem.severity for problem in self.problems if not problem.mended}
        return next((severity for severity in reversed(SEVERITIES) if severity in left), None)

    def by_kind(self) -> dict[str, list[Problem]]:
        """The problems by kind: errors first, then warnings, then notes, the commonest kind first."""
        kinds: dict[str, list[Problem]] = {}
        for problem in self.problems:
            kinds.setdefault(problem.kind, []).append(problem)
        order = {severity: rank for rank, severity in enumerate(reversed(SEVERITIES))}
        worst = {kind: min(order[problem.severity] for problem in found) for kind, found in kinds.items()}
        return dict(sorted(kinds.items(), key=lambda item: (worst[item[0]], -len(item[1]), item[0])))

    def to_json(self) -> dict[str, Any]:
        """The report as plain values."""
        return {
            "root": str(self.root),
            "files": [str(path) for path in self.files],
            "counts": dict(self.counts),
            "severity": self.severity,
            "kinds": {kind: len(found) for kind, found in self.by_kind().items()},
            "written": [str(path) for path in self.written],
            "problems": [
                {
                    "kind": problem.kind,
                    "severity": problem.severity,
                    "place": problem.place,
                    "message": problem.message,
                    "file": problem.file,
                    "line": problem.line,
                    "mended": problem.mended,
                }
                for problem in self.problems
            ],
        }


@dataclass(slots=True)
class _Contents:
    """The files of a dataset as read: each with its lines, and the problems that reading found."""

    trees: dict[AnnotationFile, list[tuple[int, VideoAnnotation]]]
    rows: dict[Path, list[tuple[int, Instruction]]]
    problems: list[Problem]


def check(
    root: str | Path,
    *,
    fix: str | Path | None = None,
    footage: bool = True,
    jobs: int = 4,
    progress: Progress | None = None,
) -> CheckReport:
    """Look over a dataset's folder, or one file of annotations (.json) or instructions (.jsonl).

    `fix` is a folder for a cleaned copy of the annotation and instruction files, never the one they lie in.
    `footage=False` leaves the video files unopened; `jobs` of them are opened at a time.

    Raises:
        InputError: when there is nothing to check, a file is no JSON, or `fix` would write over a source.
        OutputError: when the cleaned copy cannot be written.
    """
    root = Path(root)
    trees, rows = _find(root)
    contents = _read(trees, rows)
    odd = _odd(contents)
    footage_problems: list[Problem] = []
    if footage and root.is_dir():
        for file, videos in contents.trees.items():
            if file.dataset:
                findings = Findings(str(file.path), None, [])
                named = {video.name: video for _, video in videos}
                lines = {video.name: line for line, video in videos}
                check_files(file, named, lines, root, findings, jobs=jobs, progress=progress)
                footage_problems += findings.found
    written: tuple[Path, ...] = ()
    if fix is not None:
        clean = _mended(contents)
        written = _write(clean, root if root.is_dir() else root.parent, Path(fix))
        left = {(problem.kind, problem.file, problem.place) for problem in _odd(clean)}
        odd = [
            replace(problem, mended=(problem.kind, problem.file, problem.place) not in left)
            for problem in odd
        ]
    files = (*(file.path for file in trees), *rows)
    return CheckReport(root, files, _counts(contents), (*contents.problems, *odd, *footage_problems), written)


def _find(root: Path) -> tuple[list[AnnotationFile], list[Path]]:
    if root.is_dir():
        trees, rows = layout.annotation_files(root), layout.instruction_files(root)
        if not trees and not rows:
            raise InputError(
                f"{root}: no dataset. A root holds raw_annotations/NAME_database_SPLIT.json or "
                f"instruction/merge_instruction_SPLIT_final.jsonl."
            )
        return trees, rows
    if not root.exists():
        raise InputError(
            f"{root}: there is no such folder or file. Give the root of a dataset or one of its files."
        )
    return ([], [root]) if root.suffix == ".jsonl" else ([layout.annotation_file(root)], [])


def _read(trees: Iterable[AnnotationFile], rows: Iterable[Path]) -> _Contents:
    contents = _Contents({}, {}, [])
    for file in trees:
        findings = Findings(str(file.path), contents.problems, [])
        contents.trees[file] = list(numbered(file.path, findings))
        findings.hand_over()
    for path in rows:
        findings = Findings(str(path), contents.problems, [])
        contents.rows[path] = list(rows_file.numbered(path, findings))
        findings.hand_over()
    return contents


def _odd(contents: _Contents) -> list[Problem]:
    """What the rules find in the contents."""
    problems: list[Problem] = []
    for file, videos in contents.trees.items():
        findings = Findings(str(file.path), None, problems)
        for line, video in videos:
            check_video(video, file.dataset, line, findings)
    annotated = {
        (file.dataset, file.split): {video.name: video for _, video in videos}
        for file, videos in contents.trees.items()
    }
    for path, rows in contents.rows.items():
        check_rows(rows, annotated, Findings(str(path), None, problems))
    return problems


def _mended(contents: _Contents) -> _Contents:
    trees = {
        file: [(line, mended_video(video)) for line, video in videos]
        for file, videos in contents.trees.items()
    }
    lines = {path: {row.id: line for line, row in reversed(rows)} for path, rows in contents.rows.items()}
    rows = {
        path: [(lines[path][row.id], row) for row in mended_rows(row for _, row in rows)]
        for path, rows in contents.rows.items()
    }
    return _Contents(trees, rows, [])


def _write(contents: _Contents, root: Path, target: Path) -> tuple[Path, ...]:
    sources = [*(file.path for file in contents.trees), *contents.rows]
    targets = {source: target / source.relative_to(root) for source in sources}
    for copy in targets.values():
        if any(copy.exists() and copy.samefile(source) for source in sources):
            raise InputError(
                f"{copy}: the cleaned copy would be written over its source. Give another folder."
            )
        if copy.exists():
            raise OutputError(f"{copy}: there is a file already. Give a new folder for the cleaned copy.")
    written = []
    for file, videos in contents.trees.items():
        text = dump({video.name: video for _, video in videos})
        written.append(write_text(targets[file.path], text))
    for path, rows in contents.rows.items():
        form = rows_file.form_of(path)
        written.append(rows_file.write_instructions((row for _, row in rows), targets[path], form=form))
    return tuple(written)


def _counts(contents: _Contents) -> dict[str, int]:
    videos = [video for found in contents.trees.values() for _, video in found]
    return {
        "files": len(contents.trees) + len(contents.rows),
        "videos": len(videos),
        "events": sum(len(video.events) for video in videos),
        "clips": sum(len(event.clips) for video in videos for event in video.events),
        "rows": sum(len(rows) for rows in contents.rows.values()),
    }
