"""The trained anomaly scorer (paper §4.2): a `UrDmu` read from a file, on the features of a whole video.

Shape legend: `T` dense frames, `D` width of the class token, `C` 512 channels, `K` classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from holmesvau.ats.calibration import Calibration
from holmesvau.ats.classes import PREFIX, ClassHead, ClassNames
from holmesvau.ats.features import Features, HalfArray, let_go
from holmesvau.ats.foveal import WINDOWS_FILE
from holmesvau.ats.looking import PREFIX as LOOKING
from holmesvau.ats.looking import Looking
from holmesvau.ats.urdmu import CHANNELS, UrDmu
from holmesvau.errors import InputError, ModelError
from holmesvau.types import ScoreArray


class UrDmuScorer:
    """Scores a video's class tokens with a trained `UrDmu`, in eval mode: the same features give the same
    scores.

    `path` is a `.safetensors` file or a released `.pth`, whose state dict is read without running any code in
    it. A scorer that was trained with a class head keeps it under `class_head.*` in the same file:
    `class_names` are then its classes, else None. One for an encoder of several views keeps what makes one
    token of them under `looking.*`; `windows` is then the file beside it of the network that it was trained
    to see windows with, None where that is the encoder's own.

    Raises:
        ModelError: when the file is missing, damaged, or holds another network.
    """

    name = "urdmu"

    def __init__(self, path: str | Path, *, device: str | torch.device = "cpu") -> None:
        self.path = Path(path)
        state = _read_state(self.path)
        head, looking = taken(state, PREFIX), taken(state, LOOKING)
        kernel = state.get("embedding.conv_1.0.weight")
        if kernel is None or kernel.ndim != 3:
            raise ModelError(
                f"{self.path}: these are not the weights of a UR-DMU scorer (no embedding.conv_1.0.weight). "
                "Give an anomaly scorer's .safetensors or .pth."
            )
        with torch.device("meta"):
            self.network = UrDmu(int(kernel.shape[1]))
        expected = {name: tuple(tensor.shape) for name, tensor in self.network.state_dict().items()}
        _refuse_other_shapes(
            self.path, expected, {name: tuple(tensor.shape) for name, tensor in state.items()}
        )
        self.network.load_state_dict({name: tensor.float() for name, tensor in state.items()}, assign=True)
        self.network.to(device).eval().requires_grad_(False)
        self._device = torch.device(device)
        # What the confidence of its events is worth, where training has found that out.
        self.calibration = Calibration.of_scorer(self.path)
        beside = self.path.with_name(WINDOWS_FILE)
        self.windows: Path | None = beside if looking and beside.is_file() else None
        self._encoder = _encoder_of(self.path) if looking else ""
        self.class_names: ClassNames | None = None
        self.class_head: ClassHead | None = None
        if head:
            self.class_names, self.class_head = _read_head(self.path, head)
            self.class_head.to(device).eval().requires_grad_(False)
        self.looking: Looking | None = None
        if looking:
            self.looking = _read_looking(self.path, looking, self.network.input_size)
            self.looking.to(device).eval().requires_grad_(False)

    @property
    def input_width(self) -> int | None:
        """Width `D` of the class tokens it was trained on, read from the weights."""
        return self.network.input_size if self.looking is None else len(self.looking.mean)

    def score(self, features: Features) -> ScoreArray:
        """Scores `[T]` float32 of `features.pooled[T, D]`.

        Raises:
            InputError: when the features are of another width.
        """
        self.refuse_foreign(features.encoder, features.pooled.shape[1])
        scores = np.empty(len(features), np.float32)
        for place, values in self._read(features, None):
            scores[place] = values[:, 0].float().cpu().numpy()
        return scores

    def classify(self, features: Features) -> tuple[ScoreArray, npt.NDArray[np.float32]]:
        """Scores `[T]` and, of the classes `class_names.all`, probabilities `[T, K]`, both float32.

        Raises:
            InputError: when the features are of another width.
            ModelError: when the scorer has no class head.
        """
        self.refuse_foreign(features.encoder, features.pooled.shape[1])
        if self.class_names is None or self.class_head is None:
            raise ModelError(f"{self.path}: this scorer was trained without a class head.")
        scores = np.empty(len(features), np.float32)
        probabilities = np.empty((len(features), len(self.class_names)), np.float32)
        for place, values in self._read(features, self.class_head):
            scores[place] = values[:, 0].float().cpu().numpy()
            probabilities[place] = values[:, 1:].float().softmax(-1).cpu().numpy()
        return scores, probabilities

    def states(self, features: Features) -> npt.NDArray[np.float16]:
        """What the scorer makes of each frame among the others: `[T, C + 1 + K]` float16.

        Hidden states, the score, and the probabilities of the classes where there is a class head.

        Raises:
            InputError: when the features are of another width.
        """
        self.refuse_foreign(features.encoder, features.pooled.shape[1])
        head = self.class_head
        num_classes = 0 if self.class_names is None else len(self.class_names)
        states = np.empty((len(features), CHANNELS + 1 + num_classes), np.float16)

        def told(hidden: Tensor) -> Tensor:
            return hidden if head is None else torch.cat([hidden, head(hidden).softmax(-1)], dim=-1)

        for place, values in self._read(features, told):
            states[place, :CHANNELS] = values[:, 1 : 1 + CHANNELS].half().cpu().numpy()
            states[place, CHANNELS] = values[:, 0].half().cpu().numpy()
            states[place, CHANNELS + 1 :] = values[:, 1 + CHANNELS :].half().cpu().numpy()
        return states

    @torch.inference_mode()
    def token(self, pooled: HalfArray) -> Tensor:
        """What the network is given of a frame with the class token `pooled[D]`: `[E]` float32.

        Raises:
            InputError: when the features are of another width.
        """
        if pooled.shape != (self.input_width,):
            raise InputError(
                f"The scorer {self.path.name} was trained on class tokens [{self.input_width}], got "
                f"{list(pooled.shape)}."
            )
        read = torch.tensor(pooled, device=self._device).float()
        return read if self.looking is None else self.looking(read[None])[0]

    @torch.inference_mode()
    def _read(
        self, features: Features, head: Callable[[Tensor], Tensor] | None
    ) -> Iterator[tuple[slice, Tensor]]:
        """Piece by piece, so that a day of features is never in memory: place, score and what `head` says."""

        def tokens(place: slice) -> Tensor:
            read = torch.tensor(features.pooled[place], device=self._device)[None]
            let_go(features.pooled)
            return read if self.looking is None else self.looking(read.float())

        if len(features):
            for place, values in self.network.stream(len(features), tokens, head):
                yield place, values[0]

    def refuse_foreign(self, encoder: str, width: int) -> None:
        """Raise for features of an encoder, of that class token's width, which this scorer cannot read.

        Raises:
            InputError: when they are of another width, or of other windows than it was trained with.
        """
        if self._encoder and encoder != self._encoder:
            raise InputError(
                f"The scorer {self.path.name} was trained on features of {self._encoder}, and these are of "
                f"{encoder}. What it sees windows with ({WINDOWS_FILE}) belongs beside it."
            )
        if width != self.input_width:
            raise InputError(
                f"The scorer {self.path.name} was trained on class tokens of width {self.input_width}, but "
                f"{encoder} gives {width}. Use the encoder it was trained with."
            )


def taken(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """What stands under a prefix, taken out of `state`."""
    return {name.removeprefix(prefix): state.pop(name) for name in list(state) if name.startswith(prefix)}


def _read_state(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ModelError(f"{path}: no such file. Give an anomaly scorer's .safetensors or .pth.")
    state: Any
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelError(f"{path}: the scorer's weights cannot be read ({error}).") from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ModelError(
            f"{path}: there is no table of weights in it. Give an anomaly scorer's .safetensors or .pth."
        )
    # Weights saved from a network spread over several GPUs carry this prefix.
    return {str(name).removeprefix("module."): tensor for name, tensor in state.items()}


def _encoder_of(path: Path) -> str:
    """The name of the encoder that a scorer's file says it was trained with; empty where it does not say."""
    from safetensors import safe_open

    if path.suffix != ".safetensors":
        return ""
    with safe_open(path, "pt") as file:
        return str((file.metadata() or {}).get("encoder", ""))


