"""The prompt law against the published code's own prompts, and what it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from holmesvau.errors import InputError
from holmesvau.vlm import prompts

PARITY = Path(__file__).parents[2] / ".." / "shared" / "parity" / "prompts.json"


def published() -> list[dict]:
    return json.loads(PARITY.read_text(encoding="utf-8")) if PARITY.exists() else []


@pytest.mark.skipif(not PARITY.exists(), reason="the differential data (shared/parity) is not here")
def test_every_published_prompt_is_met_to_the_character() -> None:
    rows = published()
    assert len(rows) >= 38
    for row in rows:
        ours = prompts.internvl2(
            row["question"],
            row["num_frames"],
            row["history"],
            tokens_per_frame=row["tokens_per_frame"] or 4,
            label_frames=row["question"] != "no placeholder",
        )
        assert ours == row["prompt"], row


def test_both_newline_variants_differ_by_that_newline_alone() -> None:
    inference = prompts.internvl2("Why?", 2, tokens_per_frame=1)
    training = prompts.internvl2("Why?", 2, tokens_per_frame=1, newline_before_question=False)
    assert inference.replace("</img>\nWhy?", "</img>Why?") == training
    assert training.count("</img>\n") == 1


def test_a_prompt_without_frames_has_no_leading_newline() -> None:
    assert "<|im_start|>user\nWhy?" in prompts.internvl2("Why?", 0)
    assert "<|im_start|>user\nWhy?" in prompts.internvl2("Why?", 0, newline_before_question=False)


def test_an_image_mark_inside_an_earlier_question_stays_text() -> None:
    history = [("Frame1: <image>\nFrame2: <image>\nIs <image> a word?", "Yes")]
    prompt = prompts.internvl2("And now?", 1, history, tokens_per_frame=3)
    assert prompt.count("<IMG_CONTEXT>") == 3 * 3
    assert "Is <image> a word?" in prompt


def test_follow_up_questions_share_the_first_turns_pictures() -> None:
    frames = prompts.frame_lines(2, 2)
    first = prompts.internlm2_chat(prompts.conversation("What?", frames))
    later = prompts.internlm2_chat(prompts.conversation("Why?", frames, [("What?", "A fire.")]))
    opening = first[: first.index("What?")]
    assert later.startswith(opening) and later.count("Frame1: ") == 1
    assert later.endswith("A fire.<|im_end|><|im_start|>user\nWhy?<|im_end|><|im_start|>assistant\n")


def test_smollm2_puts_a_newline_after_every_turn() -> None:
    prompt = prompts.smollm2_chat(prompts.conversation("Why?", "", [("What?", "A fire.")]))
    assert prompt.count("<|im_end|>\n") == prompt.count("<|im_end|>") == 4


@pytest.mark.parametrize("marker", ["<IMG_CONTEXT>", "<|im_start|>", "<|im_end|>"])
def test_markers_in_a_persons_words_are_refused(marker: str) -> None:
    with pytest.raises(InputError, match="remove it"):
        prompts.conversation(f"What is {marker}?", "")
    with pytest.raises(InputError, match="remove it"):
        prompts.conversation("What?", "", [("q", f"answer {marker}")])


@pytest.mark.parametrize(("frames", "tokens"), [(-1, 4), (2, 0)])
def test_unusable_counts_are_refused(frames: int, tokens: int) -> None:
    with pytest.raises(InputError):
        prompts.internvl2("Why?", frames, tokens_per_frame=tokens)


def test_every_level_has_its_questions() -> None:
    assert set(prompts.QUESTIONS["clip"]) == {"caption"}
    for level in ("event", "video"):
        assert set(prompts.QUESTIONS[level]) == {"judgement", "description", "analysis"}


def test_prompts_load_without_torch() -> None:
    code = "import sys, holmesvau.vlm as vlm; vlm.prompts.internvl2('a', 1); print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
