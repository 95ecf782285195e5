import os
import struct
import time
from dataclasses import replace

import numpy as np
import pytest

from holmesvau.ats import records
from holmesvau.ats.features import Encoded
from holmesvau.ats.store import FeatureStore, Recipe, cache_root, features_of
from holmesvau.errors import VideoError

RECIPE = Recipe(
    content="c0ffee",
    stride="every 16 frames",
    reader="test",
    encoder="small",
    fingerprint="small-1",
    width=4,
    cells=(2, 2, 3),
)
CHUNKS = (5, 1, 4)


def encoded(count: int, seed: int = 0) -> Encoded:
    rng = np.random.default_rng(seed)
    pooled, cells = rng.standard_normal((count, 4)), rng.standard_normal((count, 2, 2, 3))
    return Encoded(pooled.astype(np.float16), cells.astype(np.float16))


def write(store: FeatureStore, recipe: Recipe = RECIPE, *, finish: bool = True, chunks=CHUNKS) -> None:
    """Append frames in chunks of these sizes behind what is there already."""
    with store.recorder(recipe) as recorder:
        start = 0
        for number, size in enumerate(chunks):
            if start >= len(recorder.index):
                index = np.arange(start, start + size)
                recorder.append(index * 16, index / 2, encoded(size, number))
                recorder.flush()
            start += size
        if finish:
            recorder.finish({"warnings": ["a sentence"]})


def folder_of(store: FeatureStore, recipe: Recipe = RECIPE):
    return store.root / "features" / recipe.key


def assert_whole(store: FeatureStore) -> None:
    found = store.find(RECIPE)
    assert found is not None
    features = features_of(found, RECIPE)
    assert np.array_equal(features.index, np.arange(sum(CHUNKS)) * 16)
    assert np.array_equal(features.seconds, np.arange(sum(CHUNKS)) / 2)
    assert np.array_equal(
        features.pooled, np.concatenate([encoded(n, i).pooled for i, n in enumerate(CHUNKS)])
    )
    assert np.array_equal(features.cells, np.concatenate([encoded(n, i).cells for i, n in enumerate(CHUNKS)]))
    assert features.stride_seconds == 0.5
    assert found.notes == {"warnings": ["a sentence"]}


@pytest.fixture
def store(tmp_path) -> FeatureStore:
    return FeatureStore(tmp_path / "store")


def test_what_was_written_is_found_again_memory_mapped(store):
    write(store)
    assert_whole(store)
    found = store.find(RECIPE)
    assert isinstance(found.data, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        features_of(found, RECIPE).pooled[0] = 0


def test_an_unfinished_recording_is_not_found_but_continued(store):
    write(store, finish=False, chunks=CHUNKS[:2])
    assert store.find(RECIPE) is None
    with store.recorder(RECIPE) as recorder:
        assert recorder.resumed_from == 6
    write(store)
    assert_whole(store)


@pytest.mark.parametrize("name", ["records", "journal", "meta.json", "complete.json"])
def test_truncated_at_any_byte_is_never_valid_and_heals(store, name):
    write(store)
    path = folder_of(store) / name
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert store.find(RECIPE) is None, length
        if length % 37 == 0:
            write(store)
            assert_whole(store)


@pytest.mark.parametrize("name", ["records", "journal", "meta.json", "complete.json"])
def test_any_flipped_byte_is_noticed(store, name):
    write(store)
    path = folder_of(store) / name
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        assert store.find(RECIPE) is None, place
    path.write_bytes(whole)
    assert_whole(store)


@pytest.mark.parametrize("name", ["records", "journal"])
def test_anything_appended_is_noticed(store, name):
    write(store)
    with (folder_of(store) / name).open("ab") as file:
        file.write(b"\0" * 16)
    if name == "records":
        assert store.find(RECIPE) is None
    write(store)
    assert_whole(store)


@pytest.mark.parametrize("name", ["records", "journal"])
def test_only_whole_chunks_of_an_interrupted_recording_are_resumed(store, name):
    write(store, finish=False)
    folder = folder_of(store)
    saved = {file: (folder / file).read_bytes() for file in ("records", "journal")}
    boundaries = {0, *np.cumsum(CHUNKS).tolist()}
    resumed = set()
    for length in range(len(saved[name])):
        for file, content in saved.items():
            (folder / file).write_bytes(content)
        (folder / name).write_bytes(saved[name][:length])
        with store.recorder(RECIPE) as recorder:
            assert recorder.resumed_from in boundaries
            resumed.add(recorder.resumed_from)
    assert resumed == boundaries - {sum(CHUNKS)}
    write(store)
    assert_whole(store)


def test_a_flipped_byte_in_the_second_chunk_keeps_the_first(store):
    write(store, finish=False)
    path = folder_of(store) / "records"
    damaged = bytearray(path.read_bytes())
    damaged[CHUNKS[0] * RECIPE.dtype.itemsize + 3] ^= 64
    path.write_bytes(damaged)
    with store.recorder(RECIPE) as recorder:
        assert recorder.resumed_from == CHUNKS[0]
    write(store)
    assert_whole(store)


def test_records_of_another_video_are_not_taken(store):
    other = replace(RECIPE, content="decaf")
    write(store)
    write(store, other)
    for name in ("records", "journal", "complete.json"):
        (folder_of(store, other) / name).write_bytes((folder_of(store) / name).read_bytes())
    assert store.find(other) is None
    assert_whole(store)


def test_a_journal_of_another_format_is_not_taken(store):
    write(store)
    path = folder_of(store) / "journal"
    content = path.read_bytes()
    path.write_bytes(content[:6] + struct.pack("<H", records.FORMAT + 1) + content[8:])
    assert store.find(RECIPE) is None


def test_foreign_files_in_the_folder_are_replaced(store):
    folder_of(store).mkdir(parents=True)
    for name in ("records", "journal", "meta.json", "complete.json"):
        (folder_of(store) / name).write_bytes(os.urandom(300))
    assert store.find(RECIPE) is None
    write(store)
    assert_whole(store)


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "small-2"},
        {"stride": "every 8 frames"},
        {"content": "f00d"},
        {"reader": "other"},
        {"width": 5},
    ],
    ids=str,
)
def test_another_recipe_has_its_own_recording(store, change):
    write(store)
    assert store.find(replace(RECIPE, **change)) is None
    assert replace(RECIPE, **change).key != RECIPE.key


