import signal
from pathlib import Path

import pytest

from tests.scenes import fixed_camera, write_video

SHARED = Path(__file__).parents[1].parent / "shared"
VTEST = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")


@pytest.fixture(scope="session", autouse=True)
def heeded_interrupts():
    """A shell's background jobs ignore ctrl-c, and so does what they start: tests send it and mean it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def own_feature_store(tmp_path_factory):
    """Tests never read or fill the feature store of the person who runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLMESVAU_CACHE", str(tmp_path_factory.mktemp("store")))
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("the folder ../shared with released data and parity vectors is absent")
    return SHARED


@pytest.fixture(scope="session")
def vtest() -> Path:
    if not VTEST.is_file():
        pytest.skip("Debian's opencv-doc (vtest.avi) is not installed")
    return VTEST


@pytest.fixture(scope="session")
def burning_room(tmp_path_factory) -> Path:
    """60 seconds of a fixed camera; something burns from 30 s to 36 s."""
    return write_video(tmp_path_factory.mktemp("videos") / "room.mp4", fixed_camera(60, odd=(30, 36)))


@pytest.fixture(scope="session")
def calm_room(tmp_path_factory) -> Path:
    """40 seconds of the same camera with nothing out of the ordinary."""
    return write_video(tmp_path_factory.mktemp("videos") / "calm.mp4", fixed_camera(40))
