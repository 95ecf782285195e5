"""Reading and writing one text file of the dataset, whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from holmesvau.errors import InputError, OutputError

_DECODER = json.JSONDecoder()
_SPACE = " \t\n\r"


def read_text(path: str | Path) -> str:
    """The text of a UTF-8 file, without a byte order mark and with its line ends as they are.

    Raises:
        InputError: when the file cannot be read or is not UTF-8.
    """
    path = Path(path)
    try:
        return path.read_bytes().decode("utf-8-sig")
    except IsADirectoryError as error:
        raise InputError(f"{path}: a folder, not a file. Give one of the files in it.") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start}). Give a file of JSON.") from error


def write_text(path: str | Path, text: str) -> Path:
    """`write_bytes` of UTF-8 text.

    Raises:
        OutputError: when it cannot be written; nothing half-written is left.
    """
    try:
        return write_bytes(path, text.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise OutputError(f"{path}: character {error.start} of the text is half a surrogate pair.") from error


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write beside its place, then rename: what was there stays until the new file is complete.

    Raises:
        OutputError: when it cannot be written; nothing half-written is left.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}).") from error
    return path


def members(text: str, path: str | Path) -> Iterator[tuple[int, str, Any]]:
    """The members of the JSON object that is a whole file: `(line, key, value)`, repeated keys and all.

    Raises:
        InputError: when the text is not one JSON object; the message has the line and column.
    """
    position, line, counted = _skip(text, 0), 1, 0
    if text[position : position + 1] != "{":
        raise InputError(
            f"{path}: not an object of videos. A file of annotations begins with {{ and a video's name."
        )
    position, separator = _skip(text, position + 1), "{"
    while text[position : position + 1] != "}":
        if separator == ",":
            position = _expect(text, position, ",", path)
        line, counted = line + text.count("\n", counted, position), position
        if text[position : position + 1] != '"':
            raise _not_json(
                json.JSONDecodeError("Expecting property name in double quotes", text, position), path
            )
        key, position = _value(text, position, path)
        position = _expect(text, _skip(text, position), ":", path)
        value, position = _value(text, position, path)
        yield line, key, value
        position, separator = _skip(text, position), ","
    if _skip(text, position + 1) != len(text):
        raise _not_json(json.JSONDecodeError("Extra data", text, _skip(text, position + 1)), path)


def _value(text: str, position: int, path: str | Path) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, position)
    except json.JSONDecodeError as error:
        raise _not_json(error, path) from error
    except RecursionError as error:
        raise InputError(f"{path}: lists within lists without end. Give a file of annotations.") from error


def _expect(text: str, position: int, character: str, path: str | Path) -> int:
    if text[position : position + 1] != character:
        raise _not_json(json.JSONDecodeError(f"Expecting {character!r}", text, position), path)
    return _skip(text, position + 1)


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in _SPACE:
        position += 1
    return position


def _not_json(error: json.JSONDecodeError, path: str | Path) -> InputError:
    return InputError(f"{path}:{error.lineno}: not JSON from column {error.colno} on ({error.msg}).")
