"""Rows as samples and batches: exact frames of virtual clips, workers, failures said and never replaced."""

import gc
import logging
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from transformers import InternVLForConditionalGeneration, LlamaConfig

from holmesvau import hivau
from holmesvau.ats import Encoded, FeatureStore, ScanConfig
from holmesvau.describe import SamplerConfig, choose
from holmesvau.errors import InputError, VideoError
from holmesvau.hivau.dataset import Batch, Collator, InstructionDataset, Skipped, TextLaw
from holmesvau.hivau.frames import Scanned, Uniform, scan_videos
from holmesvau.hivau.instructions import build
from holmesvau.hivau.split import split
from holmesvau.types import AnomalyCurve, Span
from holmesvau.video import open_video
from holmesvau.vlm import prompts
from holmesvau.vlm.preprocess import pixels
from holmesvau.vlm.speaker import PromptLaw
from tests.video.films import film, number_of
from tests.vlm.conftest import SPECIAL, byte_tokenizer, native_config


@pytest.fixture(scope="module")
def annotations(own_dataset):
    return hivau.load_annotations(own_dataset / "raw_annotations/own_database_test.json")


@pytest.fixture(scope="module")
def rows(annotations):
    return build(annotations, dataset="own", split="test")


def row_of(rows, path):
    return next(row for row in rows if row.video == f"own/{path}.mp4")


def numbers(sample):
    return [number_of(picture) for picture in sample.pictures.numpy()]


def test_a_virtual_clip_gives_frames_of_its_span_only(own_dataset, annotations, rows):
    dataset = InstructionDataset(rows, annotations, own_dataset, chooser=Uniform(num_frames=8))
    row = row_of(rows, "events/test/Fire001_E1")
    sample = dataset[rows.index(row)]
    # [20, 24.5) at 30 frames a second is frames 600 to 734: the middles of eight equal parts.
    expected = [600 + int((part + 0.5) * 135 / 8) for part in range(8)]
    assert sample.index.tolist() == numbers(sample) == expected
    assert sample.row == row and sample.chosen.scores is None
    np.testing.assert_allclose(sample.seconds, np.array(expected) / 30)
    assert sample.pictures.shape == (8, 64, 96, 3) and sample.pictures.dtype == torch.uint8


def test_every_row_of_a_dataset_gives_its_own_frames(own_dataset, annotations, rows):
    dataset = InstructionDataset(rows, annotations, own_dataset, chooser=Uniform(num_frames=4))
    for row, sample in zip(rows, dataset, strict=False):
        source = hivau.resolve(row, annotations, own_dataset)
        assert sample.row == row and numbers(sample) == sample.index.tolist()
        if source.span is not None:
            assert all(source.span.start - 1e-6 <= second < source.span.end for second in sample.seconds)


def test_a_virtual_clip_shows_the_same_pictures_as_its_file(dataset, annotations, rows):
    row = row_of(rows, "events/test/Fire001_E1")
    [virtual] = InstructionDataset([row], annotations, dataset, size=(48, 32))
    assert split(dataset, levels=("event",), jobs=1).problems == ()
    assert hivau.resolve(row, annotations, dataset).span is None
    [own_file] = InstructionDataset([row], annotations, dataset, size=(48, 32))
    assert own_file.index.tolist() == (virtual.index - 600).tolist()
    # This event begins on a keyframe, so its packets were copied and its pictures are the same to the bit.
    assert torch.equal(own_file.pictures, virtual.pictures)


def test_a_clip_of_fewer_frames_gives_all_of_them(own_dataset, annotations, rows):
    short = replace(annotations["Calm001"].events[0], span=Span(1.0, 1.1))
    changed = annotations | {"Calm001": replace(annotations["Calm001"], events=(short,))}
    row = row_of(rows, "events/test/Calm001_E0")
    [sample] = InstructionDataset([row], changed, own_dataset)
    assert numbers(sample) == [30, 31, 32]


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_give_what_one_process_gives(own_dataset, annotations, rows, workers):
    dataset = InstructionDataset(rows, annotations, own_dataset, chooser=Uniform(num_frames=3), size=(48, 32))
    # Files that are open before the workers are forked must not be theirs.
    alone = list(dataset)
    batches = list(DataLoader(dataset, batch_size=4, num_workers=workers, collate_fn=Collator()))
    assert [row for batch in batches for row in batch.rows] == rows
    assert torch.equal(torch.cat([b.pictures for b in batches]), torch.cat([s.pictures for s in alone]))
    assert torch.cat([b.index for b in batches]).tolist() == [i for s in alone for i in s.index.tolist()]
    first = batches[0]
    assert [len(part) for part in first.by_row(first.pictures)] == first.num_frames.tolist() == [3] * 4
    assert first.scores.isnan().all() and first.pooled is None and first.input_ids is None


