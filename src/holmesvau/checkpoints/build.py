"""A folder made whole or not at all: built beside its place under another name, continued if interrupted."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from holmesvau import space
from holmesvau.checkpoints.tensors import Planned, write_file, write_index, write_json
from holmesvau.errors import ModelError, OutputError
from holmesvau.vlm.folder import WEIGHTS_FILE, read_json

log = logging.getLogger(__name__)

RECORD_FILE = "conversion.json"

# Called as work goes on: stage name, how much is done, how much there is.
Progress = Callable[[str, float, float | None], None]


def silent(stage: str, done: float, total: float | None) -> None:
    """A progress callback that does nothing."""


@contextmanager
def building(target: Path, made_from: str) -> Iterator[Path | None]:
    """The folder in which to build `target`, which takes its name when the block ends well.

    `made_from` says what it is made from: an interrupted build of the same is continued, any other begun
    anew. Gives None where `target` is already there, made from the same. One process builds at a time, others
    wait.

    Raises:
        OutputError: when something else has the name, or nothing can be written there.
    """
    target = target.resolve()
    folder = target.with_name(f".{target.name}.unfinished")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone_in(target.parent):
            if _is_made_from(target, made_from):
                yield None
                return
            if target.exists() and (not target.is_dir() or any(target.iterdir())):
                raise OutputError(
                    f"{target}: already exists and holds something else. Give a folder that does not."
                )
            if folder.exists() and not _is_made_from(folder, made_from):
                shutil.rmtree(folder)
            folder.mkdir(exist_ok=True)
            write_json(folder / RECORD_FILE, {"format": 1, "made_from": made_from})
            try:
                yield folder
            except ModelError:
                # What it is made from is at fault: continuing would not help.
                shutil.rmtree(folder)
                raise
            if target.exists():
                target.rmdir()
            folder.rename(target)
    except OSError as error:
        raise OutputError(
            f"{target}: cannot be written ({error.strerror or error}). Free space or give another folder."
        ) from error


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process builds in `folder`. It is locked itself: no lock file stays behind."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("%s: another process converts into it; waiting until it is done", folder)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _is_made_from(folder: Path, made_from: str) -> bool:
    record = folder / RECORD_FILE
    return record.is_file() and read_json(record).get("made_from") == made_from


def shard_names(count: int) -> list[str]:
    """The usual names of the files of a checkpoint with so many."""
    if count == 1:
        return [WEIGHTS_FILE]
    return [f"model-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1)]


def write_shards(
    folder: Path,
    shards: Sequence[Sequence[Planned]],
    progress: Progress,
    before: Callable[[int], None] = lambda number: None,
) -> None:
    """Write each group of tensors into a file of its own, and the index where there are several.

    Files that an earlier attempt finished are kept. `before(number)` is called before a file is written.

    Raises:
        OutputError: when there is no room, or one cannot be written; those before it stay for the next
            attempt.
    """
    names = shard_names(len(shards))
    lacking = [shard for name, shard in zip(names, shards, strict=True) if not (folder / name).is_file()]
    space.require_disk(folder, sum(tensor.num_bytes for shard in lacking for tensor in shard))
    total = sum(tensor.num_bytes for shard in shards for tensor in shard)
    done = 0

    def advance(num_bytes: int) -> None:
        nonlocal done
        done += num_bytes
        progress("convert", done, total)

    for number, (name, shard) in enumerate(zip(names, shards, strict=True)):
        if (folder / name).is_file():
            log.info("%s: kept from an earlier attempt", folder / name)
            advance(sum(tensor.num_bytes for tensor in shard))
            continue
        before(number)
        write_file(folder / name, shard, advance)
    if len(names) > 1:
        write_index(folder, dict(zip(names, shards, strict=True)))
