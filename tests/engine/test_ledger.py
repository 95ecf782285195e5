"""The ledger as people use it: events, texts, the queue, undo; and that no crash takes any of it away."""

import multiprocessing
import os
import signal
import sqlite3
import threading
from pathlib import Path

import pytest

from holmesvau import engine
from holmesvau.engine.ledger import IMPORTED, PROPOSED, SAMPLED, Ledger, Target, migrations, reading
from holmesvau.engine.ledger.rows import LedgerEvent
from holmesvau.errors import InputError, OutputError
from holmesvau.types import Span


@pytest.fixture
def project(tmp_path: Path) -> engine.Project:
    for name in ("door", "yard"):
        (tmp_path / f"{name}.mp4").write_bytes(b"not looked at here")
    return engine.init(tmp_path / "project", [tmp_path])


@pytest.fixture
def ledger(project: engine.Project):
    with project.ledger() as opened:
        with opened.writing():
            opened.run("UPDATE videos SET duration = 60, fps = 25, n_frames = 1500")
        yield opened


def machine_events(ledger: Ledger, layer: str, *events: tuple[float, float, str]) -> None:
    """What the engine writes when it has decoupled a video."""
    with ledger.writing():
        ledger.insert("layers", {"video": "door", "layer": layer, "begun": 1.0})
        for number, (start, end, label) in enumerate(events):
            event = LedgerEvent(f"{layer}{number}", "door", layer, Span(start, end), label, layer == SAMPLED)
            ledger.insert("events", reading.event_row(event))


def spans(ledger: Ledger, layer: str | None = None) -> list[tuple[float, float, str]]:
    return [(*event.span, event.label) for event in ledger.events("door", layer)]


def test_persons_events_count_before_imported_and_proposed_ones(ledger):
    machine_events(ledger, PROPOSED, (1, 5, ""))
    assert ledger.layer_of("door") == PROPOSED and spans(ledger) == [(1, 5, "")]
    machine_events(ledger, IMPORTED, (2, 6, "Fighting"))
    assert spans(ledger) == [(2, 6, "Fighting")]
    ledger.add_event("door", "ann", Span(10, 12.3456), "Robbery")
    ledger.add_event("door", "bob", Span(20, 22), "Robbery")
    assert spans(ledger) == [(10, 12.346, "Robbery")]
    assert ledger.layers("door") == ["ann", "bob", IMPORTED, PROPOSED]
    ledger.settle("door", "bob", "bob")
    assert spans(ledger) == [(20, 22, "Robbery")] and ledger.decision("door").layer == "bob"
    with pytest.raises(InputError, match="nobody called 'eve'"):
        ledger.settle("door", "bob", "eve")


def test_an_empty_layer_says_that_the_video_is_normal(ledger):
    machine_events(ledger, PROPOSED, (1, 5, ""))
    machine_events(ledger, SAMPLED, (0, 20, ""))
    ledger.begin("door", "ann")
    assert [(event.span, event.normal) for event in ledger.events("door")] == [(Span(0, 20), True)]
    ledger.confirm("door", "ann")
    assert ledger.decision("door").confirmed_by == "ann"


def test_adopting_keeps_ids_so_that_annotators_and_texts_agree_on_events(ledger):
    machine_events(ledger, PROPOSED, (1, 5, ""), (8, 9, ""))
    (first, second) = ledger.adopt_events("door", "ann")
    assert [event.id for event in ledger.events("door", PROPOSED)] == [first.id, second.id]
    moved = ledger.change_event("door", "ann", first.id, span=Span(1.04, 5.2), label=" Fighting ")
    assert moved.label == "Fighting" and spans(ledger) == [(1.04, 5.2, "Fighting"), (8, 9, "")]
    ledger.remove_event("door", "ann", second.id)
    assert spans(ledger) == [(1.04, 5.2, "Fighting")] and len(ledger.events("door", PROPOSED)) == 2


