"""HIVAU-70k as released (paper §3) without cutting a single clip, and frame-level ground truth.

annotations = hivau.load_annotations("raw_annotations/ucf_database_test.json")
for row in hivau.load_instructions("instruction/merge_instruction_test_final.jsonl"):
    source = hivau.resolve(row, annotations, "HIVAU-70k")     # a file, or a span of its video
"""

from __future__ import annotations

from holmesvau.hivau import formats, instructions, ucf_crime, xd_violence
from holmesvau.hivau.annotations import load_annotations, write_annotations
from holmesvau.hivau.clips import Source, resolve, span_of
from holmesvau.hivau.ground_truth import GroundTruth, Interval
from holmesvau.hivau.instructions import load_instructions, write_instructions
from holmesvau.hivau.layout import Place
from holmesvau.hivau.problems import Problem
from holmesvau.hivau.schema import LEVELS, TASKS, EventAnnotation, Instruction, Level, Task, VideoAnnotation

__all__ = [
    "LEVELS",
    "TASKS",
    "EventAnnotation",
    "GroundTruth",
    "Instruction",
    "Interval",
    "Level",
    "Place",
    "Problem",
    "Source",
    "Task",
    "VideoAnnotation",
    "formats",
    "instructions",
    "load_annotations",
    "load_instructions",
    "resolve",
    "span_of",
    "ucf_crime",
    "write_annotations",
    "write_instructions",
    "xd_violence",
]
