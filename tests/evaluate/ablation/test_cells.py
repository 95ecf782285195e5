"""Studies of an untrained model that says three words: what is measured, kept and gone on with."""

import dataclasses
import json
import shutil
import time
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from holmesvau.describe import SamplerConfig
from holmesvau.errors import InputError, MissingPartError
from holmesvau.evaluate import ablation, tables, text
from holmesvau.evaluate.ablation import Trained, Trainer
from holmesvau.evaluate.ablation.cells import data_fingerprint
from holmesvau.evaluate.answering import answer_rows, load_test_set
from holmesvau.evaluate.predictions import load_answers
from holmesvau.evaluate.resampling import BootstrapConfig
from holmesvau.evaluate.suite import to_json
from tests.evaluate.conftest import NO_WORDS


def test_answers_are_those_of_ask_and_go_on_where_they_stopped(test_set, holmes, tmp_path):
    path = tmp_path / "answers.jsonl"
    answers = answer_rows(test_set, holmes, path)
    assert [each.row for each in answers] == list(test_set.rows)
    row = next(row for row in test_set.rows if row.level == "event" and row.task == "judgement")
    place = row.video.rpartition("/")[2].removesuffix("_E0.mp4")
    span = test_set.annotations[place].events[0].span
    video = next(p for p in test_set.root.rglob(f"{place}.mp4"))
    said = next(each for each in answers if each.row == row)
    assert said.text == holmes.ask(video, row.prompt, span=span).text and said.num_frames == 4
    measured = [each for each in answers if each.encode_seconds is not None]
    assert len(measured) == len({row.video for row in test_set.rows if row.level != "clip"})
    assert all(each.first_word_seconds > 0 for each in measured)
    # As any system's predictions.
    _, texts, coverage = load_answers(path, test_set.rows, mode="lenient")
    assert coverage.used == len(test_set.rows) and texts == [each.text for each in answers]
    schema = json.loads((Path(__file__).parents[3] / "schemas/text-prediction.schema.json").read_text())
    for line in path.read_text().splitlines():
        Draft202012Validator(schema).validate(json.loads(line))

    written = path.read_bytes()
    lines = written.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]) + lines[3][:20])
    assert [each.text for each in answer_rows(test_set, holmes, path)] == texts
    assert path.read_bytes().startswith(b"".join(lines[:3])) and len(path.read_bytes().splitlines()) == len(
        lines
    )
    with pytest.raises(InputError, match="not an answer to a row of this test set"):
        answer_rows(dataclasses.replace(test_set, rows=test_set.rows[:2]), holmes, path)


def test_a_clip_is_shown_its_events_frames_or_its_own(test_set, holmes, tmp_path):
    clips = dataclasses.replace(test_set, rows=tuple(row for row in test_set.rows if row.level == "clip"))
    own = answer_rows(clips, holmes, tmp_path / "own.jsonl", clip_frames="own")
    shared = answer_rows(clips, holmes, tmp_path / "event.jsonl")
    assert {each.num_frames for each in own} == {4}
    assert all(1 <= each.num_frames <= 4 and each.encode_seconds is None for each in shared)
    assert min(each.num_frames for each in shared) < 4


def test_what_cannot_be_answered_is_said(test_set, tmp_path):
    with pytest.raises(MissingPartError, match="--model"):
        answer_rows(test_set, NO_WORDS.load(), tmp_path / "a.jsonl")
    with pytest.raises(InputError, match="no rows"):
        load_test_set(tmp_path)
    with pytest.raises(InputError, match="of the split 'val'"):
        load_test_set(test_set.root, "val")
    assert len(load_test_set(test_set.root, videos=1).rows) < len(load_test_set(test_set.root).rows)


