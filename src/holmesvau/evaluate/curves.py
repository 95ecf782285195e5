"""Detection predictions: one score for every frame of every test video, from JSONL (see `predictions`).

Shape legend: `T` dense frames, `F` frames of the video.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from holmesvau.errors import InputError
from holmesvau.evaluate import dense
from holmesvau.evaluate.localization import ScoredSpan
from holmesvau.evaluate.predictions import Complaints, Coverage, Mode, is_number, lines, shown, unexpected
from holmesvau.hivau.ground_truth import GroundTruth
from holmesvau.types import FloatArray, Span

# Containers and decoders disagree about a few frames at the end; more than a stride's worth is another video.
NEAR_FRAMES = 16


@dataclass(frozen=True, slots=True, eq=False)
class VideoPrediction:
    """A system's view of one video: `scores[F]` float64, its rate, and its events where it tells any."""

    scores: FloatArray
    fps: float
    events: tuple[ScoredSpan, ...] | None = None


def load_curves(
    path: str | Path,
    truth: Sequence[GroundTruth],
    *,
    fps: float | Mapping[str, float] = 30.0,
    mode: Mode = "strict",
) -> tuple[dict[str, VideoPrediction], Coverage]:
    """Predictions by video name, in the order of `truth`, and what was odd.

    `fps` is the rate of videos whose line has none, of all or by name. Leniently, scores up to 16 frames too
    many are cut and up to 16 too few hold their last one, of several lines for a video the first counts,
    unknown videos are ignored, videos without a usable line are left out, events are cut where the video
    ends, and a line without `events` tells none where others have them.

    Raises:
        InputError: when the file cannot be read, nothing is usable, `fps` is not above 0, a test video's
            length is not known, or, strictly, anything is odd.
    """
    if not isinstance(fps, Mapping) and not (is_number(fps) and fps > 0):
        raise InputError(f"{fps = }: give a number of frames a second above 0.")
    complaints = Complaints(str(path))
    wanted = {video.name: video for video in truth}
    found: dict[str, VideoPrediction] = {}
    seen: set[str] = set()
    for line, entry in lines(path, complaints):
        name = _name(entry, wanted, line, complaints)
        if name is None:
            continue
        if name in seen:
            message = "A second line for this video; the first counts."
            complaints.add("duplicate-id", name, message, line, mended=True)
            continue
        seen.add(name)
        rate = fps[name] if isinstance(fps, Mapping) else fps
        prediction = _prediction(entry, wanted[name], rate, line, complaints)
        if prediction is not None:
            found[name] = prediction
    for name in wanted:
        if name not in seen:
            complaints.add("missing", name, "No line has this video.")
    _untold(found, complaints)
    complaints.settle(mode)
    if not found:
        raise complaints.nothing_usable("a usable prediction for a video of the test set")
    kept = {name: found[name] for name in wanted if name in found}
    left_out = tuple(name for name in wanted if name not in found)
    return kept, Coverage(len(wanted), len(kept), left_out, tuple(complaints.found))


def lengths(path: str | Path) -> dict[str, int]:
    """How many frames each video has by the predictions' own word: `num_frames`, else the count of scores.

    For test sets whose list does not tell it (XD-Violence); lines with neither are left to `load_curves`.

    Raises:
        InputError: when the file cannot be read.
    """
    found: dict[str, int] = {}
    for _, entry in lines(path, Complaints(str(path))):
        frames, scores = entry.get("num_frames"), entry.get("scores")
        if frames is None and isinstance(scores, list) and "index" not in entry and "seconds" not in entry:
            frames = len(scores)
        if isinstance(entry.get("video"), str) and isinstance(frames, int) and frames > 0:
            found.setdefault(video_name(entry["video"]), frames)
    return found


