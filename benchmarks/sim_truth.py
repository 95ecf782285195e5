"""Does the simulator's truth agree with its pixels? Answered from decoded MP4 files and the truth file alone.

    holmesvau sim generate OUT -n 200 --seed 1 --split test
    python benchmarks/sim_truth.py OUT --split test [--split train] [--json results.json]

Nothing of the simulator is imported. From the pixels come, for every frame: what moves and stays in one
place, what burns (warm or glaring where the empty place is not), what flashes for a moment, what stands out
from the empty place, the largest blob that is not upright, and bright vests. Each event's stated spans are
asked whether they hold what their class promises. The same question is put to null spans, for which nothing
is promised: the same span moved to calm parts of the same video and of four others
(of the same kind of scene first). `AUC` is how often a
true span's value is above a null one's (0.5: the check says nothing), `found` the share of events above 95 %
of the null spans. `bounds` are measured beginnings of flashes, blasts and fires against the stated ones.

Shape legend: `T` frames, `K` frames kept (two a second), `H W` pictures of 120 by 160 pixels, `R C` their 30
by 40 blocks.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
# Kept for every frame of every video: half precision is enough for grey levels.
Halves = npt.NDArray[np.float16]
Picture = npt.NDArray[np.uint8]
Event = dict[str, Any]
SIZE = (160, 120)
BLOCKS = (40, 30)
# Rows above which a clock counts on while nothing happens.
CLOCK = 11
# Seconds that a stated bound may be off.
SLACK = 0.5


@dataclass(frozen=True)
class Seen:
    """What the pixels of one video show, frame by frame.

    `motion[T, R, C]` mean grey levels of change in a fifth of a second, a jolt of the whole camera taken off;
    `sweep[T]` the share of the picture that changes in that time; `burning[T, R, C]` the share that is hot,
    `flash[T]` brighter than both 0.3 s before and after, `there[T]` apart from the empty place, `low[T]`
    covered by the largest blob that is not upright, `vests[T]` of a bright yellow; `kept[K, H, W]` grey
    pictures, two a second.
    """

    fps: float
    motion: Halves
    sweep: Floats
    burning: Halves
    flash: Floats
    there: Floats
    low: Floats
    vests: Floats
    kept: Picture

    def frames(self, start: float, end: float) -> slice:
        """The frames of `[start, end)` seconds, at least one."""
        first = min(len(self.sweep) - 1, max(0, round(start * self.fps)))
        return slice(first, max(first + 1, round(end * self.fps)))

    def place(self, start: float, end: float) -> Floats:
        """`[H, W]`: how the place looks between two times."""
        first = min(len(self.kept) - 1, max(0, round(start * 2)))
        shown: Floats = np.median(self.kept[first : max(first + 1, round(end * 2))], axis=0)
        return shown


def look(path: Path) -> Seen:
    """Decode a video and measure it."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        fps = float(stream.average_rate or 15)
        pictures = (frame.to_ndarray(format="rgb24") for frame in container.decode(stream))
        frames = np.stack([cv2.resize(p, SIZE, interpolation=cv2.INTER_AREA) for p in pictures])
    frames[:, :CLOCK] = 0
    empty = np.median(frames[:: max(1, len(frames) // 60)], axis=0).astype(np.uint8)
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
    step, wait = max(1, round(fps / 5)), max(2, round(0.3 * fps))
    motion, sweep = _moving(grey, step)
    apart = [_apart(frame, empty) for frame in frames]
    return Seen(
        fps=fps,
        motion=motion,
        sweep=sweep,
        burning=_burning(frames, empty),
        flash=np.array([_flash(grey, t, wait) for t in range(len(grey))]),
        there=np.array([mask.mean() for mask in apart]),
        low=np.array([_low(mask) for mask in apart]),
        vests=np.array([_vests(frame, mask) for frame, mask in zip(frames, apart, strict=True)]),
        kept=grey[:: max(1, round(fps / 2))],
    )


def _moving(grey: Picture, step: int) -> tuple[Halves, Floats]:
    motion = np.zeros((len(grey), BLOCKS[1], BLOCKS[0]), np.float16)
    sweep = np.zeros(len(grey))
    for t in range(step, len(grey)):
        change = cv2.absdiff(grey[t], grey[t - step])
        blocks = cv2.resize(change.astype(np.float32), BLOCKS, interpolation=cv2.INTER_AREA)
        # Two blocks wide, as limbs swing to and fro.
        motion[t] = cv2.blur(blocks, (3, 3)) - np.median(blocks)
        sweep[t] = (change > 24).mean()
    return motion, sweep


def _apart(frame: Picture, empty: Picture) -> Picture:
    mask = (cv2.absdiff(frame, empty).max(2) > 30).astype(np.uint8)
    closed: Picture = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    return closed


def _burning(frames: Picture, empty: Picture) -> Halves:
    """`[T, R, C]`: the share of each block that is hot, or glares where colours are lost (infrared)."""
    shades = empty.astype(np.int16)
    colourful = np.abs(shades - shades.mean(2, keepdims=True)).mean() > 2.0
    values = np.zeros((len(frames), BLOCKS[1], BLOCKS[0]), np.float16)
    for t, frame in enumerate(frames):
        red, green, blue = (frame[..., k].astype(np.int16) for k in range(3))
        brighter = frame.max(2).astype(np.int16) - empty.max(2)
        if colourful:
            hot = (red > 130) & (red - blue > 70) & (red - green > 12) & (brighter > 25)
        else:
            hot = (red > 170) & (brighter > 60)
        values[t] = cv2.resize(hot.astype(np.float32), BLOCKS, interpolation=cv2.INTER_AREA)
    return values


def _flash(grey: Picture, t: int, wait: int) -> float:
    if not wait <= t < len(grey) - wait:
        return 0.0
    calm = np.maximum(grey[t - wait], grey[t + wait])
    return float((cv2.subtract(grey[t], calm) > 28).mean())


def _low(mask: Picture) -> float:
    """The area of the largest blob at least 0.9 times as wide as tall: people who stand are half as wide."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    areas = [area for _, _, wide, high, area in stats[1:].tolist() if area >= 16 and wide >= 0.9 * high]
    return max(areas, default=0) / mask.size


def _vests(frame: Picture, mask: Picture) -> float:
    red, green, blue = (frame[..., k].astype(np.int16) for k in range(3))
    bright = (green > 85) & (green - blue > 45) & (green >= red - 5) & (red - blue > 35)
    return float((bright & (mask > 0)).mean())


# What a class promises of an event: a number that is large where the promise is kept.


def stays_put(seen: Seen, event: Event) -> float:
    """How strongly one place keeps moving for most of the act: walkers leave a place within a second."""
    return max(
        float(np.quantile(seen.motion[seen.frames(a, b)].astype(np.float32), 0.4, axis=0).max())
        for a, b in _acts(event)
    )


def burns(seen: Seen, event: Event) -> float:
    """How many blocks stay hot from the act on, beyond those that are so in as long a time before."""
    start, end = _acts(event)[-1][0], event["end"]
    length = min(end - start, event["start"])
    before = 0.0
    if length > 0.5:
        before = float(_hot(seen, event["start"] - length, event["start"]).sum())
    return float(_hot(seen, start, end).sum()) - before


def _hot(seen: Seen, start: float, end: float) -> Floats:
    """`[R, C]`: the share of each block that is hot for two fifths of the time: warm clothes move on."""
    hot: Floats = np.quantile(seen.burning[seen.frames(start, end)].astype(np.float32), 0.6, axis=0)
    return hot


def flashes(seen: Seen, event: Event) -> float:
    """The largest momentary flash of the act."""
    return max(float(seen.flash[seen.frames(a, b)].max()) for a, b in _acts(event))


def sweeps(seen: Seen, event: Event) -> float:
    """How much of the picture changes at once as the act begins."""
    start = _acts(event)[0][0]
    return float(seen.sweep[seen.frames(start - 0.2, start + 1.5)].max())


def stops(seen: Seen, event: Event) -> float:
    """How much more moves around the impact than when it is over."""
    start = _acts(event)[0][0]
    impact = float(np.quantile(seen.sweep[seen.frames(start - 0.8, start + 0.6)], 0.8))
    return impact - float(np.median(seen.sweep[seen.frames(start + 2.0, event["end"])]))


def lies(seen: Seen, event: Event) -> float:
    """How large a blob that is not upright is there after the act beyond what was there before the event."""
    down = _acts(event)[-1][1]
    after = seen.low[seen.frames(down, down + 0.6 * (event["end"] - down))]
    before = seen.low[seen.frames(event["start"] - 4.0, event["start"])]
    return float(np.median(after) - np.median(before))


def comes(seen: Seen, event: Event) -> float:
    """How much more stands out from the empty place in the act than in the four seconds before the event."""
    (start, _), (_, end) = _acts(event)[0], _acts(event)[-1]
    before = seen.there[seen.frames(event["start"] - 4.0, event["start"])]
    return float(np.median(seen.there[seen.frames(start, end)]) - np.median(before))


def makes_off(seen: Seen, event: Event) -> float:
    """How many blocks a second are crossed after the act, beyond those in as long a time before the event."""
    over = _acts(event)[-1][1]
    last = min(event["end"], over + 4.0)
    before = max(0.0, event["start"] - (last - over))
    after = _crossed(seen, over, last)
    return after - (_crossed(seen, before, event["start"]) if event["start"] - before > 0.5 else 0.0)


def _crossed(seen: Seen, start: float, end: float) -> float:
    touched = (seen.motion[seen.frames(start, end)] > 8.0).any(axis=0).sum()
    return float(touched) / max(0.5, end - start)


def lasts(seen: Seen, event: Event) -> float:
    """How different the place is afterwards around where the act stayed put."""
    (start, _), (_, end) = _acts(event)[0], _acts(event)[-1]
    busiest = np.quantile(seen.motion[seen.frames(start, end)].astype(np.float32), 0.4, axis=0)
    row, column = np.unravel_index(int(busiest.argmax()), busiest.shape)
    before = seen.place(event["start"] - 5.0, event["start"])
    after = seen.place(event["end"] + 0.5, event["end"] + 5.5)
    change = cv2.resize(np.abs(after - before).astype(np.float32), BLOCKS, interpolation=cv2.INTER_AREA)
    return float(change[max(0, row - 3) : row + 4, max(0, column - 3) : column + 4].max())


def vests(seen: Seen, event: Event) -> float:
    """How much bright yellow there is in the span beyond what was there before."""
    before = seen.vests[seen.frames(event["start"] - 4.0, event["start"])]
    inside = seen.vests[seen.frames(event["start"], event["end"])]
    return float(np.median(inside) - np.median(before))


def _acts(event: Event) -> list[tuple[float, float]]:
    return [(a, b) for phase, a, b in event["phases"] if phase == "act"] or [(event["start"], event["end"])]


Promise = Callable[[Seen, Event], float]
PROMISES: dict[str, dict[str, Promise]] = {
    "Abuse": {"stays put": stays_put},
    "Arrest": {"vests": vests, "stays put": stays_put, "makes off": makes_off},
    "Arson": {"burns": burns, "stays put": stays_put},
    "Assault": {"stays put": stays_put, "lies": lies, "makes off": makes_off},
    "Burglary": {"stays put": stays_put, "makes off": makes_off},
    "Explosion": {"burns": burns, "sweeps": sweeps, "lies": lies},
    "Fall": {"lies": lies},
    "Fighting": {"stays put": stays_put, "makes off": makes_off},
    "Riot": {"burns": burns, "stays put": stays_put, "comes": comes, "makes off": makes_off},
    "RoadAccidents": {"stops": stops, "sweeps": sweeps},
    "Robbery": {"stays put": stays_put, "makes off": makes_off},
    "Shooting": {"flashes": flashes, "lies": lies},
    "Shoplifting": {"stays put": stays_put, "makes off": makes_off},
    "Stealing": {"stays put": stays_put, "makes off": makes_off},
    "Vandalism": {"stays put": stays_put, "lasts": lasts, "makes off": makes_off},
}


def shifted(event: Event, seconds: float) -> Event:
    """The same spans, so much later."""
    return {
        **event,
        "start": event["start"] + seconds,
        "end": event["end"] + seconds,
        "phases": [[phase, a + seconds, b + seconds] for phase, a, b in event["phases"]],
    }


def nulls(
    event: Event, own: str, videos: dict[str, dict[str, Any]], rng: np.random.Generator
) -> list[tuple[str, Event]]:
    """The event's spans where it does not happen: in calm parts of its own video and of others, those of the
    same kind of scene first.
    """
    found = []
    length = event["end"] - event["start"]
    others = [name for name in rng.permutation(sorted(videos)).tolist() if name != own]
    others.sort(key=lambda name: videos[name]["scene"] != videos[own]["scene"])
    names = [own, *others]
    for name in names:
        video = videos[name]
        duration = video["num_frames"] / video["fps"]
        for _ in range(6):
            start = float(rng.uniform(0.0, max(0.1, duration - length)))
            clear = all(start > e["end"] + 1 or start + length < e["start"] - 1 for e in video["events"])
            if clear and start + length <= duration:
                found.append((name, shifted(event, start - event["start"])))
                break
        if len(found) == 5:
            break
    return found


def bounds(seen: Seen, event: Event) -> dict[str, float]:
    """Seconds by which what is seen begins after the stated time."""
    act, label = _acts(event)[0][0], event["label"]
    window = seen.frames(event["start"] - 4.0, event["end"] + 4.0)
    if label == "Shooting":
        flash = seen.flash[window]
        return {"first flash": (window.start + int(np.argmax(flash > 0.3 * flash.max()))) / seen.fps - act}
    if label == "Explosion":
        return {"blast": (window.start + int(np.argmax(seen.sweep[window]))) / seen.fps - act}
    if label in ("Arson", "Riot"):
        # Where it burns in the end: somebody in orange who comes from elsewhere is no fire.
        hearth = _hot(seen, _acts(event)[-1][0], event["end"]) > 0.3
        if not hearth.any():
            return {"fire not seen": 0.0}
        hot = seen.burning[window][:, hearth].astype(np.float32).mean(axis=1)
        return {"fire": (window.start + int(np.argmax(hot > 0.2 * hot.max()))) / seen.fps - act}
    return {}


def auc(true: Sequence[float], null: Sequence[float]) -> float:
    """How often a true value is above a null one; 0.5 says nothing."""
    a, b = np.asarray(true)[:, None], np.asarray(null)[None]
    return float(((a > b) + 0.5 * (a == b)).mean())


def load(root: Path, splits: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The truth of some splits, each video with its `path`."""
    videos = {}
    for split in splits:
        told = json.loads((root / f"sim_{split}.json").read_text(encoding="utf-8"))["videos"]
        for name, video in told.items():
            videos[name] = {**video, "path": root / "sim" / "videos" / split / f"{name}.mp4"}
    return videos


def check(videos: dict[str, dict[str, Any]], workers: int = 1) -> dict[str, Any]:
    """`promises`: by class and promise the number of events, `auc`, `found`, the medians `true` and `null`;
    `events`: by class the share found by any of its promises, and the same share among the null spans;
    `bounds`: by class the seconds of each event.
    """
    paths = [video["path"] for video in videos.values()]
    if workers > 1:
        with ProcessPoolExecutor(workers) as pool:
            seen = dict(zip(videos, pool.map(look, paths, chunksize=4), strict=True))
    else:
        seen = dict(zip(videos, map(look, paths), strict=True))
    rng = np.random.default_rng(0)
    true: dict[str, list[list[float]]] = defaultdict(list)
    null: dict[str, list[list[float]]] = defaultdict(list)
    begun: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for name, video in videos.items():
        for event in video["events"]:
            kept = PROMISES[event["label"]].values()
            true[event["label"]].append([promise(seen[name], event) for promise in kept])
            for other, moved in nulls(event, name, videos, rng):
                null[event["label"]].append([promise(seen[other], moved) for promise in kept])
            for what, seconds in bounds(seen[name], event).items():
                begun[event["label"]][what].append(seconds)
    return {
        "promises": {label: _rows(label, true[label], null[label]) for label in sorted(true)},
        "events": {label: _found(true[label], null[label]) for label in sorted(true)},
        "bounds": {label: dict(rows) for label, rows in sorted(begun.items())},
    }


def _rows(label: str, true: list[list[float]], null: list[list[float]]) -> dict[str, dict[str, float]]:
    a, b = np.array(true), np.array(null)
    limit = np.quantile(b, 0.95, axis=0)
    return {
        name: {
            "events": len(a),
            "auc": auc(a[:, k].tolist(), b[:, k].tolist()),
            "found": float((a[:, k] > limit[k]).mean()),
            "true": float(np.median(a[:, k])),
            "null": float(np.median(b[:, k])),
        }
        for k, name in enumerate(PROMISES[label])
    }


def _found(true: list[list[float]], null: list[list[float]]) -> dict[str, float]:
    """Events of which some promise is above 95 % of the null spans', and null spans of which one is."""
    a, b = np.array(true), np.array(null)
    limit = np.quantile(b, 0.95, axis=0)
    return {
        "events": len(a),
        "found": float((a > limit).any(axis=1).mean()),
        "null found": float((b > limit).any(axis=1).mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--split", action="append", help="may be given again; test by default")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result = check(load(options.root, options.split or ["test"]), options.workers)
    print("| class | promise | events | AUC | found | true | null |\n|---|---|---|---|---|---|---|")
    for label, rows in result["promises"].items():
        for promise, row in rows.items():
            print(
                f"| {label} | {promise} | {row['events']} | {row['auc']:.2f} | {row['found']:.2f} "
                f"| {row['true']:.4f} | {row['null']:.4f} |"
            )
    print("\n| class | events | found by some promise | null spans |\n|---|---|---|---|")
    for label, row in result["events"].items():
        print(f"| {label} | {row['events']} | {row['found']:.2f} | {row['null found']:.2f} |")
    print("\n| class | what begins | median, s | earliest | latest |\n|---|---|---|---|---|")
    for label, kinds in result["bounds"].items():
        for what, seconds in kinds.items():
            middle, low, high = np.median(seconds), min(seconds), max(seconds)
            print(f"| {label} | {what} | {middle:+.2f} | {low:+.2f} | {high:+.2f} |")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
