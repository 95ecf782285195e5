"""HolmesVAU-2B and InternVL2 as released -> a folder that transformers loads without remote code."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from holmesvau import space
from holmesvau.checkpoints import build, internvl2, scorer, source
from holmesvau.checkpoints import verify as verification
from holmesvau.checkpoints.internvl2 import Geometry
from holmesvau.checkpoints.tensors import Stored, read_folder, write_json
from holmesvau.checkpoints.tokenizer import ADDED_FILE, CONFIG_FILE, MODEL_FILE, ReleasedTokenizer
from holmesvau.errors import ModelError
from holmesvau.vlm import prompts
from holmesvau.vlm.folder import SETTINGS_FILE, WEIGHTS_INDEX, read_json
from holmesvau.vlm.preprocess import IMAGENET_MEAN, IMAGENET_STD

log = logging.getLogger(__name__)

# Raised whenever the same source would give other files.
FORMAT = 1
DTYPE_NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
BICUBIC = 3


def convert_internvl2(
    source_dir: str | Path,
    target_dir: str | Path,
    *,
    scorer_file: str | Path | None = None,
    verify: bool = True,
    progress: build.Progress | None = None,
) -> Path:
    """Convert HolmesVAU-2B, or an InternVL2 with an InternLM2 language model, to transformers' native
    classes.

    No remote code runs and no number changes: bytes are copied, a few megabytes at a time. The target holds
    config, weights, fast tokenizer, generation config, chat template and preprocessor file, and is loadable
    by `InternVLForConditionalGeneration.from_pretrained`; an anomaly scorer beside the source comes along. It
    takes its name only when it is whole; an interrupted conversion continues with the shard it was at, and a
    finished one is returned as it is.

    Args:
        source_dir: folder with `config.json`, `model.safetensors` (or shards and their index),
            `tokenizer.model` and `added_tokens.json`.
        target_dir: folder to make; it must not hold anything else.
        scorer_file: the released anomaly scorer (`.pth`), where it does not lie in `source_dir`.
        verify: hold the result against the plain formulas on a random forward (`checkpoints.verify`).
        progress: called with stage (`convert` in bytes, `verify` in passes), done and total.

    Returns:
        `target_dir`.

    Raises:
        ModelError: when the source is incomplete or damaged, cannot be converted exactly, or needs more
            memory than there is to be verified.
        OutputError: when the target exists, or cannot be written.
    """
    released, target = Path(source_dir), Path(target_dir)
    report = progress or build.silent
    config = read_json(released / "config.json")
    sizes = internvl2.geometry(released / "config.json", config)
    tokenizer = ReleasedTokenizer(released)
    words = tokenizer.ids()
    if len(words) > sizes.words:
        raise ModelError(
            f"{released}: the tokenizer has {len(words)} tokens and the model only {sizes.words} words. "
            f"Give the tokenizer that belongs to the model."
        )
    stored = read_folder(released)
    plan = internvl2.plan(released, sizes, stored)
    weights = scorer.find(released) if scorer_file is None else Path(scorer_file)
    with build.building(target, _made_from(released, stored, weights)) as folder:
        if folder is None:
            log.info("%s: already converted", target)
            return target
        if verify:
            space.require_memory(
                verification.memory_needed(sizes),
                "Verifying the converted checkpoint",
                "Close other programs, or do it on a larger machine and copy the folder.",
            )
        shards = sorted(plan)
        build.write_shards(
            folder,
            [plan[shard] for shard in shards],
            report,
            before=lambda number: source.check_hash(shards[number]),
        )
        dtype = DTYPE_NAMES[stored["language_model.output.weight"].dtype]
        image_token = words[prompts.IMAGE_TOKEN]
        write_json(
            folder / "config.json",
            internvl2.native_config(released / "config.json", config, image_token, dtype),
        )
        tokenizer.save(folder)
        _write_small_files(folder, released, sizes, words)
        if weights is not None:
            scorer.convert_scorer(weights, folder / scorer.SCORER_FILE)
        if verify:
            verification.verify(released, folder, advance=lambda done, total: report("verify", done, total))
    return target


def _made_from(released: Path, stored: dict[str, Stored], weights: Path | None) -> str:
    shards = {str(tensor.path.relative_to(released)) for tensor in stored.values()}
    files = {"config.json", WEIGHTS_INDEX, MODEL_FILE, ADDED_FILE, CONFIG_FILE, *shards}
    extra = source.fingerprint(weights.parent, [weights.name]) if weights is not None else ""
    return f"internvl2/{FORMAT} {source.fingerprint(released, files)} {extra}".strip()


def _write_small_files(folder: Path, released: Path, sizes: Geometry, words: dict[str, int]) -> None:
    generation: dict[str, Any] = {
        "bos_token_id": words["<s>"],
        "eos_token_id": [words[prompts.TURN_END], words["</s>"]],
        "pad_token_id": words["</s>"],
        "do_sample": False,
    }
    write_json(folder / "generation_config.json", generation)
    side = {"height": sizes.picture, "width": sizes.picture}
    preprocessor: dict[str, Any] = {
        "image_processor_type": "GotOcr2ImageProcessor",
        "processor_class": "InternVLProcessor",
        # One tile a frame, as in the paper: no cutting of pictures into patches.
        "crop_to_patches": False,
        "do_convert_rgb": True,
        "do_resize": True,
        "size": side,
        "resample": BICUBIC,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(IMAGENET_MEAN),
        "image_std": list(IMAGENET_STD),
    }
    write_json(folder / "preprocessor_config.json", preprocessor)
    settings = {"name": _name(released), "template": "internvl2"}
    write_json(folder / SETTINGS_FILE, settings)


def _name(released: Path) -> str:
    """The checkpoint's name: the folder's, or in the hub's cache, where that is a commit, the model's."""
    if released.parent.name == "snapshots" and released.parent.parent.name.startswith("models--"):
        return released.parent.parent.name.rpartition("--")[2]
    return released.resolve().name
