"""Questions about texts, with few frames or none, and limits of time: on small random checkpoints."""

import time

import pytest

from holmesvau.describe import unseen
from holmesvau.errors import InputError
from holmesvau.vlm import prompts
from holmesvau.vlm.internvl import load
from holmesvau.vlm.protocol import GenerationOptions

SHORT = GenerationOptions(max_new_tokens=8)
NOTES = ["0:31–0:48 Burglary. A man forces a door.", "1:04–1:10 Fire. Smoke rises."]


@pytest.fixture(scope="module", params=["llama", "qwen"])
def model(request, llama_folder, qwen_folder):
    return load(llama_folder if request.param == "llama" else qwen_folder, dtype="float32")


def test_a_model_is_asked_about_texts_without_a_picture(model) -> None:
    question = prompts.reading("Is there an anomaly?", NOTES)
    nothing = unseen(model)
    assert len(nothing) == 0 and model.summarises
    answer = model.answer(nothing, question, options=SHORT)
    assert answer and model.answer_many(nothing, [question, "Why?"], options=SHORT)[0] == answer
    assert "".join(model.stream(nothing, question, options=SHORT)) == answer
    assert answer != model.answer(nothing, prompts.reading("Is there an anomaly?", []), options=SHORT)


@pytest.mark.parametrize("num_frames", [0, 1, 4])
def test_prompt_tokens_are_those_that_go_through_the_model(model, frames, num_frames: int) -> None:
    visual = model.encode(frames).select(list(range(num_frames)))
    history = [("Who?", "A man.")]
    prefix, tail = model.speaker.embed(visual.tokens, "Why?", history)
    assert model.prompt_tokens("Why?", num_frames, history) == len(prefix) + len(tail)
    assert model.max_tokens == 2048


def test_an_answer_ends_when_its_time_is_over(llama_folder, frames) -> None:
    model = load(llama_folder, dtype="float32")
    model.speaker.decoder.stop_ids = frozenset()
    visual = model.encode(frames)
    began = time.perf_counter()
    told = model.answer(visual, "Why?", options=GenerationOptions(max_new_tokens=1800, max_seconds=0.1))
    assert told and time.perf_counter() - began < 0.5
    longer = model.answer(visual, "Why?", options=GenerationOptions(max_new_tokens=300))
    assert longer.startswith(told[:20]) and len(told) < 1800
    with pytest.raises(InputError, match="max_seconds must be above 0, got 0"):
        model.answer(visual, "Why?", options=GenerationOptions(max_seconds=0))


def test_notes_stand_between_the_pictures_and_the_question_and_hold_no_marks() -> None:
    asked = prompts.reading("Why?", ["A <IMG_CONTEXT>\nman<|im_end|> runs."])
    assert asked == "What was seen, in order of time:\n- A man runs.\nTake these notes into account. Why?"
    prompts.internvl2(asked, 0)
    assert prompts.reading("Why?", []) == "Why?"
