"""A file of fixed-size feature records that survives interruption: what cannot be proven whole is not read.

A recording is a folder. `records` holds one record a dense frame, appended in chunks; `journal` holds, for
each chunk, its number of records and a CRC-32 chained to everything before it, so that a chunk is valid
only in its place in its own recording; `meta.json` says what the records are of; `complete.json` appears
when the last frame is in. A chunk is on the disk before its journal entry is: a crash can only lose the
chunk being written.

Shape legend: `T` dense frames, `B` frames in a batch, `D` width of the class token, `h w c` grid of cells and
width of a signature.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import time
import zlib
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from holmesvau.ats.features import Encoded
from holmesvau.types import FloatArray, IndexArray

FORMAT = 1
CHUNK_RECORDS = 256
CHUNK_SECONDS = 5.0

_MAGIC = b"HVFEAT" + struct.pack("<H", FORMAT)
_ENTRY = struct.Struct("<QI")  # records in the chunk, chained CRC-32 of their bytes
_CHECK = struct.Struct("<I")  # chained CRC-32 of the entries
_ENTRY_BYTES = _ENTRY.size + _CHECK.size


def record_type(width: int, cells: tuple[int, int, int]) -> np.dtype[np.void]:
    """One record: frame number, seconds, class token `[D]`, signatures `[h, w, c]`; little-endian, packed."""
    return np.dtype(
        [("index", "<i8"), ("seconds", "<f8"), ("pooled", "<f2", (width,)), ("cells", "<f2", cells)]
    )


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """A complete recording: `data[T]` memory-mapped, its times in memory, and what was noted of it."""

    data: npt.NDArray[np.void]
    index: IndexArray
    seconds: FloatArray
    notes: Mapping[str, Any]


class _Chunk(NamedTuple):
    frames: IndexArray
    seconds: FloatArray
    data_crc: int
    entry_crc: int


def read(folder: Path, meta: Mapping[str, Any], dtype: np.dtype[np.void]) -> Records | None:
    """The complete recording in `folder`, or None unless every byte of it checks out against `meta`."""
    try:
        complete = _read_sealed(folder / "complete.json")
        if complete is None or _read_sealed(folder / "meta.json") != dict(meta):
            return None
        with (folder / "records").open("rb") as records, (folder / "journal").open("rb") as journal:
            chunks = list(_whole_chunks(records, journal, dtype, _seed(meta)))
            total = sum(len(chunk.frames) for chunk in chunks)
            last = chunks[-1].entry_crc if chunks else _seed(meta)
            size = os.fstat(records.fileno()).st_size
            if (total, last, total * dtype.itemsize) != (complete["records"], complete["check"], size):
                return None
            data = np.memmap(records, dtype, "r", shape=(total,)) if total else np.zeros(0, dtype)
    except (FileNotFoundError, NotADirectoryError):
        return None
    index = np.concatenate([chunk.frames for chunk in chunks]) if chunks else np.zeros(0, np.int64)
    seconds = np.concatenate([chunk.seconds for chunk in chunks]) if chunks else np.zeros(0)
    return Records(data, index, seconds, complete["notes"])


class Recorder:
    """Appends records to a recording, after the whole chunks that an earlier, interrupted one left behind.

    The caller makes sure that no one else writes to `folder`. Everything may raise OSError (full disk, no
    permission). Leaving the `with` block by an error, Ctrl-C included, keeps the records that were appended.
    `index` and `seconds` hold the times of all records so far, `resumed_from` how many of them were found.
    """

    def __init__(self, folder: Path, meta: Mapping[str, Any], dtype: np.dtype[np.void]) -> None:
        self.folder, self._meta, self._dtype = folder, dict(meta), dtype
        # Someone may have mapped a finished recording: it is never cut or written to, only replaced.
        if (folder / "complete.json").exists() or _read_sealed(folder / "meta.json") != self._meta:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "meta.json").exists():
            _write_sealed(folder / "meta.json", self._meta)
        self._records = _open_for_update(folder / "records")
        self._journal = _open_for_update(folder / "journal")
        self.index, self.seconds = array("q"), array("d")
        self._data_crc = self._entry_crc = _seed(meta)
        self._chunks = 0
        self._written = 0
        self._pending: list[bytes] = []
        self._last_write = time.monotonic()
        try:
            self._resume()
        except BaseException:
            self._close()
            raise
        self.resumed_from = self._written

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.flush()
        except OSError:
            # What went wrong first is what the caller must hear of.
            if error is None:
                raise
        finally:
            self._close()

    def append(self, index: IndexArray, seconds: FloatArray, encoded: Encoded) -> None:
        """Add `B` frames; they reach the disk with the next chunk, at the latest after `CHUNK_SECONDS`."""
        batch = np.empty(len(index), self._dtype)
        batch["index"], batch["seconds"] = index, seconds
        batch["pooled"], batch["cells"] = encoded.pooled, encoded.cells
        self.index.extend(index.tolist())
        self.seconds.extend(seconds.tolist())
        self._pending.append(batch.tobytes())
        waited = time.monotonic() - self._last_write
        if len(self.index) - self._written >= CHUNK_RECORDS or waited >= CHUNK_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what is pending as one chunk: the records, then the journal entry that makes them count."""
        data = b"".join(self._pending)
        count = len(data) // self._dtype.itemsize
        if not count:
            return
        _write_durably(self._records, data, self._written * self._dtype.itemsize)
        data_crc = zlib.crc32(data, self._data_crc)
        entry = _ENTRY.pack(count, data_crc)
        entry_crc = zlib.crc32(entry, self._entry_crc)
        _write_durably(
            self._journal, entry + _CHECK.pack(entry_crc), len(_MAGIC) + self._chunks * _ENTRY_BYTES
        )
        self._pending = []
        self._written += count
        self._chunks += 1
        self._data_crc, self._entry_crc = data_crc, entry_crc
        self._last_write = time.monotonic()

    def finish(self, notes: Mapping[str, Any]) -> None:
        """Declare the recording complete, with JSON-able `notes` kept beside it."""
        self.flush()
        complete = {"records": self._written, "check": self._entry_crc, "notes": dict(notes)}
        _write_sealed(self.folder / "complete.json", complete)

    def continue_in(self, folder: Path) -> Recorder:
        """A recorder in another, empty folder that holds all that this one has, pending records included."""
        other, size = Recorder(folder, self._meta, self._dtype), self._dtype.itemsize
        try:
            for start in range(0, self._written, CHUNK_RECORDS):
                count = min(CHUNK_RECORDS, self._written - start)
                other._pending = [os.pread(self._records.fileno(), count * size, start * size)]
                other.flush()
        except BaseException:
            other._close()
            raise
        other.index, other.seconds, other.resumed_from = self.index, self.seconds, self.resumed_from
        other._pending, self._pending = self._pending, []
        return other

    def _close(self) -> None:
        self._records.close()
        self._journal.close()

    def _resume(self) -> None:
        for chunk in _whole_chunks(self._records, self._journal, self._dtype, _seed(self._meta)):
            self.index.extend(chunk.frames.tolist())
            self.seconds.extend(chunk.seconds.tolist())
            self._data_crc, self._entry_crc = chunk.data_crc, chunk.entry_crc
            self._chunks += 1
        self._written = len(self.index)
        self._records.truncate(self._written * self._dtype.itemsize)
        self._journal.truncate(len(_MAGIC) + self._chunks * _ENTRY_BYTES)
        _write_durably(self._journal, _MAGIC, 0)


