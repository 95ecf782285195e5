"""The prompt law, in one place: how frames and turns become one string, and what the pipeline asks.

A user's turn is `Frame1: <image>\\n … FrameN: <image>\\n{question}` (§4.1), where each `<image>` stands for
the picture's tokens. Around the turns goes the chat format the language model was trained with.

Shape legend: `N` frames, `P` tokens a frame.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from holmesvau.errors import InputError
from holmesvau.vlm.judgement import Verdict, parse_judgement
from holmesvau.vlm.protocol import History

__all__ = [
    "QUESTIONS",
    "Turn",
    "Verdict",
    "ask",
    "conversation",
    "frame_lines",
    "internlm2_chat",
    "internvl2",
    "parse_judgement",
    "reading",
    "smollm2_chat",
    "tokenizer_chat",
    "unmarked",
]

Level = Literal["clip", "event", "video"]
Task = Literal["caption", "judgement", "description", "analysis"]

IMAGE_START = "<img>"
IMAGE_TOKEN = "<IMG_CONTEXT>"
IMAGE_END = "</img>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"

INTERNVL2_SYSTEM = "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。"  # noqa: E501 - wide characters count twice
SMOLLM2_SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"

# One canonical wording for each thing the pipeline asks at each level (§3.1, §3.2).
QUESTIONS: dict[str, dict[str, str]] = {
    "clip": {"caption": "Describe what happens in this short video clip."},
    "event": {
        "judgement": "Is there an anomaly in this part of the video? If there is, name its class.",
        "description": "Describe the event shown in this part of the video.",
        "analysis": "Explain why this event counts as an anomaly.",
    },
    "video": {
        "judgement": "Is there an anomaly in this video? If there is, name its class.",
        "description": "Describe the events shown in this video.",
        "analysis": "Explain why what is shown in this video counts as an anomaly.",
    },
}

# What stands between the pictures and a question about more than they show (§3.2: each level is summarised
# from the one below it).
NOTES = "What was seen, in order of time:"
ABOUT_NOTES = "Take these notes into account."

# Markers that a person's words may not contain: they would add pictures or turns that nobody gave.
_MARKERS = (IMAGE_TOKEN, TURN_START, TURN_END)
_LEADING_FRAMES = re.compile(r"\A(?:(?:Frame\d+: )?<image>\n?)+")


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange: what the user says, pictures' tokens included, and the reply (None: asked for)."""

    user: str
    reply: str | None = None


def frame_lines(
    num_frames: int,
    tokens_per_frame: int,
    *,
    label: bool = True,
    start: str = IMAGE_START,
    end: str = IMAGE_END,
) -> str:
    """`Frame{i}: <img>` + `P` image tokens + `</img>\\n` for each frame; without `label`, no `Frame{i}: `.

    Raises:
        InputError: when a count is negative, or frames have no tokens.
    """
    if num_frames < 0:
        raise InputError(f"A prompt needs a number of frames of 0 or more, got {num_frames}.")
    if num_frames and tokens_per_frame < 1:
        raise InputError(f"A frame needs at least one token, got tokens_per_frame={tokens_per_frame}.")
    picture = f"{start}{IMAGE_TOKEN * tokens_per_frame}{end}\n"
    return "".join(f"Frame{i}: {picture}" if label else picture for i in range(1, num_frames + 1))


def ask(question: str, frames: str, *, newline_before_question: bool = True) -> str:
    """A user's turn: `frames` (from `frame_lines`, maybe empty), then the question.

    The published inference code puts a newline between the two and its training code does not.
    """
    return (frames if newline_before_question else frames.removesuffix("\n")) + question


def reading(question: str, notes: Sequence[str]) -> str:
    """A question with what is already known, one line each, in front of it; alone where nothing is.

    Notes are a model's own words and may hold anything: markers in them are taken out.
    """
    if not notes:
        return question
    lines = [" ".join(unmarked(note).split()) for note in notes]
    return "\n".join([NOTES, *(f"- {line}" for line in lines), f"{ABOUT_NOTES} {question}"])


def unmarked(text: str) -> str:
    """A text without the markers of pictures and turns, such as a model's own words may hold."""
    for marker in _MARKERS:
        text = text.replace(marker, " ")
    return text


def conversation(
    question: str, frames: str, history: History = (), *, newline_before_question: bool = True
) -> list[Turn]:
    """The turns of a conversation about one set of frames: the pictures stand in the first turn only.

    So every question about the same frames begins with the same tokens, follow-up questions included.

    Raises:
        InputError: when a question or an earlier answer contains a marker such as `<IMG_CONTEXT>`.
    """
    for text in (question, *(part for turn in history for part in turn)):
        for marker in _MARKERS:
            if marker in text:
                raise InputError(
                    f"The question or its history contains {marker}, a mark of pictures or turns: remove it."
                )
    said = [*history, (question, None)]
    first = ask(said[0][0], frames, newline_before_question=newline_before_question)
    return [Turn(first, said[0][1]), *(Turn(user, reply) for user, reply in said[1:])]


def internvl2(
    question: str,
    num_frames: int,
    history: History | None = None,
    tokens_per_frame: int = 256,
    newline_before_question: bool = True,
    *,
    label_frames: bool = True,
) -> str:
    """The full prompt of InternVL2-2B and HolmesVAU, to the character as the published `chat()` builds it.

    The `num_frames` pictures belong to `question`. An earlier question keeps its own: its leading
    `Frame{i}: <image>` lines become picture tokens too; an `<image>` anywhere else is left as plain text.
    With `label_frames=False` the pictures come without `Frame{i}: `, as in single-picture chat.

    Raises:
        InputError: when a count is negative, or frames have no tokens.
    """
    frames = frame_lines(num_frames, tokens_per_frame, label=label_frames)
    picture = f"{IMAGE_START}{IMAGE_TOKEN * tokens_per_frame}{IMAGE_END}"

    def expand(user: str) -> str:
        return _LEADING_FRAMES.sub(lambda match: match[0].replace("<image>", picture), user)

    turns = [Turn(expand(user), reply) for user, reply in history or ()]
    turns.append(Turn(ask(question, frames, newline_before_question=newline_before_question)))
    return internlm2_chat(turns)


def internlm2_chat(turns: Sequence[Turn]) -> str:
    """InternLM2's chat format, of InternVL2-2B (§4.1): no newline after `<|im_end|>`, a fixed system line."""
    return _marked(turns, INTERNVL2_SYSTEM, after_turn="")


def smollm2_chat(turns: Sequence[Turn]) -> str:
    """SmolLM2-Instruct's chat format: a newline after every `<|im_end|>`, the system sentence it knows."""
    return _marked(turns, SMOLLM2_SYSTEM, after_turn="\n")


def tokenizer_chat(turns: Sequence[Turn], tokenizer: Any) -> str:
    """The chat template that a checkpoint's own tokenizer carries (native InternVL2.5, 3 and 3.5)."""
    messages = []
    for turn in turns:
        messages.append({"role": "user", "content": turn.user})
        if turn.reply is not None:
            messages.append({"role": "assistant", "content": turn.reply})
    text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return text


def _marked(turns: Sequence[Turn], system: str, after_turn: str) -> str:
    stop = TURN_END + after_turn
    parts = [f"{TURN_START}system\n{system}{stop}"]
    for turn in turns:
        parts.append(f"{TURN_START}user\n{turn.user}{stop}{TURN_START}assistant\n")
        if turn.reply is not None:
            parts.append(f"{turn.reply}{stop}")
    return "".join(parts)
