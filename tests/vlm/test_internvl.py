"""InternVL checkpoints: the numbers of transformers' own forward, and all that is asked of a model."""

import gc
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import peft
import pytest
import torch
from transformers import InternVLForConditionalGeneration

from holmesvau.errors import InputError
from holmesvau.types import FrameBatch
from holmesvau.vlm import internvl, prompts, speaker
from holmesvau.vlm.generation import _KeyValues
from holmesvau.vlm.internvl import InternVl
from holmesvau.vlm.preprocess import pixels
from holmesvau.vlm.protocol import GenerationOptions, VisionLanguageModel

SHORT = GenerationOptions(max_new_tokens=24)
QUESTIONS = ["What happens?", "Is there an anomaly in this video? Name its class.", "Why?", "Who runs?"]


@pytest.fixture(scope="module")
def llama(llama_folder: Path) -> InternVl:
    return internvl.load(llama_folder, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def qwen(qwen_folder: Path) -> InternVl:
    return internvl.load(qwen_folder, device="cpu", dtype="float32")


@pytest.fixture(params=["llama", "qwen"])
def model(request: pytest.FixtureRequest) -> InternVl:
    return request.getfixturevalue(request.param)


def reference_answer(model: InternVl, folder: Path, frames: FrameBatch, prompt: str, begins: bool) -> str:
    """What transformers' own `generate` says: nothing here is ours but the pixels and the prompt."""
    plain = InternVLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = model.speaker.tokenizer
    ids = tokenizer(prompt, add_special_tokens=begins, return_tensors="pt").input_ids
    out = plain.generate(
        input_ids=ids,
        pixel_values=pixels(frames.frames, 56),
        attention_mask=torch.ones_like(ids),
        max_new_tokens=SHORT.max_new_tokens,
        do_sample=False,
        eos_token_id=sorted(model.speaker.decoder.stop_ids),
        pad_token_id=2,
    )
    return tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True).strip()


def test_it_is_a_vision_language_model(llama: InternVl) -> None:
    checked: VisionLanguageModel = llama
    assert checked.name == "holmes-llama" and checked.num_frames == 16
    info = checked.info()
    assert info["backend"] == "internvl" and info["dtype"] == "float32" and info["device"] == "cpu"
    assert info["parameters"] == sum(p.numel() for p in llama.model.parameters())


def test_our_logits_are_those_of_transformers_own_forward(model: InternVl, frames: FrameBatch) -> None:
    visual = model.encode(frames)
    assert visual.tokens.shape == (4, 4, 64)
    prefix, tail = model.speaker.embed(visual.tokens, "What happens?")
    decoder = model.speaker.decoder
    with torch.inference_mode():
        cache = _KeyValues.merged([decoder._prefilled(prefix)], [len(prefix)], len(tail))
        ours = decoder._forward(tail[None], None, None, cache)[0]
        prompt = model.speaker.law.prompt("What happens?", 4)
        ids = model.speaker.tokenizer(
            prompt, add_special_tokens=model.speaker.law.special_tokens, return_tensors="pt"
        ).input_ids
        theirs = model.model(input_ids=ids, pixel_values=pixels(frames.frames, 56)).logits[0, -1]
    assert len(prefix) + len(tail) == ids.shape[1]
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)


def test_answers_are_those_of_transformers_generate(
    llama: InternVl, qwen: InternVl, llama_folder: Path, qwen_folder: Path, frames: FrameBatch
) -> None:
    prompt = prompts.internvl2("What happens?", 4, tokens_per_frame=4)
    expected = reference_answer(llama, llama_folder, frames, prompt, begins=True)
    assert len(expected) > 5
    assert llama.answer(llama.encode(frames), "What happens?", options=SHORT) == expected

    lines = "".join(f"Frame{i}: <img>{'<IMG_CONTEXT>' * 4}</img>\n" for i in range(1, 5))
    prompt = f"<|im_start|>user\n{lines}What happens?<|im_end|>\n<|im_start|>assistant\n"
    expected = reference_answer(qwen, qwen_folder, frames, prompt, begins=False)
    assert len(expected) > 5
    assert qwen.answer(qwen.encode(frames), "What happens?", options=SHORT) == expected


