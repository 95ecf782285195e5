"""The command as a person uses it: real files in, real files and exit codes out."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from holmesvau import cli
from tests.scenes import write_video


@pytest.fixture
def holmesvau(monkeypatch, capsys):
    """Run the command in this process: (exit code, standard output, standard error)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["holmesvau", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def test_watch_writes_a_report_whose_event_is_where_it_burns(holmesvau, burning_room, tmp_path):
    code, out, err = holmesvau("watch", burning_room, "--out", tmp_path / "out", "--model", "none")
    assert (code, err) == (0, "")
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"report.json", "report.html", "events.vtt", "curve.csv"}
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert len(report["events"]) == 1
    event = report["events"][0]
    assert 29 <= event["start"] <= 31 and 35 <= event["end"] <= 38
    assert event["start"] <= event["peak"] < event["end"]
    inside = [second for second in report["selection"]["seconds"] if 30 <= second < 36]
    assert len(report["selection"]["index"]) == 16 and len(inside) >= 4
    assert event["description"] == "" and any("No describing model" in text for text in report["warnings"])
    assert "1 abnormal stretch in 1:00: 0:30–0:36" in out


def test_two_runs_choose_identical_frames(holmesvau, burning_room):
    runs = [holmesvau("watch", burning_room, "--model", "none", "--json", "--no-cache") for _ in range(2)]
    first, second = (json.loads(out) for _, out, _ in runs)
    assert first["selection"] == second["selection"] and first["curve"] == second["curve"]


def test_a_long_video_is_cut_into_chapters(holmesvau, burning_room, tmp_path):
    code, out, _ = holmesvau(
        *("watch", burning_room, "--model", "none", "--set", "chapters.from_seconds=30"),
        *("--out", tmp_path / "out", "--formats", "json,chapters-vtt,chapters-csv"),
    )
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert code == 0 and report["chapters"][-1]["end"] == pytest.approx(60)
    assert "0:00–1:00  1 event\n" in out and report["chapters"][0]["events"] == [0]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("report.json", "chapters.vtt", "chapters.csv")
    }


def test_calm_camera_gives_no_event(holmesvau, calm_room):
    code, out, _ = holmesvau("watch", calm_room, "--model", "none", "--json")
    assert code == 0 and json.loads(out)["events"] == []


def test_several_videos_get_a_folder_each_and_one_bad_file_stops_nothing(
    holmesvau, burning_room, calm_room, tmp_path
):
    bad = tmp_path / "bad.mp4"
    bad.write_text("not a video")
    code, _, err = holmesvau(
        "watch", burning_room, bad, calm_room, "--out", tmp_path / "out", "--model", "none"
    )
    assert code == 2 and "bad.mp4" in err
    assert (tmp_path / "out" / "room" / "report.html").exists() and (
        tmp_path / "out" / "calm" / "report.html"
    ).exists()
    assert not (tmp_path / "out" / "bad").exists()


def test_score_prints_the_curve_as_csv_and_json(holmesvau, burning_room):
    _, text, _ = holmesvau("score", burning_room)
    lines = text.splitlines()
    assert lines[0] == "frame,seconds,score" and len(lines) == 1 + 120
    _, out, _ = holmesvau("score", burning_room, "--json")
    curve = json.loads(out)
    assert (
        curve["stride_seconds"] == pytest.approx(0.5) and len(curve["scores"]) == len(curve["seconds"]) == 120
    )
    assert curve["scores"] == [float(line.split(",")[2]) for line in lines[1:]]
    assert curve["fps"] > 0 and curve["num_frames"] > curve["index"][-1]
    # Several are a file of predictions.
    code, out, _ = holmesvau("score", burning_room, burning_room, "--json")
    assert code == 0 and [json.loads(line) for line in out.splitlines()] == [curve, curve]
    code, out, err = holmesvau("score", burning_room, burning_room)
    assert (code, out) == (2, "") and "take --json" in err