class Collecting:
    """Collects garbage where a sample is made, as the interpreter may at any time."""

    def __call__(self, frames):
        gc.collect()
        return torch.from_numpy(frames)


@pytest.mark.timeout(60)
def test_a_video_that_was_dropped_in_the_parent_does_not_hang_a_worker(own_dataset, annotations, rows):
    gc.disable()
    try:
        for path in (own_dataset / "own/videos/test").iterdir():
            video = open_video(path, threads=4)
            video.at([0, 100, 200])
            cycle = [video]
            cycle.append(cycle)
            del video, cycle
        dataset = InstructionDataset(rows[:4], annotations, own_dataset, transform=Collecting())
        [batch] = DataLoader(dataset, batch_size=4, num_workers=1, collate_fn=Collator())
    finally:
        gc.enable()
    assert len(batch) == 4


def test_a_dataset_travels_to_another_process_without_its_open_files(own_dataset, annotations, rows):
    dataset = InstructionDataset(rows, annotations, own_dataset, chooser=Uniform(num_frames=2), open_videos=1)
    before = dataset[0]
    again = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(again[0].pictures, before.pictures)
    dataset.close()
    assert torch.equal(dataset[0].pictures, before.pictures)


@pytest.fixture
def broken(dataset, annotations, rows):
    """A dataset in which one video is missing, one is damaged, and one event lies past the end."""
    (dataset / "own/videos/test/Calm001.mp4").unlink()
    damaged = next((dataset / "own/videos/test").glob("v=Film*"))
    damaged.write_bytes(damaged.read_bytes()[:200])
    events = annotations["Fire001"].events
    late = replace(events[1], span=Span(40, 50))
    changed = annotations | {"Fire001": replace(annotations["Fire001"], events=(events[0], late))}
    return dataset, changed


def test_a_failing_row_raises_and_says_which(broken, rows):
    root, annotations = broken
    for path, kind, sentence in (
        ("videos/test/Calm001", VideoError, "the file is not there"),
        ("events/test/Fire001_E1", InputError, "no frame lies in 40-50 s of it; it is 30.000 s long"),
        ("clips/test/v=Film.1998__#00-08-08_00-09-15_label_A_E0C0", VideoError, "v=Film"),
    ):
        row = row_of(rows, path)
        with pytest.raises(kind, match=sentence) as raised:
            InstructionDataset([row], annotations, root)[0]
        assert str(raised.value).startswith(f"row {row.id} ({row.video}): ")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_failing_row_raises_through_a_loader(broken, rows, workers):
    root, annotations = broken
    row = row_of(rows, "videos/test/Calm001")
    loader = DataLoader(
        InstructionDataset([row], annotations, root), num_workers=workers, collate_fn=Collator()
    )
    with pytest.raises(VideoError, match=f"row {row.id} "):
        list(loader)


def test_a_skipped_row_is_said_and_no_other_takes_its_place(broken, rows, caplog):
    root, annotations = broken
    sound = [row for row in rows if "Fire001" in row.video and "Fire001_E1.mp4" not in row.video]
    dataset = InstructionDataset(rows, annotations, root, chooser=Uniform(num_frames=2), on_error="skip")
    with caplog.at_level(logging.WARNING, logger="holmesvau.hivau.dataset"):
        batches = list(DataLoader(dataset, batch_size=5, collate_fn=Collator()))
    assert [row for batch in batches for row in batch.rows] == sound
    skipped = [one for batch in batches for one in batch.skipped]
    assert [one.row for one in skipped] == [row for row in rows if row not in sound]
    assert all(one.reason.startswith(f"row {one.row.id} ({one.row.video}): ") for one in skipped)
    assert sum("The row is skipped." in record.message for record in caplog.records) == len(skipped)
    assert sum(len(batch) + len(batch.skipped) for batch in batches) == len(rows)
    empty = [batch for batch in batches if not len(batch)]
    assert empty and all(len(batch.pictures) == len(batch.num_frames) == 0 for batch in empty)


def test_a_bug_is_never_skipped(own_dataset, annotations, rows):
    def faulty(frames):
        raise ValueError("a bug in the transform")

    dataset = InstructionDataset(rows, annotations, own_dataset, transform=faulty, on_error="skip")
    with pytest.raises(ValueError, match="a bug in the transform"):
        dataset[0]


