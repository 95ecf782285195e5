"""Whole runs with real videos and a real server: from raw files to a dataset, again and again."""

import json
import threading
import time

from holmesvau import engine, hivau
from holmesvau.engine.ledger import Target
from holmesvau.engine.status import GateRate
from holmesvau.hivau import checks, formats
from holmesvau.types import Span


def kinds(scribe) -> list[str]:
    return [line["kind"] for line in scribe.asked()]


def texts(project, video) -> dict[str, dict[str, str]]:
    with project.ledger() as ledger:
        return {text.target.address: dict(text.parts) for text in ledger.texts(video)}


def test_from_raw_files_to_a_dataset(make_project, scribe):
    project = make_project()
    report = engine.run(project)
    assert report.status.complete == report.status.videos == 3 and not report.status.queue
    assert not report.reasons and not report.problems

    found = hivau.load_annotations(report.dataset.annotations)
    alarm = found["alarm"]
    assert alarm.labels == ("Arson",) and (alarm.n_frames, alarm.fps) == (100, 5.0)
    (event,) = alarm.events
    assert event.span == Span(4, 16) and "Arson" in event.judgement and event.analysis
    # The lamp is red until 10 s, then blue: each clip was shown its own frames.
    for clip in event.clips:
        colours = ["red"] * (clip.span.start < 9.7) + ["blue"] * (clip.span.end > 10.3)
        assert all(colour in clip.caption for colour in colours) and "white" not in clip.caption, clip
    assert len(event.clips) > 2 and event.clips[0].span.start == 4 and event.clips[-1].span.end == 16
    assert (
        found["calm"].labels == ()
        and found["calm"].analysis == ""
        and "no anomaly" in found["calm"].judgement
    )

    rows = hivau.load_instructions(report.dataset.instructions)
    assert {(row.level, row.task) for row in rows} == {
        ("clip", "caption"),
        *((level, task) for level in ("event", "video") for task in ("judgement", "description", "analysis")),
    }
    # Training finds the videos where the rows say they are.
    assert checks.check(project.dataset).severity in ("", "note", None)
    assert scribe.asked("caption")[0]["pictures"] == 3 and all(a["schema"] for a in scribe.asked("summary"))


def test_a_second_run_asks_nothing_and_changes_nothing(make_project, scribe):
    project = make_project()
    first = engine.run(project)
    before, written = len(scribe.asked()), first.dataset.annotations.stat().st_mtime_ns
    again = engine.run(project)
    assert len(scribe.asked()) == before
    assert again.dataset.changed is False and again.dataset.annotations.stat().st_mtime_ns == written


def test_moving_a_boundary_redoes_just_what_depends_on_it(make_project, scribe):
    project = make_project()
    engine.run(project)
    before = texts(project, "alarm")
    asked = len(scribe.asked())
    with project.ledger() as ledger:
        (event,) = ledger.adopt_events("alarm", "ann")
        ledger.change_event("alarm", "ann", event.id, span=Span(4, 15.2))
        ledger.confirm("alarm", "ann")
    engine.run(project)
    after = texts(project, "alarm")
    # One clip ends at the boundary; its event follows. Other clips and videos stay, and so does the text of
    # this video, whose event is summed up in the same words.
    assert kinds(scribe)[asked:] == ["caption", "summary"]
    assert len(before.keys() & after.keys()) == len(after) - 1

    asked = len(scribe.asked())
    with project.ledger() as ledger:
        ledger.change_event("alarm", "ann", event.id, span=Span(4, 16))
    engine.run(project)
    assert texts(project, "alarm") == before and len(scribe.asked()) == asked, "what was once said is known"


def test_advance_shows_at_once_what_a_change_touches(make_project, scribe):
    project = make_project()
    engine.run(project)
    with project.ledger() as ledger:
        (event,) = ledger.adopt_events("alarm", "ann")
        ledger.change_event("alarm", "ann", event.id, span=Span(4, 15.2))
        ledger.confirm("alarm", "ann")
        engine.advance(project, ledger, "alarm")
        states = [text.state for text in ledger.texts("alarm") if text.target.level == "clip"]
    assert states.count("waiting") == 1 and states[-1] == "waiting"