def _whole_chunks(
    records: BinaryIO, journal: BinaryIO, dtype: np.dtype[np.void], seed: int
) -> Iterator[_Chunk]:
    """The whole chunks, up to the first that is not; one is in memory at a time."""
    records.seek(0)
    journal.seek(0)
    if journal.read(len(_MAGIC)) != _MAGIC:
        return
    left = os.fstat(records.fileno()).st_size
    data_crc = entry_crc = seed
    while len(entry := journal.read(_ENTRY_BYTES)) == _ENTRY_BYTES:
        count, expected_crc = _ENTRY.unpack(entry[: _ENTRY.size])
        entry_crc = zlib.crc32(entry[: _ENTRY.size], entry_crc)
        left -= count * dtype.itemsize
        if _CHECK.pack(entry_crc) != entry[_ENTRY.size :] or left < 0:
            return
        data = records.read(count * dtype.itemsize)
        data_crc = zlib.crc32(data, data_crc)
        if data_crc != expected_crc:
            return
        rows = np.frombuffer(data, dtype)
        yield _Chunk(rows["index"].copy(), rows["seconds"].copy(), data_crc, entry_crc)


def _seed(meta: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(dict(meta), sort_keys=True).encode())


def _write_sealed(path: Path, value: Mapping[str, Any]) -> None:
    """JSON and its checksum, in place all at once or not at all."""
    text = json.dumps(dict(value), sort_keys=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        with partial.open("wb", buffering=0) as file:
            _write_durably(file, f"{text}\n{_checksum(text)}\n".encode(), 0)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read_sealed(path: Path) -> dict[str, Any] | None:
    """What `_write_sealed` wrote; None where there is no such file, or it is not whole."""
    try:
        text, checksum, end = path.read_text(encoding="utf-8").split("\n")
        whole = checksum == _checksum(text) and not end
        value: dict[str, Any] | None = json.loads(text) if whole else None
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return value


def _checksum(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _open_for_update(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b", buffering=0)


def _write_durably(file: BinaryIO, data: bytes, offset: int) -> None:
    """Write at a given place: a write repeated after an interruption lands where the first one did."""
    view = memoryview(data)
    while view:
        written = os.pwrite(file.fileno(), view, offset)
        view, offset = view[written:], offset + written
    os.fsync(file.fileno())