def test_samplers_are_measured_with_one_model_and_not_again(test_set, options, tmp_path):
    study = ablation.samplers(("uniform", "density"), (2,))
    found = ablation.run(study, test_set, options, tmp_path, bootstrap=BootstrapConfig(resamples=20))
    assert [cell.name for cell in found.cells] == ["uniform, N = 2", "density, N = 2"]
    videos = [row for row in test_set.rows if row.level == "video"]
    for cell, file in zip(found.cells, ("uniform-N-2", "density-N-2"), strict=True):
        (path,) = (tmp_path / "cells").glob(f"{file}-*.jsonl")
        _, texts, _ = load_answers(path, videos, mode="lenient")
        expected = text.score(texts, [row.answer for row in videos])
        assert cell.text["video"].bleu_sum == expected.bleu_sum and cell.num_frames == 2
        assert cell.latency.first_word == pytest.approx(cell.latency.encode + cell.latency.answer, rel=0.5)
        assert cell.latency.scan_per_minute > 0 and 0 <= cell.seen <= cell.events
        assert cell.events == sum(len(v.events) for v in test_set.annotations.values() if v.is_anomalous)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json*")}
    again = ablation.run(study, test_set, options, tmp_path, bootstrap=BootstrapConfig(resamples=20))
    assert repr(again) == repr(found)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json*")} == before

    table = tables.study_table("mine", "4", to_json(found))
    ours = {row.method: row.figures for row in table.rows if row.source == tables.OURS}
    assert ours["mine, density, N = 2"][0] == found.cells[1].text["video"].bleu_sum
    assert "scan" in " ".join(table.notes) and "244" in table.render("markdown")
    with pytest.raises(InputError, match="samplers, which is not Table 3"):
        tables.study_table("mine", "3", to_json(found))


def test_the_same_frames_are_asked_about_once(test_set, options, tmp_path, monkeypatch):
    videos = dataclasses.replace(test_set, rows=tuple(r for r in test_set.rows if r.level != "clip"))
    holmes = options.load()
    asked = []
    stream = holmes.model.stream
    monkeypatch.setattr(holmes.model, "stream", lambda *a, **k: asked.append(a[1]) or stream(*a, **k))
    known = {}
    even = SamplerConfig(method="uniform", num_frames=2)
    first = answer_rows(videos, holmes, tmp_path / "a.jsonl", sampler=even, known=known)
    places = len({row.video for row in videos.rows})
    assert len(asked) == places and all(len(each.chosen) == 2 for each in first)
    again = answer_rows(videos, holmes, tmp_path / "b.jsonl", sampler=even, known=known)
    assert again == first and len(asked) == places
    # Another sampler's frames are other frames, even as many of them.
    other = SamplerConfig(method="topk", num_frames=2)
    third = answer_rows(videos, holmes, tmp_path / "c.jsonl", sampler=other, known=known)
    differ = {a.row.video for a, b in zip(first, third, strict=True) if a.chosen != b.chosen}
    assert differ and len(asked) == places + len(differ)
    # What an interrupted study left is known again.
    kept, before = {}, len(asked)
    assert answer_rows(videos, holmes, tmp_path / "a.jsonl", sampler=even, known=kept) == first
    assert answer_rows(videos, holmes, tmp_path / "d.jsonl", sampler=even, known=kept) == first
    assert len(kept) == len(videos.rows) and len(asked) == before


def test_cells_are_set_beside_each_other_on_the_same_rows(test_set, options, tmp_path):
    study = ablation.samplers(("topk", "uniform", "density"), (2,))
    assert study.contrasts == (("density, N = 2", "uniform, N = 2"), ("density, N = 2", "topk, N = 2"))
    study = dataclasses.replace(study, levels=("event", "video"))
    bootstrap = BootstrapConfig(resamples=20)
    found = ablation.run(study, test_set, options, tmp_path, bootstrap=bootstrap)
    cells = {cell.name: cell for cell in found.cells}
    rows = [row for row in test_set.rows if row.level in ("event", "video")]
    said = {}
    for name in ("topk", "uniform", "density"):
        (path,) = (tmp_path / "cells").glob(f"{name}-N-2-*.jsonl")
        said[name] = {e["id"]: e for e in map(json.loads, path.read_text().splitlines())}
    for pair in found.contrasts:
        worse = pair.worse.partition(",")[0]
        a, b = cells[pair.better], cells[pair.worse]
        for level in ("event", "video"):
            gap = pair.text[level].figures["bleu_sum"].value
            assert gap == pytest.approx(a.text[level].bleu_sum - b.text[level].bleu_sum)
        judged = a.judgements["video"].accuracy - b.judgements["video"].accuracy
        assert pair.judgements["video"].accuracy.value == pytest.approx(judged, nan_ok=True)
        assert pair.seen.value == pytest.approx((a.seen - b.seen) / a.events) and pair.rows == len(rows)
        alike = [row for row in rows if said["density"][row.id]["chosen"] == said[worse][row.id]["chosen"]]
        assert pair.same_frames == len(alike)
    assert not ablation.run(study, test_set, options, tmp_path).contrasts
    # A study of fewer levels finds its answers in the larger one's.
    fewer = ablation.only(ablation.samplers(("topk", "density"), (2,)), ["topk, N = 2"])
    made = time.time_ns()
    ablation.run(fewer, test_set, options, tmp_path)
    (path,) = (p for p in (tmp_path / "cells").glob("topk-*.jsonl") if p.stat().st_mtime_ns > made)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [said["topk"][e["id"]] for e in lines] and len(lines) < len(rows)
    with pytest.raises(InputError, match="Its cells: topk, N = 2; density, N = 2"):
        ablation.only(ablation.samplers(("topk", "density"), (2,)), ["topk"])


