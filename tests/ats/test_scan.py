import errno
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from holmesvau import config as configuration
from holmesvau.ats import records
from holmesvau.ats.efficientnet import EfficientNetEncoder
from holmesvau.ats.features import Features
from holmesvau.ats.scan import ScanConfig, ScanResult, scan
from holmesvau.ats.store import FeatureStore
from holmesvau.errors import ConfigError, InputError, OutputError
from holmesvau.video import open_video
from tests.scenes import fixed_camera, write_video

# A scan in a process of its own: prints each second scanned, then its result.
SCAN = """
import json, sys
from holmesvau.ats.efficientnet import EfficientNetEncoder
from holmesvau.ats.scan import ScanConfig, scan
from holmesvau.ats.store import FeatureStore
from holmesvau.video import open_video

encoder = EfficientNetEncoder(threads=1)
print("ready", flush=True)
sys.stdin.readline()
with open_video(sys.argv[1]) as video:
    result = scan(video, encoder, store=FeatureStore(sys.argv[2]), config=ScanConfig(every=1, batch_size=4),
                  progress=lambda stage, done, total: print(done, flush=True))
print(json.dumps([len(result.features), float(result.features.pooled[:].astype("f8").sum())]))
"""


@pytest.fixture(scope="module")
def footage(tmp_path_factory) -> Path:
    """40 seconds at 10 frames a second: 80 dense frames at the usual stride."""
    return write_video(tmp_path_factory.mktemp("footage") / "room.mp4", fixed_camera(40, odd=(22, 28)))


@pytest.fixture(scope="module")
def encoder() -> EfficientNetEncoder:
    return EfficientNetEncoder(threads=2)


@pytest.fixture
def store(tmp_path) -> FeatureStore:
    return FeatureStore(tmp_path / "store")


@pytest.fixture(scope="module")
def uninterrupted(footage, encoder, tmp_path_factory) -> Features:
    store = FeatureStore(tmp_path_factory.mktemp("store"))
    return run(footage, encoder, store).features


def run(path: Path, encoder, store: FeatureStore, progress=None, **options) -> ScanResult:
    with open_video(path) as video:
        return scan(video, encoder, store=store, config=ScanConfig(**options), progress=progress)


def assert_same(given: Features, wanted: Features) -> None:
    for name in ("index", "seconds", "pooled", "cells"):
        assert np.array_equal(getattr(given, name), getattr(wanted, name)), name
    assert given.stride_seconds == wanted.stride_seconds


def test_two_scans_give_the_same_bits(footage, encoder, store, uninterrupted):
    again = run(footage, encoder, store)
    assert not again.cached
    assert_same(again.features, uninterrupted)
    assert np.array_equal(uninterrupted.index, np.arange(80) * 5)
    assert uninterrupted.stride_seconds == 0.5


def test_features_are_those_of_the_frames_at_their_times(footage, encoder, uninterrupted):
    with open_video(footage) as video:
        batch = video.at([0, 115, 250], size=encoder.frame_size(320, 240))
    rows = np.searchsorted(uninterrupted.index, batch.index)
    assert np.array_equal(encoder.encode(batch.frames).pooled, uninterrupted.pooled[rows])
    assert np.array_equal(batch.seconds, uninterrupted.seconds[rows])


def test_a_second_look_does_not_encode(footage, encoder, store, tmp_path):
    first = run(footage, encoder, store)
    copy = shutil.copy(footage, tmp_path / "renamed.mp4")
    second = run(copy, Reluctant(encoder), store)
    assert second.cached
    assert second.encoded_frames == 0
    assert second.warnings == first.warnings
    assert_same(second.features, first.features)
    assert isinstance(second.features.pooled.base, np.memmap)


class Reluctant:
    """The same encoder to the store, except that encoding fails."""

    def __init__(self, encoder):
        for name in ("name", "fingerprint", "width", "cells_shape", "frame_size", "memory", "batch_size"):
            setattr(self, name, getattr(encoder, name))

    def encode(self, frames, before=None):
        raise AssertionError("nothing should be encoded again")


