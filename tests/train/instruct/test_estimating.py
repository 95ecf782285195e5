"""What a dry run says, held against the real thing where that can be had."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from holmesvau.describe import SamplerConfig
from holmesvau.errors import InputError, ModelError
from holmesvau.train import load
from holmesvau.train.instruct import Adaptation, estimate
from holmesvau.train.instruct.estimating import INTERNVL2_2B, TINY, shape_of
from holmesvau.train.instruct.models import InternVlTrainable
from holmesvau.train.recipes import Recipe
from holmesvau.vlm import internvl


def test_parameters_are_those_of_the_model(llama_folder: Path) -> None:
    shape = shape_of(str(llama_folder))
    model = internvl.load(llama_folder, device="cpu", dtype="float32")
    trainable = InternVlTrainable(model, Adaptation(rank=4, alpha=8.0), train_projector=False, seed=0)
    assert shape.lora_parameters(4) == sum(p.numel() for p in trainable.state().values())
    body = model.model.model.language_model
    layers = sum(p.numel() for n, p in body.layers.named_parameters() if "lora_" not in n and p.ndim == 2)
    assert shape.block_parameters == layers
    assert shape.tokens_per_frame == 4


def test_published_models_have_their_published_sizes() -> None:
    # InternVL2-2B: 2.2 billion; SmolLM2-135M: 134.5 million, whose head is its table of embeddings.
    assert 2.1e9 < INTERNVL2_2B.parameters < 2.3e9
    assert 134e6 < TINY.block_parameters + TINY.vocabulary * TINY.width < 135e6


def test_the_papers_recipe_is_estimated_without_its_weights(data_root: Path, tmp_path: Path) -> None:
    recipe = load("holmesvau-2b", [f"data.roots={json.dumps([str(data_root)])}"])
    told = estimate(recipe, tmp_path)
    assert told.rows == 28 and told.steps == 1 and told.spans == 16
    assert 10 * 2**30 < told.memory_bytes < 80 * 2**30
    # Forward, once more for the checkpoints, and back: three times two operations a weight and token; and
    # 724 GFLOP for each of 16 frames. The 28 rows show 16 videos, events and clips.
    expected = 6 * INTERNVL2_2B.block_parameters * told.tokens + 16 * 16 * 724e9
    assert told.operations == pytest.approx(expected, rel=0.1)
    alone = estimate(replace(recipe, instruct=replace(recipe.instruct, pack=False)), tmp_path)
    assert alone.tokens > 1.5 * told.tokens
    assert "GiB" in told.in_words() and json.dumps(told.to_json())


def test_more_frames_need_more_and_an_unknown_model_is_refused(
    recipe_for: Callable[..., Recipe], tmp_path: Path
) -> None:
    few, many = (
        estimate(recipe_for(sampler=SamplerConfig(num_frames=n)), tmp_path, device="cpu") for n in (4, 16)
    )
    assert few.tokens < many.tokens and few.operations < many.operations and few.steps == 6
    with pytest.raises(ModelError, match="no folder of a checkpoint"):
        estimate(recipe_for(model="somebody/something"), tmp_path)
    with pytest.raises(InputError, match="no rows"):
        estimate(
            load(
                "tiny",
                [
                    f"data.roots={json.dumps([str(tmp_path)])}",
                    "data.simulated.train_videos=0",
                    "data.simulated.val_videos=0",
                ],
            ),
            tmp_path,
        )
