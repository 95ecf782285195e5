import shutil

import pytest

from tests.hivau.fixtures import make_dataset


@pytest.fixture(scope="session")
def own_dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("dataset"))


@pytest.fixture
def dataset(own_dataset, tmp_path):
    """A copy of the dataset that a test may change."""
    return shutil.copytree(own_dataset, tmp_path / "dataset")
