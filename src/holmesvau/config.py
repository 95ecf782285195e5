"""TOML, JSON and `--set a.b=c`  <->  frozen dataclasses that live beside the component they configure.

A configuration is a keyword-only frozen dataclass whose fields have defaults; nested dataclasses make
tables. Unknown keys are an error that names the nearest known one. Values are checked by pydantic, at
this border only.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import tomllib
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from holmesvau.errors import ConfigError, InputError

C = TypeVar("C")


def load(cls: type[C], path: str | Path | None = None, overrides: Iterable[str] = ()) -> C:
    """Read a `.toml` or `.json` file into `cls`, then apply overrides such as `"sampler.tau=0.2"`.

    Raises:
        ConfigError: when the file cannot be read or parsed, a key is unknown, or a value has the wrong type.
    """
    data = overlaid({} if path is None else read_mapping(path), overrides)
    return from_dict(cls, data, where=str(path) if path is not None else "configuration")


def overlaid(data: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """A copy of a table with overrides such as `"sampler.tau=0.2"` applied.

    Raises:
        ConfigError: when an override is not of that form.
    """
    copy: dict[str, Any] = deepcopy(dict(data))
    for override in overrides:
        _set(copy, override)
    return copy


def read_mapping(path: str | Path) -> dict[str, Any]:
    """The parsed table of a `.toml` or `.json` file."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the configuration cannot be read ({error}).") from error
    try:
        data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"{path}: not valid {path.suffix.lstrip('.').upper() or 'TOML'} ({error})."
        ) from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: the top level must be a table of keys, not {type(data).__name__}.")
    return data


def from_dict(cls: type[C], data: Mapping[str, Any], where: str = "configuration") -> C:
    """Build the dataclass `cls` from nested mappings; see `load` for what is refused."""
    from pydantic import TypeAdapter, ValidationError

    _refuse_unknown(cls, data, where, prefix="")
    try:
        return TypeAdapter(cls).validate_python(dict(data))
    except ValidationError as error:
        first = error.errors()[0]
        if isinstance(refused := first.get("ctx", {}).get("error"), InputError):
            # A configuration's own check, which names the key and the value itself.
            raise ConfigError(f"{where}: {refused}") from error
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{where}: {key} = {first['input']!r}: {first['msg']}.") from error


def to_dict(config: Any) -> dict[str, Any]:
    """The resolved configuration as plain JSON-able values, written into every report and run folder."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config), default=str))
    return plain


def _refuse_unknown(cls: Any, data: Mapping[str, Any], where: str, prefix: str) -> None:
    hints = get_type_hints(cls)
    known = [f.name for f in dataclasses.fields(cls) if f.init]
    for key, value in data.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"known keys: {', '.join(known)}."
            raise ConfigError(f"{where}: unknown key {prefix}{key}; {hint}")
        if isinstance(value, Mapping) and dataclasses.is_dataclass(hints[key]):
            _refuse_unknown(hints[key], value, where, prefix=f"{prefix}{key}.")
        elif isinstance(value, list) and dataclasses.is_dataclass(element := _element(hints[key])):
            for table in value:
                if isinstance(table, Mapping):
                    _refuse_unknown(element, table, where, prefix=f"{prefix}{key}.")


def _element(hint: Any) -> Any:
    """What a `tuple[X, ...]` holds; None for any other type."""
    arguments = get_args(hint)
    return arguments[0] if get_origin(hint) is tuple and arguments[1:] == (Ellipsis,) else None


def _set(data: dict[str, Any], override: str) -> None:
    """Apply one `a.b=value`; the value is read as TOML and, where that fails, as plain text."""
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {override}: write it as key=value, for example sampler.tau=0.2.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *tables, last = key.strip().split(".")
    for table in tables:
        data = data.setdefault(table, {})
        if not isinstance(data, dict):
            raise ConfigError(f"--set {override}: {table} is a value, not a table.")
    data[last] = value
