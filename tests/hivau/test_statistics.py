"""`stats` counts by hand-made sums, and its plots are pictures."""

import json

import pytest
from PIL import Image

from holmesvau.errors import InputError, OutputError
from holmesvau.hivau.statistics import Spread, plot, stats
from tests.hivau.fixtures import TEST_ROWS, write_json, write_jsonl


def test_counts_are_those_of_the_dataset(own_dataset):
    found = stats(own_dataset)
    assert dict(found.annotated) == {("own", "clip"): 6, ("own", "event"): 4, ("own", "video"): 3}
    assert dict(found.rows) == {
        ("own", "video", "judgement"): 1,
        ("own", "event", "description"): 1,
        ("own", "clip", "caption"): 2,
    }
    assert sorted(found.seconds["event"]) == [4.5, 6.5, 8.0, 10]
    assert found.seconds["video"] == [30.0, 20.0, 20.0]
    assert found.words["clip"] == [4, 2, 5, 3, 3, 4]
    assert found.words["event"][0] == 4 and found.answers["clip"] == [2, 3]
    assert dict(found.labels) == {"normal": 2, "Arson": 1}


def test_a_summary_that_is_only_in_parts_counts_its_parts(tmp_path):
    entry = {
        "n_frames": 10,
        "fps": 5,
        "events": [[0, 1]],
        "events_summary_split": [{"judgement": "One two."}],
    }
    found = stats(write_json(tmp_path / "own_database_test.json", {"a": entry}))
    assert found.words["event"] == [2] and found.words["video"] == []
    assert found.problems


def test_rows_alone_tell_the_labels_that_are_in_names(tmp_path):
    names = ["v=a__#1_label_B1-B2-0", "v=a__#1_label_B1-B2-0", "v=b__#1_label_A"]
    rows = [
        {**TEST_ROWS[0], "id": i, "video": f"xd-violence/videos/test/{n}.mp4"} for i, n in enumerate(names)
    ]
    found = stats(
        write_jsonl(tmp_path / "rows.jsonl", [*rows, {**TEST_ROWS[0], "id": 3, "video": "elsewhere.mp4"}])
    )
    assert dict(found.labels) == {"Fighting": 1, "Shooting": 1, "normal": 1}
    assert found.rows["xd-violence", "video", "judgement"] == 3 and found.rows["", "video", "judgement"] == 1


def test_spreads_are_quantiles():
    assert Spread.of([4, 1, 2, 3, 5]) == Spread(5, 3.0, 1.0, 2.0, 3.0, 4.0, 5.0)
    assert Spread.of([]) is None


def test_numbers_are_plain_json(own_dataset):
    plain = json.loads(json.dumps(stats(own_dataset).to_json()))
    assert plain["seconds"]["video"]["mean"] == 23.333
    assert {"dataset": "own", "level": "clip", "task": "caption", "count": 2} in plain["rows"]


def test_plots_are_pictures_of_their_kind(own_dataset, tmp_path):
    found = stats(own_dataset)
    with Image.open(plot(found, tmp_path / "new" / "a.png")) as picture:
        assert picture.size == (1800, 1200)
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 20
    drawn = plot(found, tmp_path / "a.svg").read_text()
    assert drawn.startswith("<?xml") and "</svg>" in drawn
    assert {p.name for p in tmp_path.iterdir()} == {"new", "a.svg"}


@pytest.mark.parametrize(
    "only", ["raw_annotations/own_database_test.json", "instruction/merge_instruction_test_final.jsonl"]
)
def test_a_single_file_is_drawn_as_well(own_dataset, tmp_path, only):
    assert plot(stats(own_dataset / only), tmp_path / "a.png").stat().st_size > 10_000


def test_unusable_places_get_a_sentence(own_dataset, tmp_path):
    found = stats(own_dataset)
    with pytest.raises(InputError, match=r"written as \.png, \.svg, \.pdf"):
        plot(found, tmp_path / "a.gif")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        plot(found, tmp_path / "file" / "a.png")
    with pytest.raises(InputError, match="no dataset"):
        stats(tmp_path)
    with pytest.raises(InputError, match="nothing to draw"):
        plot(stats(write_json(tmp_path / "own_database_test.json", {})), tmp_path / "a.png")