@pytest.mark.parametrize("batch_size", [3, 64])
def test_batch_size_does_not_change_a_bit(footage, encoder, store, uninterrupted, batch_size):
    assert_same(run(footage, encoder, store, batch_size=batch_size).features, uninterrupted)


def test_every_counts_frames(footage, encoder, store):
    features = run(footage, encoder, store, every=16).features
    assert np.array_equal(features.index, np.arange(0, 400, 16))
    assert features.stride_seconds == pytest.approx(1.6)


@pytest.mark.parametrize("stop_at", [0.5, 9, 21, 39])
def test_interrupted_by_ctrl_c_it_resumes_with_the_same_bits(footage, encoder, store, uninterrupted, stop_at):
    def stop(stage, done, total):
        if done >= stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(footage, encoder, store, progress=stop, batch_size=7)
    resumed = run(footage, encoder, store)
    assert 0 < resumed.resumed_from <= 80
    assert resumed.resumed_from + resumed.encoded_frames == 80
    assert_same(resumed.features, uninterrupted)
    assert not [thread for thread in threading.enumerate() if thread.name == "holmesvau-reader"]


def test_interrupted_again_and_again_it_still_ends_with_the_same_bits(footage, encoder, store, uninterrupted):
    attempts = steps = 0
    while True:
        attempts, steps = attempts + 1, 0

        def stop(stage, done, total):
            nonlocal steps
            steps += 1
            if steps == 2:
                raise KeyboardInterrupt

        try:
            result = run(footage, encoder, store, progress=stop, batch_size=3)
            break
        except KeyboardInterrupt:
            continue
    assert attempts > 10
    assert_same(result.features, uninterrupted)


def start_scan(video: Path, root: Path) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", SCAN, str(video), str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def test_killed_at_any_moment_it_resumes_with_the_same_bits(footage, encoder, tmp_path):
    wanted = run(footage, encoder, FeatureStore(tmp_path / "other"), every=1).features
    store = FeatureStore(tmp_path / "store")
    with start_scan(footage, store.root) as process:
        process.stdin.write("\n")
        process.stdin.flush()
        while float(process.stdout.readline()) < 26.5:
            pass
        process.send_signal(signal.SIGKILL)
    result = run(footage, encoder, store, every=1)
    assert 0 < result.resumed_from < 300
    assert_same(result.features, wanted)


def test_two_processes_at_once_do_not_harm_each_other(footage, encoder, store):
    with start_scan(footage, store.root) as one, start_scan(footage, store.root) as two:
        outputs = []
        for process in (one, two):
            process.stdin.write("\n")
            process.stdin.flush()
        for process in (one, two):
            outputs.append(json.loads(process.communicate()[0].splitlines()[-1]))
    assert outputs[0] == outputs[1]
    again = run(footage, encoder, store, every=1)
    assert again.cached
    assert [len(again.features), float(again.features.pooled[:].astype("f8").sum())] == outputs[0]