def test_another_class_redoes_what_names_it(make_project, scribe):
    project = make_project()
    engine.run(project)
    asked = len(scribe.asked())
    with project.ledger() as ledger:
        (event,) = ledger.adopt_events("alarm", "ann")
        ledger.change_event("alarm", "ann", event.id, label="Explosion")
        ledger.confirm("alarm", "ann")
    report = engine.run(project)
    assert kinds(scribe)[asked:] == ["summary", "summary"], "clips show the same, whatever it is called"
    assert hivau.load_annotations(report.dataset.annotations)["alarm"].labels == ("Explosion",)


def test_a_changed_prompt_redoes_its_texts_and_is_kept_with_them(make_project, scribe):
    project = make_project()
    engine.run(project)
    asked = len(scribe.asked())
    path = project.prompts / "video-normal.md"
    path.write_text(path.read_text().replace("version: 1", "version: mine").replace("You write", "Write"))
    engine.run(project)
    assert kinds(scribe)[asked:] == ["summary", "summary"]
    with project.ledger() as ledger:
        (text,) = [text for text in ledger.texts("calm") if text.target.level == "video"]
        row = ledger.row("SELECT * FROM prompts WHERE digest = ?", (text.prompt,))
    assert (row["version"], text.model) == ("mine", "scribe-1") and row["text"].startswith("Write the record")


def test_a_failing_text_is_tried_again_with_the_reason(make_project, scribe):
    scribe.be("repents")
    report = engine.run(make_project())
    assert report.status.complete == 3
    told = [a["prompt"] for a in scribe.asked("summary") if "could not be used" in a["prompt"]]
    assert len(told) == 6 and all("The judgement contradicts what is known" in prompt for prompt in told)
    assert report.status.gates["event"]["contradiction"] == GateRate(6, 3)
    rate = report.status.texts["event"]
    assert (rate.texts, rate.at_once, rate.in_the_end, rate.to_people) == (3, 0, 3, 0)


def test_what_keeps_failing_goes_to_people_whose_word_counts(make_project, scribe):
    scribe.be("stubborn")
    project = make_project(summary__tries=2)
    report = engine.run(project)
    assert report.status.complete == 0 and report.status.queue == {"contradiction": 3}
    assert not report.reasons and report.dataset is None
    with project.ledger() as ledger:
        first, second, third = ledger.queue()
        assert first.target.level == "event" and "contradicts" in first.reason and first.parts["judgement"]
        ledger.accept(first.id, "ann")
        parts = {"judgement": "There is no anomaly.", "description": "A green lamp shines in the hall."}
        ledger.write_text(second.target, parts, "ann")
        ledger.reject(third.id, "ann", "Look at the lamp again.")
    scribe.be("well")
    asked = len(scribe.asked())
    report = engine.run(project)
    assert report.status.complete == 3 and not report.status.queue
    prompts = [line["prompt"] for line in scribe.asked()[asked:]]
    assert len(prompts) == 4 and sum("Look at the lamp again." in prompt for prompt in prompts) == 1
    assert report.status.stages["event"].written == 2


def test_other_limits_judge_what_was_said_already(make_project, scribe):
    project = make_project(gates__description_words=10, summary__tries=1)
    report = engine.run(project)
    assert report.status.queue["too-long"] == 3 and report.status.complete == 0
    asked = len(scribe.asked())
    looser = engine.open_project(project.folder, ["gates.description_words=160"])
    report = engine.run(looser)
    assert report.status.complete == 3 and not report.status.queue
    assert len(scribe.asked()) == asked + 3, "only the videos' summaries, which had not been asked for"
    assert report.status.gates["event"]["too-long"] == GateRate(3, 3)
    report = engine.run(project)
    assert report.status.complete == 0 and report.status.queue["too-long"] == 3


