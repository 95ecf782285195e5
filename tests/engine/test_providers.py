"""Providers by themselves: a model in this process, a file, a record, and names that are none."""

import json

import numpy as np
import pytest

from holmesvau import hivau
from holmesvau.engine.providers import Place, Request, check_name, open_provider
from holmesvau.engine.providers.imported import Imported
from holmesvau.engine.writing import WriterConfig
from holmesvau.errors import InputError, ModelError
from holmesvau.hivau.schema import EventAnnotation, VideoAnnotation
from holmesvau.types import Clip, FrameBatch, Span
from holmesvau.vlm.record import Record
from tests.vlm.conftest import make_checkpoint  # noqa: F401 - a fixture

CLIP = Place(level="clip", video="yard", span=Span(4, 8))
FRAMES = FrameBatch(
    np.random.default_rng(2).integers(0, 256, (2, 40, 60, 3), np.uint8), np.arange(2), np.arange(2) / 5
)


def test_a_local_model_sees_the_frames_it_is_given(make_checkpoint):  # noqa: F811
    provider = open_provider(WriterConfig(provider=f"internvl:{make_checkpoint('local', chat=True)}"))
    asked = Request(place=CLIP, prompt="What happens?", look=lambda: (FRAMES, None), max_tokens=8)
    reply = provider.write(asked)
    assert reply.text and reply.model == "local" and reply.tokens_in > 500 and not provider.uses_scan
    dark = FrameBatch(FRAMES.frames // 8, FRAMES.index, FRAMES.seconds)
    other = provider.write(
        Request(place=CLIP, prompt="What happens?", look=lambda: (dark, None), max_tokens=8)
    )
    assert other.text != reply.text


@pytest.fixture
def imported(tmp_path) -> Imported:
    clips = (Clip(Span(0, 4), "A man waits."), Clip(Span(4, 6), "He looks up."), Clip(Span(6, 8), "He runs."))
    event = EventAnnotation(Span(0, 8), clips, "", "An anomaly: robbery.", "He runs.", "He has a bag.")
    yard = VideoAnnotation("yard", 100, 5.0, ("Robbery",), (event,), "", "", "", "")
    return Imported(str(hivau.write_annotations({"yard": yard}, tmp_path / "known.json")))


def text(imported: Imported, level: str, start: float, end: float, video: str = "yard") -> str:
    place = Place(level=level, video=video, span=Span(start, end))
    return imported.write(Request(place=place, prompt="")).text


def test_a_file_gives_its_own_text_or_those_it_overlaps(imported):
    assert text(imported, "clip", 0, 4) == text(imported, "clip", 0.3, 4.2) == "A man waits."
    assert text(imported, "clip", 4, 8) in ("He looks up. He runs.", "He looks up.")
    assert text(imported, "clip", 1, 9) == "A man waits. He looks up. He runs."
    assert json.loads(text(imported, "event", 0.5, 8))["analysis"] == "He has a bag."


@pytest.mark.parametrize(
    "asked",
    [("clip", 20, 30, "yard"), ("clip", 0, 4, "roof"), ("event", 40, 50, "yard"), ("video", 0, 20, "yard")],
)
def test_what_a_file_lacks_is_told(imported, asked):
    with pytest.raises(ModelError, match=r"known\.json: has no text of"):
        text(imported, *asked)


def test_a_record_is_shared_and_what_a_killed_process_left_is_cut_off(tmp_path):
    path = tmp_path / "record.jsonl"
    one, other = Record(path), Record(path)
    one.keep([{"prompt": "a", "answer": "1"}])
    with path.open("a") as file:
        file.write('{"prompt": "b", "ans')
    other.keep([{"prompt": "b", "answer": "2", "pictures": ["x"]}])
    again = Record(path)
    assert len(again) == 2 and again.find("a")["answer"] == "1" and again.find("b") is None
    assert again.find("b", ["x"])["answer"] == "2"


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("gpt", "there are endpoint:URL"),
        ("endpoint:", "say where it is"),
        ("endpoint:ftp://x", "not the address of a server"),
        ("imported:", "name the file"),
    ],
)
def test_a_provider_that_is_none_is_told_before_anything_is_done(name, complaint):
    with pytest.raises(InputError, match=complaint):
        check_name(name)


def test_a_record_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InputError, match="no such record"):
        open_provider(WriterConfig(provider=f"replay:{tmp_path / 'none.jsonl'}"))
