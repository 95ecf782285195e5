"""`holmesvau train`: what is said on screen, and what is refused in one sentence."""

import pytest
from typer.testing import CliRunner

from holmesvau.cli import app
from holmesvau.cli.train import _told, in_words
from holmesvau.errors import ConfigError, InputError


def test_a_logged_step_in_words():
    step = {"kind": "step", "epoch": 2, "loss": 0.41249, "frames_per_second": 812.0, "memory_bytes": 3 << 29}
    assert in_words(step) == "epoch 3  loss 0.412  812 frames/s  1.5 GiB"
    assert in_words({"epoch": 0, "val_auc": 0.9, "val_ap": 0.81}) == "epoch 1  AUC 0.900  AP 0.810"


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (["tinny"], ConfigError, "no such recipe"),
        (["tiny", "--set", "scorer.epoch=3"], ConfigError, r"did you mean scorer\.epochs"),
        (["holmesvau-2b"], InputError, "names no data"),
        (["holmesvau-2b", "--data", "nowhere"], InputError, "no such folder"),
        (["tiny", "--device", "cuda:77"], InputError, "cannot be used"),
    ],
)
def test_bad_arguments_are_one_sentence(tmp_path, arguments, kind, message):
    done = CliRunner().invoke(app, ["train", "scorer", *arguments, "--out", str(tmp_path / "run")])
    assert isinstance(done.exception, kind)
    assert done.exception.exit_code == 2
    with pytest.raises(kind, match=message):
        raise done.exception


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    out = str(tmp_path / "file" / "run")
    done = CliRunner().invoke(app, ["train", "scorer", "tiny-smoke", "--out", out, "--device", "cpu"])
    assert "cannot be written" in str(done.exception)


@pytest.mark.parametrize(("rank", "lines"), [("0", 1), ("1", 0)])
def test_of_several_processes_one_speaks(monkeypatch, capsys, rank, lines):
    class Result:
        def to_json(self):
            return {"auc": 0.9}

    monkeypatch.setenv("RANK", rank)
    _told(Result(), as_json=True)
    assert capsys.readouterr().out.count("\n") == lines