@pytest.mark.parametrize("method", ["uniform", "topk", "density", "density-reference", "event-first"])
def test_sample_works_on_a_video_and_on_its_curve(holmesvau, burning_room, tmp_path, method):
    _, curve, _ = holmesvau("score", burning_room)
    (tmp_path / "curve.csv").write_text(curve)
    _, from_video, _ = holmesvau("sample", burning_room, "--method", method, "-n", 8, "--json")
    _, from_curve, _ = holmesvau("sample", tmp_path / "curve.csv", "--method", method, "-n", 8, "--json")
    assert json.loads(from_video)["index"] == json.loads(from_curve)["index"]
    assert len(json.loads(from_video)["index"]) == 8


def test_sample_writes_the_pictures(holmesvau, burning_room, tmp_path):
    holmesvau("sample", burning_room, "-n", 3, "--pictures", tmp_path / "pictures")
    assert sorted(path.suffix for path in (tmp_path / "pictures").iterdir()) == [".jpg"] * 3


def test_doctor_says_what_is_here(holmesvau):
    code, out, _ = holmesvau("doctor", "--json")
    facts = json.loads(out)
    assert code == 0 and "novelty" in facts["scorers"] and facts["packages"]["torch"].startswith("2.")
    assert holmesvau("doctor")[0] == 0


def test_asking_without_a_describing_model_is_exit_code_3(holmesvau, burning_room):
    code, out, err = holmesvau("ask", burning_room, "What happens?", "--model", "none")
    assert code == 3 and out == "" and "No describing model is loaded" in err


def one_sentence(err: str) -> bool:
    return err.startswith("holmesvau: ") and "Traceback" not in err and len(err.strip().splitlines()) == 1


