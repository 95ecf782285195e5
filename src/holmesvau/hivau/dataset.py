"""Instruction rows with their pictures, for stage 2 (paper §4.3): from virtual clips, in a loader's workers.

    rows = InstructionDataset(instructions, annotations, "HIVAU-70k", chooser=Uniform(num_frames=16),
                              transform=vlm.preprocess.pixels, on_error="skip")
    loader = DataLoader(rows, batch_size=8, num_workers=4, collate_fn=Collator(text=TextLaw(tokenizer, law)))

A row whose pictures cannot be had raises or is skipped, as `on_error` says. It is never replaced by another:
the public code does that, and trains on other rows than it was given (METHOD: a bare `except`).

Shape legend: `B` rows, `N` frames of a row, `F` frames of all rows of a batch, `L` tokens, `D` class token.
"""

from __future__ import annotations

import gc
import logging
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset, get_worker_info

from holmesvau.errors import HolmesError, InputError, VideoError
from holmesvau.hivau.clips import resolve
from holmesvau.hivau.frames import Chooser, Chosen, Uniform
from holmesvau.hivau.schema import Instruction, VideoAnnotation
from holmesvau.types import FloatArray, IndexArray
from holmesvau.video import Video, open_video
from holmesvau.vlm import prompts
from holmesvau.vlm.speaker import PromptLaw

log = logging.getLogger(__name__)

OnError = Literal["raise", "skip"]
Transform = Callable[[npt.NDArray[np.uint8]], torch.Tensor]

IGNORED = -100
MAX_TOKENS = 4096

