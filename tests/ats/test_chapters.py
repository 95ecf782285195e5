from itertools import pairwise

import numpy as np
import pytest

from holmesvau.ats.chapters import ChaptersConfig, find_chapters
from holmesvau.errors import ConfigError
from holmesvau.types import Chapter, Span

HOUR, DAY = 3600.0, 86_400.0


def events(count: int, seconds: float, seed: int = 0) -> list[Span]:
    rng = np.random.default_rng(seed)
    found: list[Span] = []
    for start in np.sort(rng.uniform(0, seconds - 31, count)).tolist():
        if not found or start > found[-1].end + 2:
            found.append(Span(start, start + float(rng.uniform(2, 30))))
    return found


def check(chapters: tuple[Chapter, ...], whole: Span, spans: list[Span], most: int, depth: int = 1) -> int:
    """Every level covers what is above it, cuts no event, and is small enough; returns the depth."""
    assert 2 <= len(chapters) <= most
    assert chapters[0].span.start == whole.start and chapters[-1].span.end == whole.end
    assert all(a.span.end == b.span.start for a, b in pairwise(chapters))
    deepest = depth
    for chapter in chapters:
        assert chapter.span.duration > 0
        for number in chapter.events:
            assert chapter.span.start <= spans[number].start and spans[number].end <= chapter.span.end
        if chapter.chapters:
            assert sum((finer.events for finer in chapter.chapters), ()) == chapter.events
            deepest = max(deepest, check(chapter.chapters, chapter.span, spans, most, depth + 1))
        else:
            assert len(chapter.events) <= most
    return deepest


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("count", "seconds"), [(3, 600), (20, HOUR), (34, 2 * HOUR), (5, DAY), (400, DAY)])
def test_chapters_cover_the_video_cut_no_event_and_are_few(count: int, seconds: float, seed: int) -> None:
    spans = events(count, seconds, seed)
    changes = np.random.default_rng(seed).uniform(0, seconds, 50).tolist()
    chapters = find_chapters(Span(0, seconds), spans, changes)
    depth = check(chapters, Span(0, seconds), spans, 12)
    assert sum((chapter.events for chapter in chapters), ()) == tuple(range(len(spans)))
    assert depth >= 2 if count == 400 else depth <= 2


def test_what_stands_out_has_a_chapter_of_its_own_with_a_little_time_around_it() -> None:
    chapters = find_chapters(Span(0, HOUR), [Span(1500, 1520), Span(1540, 1560)])
    told = [chapter for chapter in chapters if chapter.events]
    assert [chapter.events for chapter in told] == [(0, 1)]
    assert told[0].span == Span(1485, 1575)
    assert all(not chapter.events for chapter in chapters if chapter is not told[0])


def test_chapters_begin_where_the_view_changes() -> None:
    # At 1,000 s another camera comes; at 1,490 s and 1,510 s the picture changes beside and in an event.
    chapters = find_chapters(Span(0, HOUR), [Span(1500, 1520)], [1000, 1490, 1510])
    assert [chapter.span.start for chapter in chapters][:3] == [0, 500, 1000]
    (told,) = [chapter for chapter in chapters if chapter.events]
    assert told.span.start == 1490 and told.span.end == 1535


def test_a_long_calm_between_events_is_kept_and_a_short_one_is_joined() -> None:
    spans = [Span(60.0 * n, 60.0 * n + 10) for n in range(1, 14)] + [Span(3000, 3010)]
    chapters = find_chapters(Span(0, HOUR), spans)
    assert sum(chapter.span.duration for chapter in chapters if not chapter.events) > 2500
    assert chapters[-2].events == (13,) and chapters[-2].span.duration < 60


def test_events_on_top_of_one_another_are_cut_again() -> None:
    spans = [Span(1000.0 + 4 * n, 1000.0 + 4 * n + 1.5) for n in range(40)]
    chapters = find_chapters(Span(0, HOUR), spans)
    assert check(chapters, Span(0, HOUR), spans, 12) >= 2


def test_a_calm_day_is_cut_evenly_and_a_short_video_not_at_all() -> None:
    calm = find_chapters(Span(0, DAY), [])
    assert [chapter.span for chapter in calm] == [Span(DAY / 4 * n, DAY / 4 * (n + 1)) for n in range(4)]
    assert find_chapters(Span(0, 599), [Span(10, 20)]) == ()
    assert find_chapters(Span(0, 599), [Span(10, 20)], config=ChaptersConfig(from_seconds=300))
    (whole,) = find_chapters(Span(0, 700), [Span(0, 700)])
    assert whole.events == (0,) and whole.span == Span(0, 700)


def test_thousands_of_cuts_and_events_take_no_time() -> None:
    spans = events(4000, DAY)
    chapters = find_chapters(Span(0, DAY), spans, list(np.arange(0, DAY, 3.0)))
    assert check(chapters, Span(0, DAY), spans, 12) <= 4


@pytest.mark.parametrize("given", [{"most": 1}, {"from_seconds": 0}])
def test_unusable_settings_are_refused(given: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="Chapters"):
        ChaptersConfig(**given)
