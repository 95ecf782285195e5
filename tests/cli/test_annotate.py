"""`holmesvau annotate` as users type it."""

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from holmesvau import cli, engine, hivau
from holmesvau.types import Span
from tests.engine.conftest import films, marked, scribe  # noqa: F401 - fixtures

SCHEMA = Path(__file__).parents[2] / "schemas" / "annotate.schema.json"


@pytest.fixture
def annotate(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["holmesvau", "annotate", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return run


def kept_to(part: str, out: str) -> Any:
    """What was printed, held against its part of the schema."""
    value = json.loads(out)
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(value, {**schema, "anyOf": [{"$ref": f"#/$defs/{part}"}]})
    return value


def test_from_videos_to_rows_with_one_command(annotate, films, marked, scribe):  # noqa: F811
    served = f"endpoint:{scribe.url}?pause=0.01&retries=0#scribe"
    code, out, _ = annotate(
        "init", "p", films, "--import", marked, "--caption", served, "--summary", served, "--dataset", "lamps"
    )
    assert code == 0 and "3 videos" in out

    scribe.be("down")
    code, out, err = annotate("p")
    assert code == 4 and "answers 503" in err and "0 of 3 videos complete" in out
    scribe.be("well")
    code, out, _ = annotate("run", "p", "--dry-run", "--json")
    assert code == 0 and kept_to("estimate", out)["stages"]["caption"]["requests"] > 0

    code, out, err = annotate("p", "--json")
    report = kept_to("run", out)
    assert (code, err) == (0, "") and report["status"]["complete"] == 3
    rows = hivau.load_instructions(report["dataset"]["instructions"])
    assert len(rows) == report["dataset"]["rows"] and rows[0].video.startswith("lamps/")

    code, out, _ = annotate("status", "p")
    assert code == 0 and "3 of 3 videos complete" in out and "passed all gates at once" in out
    assert (
        kept_to("status", annotate("status", "p", "--json")[1])["gates"]["event"]["contradiction"]["rate"]
        == 1.0
    )

    code, out, _ = annotate("export", "p", "--format", "via3")
    assert code == 0 and (Path("p") / "annotations-via3.json").is_file()
    code, out, _ = annotate("export", "p", "--format", "webvtt", "--out", "subtitles", "--json")
    assert code == 0 and json.loads(out)["videos"] == 3 and len(list(Path("subtitles").iterdir())) == 3


def test_people_are_waited_for(annotate, films, marked):  # noqa: F811
    annotate("init", "p", films, "--import", marked)
    code, out, _ = annotate("p")
    assert code == 0 and "wait for people: holmesvau annotate review p" in out
    code, _, err = annotate("export", "p")
    assert code == 2 and "no video is complete yet" in err
    code, out, _ = annotate("export", "p", "--partial", "--out", "part.json")
    assert code == 0 and len(hivau.load_annotations("part.json")) == 3


def test_agreement_is_told_in_words_and_figures(annotate, films):  # noqa: F811
    annotate("init", "p", films)
    code, out, _ = annotate("agreement", "p")
    assert code == 0 and "No video was marked by two annotators yet (so far: nobody)" in out
    with engine.open_project("p").ledger() as ledger:
        for who, end in (("ann", 6), ("ben", 5)):
            ledger.add_event("calm", who, Span(2, end), "Fall")
    code, out, _ = annotate("agreement", "p", "--tiou", "0.8")
    assert code == 0 and "ann, ben" in out and " 0.75 " in out
    (pair,) = kept_to("agreement", annotate("agreement", "p", "--json")[1])["pairs"]
    assert pair["mean_tiou"] == 0.75 and pair["matched"] == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere"], "annotate init nowhere"),
        (["init", "p"], "Missing argument"),
        (["init", "p", "nowhere.mp4"], "no such file or folder of videos"),
        (["run", "p", "--stage", "captions"], "there are decouple, caption, event, video, instruct"),
        (["p", "--set", "caption.at_once=0"], "at_once = 0"),
        (["p", "--set", "caption.providr='tiny'"], "did you mean caption.provider"),
        (["p", "--set", "caption.provider='gpt'"], "there are endpoint:URL"),
        (["export", "p", "--format", "coco"], "No format is called 'coco'"),
        (["agreement", "p", "--tiou", "2"], "tiou = 2"),
        (["review", "nowhere"], "annotate init nowhere"),
        (["review", "p", "--host", "192.0.2.1"], "--host takes an address of this machine"),
        (["review", "p", "--who", "@ann"], "no name of an annotator"),
    ],
)
def test_mistakes_are_answered_with_a_sentence(annotate, films, arguments, complaint):  # noqa: F811
    if arguments[0] != "init":
        annotate("init", "p", films)
    code, _, err = annotate(*arguments)
    assert code == 2 and complaint in err


def test_settings_are_checked_before_they_are_written(annotate, films):  # noqa: F811
    assert annotate("init", "p", films, "--split", "a/b")[0] == 2
    assert not (Path("p") / "annotate.toml").exists()
    assert annotate("init", "p", films, "--split", "val")[0] == 0
    text = (Path("p") / "annotate.toml").read_text()
    assert 'split = "val"' in text and text.count("split =") == 1 and "# " in text


def test_videos_are_added_and_named_apart(annotate, films, tmp_path):  # noqa: F811
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "calm.mp4").write_bytes((films / "calm.mp4").read_bytes())
    annotate("init", "p", films / "calm.mp4")
    annotate("init", "p", films / "calm.mp4", tmp_path / "more")
    code, out, _ = annotate("init", "p", tmp_path / "more", "--json")
    assert code == 0 and json.loads(out)["videos"] == ["calm", "calm-2"]


def test_the_help_names_the_verbs(annotate):
    code, out, err = annotate("--help")
    assert code == 0 and all(
        verb in out + err for verb in ("init", "run", "status", "review", "agreement", "export")
    )