def test_without_cache_nothing_is_kept_anywhere(
    footage, encoder, store, uninterrupted, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    result = run(footage, encoder, store, cache=False)
    assert store.info().recordings == 0
    assert not list((tmp_path / "temporary").iterdir())
    assert_same(result.features, uninterrupted)


def test_an_unwritable_store_does_not_stop_a_scan(footage, encoder, tmp_path, uninterrupted, caplog):
    (tmp_path / "file").write_text("in the way")
    store = FeatureStore(tmp_path / "file" / "store")
    with caplog.at_level(logging.WARNING):
        result = run(footage, encoder, store)
    assert "cannot be kept for next time" in caplog.text
    assert_same(result.features, uninterrupted)


def full_after(monkeypatch, num_bytes: int, where: Path, what: str = "") -> None:
    """As if the disk below `where` had room for so many bytes more."""
    write, left = os.pwrite, num_bytes

    def pwrite(descriptor, data, offset):
        nonlocal left
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.is_relative_to(where) and path.name.startswith(what):
            if left <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            data = memoryview(data)[:left]
            left -= len(data)
        return write(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)


@pytest.mark.parametrize("room", [0, 1000, 100_000, 400_000])
def test_a_disk_full_in_the_middle_does_not_stop_a_scan(
    footage, encoder, store, uninterrupted, monkeypatch, caplog, room
):
    monkeypatch.setattr(records, "CHUNK_RECORDS", 16)
    full_after(monkeypatch, room, store.root)
    result = run(footage, encoder, store)
    assert "No space left on device" in caplog.text
    assert_same(result.features, uninterrupted)
    monkeypatch.undo()
    again = run(footage, encoder, store)
    assert not again.cached
    assert_same(again.features, uninterrupted)


def test_a_disk_full_at_the_last_byte_does_not_stop_a_scan(
    footage, encoder, store, uninterrupted, monkeypatch, caplog
):
    full_after(monkeypatch, 20, store.root, "complete")
    assert_same(run(footage, encoder, store).features, uninterrupted)
    assert "No space left on device" in caplog.text
    monkeypatch.undo()
    again = run(footage, encoder, store)
    assert (again.resumed_from, again.encoded_frames) == (80, 0)
    assert_same(again.features, uninterrupted)


def test_all_disks_full_is_one_sentence_and_leaves_nothing(footage, encoder, store, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    full_after(monkeypatch, 50_000, tmp_path)
    monkeypatch.setattr(records, "CHUNK_RECORDS", 16)
    with pytest.raises(OutputError, match=r"No space left on device.*Make room"):
        run(footage, encoder, store)
    assert not list(tmp_path.glob("holmesvau-*"))


def test_a_video_that_changes_under_the_scan_is_not_stored(footage, encoder, store, tmp_path, caplog):
    path = Path(shutil.copy(footage, tmp_path / "growing.mp4"))

    def grow(stage, done, total):
        os.utime(path, (time.time(), time.time() + done))

    result = run(path, encoder, store, progress=grow)
    assert len(result.features) == 80
    assert "changed while it was scanned" in caplog.text
    assert store.info().recordings == 0


def test_a_pipe_is_scanned_but_never_stored(footage, encoder, store, tmp_path):
    stream = tmp_path / "stream.ts"
    as_stream(footage, stream)
    pipe = tmp_path / "camera"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(stream.read_bytes()), daemon=True)
    writer.start()
    result = run(pipe, encoder, store)
    writer.join(10)
    assert len(result.features) == pytest.approx(80, abs=2)
    assert store.info().recordings == 0


def as_stream(source: Path, target: Path) -> None:
    with av.open(str(source)) as given, av.open(str(target), "w", format="mpegts") as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)


def test_a_folder_of_pictures_is_scanned_but_not_stored(encoder, store, tmp_path):
    for number in range(6):
        Image.new("RGB", (64, 48), (number * 40, 90, 30)).save(tmp_path / f"{number}.png")
    with open_video(tmp_path, fps=2) as video:
        result = scan(video, encoder, store=store)
    assert len(result.features) == 6
    assert store.info().recordings == 0


def test_progress_tells_seconds_of_video(footage, encoder, store):
    calls = []
    run(footage, encoder, store, progress=lambda *call: calls.append(call))
    done = [call[1] for call in calls]
    assert {(stage, round(total, 9)) for stage, _, total in calls} == {("scan", 40.0)}
    assert done == sorted(done)
    assert done[-1] == 39.5


def test_time_is_accounted_for(footage, encoder, store):
    result = run(footage, encoder, store)
    spent = result.decode_seconds + result.encode_seconds + result.store_seconds
    assert 0.7 * result.total_seconds < spent <= result.total_seconds
    assert result.encoded_frames == 80


def test_real_film_with_cuts_and_infrared(shared, encoder, store):
    result = run(shared / "data/videos/robbery.mp4", encoder, store, every_seconds=2.0)
    assert len(result.features) == 51
    assert np.isfinite(result.features.cells.astype(np.float32)).all()


@pytest.mark.parametrize(
    "options", [{"every": 0}, {"every_seconds": 0}, {"every_seconds": float("nan")}, {"batch_size": 0}]
)
def test_unusable_configuration_is_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        ScanConfig(**options)
    with pytest.raises(ConfigError, match=next(iter(options))):
        configuration.from_dict(ScanConfig, options)
