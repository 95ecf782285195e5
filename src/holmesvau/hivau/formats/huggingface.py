"""A Hugging Face `datasets` builder with the rows of each level. Needs `pip install holmesvau[datasets]`.

    rows = huggingface.load("HIVAU-70k", "event", split="train")

Levels clip, event and video give instruction rows: question, answer, and where to find the pictures (the
row's own path, and its video with start and end in seconds). `annotations` gives the trees as flat rows. All
comes from the files under a root folder; nothing is downloaded, no video is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Literal

from holmesvau.errors import InputError, MissingPartError
from holmesvau.hivau import layout
from holmesvau.hivau.annotations import load_annotations
from holmesvau.hivau.clips import span_of
from holmesvau.hivau.formats.rows import flatten
from holmesvau.hivau.instructions.rows import load_instructions
from holmesvau.hivau.schema import LEVELS, Instruction, VideoAnnotation

try:
    import datasets
except ImportError as error:
    raise MissingPartError(
        "The Hugging Face builder needs datasets, which is not installed: pip install holmesvau[datasets]"
    ) from error

Rows = Literal["clip", "event", "video", "annotations"]
_ANNOTATIONS: Rows = "annotations"
_VERSION = "1.0.0"


class HivauBuilder(datasets.GeneratorBasedBuilder):
    """`HivauBuilder(config_name="clip", data_dir=ROOT)`; the splits are those that file names tell."""

    VERSION = datasets.Version(_VERSION)
    BUILDER_CONFIGS: ClassVar[list[Any]] = [
        datasets.BuilderConfig(name=name, version=datasets.Version(_VERSION))
        for name in (*LEVELS, _ANNOTATIONS)
    ]

    def _info(self) -> Any:
        text, times = datasets.Value("string"), datasets.Value("float64")
        numbers = datasets.Value("int32")
        if self.config.name == _ANNOTATIONS:
            texts = dict.fromkeys(("caption", "summary", "judgement", "description", "analysis"), text)
            columns = {"video": text, "level": text, "event": numbers, "clip": numbers}
            columns |= {"start": times, "end": times, "labels": datasets.List(text)}
            columns |= {"n_frames": datasets.Value("int64"), "fps": times, **texts, "source": text}
        else:
            columns = {"id": text, "task": text, "path": text, "video": text, "start": times, "end": times}
            columns |= {"prompt": text, "answer": text}
        return datasets.DatasetInfo(features=datasets.Features(columns))

    def _split_generators(self, dl_manager: Any) -> list[Any]:
        files = _files(self.config.data_dir, self.config.name)
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"split": split, "paths": paths})
            for split, paths in sorted(files.items())
        ]

    def _generate_examples(self, split: str, paths: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        if self.config.name == _ANNOTATIONS:
            yield from enumerate(_trees(paths))
            return
        annotations: dict[str, VideoAnnotation] = {}
        for file in layout.annotation_files(self.config.data_dir):
            if file.split == split:
                annotations |= load_annotations(file.path, problems=[])
        rows = (row for path in paths for row in load_instructions(path, problems=[]))
        yield from enumerate(_example(row, annotations) for row in rows if row.level == self.config.name)


def load(
    root: str | Path, rows: Rows, *, split: str | None = None, cache_dir: str | Path | None = None
) -> Any:
    """The rows under a root folder as a `datasets.Dataset`, or a `DatasetDict` of all splits.

    They are prepared once and kept in the cache of `datasets` (or `cache_dir`) until a file changes.

    Raises:
        InputError: when the folder has no such rows or no such split, or a file cannot be used.
    """
    if rows not in (*LEVELS, _ANNOTATIONS):
        raise InputError(f"There are no rows called {rows!r}, but {', '.join((*LEVELS, _ANNOTATIONS))}.")
    files = _files(root, rows)
    if split is not None and split not in files:
        raise InputError(f"{root}: no split {split!r}; there are {', '.join(sorted(files))}.")
    builder = HivauBuilder(
        config_name=rows,
        data_dir=str(Path(root).resolve()),
        cache_dir=None if cache_dir is None else str(cache_dir),
        hash=_state(root),
    )
    try:
        builder.download_and_prepare()
    except datasets.exceptions.DatasetGenerationError as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from error
        raise
    return builder.as_dataset(split)


def _files(root: str | Path, rows: str) -> dict[str, list[str]]:
    """Split -> files, of annotations or of instructions.

    Raises:
        InputError: when there are none.
    """
    found: dict[str, list[str]] = {}
    if rows == _ANNOTATIONS:
        for file in layout.annotation_files(root):
            found.setdefault(file.split, []).append(str(file.path))
    else:
        for path in layout.instruction_files(root):
            found.setdefault(path.stem.split("_")[2], []).append(str(path))
    if not found:
        raise InputError(
            f"{root}: no files for {rows} rows. A root holds raw_annotations/NAME_database_SPLIT.json and "
            "instruction/merge_instruction_SPLIT_final.jsonl."
        )
    return found


def _state(root: str | Path) -> str:
    """A digest of all files that rows come from: another one, another cache."""
    digest = hashlib.blake2b(_VERSION.encode(), digest_size=16)
    for path in (*(file.path for file in layout.annotation_files(root)), *layout.instruction_files(root)):
        digest.update(path.name.encode() + b"\0" + hashlib.blake2b(path.read_bytes()).digest())
    return digest.hexdigest()


def _trees(paths: Iterable[str]) -> Iterator[dict[str, Any]]:
    for path in paths:
        source = layout.annotation_file(path).dataset
        for row in flatten(load_annotations(path, problems=[])):
            yield {**asdict(row), "labels": list(row.labels), "source": source}


def _example(row: Instruction, annotations: dict[str, VideoAnnotation]) -> dict[str, Any]:
    """One row; start and end are None for a whole video, and where the annotations do not have the part."""
    video, start, end = row.video, None, None
    try:
        place = layout.parse(row.video)
        video = place.whole().path
        span = span_of(place, annotations)
    except InputError:
        span = None
    if span is not None:
        start, end = span
    texts = {"prompt": row.prompt, "answer": row.answer}
    return {"id": str(row.id), "task": row.task, "path": row.video, "video": video} | {
        "start": start,
        "end": end,
        **texts,
    }
