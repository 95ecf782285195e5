"""A `Report` as files: JSON, a self-contained page, subtitles, tables and clips.

    from holmesvau import report
    report.write(watched, "out/")                       # report.json, report.html, events.vtt, curve.csv
    again = report.from_json("out/report.json")

Importing it loads neither torch nor av; `holmesvau.video.cut` is loaded when clips are asked for.
"""

from __future__ import annotations

from holmesvau.clock import clock, span_clock
from holmesvau.report.json import from_json, to_json
from holmesvau.report.sentences import chapter_lines, summary_lines, told_lines
from holmesvau.report.write import DEFAULT_FORMATS, FORMATS, check_writable, write

__all__ = [
    "DEFAULT_FORMATS",
    "FORMATS",
    "chapter_lines",
    "check_writable",
    "clock",
    "from_json",
    "span_clock",
    "summary_lines",
    "to_json",
    "told_lines",
    "write",
]
