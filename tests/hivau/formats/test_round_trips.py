"""Every format: what it says it can hold comes back, what it says it cannot is told, files are whole."""

import dataclasses
import re
from pathlib import Path

import pytest

from holmesvau import hivau
from holmesvau.errors import InputError, OutputError
from holmesvau.hivau import formats
from tests.hivau.formats.examples import examples, own  # noqa: F401 - a fixture

ALL = [(name, {}) for name in formats.formats()] + [("activitynet-captions", {"level": "clip"})]
LOSSLESS = ("csv", "hivau", "parquet", "via3")


def target(folder: Path, format) -> Path:
    return folder / "out" if format.folder else folder / f"out{format.suffix}"


@pytest.mark.parametrize(("name", "options"), ALL)
def test_what_a_format_can_hold_comes_back(own, tmp_path, name, options):  # noqa: F811
    format = formats.get(name, **options)
    path = formats.save(own, target(tmp_path, format), name, **options)
    again = formats.load(path, name, **options)
    assert again.keys() == own.keys()
    for video in own.values():
        assert again[video.name] == format.kept(video)
    # What has come back once is held wholly, and comes back the same again.
    twice = formats.save(again, target(tmp_path / "again", format), name, **options)
    assert formats.load(twice, name, **options) == again


@pytest.mark.parametrize(("name", "options"), ALL)
def test_a_loss_is_declared_exactly_where_something_is_lost(own, name, options):  # noqa: F811
    format = formats.get(name, **options)
    assert bool(formats.lost(own, format)) == bool(format.losses) == (name not in LOSSLESS)


def test_losses_are_counted_by_kind(own):  # noqa: F811
    fire = {"Fire001": own["Fire001"]}
    assert formats.lost(fire, formats.get("activitynet")) == {
        "video summary": 1,
        "video judgement": 1,
        "video description": 1,
        "video analysis": 1,
        "event summary": 2,
        "event judgement": 2,
        "event description": 2,
        "event analysis": 2,
        "clip": 3,
    }
    assert formats.lost(fire, formats.get("label-studio")) == {}


@pytest.mark.parametrize("name", formats.formats())
def test_a_file_is_recognised(own, tmp_path, name):  # noqa: F811
    format = formats.get(name)
    path = formats.save(own, target(tmp_path, format), name)
    assert formats.guess(path) == name
    assert formats.load(path) == formats.load(path, name)
    if format.folder:
        first = sorted(path.iterdir())[0]
        assert formats.guess(first) == name and len(formats.load(first)) == 1


@pytest.mark.parametrize("name", formats.formats())
def test_released_annotations_come_back(shared, tmp_path, name):
    source = shared / "data/hivau70k/ucf_database_test.json"
    if not source.is_file():
        pytest.skip("the released annotations are absent from ../shared/data/hivau70k")
    released = hivau.load_annotations(source)
    format = formats.get(name)
    path = formats.save(released, target(tmp_path, format), name)
    again = formats.load(path, name)
    # A folder is read in the order of its names.
    assert again == {video: format.kept(released[video]) for video in released}
    if name == "csv":
        back = hivau.write_annotations(again, tmp_path / "again.json")
        assert back.read_bytes() == source.read_bytes()
    if name in ("elan", "webvtt"):
        most = max(
            abs(bound - exact)
            for video, one in released.items()
            for event, other in zip(one.events, again[video].events, strict=True)
            for exact, bound in zip(event.span, other.span, strict=True)
        )
        assert most <= 0.0005 + 1e-9


@pytest.mark.parametrize("name", formats.formats())
@pytest.mark.parametrize(
    "content", [b"", b"nothing of the kind", b"\xff\xfe\x00", b"[[[", b'{"a": 1}', b"null"]
)
def test_a_file_of_something_else_is_refused_in_a_sentence(tmp_path, name, content):
    path = tmp_path / f"broken{formats.get(name).suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(path))):
        formats.load(path, name)


@pytest.mark.parametrize("name", formats.formats())
def test_a_place_that_cannot_be_written_is_said(own, tmp_path, name):  # noqa: F811
    (tmp_path / "file").write_text("in the way")
    with pytest.raises((OutputError, InputError), match="file"):
        formats.save(own, tmp_path / "file" / "below" / f"out{formats.get(name).suffix}", name)
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize("name", [name for name in formats.formats() if formats.get(name).folder])
def test_a_name_that_leaves_the_folder_is_refused(own, tmp_path, name):  # noqa: F811
    bad = {"../up": dataclasses.replace(own["Calm 1"], name="../up")}
    with pytest.raises(InputError, match="cannot be the name of a file"):
        formats.save(bad, tmp_path / "out", name)
    assert not (tmp_path / "out").exists()


def test_unknown_names_and_options_are_refused(tmp_path):
    with pytest.raises(InputError, match="No format is called 'xml'; there are activitynet,"):
        formats.get("xml")
    with pytest.raises(InputError, match="csv has no option url: it has no options"):
        formats.get("csv", url="x")
    with pytest.raises(InputError, match="elan has no option level: it has url"):
        formats.get("elan", level="clip")
    with pytest.raises(InputError, match="the ending does not tell the format"):
        formats.save(examples(), tmp_path / "out.json")
    with pytest.raises(InputError, match="nothing is there"):
        formats.load(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="a folder without"):
        formats.guess(tmp_path)


@pytest.mark.parametrize("name", ["activitynet", "elan", "fiftyone", "label-studio", "via3", "webvtt"])
@pytest.mark.parametrize("label", ["Normal", "clip"])
def test_a_class_of_a_reserved_name_is_refused_not_lost(tmp_path, name, label):
    video = dataclasses.replace(examples()["Calm 1"], labels=("Arson", label))
    with pytest.raises(InputError, match=f"an anomaly class is called '{label}'.*Rename it"):
        formats.save({"Calm 1": video}, target(tmp_path, formats.get(name)), name)
