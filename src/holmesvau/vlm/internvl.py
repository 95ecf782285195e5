"""The InternVL family on transformers' own classes.

HolmesVAU-2B and InternVL2 run once they are converted, InternVL2.5, 3 and 3.5 as they are in native format.
The chosen frames are encoded once (§4.1: vision tower, pixel shuffle, projector) and asked about many
times.

Shape legend: `N` frames, `S` the tower's side in pixels, `P` tokens a frame, `W` width of the language model.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer, InternVLForConditionalGeneration

from holmesvau import space
from holmesvau.ats.features import Features
from holmesvau.errors import InputError, ModelError
from holmesvau.types import FrameBatch
from holmesvau.vlm import folder as folders
from holmesvau.vlm import prompts
from holmesvau.vlm.adapter import merge_adapter
from holmesvau.vlm.folder import FolderSettings
from holmesvau.vlm.generation import Decoder, memory_told
from holmesvau.vlm.int8 import Int8Linear, num_parameters, quantize
from holmesvau.vlm.preprocess import pixels
from holmesvau.vlm.protocol import VisualTokens
from holmesvau.vlm.speaker import PromptLaw, Speaker, Spoken

log = logging.getLogger(__name__)

# What the weights are loaded in; int8 rounds the language model's afterwards, layer by layer.
DTYPES = {
    "bfloat16": torch.bfloat16,
    "float32": torch.float32,
    "float16": torch.float16,
    "int8": torch.bfloat16,
}
# What a question about 16 frames takes beside the weights of a 2B model: keys, values, activations.
WORKING_MEMORY = 1 << 30
_DAMAGED = (RuntimeError, ValueError, OSError, KeyError)


class InternVl(Spoken):
    """A loaded checkpoint, as a `VisionLanguageModel`. Make one with `load`."""

    uses_scan = False

    def __init__(
        self, model: Any, tokenizer: Any, law: PromptLaw, settings: FolderSettings, *, source: str
    ) -> None:
        self.model = model
        self.settings = settings
        self.source = source
        self.image_size = int(model.config.vision_config.image_size[0])
        decoder = Decoder(model.model.language_model, model.lm_head, stop_ids(model, tokenizer))
        positions = int(model.config.text_config.max_position_embeddings)
        self.speaker = Speaker(decoder, tokenizer, law, max_positions=positions)

    @property
    def name(self) -> str:
        return self.settings.name or Path(self.source).name

    @property
    def num_frames(self) -> int:
        return self.settings.num_frames

    @property
    def vision_tower(self) -> Any:
        """The vision tower's module, for `InternVitEncoder` to share."""
        return self.model.model.vision_tower

    def info(self) -> dict[str, Any]:
        tower = next(self.vision_tower.parameters())
        return {
            "name": self.name,
            "backend": "internvl",
            "source": self.source,
            "parameters": num_parameters(self.model),
            "dtype": "int8"
            if isinstance(self.model.lm_head, Int8Linear)
            else str(tower.dtype).removeprefix("torch."),
            "device": str(tower.device),
            "tokens_per_frame": self.speaker.law.tokens_per_frame,
        }

    @torch.inference_mode()
    def encode(self, frames: FrameBatch, dense: Features | None = None) -> VisualTokens:
        """Frames of any size -> tokens `[N, P, W]` on the model's device and in its precision."""
        tower = next(self.vision_tower.parameters())
        at_once = 4 if tower.device.type == "cpu" else 16
        width = self.model.config.text_config.hidden_size
        rows = [
            torch.empty(0, self.speaker.law.tokens_per_frame, width, dtype=tower.dtype, device=tower.device)
        ]
        for start in range(0, len(frames), at_once):
            pictures = frames.frames[start : start + at_once]
            with memory_told():
                values = pixels(pictures, self.image_size, device=tower.device, dtype=tower.dtype)
                rows.append(self.model.get_image_features(pixel_values=values).pooler_output.to(tower.device))
        return VisualTokens(frames.index, frames.seconds, torch.cat(rows))