# Loaders fork. A video that the parent dropped in a reference cycle would be closed by the child's collector,
# and closing waits for decoder threads, which a fork does not have: the worker would hang for ever.
os.register_at_fork(after_in_child=gc.freeze)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One row with its frames.

    `pictures` has N rows: what the transform made, or the frames themselves, uint8 `[N, H, W, 3]` RGB.
    `seconds[N]` count from the beginning of the file that was read, which is the whole video for a virtual
    clip.
    """

    row: Instruction
    pictures: torch.Tensor
    chosen: Chosen
    seconds: FloatArray

    @property
    def index(self) -> IndexArray:
        """The frames' numbers in the file, `[N]`."""
        return self.chosen.index


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that gives no sample, and why."""

    row: Instruction
    reason: str


class InstructionDataset(Dataset[Sample | Skipped]):
    """Rows by number, in the order given.

    Args:
        rows: instruction rows; their event and clip files need not exist.
        annotations: of the videos they are about, by name: where virtual clips begin and end.
        root: the dataset's folder (`hivau.layout`).
        chooser: which frames of a row; `frames.Uniform` or `frames.Scanned`.
        size: (width, height) to scale to while decoding, None for the video's own.
        transform: what is done to `[N, H, W, 3]` uint8 in the worker, such as `vlm.preprocess.pixels`.
        on_error: a row whose pictures cannot be had raises, or becomes `Skipped` with a line in the log.
        open_videos: how many files a worker keeps open; rows of one video then share its index.
    """

    def __init__(
        self,
        rows: Sequence[Instruction],
        annotations: Mapping[str, VideoAnnotation],
        root: str | Path,
        *,
        chooser: Chooser | None = None,
        size: tuple[int, int] | None = None,
        transform: Transform | None = None,
        on_error: OnError = "raise",
        open_videos: int = 4,
    ) -> None:
        if on_error not in ("raise", "skip"):
            raise InputError(f"on_error = {on_error!r}: choose raise or skip.")
        if open_videos < 1:
            raise InputError(f"open_videos = {open_videos}: a row needs one open file.")
        self.rows, self.annotations, self.root = rows, annotations, Path(root)
        self.chooser: Chooser = chooser if chooser is not None else Uniform()
        self.size, self.transform, self.on_error = size, transform, on_error
        self._videos = _OpenVideos(open_videos)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> Sample | Skipped:
        """The row's sample.

        Raises:
            InputError, VideoError: with `on_error="raise"`, when its pictures cannot be had; the message
                names the row.
        """
        row = self.rows[number]
        try:
            return self._sample(row)
        except (InputError, VideoError) as error:
            return failed(row, error, self.on_error)

    def close(self) -> None:
        """Close the files that are open in this process; the next row opens its own again."""
        self._videos.close()

    def videos(self) -> list[Path]:
        """The files that rows are read from, each once, in order: what `frames.scan_videos` wants.

        Rows without a file are left out here; they fail when they are asked for.
        """
        found: dict[Path, None] = {}
        for row in self.rows:
            try:
                found[resolve(row, self.annotations, self.root).path] = None
            except (InputError, VideoError) as error:
                log.info("row %s (%s): %s", row.id, row.video, error)
        return list(found)

    def _sample(self, row: Instruction) -> Sample:
        source = resolve(row, self.annotations, self.root)
        video = self._videos.get(source.path)
        try:
            chosen = self.chooser(source.path, video, source.span)
            batch = video.at(chosen.index, size=self.size)
        except VideoError:
            # A reader that has met damage is not trusted with the next row.
            self._videos.forget(source.path)
            raise
        pictures = torch.from_numpy(batch.frames) if self.transform is None else self.transform(batch.frames)
        return Sample(row, pictures, chosen, batch.seconds)


def failed(row: Instruction, error: HolmesError, policy: OnError) -> Skipped:
    """What becomes of a row that cannot be had.

    Raises:
        HolmesError: the error, of its kind, naming the row, when the policy says so.
    """
    reason = f"row {row.id} ({row.video}): {error}"
    if policy == "raise":
        raise type(error)(reason) from error
    log.warning("%s The row is skipped.", reason)
    return Skipped(row, reason)


class _OpenVideos:
    """The files read last, kept open in the process that opened them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: OrderedDict[Path, Video] = OrderedDict()
        self._process = os.getpid()
        self._inherited: list[Any] = []

    def __getstate__(self) -> dict[str, Any]:
        return {"_most": self._most}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["_most"])  # type: ignore[misc]

    def get(self, path: Path) -> Video:
        """The open video, which stays this class's own.

        Raises:
            VideoError: when it cannot be opened.
        """
        if self._process != os.getpid():
            # A fork shares files and has none of the decoders' threads: neither to be used nor to be closed.
            self._inherited.append(self._open)
            self._open, self._process = OrderedDict(), os.getpid()
        if path not in self._open:
            while len(self._open) >= self._most:
                self._open.popitem(last=False)[1].close()
            # Workers stand side by side: a thread each, or they fight for the cores.
            self._open[path] = open_video(path, threads=0 if get_worker_info() is None else 1)
        self._open.move_to_end(path)
        return self._open[path]

    def forget(self, path: Path) -> None:
        """Close a file."""
        if path in self._open:
            self._open.pop(path).close()

    def close(self) -> None:
        """Close all files that this process has opened."""
        if self._process == os.getpid():
            for path in list(self._open):
                self.forget(path)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows and the frames of all of them, one after the other.

    `pictures[F, …]`, `index[F]` int64, `seconds[F]` float64, `scores[F]` float32 (NaN where no scan knows),
    `num_frames[B]` int64 says whose they are. `pooled[F, D]` float16 where every row has class tokens, else
    None. With a `TextLaw`, `input_ids`, `attention_mask` and `labels` `[B, L]` int64, padded on the right;
    labels are -100 but for the answer and its end. `skipped` are the rows that are not in it; a batch of
    which all were skipped has no rows.
    """

    rows: tuple[Instruction, ...]
    num_frames: torch.Tensor
    pictures: torch.Tensor
    index: torch.Tensor
    seconds: torch.Tensor
    scores: torch.Tensor
    pooled: torch.Tensor | None = None
    input_ids: torch.Tensor | None = None
    attention_mask: torch.Tensor | None = None
    labels: torch.Tensor | None = None
    skipped: tuple[Skipped, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def by_row(self, values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """One of the batch's `[F, …]`, split: B tensors `[N, …]`."""
        return values.split(self.num_frames.tolist())

    def pin_memory(self) -> Batch:
        """The same batch in memory that copies to a GPU without waiting; a loader calls it."""
        return self._each(lambda tensor: tensor.pin_memory())

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on a device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        changed: dict[str, Any] = {
            name: change(value) for name, value in values.items() if isinstance(value, torch.Tensor)
        }
        return replace(self, **changed)


