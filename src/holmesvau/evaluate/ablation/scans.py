"""Videos scanned once for all cells of a study, kept with what the scan cost.

FOLDER/scans/PIPELINE/VIDEO.json     curve, events, seconds
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from holmesvau.errors import InputError
from holmesvau.evaluate.answering import Scanned, scanned
from holmesvau.evaluate.pipelines import content
from holmesvau.hivau.files import read_text, write_text
from holmesvau.holmes import Holmes
from holmesvau.types import AnomalyCurve, Span
from holmesvau.video import Video, open_video


class Scans:
    """The scans of one pipeline, kept in a folder of its own."""

    def __init__(self, folder: Path, holmes: Holmes) -> None:
        self._folder, self._holmes = folder, holmes
        self._found: dict[Path, Scanned] = {}

    def __call__(self, video: Video) -> Scanned:
        """The scan of an open video.

        Raises:
            VideoError: when it cannot be read. OutputError: when the scan cannot be written.
        """
        path = Path(video.info.path)
        if path not in self._found and not self._read(path):
            one = scanned(self._holmes, video)
            write_text(self._place(path), _text(one))
            self._found[path] = one
        return self._found[path]

    def of(self, path: Path) -> Scanned:
        """The scan of a file, opened only when it must be."""
        if path not in self._found and not self._read(path):
            with open_video(path) as video:
                return self(video)
        return self._found[path]

    def per_minute(self, paths: Iterable[Path]) -> float | None:
        """Seconds of scanning for a minute of these videos; None where their features were all stored."""
        measured = [one for one in map(self.of, paths) if one.scan_seconds is not None]
        minutes = sum(one.seconds_of_video for one in measured) / 60
        return sum(one.scan_seconds or 0.0 for one in measured) / minutes if minutes else None

    def _place(self, path: Path) -> Path:
        return self._folder / f"{path.stem}-{content(path)[:12]}.json"

    def _read(self, path: Path) -> bool:
        place = self._place(path)
        if not place.is_file():
            return False
        try:
            kept = json.loads(read_text(place))
            curve = AnomalyCurve(
                np.array(kept["seconds"], np.float64),
                np.array(kept["scores"], np.float32),
                np.array(kept["index"], np.int64),
                kept["stride_seconds"],
                kept["scorer"],
            )
            events = tuple(Span(*event) for event in kept["events"])
            self._found[path] = Scanned(curve, events, kept["seconds_of_video"], kept["scan_seconds"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{place}: not a scan ({error}). Delete it.") from error
        return True


def _text(one: Scanned) -> str:
    curve = one.curve
    kept = {
        "seconds": curve.seconds.tolist(),
        "scores": curve.scores.tolist(),
        "index": curve.index.tolist(),
        "stride_seconds": curve.stride_seconds,
        "scorer": curve.scorer,
        "events": [list(event) for event in one.events],
        "seconds_of_video": one.seconds_of_video,
        "scan_seconds": one.scan_seconds,
    }
    return json.dumps(kept)