def test_pictures_of_different_sizes_need_one_size(own_dataset, annotations, rows, tmp_path):
    (tmp_path / "own/videos/test").mkdir(parents=True)
    film(tmp_path / "own/videos/test/big.mp4", 20, size=(128, 96))
    film(tmp_path / "own/videos/test/small.mp4", 20)
    two = [replace(rows[0], video=f"own/videos/test/{name}.mp4") for name in ("big", "small")]
    loose = InstructionDataset(two, {}, tmp_path)
    with pytest.raises(InputError, match="Pictures of 2 sizes meet"):
        Collator()(list(loose))
    for fitted in (
        InstructionDataset(two, {}, tmp_path, size=(60, 40)),
        InstructionDataset(two, {}, tmp_path, transform=Pixels(56)),
    ):
        assert len(Collator()(list(fitted)).pictures) == 32


class Pixels:
    def __init__(self, size):
        self.size = size

    def __call__(self, frames):
        return pixels(frames, self.size)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"on_error": "replace"}, "choose raise or skip"), ({"open_videos": 0}, "needs one open file")],
)
def test_unusable_settings_are_refused(own_dataset, annotations, rows, options, sentence):
    with pytest.raises(InputError, match=sentence):
        InstructionDataset(rows, annotations, own_dataset, **options)
    with pytest.raises(InputError, match="at least one frame"):
        Uniform(num_frames=0)


class ColourEncoder:
    """The mean colour of a picture as class token: enough to tell frames apart."""

    name, fingerprint, width, cells_shape = "colour", "1", 3, (1, 1, 3)
    batch_size, memory = 16, 0

    def __init__(self):
        self.encoded = 0

    def frame_size(self, width, height):
        return 48, 32

    def encode(self, frames, before=None):
        self.encoded += len(frames)
        mean = frames.mean(axis=(1, 2)).astype(np.float16)
        return Encoded(mean, mean[:, None, None])


class RampScorer:
    """Scores rise with time, so that what is chosen shows whether scores were looked at."""

    name, input_width = "ramp", 3

    def score(self, features):
        return np.linspace(0, 1, len(features), dtype=np.float32) ** 4


@pytest.fixture
def scanned(own_dataset, annotations, rows, tmp_path):
    store, encoder = FeatureStore(tmp_path / "store"), ColourEncoder()
    paths = InstructionDataset(rows, annotations, own_dataset).videos()
    assert len(paths) == 3
    assert scan_videos(paths, encoder, store=store) == 3
    assert scan_videos(paths, encoder, store=store) == 0
    return store, encoder


@pytest.mark.parametrize("method", ["uniform", "topk", "density", "event-first"])
def test_stored_features_choose_the_frames_and_come_along(own_dataset, annotations, rows, scanned, method):
    store, encoder = scanned
    sampler = SamplerConfig(method=method, num_frames=8)
    chooser = Scanned(encoder, RampScorer(), sampler=sampler, store=store)
    dataset = InstructionDataset(rows, annotations, own_dataset, chooser=chooser)
    done = encoder.encoded
    for row, sample in zip(rows, dataset, strict=False):
        source = hivau.resolve(row, annotations, own_dataset)
        assert numbers(sample) == sample.index.tolist() and len(sample.index) == 8
        assert sample.chosen.pooled.shape == (8, 3) and sample.chosen.scores.shape == (8,)
        if source.span is not None:
            assert all(source.span.start - 1e-6 <= second < source.span.end for second in sample.seconds)
    # Nothing was encoded again: it is all from the store.
    assert encoder.encoded == done
    whole = dataset[rows.index(row_of(rows, "videos/test/Fire001"))]
    if method == "topk":
        assert whole.index.tolist() == list(range(780, 900, 15))
    if method != "uniform":
        assert np.median(whole.seconds) > 18


