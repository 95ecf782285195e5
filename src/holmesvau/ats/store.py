"""The feature store: kept on disk by content, encoder and stride, so that none is done twice.

    ROOT/features/KEY/    one recording (`ats.records`)
    ROOT/locks/KEY        held by the process that is writing that recording
    ROOT/contents/        content hashes of files, good while path, size, time and inode stay the same

ROOT is `$HOLMESVAU_CACHE`, else `$XDG_CACHE_HOME/holmesvau`, else `~/.cache/holmesvau`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from holmesvau.ats import records
from holmesvau.ats.features import Features
from holmesvau.errors import OutputError, VideoError

log = logging.getLogger(__name__)


def cache_root() -> Path:
    """The folder of everything that can be computed again."""
    if own := os.environ.get("HOLMESVAU_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "holmesvau"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides the numbers of a scan: two scans of one recipe give the same features to the bit.

    `content` is the file's hash, `stride` which frames were taken, `reader` what decoded and scaled them,
    `fingerprint` the encoder's; `width` and `cells` are the shapes of its output.
    """

    content: str
    stride: str
    reader: str
    encoder: str
    fingerprint: str
    width: int
    cells: tuple[int, int, int]

    @cached_property
    def meta(self) -> dict[str, Any]:
        """What is written beside the records and must be found there again."""
        plain: dict[str, Any] = json.loads(json.dumps({"format": records.FORMAT, **asdict(self)}))
        return plain

    @cached_property
    def key(self) -> str:
        text = json.dumps(self.meta, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()

    @cached_property
    def dtype(self) -> np.dtype[np.void]:
        return records.record_type(self.width, self.cells)


def features_of(found: records.Records, recipe: Recipe) -> Features:
    """A complete recording as scorers see it; `pooled` and `cells` stay on the disk until they are sliced."""
    gaps = np.diff(found.seconds)
    stride = float(np.median(gaps)) if len(gaps) else 0.0
    data = found.data
    return Features(found.index, found.seconds, data["pooled"], data["cells"], stride, recipe.encoder)


@dataclass(frozen=True)
class StoreInfo:
    """Where the store is, how many recordings it holds, finished or not, and their bytes on disk."""

    root: Path
    recordings: int
    num_bytes: int


class FeatureStore:
    """The recordings under one root folder. Any number of processes may share it."""

    def __init__(self, root: str | Path | None = None) -> None:
        self.root = Path(root) if root is not None else cache_root()

    def content(self, path: str | Path) -> str:
        """The hash of all of a file's bytes; an unchanged file is not read again.

        Raises:
            VideoError: when the file cannot be read.
        """
        path = Path(path).resolve()
        try:
            before = path.stat()
            identity = [str(path), before.st_size, before.st_mtime_ns, before.st_ino, before.st_dev]
            note = self.root / "contents" / hashlib.blake2b(str(path).encode(), digest_size=20).hexdigest()
            known = _read_note(note)
            if known is not None and known[:-1] == identity:
                return str(known[-1])
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=20)).hexdigest()
        except OSError as error:
            raise VideoError(
                f"{path}: cannot be read ({error.strerror}). Check the file's permissions."
            ) from error
        _write_note(note, [*identity, digest])
        return digest

    def find(self, recipe: Recipe) -> records.Records | None:
        """The complete recording of this recipe, every byte checked; None when there is no whole one."""
        folder = self._folder(recipe.key)
        try:
            found = records.read(folder, recipe.meta, recipe.dtype)
            if found is not None:
                os.utime(folder / "meta.json")
        except OSError as error:
            log.warning("%s: the stored features cannot be read (%s); scanning again.", folder, error)
            return None
        return found

    def features(self, recipe: Recipe) -> Features | None:
        """What `find` finds, as scorers see it."""
        found = self.find(recipe)
        return None if found is None else features_of(found, recipe)

    @contextmanager
    def recorder(self, recipe: Recipe) -> Iterator[records.Recorder]:
        """Write, or go on writing, the recording of this recipe; held by one process at a time.

        Raises:
            BlockingIOError: when another process is writing it.
            OSError: when the store cannot be written.
        """
        with (
            self._locked(recipe.key),
            records.Recorder(self._folder(recipe.key), recipe.meta, recipe.dtype) as new,
        ):
            yield new

    def info(self) -> StoreInfo:
        """What is stored."""
        folders = self._folders()
        sizes = [sum(file.stat().st_size for file in folder.iterdir()) for folder in folders]
        return StoreInfo(self.root, len(folders), sum(sizes))

    def clear(self, unused_for_seconds: float = 0.0) -> int:
        """Remove recordings that nothing has read for so long, except those being written; returns how many.

        Raises:
            OutputError: when the store's folder cannot be changed.
        """
        removed = 0
        for folder in self._folders():
            meta = folder / "meta.json"
            if meta.exists() and time.time() - meta.stat().st_mtime < unused_for_seconds:
                continue
            try:
                with self._locked(folder.name):
                    shutil.rmtree(folder)
            except BlockingIOError:
                continue
            except OSError as error:
                raise OutputError(f"{folder}: cannot be removed ({error.strerror}).") from error
            removed += 1
        return removed

    def _folder(self, key: str) -> Path:
        return self.root / "features" / key

    def _folders(self) -> list[Path]:
        features = self.root / "features"
        return sorted(path for path in features.iterdir() if path.is_dir()) if features.is_dir() else []

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """The lock files stay: removing one while another process waits at it would give two owners."""
        path = self.root / "locks" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield


def _read_note(path: Path) -> list[Any] | None:
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return note if isinstance(note, list) and note else None


def _write_note(path: Path, note: list[Any]) -> None:
    """Keep a content hash for next time; a store that cannot be written only costs reading the file again."""
    partial = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(note), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        log.debug("%s: not kept (%s)", path, error)
