from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from holmesvau.errors import InputError
from holmesvau.report import from_json, to_json, write
from holmesvau.report.document import json_schema
from holmesvau.types import AnomalyCurve
from tests.report import examples

SCHEMA_FILE = Path(__file__).parents[2] / "schemas" / "report.schema.json"


def test_document_holds_exactly_the_keys_of_the_design() -> None:
    document = to_json(examples.full())
    assert document["schema"] == 1
    wanted = {
        "video": {"path", "duration", "fps", "num_frames", "width", "height", "codec"},
        "curve": {"seconds", "scores", "stride_seconds"},
        "selection": {"index", "seconds", "method"},
        "summary": {"judgement", "description", "analysis"},
    }
    for part, keys in wanted.items():
        assert keys <= set(document[part]), part
    assert {
        "start",
        "end",
        "peak",
        "label",
        "judgement",
        "description",
        "analysis",
        "confidence",
        "clips",
    } <= set(document["events"][0])
    assert set(document["events"][0]["clips"][0]) == {"start", "end", "caption"}
    assert {"question", "text"} <= set(document["answers"][0])
    assert {"model", "config", "timing"} <= set(document)
    assert document["events"][0]["peak"] == 39.5, "the time of the highest score, not the score"


@pytest.mark.parametrize("make", [examples.full, examples.report, examples.hostile])
def test_json_round_trips(make) -> None:
    document = to_json(make())
    assert to_json(from_json(document)) == document
    assert to_json(from_json(json.loads(json.dumps(document)))) == document


def test_round_trip_gives_the_same_values() -> None:
    first = examples.full()
    again = from_json(to_json(first))
    assert again.events == first.events
    assert again.summary == first.summary
    assert again.video == first.video
    assert again.warnings == first.warnings
    assert again.answers[0].selection is not None
    assert again.answers[0].selection.index.tolist() == [930]
    np.testing.assert_array_equal(again.curve.index, first.curve.index)
    np.testing.assert_allclose(again.curve.scores, first.curve.scores, atol=5e-5)
    assert again.curve.scores.dtype == np.float32


def test_report_file_round_trips_and_holds_no_nan(tmp_path: Path) -> None:
    unsure = replace(examples.event(1, 2), confidence=math.nan, peak=math.inf, peak_score=math.nan)
    report = examples.report(pictures=False, config={"a": math.nan, "b": {"c": np.float32("inf")}})
    report = replace(report, events=(unsure,))
    path = write(report, tmp_path, formats=["json"])["json"]

    def refuse(name: str) -> None:
        raise AssertionError(name)

    document = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert document["config"] == {"a": None, "b": {"c": None}}
    again = from_json(path)
    assert math.isnan(again.events[0].confidence)
    assert to_json(again) == document


def test_numbers_are_rounded_as_people_and_tools_want_them() -> None:
    report = examples.report()
    seconds = report.curve.seconds + 1 / 3
    scores = np.full(len(seconds), 0.64, np.float32)
    curve = AnomalyCurve(seconds, scores, report.curve.index, 16 / 29.97, "novelty")
    document = to_json(replace(report, curve=curve))
    assert document["curve"]["seconds"][0] == 0.333
    assert document["curve"]["scores"][0] == 0.64
    assert document["curve"]["stride_seconds"] == 0.533867


def test_name_that_is_no_text_round_trips(tmp_path: Path) -> None:
    name = b"caf\xe9.mp4".decode("utf-8", "surrogateescape")
    written = write(examples.report(path=name), tmp_path)
    assert from_json(written["json"]).video.path == name
    written["html"].read_text(encoding="utf-8")


def test_document_of_the_core_format_can_be_read() -> None:
    """A document without the keys that were added beside the design's."""
    document = to_json(examples.full())
    for key in ("warnings", "holmesvau"):
        del document[key]
    for key in ("index", "scorer"):
        del document["curve"][key]
    for key in ("rotation", "has_audio", "start_seconds", "variable_frame_rate"):
        del document["video"][key]
    for each in document["events"]:
        del each["peak_score"]
    for each in document["answers"]:
        for key in ("span", "selection", "model"):
            del each[key]
    report = from_json({**document, "of_a_later_version": 1})
    assert report.curve.index[:3].tolist() == [0, 15, 30], "frame numbers follow from time and rate"


def _without(*keys: str | int):
    def change(document):
        place = document
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]

    return change


def _with(value: object, *keys: str | int):
    def change(document):
        place = document
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_without("schema"), "schema is missing"),
        (_with(2, "schema"), "schema 2"),
        (_with("1", "schema"), "schema '1'"),
        (_with(True, "schema"), "schema True"),
        (_without("events"), "events is missing"),
        (_without("events", 1, "start"), r"events\[1\].start is missing"),
        (_without("curve", "stride_seconds"), "curve.stride_seconds is missing"),
        (_with("ten", "video", "duration"), "video.duration = 'ten'"),
        (_with(math.nan, "curve", "scores", 3), r"curve.scores\[3\] = 'nan'"),
        (_with([0.5], "curve", "scores"), "as many seconds as scores"),
        (_with([1], "selection", "index"), "1 indices but 8 seconds"),
        (_with(-3.0, "events", 0, "start"), "before 0 s"),
        (_with(1.0, "events", 0, "end"), "end lies before the start"),
        (_with({}, "events"), "events = '{}'"),
    ],
)
def test_unusable_document_is_refused_with_a_sentence(change, says: str) -> None:
    document = to_json(examples.full())
    change(document)
    with pytest.raises(InputError, match=says) as caught:
        from_json(document)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff\xfe", b"null"])
def test_unusable_file_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"report\.json: not a report"):
        from_json(path)


def test_missing_file_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.json: the report cannot be read"):
        from_json(str(tmp_path / "gone.json"))


def test_schema_file_is_what_readers_are_checked_against() -> None:
    """Write it again with: python -m tests.report.test_json"""
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == json_schema()


@pytest.mark.parametrize("make", [examples.full, examples.report, examples.hostile, examples.two_hours])
def test_documents_keep_the_schema(make) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    document = to_json(make())
    assert not list(validator.iter_errors(document))
    del document["curve"]["scores"]
    assert [error.message for error in validator.iter_errors(document)] == ["'scores' is a required property"]


def test_importing_loads_neither_torch_nor_av() -> None:
    code = "import sys, holmesvau.report; sys.exit(bool({'torch', 'av', 'PIL'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_day_is_written_and_read_in_seconds() -> None:
    report = examples.report(num_scores=172_800)
    began = time.perf_counter()
    document = to_json(report)
    assert to_json(from_json(document)) == document
    assert len(document["curve"]["scores"]) == 172_800
    assert time.perf_counter() - began < 10


if __name__ == "__main__":
    SCHEMA_FILE.write_text(json.dumps(json_schema(), indent=2) + "\n", encoding="utf-8")
