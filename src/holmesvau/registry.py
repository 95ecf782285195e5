"""Named factories. Built-ins and third-party parts are registered the same way: as entry points of a package.

A package adds a part by declaring it in its own `pyproject.toml`, for example

    [project.entry-points."holmesvau.scorers"]
    mine = "my_package.scorer:MyScorer"

and users then name it: `holmesvau watch video.mp4 --scorer mine`. Nothing is imported until it is asked for.
"""

from __future__ import annotations

import difflib
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from holmesvau.errors import InputError

Kind = Literal["encoders", "scorers", "samplers", "models"]


def names(kind: Kind) -> list[str]:
    """The sorted names of every registered part of a kind."""
    return sorted(_found(kind))


def get(kind: Kind, name: str) -> Any:
    """Import and return the part registered as `name`.

    Raises:
        InputError: when nothing of that name is registered; the message lists what is.
    """
    found = _found(kind)
    if name not in found:
        near = difflib.get_close_matches(name, found, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise InputError(f"No {kind[:-1]} is called {name!r}; there are {', '.join(sorted(found))}.{hint}")
    return found[name].load()


@cache
def _found(kind: Kind) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=f"holmesvau.{kind}")}