def test_history_puts_the_pictures_in_the_first_turn(
    llama: InternVl, llama_folder: Path, frames: FrameBatch
) -> None:
    first = "".join(f"Frame{i}: <image>\n" for i in range(1, 5)) + "What happens?"
    prompt = prompts.internvl2("Why?", 0, [(first, "A fire.")], tokens_per_frame=4)
    expected = reference_answer(llama, llama_folder, frames, prompt, begins=True)
    visual = llama.encode(frames)
    answer = llama.answer(visual, "Why?", history=[("What happens?", "A fire.")], options=SHORT)
    assert answer == expected
    assert answer != llama.answer(visual, "Why?", options=SHORT)


def test_many_questions_are_answered_as_each_alone(model: InternVl, frames: FrameBatch) -> None:
    visual = model.encode(frames)
    together = model.answer_many(visual, QUESTIONS * 3, options=SHORT)
    model.speaker.decoder.forget()
    alone = [model.answer(visual, question, options=SHORT) for question in QUESTIONS]
    assert together == alone * 3
    assert len(set(alone)) > 1
    assert model.answer_many(visual, [], options=SHORT) == []


def test_questions_about_different_frames_are_answered_as_each_alone(
    model: InternVl, frames: FrameBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    visual = model.encode(frames)
    nothing = visual.select([])
    shown = [visual, visual, visual.select([2]), visual.select([0, 3]), nothing, visual.select([3, 0])]
    asked = [(part, QUESTIONS[k % len(QUESTIONS)]) for k, part in enumerate(shown)]
    alone = [model.answer(part, question, options=SHORT) for part, question in asked]
    assert len(set(alone)) > 2
    model.speaker.decoder.forget()
    assert model.answer_each(asked, options=SHORT) == alone
    # In batches of two, and one by one where no two have room.
    monkeypatch.setattr(speaker, "ROWS_AT_ONCE", 2)
    assert model.answer_each(asked, options=SHORT) == alone
    monkeypatch.setattr(speaker, "TOKENS_AT_ONCE", 1)
    assert model.answer_each(asked, options=SHORT) == alone
    assert model.answer_each([], options=SHORT) == []


def test_many_sampled_answers_are_those_of_each_alone(llama: InternVl, frames: FrameBatch) -> None:
    visual = llama.encode(frames)
    options = GenerationOptions(max_new_tokens=12, temperature=0.9, top_p=0.8, repetition_penalty=1.2, seed=3)
    alone = [llama.answer(visual, question, options=options) for question in QUESTIONS]
    assert llama.answer_many(visual, QUESTIONS, options=options) == alone


def test_the_stream_joined_is_the_answer(model: InternVl, frames: FrameBatch) -> None:
    visual = model.encode(frames)
    for question in QUESTIONS:
        pieces = list(model.stream(visual, question, options=SHORT))
        assert "".join(pieces) == model.answer(visual, question, options=SHORT)
        assert len(pieces) > 1 and all(pieces)


def test_a_stream_that_is_dropped_leaves_nothing_running(llama: InternVl, frames: FrameBatch) -> None:
    visual = llama.encode(frames)
    steps: list[int] = []
    hook = llama.model.lm_head.register_forward_hook(lambda *_: steps.append(1))
    before = threading.active_count()
    try:
        stream = llama.stream(visual, "What happens?", options=GenerationOptions(max_new_tokens=500))
        next(stream)
        taken = len(steps)
        assert 0 < taken < 10
        stream.close()
        del stream
        gc.collect()
        assert len(steps) == taken and threading.active_count() == before
    finally:
        hook.remove()
    assert not torch.is_inference_mode_enabled()


def test_the_pictures_are_prefilled_once_for_all_questions(llama: InternVl, frames: FrameBatch) -> None:
    visual = llama.encode(frames)
    lengths: list[int] = []
    hook = llama.model.model.language_model.register_forward_pre_hook(
        lambda _, args, kwargs: lengths.append(kwargs["inputs_embeds"].shape[1]), with_kwargs=True
    )
    llama.speaker.decoder.forget()
    one = GenerationOptions(max_new_tokens=1)
    try:
        llama.answer(visual, "What happens?", options=one)
        first = list(lengths)
        # The same frames taken again as a new selection still share their prefix.
        llama.answer(visual.select([0, 1, 2, 3]), "Why?", history=[("What happens?", "x")], options=one)
        second = lengths[len(first) :]
        llama.answer(visual.select([1, 2]), "Why?", options=one)
        third = lengths[len(first) + len(second) :]
    finally:
        hook.remove()
    assert len(first) == 2 and len(second) == 1 and second[0] < first[0]
    assert len(third) == 2 and third[0] < first[0]


def test_an_answer_does_not_depend_on_what_was_asked_before(llama: InternVl, frames: FrameBatch) -> None:
    visual = llama.encode(frames)
    fresh = []
    for question in QUESTIONS:
        llama.speaker.decoder.forget()
        fresh.append(llama.answer(visual, question, options=SHORT))
    llama.answer(visual.select([2, 0]), "Why?", options=SHORT)
    assert [llama.answer(visual, question, options=SHORT) for question in QUESTIONS] == fresh


def test_selected_rows_are_those_frames_encoded_alone(llama: InternVl, frames: FrameBatch) -> None:
    picked = llama.encode(frames).select([2, 1])
    alone = llama.encode(FrameBatch(frames.frames[[2, 1]], frames.index[[2, 1]], frames.seconds[[2, 1]]))
    assert picked.index.tolist() == alone.index.tolist() == [32, 16]
    torch.testing.assert_close(picked.tokens, alone.tokens, atol=1e-5, rtol=1e-4)


def test_a_question_without_frames_is_plain_chat(llama: InternVl, frames: FrameBatch) -> None:
    nothing = llama.encode(FrameBatch(frames.frames[:0], frames.index[:0], frames.seconds[:0]))
    assert len(nothing) == 0 and nothing.tokens.shape == (0, 4, 64)
    answer = llama.answer(nothing, "Hello", options=SHORT)
    assert answer and llama.answer_many(nothing, ["Hello", "Hello there"], options=SHORT)[0] == answer


def test_the_newline_variant_of_training_is_taken_from_the_folder(
    make_checkpoint: Callable[..., Path], frames: FrameBatch
) -> None:
    folder = make_checkpoint("settings")
    (folder / "holmesvau.json").write_text(
        '{"name": "mine", "num_frames": 12, "newline_before_question": false, "template": "internvl2"}'
    )
    model = internvl.load(folder, device="cpu", dtype="float32")
    assert model.name == "mine" and model.num_frames == 12
    assert model.speaker.law.prompt("Why?", 2) == prompts.internvl2(
        "Why?", 2, tokens_per_frame=4, newline_before_question=False
    )


def test_bfloat16_keeps_the_rotary_frequencies_in_float32(llama_folder: Path, frames: FrameBatch) -> None:
    model = internvl.load(llama_folder, device="cpu")
    assert model.info()["dtype"] == "bfloat16"
    assert model.model.model.language_model.rotary_emb.inv_freq.dtype == torch.float32
    visual = model.encode(frames)
    assert visual.tokens.dtype == torch.bfloat16
    exact = internvl.load(llama_folder, device="cpu", dtype="float32").encode(frames).tokens
    assert torch.nn.functional.cosine_similarity(visual.tokens.float(), exact, dim=-1).min() > 0.99
    assert model.answer(visual, "What happens?", options=SHORT)


def test_a_head_of_its_own_survives_a_config_that_ties_by_default(
    make_checkpoint: Callable[..., Path], frames: FrameBatch
) -> None:
    folder = make_checkpoint("untold")
    honest = internvl.load(folder, device="cpu", dtype="float32")
    config = (folder / "config.json").read_text()
    assert '"tie_word_embeddings": false' in config
    (folder / "config.json").write_text(
        config.replace('"tie_word_embeddings": false', '"tie_word_embeddings": true')
    )
    model = internvl.load(folder, device="cpu", dtype="float32")
    assert torch.equal(model.model.lm_head.weight, honest.model.lm_head.weight)
    assert not torch.equal(model.model.lm_head.weight, model.model.get_input_embeddings().weight)


def test_tied_weights_stay_tied(make_checkpoint: Callable[..., Path], frames: FrameBatch) -> None:
    folder = make_checkpoint("tied", tied=True)
    model = internvl.load(folder, device="cpu", dtype="float32")
    assert model.model.lm_head.weight.data_ptr() == model.model.get_input_embeddings().weight.data_ptr()
    assert model.answer(model.encode(frames), "What?", options=SHORT)


def test_a_device_map_gives_the_same_answers(llama: InternVl, llama_folder: Path, frames: FrameBatch) -> None:
    mapped = internvl.load(llama_folder, dtype="float32", device_map="cpu")
    expected = llama.answer(llama.encode(frames), "Why?", options=SHORT)
    assert mapped.answer(mapped.encode(frames), "Why?", options=SHORT) == expected


def test_threads_that_share_a_model_get_their_own_answers(llama: InternVl, frames: FrameBatch) -> None:
    visual = llama.encode(frames)
    asked = [(visual.select([row]), question) for row in range(4) for question in QUESTIONS[:2]]
    expected = [llama.answer(*pair, options=SHORT) for pair in asked]
    got: dict[int, str] = {}

    def work(number: int) -> None:
        got[number] = llama.answer(*asked[number], options=SHORT)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(len(asked))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [got[number] for number in range(len(asked))] == expected


def random_adapter(folder: Path, target: Path, rank: int = 4) -> peft.PeftModel:
    torch.manual_seed(1)
    plain = InternVLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    modules = r".*language_model.*(q_proj|v_proj|down_proj)"
    tuned = peft.get_peft_model(plain, peft.LoraConfig(r=rank, lora_alpha=32, target_modules=modules))
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tuned.save_pretrained(target)
    return tuned


def test_an_adapter_changes_the_answers_as_peft_says(
    llama: InternVl, llama_folder: Path, frames: FrameBatch, tmp_path: Path
) -> None:
    tuned = random_adapter(llama_folder, tmp_path).eval()
    model = internvl.load(llama_folder, device="cpu", dtype="float32", adapter=tmp_path)
    assert not any("lora" in name for name, _ in model.model.named_parameters())
    ids = torch.tensor([[1, 20, 30, 40]])
    with torch.inference_mode():
        torch.testing.assert_close(model.model(ids).logits, tuned(ids).logits, atol=1e-4, rtol=1e-4)
    visual = model.encode(frames)
    torch.testing.assert_close(visual.tokens, llama.encode(frames).tokens)
    assert model.answer(visual, "Why?", options=SHORT) != llama.answer(visual, "Why?", options=SHORT)


def test_too_many_frames_are_refused_with_the_figures(llama: InternVl, frames: FrameBatch) -> None:
    many = llama.encode(frames).select([0] * 300)
    with pytest.raises(InputError, match="2048: choose fewer frames"):
        llama.answer(many, "Why?")


def test_an_answer_ends_where_the_model_is_full(llama: InternVl, frames: FrameBatch) -> None:
    visual = llama.encode(frames)
    prompt = sum(map(len, llama.speaker.embed(visual.tokens, "Why?")))
    speaker = internvl.Speaker(
        llama.speaker.decoder, llama.speaker.tokenizer, llama.speaker.law, max_positions=prompt + 3
    )
    assert speaker.answer(visual.tokens, "Why?", (), SHORT) == llama.answer(
        visual, "Why?", options=GenerationOptions(max_new_tokens=3)
    )


def test_encoding_more_frames_than_fit_a_batch_keeps_their_order(llama: InternVl) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (7, 56, 56, 3), np.uint8)
    batch = FrameBatch(pictures, np.arange(7), np.arange(7) / 10)
    tokens = llama.encode(batch).tokens
    last = llama.encode(FrameBatch(pictures[6:], np.array([6]), np.array([0.6]))).tokens
    torch.testing.assert_close(tokens[6:], last, atol=1e-5, rtol=1e-4)
