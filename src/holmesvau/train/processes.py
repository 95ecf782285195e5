"""Several processes that train as one, started by `torchrun`; or one process that trains alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

from holmesvau.errors import InputError

T = TypeVar("T")
# The others wait while the first one renders and scans.
PATIENCE = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among `count`: its `rank` from 0, and the `device` it trains on."""

    rank: int
    count: int
    device: str

    @property
    def is_main(self) -> bool:
        """Whether this one writes."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            dist.barrier()

    def mean(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its mean over the processes, in one exchange."""
        if self.count == 1:
            return
        parts = list(tensors)
        together = torch.cat([part.detach().flatten() for part in parts])
        dist.all_reduce(together)
        together /= self.count
        for part, values in zip(parts, together.split([part.numel() for part in parts]), strict=True):
            part.copy_(values.view_as(part))

    def from_main(self, value: T) -> T:
        """The main process's value, in every one."""
        if self.count == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def gathered(self, values: list[T]) -> list[T]:
        """The lists of all processes, joined by rank, in every one."""
        if self.count == 1:
            return values
        boxes: list[list[T]] = [[] for _ in range(self.count)]
        dist.all_gather_object(boxes, values)
        return [value for box in boxes for value in box]


@contextmanager
def joined(device: str | None = None) -> Iterator[Processes]:
    """This process with the others that `torchrun` started, for the time of the `with` block.

    `device` None takes CUDA where there is some, each process its own card, else the CPU.

    Raises:
        InputError: when the device is not there.
    """
    count, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and count > 1:
        device = f"cuda:{local}"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"--device {device}: cannot be used ({str(error).splitlines()[0]}).") from error
    if count == 1:
        yield Processes(0, 1, device)
        return
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=PATIENCE)
    try:
        yield Processes(rank, count, device)
    finally:
        dist.destroy_process_group()