def _read_head(path: Path, state: dict[str, Tensor]) -> tuple[ClassNames, ClassHead]:
    from safetensors import safe_open

    try:
        with safe_open(path, "pt") as file:
            names = ClassNames.from_metadata(file.metadata())
        head = ClassHead(len(names))
        head.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    except (RuntimeError, ModelError, OSError) as error:
        raise ModelError(f"{path}: its class head cannot be used ({error}).") from error
    return names, head


def _read_looking(path: Path, state: dict[str, Tensor], input_size: int) -> Looking:
    try:
        looking = Looking(width=len(state["view.1.weight"]))
        looking.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    except (RuntimeError, KeyError) as error:
        raise ModelError(f"{path}: what it looks at its views with cannot be used ({error}).") from error
    if looking.width != input_size:
        raise ModelError(f"{path}: its parts do not fit ({looking.width} numbers, {input_size} wanted).")
    return looking


def _refuse_other_shapes(
    path: Path, expected: dict[str, tuple[int, ...]], found: dict[str, tuple[int, ...]]
) -> None:
    missing, foreign = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    if missing or foreign:
        problems = [
            f"{what} {', '.join(names[:3])}"
            for what, names in (("lacks", missing), ("has", foreign))
            if names
        ]
        raise ModelError(f"{path}: these are not the weights of a UR-DMU scorer ({'; '.join(problems)}).")
    for name, shape in expected.items():
        if found[name] != shape:
            raise ModelError(f"{path}: {name} has shape {found[name]}, a UR-DMU scorer's has {shape}.")