def test_what_a_person_has_written_is_asked_of_nobody(make_project, scribe):
    project = make_project()
    engine.run(project, stages=("decouple",))
    with project.ledger() as ledger:
        (first, *others) = [text.target for text in ledger.texts("alarm") if text.target.level == "clip"]
        ledger.write_text(first, {"caption": "A lamp in the hall shines red, and nobody is there."}, "ann")
        assert engine.plan_only(project, ledger).stages["caption"].requests == len(others) + 4
    report = engine.run(project)
    assert report.status.complete == 3 and report.status.stages["caption"].written == 1
    assert len(scribe.asked("caption")) == len(others) + 4


def test_texts_of_people_go_stale_when_their_clips_change(make_project, scribe):
    project = make_project()
    engine.run(project)
    with project.ledger() as ledger:
        (event,) = ledger.adopt_events("alarm", "ann")
        target = Target("event", "alarm", event.id)
        parts = {
            "judgement": "An arson is seen.",
            "description": "A lamp burns.",
            "analysis": "It is too hot.",
        }
        ledger.write_text(target, parts, "ann")
        ledger.confirm("alarm", "ann")
    engine.run(project)
    assert texts(project, "alarm")[target.address] == parts
    with project.ledger() as ledger:
        ledger.change_event("alarm", "ann", event.id, span=Span(4, 12))
    report = engine.run(project)
    assert report.status.queue == {"stale": 1} and report.status.complete == 2
    with project.ledger() as ledger:
        (entry,) = ledger.queue()
        assert dict(entry.parts) == parts
        ledger.accept(entry.id, "ann")
    assert engine.run(project).status.complete == 3


def test_a_server_without_schemas_is_told_in_words(make_project, scribe):
    scribe.be("wordy")
    report = engine.run(make_project(summary__at_once=1))
    assert report.status.complete == 3
    forms = [a["schema"] for a in scribe.asked("summary") if a["schema"]]
    assert forms == ["json_schema", "json_object"], "one refusal of each form is enough"


def test_a_server_that_stumbles_over_a_schema_is_given_it_in_another_form(make_project, scribe):
    scribe.be("objective")
    report = engine.run(make_project(summary__at_once=1))
    assert report.status.complete == 3 and not report.reasons
    forms = [a["schema"] for a in scribe.asked("summary")]
    assert forms[:2] == ["json_schema", "json_object"] and set(forms[1:]) == {"json_object"}
    assert report.status.spent["requests"] == len(forms) + len(scribe.asked("caption")) - 1


def test_a_server_that_must_take_a_schema_is_never_told_in_words(make_project, scribe):
    scribe.be("wordy")
    report = engine.run(make_project(summary__at_once=1, summary__structured="schema"))
    assert report.status.complete == 0 and report.status.stages["event"].people == 3
    assert all(a["schema"] for a in scribe.asked("summary"))


def test_a_server_that_is_down_leaves_the_work_for_later(make_project, scribe):
    scribe.be("down")
    project = make_project()
    report = engine.run(project)
    assert len(report.reasons) == 1 and "answers 503" in report.reasons[0] and report.status.complete == 0
    assert not report.status.queue and report.status.stages["caption"].working == 0
    scribe.be("well")
    assert engine.run(project).status.complete == 3


def test_the_limit_of_requests_at_once_holds_over_all_workers(make_project, scribe):
    scribe.be("slow:0.05")
    many = {"decouple__clips__shortest": 0.5, "decouple__clips__median": 1.0, "gates__off": ["empty"]}
    project = make_project(caption__at_once=2, summary__at_once=1, workers=3, **many)
    report = engine.run(project, crew=engine.Here())
    assert report.status.complete == 3
    assert max(line["together"] for line in scribe.asked("caption")) == 2
    assert max(line["together"] for line in scribe.asked("summary")) == 1


def test_requests_keep_their_pace(make_project, scribe):
    project = make_project(caption__per_minute=600.0, summary__per_minute=600.0)
    started = time.monotonic()
    engine.run(project)
    most = max(len(scribe.asked("caption")), len(scribe.asked("summary")))
    assert time.monotonic() - started >= (most - 1) * 0.1


def test_the_budget_is_not_passed(make_project, scribe):
    project = make_project(budget__tokens=2000, caption__at_once=1, summary__at_once=1)
    report = engine.run(project)
    assert report.reasons == ["The budget is used up."]
    assert 0 < report.status.spent["tokens"] <= 2000 and report.status.complete < 3
    more = engine.open_project(project.folder, ["budget.tokens=0"])
    assert engine.run(more).status.complete == 3


