"""Tokens out of a causal language model: one prefill of the pictures, then any number of questions.

A prompt comes as embeddings in two parts: the prefix (system sentence and pictures, thousands of tokens)
and the tail (the question, tens of tokens). The keys and values of the last prefix are kept, so that a
second question about the same frames pays for its tail only. The split is always made, first question or
tenth: the arithmetic, and so the answer, does not depend on what was asked before.

Shape legend: `B` questions, `L` prefix tokens, `T` tail tokens, `W` width of the language model, `V` its
words.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers.cache_utils import Cache, DynamicLayer

from holmesvau.errors import InputError, ModelError
from holmesvau.vlm.protocol import GenerationOptions


class Decoder:
    """Generates from embeddings with a causal language model. Safe to share between threads.

    `body(inputs_embeds=…) -> last_hidden_state[B, T, W]` is a transformers language model without its head,
    `head[W -> V]` the head. Generation of a row ends with any of `stop_ids`, which are left out.
    """

    def __init__(self, body: nn.Module, head: nn.Module, stop_ids: Collection[int]) -> None:
        self.body = body
        self.head = head
        self.embed: nn.Module = body.get_input_embeddings()  # type: ignore[operator]
        self.stop_ids = frozenset(stop_ids)
        # Replaced as one value, never changed in place: another thread reads the old pair or the new one.
        self._remembered: tuple[torch.Tensor, Cache] | None = None

    def generate(
        self, prefix: torch.Tensor, tails: Sequence[torch.Tensor], options: GenerationOptions
    ) -> Iterator[list[int | None]]:
        """Continue `prefix[L, W]` followed by each of `tails`, `B` tensors `[T, W]` of at least one token.

        Yields the next token of every row, None for rows that have ended. Nothing runs between two steps, and
        nothing is left running when the consumer stops asking.

        Raises:
            InputError: when an option is out of range.
            ModelError: when memory does not suffice.
        """
        return self.generate_each([(prefix, tail) for tail in tails], options)

    @torch.inference_mode()
    def generate_each(
        self, prompts: Sequence[tuple[torch.Tensor, torch.Tensor]], options: GenerationOptions
    ) -> Iterator[list[int | None]]:
        """`generate` for `B` prompts with prefixes of their own, (prefix `[L, W]`, tail `[T, W]`) each.

        One prefix after another is read, what they have to say is said together: a step of many rows takes
        little longer than that of one.
        """
        check(options)
        ends = time.monotonic() + (math.inf if options.max_seconds is None else options.max_seconds)
        with memory_told():
            tails = [tail for _, tail in prompts]
            lengths = [len(prefix) for prefix, _ in prompts]
            cache = _KeyValues.merged(
                [self._prefilled(prefix) for prefix, _ in prompts],
                lengths,
                max(map(len, tails)) + options.max_new_tokens,
            )
            embeds, mask, positions = _padded(tails, lengths)
            dice = [torch.Generator().manual_seed(options.seed) for _ in tails]
            said: list[list[int]] = [[] for _ in tails]
            ended = [False] * len(tails)
            for step in range(options.max_new_tokens):
                logits = self._forward(embeds, mask, positions, cache)
                tokens = self._choose(logits, options, dice, said, ended)
                if all(ended):
                    return
                yield tokens
                if step + 1 == options.max_new_tokens or time.monotonic() >= ends:
                    return
                fed = torch.tensor(
                    [[0 if token is None else token] for token in tokens], device=embeds.device
                )
                embeds = self.embed(fed)
                if mask is not None and positions is not None:
                    mask = torch.cat([mask, mask.new_ones(len(tails), 1)], dim=1)
                    positions = positions[:, -1:] + 1

    def forget(self) -> None:
        """Give back the memory of the last prefix."""
        self._remembered = None

    def _prefilled(self, prefix: torch.Tensor) -> _KeyValues:
        remembered = self._remembered
        if remembered is not None and _same(remembered[0], prefix):
            return remembered[1]
        # First let go of the old one: two prefixes of 16 frames are 600 MB in a 2B model.
        self._remembered = remembered = None
        cache = _KeyValues()
        if len(prefix):
            self.body(inputs_embeds=prefix[None], past_key_values=cache, use_cache=True)
        self._remembered = (prefix, cache)
        return cache

    def _forward(
        self, embeds: torch.Tensor, mask: torch.Tensor | None, positions: torch.Tensor | None, cache: Cache
    ) -> torch.Tensor:
        """Logits `[B, V]` float32 on the CPU, of the token that follows."""
        hidden = self.body(
            inputs_embeds=embeds,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        logits: torch.Tensor = self.head(hidden[:, -1])
        return logits.float().cpu()

    def _choose(
        self,
        logits: torch.Tensor,
        options: GenerationOptions,
        dice: Sequence[torch.Generator],
        said: list[list[int]],
        ended: list[bool],
    ) -> list[int | None]:
        tokens: list[int | None] = []
        for row, row_logits in enumerate(logits):
            token = None if ended[row] else next_token(row_logits, options, dice[row], said[row])
            if token is None or token in self.stop_ids:
                ended[row] = True
                tokens.append(None)
            else:
                said[row].append(token)
                tokens.append(token)
        return tokens


def next_token(
    logits: torch.Tensor, options: GenerationOptions, dice: torch.Generator, said: Sequence[int] = ()
) -> int:
    """The next token given `logits[V]` float32: the likeliest at temperature 0, else drawn among the top-p.

    The repetition penalty counts what has been `said` in this answer, not the prompt.
    """
    if options.repetition_penalty != 1.0 and said:
        used = torch.tensor(sorted(set(said)))
        penalty = options.repetition_penalty
        scores = logits[used]
        logits = logits.clone()
        logits[used] = torch.where(scores > 0, scores / penalty, scores * penalty)
    if options.temperature == 0:
        return int(logits.argmax())
    probabilities, order = torch.softmax(logits / options.temperature, dim=-1).sort(descending=True)
    # A token stays while the mass before it is below top_p, so the likeliest always does.
    outside = probabilities.cumsum(-1) - probabilities >= options.top_p
    kept = probabilities.masked_fill(outside, 0.0)
    kept[0] = probabilities[0]
    return int(order[torch.multinomial(kept, 1, generator=dice)])


def check(options: GenerationOptions) -> None:
    """Refuse what cannot be generated with.

    Raises:
        InputError: naming the option and its value.
    """
    if options.max_new_tokens < 1:
        raise InputError(f"max_new_tokens must be 1 or more, got {options.max_new_tokens}.")
    if not options.temperature >= 0:
        raise InputError(f"temperature must be 0 (greedy) or more, got {options.temperature}.")
    if not 0 < options.top_p <= 1:
        raise InputError(f"top_p must lie in (0, 1], got {options.top_p}.")
    if options.max_seconds is not None and not options.max_seconds > 0:
        raise InputError(f"max_seconds must be above 0, got {options.max_seconds}.")
    if not options.repetition_penalty > 0:
        raise InputError(f"repetition_penalty must be above 0 (1 is none), got {options.repetition_penalty}.")


@contextmanager
def memory_told() -> Iterator[None]:
    """Turn an accelerator's lack of memory into a sentence about what to do.

    Raises:
        ModelError: in place of torch's error.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ModelError(
            "The device's memory does not suffice for this model and these frames. Choose fewer frames "
            "(sampler.num_frames), device_map='auto' or device='cpu'."
        ) from error


