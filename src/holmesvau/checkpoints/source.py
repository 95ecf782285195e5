"""Files of a checkpoint as downloaded: told apart, and held against their published hashes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from holmesvau.errors import ModelError

SUMS_FILE = "SHA256SUMS"
_SHA256 = re.compile(r"[0-9a-f]{64}")


def fingerprint(folder: Path, files: Iterable[str]) -> str:
    """What the result of a conversion depends on: content of small files, size and time of large ones."""
    facts: dict[str, Any] = {}
    for name in sorted(files):
        path = folder / name
        if not path.is_file():
            continue
        stat = path.stat()
        small = stat.st_size < 1 << 24
        facts[name] = sha256(path) if small else [stat.st_size, stat.st_mtime_ns]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def check_hash(path: Path) -> None:
    """Compare a file with the hash it was published under, where the download left one: the name of its blob
    in the hub's cache, the hub's note beside a local folder, or a line of `SHA256SUMS`.

    Raises:
        ModelError: when they differ.
    """
    expected = published_hash(path)
    if expected is not None and (found := sha256(path)) != expected:
        raise ModelError(
            f"{path}: its SHA-256 is {found[:12]}… and was published as {expected[:12]}…, so it is damaged "
            "or not the "
            f"file it should be. Download it again."
        )


def published_hash(path: Path) -> str | None:
    """The SHA-256 that the file should have, or None where the download left no trace of it."""
    blob = path.resolve()
    if blob.parent.name == "blobs" and _SHA256.fullmatch(blob.name):
        return blob.name
    note = path.parent / ".cache" / "huggingface" / "download" / f"{path.name}.metadata"
    if note.is_file():
        lines = note.read_text(encoding="utf-8", errors="replace").splitlines()
        # The lines are commit, hash, time; small files carry a git hash instead.
        if len(lines) > 1 and _SHA256.fullmatch(lines[1].strip()):
            return lines[1].strip()
    sums = path.parent / SUMS_FILE
    if sums.is_file():
        for line in sums.read_text(encoding="utf-8", errors="replace").splitlines():
            digest, _, name = line.partition(" ")
            if name.strip().lstrip("*") == path.name and _SHA256.fullmatch(digest.lower()):
                return digest.lower()
    return None


def sha256(path: Path) -> str:
    """The hash of a whole file, in hexadecimal."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}).") from error
