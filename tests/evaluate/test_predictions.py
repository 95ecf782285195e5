"""Files of predictions: what does not fit is named, strictly refused and leniently left out."""

import json
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from holmesvau import hivau
from holmesvau.errors import InputError
from holmesvau.evaluate.curves import lengths, load_curves
from holmesvau.evaluate.harness_logs import import_log
from holmesvau.evaluate.predictions import load_answers
from holmesvau.hivau import GroundTruth, Instruction, Interval

SCHEMAS = Path(__file__).parents[2] / "schemas"
TRUTH = [
    GroundTruth("Fire001", "Arson/Fire001.mp4", ("Arson",), (Interval(100, 200, ("Arson",)),), 400),
    GroundTruth("Calm001", "Normal/Calm001.mp4", (), (), 400),
]
ROWS = [
    Instruction(number, "video", "caption", f"own/videos/test/V{number}.mp4", "What?", "A man runs.")
    for number in range(4)
]


def write(path, entries):
    path.write_text("".join((e if isinstance(e, str) else json.dumps(e)) + "\n" for e in entries))
    return path


def curve(video, count=400, **more):
    return {"video": video, "scores": [0.25] * count, **more}


@pytest.mark.parametrize(
    ("entry", "first_of_second"),
    [
        ({"video": "Fire001", "scores": [0.1, 0.9], "index": [0, 200]}, 200),
        ({"video": "a/b/Fire001.mp4", "scores": [0.1, 0.9], "seconds": [0, 10], "fps": 20}, 200),
        ({"video": "Fire001", "scores": [0.1, 0.9], "seconds": [0, 10]}, 250),  # 25 a second by default
        ({"video": "Fire001", "scores": [0.1] * 150 + [0.9] * 250}, 150),
        (
            {
                "video": "Fire001",
                "scores": [0.1, 0.9],
                "seconds": [0, 10],
                "frame_seconds": [n / 10 if n < 100 else 10 + (n - 100) / 100 for n in range(400)],
            },
            100,
        ),
    ],
)
def test_scores_reach_every_frame(tmp_path, entry, first_of_second):
    Draft202012Validator(schema("detection")).validate(entry)
    path = write(tmp_path / "p.jsonl", [entry])
    found, coverage = load_curves(path, TRUTH[:1], fps=25)
    scores = found["Fire001"].scores
    assert len(scores) == 400 and int(np.argmax(scores > 0.5)) == first_of_second
    assert str(coverage) == "all 1" and not coverage.problems


def schema(kind):
    return json.loads((SCHEMAS / f"{kind}-prediction.schema.json").read_text())


def test_schemas_are_schemas_and_refuse_what_is_none():
    for kind in ("detection", "text"):
        Draft202012Validator.check_schema(schema(kind))
    for bad in ({"video": "a"}, {"video": "a", "scores": []}, {"video": "a", "scores": [0], "index": [-1]}):
        assert not Draft202012Validator(schema("detection")).is_valid(bad)
    assert not Draft202012Validator(schema("text")).is_valid({"id": 1})
    assert Draft202012Validator(schema("text")).is_valid({"id": 1, "answer": "", "task": "caption"})


@pytest.mark.parametrize(
    ("line", "kind", "used"),
    [
        (curve("Calm001", 399), "wrong-length", 2),
        (curve("Calm001", 401), "wrong-length", 2),
        (curve("Calm001", 200), "wrong-length", 1),
        (curve("Calm001", 800), "wrong-length", 1),
        ({"video": "Calm001", "scores": [0, 0, 0, 0], "index": [0, 16, 32, 48]}, "wrong-length", 1),
        ({"video": "Calm001", "scores": [0] * 25 + [1], "index": list(range(0, 401, 16))}, "wrong-length", 2),
        ({"video": "Calm001", "scores": [0, 0], "index": [0]}, "wrong-length", 1),
        ({"video": "Calm001", "scores": [0, 0], "index": [200, 0]}, "wrong-length", 1),
        ({"video": "Calm001", "scores": [0, 0], "index": ["a", "b"]}, "wrong-length", 1),
        ({"video": "Calm001", "scores": [0, 0], "index": [0, 200.5]}, "wrong-length", 1),
        ('{"video": "Calm001", "scores": [0.1, NaN]}', "bad-score", 1),
        ('{"video": "Calm001", "scores": [0.1, 1e999]}', "bad-score", 1),
        ({"video": "Calm001", "scores": [0.1, None]}, "bad-score", 1),
        ({"video": "Calm001", "scores": []}, "no-scores", 1),
        ({"video": "Calm001"}, "no-scores", 1),
        (curve("Calm001", fps=0), "bad-rate", 1),
        (curve("Calm01"), "extra", 1),
        ({"scores": [1]}, "no-id", 1),
        ("not json", "unreadable-line", 1),
        ("[1]", "unreadable-line", 1),
        (curve("Fire001"), "duplicate-id", 1),
        (curve("Calm001", events=[{"start": 3, "end": 1}]), "bad-event", 2),
        (curve("Calm001", events=[{"start": -3, "end": 1}]), "bad-event", 2),
        (curve("Calm001", events=[{"start": 3, "end": 500}]), "bad-event", 2),
        (curve("Calm001", events=[{"start": 400, "end": 500}]), "bad-event", 2),
        (curve("Calm001", events=[]), "no-events", 2),
    ],
)
def test_odd_curves_are_named(tmp_path, line, kind, used):
    path = write(tmp_path / "p.jsonl", [curve("Fire001"), line])
    with pytest.raises(InputError, match=kind) as refused:
        load_curves(path, TRUTH)
    assert "--lenient" in str(refused.value) and str(path) in str(refused.value)
    found, coverage = load_curves(path, TRUTH, mode="lenient")
    assert kind in {problem.kind for problem in coverage.problems}
    assert len(found) == coverage.used == used
    assert coverage.left_out == (() if used == 2 else ("Calm001",))
    assert all(len(prediction.scores) == 400 for prediction in found.values())