@pytest.mark.parametrize(
    ("span", "label", "complaint"),
    [
        (Span(5, 5), "Fighting", "no length"),
        (Span(50, 61), "Fighting", "past its end at 60"),
        (Span(1, 2), "Normal", "is no class"),
        (Span(1, 2), "x" * 61, "is no class"),
    ],
)
def test_unusable_events_are_refused_with_a_sentence(ledger, span, label, complaint):
    with pytest.raises(InputError, match=complaint):
        ledger.add_event("door", "ann", span, label)
    assert not ledger.edits()


def test_an_event_that_ends_a_rounding_past_the_video_is_cut(ledger):
    assert ledger.add_event("door", "ann", Span(50, 60.04), "Fighting").span == Span(50, 60)


def test_what_a_person_confirms_becomes_their_own(ledger):
    machine_events(ledger, IMPORTED, (1, 5, "Arson"))
    ledger.confirm("door", "ann")
    assert ledger.layer_of("door") == "ann" and spans(ledger, "ann") == [(1, 5, "Arson")]
    ledger.confirm("door", "bob")
    assert ledger.layers("door") == ["ann", IMPORTED] and ledger.decision("door").confirmed_by == "bob"
    ledger.undo("bob")
    ledger.undo("ann")
    assert ledger.layers("door") == [IMPORTED] and ledger.decision("door").confirmed_by == ""


def test_confirming_wants_a_class_for_every_event(ledger):
    event = ledger.add_event("door", "ann", Span(1, 2))
    with pytest.raises(InputError, match=r"1\.00 s has no class"):
        ledger.confirm("door", "ann")
    ledger.change_event("door", "ann", event.id, label="Arson")
    ledger.confirm("door", "ann")


@pytest.mark.parametrize("who", ["", " ann", "@import", "a\nb", "x" * 81])
def test_nobody_edits_without_a_proper_name(ledger, who):
    with pytest.raises(InputError, match="no name of an annotator"):
        ledger.begin("door", who)


def test_undo_and_redo_step_through_a_persons_own_edits(ledger):
    event = ledger.add_event("door", "ann", Span(1, 2), "Arson")
    ledger.add_event("door", "bob", Span(30, 32), "Arson")
    ledger.change_event("door", "ann", event.id, span=Span(1, 3))
    states = [[(1, 2, "Arson")], [(1, 3, "Arson")]]
    assert spans(ledger, "ann") == states[1]
    assert ledger.undo("ann").action == "change-event" and spans(ledger, "ann") == states[0]
    assert ledger.undo("ann").action == "add-event" and spans(ledger, "ann") == []
    assert ledger.layers("door") == ["bob"]
    assert ledger.undo("ann") is None and spans(ledger, "bob") == [(30, 32, "Arson")]
    assert ledger.redo("ann").kind == "redo" and spans(ledger, "ann") == states[0]
    assert ledger.redo("ann") and spans(ledger, "ann") == states[1]
    assert ledger.redo("ann") is None
    assert ledger.undo("ann") and spans(ledger, "ann") == states[0]
    ledger.change_event("door", "ann", event.id, label="Explosion")
    assert ledger.redo("ann") is None, "what came since must not be overwritten"
    assert [edit.who for edit in ledger.edits(video="door")].count("bob") == 1
    assert all(edit.at > 0 for edit in ledger.edits())


def test_undo_refuses_where_somebody_else_went_on(ledger):
    target = Target("video", "door")
    parts = {"judgement": "An anomaly exists.", "description": "A man falls.", "analysis": "He slipped."}
    ledger.write_text(target, parts, "ann")
    ledger.write_text(target, parts | {"analysis": "It was wet."}, "bob")
    with pytest.raises(InputError, match="changed again since"):
        ledger.undo("ann")
    ledger.undo("bob")
    ledger.undo("ann")