def test_money_is_counted_and_estimated_before(make_project, scribe):
    project = make_project(caption__price_in=10.0, caption__price_out=30.0, summary__price_out=30.0)
    engine.run(project, stages=("decouple",))
    with project.ledger() as ledger:
        before = engine.plan_only(project, ledger)
    asked = len(scribe.asked())
    assert asked == 0 and before.unknown == 0 and before.money > 0
    report = engine.run(project)
    assert report.status.spent["money"] > 0
    for stage, part in before.stages.items():
        assert part.requests == report.status.texts[stage].texts
    with project.ledger() as ledger:
        after = engine.plan_only(project, ledger)
    assert after.tokens == 0 and all(part.requests == 0 for part in after.stages.values())


def test_what_was_recorded_can_be_had_again_without_the_server(make_project, scribe, tmp_path):
    first = make_project("first", caption__record="../captions.jsonl", summary__record="../summaries.jsonl")
    report = engine.run(first)
    scribe.process.kill()
    second = make_project(
        "second",
        caption__provider="replay:../captions.jsonl",
        summary__provider="replay:../summaries.jsonl",
    )
    again = engine.run(second)
    assert again.status.complete == 3
    assert again.dataset.annotations.read_bytes() == report.dataset.annotations.read_bytes()
    assert again.status.spent["tokens"] == report.status.spent["tokens"]
    entry = json.loads((tmp_path / "captions.jsonl").read_text().splitlines()[0])
    assert len(entry["pictures"]) == 3 and entry["model"] == "scribe-1"


def test_texts_of_a_file_make_a_project_without_any_model(make_project, films, tmp_path, scribe):
    known = engine.run(make_project("first")).dataset.annotations
    scribe.process.kill()
    second = make_project(
        "second",
        decouple__import_file=str(known),
        caption__provider=f"imported:{known}",
        summary__provider=f"imported:{known}",
    )
    report = engine.run(second)
    assert report.status.complete == 3 and report.status.spent["tokens"] == 0
    assert report.dataset.annotations.read_bytes() == known.read_bytes()


def test_a_video_that_cannot_be_read_is_told_and_the_others_go_on(make_project, films, scribe, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video at all")
    project = make_project()
    engine.init(project.folder, [tmp_path / "broken.mp4"])
    report = engine.run(engine.open_project(project.folder))
    assert report.status.complete == 3 and list(report.status.problems) == ["broken"]
    assert "broken.mp4" in report.status.problems["broken"]


def test_stages_can_be_run_one_by_one(make_project, scribe):
    project = make_project()
    engine.run(project, stages=("decouple",), instruct=False)
    assert scribe.asked() == []
    engine.run(project, stages=("caption",), instruct=False)
    assert set(kinds(scribe)) == {"caption"}
    report = engine.run(project, stages=("event",), instruct=False)
    assert report.status.stages["event"].done == 3 and report.dataset is None
    assert engine.run(project, stages=()).dataset is None
    assert engine.run(project, stages=("video",)).dataset.videos == 3


def test_what_comes_out_can_be_written_in_every_format(make_project, scribe, tmp_path):
    project = make_project()
    engine.run(project)
    with project.ledger() as ledger:
        found = engine.completed(project, ledger)
    for name in formats.formats():
        chosen = formats.get(name)
        target = tmp_path / f"{name}{'' if chosen.folder else chosen.suffix}"
        formats.save(found, target, name)
        kept = {video.name: chosen.kept(video) for video in found.values()}
        assert formats.load(target, name) == kept, name


def test_two_runs_at_a_time_ask_for_nothing_twice(make_project, scribe):
    project = make_project()
    scribe.be("slow:0.02")
    threads = [
        threading.Thread(target=engine.run, args=(engine.open_project(project.folder),)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with project.ledger() as ledger:
        assert engine.status(project, ledger).complete == 3
    prompts = [(line["kind"], line["prompt"], line["pictures"]) for line in scribe.asked("summary")]
    assert len(prompts) == len(set(prompts)) == 6
