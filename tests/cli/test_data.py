"""`holmesvau data`: what people and scripts get from check, stats and split."""

import json
import shutil
import sys

import pytest

from holmesvau import cli
from tests.hivau.fixtures import ANNOTATIONS, make_dataset, write_json


@pytest.fixture(scope="module")
def own_dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("dataset"))


@pytest.fixture
def dataset(own_dataset, tmp_path):
    return shutil.copytree(own_dataset, tmp_path / "dataset")


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


def test_check_ends_by_severity(data, dataset):
    code, out, err = data("check", dataset)
    assert (code, err) == (0, "")
    assert "2 files, 3 videos, 4 events, 6 clips, 4 rows" in out and "4 notes" in out
    entries = {**ANNOTATIONS, "Fire001": {**ANNOTATIONS["Fire001"], "events": [[20.0, 24.0], [20.0, 24.5]]}}
    write_json(dataset / "raw_annotations/own_database_test.json", entries)
    code, out, _ = data("check", dataset, "--no-footage")
    assert code == 4 and "near-duplicate-events" in out
    (dataset / "own/videos/test/Calm001.mp4").unlink()
    code, out, _ = data("check", dataset, "--json")
    assert code == 5 and json.loads(out)["kinds"]["missing-video"] == 1


def test_check_shows_three_of_a_kind_or_all(data, dataset):
    for video in (dataset / "own/videos/test").iterdir():
        video.rename(video.with_suffix(".mov"))
    _, out, _ = data("check", dataset)
    assert out.count("No annotation speaks of this file.") == 3 and "more (--all)" not in out
    (dataset / "own/videos/test/another.mov").touch()
    _, out, _ = data("check", dataset)
    assert out.count("No annotation speaks of this file.") == 3 and "… and 1 more (--all)" in out
    _, out, _ = data("check", dataset, "--all")
    assert out.count("No annotation speaks of this file.") == 4


def test_fix_writes_a_copy_and_says_where(data, dataset, tmp_path):
    code, out, _ = data("check", dataset, "--no-footage", "--fix", tmp_path / "clean")
    assert code == 0 and f"wrote {tmp_path}/clean/raw_annotations/own_database_test.json" in out
    code, _, err = data("check", dataset, "--fix", dataset)
    assert code == 2 and "over its source" in err


def test_stats_prints_tables_json_and_a_plot(data, dataset, tmp_path):
    code, out, err = data("stats", dataset, "--plot", tmp_path / "a.svg")
    assert (code, err) == (0, "")
    assert "own" in out and "clip caption" in out and "Arson" in out
    assert (tmp_path / "a.svg").is_file() and f"wrote {tmp_path}/a.svg" in out
    code, out, _ = data("stats", dataset, "--json")
    assert json.loads(out)["labels"] == {"normal": 2, "Arson": 1}
    assert data("stats", tmp_path / "none.json")[0] == 2


def test_split_cuts_and_goes_on(data, dataset):
    code, out, _ = data("split", dataset, "--jobs", 1, "--level", "clip")
    assert (code, out) == (0, "5 files copied without encoding, 1 encoded, 0 there before\n")
    code, out, _ = data("split", dataset, "--jobs", 1, "--json")
    assert code == 0 and json.loads(out) == {"copied": 3, "encoded": 1, "kept": 6, "problems": []}
    (dataset / "own/videos/test/Calm001.mp4").unlink()
    (dataset / "own/events/test/Calm001_E0.mp4").unlink()
    code, _, err = data("split", dataset, "--jobs", 1)
    assert code == 5 and "1 parts of it were not cut" in err


def test_a_folder_without_data_ends_with_a_sentence(data, tmp_path):
    for verb in ("check", "stats", "split"):
        code, out, err = data(verb, tmp_path)
        assert (code, out) == (2, "") and err.startswith("holmesvau: ")
