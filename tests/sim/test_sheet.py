"""Contact sheets and looks."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from holmesvau.errors import InputError
from holmesvau.sim.looks import CLOTHES, describe, random_look
from holmesvau.sim.sheet import contact_sheet


def test_a_sheet_is_written_and_is_not_blank(tmp_path: Path) -> None:
    (path,) = contact_sheet(tmp_path, sheets=["things"])
    picture = cv2.imread(str(path))
    assert path.name == "sheet-things.png"
    assert picture is not None and picture.std() > 20


def test_an_unknown_sheet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="people"):
        contact_sheet(tmp_path, sheets=["people"])  # type: ignore[list-item]


def test_looks_can_be_kept_apart_by_colour_names() -> None:
    rng = np.random.default_rng(0)
    mine, yours = ["red", "blue"], ["green", "white"]
    tops = {random_look(rng, tops=mine).top_name for _ in range(40)}
    others = {random_look(rng, tops=yours).top_name for _ in range(40)}
    assert tops == set(mine) and others == set(yours)


def test_a_description_names_the_colours_that_are_painted() -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        look = random_look(rng)
        words = describe(look)
        assert look.top_name in words and words.startswith(("a ", "an "))
        assert np.abs(np.array(look.top) - CLOTHES[look.top_name]).max() <= 8
        assert (look.carried in words) if look.carried else "carrying" not in words


def test_officers_wear_uniforms() -> None:
    assert "uniform" in describe(random_look(np.random.default_rng(2), person="police officer"))