def test_one_writer_at_a_time(store):
    with store.recorder(RECIPE), pytest.raises(BlockingIOError), store.recorder(RECIPE):
        pass
    with store.recorder(RECIPE):
        pass


def test_a_mapped_recording_survives_damage_repair_and_removal(store):
    write(store)
    held = features_of(store.find(RECIPE), RECIPE)
    before = held.pooled.copy()
    (folder_of(store) / "complete.json").write_bytes(b"")
    write(store, chunks=(10,))
    store.clear()
    assert np.array_equal(held.pooled, before)


def test_an_error_keeps_what_was_appended(store):
    with pytest.raises(KeyboardInterrupt), store.recorder(RECIPE) as recorder:
        recorder.append(np.arange(3), np.arange(3.0), encoded(3))
        raise KeyboardInterrupt
    with store.recorder(RECIPE) as recorder:
        assert recorder.resumed_from == 3


def test_a_slow_encoder_does_not_keep_its_work_in_memory(store, monkeypatch):
    monkeypatch.setattr(records, "CHUNK_SECONDS", 0.0)
    with store.recorder(RECIPE) as recorder:
        recorder.append(np.arange(1), np.arange(1.0), encoded(1))
        assert (folder_of(store) / "records").stat().st_size == RECIPE.dtype.itemsize


def test_content_is_the_same_for_copies_and_read_once(store, tmp_path, monkeypatch):
    first, copy, other = tmp_path / "a.mp4", tmp_path / "b.mp4", tmp_path / "c.mp4"
    first.write_bytes(b"frames" * 1000)
    copy.write_bytes(b"frames" * 1000)
    other.write_bytes(b"Frames" * 1000)
    digest = store.content(first)
    assert store.content(copy) == digest != store.content(other)

    import hashlib

    monkeypatch.setattr(hashlib, "file_digest", None)
    assert store.content(first) == digest


def test_content_of_a_changed_file_is_read_again(store, tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"one")
    os.utime(path, ns=(1, 1))
    digest = store.content(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(2, 2))
    assert store.content(path) != digest


def test_a_damaged_content_note_is_ignored(store, tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"one")
    digest = store.content(path)
    for note in (store.root / "contents").iterdir():
        for damaged in (b"", b"{}", b"[]", b"\xff\xfe", b"[1, 2"):
            note.write_bytes(damaged)
            assert store.content(path) == digest


def test_content_of_a_missing_file_is_a_video_error(store, tmp_path):
    with pytest.raises(VideoError, match=r"gone\.mp4"):
        store.content(tmp_path / "gone.mp4")


def test_info_and_clear(store):
    assert store.info().recordings == 0
    write(store)
    write(store, replace(RECIPE, content="decaf"))
    info = store.info()
    assert info.recordings == 2
    assert info.num_bytes > 20 * RECIPE.dtype.itemsize
    old = time.time() - 3600
    os.utime(folder_of(store) / "meta.json", (old, old))
    assert store.clear(unused_for_seconds=600) == 1
    assert store.find(RECIPE) is None
    with store.recorder(RECIPE):
        assert store.clear() == 1, "the recording that is being written stays"
    assert store.info().recordings == 1


def test_reading_a_recording_counts_as_use(store):
    write(store)
    old = time.time() - 3600
    os.utime(folder_of(store) / "meta.json", (old, old))
    store.find(RECIPE)
    assert store.clear(unused_for_seconds=600) == 0


def test_cache_root(monkeypatch, tmp_path):
    monkeypatch.setenv("HOLMESVAU_CACHE", str(tmp_path / "own"))
    assert cache_root() == tmp_path / "own"
    monkeypatch.delenv("HOLMESVAU_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_root() == tmp_path / "xdg" / "holmesvau"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root() == tmp_path / ".cache" / "holmesvau"
