"""Does a converted checkpoint compute what the released one did? A random forward, held against the plain
formulas.

The model is checked a layer at a time: each pass runs the whole network, pictures to logits, with one layer
of the vision tower and one of the language model, through transformers' own loading on one side and
`reference` on the other. After as many passes as there are layers every weight has been used, and memory has
held two layers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from holmesvau.checkpoints import internvl2
from holmesvau.checkpoints.internvl2 import Geometry
from holmesvau.checkpoints.reference import Reference
from holmesvau.checkpoints.tensors import Stored, read_folder
from holmesvau.errors import ModelError
from holmesvau.vlm.folder import read_json

log = logging.getLogger(__name__)

# Of the largest absolute value that the reference gives (or of 1, where that is smaller), in float32.
TOLERANCE = 1e-4
NUM_WORDS = 48
NUM_PICTURES = 2
# Of the layers in use: the native ones, and room for what reading and comparing hold for a moment.
COPIES = 2

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Verification:
    """What a check found: the largest difference, as a part of the largest value, over all `passes`."""

    max_difference: float
    passes: int
    seconds: float


def memory_needed(sizes: Geometry) -> int:
    """Bytes that `verify` holds at most, roughly."""
    text = sizes.width * (3 * sizes.text_inner + 2 * sizes.width + 2 * sizes.head * sizes.key_value_heads)
    vision = sizes.vision_width * (4 * sizes.vision_width + 2 * sizes.vision_inner)
    projector = sizes.width * (sizes.width + sizes.vision_width * sizes.shuffle**2)
    return COPIES * 4 * (text + vision + projector) + (256 << 20)


def verify(
    source: Path,
    target: Path,
    *,
    seed: int = 0,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Verification:
    """Hold the native folder `target` against the released folder `source`.

    `advance` is called with the passes done and all there are.

    Raises:
        ModelError: when tensors are missing, or the numbers differ by more than `TOLERANCE`.
    """
    started = time.monotonic()
    config = read_json(source / "config.json")
    sizes = internvl2.geometry(source / "config.json", config)
    released, native = read_folder(source), read_folder(target)
    _refuse_other_names(target, sizes, native)
    passes = max(sizes.text_layers, sizes.vision_layers)
    worst = 0.0
    for number in range(passes):
        layers = (min(number, sizes.text_layers - 1), min(number, sizes.vision_layers - 1))
        check = _Pass(config, sizes, layers, torch.Generator().manual_seed(seed + number))
        worst = max(worst, check.difference(target, released, native))
        if not worst <= TOLERANCE:
            raise ModelError(
                f"{target}: with layers {layers} of language model and vision tower the converted model "
                "differs from "
                f"the released one by {worst:.2g} of the largest value (allowed: {TOLERANCE:g}). Do not use "
                "it; "
                f"convert again, and report this if it happens twice."
            )
        advance(number + 1, passes)
    log.info("%s: verified in %d passes, largest difference %.1e", target, passes, worst)
    return Verification(worst, passes, time.monotonic() - started)


def _refuse_other_names(target: Path, sizes: Geometry, native: dict[str, Stored]) -> None:
    wanted = {name for part in internvl2.parts(sizes) for name, _ in part.native}
    if wanted != set(native):
        odd = min(wanted ^ set(native))
        raise ModelError(
            f"{target}: {len(wanted ^ set(native))} weights are missing or unknown, {odd} among them."
        )


class _Pass:
    """One random input through one layer of each kind, few rows of the word tables and small pictures."""

    def __init__(
        self, config: dict[str, Any], sizes: Geometry, layers: tuple[int, int], dice: torch.Generator
    ) -> None:
        self.config, self.sizes, self.layers = config, sizes, layers
        grid = min(2 * sizes.shuffle, sizes.picture // sizes.patch)
        self.side, self.places = grid * sizes.patch, grid**2 + 1
        self.tokens = (grid // sizes.shuffle) ** 2
        count = min(NUM_WORDS, sizes.words)
        self.words = torch.randperm(sizes.words, generator=dice)[:count].sort().values.tolist()
        self.pixels = torch.randn(NUM_PICTURES, 3, self.side, self.side, generator=dice)
        # Word 0 of the small table stands in for pictures.
        text = torch.randint(1, count, (24,), generator=dice)
        pictures = torch.zeros(NUM_PICTURES * self.tokens, dtype=torch.long)
        self.ids = torch.cat([text[:8], pictures, text[8:]])

    @torch.inference_mode()
    def difference(self, target: Path, released: dict[str, Stored], native: dict[str, Stored]) -> float:
        """The largest difference of vision states, picture tokens and logits, each as a part of its largest
        value.
        """
        model = self._native_model(target, native)
        states = model.get_image_features(pixel_values=self.pixels)
        found = (
            states.last_hidden_state,
            states.pooler_output,
            model(input_ids=self.ids[None], pixel_values=self.pixels).logits[0],
        )
        del model
        text, vision = self.layers
        reference = Reference(
            self.config, lambda name: self._read(released[name]), text_layers=[text], vision_layers=[vision]
        )
        seen = reference.vision_states(self.pixels)
        tokens = reference.project(seen)
        expected = (seen, tokens, reference.logits(self.ids, tokens, 0))
        return max(_relative(ours, theirs) for ours, theirs in zip(found, expected, strict=True))

    def _native_model(self, target: Path, native: dict[str, Stored]) -> Any:
        from transformers import InternVLConfig, InternVLForConditionalGeneration
        from transformers.utils import logging as transformers_logging

        config = InternVLConfig.from_pretrained(target, local_files_only=True)
        config.text_config.num_hidden_layers = config.vision_config.num_hidden_layers = 1
        config.text_config.vocab_size = len(self.words)
        config.text_config.pad_token_id = config.text_config.bos_token_id = (
            config.text_config.eos_token_id
        ) = None
        config.vision_config.image_size = [self.side, self.side]
        config.image_token_id, config.image_seq_length = 0, self.tokens
        if config.tie_word_embeddings or config.text_config.tie_word_embeddings:
            raise ModelError(
                f"{target}: config.json ties the head to the embeddings, which ruins the output."
            )
        bars = transformers_logging.is_progress_bar_enabled()
        transformers_logging.disable_progress_bar()
        try:
            model, report = InternVLForConditionalGeneration.from_pretrained(
                None,
                config=config,
                state_dict=dict(self._kept(native.values())),
                dtype=torch.float32,
                output_loading_info=True,
            )
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"{target}: config.json and the converted weights do not fit ({error})."
            ) from error
        finally:
            if bars:
                transformers_logging.enable_progress_bar()
        odd = sorted(report["missing_keys"] | report["unexpected_keys"])
        if odd:
            raise ModelError(
                f"{target}: transformers does not take the converted weights as they are ({odd[0]})."
            )
        return model.eval()

    def _kept(self, native: Iterable[Stored]) -> Iterable[tuple[str, Tensor]]:
        """The tensors of this pass, as if its layers were the only ones."""
        prefixes = (
            f"language_model.model.layers.{self.layers[0]}.",
            f"vision_tower.encoder.layer.{self.layers[1]}.",
        )
        for tensor in native:
            prefix = next((prefix for prefix in prefixes if tensor.name.startswith(prefix)), None)
            if prefix is not None:
                first = prefix.rstrip(".").rpartition(".")[0]
                yield f"{first}.0.{tensor.name.removeprefix(prefix)}", self._read(tensor)
            elif ".layers." not in tensor.name and ".layer." not in tensor.name:
                yield tensor.name, self._read(tensor)

    def _read(self, tensor: Stored) -> Tensor:
        """A tensor in float32; of the word tables only the rows in use, of the positions only those of the
        picture.
        """
        if tensor.shape == (self.sizes.words, self.sizes.width):
            return torch.cat([to_torch(tensor, number, 1) for number in self.words])
        whole = to_torch(tensor)
        if tensor.name.endswith(("position_embedding", "position_embeddings")):
            return whole[:, : self.places].contiguous()
        return whole


def to_torch(tensor: Stored, first: int = 0, count: int | None = None) -> Tensor:
    """Rows of a stored tensor in float32."""
    count = tensor.shape[0] - first if count is None else count
    raw = torch.from_numpy(tensor.rows(first, count)).view(DTYPES[tensor.dtype])
    return raw.view(count, *tensor.shape[1:]).float()


def _relative(found: Tensor, expected: Tensor) -> float:
    difference = (found - expected).abs().max() / expected.abs().max().clamp(min=1.0)
    return float(difference) if torch.isfinite(difference) else float("inf")
