from __future__ import annotations

import csv
import io
import json

from holmesvau.report.tables import EVENT_COLUMNS, curve_csv, events_csv, events_jsonl
from tests.report import examples


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_curve_has_a_row_for_each_dense_frame_and_marks_the_chosen() -> None:
    report = examples.report(events=(examples.event(31, 48),))
    rows = _rows(curve_csv(report))
    assert len(rows) == len(report.curve)
    assert rows[62] == {"frame": "930", "seconds": "31.000", "score": "0.6400", "chosen": "0"}
    assert [int(row["frame"]) for row in rows if row["chosen"] == "1"] == report.selection.index.tolist()


def test_events_table() -> None:
    rows = _rows(events_csv(examples.full()))
    assert tuple(rows[0]) == EVENT_COLUMNS
    assert rows[0]["label"] == "Burglary"
    assert rows[0]["clips"] == "31.000-40.000 A man at a door. | 40.000-48.000 The door stands open."
    assert (rows[1]["start"], rows[1]["end"], rows[1]["peak_score"]) == ("64.0", "79.0", "0.58")


def test_hostile_texts_stay_in_their_cell() -> None:
    text = events_csv(examples.hostile())
    assert text.count("\n") == 3, "a header and two events, each on one line"
    rows = _rows(text)
    assert None not in rows[0]
    assert '"quoted"' in rows[0]["judgement"]


def test_no_cell_starts_a_formula() -> None:
    for sign in "=+-@":
        row = _rows(events_csv(examples.report(events=(examples.event(1, 2, label=f" {sign}cmd()"),))))[0]
        assert row["label"] == f"'{sign}cmd()"


def test_jsonl_has_one_line_an_event() -> None:
    lines = events_jsonl(examples.hostile()).splitlines()
    assert len(lines) == 2
    first = json.loads(lines[0])
    assert first["event"] == 1
    assert first["label"] == examples.HOSTILE, "JSON keeps the text to the letter"
    assert events_jsonl(examples.report()) == ""
