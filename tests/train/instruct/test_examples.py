"""Rows show the frames that the pipeline shows, and the mixture is the one asked for."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from holmesvau.ats.features import Features
from holmesvau.ats.store import FeatureStore
from holmesvau.errors import InputError, OutputError
from holmesvau.hivau import instructions, load_annotations
from holmesvau.hivau.dataset import TextLaw
from holmesvau.hivau.frames import Scanned, scan_videos
from holmesvau.hivau.instructions.compose import BuildConfig
from holmesvau.holmes import Holmes, HolmesConfig
from holmesvau.train.data import DataConfig
from holmesvau.train.instruct.examples import Example, FramesOfScan, gather, rows_of, sample_rows
from holmesvau.train.instruct.pictures import FreshPictures, KeptPictures
from holmesvau.train.instruct.trainable import Prepared
from holmesvau.train.instruct.wording import Wording
from holmesvau.types import FrameBatch, IndexArray, Span
from holmesvau.vlm.protocol import GenerationOptions


@pytest.fixture(scope="module")
def holmes(llama_folder: Path) -> Holmes:
    short = HolmesConfig(generation=GenerationOptions(max_new_tokens=1))
    return Holmes.from_pretrained(str(llama_folder), device="cpu", dtype="float32", config=short)


def gathered(holmes: Holmes, root: Path, clip_frames: str = "event", max_tokens: int = 2048) -> list[Example]:
    data = DataConfig(roots=(str(root),))
    rows = rows_of(data, [root], "train", BuildConfig(), written=False)
    scan_videos({row.source().path: None for row in rows}, holmes.encoder)
    scanned = Scanned(
        holmes.encoder, holmes.scorer, sampler=replace(holmes.config.sampler, num_frames=holmes.num_frames)
    )
    speaker = holmes.model.speaker  # type: ignore[union-attr]
    wording = Wording(TextLaw(speaker.tokenizer, speaker.law, max_tokens=max_tokens))
    frames = FramesOfScan(scanned, clip_frames)  # type: ignore[arg-type]
    return gather(rows, frames, wording, on_error="raise").examples


def test_frames_are_those_that_watch_and_ask_choose(holmes: Holmes, data_root: Path) -> None:
    for example in gathered(holmes, data_root, clip_frames="own"):
        if example.row.level == "video" and example.row.task == "judgement":
            assert example.index.tolist() == holmes.watch(example.path).selection.index.tolist()
        if example.row.task == "judgement" and example.row.level == "event":
            answer = holmes.ask(example.path, "What happens?", span=Span(4.0, 8.0))
            assert answer.selection is not None
            assert example.index.tolist() == answer.selection.index.tolist()
        if example.row.level == "clip" and "C0" in example.row.video:
            answer = holmes.ask(example.path, "What happens?", span=Span(4.0, 6.0))
            assert answer.selection is not None
            assert example.index.tolist() == answer.selection.index.tolist()


def test_a_clip_shows_those_frames_of_its_event_that_lie_in_it(holmes: Holmes, data_root: Path) -> None:
    found = gathered(holmes, data_root)
    events = {e.path: e.index for e in found if e.row.level == "event"}
    clips = [e for e in found if e.row.level == "clip"]
    assert clips
    for clip in clips:
        start, end = (40, 60) if "C0" in clip.row.video else (60, 80)
        inside = [frame for frame in events[clip.path].tolist() if start <= frame < end]
        assert clip.index.tolist() == inside and 2 <= len(inside) < 16


def test_a_row_with_too_many_tokens_is_a_failing_row(holmes: Holmes, data_root: Path) -> None:
    with pytest.raises(InputError, match=r"row 0 .* more than 100\. Choose fewer frames"):
        gathered(holmes, data_root, max_tokens=100)


@pytest.mark.parametrize("form", ["test", "train"])
def test_written_rows_of_either_form_give_the_same(data_root: Path, form: str) -> None:
    data = DataConfig(roots=(str(data_root),))
    annotations = load_annotations(data_root / "raw_annotations" / "room_database_train.json")
    built = instructions.build(annotations, dataset="room", split="train")
    path = data_root / "instruction" / "merge_instruction_train_final.jsonl"
    instructions.write_instructions(built, path, form=form)  # type: ignore[arg-type]
    try:
        rows = rows_of(data, [data_root], "train", BuildConfig(), written=True)
        assert [row.row for row in rows] == built
        half = rows_of(data, [data_root], "train", BuildConfig(clip=0.5, video=0.0), written=True)
        assert Counter(row.row.level for row in half) == {"clip": 4, "event": 10}
        with pytest.raises(InputError, match="once at most"):
            rows_of(data, [data_root], "train", BuildConfig(clip=2.0), written=True)
    finally:
        path.unlink()


def test_validation_rows_are_those_of_whole_videos(data_root: Path) -> None:
    data = DataConfig(roots=(str(data_root),))
    rows = rows_of(data, [data_root], "train", BuildConfig(), written=False)
    few = sample_rows(rows, 7, seed=1)
    assert 7 <= len(few) <= 14 and few == sample_rows(rows, 7, seed=1)
    videos = {row.source().path for row in few}
    assert [row for row in rows if row.source().path in videos] == few


class Brightness:
    """Stands for a model's frozen part: one number a frame, which tells frames apart."""

    def prepare(self, frames: FrameBatch, dense: Features | None) -> Prepared:
        return {"seen": frames.frames.mean((1, 2, 3)).astype(np.float16)}

    def known(self, index: IndexArray, dense: Features | None) -> Prepared | None:
        return None


def test_kept_pictures_are_decoded_once_and_are_the_fresh_ones(
    holmes: Holmes, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = gathered(holmes, data_root)
    store = FeatureStore(tmp_path)
    fresh = FreshPictures(Brightness(), lambda path: None)  # type: ignore[arg-type]
    kept = KeptPictures("a model", store)
    some, none = kept.fill(examples[:3], fresh, on_error="raise")
    assert some == examples[:3] and not none
    kept.fill(examples, fresh, on_error="raise")
    for example in examples:
        assert kept(example)["seen"].tolist() == fresh(example)["seen"].tolist()
    fresh.close()

    def no_more(*args: object) -> None:
        pytest.fail("everything is prepared, so nothing is decoded")

    monkeypatch.setattr(FreshPictures, "prepared", no_more)
    kept.fill(examples, fresh, on_error="raise")
    with pytest.raises(OutputError, match="have gone"):
        KeptPictures("another model", store)(examples[0])


def test_damaged_kept_pictures_are_made_again(holmes: Holmes, data_root: Path, tmp_path: Path) -> None:
    examples = gathered(holmes, data_root)[:2]
    fresh = FreshPictures(Brightness(), lambda path: None)  # type: ignore[arg-type]
    kept = KeptPictures("a model", FeatureStore(tmp_path))
    kept.fill(examples, fresh, on_error="raise")
    before = kept(examples[0])["seen"]
    for array in (tmp_path / "prepared").rglob("seen.npy"):
        array.write_bytes(array.read_bytes()[:40])
    kept.fill(examples, fresh, on_error="raise")
    assert kept(examples[0])["seen"].tolist() == before.tolist()
