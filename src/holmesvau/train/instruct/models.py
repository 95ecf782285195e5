"""The two kinds of model that stage 2 trains: `tiny`, and any `internvl` checkpoint (paper §4.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from holmesvau.ats.features import Features
from holmesvau.errors import MissingPartError
from holmesvau.train.instruct.config import Adaptation, InstructTraining
from holmesvau.train.instruct.trainable import Prepared, Trainable, put_back, trained_tensors
from holmesvau.types import FrameBatch, IndexArray
from holmesvau.vlm.internvl import InternVl
from holmesvau.vlm.preprocess import normalised, squares
from holmesvau.vlm.speaker import Speaker
from holmesvau.vlm.tiny import Tiny, TinyConfig

PROJECTOR = "multi_modal_projector"


class TinyTrainable:
    """`tiny` with its LoRA beside the weights, and its projector trained or frozen."""

    autocast = False

    def __init__(self, model: Tiny, *, train_projector: bool) -> None:
        self.model = model
        model.projector.requires_grad_(train_projector)
        if model.language_model.device.type == "cpu":
            # On short sequences torch's fused attention takes a third longer there on the way back.
            model.language_model.set_attn_implementation("eager")
        self.network: nn.Module = nn.ModuleDict(
            {"projector": model.projector, "language_model": model.language_model}
        )

    @property
    def speaker(self) -> Speaker:
        return self.model.speaker

    @property
    def num_frames(self) -> int:
        return self.model.num_frames

    @property
    def fingerprint(self) -> str | None:
        return self.model.fingerprint

    def prepare(self, frames: FrameBatch, dense: Features | None) -> Prepared:
        """See `Trainable`."""
        return self.model.prepare(frames, dense)

    def known(self, index: IndexArray, dense: Features | None) -> Prepared | None:
        """See `Trainable`."""
        return self.model.known(index, dense)

    def embed(self, pictures: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """See `Trainable`."""
        return self.model.embed(pictures)

    def projector_parameters(self) -> list[nn.Parameter]:
        """See `Trainable`."""
        return [parameter for parameter in self.model.projector.parameters() if parameter.requires_grad]

    def state(self) -> dict[str, torch.Tensor]:
        """See `Trainable`."""
        return trained_tensors(self.network)

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """See `Trainable`."""
        put_back(self.network, state)

    def save(self, folder: Path) -> None:
        """A folder for `Tiny.from_pretrained`."""
        self.model.save_pretrained(folder)


class InternVlTrainable:
    """An `internvl` checkpoint with a peft LoRA on its language model; the vision tower is frozen.

    Raises:
        MissingPartError: when peft is not installed.
    """

    fingerprint = None

    def __init__(self, model: InternVl, adaptation: Adaptation, *, train_projector: bool, seed: int) -> None:
        try:
            import peft
        except ImportError as error:
            raise MissingPartError(
                "Training a LoRA needs peft. Do: pip install 'holmesvau[train]'"
            ) from error
        self.model = model
        layers = "|".join(map(re.escape, adaptation.layers))
        config = peft.LoraConfig(
            r=adaptation.rank,
            lora_alpha=adaptation.alpha,
            target_modules=rf".*language_model.*\.({layers})",
            modules_to_save=[PROJECTOR] if train_projector else None,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network: Any = peft.get_peft_model(model.model, config)
        for parameter in self.projector_parameters():
            # Steps of 4e-5 are lost on weights of 8 bits of precision.
            parameter.data = parameter.data.float()
        self.autocast = next(model.vision_tower.parameters()).dtype == torch.bfloat16

    @property
    def speaker(self) -> Speaker:
        return self.model.speaker

    @property
    def num_frames(self) -> int:
        return self.model.num_frames

    def prepare(self, frames: FrameBatch, dense: Features | None) -> Prepared:
        """Squares of the tower's size `[F, 3, S, S]` uint8."""
        return {"squares": squares(frames.frames, self.model.image_size).numpy()}

    def known(self, index: IndexArray, dense: Features | None) -> Prepared | None:
        """See `Trainable`: the scan's features are not what this model looks at."""
        return None

    def embed(self, pictures: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """See `Trainable`: the tower and the projector, with the numbers of `InternVl.encode`."""
        tower = next(self.model.vision_tower.parameters())
        seen = []
        # A few at a time; where nothing is trained nothing is remembered of them.
        for part in pictures["squares"].split(16):
            values = normalised(part, device=tower.device, dtype=tower.dtype)
            seen.append(self.model.model.get_image_features(pixel_values=values).pooler_output)
        return torch.cat(seen)

    def projector_parameters(self) -> list[nn.Parameter]:
        """See `Trainable`."""
        named = self.network.named_parameters()
        return [parameter for name, parameter in named if PROJECTOR in name and parameter.requires_grad]

    def state(self) -> dict[str, torch.Tensor]:
        """See `Trainable`."""
        return trained_tensors(self.network)

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """See `Trainable`."""
        put_back(self.network, state)

    def save(self, folder: Path) -> None:
        """A peft adapter, for `--adapter`; see `checkpoints.merge` for making it a part of the weights."""
        self.network.save_pretrained(folder)


def new_tiny(config: InstructTraining, device: str | None, scorer: Path | None) -> TinyTrainable:
    """`tiny` as the configuration has it begin: new or the folder `start`, reading the file of a scorer.

    Raises:
        MissingPartError: when the embedded language model is not installed.
        ModelError: when the folder cannot be used.
    """
    if config.start and not config.new_adaptation:
        model = Tiny.from_pretrained(
            config.start, device=device, dtype=config.precision, trainable=True, scorer=scorer
        )
    else:
        shape = TinyConfig(
            rank=config.adaptation.rank, alpha=config.adaptation.alpha, targets=config.adaptation.layers
        )
        model = Tiny.create(shape, scorer=scorer, device=device, dtype=config.precision, seed=config.seed)
        if config.start:
            model.take_projector(config.start)
    return TinyTrainable(model, train_projector=config.train_projector)


def checkpointed(trainable: Trainable) -> None:
    """Compute the language model's activations again on the way back instead of keeping them."""
    body: Any = trainable.speaker.decoder.body
    body.activation_checkpointing_enable({"use_reentrant": False})
