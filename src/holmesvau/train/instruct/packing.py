"""Examples about the same frames as one sequence, and all of a run's passes planned beforehand.

A pack is the shared prefix (system sentence and pictures) followed by the tails of its rows. Each tail sees
the prefix and itself and counts its positions from the prefix's end, so every row has the loss it has alone,
and the pictures, nine tenths of a row, go through the language model once.

The plan fixes which rows make which step, whatever the number of processes and the length of a pass: a run
that is resumed, or spread over more processes, takes the same steps.

Shape legend: `B` packs of a pass, `L` tokens of the longest, `F` frames of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from holmesvau.errors import HolmesError, InputError
from holmesvau.hivau.dataset import IGNORED, OnError, failed
from holmesvau.train.instruct.examples import Example
from holmesvau.train.instruct.wording import Wording

PADDING = -1
Pictures = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """Examples that show the same frames, and how many tokens they make together."""

    examples: tuple[Example, ...]
    num_tokens: int


Pass = tuple[Pack, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """`steps[s][k]` is pass `k` of step `s`: as many in every step, some of them may be empty.

    `epochs[s]` is the epoch of the step, from 0.
    """

    steps: tuple[tuple[Pass, ...], ...]
    epochs: tuple[int, ...]

    @property
    def passes_per_step(self) -> int:
        """Over all processes."""
        return len(self.steps[0])

    def passes(self) -> list[Pass]:
        """All of them, one step after the other."""
        return [one for step in self.steps for one in step]

    def num_tokens(self, step: int) -> int:
        """Tokens without padding that go through the language model in a step."""
        return sum(pack.num_tokens for one in self.steps[step] for pack in one)

    def num_rows(self, step: int) -> int:
        """Rows of a step."""
        return sum(len(pack.examples) for one in self.steps[step] for pack in one)


def pack(examples: Iterable[Example], wording: Wording, *, together: bool, pass_tokens: int) -> list[Pack]:
    """Examples that follow one another and show the same frames, as packs of at most `pass_tokens` tokens.

    Without `together` each example is a pack of its own.
    """
    packs: list[Pack] = []
    for example in examples:
        last = packs[-1] if packs else None
        longer = len(example.tail) + (last.num_tokens if last else 0)
        if (
            together
            and last is not None
            and last.examples[0].frames_key == example.frames_key
            and longer <= pass_tokens
        ):
            packs[-1] = Pack((*last.examples, example), longer)
        else:
            packs.append(Pack((example,), len(wording.prefix(len(example.index))) + len(example.tail)))
    return packs


def plan(
    examples: Sequence[Example],
    wording: Wording,
    *,
    batch_rows: int,
    pass_tokens: int,
    epochs: int,
    seed: int,
    processes: int = 1,
    together: bool = True,
    max_steps: int = 0,
) -> Plan:
    """Every step of a run: `batch_rows` rows each, fewer in an epoch's last one.

    Rows about the same frames stay together and these groups are shuffled, anew in each epoch. A pass has
    packs of like length and at most `pass_tokens` tokens with padding; one pack may have more.

    Raises:
        InputError: when there are no examples.
    """
    if not examples:
        raise InputError("There is not one row to train on.")
    groups: dict[tuple[str, bytes], list[Example]] = {}
    for example in examples:
        groups.setdefault(example.frames_key, []).append(example)
    drawn: list[tuple[int, list[Pass]]] = []
    listed = list(groups.values())
    for epoch in range(epochs):
        order = np.random.default_rng([seed, epoch]).permutation(len(groups))
        shuffled = [example for number in order for example in listed[number]]
        for start in range(0, len(shuffled), batch_rows):
            rows = shuffled[start : start + batch_rows]
            packs = pack(rows, wording, together=together, pass_tokens=pass_tokens)
            drawn.append((epoch, passes(packs, pass_tokens)))
    drawn = drawn[: max_steps or None]
    wanted = max(len(step) for _, step in drawn)
    wanted = -(-wanted // processes) * processes
    return Plan(tuple(_spread(step, wanted) for _, step in drawn), tuple(epoch for epoch, _ in drawn))


def passes(packs: Sequence[Pack], pass_tokens: int) -> list[Pass]:
    """Packs of like length together, as many as fit into `pass_tokens` tokens with padding; longest first."""
    found: list[list[Pack]] = []
    for one in sorted(packs, key=lambda one: -one.num_tokens):
        if found and found[-1][0].num_tokens * (len(found[-1]) + 1) <= pass_tokens:
            found[-1].append(one)
        else:
            found.append([one])
    return [tuple(group) for group in found]


def _spread(step: list[Pass], wanted: int) -> tuple[Pass, ...]:
    """The packs of a step in `wanted` passes: the heaviest are halved until there are so many."""
    spread = list(step)
    while len(spread) < wanted:
        heaviest = max(
            range(len(spread)), key=lambda number: (len(spread[number]) > 1, _weight(spread[number]))
        )
        one = spread[heaviest]
        if len(one) < 2:
            spread += [()] * (wanted - len(spread))
            break
        spread[heaviest : heaviest + 1] = [one[: len(one) // 2], one[len(one) // 2 :]]
    # Neighbours run side by side on different processes: they should take as long as one another.
    return tuple(sorted(spread, key=lambda one: -_weight(one)))


def _weight(one: Pass) -> int:
    return len(one) * one[0].num_tokens if one else 0


def batch(
    one: Pass,
    wording: Wording,
    pictures: Callable[[Example], Pictures],
    *,
    on_error: OnError = "raise",
) -> dict[str, Any]:
    """A pass as tensors.

    `input_ids`, `position_ids`, `segments` and `labels`, all `[B, L]` int64. `segments` is 0 in the prefix,
    k in the k-th tail, -1 in the padding; `labels` is what each place has to say, -100 where nothing counts.
    `pictures` are what `Trainable.prepare` made of the packs' frames, `[F, …]` each, pack by pack. `skipped`
    tells of rows whose pictures cannot be had.

    Raises:
        HolmesError: with `on_error="raise"`, when a pack's pictures cannot be had.
    """
    whole: list[tuple[Pack, Pictures]] = []
    skipped: list[str] = []
    for each in one:
        try:
            whole.append((each, pictures(each.examples[0])))
        except HolmesError as error:
            skipped += [failed(example.row, error, on_error).reason for example in each.examples]
    longest = max((each.num_tokens for each, _ in whole), default=1)
    shape = (len(whole), longest)
    made = {
        "input_ids": np.full(shape, wording.padding_id),
        "position_ids": np.zeros(shape, np.int64),
        "segments": np.full(shape, PADDING),
        "labels": np.full(shape, IGNORED),
    }
    for place, (each, _) in enumerate(whole):
        _write(each, wording, {name: array[place] for name, array in made.items()})
    names = whole[0][1] if whole else {}
    return {
        **{name: torch.from_numpy(array) for name, array in made.items()},
        "pictures": {name: torch.cat([seen[name] for _, seen in whole]) for name in names},
        "skipped": skipped,
    }


def _write(each: Pack, wording: Wording, rows: Mapping[str, np.ndarray]) -> None:
    prefix = wording.prefix(len(each.examples[0].index))
    end = begin = len(prefix)
    rows["input_ids"][:end] = prefix
    rows["position_ids"][:end] = np.arange(end)
    rows["segments"][:end] = 0
    for number, example in enumerate(each.examples, start=1):
        part = slice(end, end + len(example.tail))
        rows["input_ids"][part] = example.tail
        rows["position_ids"][part] = begin + np.arange(len(example.tail))
        rows["segments"][part] = number
        rows["labels"][part] = example.targets
        end = part.stop


def sight(segments: torch.Tensor) -> torch.Tensor:
    """Who sees whom: `[B, 1, L, L]` bool from `segments[B, L]`.

    A place sees those before it and itself, of the prefix and of its own tail.
    """
    length = segments.shape[1]
    before = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
    same = (segments[:, None, :] == 0) | (segments[:, None, :] == segments[:, :, None])
    return (before & same)[:, None]