def test_the_choice_is_the_pipelines_own(own_dataset, annotations, rows, scanned):
    store, encoder = scanned
    sampler = SamplerConfig(num_frames=6)
    row = row_of(rows, "events/test/Fire001_E0")
    chooser = Scanned(encoder, RampScorer(), sampler=sampler, store=store)
    [sample] = InstructionDataset([row], annotations, own_dataset, chooser=chooser)
    index = np.arange(0, 900, 15)
    scores = RampScorer().score(index)
    curve = AnomalyCurve(index / 30, scores, index, 0.5, "ramp")
    expected = choose(curve, 6, sampler, span=annotations["Fire001"].events[0].span)
    assert sample.index.tolist() == expected.tolist()
    np.testing.assert_array_equal(sample.chosen.scores, scores[expected // 15])


def test_workers_read_the_same_store(own_dataset, annotations, rows, scanned):
    store, encoder = scanned
    chooser = Scanned(encoder, RampScorer(), sampler=SamplerConfig(num_frames=4), store=store)
    dataset = InstructionDataset(rows, annotations, own_dataset, chooser=chooser, size=(48, 32))
    alone = Collator()(list(dataset))
    [batch] = DataLoader(dataset, batch_size=len(rows), num_workers=1, collate_fn=Collator())
    assert torch.equal(batch.scores, alone.scores) and torch.equal(batch.pooled, alone.pooled)
    assert torch.equal(batch.pictures, alone.pictures) and not batch.scores.isnan().any()


def test_without_stored_features_the_policy_decides(own_dataset, annotations, rows, tmp_path):
    store, row = FeatureStore(tmp_path / "empty"), row_of(rows, "events/test/Fire001_E1")

    def dataset(**options):
        chooser = Scanned(ColourEncoder(), RampScorer(), store=store, **options)
        return InstructionDataset([row], annotations, own_dataset, chooser=chooser)

    with pytest.raises(InputError, match=r"has no features of it by colour, every 0\.5 s"):
        dataset()[0]
    even = dataset(otherwise="uniform")[0]
    [expected] = InstructionDataset([row], annotations, own_dataset)
    assert even.index.tolist() == expected.index.tolist() and even.chosen.scores is None
    with pytest.raises(InputError, match="choose raise or uniform"):
        dataset(otherwise="scan")


def test_another_stride_is_another_recording(own_dataset, annotations, rows, scanned):
    store, encoder = scanned
    chooser = Scanned(encoder, RampScorer(), config=ScanConfig(every=16), store=store)
    row = row_of(rows, "videos/test/Fire001")
    with pytest.raises(InputError, match="every 16 frames"):
        InstructionDataset([row], annotations, own_dataset, chooser=chooser)[0]


@pytest.fixture
def text():
    law = PromptLaw(
        template=prompts.internlm2_chat,
        image_id=SPECIAL.index("<IMG_CONTEXT>"),
        tokens_per_frame=4,
        special_tokens=True,
    )
    return TextLaw(byte_tokenizer(begins=True), law)


def test_only_the_answer_and_its_end_are_learned(own_dataset, annotations, rows, text):
    some = [row_of(rows, "videos/test/Fire001"), row_of(rows, "clips/test/Fire001_E0C1")]
    dataset = InstructionDataset(some, annotations, own_dataset, chooser=Uniform(num_frames=2))
    batch = Collator(text)(list(dataset))
    for row, ids, labels, mask in zip(
        batch.rows, batch.input_ids, batch.labels, batch.attention_mask, strict=True
    ):
        learned = labels[labels != -100]
        assert text.tokenizer.decode(learned) == row.answer + "<|im_end|>"
        whole = ids[mask.bool()]
        assert whole.tolist()[-len(learned) :] == learned.tolist()
        prompt = text.tokenizer(text.law.prompt(row.prompt, 2))["input_ids"]
        assert whole.tolist()[: len(prompt)] == prompt
        assert (whole == text.law.image_id).sum() == 2 * 4
        assert (labels[~mask.bool()] == -100).all() and len(whole) == len(prompt) + len(learned)
    assert batch.input_ids.shape == batch.labels.shape == batch.attention_mask.shape


def test_a_text_that_does_not_fit_fails_by_the_same_policy(own_dataset, annotations, rows, text):
    dataset = InstructionDataset(rows[:2], annotations, own_dataset, chooser=Uniform(num_frames=2))
    samples = list(dataset)
    lengths = [sum(map(len, text.tokens(s.row, 2)[:1])) for s in samples]
    short = replace(text, max_tokens=min(lengths))
    assert len(set(lengths)) == 2
    with pytest.raises(InputError, match=r"row \d+ .*tokens \(2 frames of 4\) are more than"):
        Collator(short)(samples)
    batch = Collator(short, on_error="skip")([*samples, Skipped(rows[2], "gone")])
    assert len(batch) == 1 and len(batch.pictures) == 2
    left_out = [sample.row for sample in samples if sample.row not in batch.rows]
    assert [one.row for one in batch.skipped] == [*left_out, rows[2]]


def test_a_batch_trains_a_model(own_dataset, annotations, rows, text):
    """The real architecture, small: a step on the batch lowers the loss on it."""
    torch.manual_seed(0)
    model = InternVLForConditionalGeneration(native_config(LlamaConfig))
    dataset = InstructionDataset(
        rows[:4], annotations, own_dataset, chooser=Uniform(num_frames=2), transform=Pixels(56)
    )
    loader = DataLoader(dataset, batch_size=4, num_workers=1, collate_fn=Collator(text))
    [batch] = loader
    assert isinstance(batch, Batch) and batch.pictures.shape == (8, 3, 56, 56)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(3):
        loss = model(
            pixel_values=batch.pictures,
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            labels=batch.labels,
        ).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[2] < losses[0]
