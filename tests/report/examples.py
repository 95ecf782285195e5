"""Reports made by hand, with figures that are known."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from holmesvau import composed
from holmesvau.ats.chapters import find_chapters
from holmesvau.types import (
    AnomalyCurve,
    Answer,
    Chapter,
    Clip,
    Event,
    Report,
    Selection,
    Span,
    Summary,
    VideoInfo,
)

HOSTILE = (
    '</script><script>window.hacked=1</script> <img src=x onerror="window.hacked=1"> '
    "--> \"quoted\" 'x' \u5355\u53f7 é"
    "\n\n1\n=1+1 {\\an8} $title"
)
STRIDE = 0.5


def picture(shade: int = 90) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 36), (shade, 120, 160)).save(out, "JPEG")
    return out.getvalue()


def event(start: float, end: float, peak_score: float = 0.64, **parts: object) -> Event:
    return Event(Span(start, end), (start + end) / 2, peak_score, peak_score - 0.1, **parts)  # type: ignore[arg-type]


def report(
    *,
    path: str = "camera.mp4",
    num_scores: int = 202,
    events: tuple[Event, ...] = (),
    chosen: int = 8,
    pictures: bool = True,
    **parts: object,
) -> Report:
    """`num_scores` dense frames half a second apart, at 0.1 outside events and at their peak inside."""
    seconds = np.arange(num_scores) * STRIDE
    scores = np.full(num_scores, 0.1, np.float32)
    for each in events:
        scores[(seconds >= each.span.start) & (seconds < each.span.end)] = each.peak_score
    index = np.arange(num_scores, dtype=np.int64) * 15
    rows = np.linspace(0, num_scores - 1, chosen).astype(np.int64)
    video = VideoInfo(path, num_scores * STRIDE, 30.0, num_scores * 15, 640, 360, "h264", start_seconds=0.04)
    return Report(
        video=video,
        curve=AnomalyCurve(seconds, scores, index, STRIDE, "novelty"),
        selection=Selection(index[rows], seconds[rows], "event-first"),
        events=events,
        summary=parts.pop("summary", Summary()),  # type: ignore[arg-type]
        thumbnails=tuple(picture(10 * n) for n in range(chosen)) if pictures else (),
        **parts,  # type: ignore[arg-type]
    )


def full() -> Report:
    """A report in which every field is filled."""
    clips = (Clip(Span(31, 40), "A man at a door."), Clip(Span(40, 48), "The door stands open."))
    told = Summary("Yes, a burglary.", "A man forces a door.", "He has no key.")
    return report(
        events=(event(31, 48, label="Burglary", summary=told, clips=clips), event(64, 79, 0.58)),
        summary=Summary("Yes.", "A burglary at night.", ""),
        answers=(
            Answer(
                "What does he carry?",
                "A bag.",
                Span(31, 48),
                Selection(np.array([930]), np.array([31.0]), "topk"),
                "tiny",
            ),
            Answer("Who is he?", "Unknown."),
        ),
        model={"name": "tiny", "parameters": np.int64(135_000_000)},
        config={"sampler": {"tau": 0.1}, "scan": {"every": 16}},
        timing={"decode": 1.23456, "total": 4.0},
        warnings=("2 frames were lost.",),
    )


def hostile() -> Report:
    """Every text that comes from outside tries to break out of its place."""
    told = Summary(HOSTILE, HOSTILE, HOSTILE)
    return report(
        path=f"dir/{HOSTILE.replace('/', '_')}.mp4",
        events=(
            event(10, 20, label=HOSTILE, summary=told, clips=(Clip(Span(10, 12), HOSTILE),)),
            event(30, 30),
        ),
        summary=told,
        answers=(Answer(HOSTILE, HOSTILE),),
        model={HOSTILE: HOSTILE},
        config={HOSTILE: HOSTILE},
        warnings=(HOSTILE,),
    )


ACTS = {
    "Fighting": (
        "Two men push each other beside the kiosk until one of them falls.",
        "Nobody is attacked so.",
    ),
    "Stealing": ("A woman takes a bag from the bench and walks off with it.", "The bag is not hers."),
    "RoadAccidents": ("A van runs into a parked car and stops.", "Vehicles do not touch in normal traffic."),
    "": ("Several people run across the square at once.", ""),
}


def two_hours(told: bool = True) -> Report:
    """Two hours of a curve with noise and 34 events, cut into chapters and told in the events' own words."""
    rng = np.random.default_rng(8)
    seconds = np.arange(2 * 7200) * STRIDE
    scores = np.clip(0.12 + 0.04 * rng.standard_normal(len(seconds)), 0, 1)
    starts = np.sort(np.concatenate([rng.uniform(600, 3000, 12), rng.uniform(4200, 6900, 22)]))
    events: list[Event] = []
    for start in starts.tolist():
        end = start + float(rng.uniform(3, 40))
        if events and start < events[-1].span.end + 2:
            continue
        score = float(rng.uniform(0.5, 0.95))
        inside = (seconds >= start) & (seconds < end)
        scores[inside] = score + 0.05 * rng.standard_normal(int(inside.sum()))
        label = list(ACTS)[int(rng.integers(len(ACTS)))]
        does, why = ACTS[label]
        summary = Summary(f"Yes: {label}." if label else "Yes, an anomaly.", does, why) if told else Summary()
        events.append(event(start, end, score, label=label if told else "", summary=summary))
    calm = "People walk across the square; a few sit on the benches, and nothing else happens."
    made = report(path="square.mp4", num_scores=len(seconds), events=tuple(events), chosen=16)
    chapters = find_chapters(Span(0, 7200), [each.span for each in events])

    def worded(chapter: Chapter) -> Chapter:
        finer = tuple(worded(part) for part in chapter.chapters)
        words = composed.of_events([events[n] for n in chapter.events])
        summary = words if chapter.events else Summary(description=calm)
        return replace(chapter, summary=summary, chapters=finer, composed=bool(chapter.events))

    curve = AnomalyCurve(
        seconds, np.clip(scores, 0, 1).astype(np.float32), made.curve.index, STRIDE, "novelty"
    )
    if not told:
        return replace(made, curve=curve, chapters=chapters)
    whole = composed.of_events(events)
    note = (
        "The words on 9 chapters and the whole video are put together from those on the events, because tiny "
        "does not summarise texts."
    )
    return replace(made, curve=curve, chapters=tuple(map(worded, chapters)), summary=whole, warnings=(note,))
