"""Run by `test_damage` in a process of its own: reads damaged copies, prints one JSON line for each.

python -m tests.video.damage_worker FILM FOLDER FIRST LAST
"""

from __future__ import annotations

import faulthandler
import json
import sys
from pathlib import Path

import numpy as np

from holmesvau.errors import HolmesError
from holmesvau.video import open_video

SECONDS_PER_FILE = 10


def damage(data: bytes, seed: int) -> bytes:
    """Flip bytes, zero a stretch, cut the end, drop, repeat or shuffle a stretch: one to three of these."""
    random = np.random.default_rng(seed)
    out = bytearray(data)
    for _ in range(random.integers(1, 4)):
        start = int(random.integers(0, len(out)))
        length = int(random.integers(1, 1 + len(out) // 8))
        kind = random.integers(0, 6)
        if kind == 0:
            for place in random.integers(0, len(out), random.integers(1, 60)):
                out[place] = int(random.integers(0, 256))
        elif kind == 1:
            out[start : start + length] = bytes(len(out[start : start + length]))
        elif kind == 2:
            out = out[: max(start, 1)]
        elif kind == 3:
            del out[start : start + length]
            out = out or bytearray(b"\0")
        elif kind == 4:
            out[start:start] = out[start : start + length]
        else:
            out[start : start + length] = random.bytes(len(out[start : start + length]))
    return bytes(out)


def read(path: Path) -> dict[str, object]:
    """Read in every way; `error` is the sentence of a HolmesError. Anything else ends the process."""
    outcome: dict[str, object] = {"frames": 0, "lost": 0}
    try:
        with open_video(path, threads=2) as video:
            outcome["frames"] = sum(len(batch) for batch in video.frames(every=1))
            sum(len(batch) for batch in video.frames(every=5, size=(32, 32)))
            sum(len(batch) for batch in video.frames(keyframes=True, size=(32, 32)))
            outcome["lost"] = video.lost.count
            outcome["warnings"] = video.warnings
            count = video.info.num_frames or 0
            video.at([count - 1, 0, count // 2], size=(32, 32))
    except HolmesError as error:
        outcome["error"] = str(error)
    return outcome


def main(film: str, folder: str, first: int, last: int) -> None:
    data = Path(film).read_bytes()
    for seed in range(first, last):
        path = Path(folder) / f"{seed}.mp4"
        path.write_bytes(damage(data, seed))
        faulthandler.dump_traceback_later(SECONDS_PER_FILE, exit=True)
        outcome = read(path)
        faulthandler.cancel_dump_traceback_later()
        path.unlink()
        print(json.dumps({"seed": seed, **outcome}), flush=True)  # noqa: T201 - this is how it answers


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