def load(
    source: str | Path,
    *,
    device: str | None = None,
    dtype: str | None = None,
    device_map: str | dict[str, Any] | None = None,
    adapter: str | Path | None = None,
) -> InternVl:
    """Load a checkpoint in native format from a folder or the hub.

    Args:
        source: folder, or hub id such as `OpenGVLab/InternVL3-1B-hf`.
        device: a torch device; None takes CUDA where there is one, else the CPU. Not with `device_map`.
        dtype: `bfloat16` (the default on CPU and CUDA alike), `float32`, `float16`, or on a CPU `int8`: the
            language model's layers in eight bits, answers sooner and not quite the same (`int8.py`).
        device_map: accelerate's, such as `auto`, to spread a large model over devices.
        adapter: folder of a peft LoRA, merged into the weights.

    Raises:
        ModelError: for a folder that is missing, incomplete, damaged or of another architecture, or where
            memory does not suffice (not looked at with `device_map`).
        MissingPartError: when an adapter is given and peft is not installed.
        InputError: for an unknown dtype, device and device_map together, or int8 anywhere but on the CPU.
    """
    dtype = dtype or "bfloat16"
    if dtype not in DTYPES:
        raise InputError(f"dtype={dtype!r} is not known: choose {', '.join(DTYPES)}.")
    if device is not None and device_map is not None:
        raise InputError("Give either device or device_map, not both.")
    folder = folders.find(source)
    folders.require_internvl(folder)
    files = folders.weight_files(folder)
    settings = folders.settings(folder)
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    tokenizer = load_tokenizer(folder)
    law = prompt_law(config, tokenizer, settings, source=str(source))
    if device_map is None:
        chosen = pick_device(device)
        if dtype == "int8" and chosen.type != "cpu":
            raise InputError(f"dtype='int8' is for the CPU, not for {chosen}: choose bfloat16 there.")
        _require_room(str(source), folders.num_parameters(files), dtype, chosen)
        device_map = {"": chosen}
    elif dtype == "int8":
        raise InputError("dtype='int8' is for the CPU alone: leave device_map out.")
    model = _load_weights(folder, config, files, DTYPES[dtype], device_map)
    if adapter is not None:
        model = merge_adapter(model, Path(adapter))
    model.eval().requires_grad_(False)
    if dtype == "int8":
        quantize(model.model.language_model)
        model.lm_head = Int8Linear(model.lm_head)
    return InternVl(model, tokenizer, law, settings, source=str(source))


def _require_room(source: str, parameters: int, dtype: str, device: torch.device) -> None:
    """Refuse weights that will not fit, before minutes are spent on reading them.

    Raises:
        ModelError: saying how much is needed and how much there is.
    """
    needed = parameters * DTYPES[dtype].itemsize + WORKING_MEMORY
    smaller = "dtype='bfloat16', or " if dtype == "float32" else ""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if free < needed:
            raise ModelError(
                f"{source}: loading it in {dtype} needs {space.gib(needed)} GiB on {device} and "
                f"{space.gib(free)} GiB are free there. Choose {smaller}device_map='auto', or device='cpu'."
            )
    else:
        space.require_memory(
            needed,
            f"{source}: loading it in {dtype}",
            f"Close other programs, or choose {smaller}a smaller model or a server (--model endpoint:URL).",
        )


def pick_device(device: str | None) -> torch.device:
    """The device asked for, or CUDA where there is one, or the CPU.

    Raises:
        InputError: when it is no device, or CUDA is asked for and not there.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"device={device!r} is not known: cpu, cuda or cuda:1, for example.") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device={device!r}: this machine has no usable CUDA device. Use cpu.")
    return chosen


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a checkpoint folder.

    Raises:
        ModelError: when it is missing or cannot be read.
    """
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    # transformers raises whatever its many tokenizer formats raise.
    except Exception as error:
        raise ModelError(f"{folder}: the tokenizer is missing or cannot be read ({_line(error)}).") from error