def test_lenient_lengths_cut_or_hold_and_names_are_guessed(tmp_path):
    path = write(tmp_path / "p.jsonl", [{"video": "Fire001", "scores": [0.1] * 398 + [0.9]}, curve("Calm01")])
    found, coverage = load_curves(path, TRUTH, mode="lenient")
    assert found["Fire001"].scores[-2:].tolist() == [0.9, 0.9]
    extra = next(problem for problem in coverage.problems if problem.kind == "extra")
    assert "Did you mean Calm001?" in extra.message and extra.line == 2
    assert str(coverage) == "1 of 2, 1 left out"


def test_nothing_usable_is_an_error_even_leniently(tmp_path):
    path = write(tmp_path / "p.jsonl", [curve("Other")])
    with pytest.raises(InputError, match="not one of its lines"):
        load_curves(path, TRUTH, mode="lenient")
    with pytest.raises(InputError, match="cannot be read"):
        load_curves(tmp_path / "none.jsonl", TRUTH)
    with pytest.raises(InputError, match="fps = 0"):
        load_curves(path, TRUTH, fps=0)


def test_events_end_with_the_video(tmp_path):
    spans = [(1, 13.5), (2, 99), (50, 99)]
    events = [{"start": start, "end": end} for start, end in spans]
    path = write(tmp_path / "p.jsonl", [curve("Fire001", events=events), curve("Calm001", events=[])])
    found, coverage = load_curves(path, TRUTH, mode="lenient")
    # 400 frames at 30 a second and half a second's grace.
    ends = [(event.span.start, event.span.end) for event in found["Fire001"].events]
    assert ends == [(1, 13.5), (2, pytest.approx(416 / 30))] and found["Calm001"].events == ()
    assert [problem.mended for problem in coverage.problems] == [True, False]
    times = [number / 2 for number in range(400)]
    slow = curve("Fire001", events=events, frame_seconds=times)
    assert not load_curves(write(path, [slow, curve("Calm001", events=[])]), TRUTH)[1].problems


def test_what_is_odd_is_shown_as_the_file_has_it(tmp_path):
    path = write(tmp_path / "p.jsonl", [{"id": 0.0, "answer": "A"}, {"id": 1, "anwser": "A"}, {"id": 2}])
    with pytest.raises(InputError, match="not one of its lines is a usable answer") as refused:
        load_answers(path, ROWS, mode="lenient")
    for words in ("1 no-id, 2 no-answer, 4 missing", "0.0; a whole number", "keys are id, anwser"):
        assert words in str(refused.value)
    with pytest.raises(InputError, match="no rows"):
        load_answers(path, [])
    null = {"video": "Calm001", "scores": [None]}
    with pytest.raises(InputError, match="Score 0 is null"):
        load_curves(write(path, [curve("Fire001"), null]), TRUTH)


def test_lengths_by_the_predictions_own_word(tmp_path):
    entries = [curve("a", 7), {"video": "b.mp4", "scores": [1], "index": [0], "num_frames": 9}]
    path = write(tmp_path / "p.jsonl", [*entries, {"video": "c", "scores": [1], "seconds": [0]}])
    assert lengths(path) == {"a": 7, "b": 9}


