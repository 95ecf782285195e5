"""InternVL2.5, 3 and 3.5 in native format: each text model and chat template, 448 px, one tile a frame."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    InternVLForConditionalGeneration,
    InternVLVisionConfig,
    LlamaConfig,
    Qwen2Config,
    Qwen3Config,
    Qwen3MoeConfig,
)

from holmesvau.types import FrameBatch
from holmesvau.vlm import internvl, prompts
from holmesvau.vlm.internvl import InternVl
from holmesvau.vlm.preprocess import pixels
from holmesvau.vlm.protocol import GenerationOptions
from tests.vlm.conftest import byte_tokenizer, native_config

SHORT = GenerationOptions(max_new_tokens=10)
TURNS = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['content'] is string %}"
    "{{ m['content'] }}{% else %}{% for part in m['content'] %}{% if part['type'] == 'image' %}"
    "{{ '<IMG_CONTEXT>\n' }}{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SYSTEM = "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nSENTENCE<|im_end|>\n' }}{% endif %}"
# Text model, chat template, what stands before the user's turn, further settings, by generation.
FAMILY = {
    "2.5": (
        LlamaConfig,
        "{{ bos_token }}" + SYSTEM.replace("SENTENCE", "You are InternVL.") + TURNS,
        "<s><|im_start|>system\nYou are InternVL.<|im_end|>\n",
        {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e6}},
    ),
    "3": (
        Qwen2Config,
        SYSTEM.replace("SENTENCE", "You are a helpful assistant.") + TURNS,
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n",
        {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e6}},
    ),
    # Wider heads than width / heads, and tied embeddings.
    "3.5": (Qwen3Config, TURNS, "", {"head_dim": 32, "tied": True}),
    "3.5 mixture": (
        Qwen3MoeConfig,
        TURNS,
        "",
        {"head_dim": 32, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 48},
    ),
}


@pytest.fixture(scope="module", params=FAMILY)
def generation(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def folder(generation: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    text, template, _, changes = FAMILY[generation]
    folder = tmp_path_factory.mktemp("family") / f"internvl-{generation}"
    config = native_config(text, **changes)
    config.vision_config = InternVLVisionConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        attention_bias=True,
    )
    config.image_seq_length = 256
    torch.manual_seed(11)
    model = InternVLForConditionalGeneration(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, parameter.shape[-1] ** -0.5)
    model.save_pretrained(folder)
    byte_tokenizer(begins=False, chat_template=template).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> InternVl:
    return internvl.load(folder, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def wide() -> FrameBatch:
    """Frames that the family's own processors would cut into four tiles and a thumbnail."""
    pictures = np.random.default_rng(2).integers(0, 256, (2, 120, 480, 3), np.uint8)
    return FrameBatch(pictures, np.array([0, 16]), np.array([0.0, 0.64]))


def reference_answer(folder: Path, model: InternVl, frames: FrameBatch, prompt: str) -> str:
    """transformers' own `generate`: nothing here is ours but the pixels and the prompt."""
    plain = InternVLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = model.speaker.tokenizer
    ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt").input_ids
    out = plain.generate(
        input_ids=ids,
        pixel_values=pixels(frames.frames, 448),
        attention_mask=torch.ones_like(ids),
        max_new_tokens=SHORT.max_new_tokens,
        do_sample=False,
        eos_token_id=sorted(model.speaker.decoder.stop_ids),
        pad_token_id=2,
    )
    return tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True).strip()


def frame_lines(count: int) -> str:
    return "".join(f"Frame{i}: <img>{'<IMG_CONTEXT>' * 256}</img>\n" for i in range(1, count + 1))


def test_a_frame_is_one_tile_of_448_pixels(model: InternVl, wide: FrameBatch) -> None:
    assert model.image_size == 448 and model.info()["tokens_per_frame"] == 256
    assert model.encode(wide).tokens.shape == (2, 256, 64)


def test_its_own_chat_template_speaks(generation: str, model: InternVl) -> None:
    before = FAMILY[generation][2]
    law = model.speaker.law
    asked = f"<|im_start|>user\n{frame_lines(2)}Why?<|im_end|>\n"
    assert law.prompt("Why?", 2) == f"{before}{asked}<|im_start|>assistant\n"
    assert law.prompt("Who?", 2, [("Why?", "A fire.")]) == (
        f"{before}{asked}<|im_start|>assistant\nA fire.<|im_end|>\n"
        "<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert prompts.INTERNVL2_SYSTEM not in law.prompt("Why?", 2) and not law.special_tokens


def test_it_says_what_transformers_generate_says(
    generation: str, model: InternVl, folder: Path, wide: FrameBatch
) -> None:
    asked = f"<|im_start|>user\n{frame_lines(2)}What happens?<|im_end|>\n<|im_start|>assistant\n"
    expected = reference_answer(folder, model, wide, FAMILY[generation][2] + asked)
    visual = model.encode(wide)
    assert len(expected) > 2 and model.answer(visual, "What happens?", options=SHORT) == expected
    questions = ["What happens?", "Is there an anomaly?"]
    answers = model.answer_many(visual, questions, options=SHORT)
    assert answers == [model.answer(visual, question, options=SHORT) for question in questions]
    assert "".join(model.stream(visual, "What happens?", options=SHORT)) == expected