def prompt_law(config: Any, tokenizer: Any, settings: FolderSettings, *, source: str) -> PromptLaw:
    """How this checkpoint is spoken to: its own chat template, or InternVL2-2B's where it has none.

    Raises:
        ModelError: when the tokenizer has no place for pictures, or no chat template and one is asked for.
    """
    image_id = tokenizer.get_vocab().get(prompts.IMAGE_TOKEN)
    if image_id is None:
        raise ModelError(
            f"{source}: its tokenizer has no {prompts.IMAGE_TOKEN} token, so pictures have no place in the "
            f"prompt. Give the tokenizer that belongs to the model."
        )
    own = getattr(tokenizer, "chat_template", None) is not None
    if settings.template == "tokenizer" and not own:
        raise ModelError(
            f"{source}: {folders.SETTINGS_FILE} asks for the tokenizer's chat template, but it has none."
        )
    speaks_itself = own and settings.template != "internvl2"

    def template(turns: Sequence[prompts.Turn]) -> str:
        return prompts.tokenizer_chat(turns, tokenizer) if speaks_itself else prompts.internlm2_chat(turns)

    return PromptLaw(
        template=template,
        image_id=int(image_id),
        tokens_per_frame=tokens_per_frame(config),
        special_tokens=not speaks_itself,
        newline_before_question=settings.newline_before_question,
    )


def tokens_per_frame(config: Any) -> int:
    """`P`: a picture's patches after the pixel shuffle (§4.1): 256 for 448 px, 14 px patches, ratio 0.5."""
    side = config.vision_config.image_size[0] // config.vision_config.patch_size[0]
    return int(side * config.downsample_ratio) ** 2


def stop_ids(model: Any, tokenizer: Any) -> set[int]:
    """The tokens that end an answer: the generation config's, the tokenizer's, and the end of a turn."""
    ends = model.generation_config.eos_token_id
    found = set(ends) if isinstance(ends, list) else {ends}
    found |= {tokenizer.eos_token_id, tokenizer.get_vocab().get(prompts.TURN_END)}
    return {token for token in found if token is not None}


def _load_weights(
    folder: Path,
    config: Any,
    files: dict[str, Path],
    dtype: torch.dtype,
    device_map: str | dict[str, Any],
) -> Any:
    if config.tie_word_embeddings and _has_own_head(files):
        # The default ties head and embeddings, and would silently throw the trained head away.
        config.tie_word_embeddings = config.text_config.tie_word_embeddings = False
    try:
        # dtype here and not model.to(dtype) later, which would round the rotary frequencies as well.
        model, loaded = InternVLForConditionalGeneration.from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            device_map=device_map,
            local_files_only=True,
            output_loading_info=True,
        )
    except torch.OutOfMemoryError:
        raise
    except _DAMAGED as error:
        raise ModelError(f"{folder}: the weights do not fit config.json ({_line(error)}).") from error
    missing = sorted(loaded["missing_keys"])
    if missing:
        raise ModelError(
            f"{folder}: {len(missing)} weights are missing, {missing[0]} among them. "
            f"Download or convert the checkpoint again."
        )
    if loaded["unexpected_keys"]:
        log.warning("%s: %d weights are not used by the model", folder, len(loaded["unexpected_keys"]))
    return model


def _has_own_head(files: dict[str, Path]) -> bool:
    heads = [name for name in files if name.endswith("lm_head.weight")]
    tables = [name for name in files if name.endswith("embed_tokens.weight")]
    if not heads or not tables:
        return bool(heads)
    both = dict(folders.tensors({name: files[name] for name in (heads[0], tables[0])}))
    return not torch.equal(both[heads[0]], both[tables[0]])


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
