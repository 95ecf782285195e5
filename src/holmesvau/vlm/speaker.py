"""Questions in, words out: the part that all local models share, whatever turned their frames into tokens.

Shape legend: `N` frames, `P` tokens a frame, `W` width of the language model, `L` prefix, `T` tail tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from holmesvau.errors import InputError
from holmesvau.vlm import prompts
from holmesvau.vlm.generation import Decoder
from holmesvau.vlm.protocol import GenerationOptions, History, VisualTokens

Template = Callable[[Sequence[prompts.Turn]], str]

# Questions that go through the language model together, and the tokens of their prompts, padding included:
# each holds the keys and values of its own pictures. That is 8 questions about 16 frames of 256 tokens.
ROWS_AT_ONCE = 32
TOKENS_AT_ONCE = 8 * 4608


@dataclass(frozen=True, kw_only=True)
class PromptLaw:
    """How a checkpoint wants to be spoken to.

    `image_id` is the token that `tokens_per_frame` of stand for one frame, between `start` and `end`. With
    `special_tokens` the tokenizer puts its own in front (`<s>`), which chat templates do themselves.
    """

    template: Template
    image_id: int
    tokens_per_frame: int
    special_tokens: bool
    start: str = prompts.IMAGE_START
    end: str = prompts.IMAGE_END
    newline_before_question: bool = True

    def prompt(self, question: str, num_frames: int, history: History = ()) -> str:
        """The whole prompt as a string."""
        frames = prompts.frame_lines(num_frames, self.tokens_per_frame, start=self.start, end=self.end)
        turns = prompts.conversation(
            question, frames, history, newline_before_question=self.newline_before_question
        )
        return self.template(turns)


class Speaker:
    """Answers questions about frames that are already embedded.

    `max_positions` is how many tokens the language model holds, prompt and answer together.
    """

    def __init__(self, decoder: Decoder, tokenizer: Any, law: PromptLaw, *, max_positions: int) -> None:
        self.decoder = decoder
        self.tokenizer = tokenizer
        self.law = law
        self.max_positions = max_positions

    def stream(
        self,
        visual: torch.Tensor,
        question: str,
        history: History = (),
        options: GenerationOptions | None = None,
    ) -> Iterator[str]:
        """The answer to `question` about `visual[N, P, W]`, piece by piece; N may be 0.

        Raises:
            InputError: when the prompt does not fit, or an option or a text is not usable.
        """
        prefix, tail = self.embed(visual, question, history)
        text = _Text(self.tokenizer)
        for (token,) in self.decoder.generate(
            prefix, [tail], self._fitting(len(prefix) + len(tail), options)
        ):
            if token is not None and (piece := text.push(token)):
                yield piece
        if piece := text.rest():
            yield piece

    def answer(
        self,
        visual: torch.Tensor,
        question: str,
        history: History = (),
        options: GenerationOptions | None = None,
    ) -> str:
        """The whole answer; see `stream`."""
        return "".join(self.stream(visual, question, history, options))

    def answer_many(
        self, visual: torch.Tensor, questions: Sequence[str], options: GenerationOptions | None = None
    ) -> list[str]:
        """Answers to several questions about the same frames, in order; see `stream`."""
        return self.answer_each([(visual, question) for question in questions], options)

    def answer_each(
        self, asked: Sequence[tuple[torch.Tensor, str]], options: GenerationOptions | None = None
    ) -> list[str]:
        """Answers to questions about frames of their own, in order; see `stream`.

        Those about the same frames should stand together: their frames are then read once.
        """
        answers = [""] * len(asked)
        seen = [place for place, (visual, _) in enumerate(asked) if len(visual)]
        for place, (visual, question) in enumerate(asked):
            if not len(visual):
                answers[place] = self.answer(visual, question, (), options)
        parts = [self.embed(*asked[place]) for place in seen]
        done = 0
        while done < len(parts):
            batch = parts[done : done + _fitting_together(parts[done:])]
            for place, text in zip(seen[done:], self._together(batch, options), strict=False):
                answers[place] = text
            done += len(batch)
        return answers

    def _together(
        self, prompts: Sequence[tuple[torch.Tensor, torch.Tensor]], options: GenerationOptions | None
    ) -> list[str]:
        texts = [_Text(self.tokenizer) for _ in prompts]
        fitting = self._fitting(sum(_longest(prompts)), options)
        for tokens in self.decoder.generate_each(prompts, fitting):
            for text, token in zip(texts, tokens, strict=True):
                if token is not None:
                    text.add(token)
        return [text.whole() for text in texts]

    @torch.inference_mode()
    def embed(
        self, visual: torch.Tensor, question: str, history: History = ()
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The prompt's embeddings: prefix `[L, W]` up to the last picture token, tail `[T, W]` from there on.

        The prefix depends on the pictures alone, so that it is the same for every question about them.
        """
        prompt = self.law.prompt(question, len(visual), history)
        encoded = self.tokenizer(prompt, add_special_tokens=self.law.special_tokens, return_tensors="pt")
        ids: torch.Tensor = encoded["input_ids"][0]
        embeds, places = scatter(self.decoder.embed, ids, self.law.image_id, visual)
        split = int(places[-1]) + 1 if len(places) else 0
        return embeds[:split], embeds[split:]

    def prompt_tokens(self, question: str, num_frames: int = 0, history: History = ()) -> int:
        """Tokens of the whole prompt; each picture counts as the tokens it is replaced by."""
        one = replace(self.law, tokens_per_frame=1)
        prompt = one.prompt(question, num_frames, history)
        encoded = self.tokenizer(prompt, add_special_tokens=self.law.special_tokens)["input_ids"]
        return len(encoded) + num_frames * (self.law.tokens_per_frame - 1)

    def _fitting(self, prompt_tokens: int, options: GenerationOptions | None) -> GenerationOptions:
        options = options or GenerationOptions()
        room = self.max_positions - prompt_tokens
        if room < 1:
            raise InputError(
                f"The frames, the question and its history make {prompt_tokens} tokens, but this model holds "
                f"{self.max_positions}: choose fewer frames."
            )
        return replace(options, max_new_tokens=min(options.max_new_tokens, room))


