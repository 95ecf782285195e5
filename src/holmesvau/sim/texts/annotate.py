"""From what happened to a `VideoAnnotation` (paper §3.2): events cut into clips, each with its texts.

An anomalous video's events are its anomalies; a normal one's are stretches sampled at several
granularities. All texts are drawn from `rng` and from nothing but what was staged, so that none contradicts
the pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from holmesvau.hivau.schema import EventAnnotation, VideoAnnotation
from holmesvau.sim.scripts.truth import Beat, Happening
from holmesvau.sim.texts.grammar import Teller, sentence
from holmesvau.types import Clip, Span

KINDS = {
    "Abuse": "abuse", "Arrest": "an arrest", "Arson": "arson", "Assault": "an assault",
    "Burglary": "a burglary", "Explosion": "an explosion", "Fall": "a fall", "Fighting": "fighting",
    "Riot": "a riot", "RoadAccidents": "a road accident", "Robbery": "a robbery",
    "Shooting": "a shooting", "Shoplifting": "shoplifting", "Stealing": "stealing", "Vandalism": "vandalism",
}  # fmt: skip
# A clip of an event is cut where it is longer, so that clips stay clips.
LONGEST_CLIP = 12.0


@dataclass(frozen=True)
class Footage:
    """What a text may know of the video as a whole: its length, where and when it plays, who is seen.

    `anybody` tells whether the camera sees a person or a vehicle in a span.
    """

    name: str
    num_frames: int
    fps: float
    here: str
    when: str
    anybody: Callable[[Span], bool]

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.num_frames / self.fps


def annotate(
    footage: Footage, anomalies: Sequence[Happening], ordinary: Sequence[Happening], rng: np.random.Generator
) -> VideoAnnotation:
    """The annotation of a video in which these things happen, all of them within its length."""
    if anomalies:
        ordered = sorted(anomalies, key=lambda happening: happening.start)
        events = tuple(_event(footage, happening, rng) for happening in ordered)
        parts = _video_parts(footage, ordered, rng)
        labels = tuple(dict.fromkeys(happening.label for happening in ordered))
    else:
        events = _calm_events(footage, ordinary, rng)
        parts = _calm_parts(footage, ordinary, Span(0.0, footage.duration), rng, "video", 4)
        labels = ()
    return VideoAnnotation(
        name=footage.name,
        n_frames=footage.num_frames,
        fps=footage.fps,
        labels=labels,
        events=events,
        summary=" ".join(part for part in parts if part),
        judgement=parts[0],
        description=parts[1],
        analysis=parts[2],
    )


Parts = tuple[str, str, str]


def _rounded(start: float, end: float) -> Span:
    return Span(round(start, 3), round(end, 3))


def _event(footage: Footage, happening: Happening, rng: np.random.Generator) -> EventAnnotation:
    teller = Teller(rng)
    judgement = sentence(_judged([happening.label], "part of the video", teller))
    description = _told(happening, teller, where=footage.here if teller.pick(True, False) else "")
    analysis = _explained(happening, Teller(rng))
    clips = [clip for beat in happening.beats for clip in _clips(happening, beat, rng)]
    return EventAnnotation(
        span=_rounded(happening.start, happening.end),
        clips=tuple(clips),
        summary=f"{judgement} {description} {analysis}",
        judgement=judgement,
        description=description,
        analysis=analysis,
    )


def _clips(happening: Happening, beat: Beat, rng: np.random.Generator) -> list[Clip]:
    """The beat as one clip, or as several of random length where it is long."""
    cuts = [beat.start]
    while beat.end - cuts[-1] > LONGEST_CLIP:
        cuts.append(cuts[-1] + float(rng.uniform(0.4, 0.9)) * LONGEST_CLIP)
    cuts.append(beat.end)
    return [
        Clip(_rounded(start, end), sentence(Teller(rng).clause(happening, Teller(rng).pick(*beat.texts))))
        for start, end in pairwise(cuts)
        if round(end, 3) > round(start, 3)
    ]


def _judged(labels: Sequence[str], scope: str, teller: Teller) -> str:
    kinds = _listed([KINDS[label] for label in dict.fromkeys(labels)])
    if len(set(labels)) > 1:
        return teller.pick(
            f"anomalies exist in this {scope}: {kinds}",
            f"this {scope} is abnormal, because it shows {kinds}",
            f"yes, there are anomalies in this {scope}, namely {kinds}",
        )
    return teller.pick(
        f"an anomaly exists in this {scope}: {kinds}",
        f"there is an anomaly in this {scope}, namely {kinds}",
        f"this {scope} is abnormal: it shows {kinds}",
        f"yes, this {scope} shows an anomaly, namely {kinds}",
        f"the anomaly exists, specifically {kinds}",
    )


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + f" and {words[-1]}"


def _told(happening: Happening, teller: Teller, where: str = "") -> str:
    """The beats one after another, in their order."""
    links = ["Then ", "After that, ", "Next, ", "A moment later, "]
    links = [links[k] for k in teller.rng.permutation(len(links))]
    last = teller.pick("Finally, ", "In the end, ", "Afterwards, ")
    said = []
    for number, beat in enumerate(happening.beats):
        clause = teller.clause(happening, teller.pick(*beat.texts))
        if number == 0:
            placed = any(happening.words[word] in clause for word in ("at", "here"))
            lead = f"{where}, " if where and not placed else ""
        elif number == len(happening.beats) - 1:
            lead = last
        else:
            lead = links[(number - 1) % len(links)]
        said.append(sentence(lead + clause))
    return " ".join(said)


def _explained(happening: Happening, teller: Teller, count: int = 2) -> str:
    order = teller.rng.permutation(len(happening.reasons))[:count]
    first, *more = [teller.clause(happening, happening.reasons[k]) for k in sorted(order)]
    lead = teller.pick(
        "This is abnormal because ", "It is judged abnormal because ", "It stands out because "
    )
    links = ["Moreover, ", "Besides, ", "In addition, ", "What is more, "]
    turn = teller.rng.permutation(len(links))
    return " ".join(
        [sentence(lead + first), *(sentence(links[turn[k]] + said) for k, said in enumerate(more))]
    )


def _video_parts(footage: Footage, anomalies: Sequence[Happening], rng: np.random.Generator) -> Parts:
    teller = Teller(rng)
    judgement = sentence(_judged([happening.label for happening in anomalies], "video", teller))
    told = [
        sentence(
            f"the camera {teller.pick('shows what happens', 'records the scene')} "
            f"{footage.here}{footage.when}"
        )
    ]
    for number, happening in enumerate(anomalies):
        story = _told(happening, teller)
        if len(anomalies) > 1:
            lead = "At first, " if number == 0 else teller.pick("Later in the video, ", "Some time later, ")
            story = lead + story[0].lower() + story[1:]
        told.append(story)
    reasoner = Teller(rng)
    analysis = " ".join(
        _explained(happening, reasoner, 3 if len(anomalies) == 1 else 1) for happening in anomalies
    )
    return judgement, " ".join(told), analysis


def _calm_events(
    footage: Footage, ordinary: Sequence[Happening], rng: np.random.Generator
) -> tuple[EventAnnotation, ...]:
    """Stretches of a normal video at several granularities, none overlapping another."""
    duration = footage.duration
    number = 1 if duration < 30 else int(rng.integers(1, 3)) if duration < 120 else int(rng.integers(2, 4))
    slot = duration / number
    events = []
    for k in range(number):
        length = min(slot, 60.0) * float(rng.uniform(0.35, 0.95))
        start = k * slot + float(rng.uniform(0.0, slot - length))
        span = _rounded(start, start + length)
        parts = _calm_parts(footage, ordinary, span, rng, "part of the video", 3)
        clips = []
        for _ in range(int(rng.integers(1, 4))):
            share = float(rng.uniform(0.15, 0.6)) * span.duration
            begun = span.start + float(rng.uniform(0.0, span.duration - share))
            clip = _rounded(begun, begun + max(share, min(1.0, span.end - begun)))
            clip = Span(clip.start, min(clip.end, span.end))
            clips.append(Clip(clip, _seen(footage, ordinary, clip, Teller(rng), 2)))
        clips.sort(key=lambda clip: clip.span)
        events.append(EventAnnotation(span, tuple(clips), " ".join(parts[:2]), parts[0], parts[1], ""))
    return tuple(events)


def _calm_parts(
    footage: Footage,
    ordinary: Sequence[Happening],
    span: Span,
    rng: np.random.Generator,
    scope: str,
    most: int,
) -> Parts:
    teller = Teller(rng)
    judgement = teller.pick(
        f"No anomaly exists in this {scope}.", f"Nothing abnormal happens in this {scope}.",
        f"No, this {scope} shows no anomaly.", f"This {scope} is normal; there is no anomaly.",
    )  # fmt: skip
    lead = sentence(
        f"the camera {teller.pick('shows ordinary life', 'shows everyday life', 'records a usual scene')} "
        f"{footage.here}{footage.when}"
    )
    tail = teller.pick(
        "",
        " Everything takes its usual course.",
        " Nothing stands out.",
        " All of it is part of everyday life.",
    )
    return judgement, f"{lead} {_seen(footage, ordinary, span, teller, most)}{tail}", ""


def _seen(footage: Footage, ordinary: Sequence[Happening], span: Span, teller: Teller, most: int) -> str:
    """What ordinary things are seen in a span, the most telling ones in their order."""
    found: list[tuple[float, Happening, Beat]] = []
    for happening in ordinary:
        if happening.end <= span.start or happening.start >= span.end:
            continue
        for beat in happening.beats:
            shared = min(beat.end, span.end) - max(beat.start, span.start)
            part = shared / min(beat.end - beat.start, span.duration)
            if part > 0.5 and shared > 0.4:
                found.append((beat.weight * part, happening, beat))
    best = sorted(sorted(found, key=lambda item: -item[0])[:most], key=lambda item: item[2].start)
    if not best:
        if footage.anybody(span):
            return sentence(f"everyday life takes its course {footage.here}")
        nobody = teller.pick("nobody is to be seen", "nobody is in view", "no one is to be seen")
        return sentence(f"{nobody} {footage.here}")
    said, before = [], None
    for _, happening, beat in best:
        clause = teller.clause(happening, teller.pick(*beat.texts))
        if before is None:
            lead = ""
        elif beat.start < before.end - 1.0:
            lead = teller.pick("Meanwhile, ", "At the same time, ")
        else:
            lead = teller.pick("Then ", "After that, ", "Later, ")
        said.append(sentence(lead + clause))
        before = beat
    return " ".join(said)
