"""The prompts: files that a user can edit, each with a version, filled in with what is known.

    version: 1
    ---
    Say in one or two sentences what is seen … Write in {language}.

Which text a prompt made is kept by the prompt's digest, version and words (`Ledger`, table `prompts`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from holmesvau.errors import ConfigError
from holmesvau.hivau.files import read_text, write_text

# Each prompt and the places in it that must be there, and those that may.
NAMES: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "caption": (frozenset(), frozenset({"duration", "language", "label"})),
    "event": (frozenset({"captions", "label"}), frozenset({"duration", "language"})),
    "event-normal": (frozenset({"captions"}), frozenset({"duration", "language"})),
    "video": (frozenset({"events", "label"}), frozenset({"duration", "language"})),
    "video-normal": (frozenset({"events"}), frozenset({"duration", "language"})),
    "retry": (frozenset({"reason"}), frozenset()),
}
_PLACE = re.compile(r"\{([a-z_]+)\}")
_HEAD = re.compile(r"version:[ \t]*(?P<version>\S[^\n]*?)[ \t]*\n-{3,}[ \t]*\n", re.ASCII)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt file: `text` with places such as `{captions}`."""

    name: str
    version: str
    text: str

    @property
    def digest(self) -> str:
        """Names these very words."""
        return hashlib.blake2b(f"{self.name}\n{self.text}".encode(), digest_size=10).hexdigest()

    def filled(self, **values: str) -> str:
        """The text with its places filled; braces that are no place stay as they are."""
        return _PLACE.sub(lambda place: values.get(place[1], place[0]), self.text)


def load(folder: Path) -> dict[str, Prompt]:
    """The prompts of a project; the packaged one where a file is missing.

    Raises:
        ConfigError: when a file has no version, or lacks a place or has one that nothing fills.
    """
    return {name: _read(folder / f"{name}.md", name) for name in NAMES}


def copy_defaults(folder: Path) -> None:
    """Put the packaged prompts where none are yet."""
    for name in NAMES:
        if not (folder / f"{name}.md").exists():
            write_text(folder / f"{name}.md", _packaged(name))


def _packaged(name: str) -> str:
    return resources.files("holmesvau.engine").joinpath("prompts", f"{name}.md").read_text(encoding="utf-8")


def _read(path: Path, name: str) -> Prompt:
    text = read_text(path) if path.exists() else _packaged(name)
    head = _HEAD.match(text)
    if head is None:
        raise ConfigError(f"{path}: a prompt begins with a line `version: 1` and a line `---`.")
    body = text[head.end() :].strip()
    needed, possible = NAMES[name]
    found = set(_PLACE.findall(body))
    if missing := needed - found:
        raise ConfigError(
            f"{path}: the prompt must say where {', '.join(f'{{{m}}}' for m in sorted(missing))} go."
        )
    if unknown := found - needed - possible:
        known = ", ".join(f"{{{place}}}" for place in sorted(needed | possible))
        raise ConfigError(f"{path}: nothing fills {{{min(unknown)}}}; there are {known}.")
    return Prompt(name, head["version"], body)
