"""Progress on standard error, with time left; silent when asked or when nobody watches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

STAGES = {"scan": "watching", "describe": "describing"}


@contextmanager
def shown(quiet: bool = False) -> Iterator[Callable[..., None] | None]:
    """A progress callback that draws one bar a stage, for the time of the `with` block.

    It takes a `Progress`'s arguments and, where there is more to say, a few words to stand behind the bar.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    from rich.progress import (
        BarColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[words]}"),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        tasks: dict[str, object] = {}

        def update(stage: str, done: float, total: float | None, words: str = "") -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(STAGES.get(stage, stage), total=total, words=words)
            bars.update(tasks[stage], completed=done, total=total, words=words)  # type: ignore[arg-type]

        yield update
