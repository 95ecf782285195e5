"""Exact frames for the page: by number, as JPEG, of any file that we can read, and the time of each."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from holmesvau.types import FloatArray
from holmesvau.video import Video, open_video

# So many files stay open, the ones looked at last.
_OPEN = 3
_QUALITY = 88
WIDEST = 1920


@dataclass(eq=False, slots=True)
class _Film:
    video: Video
    state: tuple[int, int]
    turn: threading.Lock = field(default_factory=threading.Lock)
    closed: bool = False


class Films:
    """The files looked at last, open, so that the next frame is one step away. Safe to share."""

    def __init__(self) -> None:
        self._films: OrderedDict[Path, _Film] = OrderedDict()
        self._turn = threading.Lock()

    def close(self) -> None:
        """Close all files; whoever reads one is waited for."""
        with self._turn:
            films = list(self._films.values())
            self._films.clear()
        for film in films:
            _close(film)

    def facts(self, path: Path) -> dict[str, Any]:
        """What a player must know of a file; `offset` is the container's time of frame 0, in seconds.

        Raises:
            VideoError: when it cannot be read.
        """
        with self._reading(path) as video:
            info = video.info
            return {
                "frames": info.num_frames or 0,
                "duration": info.duration or 0.0,
                "fps": info.fps,
                "width": info.width,
                "height": info.height,
                "codec": info.codec,
                "offset": info.start_seconds,
                "warnings": video.warnings,
            }

    def seconds(self, path: Path) -> FloatArray:
        """Times `[T]` of all frames; VideoError when the file cannot be read."""
        with self._reading(path) as video:
            return video.seconds

    def jpeg(self, path: Path, index: int, width: int) -> bytes:
        """Frame `index` as a JPEG at most `width` pixels wide.

        Raises:
            InputError: when there is no such frame; VideoError when it cannot be decoded.
        """
        with self._reading(path) as video:
            info = video.info
            wide = max(2, min(width, info.width, WIDEST))
            high = max(2, round(info.height * wide / info.width))
            frame = video.at([index], size=(wide, high)).frames[0]
        file = io.BytesIO()
        Image.fromarray(frame).save(file, "JPEG", quality=_QUALITY)
        return file.getvalue()

    @contextmanager
    def _reading(self, path: Path) -> Iterator[Video]:
        while True:
            film = self._film(path)
            with film.turn:
                # It may have been put away between finding it and its turn.
                if not film.closed:
                    yield film.video
                    return

    def _film(self, path: Path) -> _Film:
        state = path.stat() if path.exists() else None
        mark = (0, 0) if state is None else (state.st_mtime_ns, state.st_size)
        with self._turn:
            film = self._films.get(path)
            if film is not None and film.state == mark:
                self._films.move_to_end(path)
                return film
            old = [] if film is None else [self._films.pop(path)]
            film = self._films[path] = _Film(open_video(path), mark)
            while len(self._films) > _OPEN:
                old.append(self._films.popitem(last=False)[1])
        for one in old:
            _close(one)
        return film


def _close(film: _Film) -> None:
    with film.turn:
        film.closed = True
        film.video.close()