def test_answers_are_matched_by_id_in_any_order(tmp_path):
    entries = [{"id": n, "answer": f"answer {n}"} for n in (3, 1, 0, 2)]
    entries[0] |= {"id": "3", "video": ROWS[3].video, "task": "caption"}
    rows, said, coverage = load_answers(write(tmp_path / "p.jsonl", entries), ROWS)
    assert rows == ROWS and said == [f"answer {n}" for n in range(4)] and str(coverage) == "all 4"


@pytest.mark.parametrize(
    ("line", "kind", "used"),
    [
        (None, "missing", 3),
        ({"id": 3, "answer": " "}, "empty-answer", 4),
        ({"id": 3}, "no-answer", 3),
        ({"id": 3, "answer": ["A"]}, "no-answer", 3),
        ({"id": 7, "answer": "A"}, "extra", 3),
        ({"id": 1, "answer": "A"}, "duplicate-id", 3),
        ({"id": True, "answer": "A"}, "no-id", 3),
        ({"id": 3, "answer": "A", "video": "own/videos/test/V2.mp4"}, "wrong-id", 3),
        ("{", "unreadable-line", 3),
    ],
)
def test_odd_answers_are_named(tmp_path, line, kind, used):
    entries = [{"id": number, "answer": "A man."} for number in range(3)]
    path = write(tmp_path / "p.jsonl", [*entries, *([] if line is None else [line])])
    with pytest.raises(InputError, match=kind):
        load_answers(path, ROWS)
    rows, said, coverage = load_answers(path, ROWS, mode="lenient")
    assert len(rows) == len(said) == coverage.used == used and coverage.wanted == 4
    assert kind in {problem.kind for problem in coverage.problems}
    assert said[:3] == ["A man."] * 3 and coverage.left_out == (("3",) if used == 3 else ())


def test_strict_message_counts_kinds_and_shows_the_first(tmp_path):
    path = write(tmp_path / "p.jsonl", [{"id": n + 50, "answer": "A"} for n in range(20)])
    with pytest.raises(InputError, match=r"20 extra, 4 missing") as refused:
        load_answers(path, ROWS)
    assert "… and 16 more" in str(refused.value)


def test_released_file_answered_by_itself(shared, tmp_path):
    rows = hivau.load_instructions(shared / "data/hivau70k/merge_instruction_test_final.jsonl", problems=[])
    path = write(tmp_path / "p.jsonl", [{"id": r.id, "answer": r.answer} for r in rows])
    _, said, coverage = load_answers(path, rows)
    assert len(said) == coverage.used == 3339 and not coverage.problems


@pytest.mark.parametrize(
    "entries",
    [
        [{"doc_id": n, "target": "x", "filtered_resps": [f"a{n}"]} for n in range(4)],
        [{"doc_id": 9 + n, "doc": {"id": n, "task": "caption"}, "resps": [[f"a{n}"]]} for n in range(4)],
    ],
)
@pytest.mark.parametrize("shape", ["lines", "logs", "samples"])
def test_harness_logs_become_predictions(tmp_path, entries, shape):
    path = tmp_path / "samples.jsonl"
    if shape == "lines":
        write(path, entries)
    else:
        path.write_text(json.dumps({shape: {"task": entries} if shape == "samples" else entries}, indent=1))
    count, target = import_log(path, tmp_path / "out.jsonl", rows=ROWS)
    _, said, _ = load_answers(target, ROWS)
    assert count == 4 and said == ["a0", "a1", "a2", "a3"]


def test_doc_id_counts_rows_where_ids_do_not(tmp_path):
    rows = [Instruction(f"row-{n}", "video", "caption", "v", "What?", "A") for n in range(2)]
    path = write(tmp_path / "s.jsonl", [{"doc_id": n, "resps": f"a{n}"} for n in (1, 0)])
    _, said, _ = load_answers(import_log(path, tmp_path / "o.jsonl", rows=rows)[1], rows)
    assert said == ["a0", "a1"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"filtered_resps": ["a"]}, "s.jsonl:1: no id"),
        ({"doc_id": 0, "target": "a"}, "s.jsonl:1: no reply"),
        ({"doc_id": 99, "resps": ["a"]}, "does not count the 4 rows"),
        ("{]", "unreadable-line"),
        ("", "no samples"),
    ],
)
def test_unusable_logs_are_refused(tmp_path, line, message):
    path = write(tmp_path / "s.jsonl", [line])
    with pytest.raises(InputError, match=message):
        import_log(path, tmp_path / "o.jsonl", rows=ROWS)
    assert not (tmp_path / "o.jsonl").exists()
