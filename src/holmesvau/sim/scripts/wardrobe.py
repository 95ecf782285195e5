"""Looks for a split: no combination of clothes is worn in two splits, so that a look cannot be learnt by heart."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np

from holmesvau.errors import InputError
from holmesvau.sim.looks import Person, random_look
from holmesvau.sim.scripts.truth import Noun
from holmesvau.sim.world import Colour, Look

SPLITS = ("train", "val", "test")
# Of five parts of all combinations, which a split may use.
_PARTS = {"train": (0, 1, 2), "val": (3,), "test": (4,)}
DARK_LUMA = 95
_UNIFORMED = ("police officer", "guard")
# Upper and lower part of the uniforms of a split.
_UNIFORMS: dict[tuple[str, str], tuple[str, Colour, Colour]] = {
    ("train", "police officer"): ("dark blue", (34, 42, 78), (26, 30, 48)),
    ("val", "police officer"): ("black", (30, 30, 34), (24, 24, 27)),
    ("test", "police officer"): ("dark green", (38, 58, 44), (30, 42, 34)),
    ("train", "guard"): ("black", (44, 46, 50), (30, 30, 34)),
    ("val", "guard"): ("brown", (88, 66, 46), (60, 46, 34)),
    ("test", "guard"): ("grey", (104, 106, 110), (70, 72, 76)),
}


def check_split(split: str) -> None:
    """Refuse a split without a wardrobe.

    Raises:
        InputError: when the split has another name than train, val or test.
    """
    if split not in _PARTS:
        raise InputError(f"split {split!r}: choose one of {', '.join(SPLITS)}.")


def split_of(look: Look) -> str:
    """Which split may show these clothes, by the names of their colours and kinds."""
    return _owner(f"{look.top_name} {look.top_kind} {look.bottom_name}")


def split_of_car(colour: str, variant: str) -> str:
    """Which split's moving cars may be of that build in that colour."""
    return _owner(f"{colour} {variant}")


def _owner(words: str) -> str:
    part = zlib.crc32(words.encode()) % 5
    return next(split for split, parts in _PARTS.items() if part in parts)


def dressed(
    rng: np.random.Generator,
    split: str,
    *,
    person: Person | None = None,
    hooded: bool | None = None,
    carries: str | None = "",
) -> Look:
    """Somebody in clothes of the split."""
    while True:
        look = random_look(rng, person=person, hooded=hooded, carries=carries)  # type: ignore[arg-type]
        if look.person in _UNIFORMED:
            name, top, bottom = _UNIFORMS[split, look.person]
            return replace(look, top_name=name, top=top, bottom_name=name, bottom=bottom)
        if split_of(look) == split:
            return look


def noun(look: Look, role: str = "", grey: bool = False) -> Noun:
    """How texts name a look: with colours, or as dark and light where the camera is `grey` (infrared)."""
    who = look.person
    if look.top_kind == "uniform":
        upper = "dark" if grey else look.top_name
        full: tuple[str, ...] = (f"a {who} in {article(upper)} uniform", f"a {who} in uniform")
        if who == "police officer":
            full = (*full, f"a {who} in a {'bright' if grey else 'yellow'} vest")
        short: tuple[str, ...] = (f"the {who}",)
    else:
        top = _tone(look.top) if grey else look.top_name
        bottom = _tone(look.bottom) if grey else look.bottom_name
        lower = f"{article(bottom)} skirt" if look.bottom_kind == "skirt" else f"{bottom} {look.bottom_kind}"
        dress = article(f"{top} {look.top_kind}") + (" with the hood up" if look.head == "hood" else "")
        load = f" with {article(look.carried)}" if look.carried else ""
        clothes = dress if look.top_kind == "dress" else f"{dress} and {lower}"
        full = (
            f"{article(who)} in {clothes}{load}",
            f"{article(who)} wearing {clothes}{load}",
            f"{article(who)} in {dress}{load}",
        )
        short = (f"the {who} in the {top} {look.top_kind}", f"the {who} in {top}", f"the {who}")
        short = short[:1] if grey else short[:2]
    if role:
        short = (*short, f"the {role}", f"the {role}")
    his, him = {
        "man": ("his", "him"),
        "boy": ("his", "him"),
        "woman": ("her", "her"),
        "girl": ("her", "her"),
    }.get(who, ("their", "them"))
    return Noun(full, short, his, him)


def article(words: str) -> str:
    """The words with "a" or "an" before them."""
    return ("an " if words[0] in "aeiou" else "a ") + words


def _tone(colour: tuple[int, int, int]) -> str:
    red, green, blue = colour
    return "dark" if 0.3 * red + 0.59 * green + 0.11 * blue < DARK_LUMA else "light"