BAD_OPTIONS = {
    "unknown sampler": (["--sampler", "best"], "best"),
    "unknown setting": (["--set", "sampler.tua=1"], "did you mean sampler.tau"),
    "unknown scorer": (["--scorer", "noveltly"], "Did you mean novelty"),
    "unknown model": (["--model", "no/such/folder"], "no/such/folder"),
    "unknown format": (["--formats", "json,pdf", "--out", "x"], "pdf"),
    "no frames": (["--num-frames", "0"], "0"),
    "scorer file missing": (["--scorer", "none.safetensors"], "none.safetensors"),
    "bad granularity": (["--granularity", "frame"], "granularity"),
    "no time": (["--budget-seconds", "0"], "budget_seconds = 0"),
    "no tokens": (["--budget-tokens", "-1"], "budget_tokens = -1"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_bad_option_is_one_sentence_and_exit_code_2(holmesvau, burning_room, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    options, complaint = BAD_OPTIONS[case]
    code, out, err = holmesvau(
        "watch", burning_room, *(["--model", "none"] if "--model" not in options else []), *options
    )
    assert (code, out) == (2, "") and one_sentence(err) and complaint in err, err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("span", ["20", "20-10", "a-b", "-5-10", "500-510"])
def test_bad_span_is_one_sentence(holmesvau, burning_room, span):
    code, _, err = holmesvau("ask", burning_room, "What?", f"--span={span}", "--model", "none")
    assert code in (2, 3) and one_sentence(err)


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: folder / "missing.mp4",
        lambda folder: folder,
        lambda folder: _write(folder / "text.mp4", b"hello, this is not a video\n" * 50),
        lambda folder: _write(folder / "zero.mp4", b""),
    ],
    ids=["missing", "directory", "text", "zero"],
)
def test_unusable_video_is_one_sentence_and_nothing_is_left(holmesvau, tmp_path, make):
    (tmp_path / "in").mkdir()
    video = make(tmp_path / "in")
    code, out, err = holmesvau("watch", video, "--out", tmp_path / "out", "--model", "none")
    assert (code, out) == (2, "") and one_sentence(err) and str(video) in err, err
    assert not (tmp_path / "out").exists()


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("percent", [1, 50, 99])
def test_truncated_video_ends_in_a_report_or_a_sentence(holmesvau, burning_room, tmp_path, percent):
    data = burning_room.read_bytes()
    cut = _write(tmp_path / "cut.mp4", data[: len(data) * percent // 100])
    code, _, err = holmesvau("watch", cut, "--out", tmp_path / "out", "--model", "none")
    assert code == 0 or (code == 2 and one_sentence(err) and not (tmp_path / "out").exists()), err


def test_output_that_is_a_file_is_refused_before_the_scan(holmesvau, burning_room, tmp_path):
    (tmp_path / "out").write_text("in the way")
    code, _, err = holmesvau("watch", burning_room, "--out", tmp_path / "out", "--model", "none")
    assert code == 2 and one_sentence(err) and (tmp_path / "out").read_text() == "in the way"


def test_curve_with_nan_is_refused(holmesvau, tmp_path):
    (tmp_path / "curve.csv").write_text("frame,seconds,score\n0,0.0,0.1\n16,0.5,nan\n")
    code, _, err = holmesvau("sample", tmp_path / "curve.csv")
    assert code == 2 and one_sentence(err) and "nan" in err


def test_ctrl_c_keeps_what_was_scanned(burning_room, tmp_path, monkeypatch):
    """A real process, interrupted in the middle of its scan; the next one goes on from there."""
    monkeypatch.setenv("HOLMESVAU_CACHE", str(tmp_path / "store"))
    command = [sys.executable, "-m", "holmesvau", "watch", str(burning_room), "--out", str(tmp_path / "out")]
    running = subprocess.Popen(
        [*command, "--model", "none", "--set", "scan.every=1"], stderr=subprocess.PIPE, text=True
    )
    while running.poll() is None and not any((tmp_path / "store").rglob("*journal*")):
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert (
        running.returncode == 130
        and err.startswith("holmesvau: stopped.")
        and not (tmp_path / "out").exists()
    )
    again = subprocess.run([*command, "--model", "none", "--set", "scan.every=1"], check=False)
    assert again.returncode == 0 and (tmp_path / "out" / "report.json").exists()


def test_torch_is_told_how_its_threads_wait_before_it_is_loaded() -> None:
    code = """
import os, sys
from holmesvau import cli
assert "torch" not in sys.modules
sys.argv = ["holmesvau", "--version"]
try:
    cli.main()
except SystemExit:
    print(os.environ.get("GOMP_SPINCOUNT"))
"""
    own = {
        name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    }
    for given, told in ({}, "1000"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None"), ({"GOMP_SPINCOUNT": "7"}, "7"):
        done = subprocess.run(
            [sys.executable, "-c", code], env=own | given, capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == told


def test_python_minus_m_and_version():
    done = subprocess.run(
        [sys.executable, "-m", "holmesvau", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("holmesvau ")


def test_audio_without_pictures_is_one_sentence(holmesvau, tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 8000
        container.mux(stream.encode(silence))
        container.mux(stream.encode())
    code, _, err = holmesvau("watch", tmp_path / "sound.mp4", "--model", "none")
    assert code == 2 and one_sentence(err) and "1 audio stream" in err


@pytest.mark.parametrize(("width", "height", "frames"), [(64, 48, 1), (20_000, 64, 3)], ids=["one", "wide"])
def test_video_of_one_frame_or_20000_pixels_is_watched(holmesvau, tmp_path, width, height, frames):
    pictures = (np.full((height, width, 3), 90 + i, np.uint8) for i in range(frames))
    video = write_video(tmp_path / "odd.mkv", pictures, codec="mjpeg")
    code, out, err = holmesvau("watch", video, "--out", tmp_path / "out", "--model", "none")
    assert (code, err) == (0, "") and "No abnormal stretch" in out
    assert len(json.loads((tmp_path / "out" / "report.json").read_text())["selection"]["index"]) == 1


def test_full_disk_is_one_sentence_and_leaves_nothing_half_written(holmesvau, burning_room, tmp_path):
    """A real file-size limit stands in for a full disk: the page does not fit into 4 KB."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "from holmesvau.cli import main; main()"
    )
    holmesvau("score", burning_room)  # features are in the store already: only the report has to be written
    arguments = ["watch", str(burning_room), "--out", str(tmp_path / "out"), "--model", "none"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and one_sentence(done.stderr), done.stderr
    assert not (tmp_path / "out").exists()
