"""Weights as byte ranges: safetensors files read and written a few megabytes at a time.

Converting a checkpoint renames tensors and regroups their rows; no number changes. So it copies bytes,
whatever the precision, and its memory does not grow with the model.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from holmesvau.errors import ModelError, OutputError
from holmesvau.vlm.folder import WEIGHTS_FILE, WEIGHTS_INDEX, read_json

ITEM_BYTES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
# The precisions that weights come in; anything else is quantised and has no native form.
FLOATS = ("F32", "F16", "BF16")
CHUNK = 8 << 20
# As safetensors itself: a longer header is not one.
LONGEST_HEADER = 100_000_000

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor of a file: `num_bytes` from `offset` on, row-major."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    path: Path
    offset: int
    num_bytes: int

    def chunks(self, ranges: Sequence[tuple[int, int]] | None = None) -> Iterator[bytes]:
        """Its bytes, or those of `ranges` (start and length within the tensor), `CHUNK` at a time.

        Raises:
            ModelError: when the file ends before they do, or cannot be read.
        """
        try:
            yield from self._read(ranges)
        except OSError as error:
            raise ModelError(f"{self.path}: the weights cannot be read ({error.strerror}).") from error

    def _read(self, ranges: Sequence[tuple[int, int]] | None) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            for start, length in ranges if ranges is not None else [(0, self.num_bytes)]:
                file.seek(self.offset + start)
                left = length
                while left:
                    piece = file.read(min(left, CHUNK))
                    if not piece:
                        raise ModelError(damaged(self.path))
                    left -= len(piece)
                    yield piece

    def rows(self, first: int = 0, count: int | None = None) -> Bytes:
        """The bytes of `count` of its rows, from `first` on."""
        size = self.num_bytes // self.shape[0]
        count = self.shape[0] - first if count is None else count
        try:
            found = np.fromfile(self.path, np.uint8, count * size, offset=self.offset + first * size)
        except OSError as error:
            raise ModelError(f"{self.path}: the weights cannot be read ({error.strerror}).") from error
        if len(found) != count * size:
            raise ModelError(damaged(self.path))
        return found


@dataclass(frozen=True, slots=True)
class Planned:
    """One tensor of a file that is yet to be written; `chunks()` gives its bytes in order."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    chunks: Callable[[], Iterable[bytes | memoryview]]

    @property
    def num_bytes(self) -> int:
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]


def held(name: str, values: npt.NDArray[np.float32]) -> Planned:
    """A tensor that is in memory."""
    return Planned(name, "F32", values.shape, lambda: [np.ascontiguousarray(values).tobytes()])