def test_each_level_is_trained_once_and_laid_beside_the_paper(test_set, options, tmp_path):
    trained = []

    def train(settings, folder):
        trained.append(settings)
        return Trained(model=str(shutil.copytree(options.model, folder)))

    study = ablation.levels()
    some = dataclasses.replace(study, cells=(study.cells[0], study.cells[-1]))
    few = dataclasses.replace(
        test_set, rows=tuple(row for row in test_set.rows if row.task in ("caption", "judgement"))
    )
    found = ablation.run(some, few, options, tmp_path, trainer=Trainer(train, "recipe"))
    assert trained == [
        ("instruct.mixture.clip=1.0", "instruct.mixture.event=0.0", "instruct.mixture.video=0.0"),
        ("instruct.mixture.clip=1.0", "instruct.mixture.event=1.0", "instruct.mixture.video=1.0"),
    ]
    assert found.model == "trained" and set(found.cells[0].text) == {"clip", "event", "video"}
    again = ablation.run(some, few, options, tmp_path, trainer=Trainer(train, "recipe"))
    assert len(trained) == 2 and repr(again) == repr(found)
    rows = tables.study_table("mine", "3", to_json(found)).rows
    assert {("C+E+V", "paper"), ("mine, C+E+V", "ours")} <= {(row.method, row.source) for row in rows}
    # Another recipe is another model.
    ablation.run(
        dataclasses.replace(some, cells=some.cells[:1]), few, options, tmp_path, trainer=Trainer(train, "b")
    )
    assert len(trained) == 3
    with pytest.raises(InputError, match="--recipe"):
        ablation.run(some, few, options, tmp_path)


def test_keys_know_rows_spans_and_pixels(test_set, tmp_path):
    other = dataclasses.replace(test_set.rows[0], answer="Something else.")
    prints = {
        data_fingerprint(test_set),
        data_fingerprint(dataclasses.replace(test_set, rows=test_set.rows[1:])),
        data_fingerprint(dataclasses.replace(test_set, rows=(other, *test_set.rows[1:]))),
    }
    assert len(prints) == 3


def test_studies_have_the_papers_cells():
    names = [cell.name for cell in ablation.levels().cells]
    assert names == ["C", "E", "V", "C+E", "C+V", "E+V", "C+E+V"]
    four = ablation.samplers()
    assert [cell.published for cell in four.cells][:4] == [
        "top-k, N = 8",
        "uniform, N = 8",
        "ATS, N = 8",
        None,
    ]
    assert four.cells[-1].sampler == SamplerConfig(method="event-first", num_frames=32, tau=0.1)
    assert ablation.lora_rank((8,)).cells[0].training == (
        "instruct.adaptation.rank=8", "instruct.adaptation.alpha=16.0",
    )  # fmt: skip
    for bad in (
        lambda: ablation.samplers(("best",)),
        lambda: ablation.frames(frames=(0,)),
        lambda: ablation.lora_rank((0,)),
    ):
        with pytest.raises(InputError):
            bad()
    assert json.dumps(to_json(four))
