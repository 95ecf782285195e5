"""`holmesvau eval`: from files of predictions to figures, tables and sentences."""

import json
import sys

import numpy as np
import pytest

from holmesvau import cli

UCF = """\
Arson/Fire001.mp4 900 Arson 300 600 -1 -1
Arson/Fire002.mp4 900 Arson 0 90 450 720
Fighting/Fight001.mp4 600 Fighting 100 300 -1 -1
Normal/Calm001.mp4 900 Normal -1 -1 -1 -1
Normal/Calm002.mp4 900 Normal -1 -1 -1 -1
"""
XD = "v=Film__#1_label_G-0-0 30 60\n"


@pytest.fixture
def run(monkeypatch, capsys):
    """Run `holmesvau eval …` in this process: (exit code, standard output, standard error)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["holmesvau", "eval", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def write(path, entries):
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


@pytest.fixture
def ucf(tmp_path):
    path = tmp_path / "UCF_Annotation.txt"
    path.write_text(UCF)
    return path


def curves(path, signal, seed=0):
    """Scores of every 16th frame: noise, and `signal` more where the list says abnormal."""
    from holmesvau.hivau import ucf_crime

    random = np.random.default_rng(seed)
    entries = []
    for video in ucf_crime.load(path.parent / "UCF_Annotation.txt"):
        labels = video.frame_labels()[::16]
        scores = np.clip(random.uniform(0, 0.5, len(labels)) + signal * labels, 0, 1)
        entries.append(
            {"video": video.path, "scores": scores.tolist(), "index": list(range(0, video.num_frames, 16))}
        )
    return write(path, entries)


def test_detection_from_file_to_table(run, tmp_path, ucf):
    good = curves(tmp_path / "good.jsonl", 0.45)
    code, out, err = run("detection", good, "--ucf", ucf, "--resamples", 50, "--json")
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert report["frames"]["auc"] > 0.9 and report["frames"]["frames"] == 4200
    assert report["macro"]["auc_videos"] == 3 and set(report["by_class"]) == {"Arson", "Fighting"}
    assert report["events_from"] == "scores" and report["events"]["annotated"] == 4
    assert report["alarms"][0]["normal_hours"] == pytest.approx(1 / 60)
    assert report["frames"]["auc_interval"]["low"] <= report["frames"]["auc"]
    (tmp_path / "r.json").write_text(out)
    code, out, _ = run("table", 1, "--ucf", tmp_path / "r.json", "--name", "good run")
    assert code == 0 and "**good run, all frames**" in out and "| Holmes-VAU | 87.68 | 88.96 | paper |" in out


def test_detection_for_people_with_a_paired_test(run, tmp_path, ucf):
    good, poor = curves(tmp_path / "good.jsonl", 0.45), curves(tmp_path / "poor.jsonl", 0.05, seed=1)
    code, out, _ = run("detection", good, "--ucf", ucf, "--against", poor, "--resamples", 50)
    assert code == 0
    for words in (
        "Videos: all 5",
        "video level, top-k mean",
        "with normal videos",
        "mAP",
        "This run minus the other",
    ):
        assert words in out
    report = json.loads(
        run("detection", good, "--ucf", ucf, "--against", poor, "--resamples", 50, "--json")[1]
    )
    assert report["compared"] == 5 and report["against"]["auc"]["value"] > 0
    assert report["against"]["auc"]["p_value"] == pytest.approx(2 / 51)


def test_scores_off_the_scale_are_said_to_have_no_events_worth_the_name(run, tmp_path, ucf):
    path = curves(tmp_path / "p.jsonl", 0.45)
    command = ("detection", path, "--ucf", ucf, "--resamples", 0)
    assert json.loads(run(*command, "--json")[1])["notes"] == []
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    write(path, [{**entry, "scores": [9 * score for score in entry["scores"]]} for entry in entries])
    code, out, _ = run(*command)
    assert code == 0 and "Scores of 5 of 5 videos leave the scale 0 to 1" in out


def test_a_test_file_that_cannot_be_read_whole_is_no_smaller_test_set(run, tmp_path, rows):
    rows.write_text(rows.read_text() + '{"id": 3}\n')
    answers = write(tmp_path / "a.jsonl", [{"id": n, "answer": "A man."} for n in range(3)])
    code, out, err = run("text", answers, "--rows", rows)
    assert (code, out) == (2, "") and "1 of its entries cannot be used" in err and "rows.jsonl:4" in err
    code, out, err = run("text", answers, "--rows", rows, "--lenient", "--resamples", 0)
    assert code == 0 and "Rows: all 3" in out and "Left out of the test set" in err


def test_lenient_detection_says_what_it_left_out(run, tmp_path, ucf):
    whole = curves(tmp_path / "p.jsonl", 0.4).read_text().splitlines()
    (tmp_path / "p.jsonl").write_text("\n".join(whole[:-1]))
    code, out, err = run("detection", tmp_path / "p.jsonl", "--ucf", ucf)
    assert (code, out) == (2, "") and "1 missing" in err and "Calm002" in err
    code, out, err = run("detection", tmp_path / "p.jsonl", "--ucf", ucf, "--lenient", "--resamples", 0)
    assert code == 0 and "Videos: 4 of 5, 1 left out" in out and "Calm002: No line has this video." in err
    code, out, _ = run("detection", tmp_path / "p.jsonl", "--ucf", ucf, "--lenient", "--json")
    assert json.loads(out)["coverage"]["left_out"] == ["Calm002"]


def test_xd_takes_counts_from_predictions_or_from_a_file(run, tmp_path):
    (tmp_path / "xd.txt").write_text(XD)
    calm = "v=Film__#2_label_A"
    entries = [
        {"video": "v=Film__#1_label_G-0-0", "scores": [0.1] * 30 + [0.9] * 30 + [0.1] * 40},
        {"video": calm, "scores": [0.2] * 50},
    ]
    predictions = write(tmp_path / "p.jsonl", entries)
    code, out, err = run("detection", predictions, "--xd", tmp_path / "xd.txt", "--json", "--resamples", 0)
    report = json.loads(out)
    assert code == 0 and "predictions' own are taken" in err
    assert (report["frames"]["auc"], report["frames"]["ap"], report["frames"]["frames"]) == (1, 1, 150)
    (tmp_path / "n.json").write_text(json.dumps({"v=Film__#1_label_G-0-0": 100, calm: 50, calm + "x": 1}))
    code, _, err = run(
        "detection", predictions, "--xd", tmp_path / "xd.txt", "--num-frames", tmp_path / "n.json"
    )
    assert code == 2 and "does not end in `_label_`" in err
    (tmp_path / "n.json").write_text('{"a": "b"}')
    code, _, err = run(
        "detection", predictions, "--xd", tmp_path / "xd.txt", "--num-frames", tmp_path / "n.json"
    )
    assert code == 2 and "whole numbers of frames" in err


@pytest.fixture
def rows(tmp_path):
    entries = [
        {"id": 0, "type": "clip", "task": "caption", "answer": "A man lights a fire."},
        {"id": 1, "type": "event", "task": "judgement", "answer": "An anomaly exists, Arson."},
        {"id": 2, "type": "video", "task": "judgement", "answer": "No anomaly exists."},
    ]
    places = {"clip": "clips/test/A_E0C0", "event": "events/test/A_E0", "video": "videos/test/B"}
    return write(
        tmp_path / "rows.jsonl",
        [{**entry, "video": f"own/{places[entry['type']]}.mp4", "prompt": "What?"} for entry in entries],
    )


def test_text_from_file_to_table(run, tmp_path, rows):
    said = ["A man lights a fire.", "An anomaly exists, Arson.", "An anomaly exists."]
    answers = write(tmp_path / "a.jsonl", [{"id": n, "answer": a} for n, a in enumerate(said)])
    code, out, err = run("text", answers, "--rows", rows, "--resamples", 20)
    assert (code, err) == (0, "") and "Rows: all 3" in out and "METEOR approximation" in out
    code, out, _ = run("text", answers, "--rows", rows, "--resamples", 20, "--duplicates", "once", "--json")
    report = json.loads(out)
    assert report["groups"]["clip"]["rouge_l"] == 1 and report["duplicates"] == "once"
    assert report["judgements"]["judgement"]["accuracy"] == 0.5
    (tmp_path / "r.json").write_text(out)
    for form, words in (
        ("markdown", "**holmesvau** | 4.000"),
        ("latex", r"holmesvau & 4.000"),
        ("csv", "holmesvau,4.0"),
    ):
        code, out, _ = run("table", 2, "--report", tmp_path / "r.json", "--format", form)
        assert code == 0 and words in out


def test_text_with_a_paired_test(run, tmp_path, rows):
    good = ["A man lights a fire.", "An anomaly exists, Arson.", "No anomaly exists."]
    poor = ["A dog.", "No anomaly exists.", "No anomaly exists."]
    first, second = (
        write(tmp_path / f"{name}.jsonl", [{"id": n, "answer": a} for n, a in enumerate(said)])
        for name, said in (("good", good), ("poor", poor))
    )
    command = ("text", first, "--rows", rows, "--resamples", 50)
    code, out, err = run(*command, "--against", second)
    assert (code, err) == (0, "") and "This run minus the other, 3 rows of both" in out
    report = json.loads(run(*command, "--against", second, "--json")[1])
    gap = report["against"]["groups"]["clip"]["figures"]["rouge_l"]
    assert report["compared"] == 3 and gap["value"] > 0.5 and gap["interval"] is gap["p_value"] is None
    assert report["against"]["judgements"]["judgement"]["recall"]["value"] == 1
    assert report["against"]["groups"]["judgement"]["figures"]["bleu_sum"]["p_value"] <= 1
    # Rows that only one of them answers are named, and belong to no difference.
    write(second, [{"id": 0, "answer": "A dog."}])
    assert run(*command, "--against", second)[0] == 2
    code, out, err = run(*command, "--against", second, "--lenient", "--json")
    assert code == 0 and json.loads(out)["compared"] == 1 and "row 2: No usable answer" in err
    write(first, [{"id": 1, "answer": "Arson."}])
    code, _, err = run(*command, "--against", second, "--lenient")
    assert code == 2 and "shares no usable row" in err
    code, _, err = run("text", first, "--rows", rows, "--against", first, "--lenient", "--resamples", 0)
    assert code == 2 and "paired test needs resamples" in err


def test_text_from_a_harness_log(run, tmp_path, rows):
    log = write(tmp_path / "log.jsonl", [{"doc_id": n, "filtered_resps": ["A man."]} for n in range(3)])
    code, out, _ = run("text", log, "--rows", rows, "--harness-log", "--json", "--resamples", 0)
    assert code == 0 and json.loads(out)["coverage"]["used"] == 3


def test_text_names_empty_and_missing_answers(run, tmp_path, rows):
    answers = write(tmp_path / "a.jsonl", [{"id": 0, "answer": ""}])
    code, out, err = run("text", answers, "--rows", rows)
    assert (code, out) == (2, "") and "1 empty-answer, 2 missing" in err
    code, out, err = run("text", answers, "--rows", rows, "--lenient", "--resamples", 0)
    assert code == 0 and "Rows: 1 of 3, 2 left out" in out and "counts as an empty text" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["detection", "p.jsonl"], "Give either --ucf"),
        (["detection", "p.jsonl", "--ucf", "a", "--xd", "b"], "Give either --ucf"),
        (["detection", "p.jsonl", "--ucf", "none.txt"], "none.txt: cannot be read"),
        (["detection", "p.jsonl", "--ucf", "a", "--confidence", "2"], "between 0 and 1"),
        (["text", "p.jsonl", "--rows", "none.jsonl"], "none.jsonl: cannot be read"),
        (["table", "1", "--report", "r"], "Table 1 takes --ucf"),
        (["table", "5"], "Try --help"),
        (["table", "3", "--ucf", "r"], "the others take --report"),
    ],
)
def test_unusable_arguments_end_with_a_sentence(run, arguments, message):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "") and message in err


def test_published_tables_alone(run):
    assert "| UR-DMU | 81.66 | 86.97 | paper |" in run("table", 1)[1]
    assert json.loads(run("table", 2, "--json")[1])["rows"][0]["method"].startswith("LLaVA")