def read_file(path: Path) -> list[Stored]:
    """The tensors of a safetensors file, after checking that the file is whole.

    Raises:
        ModelError: when it is missing, cut short, or its header and its length do not agree.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header_bytes = int.from_bytes(file.read(8), "little")
            if not 2 <= header_bytes <= min(size - 8, LONGEST_HEADER):
                raise ModelError(damaged(path))
            header: dict[str, Any] = json.loads(file.read(header_bytes))
        header.pop("__metadata__", None)
        found = [_stored(path, 8 + header_bytes, name, entry) for name, entry in header.items()]
    except OSError as error:
        raise ModelError(f"{path}: the weights cannot be read ({error.strerror}).") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(damaged(path)) from error
    end = 8 + header_bytes
    for tensor in sorted(found, key=lambda tensor: tensor.offset):
        if tensor.offset != end or tensor.num_bytes != math.prod(tensor.shape) * ITEM_BYTES[tensor.dtype]:
            raise ModelError(damaged(path))
        end += tensor.num_bytes
    if end != size:
        raise ModelError(damaged(path))
    return found


def _stored(path: Path, data: int, name: str, entry: dict[str, Any]) -> Stored:
    start, end = entry["data_offsets"]
    dtype = entry["dtype"]
    if dtype not in ITEM_BYTES:
        raise ModelError(
            f"{path}: {name} is stored as {dtype}, which is quantised. Give the unquantised weights."
        )
    return Stored(name, dtype, tuple(entry["shape"]), path, data + start, end - start)


def damaged(path: Path) -> str:
    """The sentence about a file that is not what its header promises."""
    return f"{path}: the weights are damaged or cut short. Copy or download this file again."


def read_folder(folder: Path) -> dict[str, Stored]:
    """All tensors of a checkpoint folder: one file, or shards that its index lists.

    Raises:
        ModelError: naming the shard that is missing or damaged, or what the index says otherwise than the
            shards.
    """
    index = folder / WEIGHTS_INDEX
    if not index.is_file():
        if not (folder / WEIGHTS_FILE).is_file():
            raise ModelError(
                f"{folder}: no weights found ({WEIGHTS_FILE}, or {WEIGHTS_INDEX} with its shards, is needed)."
            )
        return {tensor.name: tensor for tensor in read_file(folder / WEIGHTS_FILE)}
    data = read_json(index)
    names = data.get("weight_map")
    if not isinstance(names, dict) or not names:
        raise ModelError(f"{index}: has no weight_map. Copy or download it again.")
    shards = sorted(set(map(str, names.values())))
    missing = [shard for shard in shards if not (folder / shard).is_file()]
    if missing:
        raise ModelError(
            f"{folder}: {len(missing)} of {len(shards)} weight files are missing ({', '.join(missing)}). "
            f"Download the checkpoint again."
        )
    found = {tensor.name: tensor for shard in shards for tensor in read_file(folder / shard)}
    for name, shard in names.items():
        if name not in found or found[name].path != folder / str(shard):
            raise ModelError(
                f"{folder}: {index.name} says that {shard} holds {name}, but it does not. {_AGAIN}"
            )
    total = (data.get("metadata") or {}).get("total_size")
    bytes_found = sum(tensor.num_bytes for tensor in found.values())
    if total is not None and total != bytes_found:
        raise ModelError(
            f"{folder}: the weights are {bytes_found} bytes, but {index.name} says {total}. {_AGAIN}"
        )
    return found


_AGAIN = "The files are not of one download: download the checkpoint again."


def write_file(
    path: Path, tensors: Sequence[Planned], advance: Callable[[int], None] = lambda _: None
) -> None:
    """Write a safetensors file; it takes its name only when it is whole and on the disk.

    `advance` is called with the number of bytes that were just written.

    Raises:
        OutputError: when it cannot be written.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    # Wide items first, so that every tensor begins at a multiple of its item's size.
    ordered = sorted(tensors, key=lambda tensor: (-ITEM_BYTES[tensor.dtype], tensor.name))
    end = 0
    for tensor in ordered:
        start, end = end, end + tensor.num_bytes
        header[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        with unfinished.open("wb") as file:
            file.write(len(head).to_bytes(8, "little") + head)
            for tensor in ordered:
                for chunk in tensor.chunks():
                    file.write(chunk)
                    advance(len(chunk))
            file.flush()
            assert file.tell() == 8 + len(head) + end, (
                f"{path.name}: a tensor has another length than planned"
            )
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path}: the weights cannot be written ({error.strerror}). Free space or give another folder."
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


def write_index(folder: Path, shards: dict[str, Sequence[Planned]]) -> None:
    """`model.safetensors.index.json` of a folder with these shards.

    Raises:
        OutputError: when it cannot be written.
    """
    index = {
        "metadata": {
            "total_size": sum(tensor.num_bytes for tensors in shards.values() for tensor in tensors)
        },
        "weight_map": {tensor.name: shard for shard, tensors in sorted(shards.items()) for tensor in tensors},
    }
    write_json(folder / WEIGHTS_INDEX, index)


def write_json(path: Path, data: Any) -> None:
    """A JSON file, indented; it takes its name only when it is whole.

    Raises:
        OutputError: when it cannot be written.
    """
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        unfinished.write_text(json.dumps(data, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise OutputError(
            f"{path}: cannot be written ({error.strerror}). Free space or give another folder."
        ) from error
