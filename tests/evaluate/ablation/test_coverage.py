"""Does a sampler give an event a frame? On curves whose answer is known, and on staged hours."""

import json
import sys

import numpy as np
import pytest

from holmesvau import cli
from holmesvau.errors import InputError
from holmesvau.evaluate.ablation import Curves, coverage, noisy_truth, scored
from holmesvau.evaluate.ablation.scans import Scans
from holmesvau.evaluate.resampling import BootstrapConfig
from holmesvau.types import AnomalyCurve, Span
from tests.evaluate.conftest import NO_WORDS


def perfect(minutes, start, length=10.0):
    """A scorer that is right about one event and silent about the rest."""
    seconds = np.arange(0, 60 * minutes, 0.5)
    scores = ((seconds >= start) & (seconds < start + length)).astype(np.float32)
    curve = AnomalyCurve(seconds, scores, np.arange(len(seconds)) * 15, 0.5)
    return curve, Span(start, start + length)


def many(minutes, count=40):
    found = [perfect(minutes, start) for start in np.linspace(5, 60 * minutes - 15, count)]
    names = [f"v{number}" for number in range(count)]
    return Curves(
        f"{minutes} min",
        dict(zip(names, (curve for curve, _ in found), strict=True)),
        dict(zip(names, ([event] for _, event in found), strict=True)),
    )


def test_density_loses_a_short_event_in_a_long_video_and_event_first_does_not():
    report = coverage([many(5), many(240)], frames=(16,), bootstrap=BootstrapConfig(resamples=50))
    share = {(cell.source, cell.method): cell.share for cell in report.cells}
    assert share["5 min", "density"] == 1 and share["240 min", "density"] < 0.25
    assert share["240 min", "uniform"] < 0.1
    assert share["5 min", "event-first"] == share["240 min", "event-first"] == 1
    assert share["240 min", "topk"] == 1 and report.frame_auc["240 min"] == 1
    density = next(c for c in report.cells if (c.source, c.method) == ("240 min", "density"))
    assert density.share_interval.low <= density.share <= density.share_interval.high
    assert density.events == 40 and density.seen == round(40 * density.share)
    assert report.hours["240 min"] == 160


def test_counts_are_those_of_the_chosen_frames():
    curve, event = perfect(1, 20)
    curves = Curves("one", {"v": curve}, {"v": [event, Span(40, 40.4)]})
    (cell,) = coverage([curves], methods=("uniform",), frames=(12,)).cells
    # One frame every five seconds, in the middle: 22.5 and 27.5 s lie in the event.
    assert (cell.events, cell.seen, cell.frames_an_event, cell.inside) == (2, 1, 1.0, 2 / 12)


def test_staged_hours_need_no_rendering():
    made = noisy_truth(2, 20, seed=4)
    assert made.hours == pytest.approx(40 / 60) and all(made.events.values())
    again = noisy_truth(2, 20, seed=4)
    assert all(np.array_equal(made.curves[name].scores, again.curves[name].scores) for name in made.curves)
    report = coverage([made], methods=("event-first",), frames=(16,))
    assert 0.9 < report.frame_auc[made.source] < 1


def test_curves_of_a_scorer_are_kept_between_calls(test_set, finished, tmp_path):
    made = scored(test_set, Scans(tmp_path, NO_WORDS.load()))
    (name,) = made.curves
    # A report rounds to four decimals.
    assert np.allclose(made.curves[name].scores, finished[1].reports[name].curve.scores, atol=1e-4)
    assert made.source == "scorer novelty" and list(tmp_path.glob(f"{name}-*.json"))
    # Kept: whoever could not scan finds them.
    again = scored(test_set, Scans(tmp_path, None))
    assert np.array_equal(again.curves[name].scores, made.curves[name].scores)


def test_videos_without_events_are_refused():
    curve, _ = perfect(1, 20)
    with pytest.raises(InputError, match="no event"):
        coverage([Curves("calm", {"v": curve}, {"v": []})])


def test_the_command_asks_samplers_without_words(finished, tmp_path, monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["holmesvau", "eval", "ablation", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), *capsys.readouterr()

    given = (
        "--out",
        tmp_path,
        "--planned",
        "5",
        "--planned-videos",
        "2",
        "--frames",
        "4,8",
        "--resamples",
        "10",
    )
    command = ("samplers", "--data", finished[0], "--model", "none", "--scorer", "novelty", *given)
    code, out, _ = run(*command, "--json")
    cells = json.loads(out)["coverage"]["cells"]
    assert code == 0 and len(cells) == 2 * 2 * 5
    assert {cell["source"] for cell in cells} == {"scorer novelty", "truth with noise, 5 min"}
    code, out, _ = run(*command)
    assert code == 0 and "event-first" in out and "frame AUC" in out
    for odd, message in (
        (("samplers",), "--data"),
        (("frames", "--planned", "5"), "--planned"),
        (("samplers", "--frames", "8;16"), "whole numbers"),
        (("frames", "--data", finished[0], "--method", "topk", "--method", "uniform"), "one sampler"),
        (("lora-rank", "--data", finished[0], "--model", "none"), "--recipe"),
        (("levels", "--cell", "A+B"), "Its cells: C; E; V; C+E"),
        (("samplers", "--levels", "video,shot"), "no level 'shot'"),
    ):
        code, _, err = run(*odd)
        assert code == 2 and message in err
