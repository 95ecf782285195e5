from pathlib import Path

import pytest

from holmesvau import checkpoints
from tests.checkpoints import released


@pytest.fixture(scope="session")
def model() -> bytes:
    return released.sentencepiece_model()


@pytest.fixture
def checkpoint(tmp_path, model) -> Path:
    """A fresh random checkpoint in released format, for tests that damage it."""
    return released.make(tmp_path / "released", model)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory, model) -> Path:
    """A random checkpoint in released format that nobody changes."""
    return released.make(tmp_path_factory.mktemp("pristine") / "released", model)


@pytest.fixture(scope="session")
def native(pristine) -> Path:
    """The same, converted and verified."""
    return checkpoints.convert_internvl2(pristine, pristine.parent / "native")


@pytest.fixture(scope="session")
def parity(shared) -> Path:
    return shared / "parity"


@pytest.fixture(scope="session")
def parity_native(parity, tmp_path_factory) -> Path:
    return checkpoints.convert_internvl2(
        parity / "internvl2-tiny", tmp_path_factory.mktemp("parity") / "native"
    )
