"""Writing a report's files: a file is there whole or not at all."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from holmesvau.errors import InputError, OutputError
from holmesvau.report.clips import write_clips
from holmesvau.report.html import to_html
from holmesvau.report.json import dump, to_json
from holmesvau.report.subtitles import to_chapters_vtt, to_srt, to_vtt
from holmesvau.report.tables import chapters_csv, curve_csv, events_csv, events_jsonl
from holmesvau.types import Report

log = logging.getLogger(__name__)

Writer = Callable[[Report], str]

_TEXTS: dict[str, tuple[str, Writer]] = {
    "json": ("report.json", lambda report: dump(to_json(report)) + "\n"),
    "vtt": ("events.vtt", to_vtt),
    "csv": ("curve.csv", curve_csv),
    "srt": ("events.srt", to_srt),
    "events-csv": ("events.csv", events_csv),
    "jsonl": ("events.jsonl", events_jsonl),
    "chapters-vtt": ("chapters.vtt", to_chapters_vtt),
    "chapters-csv": ("chapters.csv", chapters_csv),
}
FORMATS = ("json", "html", *(name for name in _TEXTS if name != "json"), "clips")
DEFAULT_FORMATS = ("json", "html", "vtt", "csv")


def write(
    report: Report,
    out_dir: str | Path,
    *,
    formats: Sequence[str] = DEFAULT_FORMATS,
    video_path: str | Path | None = None,
) -> dict[str, Path]:
    """Write the report into `out_dir`, which is made when it is not there, and say which format is where.

    `formats`: `json` report.json, `html` report.html, `vtt` events.vtt, `csv` curve.csv, `srt` events.srt,
    `events-csv` events.csv, `jsonl` events.jsonl, `chapters-vtt` chapters.vtt, `chapters-csv`
    chapters.csv, `clips` a folder of one mp4 an event. `video_path` is where
    the video lies now when it is not at `report.video.path`: the page plays it, clips are cut from it.

    Every file is written beside its place and renamed when all are complete: a full disk, an interruption or
    a folder that cannot be written leaves what was there before. Clips come last and together; when they
    fail, the files before them stay.

    Raises:
        InputError: for an unknown format.
        OutputError: when the files cannot be written.
        VideoError: when the video that clips are to be cut from cannot be read.
    """
    out_dir = Path(out_dir)
    for name in formats:
        if name not in FORMATS:
            raise InputError(f"There is no report format {name!r}; there are {', '.join(FORMATS)}.")
    texts = {}
    for name in dict.fromkeys(formats):
        if name == "html":
            texts[name] = ("report.html", to_html(report, out_dir, video_path))
        elif name in _TEXTS:
            file_name, writer = _TEXTS[name]
            texts[name] = (file_name, writer(report))
    with _reported(out_dir), _folder(out_dir):
        written = _write_all(out_dir, texts)
        # Last, and apart: they take longest and can fail for reasons of the video's own.
        if "clips" in formats:
            written["clips"] = write_clips(report, out_dir, video_path)
    return {name: written[name] for name in dict.fromkeys(formats)}


def check_writable(out_dir: str | Path) -> None:
    """Say now, before hours are spent watching, that a report could not be written into this folder.

    Raises:
        OutputError: when a file cannot be made in it. A folder that is not there yet is not left behind.
    """
    out_dir = Path(out_dir)
    with _reported(out_dir), _folder(out_dir, keep=False):
        _partial(out_dir, "report.json", b"{}").unlink()


def _write_all(out_dir: Path, texts: dict[str, tuple[str, str]]) -> dict[str, Path]:
    partial: list[tuple[Path, Path]] = []
    try:
        for file_name, text in texts.values():
            # A path may hold bytes that are no text; written so, a JSON reader gets them back.
            data = text.encode("utf-8", errors="backslashreplace")
            partial.append((_partial(out_dir, file_name, data), out_dir / file_name))
        while partial:
            source, target = partial[0]
            source.replace(target)
            partial.pop(0)
    finally:
        for source, _ in partial:
            source.unlink(missing_ok=True)
    return {name: out_dir / file_name for name, (file_name, _) in texts.items()}


def _partial(out_dir: Path, file_name: str, data: bytes) -> Path:
    """The data on disk under a name of its own; nothing is left when it does not fit."""
    path = out_dir / f".{file_name}.{secrets.token_hex(4)}.partial"
    try:
        with path.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


@contextlib.contextmanager
def _folder(out_dir: Path, *, keep: bool = True) -> Iterator[None]:
    """Make the folder; take away what was made when nothing could be put into it, or without `keep`."""
    made = [folder for folder in (out_dir, *out_dir.parents) if not folder.exists()]
    done = False
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        yield
        done = keep
    finally:
        for folder in () if done else made:
            with contextlib.suppress(OSError):
                folder.rmdir()


@contextlib.contextmanager
def _reported(out_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise OutputError(
            f"{out_dir}: the report cannot be written ({why}). Give a folder that can be written, with room."
        ) from error
