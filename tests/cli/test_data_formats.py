"""`holmesvau data import | export | instructions`: files, what is printed, and how it ends."""

import json
import sys

import pytest

from holmesvau import cli, hivau
from holmesvau.hivau import formats
from tests.hivau.fixtures import ANNOTATIONS, write_json


@pytest.fixture
def source(tmp_path):
    return write_json(tmp_path / "raw_annotations/own_database_test.json", ANNOTATIONS)


@pytest.fixture
def data(monkeypatch, capsys):
    """Run `holmesvau data …` in this process: (exit code, standard output, standard error)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["holmesvau", "data", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


@pytest.mark.parametrize("name", formats.formats())
def test_export_and_import_go_there_and_back(data, source, tmp_path, name):
    format = formats.get(name)
    out = tmp_path / ("out" if format.folder else f"out{format.suffix}")
    code, said, err = data("export", source, "--format", name, "--out", out, "--json")
    assert (code, err) == (0, "")
    told = json.loads(said)
    assert (told["videos"], told["events"], told["clips"]) == (3, 4, 6)
    annotations = hivau.load_annotations(source)
    assert told["lost"] == formats.lost(annotations, format)
    code, said, err = data("import", out, "--out", tmp_path / "again.json")
    assert (code, err) == (0, "") and said.endswith(f"again.json ({name})\n")
    kept = {key: format.kept(video) for key, video in annotations.items()}
    assert hivau.load_annotations(tmp_path / "again.json") == kept


def test_export_says_what_is_not_held(data, source, tmp_path):
    code, out, _ = data(
        "export", source, "-f", "activitynet", "--subset", "training", "-o", tmp_path / "a.json"
    )
    assert code == 0
    assert "not held: " in out and "6 × clip" in out and "Clips and all texts are left out." in out
    assert json.loads((tmp_path / "a.json").read_text())["database"]["Calm001"]["subset"] == "training"
    code, out, _ = data("export", source, "-o", tmp_path / "a.csv")
    assert code == 0 and "not held" not in out


def test_import_says_what_it_left_out(data, tmp_path):
    labels = {"cam": [{"label": "Arson", "support": [1, 2]}, {"label": "Arson", "timestamps": [1, 2]}]}
    (tmp_path / "labels.json").write_text(json.dumps({"labels": labels}))
    code, out, err = data("import", tmp_path / "labels.json", "-o", tmp_path / "a.json")
    assert code == 5 and "1 videos, 1 events" in out and "frames mean nothing without the video" in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["import", "absent.csv", "-o", "x.json"], "nothing is there"),
        (["export", "{source}", "-o", "x.json"], "the ending does not tell the format"),
        (["export", "{source}", "-f", "hivau", "-o", "{source}"], "the target is the source itself"),
        (["export", "{source}", "-f", "csv", "--url", "x", "-o", "x.csv"], "csv has no option url"),
        (["instructions", "{source}", "-o", "x.jsonl", "--mixture", "C+X"], "write levels C, E and V"),
        (["instructions", "{source}", "-o", "x.jsonl", "--mixture", "C=1.2.3"], "write levels C, E and V"),
        (["instructions", "{source}", "-o", "x.jsonl", "--mixture", "V=99"], "word for word"),
        (["instructions", "absent", "-o", "x.jsonl"], "nothing is there"),
    ],
)
def test_bad_input_ends_with_two_and_a_sentence(data, source, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    before = source.read_bytes()
    code, out, err = data(*(argument.format(source=source) for argument in arguments))
    assert (code, out) == (2, "") and sentence in err and "Traceback" not in err
    assert source.read_bytes() == before and not list(tmp_path.glob("x.*"))


def test_instructions_are_built_from_a_folder(data, source, tmp_path):
    out = tmp_path / "rows.jsonl"
    code, said, err = data("instructions", tmp_path, "-o", out, "--form", "test", "--json")
    rows = hivau.load_instructions(out)
    told = json.loads(said)
    assert (code, err) == (0, "") and told["rows"] == len(rows) == sum(told["counts"].values())
    assert told["counts"] == {
        "video judgement": 3,
        "video description": 3,
        "video analysis": 1,
        "event judgement": 4,
        "event description": 4,
        "event analysis": 2,
        "clip caption": 6,
    }
    code, said, _ = data("instructions", tmp_path, "-o", out, "--mode", "as-released", "--mixture", "C")
    assert code == 0 and said == f"clip caption: 9\nwrote 9 rows to {out}\n"
    assert '"conversations"' in out.read_text()


def test_instructions_want_one_split_and_a_dataset(data, source, tmp_path):
    write_json(tmp_path / "raw_annotations/own_database_train.json", ANNOTATIONS)
    code, _, err = data("instructions", tmp_path, "-o", tmp_path / "x.jsonl")
    assert code == 2 and "it has the splits test, train; choose one with --split" in err
    code, _, _ = data("instructions", tmp_path, "-o", tmp_path / "x.jsonl", "--split", "train")
    assert code == 0 and "own/videos/train/" in (tmp_path / "x.jsonl").read_text()
    mine = write_json(tmp_path / "mine.json", ANNOTATIONS)
    code, _, err = data("instructions", mine, "-o", tmp_path / "y.jsonl")
    assert code == 2 and "does not tell dataset and split" in err
    code, _, _ = data("instructions", mine, "-o", tmp_path / "y.jsonl", "--dataset", "mine", "--split", "dev")
    assert code == 0 and "mine/events/dev/Fire001_E1.mp4" in (tmp_path / "y.jsonl").read_text()
