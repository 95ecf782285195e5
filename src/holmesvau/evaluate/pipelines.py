"""A pipeline by its options: built again in other processes, and known again by a fingerprint.

Results that cost minutes are kept under the fingerprint of what made them: the options, the weights, the data
and the code itself. Whatever changes any of it makes a new result instead of an old one.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import holmesvau
from holmesvau import config as configuration
from holmesvau.holmes import HolmesConfig

if TYPE_CHECKING:
    from holmesvau.holmes import Holmes

# Rooms that decide how a report looks on paper or what becomes of it, not what is found.
_AFTERWARDS = ("cli", "evaluate", "hivau", "report", "sim", "train")
_END_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class PipelineOptions:
    """What `Holmes.from_pretrained` is called with; it travels to other processes."""

    model: str = "tiny"
    encoder: str | None = None
    scorer: str | None = None
    adapter: str | None = None
    device: str | None = None
    dtype: str | None = None
    config: HolmesConfig = field(default_factory=HolmesConfig)

    def load(self) -> Holmes:
        """The pipeline; raises as `Holmes.from_pretrained`."""
        from holmesvau.holmes import Holmes

        return Holmes.from_pretrained(
            self.model,
            encoder=self.encoder,
            scorer=self.scorer,
            adapter=self.adapter,
            device=self.device,
            dtype=self.dtype,
            config=self.config,
        )

    def fingerprint(self) -> str:
        """32 hexadecimal digits that change with an option, with the weights, or with the code."""
        from holmesvau.vlm import tiny

        kind, _, rest = self.model.partition(":")
        folder = (
            str(tiny.WEIGHTS) if self.model == "tiny" else rest if rest and kind != "endpoint" else self.model
        )
        weights = [content(Path(part)) for part in (folder, self.scorer, self.adapter) if part]
        return digest({**configuration.to_dict(self), "weights": weights, "code": _code()})


def digest(value: Any) -> str:
    """32 hexadecimal digits of a JSON-able value."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def content(path: Path) -> str:
    """A fingerprint of a file, or of all files in a folder: names, sizes, first and last MiB of each.

    Empty for what is not there: a name of the hub, an address.
    """
    if not path.exists():
        return ""
    files = sorted(part for part in path.rglob("*") if part.is_file()) if path.is_dir() else [path]
    told = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        told.update(f"{file.relative_to(path) if path.is_dir() else ''} {size}\n".encode())
        with file.open("rb") as stream:
            told.update(stream.read(_END_BYTES))
            if size > 2 * _END_BYTES:
                stream.seek(-_END_BYTES, 2)
            told.update(stream.read(_END_BYTES))
    return told.hexdigest()[:32]


@cache
def _code() -> str:
    """A fingerprint of the code that turns a video into a report."""
    root = Path(holmesvau.__file__).parent
    told = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        place = file.relative_to(root)
        if place.parts[0] not in _AFTERWARDS:
            told.update(f"{place}\n".encode() + file.read_bytes())
    return told.hexdigest()[:32]
