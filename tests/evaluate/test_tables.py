"""Our row beside the published ones, in four formats."""

import csv
import io
import json

import pytest

from holmesvau.errors import InputError
from holmesvau.evaluate import tables
from holmesvau.evaluate.published import COLUMNS, ROWS


def detection(auc=0.9, ap=0.8, used=290):
    areas = {"auc": auc, "ap": ap}
    return {
        "coverage": {"used": used, "wanted": 290},
        "frames": areas,
        "macro": {"auc": None, "ap": 0.5},
        "video_level": {"maximum": {"auc": 0.75, "ap": 0.7}},
    }


TEXT = {
    "coverage": {"used": 4, "wanted": 4},
    "duplicates": "as-released",
    "groups": {
        level: {
            "bleu_sum": 1 + place,
            "cider": 0.5,
            "meteor": 0.2,
            "rouge_l": 0.3,
            "meteor_method": "METEOR approximation (exact)",
        }
        for place, level in enumerate(("clip", "event"))
    },
}


def test_published_rows_are_whole():
    for number, rows in ROWS.items():
        assert all(len(row.figures) == len(COLUMNS[number]) for row in rows)
    paper = next(row for row in ROWS["2"] if row.method == "Holmes-VAU 2B")
    assert dict(zip(COLUMNS["2"], paper.figures, strict=True))["CIDEr video"] == 1.437


def test_detection_row_for_each_reading_and_what_was_left_out():
    table = tables.detection_table("mine", ucf=detection(used=288))
    ours = [row for row in table.rows if row.source == "ours"]
    assert [row.figures for row in ours] == [(None, 90.0), (None, None), (None, 75.0)]
    assert table.notes == ("UCF-Crime: 288 of 290 are scored, the others were left out.",)
    both = tables.detection_table("mine", ucf=detection(), xd=detection(ap=0.85))
    assert both.rows[-3].figures == (85.0, 90.0) and not both.notes


def test_text_row_says_what_its_meteor_is():
    table = tables.text_table("mine", TEXT)
    ours = dict(zip(table.columns, table.rows[-1].figures, strict=True))
    assert (ours["BLEU clip"], ours["BLEU event"], ours["BLEU video"]) == (1, 2, None)
    assert (
        table.notes[0] == "Our METEOR is a METEOR approximation (exact)." and "as-released" in table.notes[1]
    )


@pytest.mark.parametrize("table", [tables.published("1"), tables.text_table("a_b & c", TEXT)])
def test_every_format_holds_every_figure(table):
    lines = [line for line in table.render("markdown").splitlines() if line.startswith("|")]
    assert len(lines) == len(table.rows) + 2 and {line.count("|") for line in lines} == {
        len(table.columns) + 3
    }
    rows = list(csv.DictReader(io.StringIO(table.render("csv"))))
    assert [row["method"] for row in rows] == [row.method for row in table.rows]
    for row, kept in zip(rows, table.rows, strict=True):
        for column, figure in zip(table.columns, kept.figures, strict=True):
            assert row[column] == "" if figure is None else float(row[column]) == pytest.approx(figure)
    document = json.loads(table.render("json"))
    assert [list(row["figures"].values()) for row in document["rows"]] == [
        list(r.figures) for r in table.rows
    ]
    latex = [line for line in table.render("latex").splitlines() if line.endswith(r"\\")]
    assert len(latex) == len(table.rows) + 1 and {line.count(" & ") for line in latex} == {len(table.columns)}


def test_our_figures_have_their_intervals_if_wanted():
    report = json.loads(json.dumps(TEXT))
    report["groups"]["clip"]["intervals"] = {"bleu_sum": {"low": 0.75, "high": 1.25, "undefined": 0}}
    table = tables.text_table("mine", report)
    assert "1.000 [0.750, 1.250] | 2.000 |" in table.render("markdown", intervals=True)
    assert "[0.750" not in table.render("markdown") and "[0.750" in table.render("latex", intervals=True)
    row = list(csv.DictReader(io.StringIO(table.render("csv", intervals=True))))[-1]
    assert (row["BLEU clip low"], row["BLEU clip high"], row["BLEU event low"]) == ("0.75", "1.25", "")
    rows = json.loads(table.render("json"))["rows"]
    assert rows[-1]["intervals"]["BLEU clip"] == [0.75, 1.25] and "intervals" not in rows[0]
    ucf = detection()
    ucf["frames"] = {**ucf["frames"], "auc_interval": {"low": 0.85, "high": 0.95, "undefined": 0}}
    first = next(row for row in tables.detection_table("mine", ucf=ucf).rows if row.source == "ours")
    assert first.intervals == (None, (85.0, 95.0))


def test_latex_escapes_names():
    assert r"a\_b \& c & 1.000" in tables.text_table("a_b & c", TEXT).render("latex")


@pytest.mark.parametrize(
    ("content", "message"), [("{", "not JSON"), ("[]", "not a report"), ('{"a": 1}', "not a report")]
)
def test_other_files_are_no_reports(tmp_path, content, message):
    path = tmp_path / "r.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        tables.load_report(path)
    with pytest.raises(InputError, match=r"no video_level\.maximum\.ap"):
        tables.detection_table("mine", xd={**detection(), "video_level": {}})