def video_name(path: str) -> str:
    """`a/b/Abuse028_x264.mp4` -> `Abuse028_x264`. Names may hold dots: only .mp4 and the like go."""
    name = PurePosixPath(path).name
    suffix = PurePosixPath(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in (".mp4", ".avi", ".mkv", ".mov", ".webm") else name


def _name(
    entry: Mapping[str, Any], wanted: Mapping[str, GroundTruth], line: int, complaints: Complaints
) -> str | None:
    video = entry.get("video")
    if not isinstance(video, str) or not video:
        complaints.add("no-id", "", f"Its video is {shown(video)}; a name is wanted.", line)
        return None
    name = video_name(video)
    if name not in wanted:
        unexpected(name, wanted, "video", line, complaints)
        return None
    return name


def _prediction(
    entry: Mapping[str, Any], truth: GroundTruth, fps: float, line: int, complaints: Complaints
) -> VideoPrediction | None:
    if truth.num_frames is None:
        raise InputError(f"{truth.name}: its number of frames is not known. Give --num-frames FILE.")
    values = entry.get("scores")
    if not isinstance(values, list) or not values:
        complaints.add("no-scores", truth.name, "It has no list of scores.", line)
        return None
    bad = next((place for place, value in enumerate(values) if not is_number(value)), None)
    if bad is not None:
        message = f"Score {bad} is {shown(values[bad])}, not a finite number ({len(values)} scores)."
        complaints.add("bad-score", truth.name, message, line)
        return None
    rate = entry.get("fps", fps)
    if not (is_number(rate) and rate > 0):
        complaints.add("bad-rate", truth.name, f"Its fps is {shown(rate)}; a number above 0 is wanted.", line)
        return None
    try:
        scores = _frames(entry, np.array(values, np.float64), truth, rate, line, complaints)
    except (InputError, ValueError, TypeError, OverflowError) as error:
        complaints.add("wrong-length", truth.name, f"Not usable: {error}.", line)
        return None
    events = _events(entry.get("events"), truth.name, line, complaints, _latest_end(entry, truth, rate))
    return VideoPrediction(scores, float(rate), events)


def _frames(
    entry: Mapping[str, Any],
    scores: FloatArray,
    truth: GroundTruth,
    fps: float,
    line: int,
    complaints: Complaints,
) -> FloatArray:
    """`[F]`: by frame number where the line has them, else by time, else one score a frame.

    Raises:
        InputError: when the scores are of a video of another length, or their places cannot be.
    """
    num_frames = truth.num_frames or 0
    if "index" not in entry and "seconds" not in entry:
        return _fitted(scores, truth, line, complaints)
    places = np.array(entry["index" if "index" in entry else "seconds"], np.float64)
    if places.ndim != 1 or len(places) != len(scores) or not np.isfinite(places).all():
        raise InputError(
            f"{len(scores)} scores have {places.size} frame numbers or times, or not finite ones"
        )
    times = np.arange(num_frames, dtype=np.float64)
    if "index" not in entry:
        own = entry.get("frame_seconds")
        times = times / fps if own is None else np.array(own, np.float64)
        if times.shape != (num_frames,):
            raise InputError(f"frame_seconds has {times.size} times for {num_frames} frames")
    elif not (places == np.floor(places)).all():
        raise InputError("the frame numbers of the scores are not all whole numbers")
    _check_reach(places, times, 1.0 if "index" in entry else 1 / fps)
    inside = places <= times[-1] + (0 if "index" in entry else dense.TOLERANCE_SECONDS)
    if not inside.all():
        message = f"{(~inside).sum()} scores behind the last frame: cut."
        complaints.add("wrong-length", truth.name, message, line, mended=True)
        scores, places = scores[inside], places[inside]
    if "index" in entry:
        return dense.by_index(scores, places.astype(np.int64), num_frames)
    return dense.by_seconds(scores, places, times)


def _fitted(scores: FloatArray, truth: GroundTruth, line: int, complaints: Complaints) -> FloatArray:
    """Scores of all frames, cut or held at the end by a few frames."""
    num_frames = truth.num_frames or 0
    gap = len(scores) - num_frames
    if gap == 0:
        return scores
    message = f"{len(scores):,} scores for {num_frames:,} frames"
    if abs(gap) > NEAR_FRAMES:
        raise InputError(message)
    what = "the last one is held" if gap < 0 else "the rest is cut"
    complaints.add("wrong-length", truth.name, f"{message}: {what}.", line, mended=True)
    return np.pad(scores, (0, max(0, -gap)), mode="edge")[:num_frames]


def _check_reach(places: FloatArray, times: FloatArray, frame: float) -> None:
    """Refuse dense frames that leave much of the video out, or go far past its end."""
    stride = float(np.median(np.diff(places))) if len(places) > 1 else 0.0
    near = NEAR_FRAMES * frame + 2 * stride
    if places[0] < 0 or places[0] - times[0] > near:
        raise InputError(f"the first score is of {places[0]:g}, the first frame of {times[0]:g}")
    if abs(places[-1] - times[-1]) > near:
        raise InputError(f"the last score is of {places[-1]:g}, the last frame of {times[-1]:g}")


def _latest_end(entry: Mapping[str, Any], truth: GroundTruth, fps: float) -> float:
    """Where an event may end, in seconds: with the video, or a few frames later."""
    times = [time for time in entry.get("frame_seconds") or [] if is_number(time)]
    return max([(truth.num_frames or 0) / fps, *times[-1:]]) + NEAR_FRAMES / fps


def _events(
    values: Any, name: str, line: int, complaints: Complaints, end: float
) -> tuple[ScoredSpan, ...] | None:
    """The events of a line; None where it tells none. One that cannot be is complained of.

    `end` is where the video ends at the latest, in seconds.
    """
    if values is None:
        return None
    events = []
    for place, value in enumerate(values if isinstance(values, list) else [values]):
        try:
            label, score = value.get("label") or "", value.get("score", 1.0)
            if not (isinstance(label, str) and all(map(is_number, (score, value["start"], value["end"])))):
                raise ValueError
            span = Span(float(value["start"]), float(value["end"]))
        except (AttributeError, KeyError, ValueError):
            message = f"Event {place} needs a start from 0 on, an end behind it and a finite score; left out."
            complaints.add("bad-event", name, message, line)
            continue
        if span.start >= end:
            message = f"Event {place} begins at {span.start:g} s, behind the video's end; left out."
            complaints.add("bad-event", name, message, line)
            continue
        if span.end > end:
            message = f"Event {place} ends at {span.end:g} s, the video before {end:.2f} s: cut there."
            complaints.add("bad-event", name, message, line, mended=True)
        events.append(ScoredSpan(Span(span.start, min(span.end, end)), float(score), label))
    return tuple(events)


def _untold(found: Mapping[str, VideoPrediction], complaints: Complaints) -> None:
    """Complain of videos without events where others have some: they would count as if nothing happened."""
    silent = [name for name, one in found.items() if one.events is None]
    if len(silent) < len(found):
        for name in silent:
            message = 'Its line has no "events" as others have; it counts as telling none ([]).'
            complaints.add("no-events", name, message, mended=True)
