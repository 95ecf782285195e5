"""Files as other tools and people make them: corrected, drawn by hand, without our numbers, or broken."""

import itertools
import json
import sys
import xml.etree.ElementTree as ET

import pytest

from holmesvau.errors import InputError, MissingPartError
from holmesvau.hivau import formats
from holmesvau.hivau.formats import label_studio
from holmesvau.hivau.formats.regions import Region, tree
from holmesvau.types import Clip, Span
from tests.hivau.formats.examples import own  # noqa: F401 - a fixture


def write(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def task(result, *, kind="annotations", fps=10.0, **annotation):
    return {"data": {"video": "/data/upload/3/cam.mp4", "fps": fps}, kind: [{"result": result, **annotation}]}


def timeline(identity, start, end, *labels):
    value = {"ranges": [{"start": start, "end": end}], "timelinelabels": list(labels)}
    return {
        "id": identity,
        "from_name": "label",
        "to_name": "video",
        "type": "timelinelabels",
        "value": value,
    }


def test_label_studio_counts_frames_from_one_and_both_ends_belong(own, tmp_path):  # noqa: F811
    path = formats.save({"Calm 1": own["Calm 1"]}, tmp_path / "tasks.json", "label-studio")
    [written] = json.loads(path.read_text())
    results = written["predictions"][0]["result"]
    assert "annotations" not in written and written["data"]["video"] == "Calm 1.mp4"
    regions = [one["value"] for one in results if one["type"] == "timelinelabels"]
    # Frames 0 to 249 at 25 a second are [0, 10).
    assert regions[0] == {"ranges": [{"start": 1, "end": 250}], "timelinelabels": ["Normal"]}
    assert regions[1] == {"ranges": [{"start": 1, "end": 100}], "timelinelabels": ["clip"]}
    video = formats.load(write(tmp_path / "own.json", [task([timeline("x", 3, 5, "Arson")])]))["cam"]
    assert video.events[0].span == Span(0.2, 0.5) and video.labels == ("Arson",)


def test_label_studio_takes_the_persons_word_over_ours(tmp_path):
    both = {
        **task([timeline("E0", 1, 10, "Arson")], kind="predictions"),
        "annotations": [
            {"result": [timeline("E0", 1, 20, "Arson")], "was_cancelled": False},
            {"result": [timeline("E0", 1, 30, "Robbery"), timeline("new", 50, 60, "clip")]},
            {"result": [], "was_cancelled": True},
        ],
    }
    video = formats.load(write(tmp_path / "a.json", [both]))["cam"]
    assert video.labels == ("Robbery",)
    assert [event.span for event in video.events] == [Span(0.0, 3.0)]
    assert video.events[0].clips == (Clip(Span(4.9, 6.0), ""),)


def test_label_studio_interface_names_every_control_that_tasks_use(own, tmp_path):  # noqa: F811
    path = formats.save(own, tmp_path / "tasks.json", "label-studio", url="/data/local-files/?d=v/{name}.mp4")
    interface = ET.fromstring(path.with_suffix(".xml").read_text())
    controls = {tag.get("name"): tag.tag.lower() for tag in interface.iter() if tag.get("toName") == "video"}
    tasks = json.loads(path.read_text())
    used = {(one["from_name"], one["type"]) for each in tasks for one in each["predictions"][0]["result"]}
    assert {(name, controls[name]) for name, _ in used} == used
    labels = {tag.get("value") for tag in interface.iter("Label")}
    assert {"Arson", 'c"d', "Normal", "clip"} <= labels
    assert tasks[0]["data"]["video"] == "/data/local-files/?d=v/Fire001.mp4"
    assert label_studio.interface([]).count("<Label") == 2


def test_activitynet_as_published(tmp_path):
    entry = {
        "duration": 82.73,
        "subset": "training",
        "resolution": "320x240",
        "url": "https://example.org/v",
        "annotations": [
            {"segment": [6.19, 17.35], "label": "Drinking"},
            {"segment": [20, 30], "label": "Eating"},
        ],
    }
    path = write(tmp_path / "a.json", {"version": "1.3", "taxonomy": [], "database": {"v1": entry}})
    problems = []
    video = formats.load(path, problems=problems)["v1"]
    assert video.labels == ("Drinking", "Eating")
    assert [event.span for event in video.events] == [Span(6.19, 17.35), Span(20, 30)]
    assert (video.n_frames, video.fps) == (0, 0)
    assert [problem.kind for problem in problems] == ["unknown-rate"]


def test_activitynet_captions_as_published(tmp_path):
    entry = {
        "duration": 82.73,
        "timestamps": [[0.83, 19.86], [17.37, 60.81]],
        "sentences": ["A man", " He"],
    }
    path = write(tmp_path / "a.json", {"v_1": entry})
    video = formats.load(path, problems=[])["v_1"]
    assert [(event.span.start, event.summary) for event in video.events] == [
        (0.83, "A man"),
        (17.37, " He"),
    ]
    video = formats.load(path, "activitynet-captions", level="clip", problems=[])["v_1"]
    assert video.events[0].span == Span(0.83, 60.81)
    assert [clip.caption for clip in video.events[0].clips] == ["A man", " He"]
    path = write(path, {"v_1": {**entry, "sentences": ["A man"]}})
    with pytest.raises(InputError, match="v_1: 2 timestamps and 1 sentences"):
        formats.load(path)


def test_fiftyone_looks_classes_up_and_wants_seconds(tmp_path):
    good = {"label": 1, "timestamps": [1.5, 2]}
    labels = {"cam": [good, {"label": "x", "support": [1, 9]}], "empty": None}
    path = write(tmp_path / "labels.json", {"classes": ["Arson", "Abuse"], "labels": labels})
    problems = []
    found = formats.load(path, problems=problems)
    assert found["cam"].labels == ("Abuse",) and found["cam"].events[0].span == Span(1.5, 2)
    assert found["empty"].events == ()
    assert "frames mean nothing without the video" in problems[0].message
    with pytest.raises(InputError, match="detection 1: it has frames"):
        formats.load(path)


def test_via3_of_someone_else(tmp_path):
    project = {
        "project": {"pid": "x"},
        "config": {},
        "attribute": {
            "7": {
                "aname": "what",
                "anchor_id": "FILE1_Z2_XY0",
                "type": 4,
                "options": {"a": "Arson", "b": "Abuse"},
            }
        },
        "file": {"1": {"fid": "1", "fname": "cam 1.mkv", "type": 4, "loc": 1, "src": ""}},
        "view": {"1": {"fid_list": ["1"]}},
        "metadata": {
            "1_b": {"vid": "1", "flg": 0, "z": [30.5, 31.25], "xy": [], "av": {"7": "b"}},
            "1_a": {"vid": "1", "flg": 0, "z": [3, 4], "xy": [], "av": {"7": "a"}},
            "1_c": {"vid": "9", "flg": 0, "z": [3, 4], "xy": [], "av": {}},
        },
    }
    problems = []
    video = formats.load(write(tmp_path / "a.json", project), problems=problems)["cam 1"]
    assert [event.span for event in video.events] == [Span(3, 4), Span(30.5, 31.25)]
    assert set(video.labels) == {"Arson", "Abuse"}
    assert "view '9'" in problems[0].message


def test_via3_opens_with_every_attribute_declared(own, tmp_path):  # noqa: F811
    project = json.loads(formats.save(own, tmp_path / "a.json", "via3").read_text())
    assert project["project"]["vid_list"] == list(project["view"])
    for entry in project["metadata"].values():
        anchor = "FILE1_Z2_XY0" if entry["z"] else "FILE1_Z0_XY0"
        assert {project["attribute"][key]["anchor_id"] for key in entry["av"]} == {anchor}
        assert entry["vid"] in project["view"]


def test_elan_is_as_its_schema_wants(own, tmp_path):  # noqa: F811
    folder = formats.save(own, tmp_path / "out", "elan")
    for path in folder.iterdir():
        root = ET.fromstring(path.read_text())
        order = [child.tag for child in root]
        kinds = ["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "CONSTRAINT"]
        assert order == sorted(order, key=kinds.index)
        slots = {slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE")) for slot in root.iter("TIME_SLOT")}
        identities = [one.get("ANNOTATION_ID") for one in root.iter() if one.get("ANNOTATION_ID")]
        assert len(set(identities)) == len(identities)
        tiers = {tier.get("TIER_ID"): tier for tier in root.iter("TIER")}
        for tier in tiers.values():
            spans = sorted(
                (slots[one.get("TIME_SLOT_REF1")], slots[one.get("TIME_SLOT_REF2")])
                for one in tier.iter("ALIGNABLE_ANNOTATION")
            )
            assert all(start < end for start, end in spans)
            # ELAN refuses annotations of one tier that overlap.
            assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))
            if parent := tier.get("PARENT_REF"):
                above = {one.get("ANNOTATION_ID") for one in tiers[parent].iter("ALIGNABLE_ANNOTATION")}
                assert {one.get("ANNOTATION_REF") for one in tier.iter("REF_ANNOTATION")} <= above


def test_elan_of_someone_else(tmp_path):
    text = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2020-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0">
 <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"/>
 <TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="780"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="1340"/>
 <TIME_SLOT TIME_SLOT_ID="ts3"/></TIME_ORDER>
 <TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="things"><ANNOTATION>
 <ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
 <ANNOTATION_VALUE>Robbery</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION><ANNOTATION>
 <ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
 <ANNOTATION_VALUE>Robbery</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
</ANNOTATION_DOCUMENT>"""
    path = write(tmp_path / "cam.eaf", text)
    problems = []
    video = formats.load(path, problems=problems)["cam"]
    assert video.labels == ("Robbery",) and [event.span for event in video.events] == [Span(0.78, 1.34)]
    assert "a2: its ends have no times" in problems[0].message
    with pytest.raises(InputError, match="its ends have no times"):
        formats.load(path)


def test_webvtt_of_someone_else(tmp_path):
    text = (
        "\ufeffWEBVTT - captions\nKind: captions\n\nSTYLE\n::cue { color: red }\n\nNOTE 1 --> 2\n\n"
        "00:01.000 --> 00:02.500 align:start\r\n<v Fred>Tom &amp; <i>Ann</i>\nrun\r\n\r\n"
        "intro\n01:00:03.000 --> 01:00:04.000\n- Stop!\n\n7\nno time --> 00:01.000\nx\n"
    )
    (tmp_path / "cam.vtt").write_text(text, encoding="utf-8", newline="")
    problems = []
    video = formats.load(tmp_path / "cam.vtt", problems=problems)["cam"]
    assert video.events[0].span == Span(1.0, 3604.0)
    assert video.events[0].clips == (
        Clip(Span(1.0, 2.5), "Tom & Ann\nrun"),
        Clip(Span(3603.0, 3604.0), "- Stop!"),
    )
    assert [(problem.line, "no times of a cue" in problem.message) for problem in problems] == [(17, True)]


def test_webvtt_holds_no_text_that_ends_a_cue(own, tmp_path):  # noqa: F811
    folder = formats.save(own, tmp_path / "out", "webvtt")
    for path in folder.iterdir():
        blocks = path.read_text().split("\n\n")
        cues = [block for block in blocks if block.startswith("E")]
        assert len(cues) == len(blocks) - 2
        assert all(block.count("-->") == 1 and block.split("\n")[1].count(" --> ") == 1 for block in cues)


def test_csv_of_someone_else(tmp_path):
    text = 'start,video,end,labels,note\n1.5,cam,3,"Arson;Abuse",x\n4,cam,5.25,,\n0,other,9,,\n'
    found = formats.load(write(tmp_path / "a.csv", text))
    assert [event.span for event in found["cam"].events] == [Span(1.5, 3), Span(4, 5.25)]
    assert found["cam"].labels == ("Arson", "Abuse") and found["other"].labels == ()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("cam,event,5,1,,", "ends|before"),
        ("cam,event,x,1,,", "'x' is not a number"),
        ("cam,event,,,,", "no start and end"),
        ("cam,shot,1,2,,", "the level is 'shot'; there are clip, event, video"),
        ("cam,clip,1,2,,", "a clip needs the numbers"),
        ("cam,clip,1,2,4,0", "a clip of event 4 of cam, which has no row"),
        ("cam,event,1,2,1,", "have no number 0"),
        (",event,1,2,,", "no video is named"),
        ("cam,event,nan,2,,", "a number of 0 or more"),
    ],
)
def test_csv_says_which_line_is_wrong(tmp_path, line, sentence):
    path = write(tmp_path / "a.csv", f"video,level,start,end,event,clip\n{line}\n")
    with pytest.raises(InputError, match=sentence):
        formats.load(path)


def test_csv_needs_its_columns_and_no_line_twice(tmp_path):
    with pytest.raises(InputError, match="no column end, start"):
        formats.load(write(tmp_path / "a.csv", "video,label\ncam,x\n"))
    path = write(tmp_path / "b.csv", "video,start,end,event\ncam,1,2,0\ncam,3,4,0\n")
    with pytest.raises(InputError, match=r"b\.csv:3: the same event of cam stands at .*b\.csv:2"):
        formats.load(path)


def test_a_region_that_a_person_drew_finds_its_event():
    regions = [
        Region("event", Span(10, 20), "E0"),
        Region("event", Span(40, 50), "E2"),
        Region("event", Span(0, 5)),
        Region("clip", Span(41, 42), "E2C0"),
        Region("clip", Span(18, 45), texts={"caption": "mostly the later"}),
        Region("clip", Span(6, 7), texts={"caption": "nearest"}),
        Region("clip", Span(30, 31), "E1C0", texts={"caption": "its event was deleted"}),
    ]
    events = tree(regions)
    assert [event.span for event in events] == [Span(10, 20), Span(40, 50), Span(0, 5)]
    captions = [[clip.caption for clip in event.clips] for event in events]
    assert captions == [[], ["its event was deleted", "", "mostly the later"], ["nearest"]]


@pytest.mark.parametrize("name", ["label-studio", "via3", "fiftyone", "activitynet"])
def test_a_hostile_file_ends_in_a_sentence(own, tmp_path, name):  # noqa: F811
    """Each value of a sound file replaced by another kind: loaded or refused, never a crash."""
    path = formats.save(own, tmp_path / "sound.json", name)
    sound = json.loads(path.read_text())
    refused = 0
    for place in list(_places(sound))[::5]:
        for value in (None, 3, "x", [], {}, [[1]], -1.5, True):
            broken = _replaced(sound, place, value)
            problems = []
            try:
                formats.load(write(path, broken), name, problems=problems)
                refused += bool(problems)
            except InputError as error:
                refused += 1
                assert str(path) in str(error)
    assert refused


def _places(value, above=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield (*above, key)
        yield from _places(below, (*above, key))


def _replaced(value, place, new):
    if not place:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = _replaced(value[place[0]], place[1:], new)
    return copy


def test_without_pyarrow_its_absence_is_said(own, tmp_path, monkeypatch):  # noqa: F811
    path = formats.save(own, tmp_path / "a.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for call in (lambda: formats.load(path), lambda: formats.save(own, tmp_path / "b.parquet")):
        with pytest.raises(MissingPartError, match=r"pip install holmesvau\[data\]") as raised:
            call()
        assert raised.value.exit_code == 3
    assert not (tmp_path / "b.parquet").exists()


def test_parquet_of_something_else_is_refused(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"video": ["cam"]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="no column analysis, caption, clip"):
        formats.load(tmp_path / "a.parquet")
