"""The tree of a video as flat rows, one for each video, event and clip: what tables hold.

A row of any level repeats what is known of its video, so that each level can be used by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields

from holmesvau.errors import InputError
from holmesvau.hivau.formats.protocol import Annotations
from holmesvau.hivau.schema import EventAnnotation, Level, VideoAnnotation
from holmesvau.types import Clip, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One video, event or clip. `event` and `clip` count from 0 and are None above their level.

    `start` and `end` are seconds; of a video, 0 and its length, or None where that is unknown. `caption` is a
    clip's text, the other texts belong to events and videos.
    """

    video: str
    level: Level
    event: int | None = None
    clip: int | None = None
    start: float | None = None
    end: float | None = None
    labels: tuple[str, ...] = ()
    n_frames: int = 0
    fps: float = 0.0
    caption: str = ""
    summary: str = ""
    judgement: str = ""
    description: str = ""
    analysis: str = ""


COLUMNS = tuple(field.name for field in fields(Row))
TEXTS = COLUMNS[COLUMNS.index("caption") :]


def flatten(annotations: Annotations) -> Iterator[Row]:
    """Each video, then each of its events followed by the event's clips."""
    for video in annotations.values():
        of = {
            "video": video.name,
            "labels": video.labels,
            "n_frames": video.n_frames,
            "fps": video.fps,
        }
        end = video.duration
        yield Row(**of, level="video", start=0.0 if end is not None else None, end=end, **_texts(video))  # type: ignore[arg-type]
        for number, event in enumerate(video.events):
            start, end = event.span
            yield Row(**of, level="event", event=number, start=start, end=end, **_texts(event))  # type: ignore[arg-type]
            for which, clip in enumerate(event.clips):
                start, end = clip.span
                yield Row(
                    **of,  # type: ignore[arg-type]
                    level="clip",
                    event=number,
                    clip=which,
                    start=start,
                    end=end,
                    caption=clip.caption,
                )


def _texts(of: VideoAnnotation | EventAnnotation) -> dict[str, str]:
    return {
        "summary": of.summary,
        "judgement": of.judgement,
        "description": of.description,
        "analysis": of.analysis,
    }


def gather(rows: Iterable[tuple[str, Row]]) -> dict[str, VideoAnnotation]:
    """The trees that rows, each with a word on where it stands, are of; rows may come in any order.

    A video without a row of its own takes what its first row says of it.

    Raises:
        InputError: when a row stands twice, its event is missing, or numbers have gaps.
    """
    found: dict[str, dict[tuple[int | None, int | None], tuple[str, Row]]] = {}
    for where, row in rows:
        nodes = found.setdefault(row.video, {})
        key = (row.event, row.clip)
        if key in nodes:
            raise InputError(f"{where}: the same {row.level} of {row.video} stands at {nodes[key][0]}.")
        nodes[key] = (where, row)
    return {name: _video(name, nodes) for name, nodes in found.items()}


def _video(name: str, nodes: dict[tuple[int | None, int | None], tuple[str, Row]]) -> VideoAnnotation:
    own = nodes.get((None, None), next(iter(nodes.values())))[1]
    is_own = own.level == "video"
    clips: dict[int, dict[int, tuple[str, Row]]] = {}
    for (event, clip), (where, row) in nodes.items():
        if clip is not None:
            if event is None or (event, None) not in nodes:
                raise InputError(f"{where}: a clip of event {event} of {name}, which has no row.")
            clips.setdefault(event, {})[clip] = (where, row)
    events = {event: at for (event, clip), at in nodes.items() if event is not None and clip is None}
    return VideoAnnotation(
        name,
        own.n_frames,
        own.fps,
        own.labels,
        tuple(
            EventAnnotation(
                _span(*at),
                tuple(
                    Clip(_span(*below), below[1].caption)
                    for below in _in_order(clips.get(number, {}), f"clips of event {number} of {name}")
                ),
                **_row_texts(at[1]),
            )
            for number, at in enumerate(_in_order(events, f"events of {name}"))
        ),
        **(_row_texts(own) if is_own else {}),
    )


def _row_texts(row: Row) -> dict[str, str]:
    return {
        "summary": row.summary,
        "judgement": row.judgement,
        "description": row.description,
        "analysis": row.analysis,
    }


def _in_order(numbered: dict[int, tuple[str, Row]], what: str) -> list[tuple[str, Row]]:
    missing = set(range(len(numbered))) - numbered.keys()
    if missing:
        raise InputError(f"The {what} have no number {min(missing)}: they are counted from 0 without gaps.")
    return [numbered[number] for number in range(len(numbered))]


def _span(where: str, row: Row) -> Span:
    if row.start is None or row.end is None:
        raise InputError(f"{where}: the {row.level} has no start and end in seconds.")
    try:
        return Span(row.start, row.end)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
