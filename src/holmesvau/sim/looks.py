"""How people look: named clothes colours, and a draw of a person by chance.

Names are what texts say ("a man in a red jacket and dark blue jeans"), colours are what is painted, so that
a text about a look can be checked against the pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from holmesvau.sim.world import Carried, Colour, Look

CLOTHES: dict[str, Colour] = {
    "black": (26, 26, 30), "white": (226, 226, 222), "grey": (122, 124, 128), "dark grey": (66, 68, 74),
    "red": (170, 30, 32), "dark red": (98, 24, 32), "orange": (214, 106, 28), "yellow": (222, 186, 44),
    "green": (44, 112, 58), "olive": (92, 94, 52), "light blue": (128, 168, 212), "blue": (36, 74, 160),
    "dark blue": (28, 36, 74), "purple": (92, 50, 120), "pink": (216, 132, 156), "brown": (104, 70, 46),
    "beige": (196, 176, 140), "turquoise": (36, 142, 148),
}  # fmt: skip
BOTTOMS = ("black", "dark grey", "grey", "dark blue", "blue", "brown", "beige", "olive", "white")
SKINS: tuple[Colour, ...] = (
    (232, 192, 168), (214, 168, 138), (192, 142, 108), (160, 112, 80), (118, 80, 58), (82, 56, 44),
)  # fmt: skip
HAIRS: tuple[Colour, ...] = (
    (24, 20, 18), (52, 36, 26), (92, 62, 38), (150, 112, 66), (196, 164, 110), (132, 132, 134), (110, 52, 30),
)  # fmt: skip
Person = Literal["man", "woman", "boy", "girl", "person", "police officer", "guard"]
# An open umbrella is for those who walk in the rain: see `Cue.load`.
_CARRIED = tuple(c for c in get_args(Carried) if c not in ("", "open umbrella"))


def random_look(
    rng: np.random.Generator,
    *,
    person: Person | None = None,
    tops: Sequence[str] = tuple(CLOTHES),
    bottoms: Sequence[str] = BOTTOMS,
    hooded: bool | None = None,
    carries: Carried | None = None,
) -> Look:
    """A person by chance: `tops` and `bottoms` limit the colour names (disjoint looks for splits).

    `hooded` True gives a hood, False none; `carries` fixes what is carried ("" nothing), None leaves it to
    chance.
    """
    who: Person = person if person is not None else ("man" if rng.random() < 0.55 else "woman")
    if who in ("police officer", "guard"):
        return _uniformed(rng, who)
    female = who in ("woman", "girl")
    child = who in ("boy", "girl")
    top_name, bottom_name = str(rng.choice(list(tops))), str(rng.choice(list(bottoms)))
    kinds = ["t-shirt", "shirt", "jacket", "jacket", "hoodie", "coat"] + (["dress"] if female else ["vest"])
    top_kind = str(rng.choice(kinds))
    lower = ["trousers", "jeans", "jeans", "shorts"] + (["skirt"] if female else [])
    head = str(
        rng.choice(["long", "long", "bun", "short"] if female else ["short", "short", "short", "bald", "cap"])
    )
    if hooded is True or (hooded is None and rng.random() < 0.06):
        head, top_kind = "hood", "hoodie"
    height = {"man": 1.78, "woman": 1.66, "boy": 1.32, "girl": 1.30}.get(who, 1.72) + float(
        rng.normal(0, 0.06)
    )
    if carries is None:
        carries = str(rng.choice(_CARRIED)) if rng.random() < 0.3 else ""  # type: ignore[assignment]
    return Look(
        height=min(2.0, max(1.1, height)),
        build=float(np.clip(rng.normal(0.94 if female or child else 1.03, 0.07), 0.82, 1.25)),
        skin=_shaded(SKINS[int(rng.integers(len(SKINS)))], rng, 6),
        hair=_shaded(HAIRS[int(rng.integers(len(HAIRS)))], rng, 6),
        head=head,
        top=_shaded(CLOTHES[top_name], rng, 8),
        top_name=top_name,
        top_kind=top_kind,
        bottom=_shaded(CLOTHES[bottom_name], rng, 8),
        bottom_name=bottom_name,
        bottom_kind=str(rng.choice(lower)),
        shoes=_shaded(CLOTHES[str(rng.choice(["black", "brown", "white", "dark grey"]))], rng, 6),
        carried=carries or "",
        carried_colour=_shaded(CLOTHES[str(rng.choice(list(CLOTHES)))], rng, 10),
        person=who,
    )


def _uniformed(rng: np.random.Generator, who: Person) -> Look:
    police = who == "police officer"
    return Look(
        height=1.80 + float(rng.normal(0, 0.05)),
        build=1.1,
        skin=_shaded(SKINS[int(rng.integers(len(SKINS)))], rng, 6),
        hair=HAIRS[0],
        head="cap",
        top=_shaded((34, 42, 78) if police else (44, 46, 50), rng, 4),
        top_name="dark blue" if police else "black",
        top_kind="uniform",
        bottom=_shaded((26, 30, 48) if police else (30, 30, 34), rng, 4),
        bottom_name="dark blue" if police else "black",
        shoes=(18, 18, 20),
        person=who,
    )


def _shaded(colour: Colour, rng: np.random.Generator, spread: int) -> Colour:
    red, green, blue = (int(np.clip(c + rng.integers(-spread, spread + 1), 4, 250)) for c in colour)
    return red, green, blue


def describe(look: Look) -> str:
    """A noun phrase for texts: "a tall man in a red jacket and dark blue jeans, carrying a black
    backpack".
    """
    size = "tall " if look.height > 1.88 and look.person == "man" else ""
    words = f"{size}{look.person}"
    if look.top_kind == "uniform":
        clothes = f"in a {look.top_name} uniform"
    elif look.top_kind == "dress":
        clothes = f"in {_article(look.top_name)} dress"
    else:
        lower = (
            _article(look.bottom_name) + " skirt"
            if look.bottom_kind == "skirt"
            else (f"{look.bottom_name} {look.bottom_kind}")
        )
        clothes = f"in {_article(look.top_name)} {look.top_kind} and {lower}"
    hood = " with the hood up" if look.head == "hood" else ""
    load = f", carrying {_article(look.carried)}" if look.carried else ""
    return f"{_article(words)} {clothes}{hood}{load}"


def _article(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words
