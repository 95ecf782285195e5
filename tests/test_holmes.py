"""The pipeline with a real (small, random) InternVL checkpoint: the words are noise, the parts are real."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import InternVLForConditionalGeneration, LlamaConfig

from holmesvau import Holmes, Span, ats
from holmesvau.ats.classes import PREFIX, ClassHead, ClassNames
from holmesvau.ats.efficientnet import EfficientNetEncoder
from holmesvau.ats.familiarity import FILE as FAMILIARITY_FILE
from holmesvau.ats.familiarity import Familiarity
from holmesvau.ats.novelty import NoveltyScorer
from holmesvau.config import load
from holmesvau.describe import DescribeConfig, SamplerConfig, choose, choose_calm, clip_spans
from holmesvau.errors import ConfigError, InputError, MissingPartError, ModelError
from holmesvau.holmes import HolmesConfig
from holmesvau.report import from_json, to_json
from holmesvau.types import AnomalyCurve
from holmesvau.video import open_video
from holmesvau.video.picture import jpeg
from holmesvau.vlm.judgement import parse_judgement
from tests.vlm.conftest import byte_tokenizer, native_config

SHORT = ["generation.max_new_tokens=6", "sampler.num_frames=4"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A native checkpoint with a scorer that was made for its class tokens, as `convert` leaves it."""
    folder = tmp_path_factory.mktemp("checkpoint")
    torch.manual_seed(3)
    config = native_config(LlamaConfig)
    InternVLForConditionalGeneration(config).save_pretrained(folder)
    byte_tokenizer(begins=True).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def holmes(checkpoint):
    return Holmes.from_pretrained(checkpoint, dtype="float32", config=load(HolmesConfig, None, SHORT))


@pytest.fixture(scope="module")
def report(holmes, burning_room):
    return holmes.watch(burning_room, questions=("What burns?",))


def test_events_clips_and_questions_are_put_into_the_models_words(report):
    assert len(report.events) >= 1
    for event in report.events:
        assert event.summary.judgement and event.summary.description
        assert event.clips and event.clips[0].span.start == event.span.start
        assert event.clips[-1].span.end == event.span.end
    assert report.summary.judgement and report.answers[0].question == "What burns?" and report.answers[0].text
    assert not any("No describing model" in warning for warning in report.warnings)
    assert report.model["scorer"] == "novelty" and report.timing["generate"] > 0


def test_report_survives_the_way_to_json_and_back(report):
    assert to_json(from_json(to_json(report))) == to_json(report)


def test_second_question_neither_scans_nor_encodes_again(holmes, burning_room, monkeypatch):
    encoded = []
    see = holmes.model.encode
    monkeypatch.setattr(holmes.model, "encode", lambda batch: encoded.append(len(batch)) or see(batch))
    first = holmes.ask(burning_room, "What happens between the two?", span=Span(2, 9))
    assert sum(encoded) == len(first.selection) == 4
    monkeypatch.setattr(holmes.encoder, "encode", lambda frames: pytest.fail("scanned again"))
    second = holmes.ask(burning_room, "And who?", span=Span(2, 9), history=[(first.question, first.text)])
    assert sum(encoded) == 4 and second.selection.index.tolist() == first.selection.index.tolist()


def test_span_is_asked_about_exactly(holmes, burning_room):
    seconds = holmes.ask(burning_room, "What?", span=Span(31.0, 32.5)).selection.seconds
    assert len(seconds) == 4 and (seconds >= 31.0).all() and (seconds < 32.5).all()


def test_report_can_be_asked_and_gives_what_the_file_gives(holmes, report, burning_room):
    assert holmes.ask(report, "What burns?").text == holmes.ask(burning_room, "What burns?").text


def test_streamed_answer_joined_is_the_answer(holmes, burning_room):
    assert "".join(holmes.ask(burning_room, "Why?", stream=True)) == str(holmes.ask(burning_room, "Why?"))