def want(ledger: Ledger, target: Target, *, state: str, said: str | None, key: str = "k", basis: str = "b"):
    """What the engine writes when a text is wanted and a model has answered."""
    with ledger.writing():
        row = {**reading.columns(target), "stage": "caption", "key": key, "basis": basis}
        ledger.insert("wanted", row, otherwise="REPLACE")
        answer = None
        if said is not None:
            spent = {"tokens_in": 1, "tokens_out": 1, "money": 0, "seconds": 0.1, "at": 5.0, "worker": "w"}
            made = {"provider": "endpoint", "model": "m", "prompt": "p", "raw": said, "problem": ""}
            answer = ledger.insert("answers", {"key": key, "try": 1, "parts": said, **made, **spent})
        item = {"key": key, "stage": "caption", "provider": "x", "payload": "{}", "tokens": 1, "money": 0}
        ledger.insert(
            "items", {**item, "state": state, "answer": answer, "made_at": 1.0}, otherwise="REPLACE"
        )


def test_texts_say_whose_they_are_and_whether_they_stand(ledger):
    clip = Target("clip", "door", span=Span(3, 6.5))
    want(ledger, clip, state="open", said=None)
    assert [(text.state, dict(text.parts)) for text in ledger.texts("door")] == [("waiting", {})]
    want(ledger, clip, state="done", said='{"caption": "A man runs."}')
    (text,) = ledger.texts("door")
    assert (text.state, text.who, text.model, text.parts["caption"]) == ("standing", "", "m", "A man runs.")
    ledger.write_text(clip, {"caption": "A  woman\nruns."}, "ann")
    (text,) = ledger.texts("door")
    assert (text.state, text.who, text.parts["caption"]) == ("standing", "ann", "A woman runs.")
    want(ledger, clip, state="done", said='{"caption": "A man runs."}', key="k2", basis="moved")
    assert ledger.texts("door")[0].state == "stale"
    ledger.undo("ann")
    assert ledger.texts("door")[0].parts["caption"] == "A man runs."


@pytest.mark.parametrize("parts", [{}, {"caption": "  "}, {"caption": "x", "analysis": "y"}])
def test_a_text_has_the_parts_of_its_level(ledger, parts):
    with pytest.raises(InputError):
        ledger.write_text(Target("clip", "door", span=Span(3, 6.5)), parts, "ann")


@pytest.fixture
def queued(ledger) -> Target:
    clip = Target("clip", "door", span=Span(3, 6.5))
    want(ledger, clip, state="people", said='{"caption": "Yes."}')
    entry = {
        **reading.columns(clip),
        "kind": "text",
        "key": "k",
        "gate": "empty",
        "reason": "It says nothing.",
    }
    with ledger.writing():
        ledger.insert("reviews", {**entry, "opened_at": 2.0, "state": "open"})
    return clip


def test_the_queue_is_worked_off_by_accepting_writing_or_sending_back(ledger, queued):
    (entry,) = ledger.queue()
    assert (entry.target, entry.reason, dict(entry.parts)) == (
        queued,
        "It says nothing.",
        {"caption": "Yes."},
    )
    assert ledger.texts("door")[0].state == "failed"

    ledger.accept(entry.id, "ann")
    assert ledger.queue() == [] and ledger.texts("door")[0].state == "standing"
    decided = ledger.review(entry.id)
    assert (decided.state, decided.who) == ("accepted", "ann") and decided.decided_at
    with pytest.raises(InputError, match="was accepted by ann already"):
        ledger.accept(entry.id, "bob")

    ledger.undo("ann")
    assert ledger.queue()[0].state == "open" and ledger.texts("door")[0].state == "failed"
    ledger.write_text(queued, {"caption": "A man nods."}, "ann")
    assert ledger.review(entry.id).state == "written"

    ledger.undo("ann")
    with pytest.raises(InputError, match="Say what is wrong"):
        ledger.reject(entry.id, "ann", " ")
    ledger.reject(entry.id, "ann", "Say who it is.")
    assert ledger.review(entry.id).state == "rejected"
    assert ledger.row("SELECT remark FROM remarks")["remark"] == "Say who it is."


