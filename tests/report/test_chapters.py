"""Chapters in every form of a report."""

from __future__ import annotations

import csv
import io
import re

import pytest

from holmesvau.errors import InputError
from holmesvau.report import chapter_lines, from_json, to_json, told_lines, write
from holmesvau.report.html import to_html
from holmesvau.report.subtitles import to_chapters_vtt, to_srt, to_vtt
from holmesvau.report.tables import CHAPTER_COLUMNS, chapters_csv, events_csv
from holmesvau.types import Chapter, Report, Span, Summary
from tests.report import examples


@pytest.fixture(scope="module")
def report() -> Report:
    return examples.two_hours()


def nested() -> Report:
    """Two chapters, the second of two parts."""
    told = Summary("Yes.", "A burglary, then a fire.", "")
    parts = (Chapter(Span(24, 60), (0,), Summary("", examples.HOSTILE)), Chapter(Span(60, 101), (1,)))
    chapters = (Chapter(Span(0, 24), (), Summary("", "=calm()")), Chapter(Span(24, 101), (0, 1), told, parts))
    return examples.report(
        events=(examples.event(31, 48, label="Burglary"), examples.event(64, 79)), chapters=chapters
    )


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_json_keeps_the_tree_and_a_document_without_chapters_is_read() -> None:
    document = to_json(nested())
    assert set(document["chapters"][1]["chapters"][0]) == {
        *("start", "end", "events", "judgement", "description", "analysis", "composed", "chapters")
    }
    again = from_json(document)
    assert again.chapters == nested().chapters and to_json(again) == document
    assert [leaf.span.start for leaf in again.chapters[1].leaves()] == [24, 60]
    del document["chapters"]
    assert from_json(document).chapters == ()


def test_a_chapter_of_an_event_that_is_not_there_is_refused() -> None:
    document = to_json(nested())
    document["chapters"][1]["chapters"][1]["events"] = [2]
    with pytest.raises(InputError, match="a chapter names event 2, but there are 2 events"):
        from_json(document)
    document["chapters"][1]["chapters"][1]["events"] = "all"
    with pytest.raises(InputError, match=r"chapters\[1\]\.chapters\[1\]\.events = 'all'"):
        from_json(document)


def test_chapters_are_a_track_for_a_players_menu() -> None:
    assert to_chapters_vtt(nested()) == (
        "WEBVTT\n\n"
        "chapter-1\n00:00:00.000 --> 00:00:24.000\ncalm\n\n"
        "chapter-2\n00:00:24.000 --> 00:01:41.000\n2 events: Burglary\n"
    )
    assert to_chapters_vtt(examples.report()) == "WEBVTT\n"


def test_subtitles_show_a_chapters_heading_for_its_first_seconds() -> None:
    blocks = to_vtt(nested()).rstrip("\n").split("\n\n")[1:]
    assert [block.split("\n")[0] for block in blocks] == ["chapter-1", "chapter-2", "event-1", "event-2"]
    assert blocks[1] == "chapter-2\n00:00:24.000 --> 00:00:29.000\nChapter 2: 2 events: Burglary"
    assert "2\n00:00:24,000 --> 00:00:29,000\nChapter 2" in to_srt(nested())


def test_tables_number_the_chapters_and_say_where_an_event_lies() -> None:
    table = rows(chapters_csv(nested()))
    assert tuple(table[0]) == CHAPTER_COLUMNS
    assert [row["chapter"] for row in table] == ["c1", "c2", "c2.1", "c2.2"]
    assert [row["events"] for row in table] == ["", "1 2", "1", "2"]
    assert table[0]["description"] == "'=calm()" and table[1]["title"] == "2 events: Burglary"
    assert [row["chapter"] for row in rows(events_csv(nested()))] == ["c2.1", "c2.2"]
    assert rows(events_csv(examples.full()))[0]["chapter"] == ""


def test_page_lists_the_chapters_with_their_events(report: Report, tmp_path) -> None:
    page = to_html(report, tmp_path)
    shown = re.findall(r'<li class="(chapter[^"]*)" id="chapter-([\d.]+)"', page)
    assert [name for _, name in shown] == [str(n) for n in range(1, len(report.chapters) + 1)]
    assert [kind == "chapter calm" for kind, _ in shown] == [not c.events for c in report.chapters]
    links = [int(n) for n in re.findall(r'<a href="#event-(\d+)" class="number">', page)]
    assert links == list(range(1, len(report.events) + 1)), "each event belongs to one chapter"
    assert "<h2>Chapters" not in to_html(examples.full(), tmp_path)


def test_hostile_words_of_a_chapter_make_no_element_of_their_own(tmp_path) -> None:
    page = to_html(nested(), tmp_path)
    assert page.count("<script") == 2 and "<img src=x" not in page and "onerror=&quot;" in page
    assert 'id="chapter-2.1"' in page and "<summary>In 2 parts</summary>" in page


def test_terminal_lines_and_files(report: Report, tmp_path) -> None:
    assert chapter_lines(nested()) == ["0:00–0:24  calm", "0:24–1:41  2 events: Burglary"]
    assert chapter_lines(examples.full()) == []
    written = write(report, tmp_path, formats=("chapters-vtt", "chapters-csv"))
    assert {path.name for path in written.values()} == {"chapters.vtt", "chapters.csv"}
    assert written["chapters-vtt"].read_text().count("-->") == len(report.chapters)


def test_terminal_is_told_every_level_where_no_file_keeps_it(report: Report) -> None:
    assert told_lines(examples.full()) == [
        "Yes. A burglary at night.",
        "0:31–0:48 Burglary: Yes, a burglary. A man forces a door. He has no key.",
        "  0:31–0:40: A man at a door.",
        "  0:40–0:48: The door stands open.",
    ]
    lines = told_lines(report)
    assert len(lines) == 1 + len(report.chapters) + len(report.events)
    assert lines[1].startswith("0:00–12:46  calm: People walk across the square")
    assert lines[3].startswith("  13:01–13:16 RoadAccidents: Yes")
    assert told_lines(examples.report(events=(examples.event(1, 2),))) == []