def test_granularity_video_describes_only_the_whole(checkpoint, burning_room):
    config = load(HolmesConfig, None, [*SHORT, "describe.granularity=video"])
    watched = Holmes.from_pretrained(checkpoint, dtype="float32", config=config).watch(burning_room)
    assert watched.summary.judgement and all(not event.clips for event in watched.events)
    assert all(event.summary.judgement == "" for event in watched.events)


def test_scorer_in_the_checkpoint_folder_brings_its_vision_tower(checkpoint, burning_room, tmp_path):
    torch.manual_seed(4)
    width = native_config(LlamaConfig).vision_config.hidden_size
    folder = tmp_path / "with-scorer"
    folder.mkdir()
    for file in checkpoint.iterdir():
        (folder / file.name).symlink_to(file)
    save_file(ats.UrDmu(input_size=width).state_dict(), folder / "anomaly_scorer.safetensors")
    holmes = Holmes.from_pretrained(
        folder, dtype="float32", config=load(HolmesConfig, None, ["scan.every=60"])
    )
    assert (holmes.encoder.name, holmes.scorer.name) == ("internvit", "urdmu")
    curve = holmes.score(burning_room)
    assert len(curve) == 10 and curve.index.tolist() == list(range(0, 600, 60))
    assert np.array_equal(curve.scores, holmes.score(burning_room).scores)
    with pytest.raises(InputError, match=f"width {width}, but the encoder efficientnet-lite0 gives 1280"):
        Holmes.from_pretrained(folder, encoder="efficientnet-lite0")


def test_without_a_model_questions_are_refused(burning_room):
    holmes = Holmes(EfficientNetEncoder(), NoveltyScorer())
    for asking in (
        lambda: holmes.ask(burning_room, "What?"),
        lambda: holmes.watch(burning_room, questions=("W?",)),
    ):
        with pytest.raises(MissingPartError, match="No describing model is loaded"):
            asking()


def test_empty_question_and_span_beyond_the_end_are_refused(holmes, burning_room):
    with pytest.raises(InputError, match="empty"):
        holmes.ask(burning_room, "  ")
    with pytest.raises(InputError, match=r"ends at 60\.00 s"):
        holmes.ask(burning_room, "What?", span=Span(75, 80))


def test_checkpoint_that_is_not_there_is_a_sentence():
    with pytest.raises(ModelError, match="no such checkpoint folder"):
        Holmes.from_pretrained("./no-such-folder")


def curve(count: int, stride: float = 0.5) -> AnomalyCurve:
    scores = np.zeros(count, np.float32)
    return AnomalyCurve(np.arange(count) * stride, scores, np.arange(count, dtype=np.int64) * 15, stride)


@pytest.mark.parametrize("span", [Span(0, 0.4), Span(3.1, 3.3), Span(9.6, 9.99), Span(4, 4)])
def test_event_shorter_than_stride_still_gets_a_frame(span):
    index = choose(curve(20), 16, SamplerConfig(), span=span)
    assert len(index) >= 1 and (np.diff(index) > 0).all() and index[0] >= 0 and index[-1] <= 19 * 15


def test_short_span_is_filled_with_the_frames_between_the_dense_ones():
    index = choose(curve(20), 8, SamplerConfig(), span=Span(2, 4))
    assert len(index) == 8 and index[0] == 60 and index[-1] < 120


def test_of_a_calm_stretch_frames_are_chosen_where_least_stands_out():
    bumpy = curve(100)
    bumpy.scores[:] = np.random.default_rng(0).uniform(0, 0.1, 100)
    bumpy.scores[30:36] = 0.9
    index = choose_calm(bumpy, 4, Span(10, 30)) // 15
    assert len(index) == 4 and index[0] < 38 and index[-1] > 48 and (np.diff(index) > 3).all()
    assert (bumpy.scores[index] <= np.median(bumpy.scores[20:60])).all()
    # A stretch of few frames, or of none, is seen all the same.
    assert len(choose_calm(bumpy, 4, Span(10, 11))) >= 1
    assert choose_calm(bumpy, 4, Span(10.1, 10.3)).tolist() != []