def test_confirming_closes_the_videos_entry(ledger):
    entry = {**reading.columns(Target("video", "door")), "kind": "boundaries", "key": "", "gate": "confirm"}
    with ledger.writing():
        row = {**entry, "reason": "Look at them.", "opened_at": 2.0, "state": "open"}
        number = ledger.insert("reviews", row)
    ledger.add_event("door", "ann", Span(1, 2), "Arson")
    ledger.accept(number, "ann")
    assert ledger.queue() == [] and ledger.decision("door").confirmed_by == "ann"


@pytest.mark.parametrize(
    "target",
    [Target("clip", "door", span=Span(3, 6.5)), Target("event", "door", "a1b2"), Target("video", "door")],
)
def test_an_address_names_its_target(ledger, target):
    assert ledger.target(target.address) == target


@pytest.mark.parametrize(
    "address", ["", "door", "clip:3-x:door", "event::door", "video:1:door", "video::roof"]
)
def test_what_names_no_target_is_refused(ledger, address):
    with pytest.raises(InputError):
        ledger.target(address)


def test_a_video_can_be_left_out_and_taken_in_again(ledger):
    ledger.leave_out("door", "ann", "upside down")
    assert ledger.decision("door").left_out == "upside down"
    ledger.leave_out("door", "ann", "")
    assert ledger.decision("door").left_out == ""
    with pytest.raises(InputError, match="no such video"):
        ledger.leave_out("roof", "ann", "x")


def test_threads_share_a_ledger(ledger):
    def mark(who: str) -> None:
        for number in range(10):
            ledger.add_event("door", who, Span(number, number + 0.5), "Arson")

    threads = [threading.Thread(target=mark, args=(f"annotator {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ledger.edits()) == 40 and all(
        len(ledger.events("door", f"annotator {n}")) == 10 for n in range(4)
    )


def mark_for_ever(folder: Path, told) -> None:
    with engine.open_project(folder).ledger() as ledger:
        for number in range(10_000):
            event = ledger.add_event("yard", "ann", Span(number, number + 0.5), "Arson")
            told.send(event.id)


def test_kill_9_loses_no_edit_that_was_answered(project):
    """Whatever call has returned is there afterwards, whole, with its edit."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=mark_for_ever, args=(project.folder, theirs))
    process.start()
    told = [ours.recv() for _ in range(20)]
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    while ours.poll():
        told.append(ours.recv())
    with project.ledger() as ledger:
        kept = {event.id for event in ledger.events("yard", "ann")}
        assert set(told) <= kept and len(kept) <= len(told) + 1
        assert len(ledger.edits()) == len(kept)


def test_an_older_ledger_is_brought_up_to_date_and_a_newer_one_refused(tmp_path, monkeypatch):
    path = tmp_path / "ledger.sqlite"
    steps = migrations.STEPS
    monkeypatch.setattr(migrations, "STEPS", steps[:1])
    Ledger(path).close()
    monkeypatch.setattr(migrations, "STEPS", (*steps, "ALTER TABLE videos ADD COLUMN place TEXT"))
    with Ledger(path) as ledger:
        assert ledger.rows("SELECT place FROM videos") == [] and ledger.rows("SELECT * FROM notes") == []
    monkeypatch.setattr(migrations, "STEPS", steps)
    with pytest.raises(InputError, match="newer holmesvau"):
        Ledger(path)


def test_a_step_that_fails_leaves_the_ledger_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    steps = migrations.STEPS
    monkeypatch.setattr(migrations, "STEPS", (*steps, "CREATE TABLE more(x);\nCREATE TABLE more(x)"))
    with pytest.raises(OutputError):
        Ledger(path)
    with sqlite3.connect(path) as plain:
        assert plain.execute("PRAGMA user_version").fetchone()[0] == len(steps)
        assert not plain.execute("SELECT * FROM sqlite_master WHERE name = 'more'").fetchall()
    plain.close()


def test_what_is_no_ledger_is_refused(tmp_path):
    (tmp_path / "ledger.sqlite").write_text("nothing like it" * 100)
    with pytest.raises(InputError, match="not a ledger"):
        Ledger(tmp_path / "ledger.sqlite")
    with pytest.raises(OutputError, match="cannot be opened"):
        Ledger(tmp_path / "nowhere" / "ledger.sqlite")
