"""States where they are asked for, and rows of a mapping: what a question about a day of video reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from holmesvau.ats.features import Features, read_rows
from holmesvau.ats.states import StatesAt
from holmesvau.ats.urdmu import UrDmu, UrDmuScorer


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> UrDmuScorer:
    path = tmp_path_factory.mktemp("scorer") / "anomaly_scorer.safetensors"
    torch.manual_seed(0)
    save_file(UrDmu(16).state_dict(), path)
    return UrDmuScorer(path)


def video(length: int) -> Features:
    rng = np.random.default_rng(length)
    index = np.arange(length)
    pooled = rng.normal(size=(length, 16)).astype(np.float16)
    return Features(index, index / 2, pooled, np.zeros((length, 1, 1, 2), np.float16), 0.5, "random")


@pytest.mark.parametrize("length", [1, 60, 1024, 1025, 3000])
def test_states_asked_for_are_those_of_the_whole(scorer: UrDmuScorer, length: int) -> None:
    features = video(length)
    whole = scorer.states(features)
    # First and last frames, borders of windows, overlaps, in any order and twice.
    rows = np.unique(np.clip([0, 5, 767, 768, 900, 1023, 1024, 1500, 1976, 2300, length - 1], 0, length - 1))
    rows = np.concatenate([rows[::-1], rows[:1]])
    at = StatesAt(scorer, features)
    np.testing.assert_allclose(at[rows], whole[rows], atol=4e-3)
    assert at[rows[:0]].shape == (0, whole.shape[1])


def test_only_windows_around_what_is_asked_for_are_read_and_few_are_kept(
    scorer: UrDmuScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, read = video(60_000), []

    def states(part: Features) -> np.ndarray:
        read.append(len(part))
        return np.full((len(part), 513), part.index[0], np.float16)

    monkeypatch.setattr(scorer, "states", states)
    at = StatesAt(scorer, features)
    at[np.array([30_000, 30_010])]
    at[np.array([30_005])]
    assert len(read) <= 2 and set(read) == {1024}
    for start in range(0, 60_000, 1000):
        at[np.array([start])]
    assert len(at._windows) == 32


def test_rows_that_lie_far_apart_are_read_without_mapping_all_between(tmp_path: Path) -> None:
    path = tmp_path / "records"
    shape = (4000, 6000)
    written = np.memmap(path, np.uint8, "w+", shape=shape)
    written[:] = np.arange(len(written), dtype=np.uint16).astype(np.uint8)[:, None]
    written.flush()
    mapped = np.memmap(path, np.uint8, "r", shape=shape)
    rows = np.linspace(0, len(mapped) - 1, 300).astype(np.int64)
    found = read_rows(mapped, rows)
    assert np.array_equal(found, mapped[rows])
    assert type(found) is np.ndarray and read_rows(mapped, rows[:0]).shape == (0, 6000)
    assert np.array_equal(mapped[rows], found) and resident_bytes(path) > 1_000_000
    read_rows(mapped, rows)
    assert resident_bytes(path) == 0


def resident_bytes(path: Path) -> int:
    """How much of a file is mapped into this process's memory, the readable mapping alone."""
    lines, held = Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines(), 0
    for number, line in enumerate(lines):
        if line.endswith(str(path)) and " r--s " in line:
            held += next(int(text.split()[1]) * 1024 for text in lines[number:] if text.startswith("Rss:"))
    return held
