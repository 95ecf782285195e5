"""The page of a report: one self-contained file."""

from __future__ import annotations

from html import escape
from pathlib import Path

from holmesvau.report.sentences import summary_lines
from holmesvau.types import Report


def to_html(report: Report, out_dir: Path, video_path: str | Path | None = None) -> str:
    """The page as text."""
    lines = "".join(f"<p>{escape(line)}</p>" for line in (*summary_lines(report), *report.warnings))
    return f"<!doctype html><meta charset=utf-8><title>{escape(report.video.path)}</title>{lines}"
