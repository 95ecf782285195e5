"""From a name or folder to a folder that today's transformers can load, converting released weights once."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from holmesvau.ats.store import cache_root
from holmesvau.checkpoints import build, source
from holmesvau.checkpoints.convert import FORMAT, convert_internvl2
from holmesvau.vlm import folder as folders

log = logging.getLogger(__name__)

# Beside `snapshots` in the hub's cache of a model, so that deleting the model there deletes this too.
NATIVE = "holmesvau-native"
_SNAPSHOTS = "snapshots"


def resolve(name_or_path: str | Path, *, progress: build.Progress | None = None) -> Path:
    """A native checkpoint folder for a folder or a hub id such as `ppxin321/HolmesVAU-2B`.

    Native folders are returned as they are. Released InternVL2 weights are converted once: those of the hub
    into its cache, beside the download, those of a folder into `cache_root()/checkpoints`. Later calls find
    the result.

    Raises:
        ModelError: when there is no such folder and the hub cannot be reached, or the checkpoint is
            incomplete, damaged or of a kind that cannot be converted.
        OutputError: when the cache cannot be written.
    """
    found = folders.find(name_or_path)
    if folders.read_json(found / "config.json").get("model_type") != "internvl_chat":
        return found
    target = _place(found)
    if (target / build.RECORD_FILE).is_file():
        return target
    log.info("%s: converting released weights, once, into %s", name_or_path, target)
    return convert_internvl2(found, target, progress=progress)


def _place(found: Path) -> Path:
    if found.parent.name == _SNAPSHOTS:
        return found.parent.parent / NATIVE / f"{found.name}-{FORMAT}"
    weights = [path.name for path in sorted(found.glob("*.safetensors"))]
    small = [path.name for path in sorted(found.glob("*.json"))]
    others = [path.name for path in sorted(found.glob("*.model"))] + [
        p.name for p in found.glob("anomaly_scorer.*")
    ]
    content = source.fingerprint(found, [*weights, *small, *others])
    key = hashlib.sha256(f"{found.resolve()} {content} {FORMAT}".encode()).hexdigest()[:16]
    return cache_root() / "checkpoints" / f"{found.resolve().name}-{key}"
