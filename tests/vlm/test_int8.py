"""Eight-bit layers: how far they are from the float ones, and a checkpoint that uses them."""

from pathlib import Path

import pytest
import torch
from torch import nn

from holmesvau import space
from holmesvau.errors import InputError, ModelError
from holmesvau.types import FrameBatch
from holmesvau.vlm import internvl
from holmesvau.vlm.generation import _KeyValues
from holmesvau.vlm.int8 import Int8Linear, quantize
from holmesvau.vlm.protocol import GenerationOptions

SHORT = GenerationOptions(max_new_tokens=12)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 96), (3, 96), (2, 5, 96), (40, 96)])
def test_a_layer_is_within_the_rounding_of_the_float_one(bias: bool, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(96, 64, bias=bias)
    # Rows and tokens of very different size: one scale for all of them would lose the small ones.
    linear.weight.data *= torch.logspace(-3, 1, 64)[:, None]
    x = torch.randn(shape) * torch.logspace(-2, 2, shape[-2])[:, None]
    with torch.inference_mode():
        wanted, got = linear(x), Int8Linear(linear)(x)
    assert got.shape == wanted.shape and got.dtype == torch.float32
    if linear.bias is not None:
        wanted, got = wanted - linear.bias, got - linear.bias
    error = (got - wanted).pow(2).mean(-1) / wanted.pow(2).mean(-1)
    assert error.max() < 0.04**2


def test_weights_of_zero_stay_zero() -> None:
    linear = nn.Linear(8, 4)
    nn.init.zeros_(linear.weight)
    assert torch.equal(Int8Linear(linear)(torch.zeros(2, 8)), linear.bias.detach().expand(2, 4))


def test_every_linear_layer_below_is_replaced_and_nothing_else() -> None:
    module = nn.Sequential(
        nn.Embedding(5, 8), nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8)), nn.Linear(8, 2)
    )
    module.register_buffer("steps", torch.ones(2, dtype=torch.float64))
    module = module.to(torch.bfloat16)
    module.steps = module.steps.double()
    quantize(module)
    kinds = [type(layer).__name__ for layer in module.modules()]
    assert "Linear" not in kinds and kinds.count("Int8Linear") == 2
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
    assert module.steps.dtype == torch.float64
    assert module(torch.tensor([1, 2])).shape == (2, 2)


def test_a_checkpoint_in_int8_stays_near_the_float_one(llama_folder: Path, frames: FrameBatch) -> None:
    exact = internvl.load(llama_folder, device="cpu", dtype="float32")
    small = internvl.load(llama_folder, device="cpu", dtype="int8")
    assert small.info()["dtype"] == "int8" and exact.info()["dtype"] == "float32"
    assert small.info()["parameters"] == exact.info()["parameters"]
    visual = small.encode(frames)
    # The vision tower is left as it is: the anomaly scorer reads its class tokens.
    assert visual.tokens.dtype == torch.bfloat16
    assert small.model.model.language_model.rotary_emb.inv_freq.dtype == torch.float32
    logits = []
    for model in (exact, small):
        prefix, tail = model.speaker.embed(visual.tokens, "Why?")
        decoder = model.speaker.decoder
        with torch.inference_mode():
            cache = _KeyValues.merged([decoder._prefilled(prefix)], [len(prefix)], len(tail))
            logits.append(decoder._forward(tail[None], None, None, cache)[0])
    assert torch.corrcoef(torch.stack(logits))[0, 1] > 0.99
    pieces = list(small.stream(visual, "Why?", options=SHORT))
    assert pieces and "".join(pieces) == small.answer(visual, "Why?", options=SHORT)


def test_int8_with_a_device_map_is_refused(llama_folder: Path) -> None:
    with pytest.raises(InputError, match=r"int8.*leave device_map out"):
        internvl.load(llama_folder, dtype="int8", device_map="auto")


@pytest.mark.parametrize(("dtype", "bytes_each"), [("float32", 4), ("bfloat16", 2)])
def test_too_little_memory_is_told_before_anything_is_read(
    llama_folder: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, bytes_each: int
) -> None:
    parameters = sum(p.numel() for p in internvl.load(llama_folder, device="cpu").model.parameters())
    needed = parameters * bytes_each + internvl.WORKING_MEMORY
    monkeypatch.setattr(internvl, "_load_weights", lambda *_: pytest.fail("read the weights all the same"))
    monkeypatch.setattr(space, "available_memory", lambda: needed - 1)
    with pytest.raises(ModelError, match=rf"in {dtype} needs {needed / 2**30:.2f} GiB of memory") as caught:
        internvl.load(llama_folder, device="cpu", dtype=dtype)
    assert ("dtype='bfloat16'" in str(caught.value)) == (dtype == "float32")