class Spoken:
    """The questions of `VisionLanguageModel`, for a model whose frames become tensors `[N, P, W]`."""

    speaker: Speaker
    summarises = True

    @property
    def max_tokens(self) -> int:
        """How many tokens the language model holds, prompt and answer together."""
        return self.speaker.max_positions

    def prompt_tokens(self, question: str, num_frames: int = 0, history: History = ()) -> int:
        """Tokens of the whole prompt of a question, its pictures' included."""
        return self.speaker.prompt_tokens(question, num_frames, history)

    def answer(
        self,
        visual: VisualTokens,
        question: str,
        *,
        history: History = (),
        options: GenerationOptions | None = None,
    ) -> str:
        """The whole answer; see `Speaker.stream` for what is raised."""
        return self.speaker.answer(visual.tokens, question, history, options)

    def answer_many(
        self, visual: VisualTokens, questions: Sequence[str], *, options: GenerationOptions | None = None
    ) -> list[str]:
        """Answers in the order of the questions, which go through the model together."""
        return self.speaker.answer_many(visual.tokens, questions, options)

    def answer_each(
        self, asked: Sequence[tuple[VisualTokens, str]], *, options: GenerationOptions | None = None
    ) -> list[str]:
        """Answers in the order of the questions, each about frames of its own; see `Speaker.answer_each`."""
        return self.speaker.answer_each([(visual.tokens, question) for visual, question in asked], options)

    def stream(
        self,
        visual: VisualTokens,
        question: str,
        *,
        history: History = (),
        options: GenerationOptions | None = None,
    ) -> Iterator[str]:
        """The answer in pieces; nothing goes on when the consumer stops."""
        return self.speaker.stream(visual.tokens, question, history, options)


def _longest(prompts: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> tuple[int, int]:
    """Tokens of the longest prefix and of the longest tail: what every row of a batch is padded to."""
    return max(len(prefix) for prefix, _ in prompts), max(len(tail) for _, tail in prompts)


def _fitting_together(prompts: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> int:
    """How many of them, from the first on, go through the language model as one batch; at least one."""
    rows = 1
    while rows < min(ROWS_AT_ONCE, len(prompts)):
        if (rows + 1) * sum(_longest(prompts[: rows + 1])) > TOKENS_AT_ONCE:
            break
        rows += 1
    return rows


def scatter(
    embed: torch.nn.Module, ids: torch.Tensor, image_id: int, visual: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings `[T, W]` of `ids[T]`, with the rows of `visual[N, P, W]` at `image_id`; and those places.

    Gradients flow into `visual`.
    """
    places = (ids == image_id).nonzero()[:, 0]
    rows = visual.flatten(0, 1)
    assert len(places) == len(rows), (
        f"{len(places)} picture tokens in the prompt for {len(rows)} of the frames"
    )
    # The embedding table may lack a row for the stand-in, whose embedding is not used anyhow.
    known = ids.masked_fill(ids == image_id, 0)
    device = next(embed.parameters()).device
    # Weights that accelerate keeps elsewhere are "meta": its hooks then move the ids themselves.
    words = embed(known if device.type == "meta" else known.to(device))
    places = places.to(words.device)
    return words.index_copy(0, places, rows.to(words)), places


class _Text:
    """Tokens turned into text piece by piece: what is given out never has to be taken back.

    A character that is not complete yet, and white space that may turn out to be the end, are held until what
    follows settles them.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._tokens: list[int] = []
        self._given = ""

    def add(self, token: int) -> None:
        self._tokens.append(token)

    def push(self, token: int) -> str:
        """Add a token; what may be given out because of it."""
        self.add(token)
        stable = self._decoded().rstrip("\ufffd").strip()
        if not stable.startswith(self._given):
            return ""
        return self._give(stable)

    def rest(self) -> str:
        return self._give(self.whole())

    def whole(self) -> str:
        return self._decoded().strip()

    def _give(self, text: str) -> str:
        piece = text[len(self._given) :]
        self._given = text
        return piece

    def _decoded(self) -> str:
        text: str = self._tokenizer.decode(
            self._tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text