@dataclass(frozen=True, slots=True)
class TextLaw:
    """How question and answer become tokens: the model's tokenizer and the law of its prompts.

    The answer is followed by `end`, which is learned as well. A row of more than `max_tokens` is a failing
    row: cutting it would teach half an answer.
    """

    tokenizer: Any
    law: PromptLaw
    end: str = prompts.TURN_END
    max_tokens: int = MAX_TOKENS

    def tokens(self, row: Instruction, num_frames: int) -> tuple[list[int], list[int]]:
        """`input_ids[L]` and `labels[L]` of one row.

        Raises:
            InputError: when there are too many, or a text holds a mark of pictures or turns.
        """
        prompt = self.law.prompt(row.prompt, num_frames)
        asked = self.tokenizer(prompt, add_special_tokens=self.law.special_tokens)["input_ids"]
        told = self.tokenizer(row.answer + self.end, add_special_tokens=False)["input_ids"]
        if len(asked) + len(told) > self.max_tokens:
            raise InputError(
                f"{len(asked) + len(told)} tokens ({num_frames} frames of {self.law.tokens_per_frame}) are "
                f"more than {self.max_tokens}. Choose fewer frames, or allow more tokens."
            )
        return [*asked, *told], [IGNORED] * len(asked) + list(told)


@dataclass(frozen=True, slots=True)
class Collator:
    """Makes a `Batch` of what the dataset gives; `on_error` is for rows whose text does not fit."""

    text: TextLaw | None = None
    on_error: OnError = "raise"

    def __call__(self, items: Sequence[Sample | Skipped]) -> Batch:
        """See `Batch`.

        Raises:
            InputError: when pictures of different sizes meet, or, by `on_error`, a text is too long.
        """
        samples: list[Sample] = []
        skipped: list[Skipped] = []
        written: list[tuple[list[int], list[int]]] = []
        for item in items:
            if isinstance(item, Skipped):
                skipped.append(item)
                continue
            try:
                if self.text is not None:
                    written.append(self.text.tokens(item.row, len(item.index)))
            except InputError as error:
                skipped.append(failed(item.row, error, self.on_error))
                continue
            samples.append(item)
        return Batch(
            rows=tuple(sample.row for sample in samples),
            num_frames=torch.tensor([len(sample.index) for sample in samples], dtype=torch.int64),
            pictures=_together([sample.pictures for sample in samples]),
            index=_joined([sample.index for sample in samples], np.int64),
            seconds=_joined([sample.seconds for sample in samples], np.float64),
            scores=_joined([_scores(sample.chosen) for sample in samples], np.float32),
            pooled=_pooled(samples),
            **({} if self.text is None else self._padded(written)),
            skipped=tuple(skipped),
        )

    def _padded(self, written: list[tuple[list[int], list[int]]]) -> dict[str, torch.Tensor]:
        assert self.text is not None
        padding = self.text.tokenizer.pad_token_id
        longest = max((len(ids) for ids, _ in written), default=0)
        ids = torch.full((len(written), longest), 0 if padding is None else padding)
        labels = torch.full((len(written), longest), IGNORED)
        mask = torch.zeros((len(written), longest), dtype=torch.int64)
        for place, (row, wanted) in enumerate(written):
            ids[place, : len(row)] = torch.tensor(row)
            labels[place, : len(row)] = torch.tensor(wanted)
            mask[place, : len(row)] = 1
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def _together(pictures: list[torch.Tensor]) -> torch.Tensor:
    shapes = {tuple(one.shape[1:]) for one in pictures}
    if len(shapes) > 1:
        raise InputError(
            f"Pictures of {len(shapes)} sizes meet in one batch ({', '.join(map(str, sorted(shapes)[:3]))}). "
            "Give the dataset a size, or a transform that ends in one."
        )
    return torch.cat(pictures) if pictures else torch.empty(0)


def _joined(parts: list[npt.NDArray[Any]], dtype: npt.DTypeLike) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([np.zeros(0, dtype), *parts]).astype(dtype, copy=False))


def _scores(chosen: Chosen) -> npt.NDArray[np.float32]:
    return np.full(len(chosen.index), np.nan, np.float32) if chosen.scores is None else chosen.scores


def _pooled(samples: list[Sample]) -> torch.Tensor | None:
    tokens = [sample.chosen.pooled for sample in samples]
    known = [token for token in tokens if token is not None]
    if not known or len(known) < len(tokens) or len({token.shape[1] for token in known}) > 1:
        return None
    return torch.from_numpy(np.concatenate(known))