class _BufferedLayer(DynamicLayer):
    """Keys and values of one layer in a buffer with room: a new token costs no copy of the old ones."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.length = 0
            self._key_buffer, self._value_buffer = key_states, value_states
        elif self._key_buffer.shape[-2] < self.length + key_states.shape[-2]:
            self.reserve(key_states.shape[-2] + self.length)
        end = self.length + key_states.shape[-2]
        if self.length:
            self._key_buffer[:, :, self.length : end] = key_states
            self._value_buffer[:, :, self.length : end] = value_states
        self.length = end
        self.keys, self.values = self._key_buffer[:, :, :end], self._value_buffer[:, :, :end]
        return self.keys, self.values

    def reserve(self, room: int) -> None:
        """Move to a buffer with `room` more tokens."""
        old_keys, old_values = self.keys, self.values
        shape = (*old_keys.shape[:2], self.length + room, old_keys.shape[3])
        self._key_buffer, self._value_buffer = old_keys.new_empty(shape), old_values.new_empty(shape)
        self._key_buffer[:, :, : self.length] = old_keys
        self._value_buffer[:, :, : self.length] = old_values

    @classmethod
    def merged(
        cls, rows: Sequence[_BufferedLayer | None], lengths: Sequence[int], room: int
    ) -> _BufferedLayer:
        """One layer of many rows out of layers of one row, each put against the end of the longest.

        What lies before a shorter one is zeros, which a mask must hide; None is a row without any.
        """
        like, longest = next(row for row in rows if row is not None), max(lengths)
        made = cls()
        made.lazy_initialization(like.keys, like.values)
        made.length = longest
        shape = (len(rows), like.keys.shape[1], longest + room, like.keys.shape[3])
        made._key_buffer, made._value_buffer = like.keys.new_empty(shape), like.values.new_empty(shape)
        for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            begin = longest - length
            for buffer in (made._key_buffer, made._value_buffer):
                buffer[place, :, :begin] = 0
            if row is not None:
                made._key_buffer[place, :, begin:longest] = row.keys[0]
                made._value_buffer[place, :, begin:longest] = row.values[0]
        made.keys, made.values = made._key_buffer[:, :, :longest], made._value_buffer[:, :, :longest]
        return made


class _KeyValues(Cache):
    """The keys and values of all layers."""

    def __init__(self) -> None:
        super().__init__(layer_class_to_replicate=_BufferedLayer)

    @classmethod
    def merged(cls, rows: Sequence[_KeyValues], lengths: Sequence[int], room: int) -> _KeyValues:
        """Those of prefixes of so many tokens, a row each, with room for `room` tokens more."""
        whole = cls()
        depth = max(len(row.layers) for row in rows)
        for level in range(depth):
            layers = [row.layers[level] if row.layers else None for row in rows]
            whole.layers.append(_BufferedLayer.merged(layers, lengths, room))
        return whole


def _padded(
    tails: Sequence[torch.Tensor], lengths: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
    """Tails as one batch: embeddings `[B, T, W]`, attention mask `[B, L + T]`, positions `[B, T]`.

    `lengths` are those of the prefixes, which stand against the end of the longest. Shorter tails are padded
    in front, between prefix and tail. Where nothing is padded, no mask is needed.
    """
    longest, prefix = max(map(len, tails)), max(lengths)
    if all(len(tail) == longest for tail in tails) and min(lengths) == prefix:
        return torch.stack(list(tails)), None, None
    embeds = tails[0].new_zeros(len(tails), longest, tails[0].shape[-1])
    mask = torch.ones(len(tails), prefix + longest, dtype=torch.long, device=embeds.device)
    positions = torch.zeros(len(tails), longest, dtype=torch.long, device=embeds.device)
    for row, (tail, length) in enumerate(zip(tails, lengths, strict=True)):
        padding = longest - len(tail)
        embeds[row, padding:] = tail
        mask[row, : prefix - length] = 0
        mask[row, prefix : prefix + padding] = 0
        positions[row, padding:] = torch.arange(length, length + len(tail), device=embeds.device)
    return embeds, mask, positions


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype and torch.equal(one, other)
