"""Videos nobody knows: a scorer proposes, people decide, and the list may know something beforehand."""

import pytest
import torch
from safetensors.torch import save_file

from holmesvau import engine
from holmesvau.ats.classes import PREFIX, ClassHead, ClassNames
from holmesvau.ats.events import EventsConfig
from holmesvau.ats.urdmu import UrDmu
from holmesvau.engine.decouple import DecoupleConfig
from holmesvau.engine.decoupling import Decoupler
from holmesvau.engine.ledger import IMPORTED, PROPOSED
from holmesvau.engine.work import Job
from holmesvau.types import Span

PARTS = {
    "judgement": "Yes, there is an anomaly, namely arson.",
    "description": "A fire burns in the corner of a room that somebody crosses.",
    "analysis": "Nobody should set a room on fire.",
}


@pytest.fixture(scope="module")
def proposed(tmp_path_factory, burning_room) -> engine.Project:
    """One sitting is needed: the scorer has found something, and what it is nobody has said."""
    project = engine.init(
        tmp_path_factory.mktemp("people") / "project",
        [burning_room],
        chosen={"decouple.source": "proposals", "decouple.clips.median": 4.0},
    )
    report = engine.run(project)
    assert report.status.queue == {"confirm": 1} and report.status.complete == 0
    return project


def test_a_scorer_proposes_and_people_decide(proposed):
    with proposed.ledger() as ledger:
        (entry,) = ledger.queue()
        assert entry.kind == "boundaries" and "no class yet" in entry.reason
        (found,) = [e for e in ledger.events("room") if e.span.intersect(Span(30, 36)) > 3]
        assert found.layer == PROPOSED and 0 < found.score <= 1
        curve = ledger.curve("room")
        assert curve.scorer == "novelty" and curve.within(Span(31, 35)).scores.mean() > 0.3

        for event in ledger.adopt_events("room", "ann"):
            if event.id == found.id:
                ledger.change_event("room", "ann", event.id, span=Span(30, 36), label="Arson")
            else:
                ledger.remove_event("room", "ann", event.id)
    assert "ann has begun" in _reason(proposed), "work that is under way is waited for"
    with proposed.ledger() as ledger:
        ledger.confirm("room", "ann")

    # Nobody but people writes here: clips first, then what is made of them.
    for level in ("clip", "event", "video"):
        assert engine.run(proposed).status.complete == 0
        with proposed.ledger() as ledger:
            queue = ledger.queue()
            assert {entry.target.level for entry in queue} == {level}
            for entry in queue:
                assert entry.gate == "people"
                parts = {"caption": "A fire burns in the corner."} if level == "clip" else PARTS
                ledger.write_text(entry.target, parts, "ann")
    report = engine.run(proposed)
    assert report.status.complete == 1 and report.status.models["event"] == {"people": 1}
    assert report.dataset.rows == sum(report.status.stages[s].written for s in ("caption",)) + 6


def _reason(project: engine.Project) -> str:
    engine.run(project)
    with project.ledger() as ledger:
        (entry,) = ledger.queue()
        return entry.reason


def labelled(folder, video, labels: str, **chosen) -> engine.Project:
    engine.init(folder, [video], chosen={"decouple.source": "auto", **chosen})
    listed = folder / "videos.csv"
    listed.write_text(listed.read_text().rstrip("\n") + labels + "\n")
    return engine.open_project(folder)


def test_a_video_listed_as_normal_needs_neither_scorer_nor_people(tmp_path, burning_room):
    project = labelled(tmp_path / "normal", burning_room, "Normal")
    report = engine.run(project, stages=("decouple",))
    with project.ledger() as ledger:
        assert ledger.layer_of("room") == IMPORTED and ledger.curve("room") is None
        assert all(event.normal for event in ledger.events("room"))
    assert set(report.status.queue) == {"people"}


def test_a_video_listed_with_one_class_gives_it_to_its_proposals(tmp_path, burning_room):
    project = labelled(tmp_path / "known", burning_room, "Arson", **{"decouple.confirm": "none"})
    report = engine.run(project, stages=("decouple",))
    with project.ledger() as ledger:
        assert {event.label for event in ledger.events("room")} == {"Arson"}
    assert set(report.status.queue) == {"people"} and report.status.stages["caption"].people > 0


def test_people_can_mark_everything_themselves(tmp_path, films):
    project = engine.init(tmp_path / "project", [films / "calm.mp4"], chosen={"decouple.source": "people"})
    report = engine.run(project)
    assert report.status.queue == {"confirm": 1}
    with project.ledger() as ledger:
        assert "Nobody has marked events yet" in ledger.queue()[0].reason
        ledger.begin("calm", "ann")
        ledger.confirm("calm", "ann")
    assert set(engine.run(project).status.queue) == {"people"}


def test_a_video_that_is_left_out_asks_for_nothing(make_project, scribe):
    project = make_project()
    with project.ledger() as ledger:
        ledger.leave_out("alarm", "ann", "too dark")
    report = engine.run(project)
    assert (report.status.complete, report.status.left_out) == (2, 1)
    assert not any("red" in line["prompt"] for line in scribe.asked("summary"))


def test_a_changed_list_leaves_nothing_waiting_for_nobody(tmp_path, films):
    """A video taken off takes its entries with it; the others go on; changed labels may change back."""
    project = engine.init(tmp_path / "project", [films], chosen={"decouple.source": "people"})
    listed = project.folder / "videos.csv"
    whole = listed.read_text()
    header, _, *others = whole.splitlines(keepends=True)
    assert engine.run(project).status.queue == {"confirm": 3}
    for text, waiting in (
        ("".join([header, *others]), 2),
        (whole.replace("still.mp4,", "still.mp4,Normal"), 2),
        (whole, 3),
    ):
        listed.write_text(text)
        report = engine.run(engine.open_project(project.folder))
        assert report.status.queue.get("confirm") == waiting and not report.reasons
        assert report.status.stages["decouple"].open == 0


def test_a_scorer_that_tells_classes_proposes_them(tmp_path, burning_room):
    """What it has learnt does not matter here: random weights name some class of theirs."""
    torch.manual_seed(3)
    names, head = ClassNames(("Arson", "Fighting"), ("Hugging",)), ClassHead(4)
    weights = {
        **UrDmu(1280).state_dict(),
        **{PREFIX + key: value for key, value in head.state_dict().items()},
    }
    save_file(weights, tmp_path / "scorer.safetensors", metadata=names.to_metadata())
    low = EventsConfig(enter=0.001, leave=0.0005)
    config = DecoupleConfig(
        source="proposals", model="none", encoder="efficientnet-lite0",
        scorer=str(tmp_path / "scorer.safetensors"), events=low
    )  # fmt: skip

    def proposed_for(labels: list[str] | None) -> set[str]:
        payload = {"video": "room", "labels": labels}
        job = Job(key="key", stage="decouple", payload=payload, path=str(burning_room))
        return {event.label for event in Decoupler(config).decouple(job).layers[PROPOSED]}

    (guess,) = proposed_for(None)
    assert guess in names.anomalies
    (other,) = set(names.anomalies) - {guess}
    assert proposed_for([other, "Fall"]) == {""}, "the list says that it is none of those"
    assert proposed_for([guess, "Fall"]) == {guess} and proposed_for([other]) == {other}