@pytest.mark.parametrize(("seconds", "count"), [(0.5, 1), (4, 1), (11, 2), (300, 4)])
def test_clips_cover_the_event_without_gap(seconds, count):
    spans = clip_spans(Span(10, 10 + seconds), DescribeConfig())
    assert len(spans) == count and spans[0].start == 10 and spans[-1].end == pytest.approx(10 + seconds)
    assert all(a.end == b.start for a, b in pairwise(spans))


def test_folder_of_pictures_is_watched_at_the_rate_that_is_given(burning_room, tmp_path):
    with open_video(burning_room) as video:
        for batch in video.frames(every=5):
            for index, frame in zip(batch.index, batch.frames, strict=True):
                (tmp_path / f"{index}.jpg").write_bytes(jpeg(frame))
    config = load(HolmesConfig, None, ["fps=2"])
    watched = Holmes(EfficientNetEncoder(), NoveltyScorer(), config=config).watch(tmp_path)
    assert watched.video.duration == pytest.approx(60) and len(watched.curve) == 120
    assert [29 <= event.span.start <= 31 and 35 <= event.span.end <= 38 for event in watched.events] == [True]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A trained scorer that knows features of another world only."""
    folder = tmp_path_factory.mktemp("scorer")
    torch.manual_seed(0)
    save_file(ats.UrDmu(1280).state_dict(), folder / "anomaly_scorer.safetensors")
    rng = np.random.default_rng(0)
    known = Familiarity.fit([9 + rng.normal(size=(60, 1280))], 4)
    known.calibrated([9 + rng.normal(size=(60, 1280))]).save(folder / FAMILIARITY_FILE)
    return folder / "anomaly_scorer.safetensors"


def told(report) -> str:
    return " ".join(report.warnings)


def test_on_unfamiliar_footage_the_curve_needs_no_training_and_the_report_says_so(elsewhere, burning_room):
    watched = Holmes.from_pretrained("none", scorer=str(elsewhere)).watch(burning_room)
    assert watched.curve.scorer == "novelty"
    assert np.array_equal(watched.curve.scores, Holmes.from_pretrained("none").score(burning_room).scores)
    assert "unlike what the anomaly scorer was trained on" in told(watched)


@pytest.mark.parametrize(
    ("uses_scan", "unfamiliar"), [(True, "withhold"), (True, "mark"), (False, "withhold")]
)
def test_only_the_words_of_a_model_trained_with_the_scorer_are_withheld(
    checkpoint, elsewhere, burning_room, monkeypatch, uses_scan, unfamiliar
):
    config = load(HolmesConfig, None, [*SHORT, f"describe.unfamiliar={unfamiliar}"])
    holmes = Holmes.from_pretrained(checkpoint, dtype="float32", scorer=str(elsewhere), config=config)
    monkeypatch.setattr(holmes.model, "uses_scan", uses_scan)
    watched = holmes.watch(burning_room, questions=("What burns?",))
    assert "unlike what the anomaly scorer was trained on" in told(watched)
    withheld = uses_scan and unfamiliar == "withhold"
    assert (watched.summary.judgement == "") == withheld and (watched.answers == ()) == withheld
    assert ("is withheld" in told(watched)) == withheld
    assert ("not to be believed" in told(watched)) == (unfamiliar == "mark")
    assert bool(holmes.ask(burning_room, "What burns?").note) == uses_scan


@pytest.fixture(scope="module")
def sees_lights(tmp_path_factory) -> ats.UrDmuScorer:
    """To whom everything stands out, as a change of light."""
    return lights(tmp_path_factory.mktemp("lights"), 9.0)


def lights(tmp_path, standing_out: float, class_bias: int = 3, **metadata: str) -> ats.UrDmuScorer:
    """A scorer of one score, to whom everything is of the class with that number (3: a change of light)."""
    torch.manual_seed(0)
    names = ClassNames(("Arson", "Fighting"), ("LightChange",))
    head = {PREFIX + name: tensor for name, tensor in ClassHead(len(names)).state_dict().items()}
    head[PREFIX + "mlp.4.weight"][:] = 0
    head[PREFIX + "mlp.4.bias"][:] = 0
    head[PREFIX + "mlp.4.bias"][class_bias] = 9.0
    network = ats.UrDmu(EfficientNetEncoder.width).state_dict()
    network["cls_head.mlp.2.bias"][:] = standing_out
    told = names.to_metadata() | metadata
    save_file({**network, **head}, tmp_path / "scorer.safetensors", metadata=told)
    return ats.UrDmuScorer(tmp_path / "scorer.safetensors")


def test_what_the_scorer_has_learnt_as_harmless_is_no_event_and_the_report_says_so(sees_lights, burning_room):
    dropped, kept = (
        Holmes(
            EfficientNetEncoder(), sees_lights, None, config=load(HolmesConfig, None, [f"harmless={how}"])
        ).watch(burning_room)
        for how in ("drop", "keep")
    )
    assert kept.events and not dropped.events
    assert np.array_equal(kept.curve.scores, dropped.curve.scores)
    (warning,) = [warning for warning in dropped.warnings if "harmless=keep" in warning]
    assert "light change" in warning and not any("harmless" in warning for warning in kept.warnings)


@pytest.mark.parametrize("uses_scan", [True, False])
def test_where_all_is_harmless_a_model_that_sees_the_same_does_not_judge_otherwise(
    holmes, sees_lights, burning_room, monkeypatch, uses_scan
):
    monkeypatch.setattr(holmes.model, "uses_scan", uses_scan)
    watched = Holmes(
        EfficientNetEncoder(), sees_lights, holmes.model, config=load(HolmesConfig, None, SHORT)
    ).watch(burning_room)
    assert not watched.events and watched.summary.description
    judgement = watched.summary.judgement
    assert (judgement == "No: what stands out is taken for light change at 0:00–1:00.") == uses_scan
    assert (parse_judgement(judgement).is_anomalous is False) >= uses_scan


def test_what_is_hardly_an_event_by_a_calibrated_scorer_is_none_and_the_report_says_so(
    holmes, burning_room, tmp_path, monkeypatch
):
    monkeypatch.setattr(holmes.model, "uses_scan", True)
    calibrated = {"confidence_temperature": "1.0", "confidence_bias": "-12.0"}
    scorer = lights(tmp_path, 9.0, 1, **calibrated)
    dropped, kept = (
        Holmes(
            EfficientNetEncoder(), scorer, holmes.model, config=load(HolmesConfig, None, [*SHORT, setting])
        ).watch(burning_room)
        for setting in ("least_confidence=0.15", "least_confidence=0")
    )
    (event,) = kept.events
    assert event.confidence < 0.15 and not dropped.events
    (warning,) = [warning for warning in dropped.warnings if "least_confidence=0" in warning]
    assert f"0:00–1:00 ({event.confidence:.2f})" in warning and "1 stretch stands out" in warning
    assert dropped.summary.judgement == (
        "No: what stands out is taken for nothing out of the ordinary at 0:00–1:00."
    )
    with pytest.raises(ConfigError, match="least_confidence"):
        HolmesConfig(least_confidence=1.5)


@pytest.mark.parametrize("uses_scan", [True, False])
def test_where_nothing_stands_out_a_model_that_sees_the_same_does_not_judge_otherwise(
    holmes, burning_room, tmp_path, monkeypatch, uses_scan
):
    monkeypatch.setattr(holmes.model, "uses_scan", uses_scan)
    calm = lights(tmp_path, -9.0)
    watched = Holmes(EfficientNetEncoder(), calm, holmes.model, config=load(HolmesConfig, None, SHORT)).watch(
        burning_room
    )
    assert not watched.events and watched.summary.description
    assert (watched.summary.judgement == "No: nothing stands out.") == uses_scan
    # Novelty knows nothing of harmless things: what it does not find may be there all the same.
    asked = Holmes(
        EfficientNetEncoder(),
        NoveltyScorer(),
        holmes.model,
        config=load(HolmesConfig, None, [*SHORT, "events.enter=1.0"]),
    ).watch(burning_room)
    assert not asked.events and asked.summary.judgement != "No: nothing stands out."
